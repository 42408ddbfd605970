//! What a chain makes of a slice of several records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use emend_proto::v1::{Lease, PackRef};

use super::super::chain::{Chain, Rules};
use super::super::check::{Checked, check};
use super::*;
use crate::{Change, Manifest, Outcome, Validator};

/// Writes its name and the size of the slice behind field `name`, and does what field `do` says.
struct Compares {
    manifest: Manifest,
    /// Key and name of each record, call by call.
    calls: Mutex<Vec<Vec<String>>>,
}

impl Compares {
    fn of(&self, record: &crate::Record<'_>, slice: usize) -> Vec<Outcome> {
        let name = record.get("name").unwrap_or_default();
        let rule = || "append".into();
        let after = format!("{name}+{}{slice}", self.manifest.name);
        let change = Change { field: "name".into(), before: name.into(), after, rule: rule() };
        let finding = |field: &'static str, proposals: &[&str]| crate::Finding {
            code: "odd.odd".into(),
            field: field.into(),
            proposals: proposals.iter().map(|&one| one.into()).collect(),
            ..crate::Finding::default()
        };
        let act = record.get("do").unwrap_or_default();
        match act.strip_prefix(self.manifest.name.as_str()).unwrap_or(act) {
            " panics" => panic!("{name}"),
            " miscounts" if slice > 1 => vec![],
            "routes" => vec![Outcome { findings: vec![finding("do", &["x"])], ..Outcome::default() }],
            "routes the name" => vec![Outcome { findings: vec![finding("name", &[])], ..Outcome::default() }],
            "breaks a promise" => {
                vec![Outcome { changes: vec![change], findings: vec![finding("name", &[])] }]
            }
            _ => vec![Outcome { changes: vec![change], findings: vec![] }],
        }
    }
}

impl Validator for Compares {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn validate(&self, job: &JobContext, records: &[crate::Record<'_>]) -> Vec<Outcome> {
        assert_eq!(job.group_by, ["name", "born"]);
        let seen = |record: &crate::Record<'_>| format!("{}:{}", record.key(), record.get("name").unwrap());
        self.calls.lock().unwrap().push(records.iter().map(seen).collect());
        records.iter().flat_map(|record| self.of(record, records.len())).collect()
    }
}

/// A pack, with a validator behind it that says the same.
struct Two {
    pack: Arc<Compares>,
    behind: Arc<Compares>,
}

impl Two {
    fn new() -> Self {
        let named = |name: &str| {
            let (name, version) = (name.to_owned(), "1".to_owned());
            let manifest = Manifest { name, version, key_field: "id".into(), ..Manifest::default() };
            Arc::new(Compares { manifest, calls: Mutex::default() })
        };
        Self { pack: named("pack"), behind: named("behind") }
    }

