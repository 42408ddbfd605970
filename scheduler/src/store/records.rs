//! Reading records and results back, by key, by place, and in order.

use std::collections::HashSet;

use emend_proto::v1::{Block, Record, RecordResult};
use emend_proto::{BlockError, decode};

use super::db::{Row, Sql, Tx, params};
use super::units::{read_block, read_unit};
use super::{Store, StoreError, groups, keys, units};
use crate::domain::unit::{Unit, UnitId};

/// A unit's records and, once it is done, their results.
#[derive(Debug, Clone)]
pub struct UnitBlocks {
    /// The unit.
    pub unit_id: UnitId,
    /// Its first record.
    pub first_seq: i64,
    /// Its last record.
    pub last_seq: i64,
    /// Its records.
    pub records: Block,
    /// Their results.
    pub results: Option<Block>,
}

/// Which units to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Having {
    /// All of them.
    #[default]
    Anything,
    /// Those with a valid record.
    Valid,
    /// Those with a corrected record.
    Corrected,
    /// Those with a routed record.
    Routed,
    /// Those with a failed record.
    Failed,
}

/// One record, and the unit it is in.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its place in the job.
    pub seq: i64,
    /// The record.
    pub record: Record,
    /// Its result, once its unit is done.
    pub result: Option<RecordResult>,
    /// Its unit.
    pub unit: Unit,
    /// Who holds the unit, or committed it.
    pub worker: Option<String>,
}

const UNIT_OF_SEQ: Sql = Sql::same(
    "SELECT u.*, j.state AS job_state, j.deleted, j.ruleset AS job_ruleset, j.dry_run FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.job_id = $1 AND u.state <> 'split' AND u.first_seq <= $2 ORDER BY u.first_seq DESC LIMIT 1",
);
/// The inner query finds the page by the index alone, so that no block is read twice or in vain. A unit has at most
/// 10,000 records, so none that ends after `$2` begins further back.
const PAGE: Sql = Sql::same(
    "SELECT p.id, p.first_seq, p.last_seq, b.count, b.plain_bytes, b.checksum, b.data,
         r.count AS r_count, r.plain_bytes AS r_plain_bytes, r.checksum AS r_checksum, r.data AS r_data
     FROM (SELECT u.id, u.first_seq, u.last_seq, u.state = 'done' OR u.revision > 0 AS has_results,
             CASE u.revision WHEN 0 THEN 1 ELSE u.revision END AS revision
           FROM units u
           WHERE u.job_id = $1 AND u.state <> 'split' AND u.first_seq > $2 - 10000 AND u.last_seq > $2
             AND ($3 = 0 OR ($3 = 1 AND u.valid > 0) OR ($3 = 2 AND u.corrected > 0)
                  OR ($3 = 3 AND u.routed > 0) OR ($3 = 4 AND u.failed > 0))
           ORDER BY u.first_seq LIMIT $4) p
     JOIN blocks b ON b.unit_id = p.id AND b.revision = 0
     LEFT JOIN blocks r ON p.has_results AND r.unit_id = p.id AND r.revision = p.revision
     ORDER BY p.first_seq",
);
impl Store {
    /// Up to `limit` units with their blocks, in order, of those that have a record after `after_seq`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails. Blocks come unchecked.
    pub async fn unit_blocks(
        &self,
        job_id: i64,
        having: Having,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<UnitBlocks>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let rows = tx.rows(PAGE, params![job_id, after_seq, having as i64, limit]).await?;
                rows.iter().map(read_page).collect()
            })
        })
        .await
    }

    /// One record by its key.
    ///
    /// # Errors
    /// [`StoreError::RecordNotFound`], [`StoreError::Damaged`].
    pub async fn record(&self, job_id: i64, key: String) -> Result<Found, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let (seq, record) = match keys::find(tx, job_id, &key).await {
                    Ok(Some(found)) => found,
                    Ok(None) | Err(StoreError::RecordNotFound) => {
                        return Err(groups::not_found(tx, job_id).await?);
                    }
                    Err(error) => return Err(error),
                };
                with_result(tx, job_id, seq, record).await
            })
        })
        .await
    }

    /// One record by its place.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub async fn record_at(&self, job_id: i64, seq: i64) -> Result<Found, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let record = match at(tx, job_id, seq).await {
                    Err(StoreError::RecordNotFound) => return Err(groups::not_found(tx, job_id).await?),
                    found => found?,
                };
                with_result(tx, job_id, seq, record).await
            })
        })
        .await
    }
}

