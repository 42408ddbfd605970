//! Eighteen rules of the vaccination pack, once in Rust and once in a file, say the same of every record.

#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use emend_rules::RuleFile;
use emend_vaccination::Vaccination;
use emend_vaccination::generator::Generator;
use emend_worker::{JobContext, Outcome, Record, Validator};

const FILE: &str = include_str!("../../examples/rules/vaccination.yaml");
const FIELDS: [&str; 4] = ["phone", "gender", "dose_number", "lot_number"];
const RECORDS: u64 = 50_000;

fn file() -> RuleFile {
    RuleFile::parse(FILE).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What an outcome says of one field: its last value if it is changed, and the codes of its findings.
fn said<'o>(outcome: &'o Outcome, field: &str) -> (Option<&'o str>, Vec<&'o str>) {
    let last = outcome.changes.iter().rfind(|change| change.field == field);
    let codes = outcome.findings.iter().filter(|finding| finding.field == field);
    (last.map(|change| change.after.as_str()), codes.map(|finding| &*finding.code).collect())
}

#[test]
fn the_examples_of_the_file_hold() {
    let outcomes = file().test();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(file().rules().all(|rule| rule.examples() >= 2));
}

#[test]
fn file_and_pack_say_the_same() {
    let (file, pack) = (file(), Vaccination::new());
    let job = JobContext { as_of: "2021-09-20".into(), ..JobContext::default() };
    let (mut compared, mut changed, mut routed) = (0_u64, 0_u64, 0_u64);
    for seed in [1, 20_210_920] {
        let generator = Generator::new(seed);
        for i in 0..RECORDS / 2 {
            let generated = generator.record(i);
            let record = Record::from_fields(&generated.key, generated.fields());
            let by_file = file.validate(&job, std::slice::from_ref(&record)).pop().unwrap();
            let by_pack = pack.validate(&job, std::slice::from_ref(&record)).pop().unwrap();
            for field in FIELDS {
                let (file, pack) = (said(&by_file, field), said(&by_pack, field));
                assert_eq!(file, pack, "{} {field}: {:?}", generated.key, record.get(field));
                changed += u64::from(pack.0.is_some());
                routed += u64::from(!pack.1.is_empty());
            }
            compared += 1;
        }
    }
    println!("{compared} records compared; {changed} fields changed and {routed} routed, by both alike");
    assert!(compared * 100 > RECORDS * 95);
    assert!(changed > 1_000 && routed > 500, "the records try the rules");
}
