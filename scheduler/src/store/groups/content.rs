//! What is read of the units that were imported, and what is written of the new ones.

use std::sync::atomic::Ordering;

use emend_proto::Messages;
use emend_proto::v1::Block;

use super::super::db::{Column, Row, Sql, Tx, params};
use super::super::units::{self, NewUnit, read_block};
use super::super::{Lane, Store, StoreError};
use super::Done;
use super::fresh::Following;
use super::rows::{Claim, lost};
use super::shuffle::{Made, PLACE_BYTES, PLACES_IN_ROW};
use crate::domain::key::KeyCode;
use crate::domain::unit::UnitId;

/// Those that new ones take the place of are split, and were never leased.
const HEADS: Sql = Sql::same(
    "SELECT id, first_seq, last_seq FROM units
     WHERE job_id = $1 AND (state = 'ungrouped' OR state = 'split' AND epoch = 0) AND first_seq > $2
     ORDER BY first_seq LIMIT $3",
);
const UNGROUPED: Sql = Sql::same(
    "SELECT u.id, u.first_seq, u.last_seq, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN blocks b ON b.unit_id = u.id AND b.revision = 0
     WHERE u.job_id = $1 AND (u.state = 'ungrouped' OR u.state = 'split' AND u.epoch = 0) AND u.first_seq > $2
     ORDER BY u.first_seq LIMIT $3",
);
/// As a beat, for those that write at once: nobody begins anew before they are through.
const FENCE: Sql = Sql::pair(
    "SELECT j.approved FROM groupings g JOIN jobs j ON j.id = g.job_id
     WHERE g.job_id = $1 AND g.epoch = $2 AND g.state = 'open' AND (g.planned OR j.state = 'running')
       AND NOT j.deleted FOR SHARE OF g",
    "SELECT j.approved FROM groupings g JOIN jobs j ON j.id = g.job_id
     WHERE g.job_id = $1 AND g.epoch = $2 AND g.state = 'open' AND (g.planned OR j.state = 'running') AND NOT j.deleted",
);
const PLAN: Sql =
    Sql::same("SELECT number, data FROM plans WHERE job_id = $1 AND number > $2 ORDER BY number LIMIT $3");
const INSERT_PLAN: Sql = Sql::pair(
    "INSERT INTO plans (job_id, number, data) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])",
    "INSERT INTO plans (job_id, number, data)
     SELECT $1, value ->> 0, substr($3, value ->> 1, value ->> 2) FROM json_each($2)",
);
const INSERT_PLACES: Sql = Sql::pair(
    "INSERT INTO places (job_id, first_place, data) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])",
    "INSERT INTO places (job_id, first_place, data)
     SELECT $1, value ->> 0, substr($3, value ->> 1, value ->> 2) FROM json_each($2)",
);
const PLACES: Sql = Sql::same(
    "SELECT first_place, data FROM places WHERE job_id = $1 AND first_place > $2 AND first_place <= $3 ORDER BY first_place",
);

/// A unit as it was imported.
#[derive(Debug)]
pub(super) struct UngroupedUnit {
    pub(super) head: Head,
    pub(super) records: Content,
}

/// Which unit it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) id: UnitId,
    pub(super) first_seq: i64,
    pub(super) last_seq: i64,
}

/// Its records: as they rest, or as they are in memory anyway.
#[derive(Debug)]
pub(super) enum Content {
    Block(Block),
    Plain(Messages),
}

/// What goes into the database as it is.
#[derive(Debug)]
pub(super) enum Ready {
    Unit { first_seq: i64, block: Block },
    Places { first_place: i64, data: Vec<u8> },
    Plan { number: i64, data: Vec<u8> },
}

impl From<Made> for Ready {
    /// Compresses.
    fn from(made: Made) -> Self {
        match made {
            Made::Unit { first_seq, mut writer } => Self::Unit { first_seq, block: writer.finish() },
            Made::Places { first_place, data } => Self::Places { first_place, data },
            Made::Plan { number, data } => Self::Plan { number, data },
        }
    }
}

