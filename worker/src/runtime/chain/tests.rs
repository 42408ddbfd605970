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
        let [record] = records else { panic!("no group is in these tests") };
        let value = record.get("a").unwrap_or_default();
        let rule = |name: &'static str| !job.without.iter().any(|off| off == name);
        let change = Change {
            field: "a".into(),
            before: value.into(),
            after: format!("{value}+{}", self.0.name),
            rule: "append".into(),
        };
        let finding =
            Finding { code: "b.odd".into(), field: "b".into(), rule: "route".into(), ..Finding::default() };
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
    let record = v1::Record { key: "k".into(), payload: payload.into(), ..v1::Record::default() };
    check(&chain.unwrap(), &Rules::of(lease), 7, &[record]).remove(0).unwrap()
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
        assert_eq!((finding.code.as_str(), finding.rule.as_str()), ("a.rule_paused", "one.append,append"));
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
    assert_eq!(result.findings[0].proposals, ["x+pack", "x+pack+one"], "nothing of a rule that is not named");
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
