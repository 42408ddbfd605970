//! The rows behind putting records together: who is at it, what is read, and what is written.

use std::sync::atomic::Ordering;

use emend_proto::Messages;
use emend_proto::v1::Block;

use super::super::db::{Column, Row, Sql, Tx, params};
use super::super::units::{self, NewUnit, read_block};
use super::super::{JobConflict, Lane, Store, StoreError, jobs};
use super::Done;
use super::fresh::Following;
use super::shuffle::{Made, PLACE_BYTES, PLACES_IN_ROW};
use crate::domain::grouping::{GroupCounts, Grouping};
use crate::domain::job::{JobRef, JobSpec, JobState};
use crate::domain::key::KeyCode;
use crate::domain::time::Timestamp;
use crate::domain::unit::UnitId;

/// Units deleted in one step.
const STEP: i64 = 200;

const OPEN: Sql = Sql::same(
    "INSERT INTO groupings (job_id, state, epoch, records_read, records_placed, groups, records_grouped, records_apart)
     VALUES ($1, 'open', 0, 0, 0, 0, 0, 0)",
);
const ONE: Sql = Sql::same("SELECT * FROM groupings WHERE job_id = $1");
/// Guarded by its own condition, so any number of schedulers may ask. Sealed jobs go first, and what is planned is done
/// whatever became of the job: some of its records are in no unit until then. One that stood still is begun again
/// when it has twice as many records: what is read in vain is never more than what is there.
const CLAIM: Sql = Sql::same(
    "UPDATE groupings SET epoch = epoch + 1, until = $2, records_read = 0, records_placed = 0
     WHERE state = 'open' AND damaged_unit IS NULL AND (until IS NULL OR until < $1) AND job_id = (
         SELECT g.job_id FROM groupings g JOIN jobs j ON j.id = g.job_id
         WHERE g.state = 'open' AND g.damaged_unit IS NULL AND (g.until IS NULL OR g.until < $1)
           AND NOT j.deleted
           AND (g.planned OR j.state = 'running' OR j.state = 'importing' AND j.next_seq > 1 + 2 * g.records_read)
         ORDER BY j.state DESC, g.job_id LIMIT 1)
     RETURNING *",
);
/// Touches nothing once another is at it, or the job has ended.
const BEAT: Sql = Sql::same(
    "UPDATE groupings SET until = COALESCE($3, until), records_read = $4, records_placed = $5
     WHERE job_id = $1 AND epoch = $2 AND state = 'open'
       AND (SELECT 1 FROM jobs j
            WHERE j.id = groupings.job_id AND (groupings.planned OR j.state IN ('importing', 'running'))
              AND NOT j.deleted) IS NOT NULL",
);
/// As [`BEAT`], for those that write at once: nobody begins anew before they are through.
const FENCE: Sql = Sql::pair(
    "SELECT j.approved FROM groupings g JOIN jobs j ON j.id = g.job_id
     WHERE g.job_id = $1 AND g.epoch = $2 AND g.state = 'open' AND (g.planned OR j.state = 'running')
       AND NOT j.deleted FOR SHARE OF g",
    "SELECT j.approved FROM groupings g JOIN jobs j ON j.id = g.job_id
     WHERE g.job_id = $1 AND g.epoch = $2 AND g.state = 'open' AND (g.planned OR j.state = 'running') AND NOT j.deleted",
);
const DAMAGED: Sql =
    Sql::same("UPDATE groupings SET damaged_unit = $3, until = NULL WHERE job_id = $1 AND epoch = $2");
const LEAVE_ALONE: Sql =
    Sql::same("UPDATE groupings SET until = NULL, records_read = $3 WHERE job_id = $1 AND epoch = $2");
