//! What runs here behind a validator that was called.

use std::collections::HashMap;

use emend_proto::v1::{Lease, PackRef};

use super::*;
use crate::{Change, JobContext, Manifest, Outcome, Validator};

/// Writes the size of the slice into field `n`.
struct Counts(Manifest);

impl Validator for Counts {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        let count = |record: &Record<'_>| Change {
            field: "n".into(),
            before: record.get("n").unwrap_or_default().into(),
            after: records.len().to_string(),
            rule: "count".into(),
        };
        let outcome = |record| Outcome { changes: vec![count(record)], findings: vec![] };
        records.iter().map(outcome).collect()
    }
}

#[tokio::test]
async fn records_are_handed_over_by_groups_without_those_that_failed() {
    let record = |group| v1::Record { payload: "{}".into(), group, ..v1::Record::default() };
    let records: Vec<_> = [0, 0, 3, 3, 3, 6, 6].map(record).into();
    let result = |seq| RecordResult { seq, verdict: Verdict::Valid.into(), ..RecordResult::default() };
    let mut results: Vec<_> = (5..12).map(result).collect();
    results[3] = Failure::Validator.into_result(8);
    let unit = Arc::new(Unit::new(Lease::default(), &HashMap::new()));
    let link = PackRef { name: "count".into(), version: "1".into() };
    let member = Member::behind(&link, Arc::new(Counts(Manifest::default())), &unit.job);
    let Ok(results) = run_here(member, Arc::clone(&unit), Arc::new(records), results).await else {
        panic!("nothing is in its way")
    };
    let told = |result: &RecordResult| {
        let after = result.changes.first().map(|change| change.after.clone());
        (result.seq, after.unwrap_or_else(|| result.failure.clone()))
    };
    let sizes = ["1", "1", "2", "validator", "2", "2", "2"].map(str::to_owned);
    assert_eq!(results.iter().map(told).collect::<Vec<_>>(), (5..).zip(sizes).collect::<Vec<_>>());
    assert_eq!(unit.progress(), 7);
}
