//! What the workers of the simulation find: a record's results depend on the record alone.

use emend_proto::v1::{Change, Record, RecordResult, Verdict};
use emend_tests::records::{routed, valid, with_payload};

use crate::op::Sent;

/// A row of a source. The same key may come with another payload.
pub(crate) fn record(key: u8, plain: bool, row: i64) -> Record {
    let (key, mark) = (key % 32, if plain { "" } else { "?" });
    with_payload(&name(key), row, &format!(r#"{{"n":"{key}{mark}"}}"#))
}

pub(crate) fn name(key: u8) -> String {
    format!("K-{:02}", key % 32)
}

/// The value of a record's field.
fn value(record: &Record) -> String {
    let fields: serde_json::Value = serde_json::from_slice(&record.payload).expect("a payload is JSON");
    fields["n"].as_str().expect("field n is a text").to_owned()
}

/// What the rules say of the record at `seq`.
pub(crate) fn honest(seq: i64, record: &Record) -> RecordResult {
    let value = value(record);
    match value.bytes().map(u32::from).sum::<u32>() % 3 {
        0 => routed(seq),
        1 => valid(seq),
        _ => changed(seq, &value, "honest"),
    }
}

fn changed(seq: i64, before: &str, by: &str) -> RecordResult {
    let change = Change {
        field: "n".into(),
        before: before.into(),
        after: format!("{before} {by}"),
        rule: format!("n.{by}"),
    };
    RecordResult { verdict: Verdict::Corrected.into(), changes: vec![change], ..valid(seq) }
}

/// What is sent for records that begin at `first`.
pub(crate) fn results(what: Sent, first: i64, records: &[Record]) -> Vec<RecordResult> {
    let each = (first..).zip(records);
    match what {
        Sent::Honest | Sent::Stranger | Sent::Corrupt => {
            each.map(|(seq, record)| honest(seq, record)).collect()
        }
        Sent::Other => each.map(|(seq, record)| changed(seq, &value(record), "other")).collect(),
        Sent::Unfit => {
            let count = i64::try_from(records.len()).expect("few records");
            (first..=first + count).map(valid).collect()
        }
    }
}

/// What the scheduler says of a lone record that nothing helped.
pub(crate) fn given_up(seq: i64) -> RecordResult {
    RecordResult { verdict: Verdict::Failed.into(), failure: "attempts".into(), ..valid(seq) }
}

/// Whether every changed value tells what it was and which rule changed it.
pub(crate) fn has_provenance(record: &Record, result: &RecordResult) -> bool {
    let value = value(record);
    result.changes.iter().all(|change| {
        change.field == "n" && change.before == value && change.after != value && !change.rule.is_empty()
    })
}
