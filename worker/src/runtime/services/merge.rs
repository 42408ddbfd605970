//! What an answer makes of a record's result, held against what the validator said of itself.

use emend_proto::v1::{Change, Finding, RecordResult, ValidatedRecord};

use super::description::Description;
use crate::Record;
use crate::runtime::chain::{Rules, current, route};
use crate::runtime::check::{paused_code, verdict};

/// Bytes of a value, at most.
const MOST_VALUE: usize = 64 * 1024;
const MOST_FINDINGS: usize = 16;
const MOST_PROPOSALS: usize = 8;

/// Adds what an answer says. Else says which promise it breaks, and leaves the result as it is.
pub(super) fn merge(
    of: &Description,
    key_field: &str,
    rules: &Rules,
    record: &Record<'_>,
    result: &mut RecordResult,
    answer: ValidatedRecord,
) -> Result<(), &'static str> {
    if !answer.error.is_empty() {
        return Err("error");
    }
    let routed = |field: &str| {
        let about = |finding: &Finding| finding.field == field;
        result.findings.iter().any(about) || answer.findings.iter().any(about)
    };
    let mut changes: Vec<Change> = Vec::new();
    for change in &answer.changes {
        let field = change.field.as_str();
        let wrong = [
            (!of.changes.contains(field), "undeclared_field"),
            (field == key_field, "key_changed"),
            (routed(field), "routed_field"),
            (change.after.len() > MOST_VALUE, "value_too_long"),
            (!is_rule(&change.rule), "rule_name"),
            (changes.iter().any(|other| other.field == field), "field_twice"),
        ];
        if let Some((_, why)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
            return Err(why);
        }
        let before = current(record, result, field).unwrap_or_default().to_owned();
        let rule = format!("{}.{}", of.name, change.rule);
        changes.push(Change { field: field.to_owned(), before, after: change.after.clone(), rule });
    }
    if answer.findings.len() > MOST_FINDINGS {
        return Err("too_many_findings");
    }
    for finding in &answer.findings {
        let proposals = &finding.proposals;
        let too_large =
            proposals.len() > MOST_PROPOSALS || proposals.iter().any(|one| one.len() > MOST_VALUE);
        let known = record.get(&finding.field).is_some() || of.changes.contains(&finding.field);
        let wrong = [
            (!of.findings.contains(&finding.code), "undeclared_finding"),
            (!known, "unknown_field"),
            (too_large, "finding_too_large"),
        ];
        if let Some((_, why)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
            return Err(why);
        }
    }
    changes.retain(|change| change.before != change.after && !rules.is_off(&change.rule));
    let (held_back, changes): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|change| rules.is_paused(&change.rule));
    let told = answer.findings.len() + held_back.len();
    result.changes.extend(changes);
    // A validator that is called finds things by their code alone.
    let found = answer.findings.into_iter().map(|finding| Finding { rule: String::new(), ..finding });
    found.for_each(|finding| route(result, finding));
    for change in held_back {
        let code = paused_code(&change.field);
        route(
            result,
            Finding { code, field: change.field, proposals: vec![change.after], rule: change.rule },
        );
    }
    if told > 0 {
        // Alike is what the pack found alone.
        result.alike = 0;
    }
    result.verdict = verdict(!result.changes.is_empty(), !result.findings.is_empty()).into();
    Ok(())
}

