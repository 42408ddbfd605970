//! What is alike and what is not, as examples.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::{Change, Field};
use super::*;

/// Says of a field what it was made to say, and of anything else nothing.
struct Says {
    manifest: Manifest,
    /// Values that it has nothing to say about.
    settled: Vec<String>,
    calls: AtomicUsize,
}

impl Validator for Says {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let of = |record: &Record<'_>| {
            let value = record.get("f").unwrap_or_default();
            found(&if self.settled.iter().any(|settled| settled == value) { vec![] } else { vec!["x"] })
        };
        records.iter().map(of).collect()
    }
}

fn found(proposals: &[&str]) -> Outcome {
    let finding = |proposals: &[&str]| Finding {
        code: "f.odd".into(),
        field: "f".into(),
        proposals: proposals.iter().map(|&proposal| proposal.into()).collect(),
        ..Finding::default()
    };
    let findings = if proposals.is_empty() { vec![] } else { vec![finding(proposals)] };
    Outcome { findings, ..Outcome::default() }
}

fn says(settled: &[&str]) -> Says {
    let field = |name: &str, sensitive| Field { name: name.into(), sensitive, ..Field::default() };
    let manifest = Manifest {
        fields: vec![field("f", true), field("place", false)],
        source_field: "place".into(),
        ..Manifest::default()
    };
    Says {
        manifest,
        settled: settled.iter().map(|&value| value.into()).collect(),
        calls: AtomicUsize::new(0),
    }
}

fn of(record: &Record<'_>, outcome: &Outcome, settled: &[&str]) -> u64 {
    alike(&says(settled), &JobContext::default(), record, outcome)
}

fn record(value: &'static str, place: &'static str) -> Record<'static> {
    Record::from_fields("k", [("f", value), ("place", place)])
}

#[test]
fn the_edit_counts_and_not_what_it_leaves() {
    for (before, after, expected) in [
        ("ÔNG NGUYỄN VĂN A", "NGUYỄN VĂN A", "ông →…"),
        ("Ông  Lê B", "LÊ B", "ông →…"),
        ("CHỊ LAN", "LAN", "chị →_"),
        ("BS. LÊ HÀ", "LÊ HÀ", "bs. →…"),
        ("NGUYỄN VĂN A7", "NGUYỄN VĂN A", "…9→"),
        ("NGUYỄN VĂN A@", "NGUYỄN VĂN A", "…@→"),
        ("NGUYỄN @VĂN A", "NGUYỄN VĂN A", "_@→…"),
        ("Phan Anh Thö", "PHAN ANH THỬ", "…_ö→ử"),
        ("Nguyễn", "NGUYỄN", "_"),
        ("2012-08-21", "2021-08-21", "9999→~…"),
        ("2020-08-21", "2021-08-21", "9999→9999…"),
        ("2021-12-08", "2021-08-12", "_99→#2-99→#1"),
        ("12/08/2020", "2021-08-12", "99→9999/→-_/→-9999→#1"),
        ("0912345678.0", "0912345678", "_.9→"),
        ("79090123456", "079090123456", "→9_"),
        ("7909012345", "007909012345", "→99_"),
        ("", "760", "→999"),
        ("  ", "760", "→999"),
    ] {
        assert_eq!(pattern(before, after, true), expected, "{before}");
    }
}

#[test]
fn a_value_that_is_one_of_a_few_is_kept_whole() {
    for (before, after, expected) in [
        ("AZ/Moderna", "Moderna", "az/→moderna"),
        ("AZ/Pfizer", "Pfizer", "az/→pfizer"),
        ("Huyện Tân Bình", "766", "huyện tân bình→999"),
        ("Quận 13", "766", "quận 99→999"),
    ] {
        assert_eq!(pattern(before, after, false), expected);
    }
}

#[test]
fn only_a_single_finding_with_a_proposal_that_settles_it() {
    let record = record("ÔNG LÊ B", "here");
    assert_ne!(of(&record, &found(&["LÊ B"]), &["LÊ B"]), 0);
    assert_ne!(of(&record, &found(&["LÊ", "LÊ B"]), &["LÊ B"]), 0);
    assert_eq!(of(&record, &found(&["LÊ B"]), &[]), 0);
    assert_eq!(of(&record, &found(&[]), &[]), 0);
    let mut two = found(&["LÊ B"]);
    two.findings.extend(found(&["LÊ B"]).findings);
    assert_eq!(of(&record, &two, &["LÊ B"]), 0);
    let mut none = found(&["LÊ B"]);
    none.findings[0].proposals.clear();
    assert_eq!(of(&record, &none, &["LÊ B"]), 0);
}

