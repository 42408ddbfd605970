//! Who may call what, and how urgent it is: the one table. What does not stand in it nobody may call.

use super::shed::Class::{self, Bulk, Lease, Look, Probe, Settle, Steer, Watch};
use crate::domain::caller::Role::{Lead, Monitor, Operator, Reader, Reviewer, Scaler, Worker};
use crate::domain::caller::{Role, Roles};

/// Who may call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Everybody, without a name.
    Open,
    /// Every caller that has a role.
    AnyRole,
    /// Callers in one of these roles.
    Only(Roles),
}

impl Rule {
    /// Whether callers in these roles may.
    pub(super) fn lets(self, roles: Roles) -> bool {
        match self {
            Self::Open => true,
            Self::AnyRole => !roles.is_empty(),
            Self::Only(allowed) => allowed.meet(roles),
        }
    }
}

const fn only(roles: &[Role]) -> Rule {
    Rule::Only(Roles::of(roles))
}

/// Changes jobs, brings records in, or says who may sign in.
const STEER: Rule = only(&[Operator]);
/// Shows records: a person's data.
const READ: Rule = only(&[Operator, Reader]);
/// Shows counts and states.
const WATCH: Rule = only(&[Operator, Reader, Monitor]);
/// Shows who works, and how well.
const PEOPLE: Rule = only(&[Operator]);
/// Takes and settles units: sees records, changes verdicts.
const WORK: Rule = only(&[Worker]);
/// Takes and answers reviews: sees records, and what stands in them is the answer.
const REVIEW: Rule = only(&[Operator, Reviewer, Lead]);
/// Asks for how many workers there is work.
const SCALE: Rule = only(&[Operator, Monitor, Scaler]);

/// Service, method, rule, class.
pub(super) const TABLE: &[(&str, &str, Rule, Class)] = &[
    ("emend.v1.JobService", "CreateJob", STEER, Steer),
    ("emend.v1.JobService", "ImportRecords", STEER, Bulk),
    ("emend.v1.JobService", "SealJob", STEER, Steer),
    ("emend.v1.JobService", "UpdateJob", STEER, Steer),
    ("emend.v1.JobService", "PauseJob", STEER, Steer),
    ("emend.v1.JobService", "ResumeJob", STEER, Steer),
    ("emend.v1.JobService", "CancelJob", STEER, Steer),
    ("emend.v1.JobService", "DeleteJob", STEER, Steer),
    ("emend.v1.JobService", "RetryUnits", STEER, Steer),
    ("emend.v1.JobService", "ApproveJob", STEER, Steer),
    ("emend.v1.JobService", "ReviseJob", STEER, Steer),
    ("emend.v1.JobService", "WithdrawVersion", STEER, Steer),
    ("emend.v1.JobService", "ListRevisions", WATCH, Look),
    ("emend.v1.JobService", "ListSamples", READ, Bulk),
    ("emend.v1.JobService", "ListRejects", READ, Bulk),
    ("emend.v1.JobService", "ExportRecords", READ, Bulk),
    ("emend.v1.JobService", "GetRecord", READ, Look),
    ("emend.v1.JobService", "ListRecords", READ, Bulk),
    ("emend.v1.JobService", "GetJob", WATCH, Look),
    ("emend.v1.JobService", "ListJobs", WATCH, Look),
    ("emend.v1.JobService", "WatchJob", WATCH, Watch),
    ("emend.v1.JobService", "ListUnits", WATCH, Look),
    ("emend.v1.JobService", "ListWorkers", WATCH, Look),
    ("emend.v1.JobService", "GetPace", WATCH, Look),
    ("emend.v1.JobService", "GetShift", PEOPLE, Look),
    ("emend.v1.WorkService", "LeaseUnits", WORK, Lease),
    ("emend.v1.WorkService", "Heartbeat", WORK, Settle),
    ("emend.v1.WorkService", "CommitUnits", WORK, Settle),
    ("emend.v1.WorkService", "ReleaseUnits", WORK, Settle),
    ("emend.v1.WorkService", "FailUnits", WORK, Settle),
    ("emend.v1.ReviewService", "LeaseReviews", REVIEW, Settle),
    ("emend.v1.ReviewService", "RenewReviews", REVIEW, Settle),
    ("emend.v1.ReviewService", "SaveDraft", REVIEW, Settle),
    ("emend.v1.ReviewService", "Decide", REVIEW, Settle),
    ("emend.v1.ReviewService", "SkipReview", REVIEW, Settle),
    ("emend.v1.ReviewService", "ReleaseReviews", REVIEW, Settle),
    ("emend.v1.ReviewService", "UndoDecision", REVIEW, Settle),
    ("emend.v1.ReviewService", "LeaseCluster", REVIEW, Settle),
    ("emend.v1.ReviewService", "OpenReview", REVIEW, Look),
    ("emend.v1.ReviewService", "DecideCluster", REVIEW, Settle),
    ("emend.v1.ReviewService", "RevealField", REVIEW, Look),
    ("emend.v1.ReviewService", "ListDecisions", REVIEW, Look),
    ("emend.v1.ReviewService", "AddKnownAnswers", STEER, Steer),
    ("emend.v1.ReviewService", "ResumeReviewer", STEER, Steer),
    ("emend.v1.AccountService", "AddAccount", STEER, Steer),
    ("emend.v1.AccountService", "ListAccounts", STEER, Look),
    ("emend.v1.AccountService", "GrantAccount", STEER, Steer),
    ("emend.v1.AccountService", "ResetPassword", STEER, Steer),
    ("emend.v1.AccountService", "DisableAccount", STEER, Steer),
    ("emend.v1.AccountService", "EnableAccount", STEER, Steer),
    ("externalscaler.ExternalScaler", "IsActive", SCALE, Watch),
    ("externalscaler.ExternalScaler", "StreamIsActive", SCALE, Watch),
    ("externalscaler.ExternalScaler", "GetMetricSpec", SCALE, Watch),
    ("externalscaler.ExternalScaler", "GetMetrics", SCALE, Watch),
    ("grpc.health.v1.Health", "Check", Rule::Open, Probe),
    ("grpc.health.v1.Health", "List", Rule::Open, Probe),
    ("grpc.health.v1.Health", "Watch", Rule::Open, Probe),
    ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", Rule::AnyRole, Probe),
    ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", Rule::AnyRole, Probe),
];

