//! Records and results that are easy to tell apart.

use emend_proto::encode;
use emend_proto::v1::{Change, Finding, Record, RecordResult, Verdict};
use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::results::Results;

/// Record `n` of a file: key `K-000001` and so on, one field.
pub fn record(n: i64) -> Record {
    with_payload(&format!("K-{n:06}"), n, &format!(r#"{{"n":"{n}"}}"#))
}

/// A record of this key and payload, in row `row`.
pub fn with_payload(key: &str, row: i64, payload: &str) -> Record {
    Record {
        key: key.into(),
        payload: payload.to_owned().into_bytes().into(),
        row: row.unsigned_abs(),
        ..Record::default()
    }
}

/// Records `first..=last`.
pub fn records(first: i64, last: i64) -> Vec<Record> {
    (first..=last).map(record).collect()
}

/// Nothing to change.
pub fn valid(seq: i64) -> RecordResult {
    RecordResult { seq: seq.unsigned_abs(), verdict: Verdict::Valid.into(), ..RecordResult::default() }
}

/// Field `n` is `after` now, by rule `n.fix`.
pub fn corrected(seq: i64, after: &str) -> RecordResult {
    let change =
        Change { field: "n".into(), before: seq.to_string(), after: after.into(), rule: "n.fix".into() };
    RecordResult { verdict: Verdict::Corrected.into(), changes: vec![change], ..valid(seq) }
}

/// Field `n` needs a person.
pub fn routed(seq: i64) -> RecordResult {
    let finding = Finding {
        code: "n.odd".into(),
        field: "n".into(),
        proposals: vec!["0".into()],
        ..Finding::default()
    };
    RecordResult { verdict: Verdict::Routed.into(), findings: vec![finding], ..valid(seq) }
}

/// A validator panicked.
pub fn failed(seq: i64) -> RecordResult {
    RecordResult { verdict: Verdict::Failed.into(), failure: "panic".into(), ..valid(seq) }
}

/// Results that find nothing wrong with records `first..=last`.
pub fn all_valid(first: i64, last: i64) -> Vec<RecordResult> {
    (first..=last).map(valid).collect()
}

/// Results as the scheduler reads them from a commit.
pub fn content(results: &[RecordResult]) -> Content {
    Results::read(encode(results))
}