const MENDED: Sql = Sql::same("UPDATE groupings SET damaged_unit = NULL WHERE job_id = $1");
const PLANNED: Sql = Sql::same(
    "UPDATE groupings SET planned = TRUE, groups = $3, records_grouped = $4, records_apart = $5
     WHERE job_id = $1 AND epoch = $2 AND state = 'open'",
);
const PLACED: Sql = Sql::same(
    "UPDATE groupings SET state = 'placed', until = NULL WHERE job_id = $1 AND epoch = $2 AND state = 'open'",
);
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
const REPLACE: Sql = Sql::same("UPDATE units SET state = 'split' WHERE job_id = $1 AND state = 'ungrouped'");
/// The last place that is in one of the new units. They are made in order.
const MADE_TO: Sql = Sql::same(
    "SELECT COALESCE(MAX(last_seq), 0) AS made_to FROM units
     WHERE job_id = $1 AND NOT (state IN ('ungrouped', 'split') AND epoch = 0)",
);
const PLAN: Sql = Sql::same(
    "SELECT first_place, data FROM places WHERE job_id = -$1 AND first_place > $2 ORDER BY first_place LIMIT $3",
);
const CLEAR_PLACES: Sql = Sql::same("DELETE FROM places WHERE job_id = $1");
const APPROVED: Sql = Sql::same("UPDATE units SET state = 'ready' WHERE job_id = $1 AND state = 'waiting'");
/// While the job is worked on, that would be in the way.
const REPLACED_JOB: Sql = Sql::same(
    "SELECT g.job_id FROM groupings g JOIN jobs j ON j.id = g.job_id
     WHERE g.state = 'placed' AND j.state <> 'running' ORDER BY g.job_id LIMIT 1",
);
const SWEPT: Sql = Sql::same("UPDATE groupings SET state = 'done' WHERE job_id = $1 AND state = 'placed'");
/// A unit that was never leased, and is split, is one that was replaced.
const REPLACED: Sql = Sql::same(
    "DELETE FROM units WHERE id IN (
         SELECT id FROM units WHERE job_id = $1 AND state = 'split' AND epoch = 0 ORDER BY first_seq LIMIT $2)
     RETURNING id",
);
const SHADOW: Sql = Sql::same(
    "DELETE FROM units WHERE id IN (SELECT id FROM units WHERE job_id = -$1 ORDER BY id LIMIT $2) RETURNING id",
);
const SHADOW_PLACES: Sql = Sql::same("DELETE FROM places WHERE job_id = -$1");
const BLOCKS: Sql = Sql::pair(
    "DELETE FROM blocks WHERE unit_id = ANY($1)",
    "DELETE FROM blocks WHERE unit_id IN (SELECT value FROM json_each($1))",
);
const INSERT_PLACES: Sql = Sql::pair(
    "INSERT INTO places (job_id, first_place, data) SELECT $1, * FROM unnest($2::bigint[], $3::bytea[])",
    "INSERT INTO places (job_id, first_place, data)
     SELECT $1, value ->> 0, substr($3, value ->> 1, value ->> 2) FROM json_each($2)",
);
const PLACES: Sql = Sql::same(
    "SELECT first_place, data FROM places WHERE job_id = $1 AND first_place > $2 AND first_place <= $3 ORDER BY first_place",
);

