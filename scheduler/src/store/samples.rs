//! Units to take examples from.

use emend_proto::v1::Block;

use super::db::{Row, Sql, params};
use super::units::{self, read_block};
use super::{Store, StoreError};
use crate::domain::results::Tallies;
use crate::domain::unit::UnitId;

/// A unit and its first record.
type Place = (UnitId, i64);

/// In an order that has nothing to do with the file's: neighbours have the same faults.
const SPREAD: Sql = Sql::same(
    "SELECT id, first_seq, tallies FROM units
     WHERE job_id = $1 AND state <> 'split' AND (state = 'done' OR revision > 0) AND tallies IS NOT NULL
     ORDER BY (first_seq * 7919) % 104729, first_seq LIMIT $2",
);
const RESULTS: Sql = Sql::same(
    "SELECT b.* FROM units u
     JOIN blocks b ON b.unit_id = u.id AND b.revision = CASE u.revision WHEN 0 THEN 1 ELSE u.revision END
     WHERE u.id = $1",
);

impl Store {
    /// Up to `limit` units of a job that have results, spread over it, with what they count.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn spread_units(&self, job_id: i64, limit: u32) -> Result<Vec<(Place, Tallies)>, StoreError> {
        let read = |row: &Row| Ok(((row.int("id")?, row.int("first_seq")?), row.json("tallies")?));
        self.read(move |tx| {
            Box::pin(async move { tx.rows(SPREAD, params![job_id, limit]).await?.iter().map(read).collect() })
        })
        .await
    }

    /// A unit's records and its results in force, unchecked; `None` when retention has them.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn blocks_of(&self, unit_id: UnitId) -> Result<Option<(Block, Block)>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let records = units::block(tx, unit_id, 0).await?;
                let results =
                    tx.row(RESULTS, params![unit_id]).await?.as_ref().map(read_block).transpose()?;
                Ok(records.zip(results))
            })
        })
        .await
    }
}