fn is_rule(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::{DescribeResponse, ProposedChange, Verdict};

    use super::*;

    fn description() -> Description {
        let said = DescribeResponse {
            name: "register".into(),
            version: "1".into(),
            changes: vec!["name".into(), "ward".into(), "id".into()],
            findings: vec!["name.unknown".into(), "phone.odd".into()],
            ..DescribeResponse::default()
        };
        Description::try_from(said).unwrap()
    }

    fn change(field: &str, after: &str) -> ProposedChange {
        ProposedChange { field: field.into(), after: after.into(), rule: "lookup".into() }
    }

    fn finding(code: &str, field: &str, proposals: &[&str]) -> Finding {
        let proposals = proposals.iter().map(|&one| one.into()).collect();
        Finding { code: code.into(), field: field.into(), proposals, ..Finding::default() }
    }

    /// As the pack left it: the name corrected, the phone routed.
    fn before() -> RecordResult {
        RecordResult {
            seq: 7,
            verdict: Verdict::Routed.into(),
            changes: vec![Change {
                field: "name".into(),
                before: "AN".into(),
                after: "An".into(),
                rule: "name.case".into(),
            }],
            findings: vec![finding("phone.length", "phone", &[])],
            alike: 5,
            ..RecordResult::default()
        }
    }

    fn answered(
        changes: &[ProposedChange],
        findings: &[Finding],
        paused: &[&str],
    ) -> Result<RecordResult, &'static str> {
        let record = Record::from_fields("k", [("id", "k"), ("name", "AN"), ("phone", "1"), ("ward", "x")]);
        let mut result = before();
        let answer = ValidatedRecord {
            id: 0,
            changes: changes.to_vec(),
            findings: findings.to_vec(),
            error: String::new(),
        };
        let rules = Rules { paused: paused.iter().map(|&rule| rule.into()).collect(), ..Rules::default() };
        merge(&description(), "id", &rules, &record, &mut result, answer).map(|()| result)
    }

    #[test]
    fn a_change_starts_from_what_the_chain_left_and_names_its_validator() {
        let result = answered(&[change("name", "Ân"), change("ward", "x")], &[], &[]).unwrap();
        let last = result.changes.last().unwrap();
        assert_eq!(
            (last.before.as_str(), last.after.as_str(), last.rule.as_str()),
            ("An", "Ân", "register.lookup")
        );
        assert_eq!((result.changes.len(), result.alike), (2, 5), "what changes nothing is no change");
    }

    #[test]
    fn a_field_that_is_routed_keeps_what_was_made_of_it_as_a_proposal() {
        let result = answered(&[], &[finding("name.unknown", "name", &["Anh", "An"])], &[]).unwrap();
        assert_eq!(result.changes, []);
        assert_eq!(result.findings[1].proposals, ["An", "Anh"]);
        assert_eq!((result.verdict(), result.alike), (Verdict::Routed, 0));
        let held = answered(&[change("ward", "y")], &[], &["register.lookup"]).unwrap();
        let told = Finding { rule: "register.lookup".into(), ..finding("ward.rule_paused", "ward", &["y"]) };
        assert_eq!(held.findings[1], told);
    }

    #[test]
    fn what_was_not_declared_is_refused_and_leaves_nothing_behind() {
        let long = "x".repeat(MOST_VALUE + 1);
        let odd = ProposedChange { rule: "Not a rule".into(), ..change("ward", "y") };
        let wrong: [(&[ProposedChange], &[Finding], &str); 9] = [
            (&[change("sex", "nu")], &[], "undeclared_field"),
            (&[change("id", "other")], &[], "key_changed"),
            (&[change("ward", &long)], &[], "value_too_long"),
            (&[odd], &[], "rule_name"),
            (&[change("ward", "a"), change("ward", "b")], &[], "field_twice"),
            (&[change("name", "B")], &[finding("name.unknown", "name", &[])], "routed_field"),
            (&[], &[finding("name.other", "name", &[])], "undeclared_finding"),
            (&[], &[finding("name.unknown", "nowhere", &[])], "unknown_field"),
            (&[], &[finding("name.unknown", "name", &["a"; 9])], "finding_too_large"),
        ];
        for (changes, findings, why) in wrong {
            assert_eq!(answered(changes, findings, &[]).unwrap_err(), why);
        }
        let mut result = before();
        let failed = ValidatedRecord { error: "register_away".into(), ..ValidatedRecord::default() };
        let record = Record::from_fields("k", [("name", "AN")]);
        assert_eq!(
            merge(&description(), "id", &Rules::default(), &record, &mut result, failed),
            Err("error")
        );
        assert_eq!(result, before());
    }
}