/// The right to put a job's records together.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) job_id: i64,
    epoch: i64,
    pub(super) spec: JobSpec,
    made_at: Timestamp,
    /// What came of the groups, where somebody has written down before what becomes of each record.
    pub(super) planned: Option<GroupCounts>,
    /// The last place that is in a new unit.
    pub(super) made_to: i64,
}

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
    pub(super) async fn claim_grouping(
        &self,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Claim>, StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(CLAIM, params![now, until]).await? else { return Ok(None) };
                let (job_id, epoch) = (row.int("job_id")?, row.int("epoch")?);
                let planned = if row.bool("planned")? { Some(read_counts(&row)?) } else { None };
                let job = jobs::find(tx, &JobRef::Id(job_id)).await?;
                let made_to = made_to(tx, job_id).await?;
                Ok(Some(Claim { job_id, epoch, spec: job.spec, made_at: now, planned, made_to }))
            })
        })
        .await
    }

    pub(super) async fn beat_grouping(
        &self,
        claim: &Claim,
        done: &Done,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        let beat = claim.beat(done, Some(until));
        self.write(Lane::Urgent, move |tx| Box::pin(async move { beat.hold(tx).await })).await
    }

    pub(super) async fn note_damage(&self, claim: &Claim, unit: UnitId) -> Result<(), StoreError> {
        let (job_id, epoch) = (claim.job_id, claim.epoch);
        let note = self.write(Lane::Normal, move |tx| {
            Box::pin(async move { tx.execute(DAMAGED, params![job_id, epoch, unit]).await })
        });
        note.await.map(drop)
    }

    /// More records may come, and somebody begins again then.
    pub(super) async fn leave_alone(&self, claim: &Claim, done: &Done) -> Result<(), StoreError> {
        let (job_id, epoch, read) = (claim.job_id, claim.epoch, done.read.load(Ordering::Relaxed));
        let note = self.write(Lane::Normal, move |tx| {
            Box::pin(async move { tx.execute(LEAVE_ALONE, params![job_id, epoch, read]).await })
        });
        note.await.map(drop)
    }

    /// Deletes some of what an earlier attempt has left, and is of no use; whether there was any.
    pub(super) async fn clear_shadow(&self, claim: &Claim) -> Result<bool, StoreError> {
        let (job_id, planned) = (claim.job_id, claim.planned.is_some());
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                if planned {
                    return Ok(tx.execute(CLEAR_PLACES, params![job_id]).await? > 0);
                }
                let places = tx.execute(SHADOW_PLACES, params![job_id]).await?;
                Ok(delete(tx, SHADOW, job_id).await? || places > 0)
            })
        })
        .await
    }

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
                places.insert(tx, job_id).await?;
                plan.insert(tx, -job_id).await
            })
        })
        .await?;
        done.placed.fetch_add(records, Ordering::Relaxed);
        Ok(())
    }

    /// What becomes of each record is written down: from now on what was imported is replaced by what is made.
    pub(super) async fn begin_replacing(
        &self,
        claim: &Claim,
        done: &Done,
        counts: GroupCounts,
    ) -> Result<(), StoreError> {
        let (job_id, epoch) = (claim.job_id, claim.epoch);
        let read = done.read.load(Ordering::Relaxed);
        let beat = claim.beat(done, None);
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let job = jobs::lock(tx, &JobRef::Id(job_id)).await?;
                beat.hold(tx).await?;
                if read != job.records() || job.state != JobState::Running {
                    let wrong = format!("of {} records {read} were read", job.records());
                    return Err(StoreError::Internal(wrong));
                }
                tx.execute(REPLACE, params![job_id]).await?;
                let GroupCounts { groups, grouped, apart } = counts;
                tx.execute_exactly(1, PLANNED, params![job_id, epoch, groups, grouped, apart]).await
            })
        })
        .await
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
                rows.iter().map(|row| Ok((row.int("first_place")?, row.bytes("data")?.to_vec()))).collect()
            })
        })
        .await
    }

    /// All records are in new units.
    pub(super) async fn end_replacing(&self, claim: &Claim, done: &Done) -> Result<(), StoreError> {
        let (job_id, epoch) = (claim.job_id, claim.epoch);
        let beat = claim.beat(done, None);
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let job = jobs::lock(tx, &JobRef::Id(job_id)).await?;
                beat.hold(tx).await?;
                let (records, made_to) = (job.records(), made_to(tx, job_id).await?);
                if made_to != records {
                    let wrong = format!("of {records} records {made_to} were put together");
                    return Err(StoreError::Internal(wrong));
                }
                if job.approved {
                    tx.execute(APPROVED, params![job_id]).await?;
                }
                tx.execute(SHADOW_PLACES, params![job_id]).await?;
                tx.execute_exactly(1, PLACED, params![job_id, epoch]).await
            })
        })
        .await
    }

    /// Deletes some of the units that were put together into others; whether there is more to do.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn sweep_grouped(&self) -> Result<bool, StoreError> {
        self.write(Lane::Idle, |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(REPLACED_JOB, params![]).await? else { return Ok(false) };
                let job_id = row.int("job_id")?;
                if !delete(tx, REPLACED, job_id).await? {
                    tx.execute(SWEPT, params![job_id]).await?;
                }
                Ok(true)
            })
        })
        .await
    }
}