/// In a job that is grouped; it says the same of each record.
fn of_group(record: &Record<'_>, outcome: &Outcome, validator: &dyn Validator) -> u64 {
    let job = JobContext { group_by: vec!["f".into()], ..JobContext::default() };
    alike(validator, &job, record, outcome)
}

#[test]
fn a_finding_that_only_the_group_shows_is_like_no_other() {
    let (own, mended, asked) = (record("ÔNG LÊ B", "here"), found(&["LÊ B"]), says(&["LÊ B"]));
    let alone = alike(&asked, &JobContext::default(), &own, &mended);
    assert_eq!(
        asked.calls.load(Ordering::Relaxed),
        1,
        "without groups it is not asked about the record again"
    );
    assert_eq!(of_group(&own, &mended, &says(&["LÊ B"])), alone, "the record gets it by itself too");
    assert_eq!(of_group(&own, &mended, &says(&["LÊ B", "ÔNG LÊ B"])), 0);
    let mut other = found(&["LÊ B"]);
    other.findings[0].code = "f.shared".into();
    assert_eq!(of_group(&own, &other, &says(&["LÊ B"])), 0);
}

#[test]
fn a_change_that_was_held_back_is_the_records_own() {
    struct Trims(Says);
    impl Validator for Trims {
        fn manifest(&self) -> &Manifest {
            self.0.manifest()
        }

        fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
            let value = records[0].get("f").unwrap_or_default();
            let (before, after) = (value.into(), value.trim().into());
            let change = Change { field: "f".into(), before, after, rule: "f.trim".into() };
            let changes = if value.starts_with(' ') { vec![change] } else { vec![] };
            vec![Outcome { changes, findings: vec![] }]
        }
    }
    let mut held = found(&["LÊ B"]);
    held.findings[0].rule = "f.case,f.trim".into();
    assert_ne!(of_group(&record(" LÊ B", "here"), &held, &Trims(says(&[]))), 0);
    held.findings[0].rule = "".into();
    assert_eq!(of_group(&record(" LÊ B", "here"), &held, &Trims(says(&[]))), 0);
}

#[test]
fn place_finding_and_every_proposal_count() {
    let settled = ["LÊ B", "LÊ", "TRẦN THỊ C"];
    let one = of(&record("ÔNG LÊ B", "here"), &found(&["LÊ B"]), &settled);
    assert_eq!(of(&record("ông Trần Thị C", "here"), &found(&["TRẦN THỊ C"]), &settled), one);
    assert_ne!(of(&record("ÔNG LÊ B", "there"), &found(&["LÊ B"]), &settled), one);
    assert_ne!(of(&record("ÔNG LÊ B", "here"), &found(&["LÊ B", "LÊ"]), &settled), one);
    let mut other = found(&["LÊ B"]);
    other.findings[0].code = "f.other".into();
    assert_ne!(of(&record("ÔNG LÊ B", "here"), &other, &settled), one);
    // A place is one, however it was typed: as the rules left it.
    let mut corrected = found(&["LÊ B"]);
    corrected.changes.push(Change {
        field: "place".into(),
        before: " here".into(),
        after: "here".into(),
        rule: "text.spaces".into(),
    });
    assert_eq!(of(&record("ÔNG LÊ B", " here"), &corrected, &settled), one);
}

/// Workers of every version must say the same of the same record: where this fails, [`VERSION`] has to change with it.
#[test]
fn the_number_is_the_same_for_ever() {
    let record = record("ÔNG LÊ B", "Trạm Y tế số 1");
    assert_eq!(of(&record, &found(&["LÊ B"]), &["LÊ B"]), 396_771_888_266_843_606);
}

#[test]
fn any_text_has_a_pattern() {
    let odd = ["", "…", "→#1", "٣٤", "e\u{301}", "\u{301}", "ﬁ", "İ", "1a2b", "👍🏽 1", "½", "\u{FFFD}?"];
    for before in odd {
        for after in odd {
            for personal in [true, false] {
                pattern(before, after, personal);
            }
        }
    }
}
