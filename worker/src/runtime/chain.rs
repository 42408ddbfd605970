//! What a record goes through in this process: the pack, and behind it the rule files and packs that the job names. Each
//! sees the record as the one before it left it.

use std::collections::HashSet;
use std::sync::Arc;

use emend_proto::v1::{self, Lease, PackRef, RecordResult};

use super::check::{Failure, one, verdict};
use super::leaser::Packs;
use crate::{Change, Finding, JobContext, Outcome, Record, Validator};

/// Rules that a job does not let do what they would.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// What they would change goes to people; `NAME.*` is all of one validator.
    pub(crate) paused: Vec<String>,
    /// They do not run.
    pub(crate) off: Vec<String>,
}

/// One validator of a chain.
pub(crate) struct Member {
    /// Stands before its rules. Those of the pack stand alone.
    name: Option<String>,
    pub(crate) validator: Arc<dyn Validator>,
    pub(crate) job: JobContext,
}

/// What this process runs of a job's chain, up to the first validator that has to be called.
pub(crate) struct Chain {
    pub(crate) pack: Member,
    pub(crate) behind: Vec<Member>,
}

impl Rules {
    pub(crate) fn of(lease: &Lease) -> Self {
        Self { paused: lease.paused_rules.clone(), off: lease.rules_off.clone() }
    }

    pub(crate) fn is_paused(&self, rule: &str) -> bool {
        let all_of = |paused: &str| paused.strip_suffix('*').is_some_and(|start| rule.starts_with(start));
        self.paused.iter().any(|paused| paused == rule || all_of(paused))
    }

    pub(crate) fn is_off(&self, rule: &str) -> bool {
        self.off.iter().any(|off| off == rule)
    }

    /// What rules that are off would have changed stays as it was before the first of them.
    pub(crate) fn leave_out(&self, outcome: &mut Outcome) {
        let mut cut = HashSet::new();
        outcome.changes.retain(|change| {
            if self.is_off(&change.rule) {
                cut.insert(change.field.clone());
            }
            !cut.contains(&change.field)
        });
        outcome.findings.retain(|finding| !self.is_off(&finding.rule));
    }
}

impl Member {
    fn pack(validator: Arc<dyn Validator>, as_of: &str, rules: &Rules) -> Self {
        let job = JobContext { as_of: as_of.to_owned(), without: rules.off.clone(), ..JobContext::default() };
        Self { name: None, validator, job }
    }

    /// Behind the pack, by the name under which the job has it.
    pub(crate) fn behind(link: &PackRef, validator: Arc<dyn Validator>, as_of: &str, rules: &Rules) -> Self {
        let own = |rule: &String| rule.strip_prefix(&link.name)?.strip_prefix('.').map(str::to_owned);
        let without = rules.off.iter().filter_map(own).collect();
        Self {
            name: Some(link.name.clone()),
            validator,
            job: JobContext { as_of: as_of.to_owned(), without, ..JobContext::default() },
        }
    }

    /// Adds to `result` what it says of the record.
    pub(crate) fn run(
        &self,
        record: &Record<'_>,
        rules: &Rules,
        key_field: &str,
        result: &mut RecordResult,
    ) -> Result<(), Failure> {
        let mut outcome = {
            let changed = result.changes.iter().map(|change| (change.field.as_str(), change.after.as_str()));
            one(&*self.validator, &self.job, &record.with(changed))?
        };
        self.name_rules(&mut outcome);
        rules.leave_out(&mut outcome);
        let told = add(record, key_field, super::check::held_back(outcome, rules), result)?;
        if told {
            // Alike is what the pack found alone.
            result.alike = 0;
        }
        result.verdict = verdict(!result.changes.is_empty(), !result.findings.is_empty()).into();
        Ok(())
    }

    fn name_rules(&self, outcome: &mut Outcome) {
        let Some(name) = &self.name else { return };
        for change in &mut outcome.changes {
            change.rule = format!("{name}.{}", change.rule).into();
        }
        for finding in outcome.findings.iter_mut().filter(|finding| !finding.rule.is_empty()) {
            finding.rule = format!("{name}.{}", finding.rule).into();
        }
    }
}

