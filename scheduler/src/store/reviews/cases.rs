//! The records behind reviews, as the rules left them.

use emend_proto::decode;
use emend_proto::v1::{Record, RecordResult};

use super::super::db::{Sql, params};
use super::super::records::damaged;
use super::super::units::read_block;
use super::super::{JobConflict, ReviewConflict, Store, StoreError};
use super::read_review;
use crate::domain::results::{Sample, ToReview};
use crate::domain::review::Review;
use crate::domain::time::Timestamp;

/// A record that people may look at, and its result.
#[derive(Debug, Clone)]
pub struct Reviewed {
    /// Its place.
    pub seq: i64,
    /// As it was imported.
    pub record: Record,
    /// What the rules said.
    pub result: RecordResult,
}

/// Those of one unit.
#[derive(Debug, Clone)]
pub struct ReviewedUnit {
    /// The unit's first record.
    pub first_seq: i64,
    /// Its last.
    pub last_seq: i64,
    /// In order.
    pub records: Vec<Reviewed>,
}

impl ReviewedUnit {
    /// The record at a place.
    ///
    /// # Errors
    /// [`ReviewConflict::NotFound`] when it needs nobody.
    pub fn at(&self, seq: i64) -> Result<&Reviewed, StoreError> {
        let found = self.records.binary_search_by_key(&seq, |reviewed| reviewed.seq);
        found.map(|at| &self.records[at]).map_err(|_| StoreError::Review(ReviewConflict::NotFound))
    }
}

/// The unit of a place, with both its blocks; the newest results are in force.
const UNIT: Sql = Sql::same(
    "SELECT b.revision, u.id, u.first_seq, u.last_seq, b.count, b.plain_bytes, b.checksum, b.data
     FROM (SELECT id, first_seq, last_seq, CASE revision WHEN 0 THEN 1 ELSE revision END AS revision FROM units
           WHERE job_id = $1 AND state <> 'split' AND first_seq <= $2 ORDER BY first_seq DESC LIMIT 1) u
     JOIN blocks b ON b.unit_id = u.id
     WHERE b.revision IN (0, u.revision)
     ORDER BY b.revision",
);

/// A review as seen from outside: not a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewSeen {
    /// Its state.
    pub review: Review,
    /// The codes of its findings.
    pub kind: String,
    /// Decided: final from then on.
    pub due_at: Timestamp,
}

const ONE: Sql = Sql::same("SELECT * FROM reviews WHERE job_id = $1 AND seq = $2");

impl Store {
    /// The review of a place, if its record needs people, or did.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn review_of(&self, job_id: i64, seq: i64) -> Result<Option<ReviewSeen>, StoreError> {
        let row =
            self.read(move |tx| Box::pin(async move { tx.row(ONE, params![job_id, seq]).await })).await?;
        let Some(row) = row else { return Ok(None) };
        // That a corrected record is looked into is nobody's to see.
        if row.maybe_text("sampled")?.is_some() {
            return Ok(None);
        }
        let due_at = Timestamp(row.int("due_at")?);
        Ok(Some(ReviewSeen { review: read_review(&row)?, kind: row.text("kind")?, due_at }))
    }

    /// Records of the unit of a place that people may look at.
    ///
    /// # Errors
    /// [`ReviewConflict::NotFound`] when there is no such place; [`StoreError::Damaged`]; [`JobConflict::BlocksGone`].
    pub async fn reviewed(&self, job_id: i64, seq: i64) -> Result<ReviewedUnit, StoreError> {
        let rows =
            self.read(move |tx| Box::pin(async move { tx.rows(UNIT, params![job_id, seq]).await })).await?;
        let [records, results] = &rows[..] else {
            return Err(StoreError::JobState(JobConflict::BlocksGone));
        };
        let (unit, first_seq, last_seq) =
            (records.int("id")?, records.int("first_seq")?, records.int("last_seq")?);
        if seq > last_seq {
            return Err(StoreError::Review(ReviewConflict::NotFound));
        }
        let (records, results) = (read_block(records)?, read_block(results)?);
        let broken = |error: emend_proto::BlockError| damaged(unit, &error);
        let records = decode::<Record>(&records).map_err(broken)?;
        let results = decode::<RecordResult>(&results).map_err(broken)?;
        let mut found = Vec::new();
        for (seq, (record, result)) in (first_seq..).zip(records.zip(results)) {
            let (record, result) = (record.map_err(broken)?, result.map_err(broken)?);
            if ToReview::of(seq, &result).is_some() || Sample::of(seq, &result).is_some() {
                // A slice of the block would keep all of it in memory.
                let payload = bytes::Bytes::copy_from_slice(&record.payload);
                found.push(Reviewed { seq, record: Record { payload, ..record }, result });
            }
        }
        Ok(ReviewedUnit { first_seq, last_seq, records: found })
    }
}