/// The row for an HTTP/2 path such as `/emend.v1.JobService/GetJob`; none for what nobody may call.
pub(super) fn row(path: &str) -> Option<(Rule, Class)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let row = TABLE.iter().find(|(s, m, ..)| (*s, *m) == (service, method));
    row.map(|&(_, _, rule, class)| (rule, class))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::server::grpc;

    /// Every method that reflection knows of, and so every method of every service on the port.
    fn methods() -> Vec<(String, String)> {
        let mut found = Vec::new();
        for set in grpc::DESCRIPTOR_SETS {
            for file in FileDescriptorSet::decode(*set).unwrap().file {
                for service in &file.service {
                    let name = format!("{}.{}", file.package(), service.name());
                    // Validators serve it, not the scheduler.
                    if service.name() == "ValidatorService" {
                        continue;
                    }
                    found
                        .extend(service.method.iter().map(|method| (name.clone(), method.name().to_owned())));
                }
            }
        }
        found
    }

    fn rule(path: &str) -> Option<Rule> {
        row(path).map(|(rule, _)| rule)
    }

    /// What a table lets happen, or keeps from happening, that it should not.
    fn holes(rule: impl Fn(&str) -> Option<Rule>) -> Vec<String> {
        let mut holes = Vec::new();
        for path in ["", "/", "/x/y", "emend.v1.JobService/GetJob", "/emend.v1.JobService/GetJob/", "//"] {
            if rule(path).is_some() {
                holes.push(format!("{path:?} is no call, and has a rule"));
            }
        }
        for (service, method) in methods() {
            let Some(rule) = rule(&format!("/{service}/{method}")) else {
                holes.push(format!("{service}/{method} stands in no row: nobody may call it"));
                continue;
            };
            let lets = |role| rule.lets(Roles::of(&[role]));
            let reads = ["Get", "List", "Watch", "Export"].iter().any(|word| method.starts_with(word));
            // Which roles may call it, by its name alone.
            let wrong = match service.as_str() {
                "emend.v1.JobService" if reads => {
                    [Worker, Scaler, Reviewer, Lead].into_iter().any(lets) || !lets(Operator)
                }
                "emend.v1.JobService" | "emend.v1.AccountService" => {
                    Role::ALL.into_iter().any(|role| lets(role) && role != Operator)
                }
                "emend.v1.WorkService" => Role::ALL.into_iter().any(|role| lets(role) && role != Worker),
                // What is right, and who goes on, is not for those to say who are rated by it.
                "emend.v1.ReviewService"
                    if ["AddKnownAnswers", "ResumeReviewer"].contains(&method.as_str()) =>
                {
                    Role::ALL.into_iter().any(|role| lets(role) != (role == Operator))
                }
                "emend.v1.ReviewService" => {
                    [Worker, Reader, Monitor, Scaler].into_iter().any(lets)
                        || ![Operator, Reviewer, Lead].into_iter().all(lets)
                }
                "grpc.health.v1.Health" => rule != Rule::Open,
                _ => false,
            };
            let shows_records = ["GetRecord", "ListRecords", "ExportRecords", "ListRejects"];
            let shown = shows_records.contains(&method.as_str()) && (lets(Monitor) || !lets(Reader));
            let open = rule.lets(Roles::default()) && service != "grpc.health.v1.Health";
            if wrong || shown || open {
                holes.push(format!("{service}/{method}: {rule:?}"));
            }
        }
        holes
    }

    #[test]
    fn every_method_of_every_service_has_a_rule_that_fits() {
        assert!(methods().len() > 20, "{:?}", methods());
        assert_eq!(holes(rule), Vec::<String>::new());
        let rows: BTreeSet<_> = TABLE.iter().map(|(service, method, ..)| (service, method)).collect();
        assert_eq!(rows.len(), TABLE.len(), "a row stands twice");
        // Who has no name takes nobody's place.
        let open = TABLE.iter().filter(|(_, _, rule, _)| *rule == Rule::Open);
        assert!(open.into_iter().all(|(.., class)| *class == Probe));
    }

    /// The check itself can fail: each of these tables has a hole.
    #[test]
    fn a_table_with_a_hole_is_found_out() {
        type Mutant = fn(&str) -> Option<Rule>;
        let mutants: [Mutant; 8] = [
            // What stands in no row is everybody's, or anybody's with a role.
            |path| rule(path).or(Some(Rule::Open)),
            |path| rule(path).or(Some(Rule::AnyRole)),
            |path| rule(path).filter(|_| !path.ends_with("/GetJob")),
            |path| rule(path).map(|rule| if rule == STEER { WATCH } else { rule }),
            |path| rule(path).map(|rule| if rule == WORK { Rule::AnyRole } else { rule }),
            |path| rule(path).map(|rule| if rule == READ { WATCH } else { rule }),
            |path| rule(path).map(|rule| if rule == REVIEW { READ } else { rule }),
            |path| rule(path).map(|rule| if rule == STEER { REVIEW } else { rule }),
        ];
        for (at, mutant) in mutants.into_iter().enumerate() {
            assert!(!holes(mutant).is_empty(), "mutant {at} passes");
        }
    }

    /// Rows as they stand in the docs; printed when they differ, to be put there.
    #[test]
    fn the_docs_show_this_table() {
        let mut expected = String::from("| service | method | who | class |\n|---|---|---|---|\n");
        for (service, method, rule, class) in TABLE {
            let who = match rule {
                Rule::Open => "everybody".to_owned(),
                Rule::AnyRole => "every role".to_owned(),
                Rule::Only(roles) => roles.to_string(),
            };
            expected.push_str(&format!("| {service} | {method} | {who} | {} |\n", class.name()));
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/SECURITY.md");
        let docs = std::fs::read_to_string(path).unwrap();
        assert!(docs.contains(&expected), "docs/SECURITY.md should hold:\n\n{expected}");
    }
}