impl Chain {
    /// What `packs` hold of a lease's chain, and what is left to be called behind it. `None` without its pack.
    pub(crate) fn of(lease: &Lease, packs: &Packs) -> (Option<Self>, Vec<PackRef>) {
        let rules = Rules::of(lease);
        let find = |link: &PackRef| packs.get(&(link.name.clone(), link.version.clone())).cloned();
        let mut links = lease.validators.iter().peekable();
        let mut behind = Vec::new();
        while let Some(validator) = links.peek().and_then(|link| find(link)) {
            let Some(link) = links.next() else { break };
            behind.push(Member::behind(link, validator, &lease.as_of, &rules));
        }
        let pack = lease.pack.as_ref().and_then(find);
        let chain = pack.map(|pack| Self { pack: Member::pack(pack, &lease.as_of, &rules), behind });
        (chain, links.cloned().collect())
    }

    pub(crate) fn key_field(&self) -> &str {
        &self.pack.validator.manifest().key_field
    }
}

/// Adds an outcome to what the chain before has said; whether it told people anything.
fn add(
    record: &Record<'_>,
    key_field: &str,
    outcome: Outcome,
    result: &mut RecordResult,
) -> Result<bool, Failure> {
    let told = !outcome.findings.is_empty();
    for Change { field, after, rule, .. } in outcome.changes {
        if field == key_field {
            return Err(Failure::Outcome("it changes the key"));
        }
        // The field waits for a person already. As a proposal it would stand there without its rule, and stay when that is
        // taken back.
        if result.findings.iter().any(|finding| finding.field == field) {
            continue;
        }
        let before = current(record, result, &field).unwrap_or_default().to_owned();
        if before != after {
            let (field, rule) = (field.into_owned(), rule.into_owned());
            result.changes.push(v1::Change { field, before, after, rule });
        }
    }
    for Finding { code, field, proposals, rule } in outcome.findings {
        let (code, field, rule) = (code.into_owned(), field.into_owned(), rule.into_owned());
        route(result, v1::Finding { code, field, proposals, rule });
    }
    Ok(told)
}

/// The value of a field as the chain has left it so far.
pub(crate) fn current<'a>(record: &'a Record<'_>, result: &'a RecordResult, field: &str) -> Option<&'a str> {
    let changed = result.changes.iter().rfind(|change| change.field == field);
    changed.map(|change| change.after.as_str()).or_else(|| record.get(field))
}

/// The field is a person's now: what was changed of it before is a proposal, the first.
pub(crate) fn route(result: &mut RecordResult, mut finding: v1::Finding) {
    let (folded, kept) = std::mem::take(&mut result.changes)
        .into_iter()
        .partition::<Vec<_>, _>(|change| change.field == finding.field);
    result.changes = kept;
    if let Some(last) = folded.last() {
        finding.proposals.retain(|proposal| *proposal != last.after);
        finding.proposals.insert(0, last.after.clone());
        finding.rule = parts(&finding.rule, folded.iter().map(|change| change.rule.as_str()));
    }
    result.findings.push(finding);
}

