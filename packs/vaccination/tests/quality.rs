//! The figures of quality on synthetic people, and that every kind of fault, rule and finding takes part.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::{BTreeSet, HashSet};

use emend_vaccination::generator::{FaultKind, Generated, Generator};
use emend_vaccination::{
    Class, FINDINGS, GROUP_FINDINGS, Quality, RULES, Truth, Vaccination, Values, Verdict,
};
use emend_worker::{JobContext, Outcome, Record, Validator};

fn job() -> JobContext {
    JobContext { as_of: "2021-09-20".into(), ..JobContext::default() }
}

fn checked(pack: &Vaccination, generated: &Generated) -> (Values, Outcome) {
    let record = Record::from_fields(&generated.key, generated.fields());
    let outcome = pack.validate(&job(), &[record]).pop().unwrap();
    let mut values = generated.values.clone();
    for change in &outcome.changes {
        values.set(emend_vaccination::Column::named(&change.field).unwrap(), change.after.clone());
    }
    (values, outcome)
}

#[test]
fn quality_on_synthetic_people() {
    let pack = Vaccination::new();
    let mut quality = Quality::new();
    let mut wrong = Vec::new();
    for seed in [1, 20_210_920, u64::MAX] {
        let generator = Generator::new(seed);
        for i in 0..50_000 {
            let generated = generator.record(i);
            let (values, outcome) = checked(&pack, &generated);
            let verdict = Verdict::of(&outcome.changes, &outcome.findings);
            let mut own = Quality::new();
            own.observe(&generated.truth, values.fields(), &outcome.changes, &outcome.findings, verdict);
            let good =
                [own.precision(), own.closed(), own.routed_right()].iter().all(|share| share.ratio() == 1.0);
            let clean = generated.truth.class != Class::Clean || verdict == Verdict::Valid;
            if !(good && clean) {
                wrong.push((generated, outcome));
            }
            quality.merge(&own);
        }
    }
    let told = serde_json::to_string(&quality).unwrap();
    println!("{told}");
    // Synthetic people: their values may be shown.
    for (generated, outcome) in wrong.iter().take(8) {
        println!("{:?}\n{:?}\n{outcome:?}\n", generated.values, generated.truth);
    }
    assert!(quality.precision().ratio() >= 0.9999, "{told}");
    assert!(quality.closed().ratio() >= 0.995, "{told}");
    assert!(quality.routed_right().ratio() == 1.0, "{told}");
}

#[test]
fn every_kind_rule_and_finding_takes_part() {
    let pack = Vaccination::new();
    let generator = Generator::new(7);
    let (mut kinds, mut rules, mut findings) = (HashSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut classes = [0_u32; 3];
    for i in 0..60_000 {
        let generated = generator.record(i);
        kinds.extend(generated.truth.faults.iter().copied());
        classes[generated.truth.class as usize] += 1;
        let (_, outcome) = checked(&pack, &generated);
        rules.extend(outcome.changes.into_iter().map(|change| change.rule.into_owned()));
        findings.extend(outcome.findings.into_iter().map(|finding| finding.code.into_owned()));
    }
    let missing: Vec<_> = FaultKind::ALL.iter().filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(rules, RULES.iter().map(|&rule| rule.to_owned()).collect());
    // One record alone cannot show what takes several.
    let alone = FINDINGS.iter().filter(|code| !GROUP_FINDINGS.contains(code));
    assert_eq!(findings, alone.map(|&code| code.to_owned()).collect());
    let share = |class: Class| f64::from(classes[class as usize]) / 60_000.0;
    assert!((share(Class::Clean) - 0.1).abs() < 0.01, "{classes:?}");
    assert!((share(Class::Person) - 0.2).abs() < 0.01, "{classes:?}");
}

#[test]
fn a_record_hangs_on_its_seed_and_number_alone() {
    let (one, other) = (Generator::new(3), Generator::new(3));
    let backwards: Vec<_> = (0..100).rev().map(|i| other.record(i)).collect();
    assert!(backwards.into_iter().rev().eq((0..100).map(|i| one.record(i))));
    assert_ne!(Generator::new(4).record(0).values, one.record(0).values);
    assert_eq!(one.record(0).key, "HCM-000000001");
}

#[test]
fn a_truth_is_one_line_of_json() {
    let generator = Generator::new(5);
    for i in 0..1_000 {
        let truth = generator.record(i).truth;
        let line = serde_json::to_string(&truth).unwrap();
        assert!(!line.contains('\n') && line.starts_with("{\"key\":\"HCM-"));
        assert_eq!(serde_json::from_str::<Truth>(&line).unwrap(), truth);
    }
}

#[test]
fn the_truth_of_a_record_is_valid() {
    let pack = Vaccination::new();
    let generator = Generator::new(11);
    for i in 0..20_000 {
        let truth = generator.record(i).truth;
        let outcome = pack.validate(&job(), &[Record::from_fields(&truth.key, truth.fields.fields())]);
        assert_eq!(outcome, [Outcome::default()], "{:?}", truth.fields);
    }
}