    fn check(&self, records: &[Record]) -> Vec<Checked> {
        let link = |name: &str| PackRef { name: name.into(), version: "1".into() };
        let entry = |validator: &Arc<Compares>| {
            let validator: Arc<dyn Validator> = validator.clone();
            ((validator.manifest().name.clone(), "1".to_owned()), validator)
        };
        let packs = HashMap::from([entry(&self.pack), entry(&self.behind)]);
        let lease = Lease {
            pack: Some(link("pack")),
            validators: vec![link("behind")],
            group_by: vec!["name".into(), "born".into()],
            ..Lease::default()
        };
        check(&Chain::of(&lease, &packs).0.unwrap(), &Rules::default(), 7, records)
    }
}

/// A group of records that do `acts`; their names are a, b, c.
fn group(acts: &[&str]) -> Vec<Record> {
    let record = |(place, (act, name)): (usize, (&&str, char))| Record {
        key: format!("k{place}"),
        payload: format!(r#"{{"id":"k{place}","do":"{act}","name":"{name}"}}"#).into(),
        group: 3,
        ..Record::default()
    };
    acts.iter().zip('a'..).enumerate().map(record).collect()
}

fn told(result: &RecordResult) -> Vec<(&str, &str, Vec<&str>)> {
    let mut all = Vec::new();
    for Finding { code, field, proposals, .. } in &result.findings {
        all.push((code.as_str(), field.as_str(), proposals.iter().map(String::as_str).collect()));
    }
    all
}

fn names(result: &RecordResult) -> Vec<&str> {
    result.changes.iter().map(|change| change.after.as_str()).collect()
}

fn failure(checked: &Checked) -> Option<&'static str> {
    checked.as_ref().err().map(super::super::check::Failure::code)
}

#[test]
fn a_group_is_handed_over_whole_as_the_one_before_left_it() {
    let two = Two::new();
    let checked = two.check(&group(&["", ""]));
    assert_eq!(*two.pack.calls.lock().unwrap(), [["k0:a", "k1:b"]]);
    assert_eq!(*two.behind.calls.lock().unwrap(), [["k0:a+pack2", "k1:b+pack2"]]);
    let results: Vec<_> = checked.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().map(|result| result.seq).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(names(&results[1]), ["b+pack2", "b+pack2+behind2"]);
    assert_eq!((results[1].verdict(), results[1].findings.len()), (Verdict::Corrected, 0));
}

#[test]
fn a_payload_that_is_no_object_does_not_hold_up_its_group() {
    let two = Two::new();
    let mut records = group(&["", "", ""]);
    records[1].payload = "[]".into();
    let checked = two.check(&records);
    assert_eq!(*two.pack.calls.lock().unwrap(), [["k0:a", "k2:c"]]);
    assert_eq!(failure(&checked[1]), Some("payload"));
    let last = checked[2].as_ref().unwrap();
    assert_eq!((checked.len(), last.seq, last.findings.len()), (3, 9, 0));
    records.iter_mut().for_each(|record| record.payload = "[]".into());
    assert!(two.check(&records).iter().all(Result::is_err));
    assert_eq!(two.pack.calls.lock().unwrap().len(), 1, "nothing is asked about nothing");
}

#[test]
fn a_broken_promise_fails_its_record_alone() {
    let two = Two::new();
    let checked = two.check(&group(&["", "breaks a promise", ""]));
    assert_eq!(checked.iter().map(failure).collect::<Vec<_>>(), [None, Some("outcome"), None]);
    assert_eq!(two.pack.calls.lock().unwrap().len(), 1);
    assert_eq!(*two.behind.calls.lock().unwrap(), [["k0:a+pack3", "k2:c+pack3"]]);
}

#[test]
fn where_the_pack_panics_on_a_group_nobody_has_compared_its_records() {
    let two = Two::new();
    let checked = two.check(&group(&["", "pack panics", "routes the name"]));
    assert_eq!(failure(&checked[1]), Some("panic"));
    let (first, last) = (checked[0].as_ref().unwrap(), checked[2].as_ref().unwrap());
    assert_eq!(told(first), [(FAILED, "name", vec!["a+pack1"])]);
    assert_eq!((names(first), first.verdict(), first.alike), (vec![], Verdict::Routed, 0));
    let both = ["odd.odd", FAILED, "odd.odd"];
    assert_eq!(told(last).iter().map(|(code, ..)| *code).collect::<Vec<_>>(), both);
    assert_eq!(*two.behind.calls.lock().unwrap(), [["k0:a", "k2:c"]], "what was changed is taken back");
}

#[test]
fn where_outcomes_are_missing_each_record_is_asked_about_alone() {
    let two = Two::new();
    let checked = two.check(&group(&["", "pack miscounts"]));
    let all = checked.iter().map(|checked| told(checked.as_ref().unwrap()));
    assert_eq!(
        all.collect::<Vec<_>>(),
        [[(FAILED, "name", vec!["a+pack1"])], [(FAILED, "name", vec!["b+pack1"])]]
    );
}

#[test]
fn where_one_behind_panics_on_a_group_the_rest_goes_to_people() {
    let two = Two::new();
    let checked = two.check(&group(&["behind panics", ""]));
    assert_eq!(failure(&checked[0]), Some("panic"));
    let left = checked[1].as_ref().unwrap();
    assert_eq!(told(left), [(FAILED, "name", vec!["b+pack2+behind1"])]);
    assert_eq!(left.findings[0].rule, "append,behind.append");
    // Both of them: it is said once.
    let checked = two.check(&group(&["pack miscounts", "behind panics", "behind miscounts"]));
    let said = checked[2].as_ref().unwrap().findings.iter().filter(|finding| finding.code == FAILED);
    assert_eq!((said.count(), failure(&checked[1])), (1, Some("panic")));
}

#[test]
fn a_record_that_was_taken_out_of_its_group_goes_to_a_person() {
    for (apart, code) in [(Apart::TooLarge, TOO_LARGE), (Apart::Failed, FAILED)] {
        let alone = |act| vec![Record { group: 0, apart: apart.into(), ..group(&[act]).remove(0) }];
        let two = Two::new();
        let result = two.check(&alone("")).remove(0).unwrap();
        assert_eq!(told(&result), [(code, "name", vec!["a+pack1"])]);
        assert_eq!((result.verdict(), result.findings[0].rule.as_str()), (Verdict::Routed, "append"));
        let routed = two.check(&alone("routes the name")).remove(0).unwrap();
        assert_eq!(told(&routed)[..2], [("odd.odd", "name", vec![]), (code, "name", vec![])]);
        assert_eq!(two.check(&alone("routes")).remove(0).unwrap().alike, 0);
        assert_eq!(failure(&two.check(&alone("pack panics"))[0]), Some("panic"));
    }
}

#[test]
fn only_records_of_one_group_go_together() {
    let of = |group| Record { group, ..Record::default() };
    assert!(together(&of(3), &of(3)));
    assert!(!together(&of(3), &of(4)) && !together(&of(3), &of(0)) && !together(&of(0), &of(0)));
}