/// Rules that have a part in a finding, each once: taking one of them back concerns it.
pub(crate) fn parts<'a>(first: &'a str, others: impl Iterator<Item = &'a str>) -> String {
    let mut rules: Vec<&str> = Vec::new();
    for rule in first.split(',').chain(others).filter(|rule| !rule.is_empty()) {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules.join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use emend_proto::v1::Verdict;

    use super::*;
    use crate::Manifest;
    use crate::runtime::check::check;

    /// Writes its name behind field `a`; routes `b` when `a` ends with `route`.
    struct Appends(Manifest);

    impl Validator for Appends {
        fn manifest(&self) -> &Manifest {
            &self.0
        }

        fn validate(&self, job: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
            let value = records[0].get("a").unwrap_or_default();
            let rule = |name: &'static str| !job.without.iter().any(|off| off == name);
            let change = Change {
                field: "a".into(),
                before: value.into(),
                after: format!("{value}+{}", self.0.name),
                rule: "append".into(),
            };
            let finding = Finding {
                code: "b.odd".into(),
                field: "b".into(),
                rule: "route".into(),
                ..Finding::default()
            };
            let found = value.contains("odd") && rule("route");
            vec![Outcome {
                changes: if rule("append") { vec![change] } else { vec![] },
                findings: if found { vec![finding] } else { vec![] },
            }]
        }
    }

    fn packs() -> Packs {
        let named = |name: &str| -> ((String, String), Arc<dyn Validator>) {
            let manifest = Manifest {
                name: name.into(),
                version: "1".into(),
                key_field: "id".into(),
                ..Manifest::default()
            };
            ((name.into(), "1".into()), Arc::new(Appends(manifest)))
        };
        HashMap::from([named("pack"), named("one"), named("two")])
    }

    fn lease(links: &[&str], paused: &[&str], off: &[&str]) -> Lease {
        let link = |name: &&str| PackRef { name: (*name).into(), version: "1".into() };
        let texts = |all: &[&str]| all.iter().map(|&one| one.into()).collect();
        Lease {
            pack: Some(link(&"pack")),
            validators: links.iter().map(link).collect(),
            paused_rules: texts(paused),
            rules_off: texts(off),
            ..Lease::default()
        }
    }

    fn run(lease: &Lease, a: &str) -> RecordResult {
        let (chain, _) = Chain::of(lease, &packs());
        let payload = format!(r#"{{"id":"k","a":"{a}","b":"1"}}"#);
        let record = v1::Record { key: "k".into(), payload: payload.into(), row: 0 };
        check(&chain.unwrap(), &Rules::of(lease), 7, &record).unwrap()
    }

    fn changes(result: &RecordResult) -> Vec<(&str, &str, &str)> {
        let all = result.changes.iter();
        all.map(|change| (change.before.as_str(), change.after.as_str(), change.rule.as_str())).collect()
    }

    #[test]
    fn each_sees_what_the_one_before_left_and_names_its_rules() {
        let result = run(&lease(&["one", "two"], &[], &[]), "x");
        let expected = [
            ("x", "x+pack", "append"),
            ("x+pack", "x+pack+one", "one.append"),
            ("x+pack+one", "x+pack+one+two", "two.append"),
        ];
        assert_eq!(changes(&result), expected);
        assert_eq!(result.verdict(), Verdict::Corrected);
    }

    #[test]
    fn rules_that_are_off_do_not_run_and_the_rest_runs_as_without_them() {
        let without = run(&lease(&["one", "two"], &[], &["one.append"]), "x");
        assert_eq!(changes(&without), changes(&run(&lease(&["two"], &[], &[]), "x")));
        // A pack that does not heed it: what its rule changed stays as it was, and so does what followed in that field.
        let rules = Rules { off: vec!["b".into()], ..Rules::default() };
        let change = |field: &'static str, rule: &'static str| Change {
            field: field.into(),
            before: "1".into(),
            after: "2".into(),
            rule: rule.into(),
        };
        let all = vec![change("x", "a"), change("x", "b"), change("x", "c"), change("y", "c")];
        let mut outcome = Outcome { changes: all, findings: vec![] };
        rules.leave_out(&mut outcome);
        assert_eq!(outcome.changes, [change("x", "a"), change("y", "c")]);
    }

    #[test]
    fn what_is_paused_is_a_finding_that_names_its_rule() {
        for paused in ["one.append", "one.*"] {
            let result = run(&lease(&["one"], &[paused], &[]), "x");
            assert_eq!(changes(&result), [], "the pack's change of the field is a proposal too");
            let finding = &result.findings[0];
            assert_eq!(
                (finding.code.as_str(), finding.rule.as_str()),
                ("a.rule_paused", "one.append,append")
            );
            assert_eq!(finding.proposals, ["x+pack", "x+pack+one"]);
        }
        let other = run(&lease(&["one"], &["on.*", "one.appen"], &[]), "x");
        assert_eq!(other.findings, []);
    }

    #[test]
    fn a_field_that_waits_for_a_person_is_not_changed() {
        let lease = lease(&["one", "two"], &["one.append"], &[]);
        let result = run(&lease, "x");
        assert_eq!(result.findings.len(), 1);
        assert_eq!(
            result.findings[0].proposals,
            ["x+pack", "x+pack+one"],
            "nothing of a rule that is not named"
        );
        assert_eq!(changes(&result), []);
    }

    #[test]
    fn a_finding_of_a_rule_names_it_and_is_not_made_without_it() {
        let found = run(&lease(&["one"], &[], &[]), "odd");
        let rules: Vec<_> = found.findings.iter().map(|finding| finding.rule.as_str()).collect();
        assert_eq!(rules, ["route", "one.route"]);
        let off = run(&lease(&["one"], &[], &["one.route", "route"]), "odd");
        assert_eq!((off.findings.len(), off.verdict()), (0, Verdict::Corrected));
    }

    #[test]
    fn what_has_to_be_called_and_what_comes_behind_it_is_left() {
        let (chain, left) = Chain::of(&lease(&["one", "register", "two"], &[], &[]), &packs());
        assert_eq!(chain.unwrap().behind.len(), 1);
        let names: Vec<_> = left.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["register", "two"]);
        let unknown = Lease { pack: None, ..lease(&[], &[], &[]) };
        assert!(Chain::of(&unknown, &packs()).0.is_none());
    }
}
