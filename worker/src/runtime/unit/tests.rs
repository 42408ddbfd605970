//! Who owns a unit, and what a former owner can still do.

use std::collections::HashMap;

use emend_proto::v1::Verdict;
use emend_proto::{decode, encode};

use super::*;

const ONE: SeatId = SeatId(1);
const TWO: SeatId = SeatId(2);

fn unit() -> Unit {
    grouped(&[0, 0])
}

/// A unit whose records are of these groups.
fn grouped(groups: &[u64]) -> Unit {
    let record = |&group| Record { payload: "{}".into(), group, ..Record::default() };
    let records: Vec<_> = groups.iter().map(record).collect();
    let last_seq = 4 + groups.len() as u64;
    Unit::new(
        Lease { first_seq: 5, last_seq, records: Some(encode(&records)), ..Lease::default() },
        &HashMap::new(),
    )
}

fn valid(seq: u64) -> Vec<RecordResult> {
    vec![RecordResult { seq, verdict: Verdict::Valid.into(), ..RecordResult::default() }]
}

fn all_valid(step: &Step) -> Vec<RecordResult> {
    let Step::Validate { first_seq, records } = step else { panic!("there is a slice") };
    (*first_seq..).take(records.len()).flat_map(valid).collect()
}

fn claim(unit: &Unit, seat: SeatId) -> bool {
    unit.claim(seat, &mut BlockWriter::default())
}

fn at(step: &Step) -> Option<u64> {
    if let Step::Validate { first_seq, .. } = step { Some(*first_seq) } else { None }
}

#[test]
fn a_former_owner_changes_nothing() {
    let unit = unit();
    assert!(claim(&unit, ONE));
    assert_eq!(at(&unit.step(ONE, &[])), Some(5));
    assert!(!unit.take_away(ONE, 1) && !unit.take_away(TWO, 0), "only what was seen is taken away");
    assert!(unit.take_away(ONE, 0));
    // It comes back while nobody owns the unit, and again while another does.
    assert!(matches!(unit.step(ONE, &valid(5)), Step::Leave));
    assert!(claim(&unit, TWO));
    assert_eq!(at(&unit.step(TWO, &[])), Some(6));
    assert!(matches!(unit.step(ONE, &valid(5)), Step::Leave));
    assert!(!unit.disown(ONE));
    let Step::Finish { mut writer, tally } = unit.step(TWO, &valid(6)) else { panic!("all have a result") };
    assert_eq!(tally, Tally { valid: 1, failed: 1, ..Tally::default() });
    let results: Vec<_> = decode::<RecordResult>(&writer.finish()).unwrap().map(Result::unwrap).collect();
    assert_eq!(results.iter().map(|result| result.seq).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(results[0].failure, "timeout");
}

#[test]
fn on_hold_a_unit_waits_and_is_queued_once() {
    let unit = unit();
    unit.hold();
    assert!(!claim(&unit, ONE));
    assert!(unit.resume(), "it was parked");
    assert!(!unit.resume(), "and only once");
    assert!(claim(&unit, ONE));
    unit.step(ONE, &[]);
    unit.hold();
    assert!(!unit.resume(), "its owner has not noticed and goes on");
    unit.hold();
    assert!(matches!(unit.step(ONE, &valid(5)), Step::Leave));
    assert!(unit.resume());
    assert!(claim(&unit, TWO));
    assert_eq!(at(&unit.step(TWO, &[])), Some(6));
    // With all results it is finished even on hold.
    unit.hold();
    assert!(matches!(unit.step(TWO, &valid(6)), Step::Finish { .. }));
}

#[test]
fn a_lost_unit_is_never_finished() {
    let unit = unit();
    assert!(claim(&unit, ONE));
    unit.step(ONE, &[]);
    unit.step(ONE, &valid(5));
    unit.give_up();
    unit.hold();
    assert!(matches!(unit.step(ONE, &valid(6)), Step::Leave));
    assert!(!unit.resume() && !claim(&unit, TWO));
}

#[test]
fn records_of_a_group_come_in_one_slice() {
    let unit = grouped(&[0, 0, 3, 3, 7, 7, 7, 0, 9]);
    assert!(claim(&unit, ONE));
    let (mut slices, mut results) = (vec![], vec![]);
    let mut writer = loop {
        match unit.step(ONE, &results) {
            Step::Finish { writer, .. } => break writer,
            step => {
                results = all_valid(&step);
                slices.push((at(&step).unwrap(), results.len()));
                assert_eq!(unit.at(), (unit.done(), u32::try_from(results.len()).unwrap()));
            }
        }
    };
    assert_eq!(slices, [(5, 1), (6, 1), (7, 2), (9, 3), (12, 1), (13, 1)]);
    assert_eq!(unit.done(), 9);
    let written = decode::<RecordResult>(&writer.finish()).unwrap().map(|result| result.unwrap().seq);
    assert_eq!(written.collect::<Vec<_>>(), (5..14).collect::<Vec<_>>());
}

#[test]
fn a_group_is_taken_away_whole() {
    let unit = grouped(&[0, 3, 3, 0]);
    assert!(claim(&unit, ONE));
    unit.step(ONE, &[]);
    assert_eq!(at(&unit.step(ONE, &valid(5))), Some(6));
    assert_eq!(unit.at(), (1, 2));
    assert!(unit.take_away(ONE, 1));
    assert!(!unit.take_away(ONE, 3), "nothing is in anybody's hand");
    assert!(matches!(unit.step(ONE, &valid(6)), Step::Leave));
    // The record that was read to see the end of the group is there still.
    assert!(claim(&unit, TWO));
    assert_eq!(at(&unit.step(TWO, &[])), Some(8));
    let Step::Finish { mut writer, tally } = unit.step(TWO, &valid(8)) else { panic!("all have a result") };
    assert_eq!(tally, Tally { valid: 2, failed: 2, ..Tally::default() });
    let results: Vec<_> = decode::<RecordResult>(&writer.finish()).unwrap().map(Result::unwrap).collect();
    let told: Vec<_> = results.iter().map(|result| (result.seq, result.failure.as_str())).collect();
    assert_eq!(told, [(5, ""), (6, "timeout"), (7, "timeout"), (8, "")]);
}

#[test]
fn a_group_of_a_lost_unit_has_no_more_time_than_a_record() {
    let unit = grouped(&[3, 3, 3]);
    assert!(claim(&unit, ONE));
    unit.step(ONE, &[]);
    assert_eq!(unit.at(), (0, 3));
    unit.give_up();
    assert_eq!(unit.at(), (0, 1));
    assert!(unit.take_away(ONE, 0) && !claim(&unit, TWO));
}