impl Store {
    /// The units behind this place. `following` may have what was imported just now.
    pub(super) async fn ungrouped_units(
        &self,
        following: &Following,
        job_id: i64,
        after: i64,
        limit: u32,
    ) -> Result<Vec<UngroupedUnit>, StoreError> {
        let heads = self.read(move |tx| {
            Box::pin(async move {
                tx.rows(HEADS, params![job_id, after, limit]).await?.iter().map(head).collect()
            })
        });
        let heads: Vec<Head> = heads.await?;
        let first_seqs: Vec<i64> = heads.iter().map(|head| head.first_seq).collect();
        if let Some(plain) = following.take(&first_seqs) {
            let units = heads.into_iter().zip(plain);
            return Ok(units
                .map(|(head, plain)| UngroupedUnit { head, records: Content::Plain(plain) })
                .collect());
        }
        self.read(move |tx| {
            Box::pin(async move {
                let rows = tx.rows(UNGROUPED, params![job_id, after, limit]).await?;
                let unit =
                    |row| Ok(UngroupedUnit { head: head(row)?, records: Content::Block(read_block(row)?) });
                rows.iter().map(unit).collect()
            })
        })
        .await
    }

    pub(super) async fn write_grouped(
        &self,
        claim: &Claim,
        ready: Vec<Ready>,
        done: &Done,
    ) -> Result<(), StoreError> {
        let (mut new, mut places, mut plan, mut records) = (Vec::new(), Rows::default(), Rows::default(), 0);
        for ready in ready {
            match ready {
                Ready::Unit { first_seq, block } => {
                    records += i64::from(block.count);
                    new.push((first_seq, block));
                }
                Ready::Places { first_place, data } => places.push(first_place, data),
                Ready::Plan { number, data } => plan.push(number, data),
            }
        }
        let (job_id, epoch, made_at, spec) = (claim.job_id, claim.epoch, claim.made_at, claim.spec.clone());
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let row = tx.row(FENCE, params![job_id, epoch]).await?.ok_or_else(lost)?;
                let approved = row.bool("approved")?;
                let new = new.into_iter().map(|(first_seq, block)| {
                    // Whether it is approved just now is seen to in the end.
                    let state = spec.first_state(first_seq, approved);
                    NewUnit { first_seq, attempts: spec.policy.attempts, state, block }
                });
                let new: Vec<_> = new.collect();
                if !new.is_empty() {
                    units::insert(tx, job_id, new, made_at).await?;
                }
                places.insert(tx, INSERT_PLACES, job_id).await?;
                plan.insert(tx, INSERT_PLAN, job_id).await
            })
        })
        .await?;
        done.placed.fetch_add(records, Ordering::Relaxed);
        Ok(())
    }

    /// The rows of the plan behind this one, with their numbers.
    pub(super) async fn plan_rows(
        &self,
        claim: &Claim,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let job_id = claim.job_id;
        self.read(move |tx| {
            Box::pin(async move {
                let rows = tx.rows(PLAN, params![job_id, after, limit]).await?;
                rows.iter().map(|row| Ok((row.int("number")?, row.bytes("data")?.to_vec()))).collect()
            })
        })
        .await
    }
}

fn head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head { id: row.int("id")?, first_seq: row.int("first_seq")?, last_seq: row.int("last_seq")? })
}

/// Numbered rows of bytes.
#[derive(Default)]
struct Rows {
    numbers: Vec<i64>,
    data: Vec<Vec<u8>>,
}

impl Rows {
    fn push(&mut self, number: i64, data: Vec<u8>) {
        self.numbers.push(number);
        self.data.push(data);
    }

    async fn insert(self, tx: &mut Tx, into: Sql, job_id: i64) -> Result<(), StoreError> {
        let rows = self.numbers.len();
        if rows == 0 {
            return Ok(());
        }
        let table = vec![Column::Ints(self.numbers), Column::Blobs(self.data)];
        tx.execute_exactly(rows, into, params![job_id, table]).await
    }
}

/// Where the record with this key may be, of a job whose records were put together, when it was imported in one of these
/// places. `None` when they were not.
pub(in crate::store) async fn find_places(
    tx: &mut Tx,
    job_id: i64,
    first: i64,
    last: i64,
    code: KeyCode,
) -> Result<Option<Vec<i64>>, StoreError> {
    let in_row = i64::try_from(PLACES_IN_ROW).unwrap_or(i64::MAX);
    let rows = tx.rows(PLACES, params![job_id, first - in_row, last]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut seqs = Vec::new();
    for row in rows {
        let data = row.bytes("data")?;
        for (place, told) in (row.int("first_place")?..).zip(data.chunks_exact(PLACE_BYTES)) {
            let (seq, mark) = told.split_at(size_of::<u64>());
            let is_it = (first..=last).contains(&place) && mark == code.mark().to_le_bytes();
            let seq = seq.first_chunk().filter(|_| is_it).map(|bytes| u64::from_le_bytes(*bytes));
            seqs.extend(seq.and_then(|seq| i64::try_from(seq).ok()));
        }
    }
    Ok(Some(seqs))
}
