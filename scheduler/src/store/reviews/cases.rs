//! The records behind reviews, as the rules left them.

use std::collections::BTreeSet;

use emend_proto::decode;
use emend_proto::v1::{Record, RecordResult};

use super::super::db::{Sql, params};
use super::super::records::damaged;
use super::super::units::read_block;
use super::super::{JobConflict, ReviewConflict, Store, StoreError};

/// A record and its result.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// Its place.
    pub seq: i64,
    /// As it was imported.
    pub record: Record,
    /// What the rules said.
    pub result: RecordResult,
}

/// The unit of a place, with both its blocks; the newest results are in force.
const UNIT: Sql = Sql::same(
    "SELECT b.revision, u.id, u.first_seq, u.last_seq, b.count, b.plain_bytes, b.checksum, b.data
     FROM (SELECT id, first_seq, last_seq FROM units
           WHERE job_id = $1 AND state <> 'split' AND first_seq <= $2 ORDER BY first_seq DESC LIMIT 1) u
     JOIN blocks b ON b.unit_id = u.id
     WHERE b.revision = 0 OR b.revision = (SELECT MAX(m.revision) FROM blocks m WHERE m.unit_id = u.id)
     ORDER BY b.revision",
);

impl Store {
    /// Records at these places of a job, in order; each unit is read once.
    ///
    /// # Errors
    /// [`ReviewConflict::NotFound`] when one has no result; [`StoreError::Damaged`]; [`JobConflict::BlocksGone`].
    pub async fn reviewed(&self, job_id: i64, seqs: Vec<i64>) -> Result<Vec<Reviewed>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let mut wanted: BTreeSet<i64> = seqs.into_iter().collect();
                let mut found = Vec::with_capacity(wanted.len());
                while let Some(&seq) = wanted.first() {
                    let rows = tx.rows(UNIT, params![job_id, seq]).await?;
                    let [records, results] = &rows[..] else {
                        return Err(StoreError::JobState(JobConflict::BlocksGone));
                    };
                    let (unit, first, last) =
                        (records.int("id")?, records.int("first_seq")?, records.int("last_seq")?);
                    let here: BTreeSet<i64> = wanted.range(seq..=last).copied().collect();
                    let rest = wanted.split_off(&(last + 1));
                    wanted = rest;
                    if here.is_empty() {
                        return Err(StoreError::Review(ReviewConflict::NotFound));
                    }
                    let (records, results) = (read_block(records)?, read_block(results)?);
                    let broken = |error: emend_proto::BlockError| damaged(unit, &error);
                    let records = decode::<Record>(&records).map_err(broken)?;
                    let results = decode::<RecordResult>(&results).map_err(broken)?;
                    for (at, (record, result)) in (first..).zip(records.zip(results)) {
                        if here.contains(&at) {
                            let (record, result) = (record.map_err(broken)?, result.map_err(broken)?);
                            found.push(Reviewed { seq: at, record, result });
                        }
                    }
                }
                Ok(found)
            })
        })
        .await
    }
}