/// The unit that holds this place.
async fn unit_of(tx: &mut Tx, job_id: i64, seq: i64) -> Result<Unit, StoreError> {
    let row = tx.row(UNIT_OF_SEQ, params![job_id, seq]).await?.ok_or(StoreError::RecordNotFound)?;
    let unit = read_unit(&row)?;
    if unit.last_seq < seq { Err(StoreError::RecordNotFound) } else { Ok(unit) }
}

/// The record at a place, of those that were imported.
async fn at(tx: &mut Tx, job_id: i64, seq: i64) -> Result<Record, StoreError> {
    let unit = unit_of(tx, job_id, seq).await?;
    let block = units::block(tx, unit.id, 0).await?;
    let block = block.ok_or(StoreError::JobState(super::JobConflict::BlocksGone))?;
    let place = usize::try_from(seq - unit.first_seq).map_err(|_| StoreError::RecordNotFound)?;
    nth(unit.id, &block, place)?.ok_or(StoreError::RecordNotFound)
}

async fn with_result(tx: &mut Tx, job_id: i64, seq: i64, record: Record) -> Result<Found, StoreError> {
    let row = tx.row(UNIT_OF_SEQ, params![job_id, seq]).await?.ok_or(StoreError::RecordNotFound)?;
    let (unit, worker) = (read_unit(&row)?, row.maybe_text("holder")?);
    let place = usize::try_from(seq - unit.first_seq).map_err(|_| StoreError::RecordNotFound)?;
    let result = match unit.rules.results {
        0 => None,
        revision => match units::block(tx, unit.id, revision).await? {
            Some(results) => nth(unit.id, &results, place)?,
            None => None,
        },
    };
    Ok(Found { seq, record, result, unit, worker })
}

/// The records at `first_seq..=last_seq`, in order.
pub(super) async fn between(
    tx: &mut Tx,
    job_id: i64,
    first_seq: i64,
    last_seq: i64,
) -> Result<Vec<(i64, Record)>, StoreError> {
    let mut found = Vec::new();
    let mut seq = first_seq;
    while seq <= last_seq {
        let unit = unit_of(tx, job_id, seq).await?;
        let block = units::block(tx, unit.id, 0).await?;
        let block = block.ok_or(StoreError::JobState(super::JobConflict::BlocksGone))?;
        let records = decode::<Record>(&block).map_err(|error| damaged(unit.id, &error))?;
        for (at, record) in (unit.first_seq..).zip(records) {
            let record = record.map_err(|error| damaged(unit.id, &error))?;
            if (seq..=last_seq).contains(&at) {
                found.push((at, record));
            }
        }
        seq = unit.last_seq + 1;
    }
    Ok(found)
}

/// Records at these places, each unit read once.
pub(super) async fn by_seqs(
    tx: &mut Tx,
    job_id: i64,
    mut seqs: HashSet<i64>,
) -> Result<Vec<(i64, Record)>, StoreError> {
    let mut found = Vec::with_capacity(seqs.len());
    while let Some(seq) = seqs.iter().next().copied() {
        let unit = unit_of(tx, job_id, seq).await?;
        let block = units::block(tx, unit.id, 0).await?.ok_or(StoreError::RecordNotFound)?;
        let records = decode::<Record>(&block).map_err(|error| damaged(unit.id, &error))?;
        for (at, record) in (unit.first_seq..).zip(records) {
            if seqs.remove(&at) {
                found.push((at, record.map_err(|error| damaged(unit.id, &error))?));
            }
        }
        // Damage must not loop.
        seqs.remove(&seq);
    }
    Ok(found)
}

fn nth<M: prost::Message + Default>(
    unit: UnitId,
    block: &Block,
    place: usize,
) -> Result<Option<M>, StoreError> {
    let mut messages = decode::<M>(block).map_err(|error| damaged(unit, &error))?;
    messages.nth(place).transpose().map_err(|error| damaged(unit, &error))
}

/// A stored block that cannot be read is damage, whatever the reason.
pub(super) fn damaged(unit: UnitId, error: &BlockError) -> StoreError {
    StoreError::Damaged(unit, error.to_string())
}

fn read_page(row: &Row) -> Result<UnitBlocks, StoreError> {
    let number = |column| {
        u32::try_from(row.int(column)?).map_err(|_| StoreError::Internal(format!("{column} is out of range")))
    };
    let records = read_block(row)?;
    let results = match row.maybe_bytes("r_data")? {
        Some(data) => Some(Block {
            encoding: records.encoding,
            count: number("r_count")?,
            plain_bytes: number("r_plain_bytes")?,
            checksum: number("r_checksum")?,
            data: data.into(),
        }),
        None => None,
    };
    Ok(UnitBlocks {
        unit_id: row.int("id")?,
        first_seq: row.int("first_seq")?,
        last_seq: row.int("last_seq")?,
        records,
        results,
    })
}
