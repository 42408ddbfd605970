//! The rows behind putting records together: who is at it, and how far.

use std::sync::atomic::Ordering;

use super::super::db::{Row, Sql, Tx, params};
use super::super::{JobConflict, Lane, Store, StoreError, jobs};
use super::Done;
use crate::domain::grouping::{GroupCounts, Grouping};
use crate::domain::job::{JobRef, JobSpec, JobState};
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
           AND NOT j.deleted AND NOT j.blocks_gone
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
const REPLACE: Sql = Sql::same("UPDATE units SET state = 'split' WHERE job_id = $1 AND state = 'ungrouped'");
/// The last place that is in one of the new units. They are made in order.
const MADE_TO: Sql = Sql::same(
    "SELECT COALESCE(MAX(last_seq), 0) AS made_to FROM units
     WHERE job_id = $1 AND NOT (state IN ('ungrouped', 'split') AND epoch = 0)",
);
const CLEAR_PLACES: Sql = Sql::same("DELETE FROM places WHERE job_id = $1");
const CLEAR_PLAN: Sql = Sql::same("DELETE FROM plans WHERE job_id = $1");
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
const BLOCKS: Sql = Sql::pair(
    "DELETE FROM blocks WHERE unit_id = ANY($1)",
    "DELETE FROM blocks WHERE unit_id IN (SELECT value FROM json_each($1))",
);
/// The right to put a job's records together.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) job_id: i64,
    pub(super) epoch: i64,
    pub(super) spec: JobSpec,
    pub(super) made_at: Timestamp,
    /// What came of the groups, where somebody has written down before what becomes of each record.
    pub(super) planned: Option<GroupCounts>,
    /// The last place that is in a new unit.
    pub(super) made_to: i64,
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

    /// Deletes what an earlier attempt has left and is made again: a plan that was not complete, or where records went.
    pub(super) async fn clear(&self, claim: &Claim) -> Result<(), StoreError> {
        let job_id = claim.job_id;
        let left = if claim.planned.is_some() { CLEAR_PLACES } else { CLEAR_PLAN };
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move { tx.execute(left, params![job_id]).await.map(drop) })
        })
        .await
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
                tx.execute(CLEAR_PLAN, params![job_id]).await?;
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

pub(super) fn lost() -> StoreError {
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