/// Says that somebody is at it, and how far; fails when somebody else is.
struct Beat {
    job_id: i64,
    epoch: i64,
    until: Option<i64>,
    read: i64,
    placed: i64,
}

impl Claim {
    fn beat(&self, done: &Done, until: Option<Timestamp>) -> Beat {
        let (read, placed) = (done.read.load(Ordering::Relaxed), done.placed.load(Ordering::Relaxed));
        Beat { job_id: self.job_id, epoch: self.epoch, until: until.map(|at| at.0), read, placed }
    }
}

impl Beat {
    async fn hold(self, tx: &mut Tx) -> Result<(), StoreError> {
        let Self { job_id, epoch, until, read, placed } = self;
        match tx.execute(BEAT, params![job_id, epoch, until, read, placed]).await? {
            0 => Err(lost()),
            _ => Ok(()),
        }
    }
}

fn lost() -> StoreError {
    StoreError::Internal("the job has ended, or another scheduler puts its records together by now".into())
}

/// A job is to be grouped.
pub(in crate::store) async fn open(tx: &mut Tx, job_id: i64) -> Result<(), StoreError> {
    tx.execute_exactly(1, OPEN, params![job_id]).await
}

/// A damaged unit was mended, or shall be tried again.
pub(in crate::store) async fn retry(tx: &mut Tx, job_id: i64) -> Result<(), StoreError> {
    tx.execute(MENDED, params![job_id]).await.map(drop)
}

fn head(row: &Row) -> Result<Head, StoreError> {
    Ok(Head { id: row.int("id")?, first_seq: row.int("first_seq")?, last_seq: row.int("last_seq")? })
}

fn read_counts(row: &Row) -> Result<GroupCounts, StoreError> {
    Ok(GroupCounts {
        groups: row.int("groups")?,
        grouped: row.int("records_grouped")?,
        apart: row.int("records_apart")?,
    })
}

async fn made_to(tx: &mut Tx, job_id: i64) -> Result<i64, StoreError> {
    let row = tx.row(MADE_TO, params![job_id]).await?;
    row.ok_or_else(|| StoreError::Internal("a maximum gave no row".into()))?.int("made_to")
}

/// Rows of `places`.
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

    async fn insert(self, tx: &mut Tx, job_id: i64) -> Result<(), StoreError> {
        let rows = self.numbers.len();
        if rows == 0 {
            return Ok(());
        }
        let table = vec![Column::Ints(self.numbers), Column::Blobs(self.data)];
        tx.execute_exactly(rows, INSERT_PLACES, params![job_id, table]).await
    }
}

pub(super) async fn find(tx: &mut Tx, job_id: i64) -> Result<Option<Grouping>, StoreError> {
    let Some(row) = tx.row(ONE, params![job_id]).await? else { return Ok(None) };
    let counts = read_counts(&row)?;
    let is_done = row.text("state")? != "open";
    Ok(Some(Grouping {
        is_done,
        is_replacing: !is_done && row.bool("planned")?,
        records_read: row.int("records_read")?,
        records_placed: row.int("records_placed")?,
        counts,
        damaged_unit: row.maybe_int("damaged_unit")?,
    }))
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

/// Why there is no record with a key: while records are put together, some stand nowhere.
pub(in crate::store) async fn not_found(tx: &mut Tx, job_id: i64) -> Result<StoreError, StoreError> {
    let is_replacing = find(tx, job_id).await?.is_some_and(|grouping| grouping.is_replacing);
    Ok(if is_replacing { StoreError::JobState(JobConflict::Grouping) } else { StoreError::RecordNotFound })
}

async fn delete(tx: &mut Tx, units: Sql, job_id: i64) -> Result<bool, StoreError> {
    let rows = tx.rows(units, params![job_id, STEP]).await?;
    let ids = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
    if ids.is_empty() {
        return Ok(false);
    }
    tx.execute(BLOCKS, params![ids]).await?;
    Ok(true)
}
