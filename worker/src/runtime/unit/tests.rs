//! Who owns a unit, and what a former owner can still do.

use std::collections::HashMap;

use emend_proto::encode;
use emend_proto::v1::Verdict;

use super::*;

const ONE: SeatId = SeatId(1);
const TWO: SeatId = SeatId(2);

fn unit() -> Unit {
    let records = ["a", "b"].map(|key| Record { key: key.into(), payload: "{}".into(), row: 0 });
    Unit::new(
        Lease { first_seq: 5, last_seq: 6, records: Some(encode(&records)), ..Lease::default() },
        &HashMap::new(),
    )
}

fn valid(seq: u64) -> Option<RecordResult> {
    Some(RecordResult { seq, verdict: Verdict::Valid.into(), ..RecordResult::default() })
}

fn claim(unit: &Unit, seat: SeatId) -> bool {
    unit.claim(seat, &mut BlockWriter::default())
}

fn at(step: &Step) -> Option<u64> {
    if let Step::Validate { seq, .. } = step { Some(*seq) } else { None }
}

#[test]
fn a_former_owner_changes_nothing() {
    let unit = unit();
    assert!(claim(&unit, ONE));
    assert_eq!(at(&unit.step(ONE, None)), Some(5));
    assert!(!unit.take_away(ONE, 1) && !unit.take_away(TWO, 0), "only what was seen is taken away");
    assert!(unit.take_away(ONE, 0));
    // It comes back while nobody owns the unit, and again while another does.
    assert!(matches!(unit.step(ONE, valid(5)), Step::Leave));
    assert!(claim(&unit, TWO));
    assert_eq!(at(&unit.step(TWO, None)), Some(6));
    assert!(matches!(unit.step(ONE, valid(5)), Step::Leave));
    assert!(!unit.disown(ONE));
    let Step::Finish { mut writer, tally } = unit.step(TWO, valid(6)) else { panic!("all have a result") };
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
    unit.step(ONE, None);
    unit.hold();
    assert!(!unit.resume(), "its owner has not noticed and goes on");
    unit.hold();
    assert!(matches!(unit.step(ONE, valid(5)), Step::Leave));
    assert!(unit.resume());
    assert!(claim(&unit, TWO));
    assert_eq!(at(&unit.step(TWO, None)), Some(6));
    // With all results it is finished even on hold.
    unit.hold();
    assert!(matches!(unit.step(TWO, valid(6)), Step::Finish { .. }));
}

#[test]
fn a_lost_unit_is_never_finished() {
    let unit = unit();
    assert!(claim(&unit, ONE));
    unit.step(ONE, None);
    unit.step(ONE, valid(5));
    unit.give_up();
    unit.hold();
    assert!(matches!(unit.step(ONE, valid(6)), Step::Leave));
    assert!(!unit.resume() && !claim(&unit, TWO));
}
