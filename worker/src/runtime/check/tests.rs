use std::collections::HashMap;
use std::sync::Arc;

use emend_proto::v1::{Lease, PackRef};

use super::*;
use crate::{Change, Manifest};

struct Says(Manifest, Vec<Outcome>);

impl Validator for Says {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn validate(&self, _: &JobContext, _: &[Record<'_>]) -> Vec<Outcome> {
        self.1.clone()
    }
}

fn change(field: &'static str) -> Change {
    Change { field: field.into(), before: "a".into(), after: "b".into(), rule: "r".into() }
}

fn finding(code: &'static str) -> Finding {
    Finding { code: code.into(), field: "phone".into(), ..Finding::default() }
}

fn judge(payload: &'static str, outcomes: Vec<Outcome>) -> Result<Verdict, Failure> {
    let manifest =
        Manifest { name: "test".into(), version: "1".into(), key_field: "id".into(), ..Manifest::default() };
    let record = v1::Record { key: "k".into(), payload: payload.into(), ..v1::Record::default() };
    let pack = PackRef { name: "test".into(), version: "1".into() };
    let validator: Arc<dyn Validator> = Arc::new(Says(manifest, outcomes));
    let packs = HashMap::from([((pack.name.clone(), pack.version.clone()), validator)]);
    let (chain, _) = Chain::of(&Lease { pack: Some(pack), ..Lease::default() }, &packs);
    let checked = check(&chain.unwrap(), &Rules::default(), 7, &[record]).remove(0);
    checked.map(|result| result.verdict())
}

fn outcome(changes: &[Change], findings: &[Finding]) -> Vec<Outcome> {
    vec![Outcome { changes: changes.to_vec(), findings: findings.to_vec() }]
}

#[test]
fn changes_and_findings_make_the_verdict() {
    assert_eq!(judge("{}", outcome(&[], &[])), Ok(Verdict::Valid));
    assert_eq!(judge("{}", outcome(&[change("name")], &[])), Ok(Verdict::Corrected));
    assert_eq!(judge("{}", outcome(&[change("name")], &[finding("phone.length")])), Ok(Verdict::Routed));
}

#[test]
fn what_a_paused_rule_would_change_is_a_finding_with_the_chains_last_word() {
    let by = |field: &'static str, after: &str, rule: &'static str| Change {
        field: field.into(),
        before: "a".into(),
        after: after.into(),
        rule: rule.into(),
    };
    let changes =
        vec![by("name", "b", "name.trim"), by("name", "c", "name.case"), by("phone", "d", "phone.fix")];
    let outcome = Outcome { changes: changes.clone(), findings: vec![finding("site.odd")] };
    let paused = |rule: &str| Rules { paused: vec![rule.into()], ..Rules::default() };
    assert_eq!(held_back(outcome.clone(), &paused("other")), outcome);
    let held = held_back(outcome, &paused("name.trim"));
    assert_eq!(held.changes, changes[2..]);
    let told = Finding {
        code: "name.rule_paused".into(),
        field: "name".into(),
        proposals: vec!["c".into()],
        rule: "name.trim,name.case".into(),
    };
    assert_eq!(held.findings[1], told);
    let odd = Outcome { changes: vec![by("Họ tên", "b", "r")], findings: vec![] };
    assert_eq!(held_back(odd, &paused("r")).findings[0].code, "record.rule_paused");
}

#[test]
fn a_broken_promise_fails_the_record() {
    assert_eq!(judge("[]", outcome(&[], &[])), Err(Failure::Payload));
    for outcomes in [
        vec![],
        vec![Outcome::default(), Outcome::default()],
        outcome(&[change("phone")], &[finding("phone.length")]),
        outcome(&[], &[finding("phone")]),
        outcome(&[], &[finding("phone.")]),
        outcome(&[], &[finding("Phone.length")]),
        outcome(&[], &[finding("phone.too long")]),
    ] {
        assert!(matches!(judge("{}", outcomes), Err(Failure::Outcome(_))));
    }
}
