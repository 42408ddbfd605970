//! Jobs: making, finding and steering them.

mod row;

use std::collections::BTreeMap;

use super::db::{Sql, Tx, params};
use super::{JobConflict, Lane, Store, StoreError, withdrawn};
use crate::domain::guard::Trip;
use crate::domain::job::{JobRef, JobSpec, JobState};
use crate::domain::schedule::{Schedule, ScheduleChange};
use crate::domain::time::Timestamp;
pub(super) use row::json;

/// A job's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id, never used again.
    pub id: i64,
    /// What it was made from.
    pub spec: JobSpec,
    /// How urgent it is.
    pub schedule: Schedule,
    /// Where it is in its life.
    pub state: JobState,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Columns of its imports, in order.
    pub columns: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its last unit was done.
    pub units_done_at: Option<Timestamp>,
    /// When it was completed or cancelled.
    pub ended_at: Option<Timestamp>,
    /// Retention has deleted its records and results.
    pub blocks_gone: bool,
    /// Rules whose changes go to people; `NAME.*` is all of one validator.
    pub paused_rules: Vec<String>,
    /// Nothing waits for an approval.
    pub approved: bool,
    /// Since when the canary is done and the rest waits.
    pub awaits_since: Option<Timestamp>,
    /// Thresholds that were exceeded, oldest first.
    pub trips: Vec<Trip>,
    /// Goes up whenever what it runs changes.
    pub ruleset: i64,
    /// Units that were done with an earlier ruleset are still to be looked through.
    pub revising: bool,
    /// The place of the next record.
    pub(super) next_seq: i64,
}

impl Job {
    /// How many records it has.
    pub fn records(&self) -> i64 {
        self.next_seq - 1
    }
}

const BY_ID: Sql = Sql::same("SELECT * FROM jobs WHERE id = $1 AND NOT deleted");
const BY_NAME: Sql = Sql::same("SELECT * FROM jobs WHERE name = $1 AND NOT deleted");
const LOCK: Sql = Sql::pair(
    "SELECT * FROM jobs WHERE id = $1 AND NOT deleted FOR UPDATE",
    "SELECT * FROM jobs WHERE id = $1 AND NOT deleted",
);
const NEWEST: Sql = Sql::same("SELECT * FROM jobs WHERE id < $1 AND NOT deleted ORDER BY id DESC LIMIT $2");
const SET_STATE: Sql = Sql::same("UPDATE jobs SET state = $2, ended_at = $3 WHERE id = $1");
const SET_PAUSED: Sql = Sql::same("UPDATE jobs SET paused = $2 WHERE id = $1");
const SET_SCHEDULE: Sql =
    Sql::same("UPDATE jobs SET priority = $2, weight = $3, deadline_at = $4 WHERE id = $1");
const SET_DELETED: Sql =
    Sql::same("UPDATE jobs SET deleted = TRUE, name = name || '#' || CAST(id AS TEXT) WHERE id = $1");
const UNFINISHED_IMPORTS: Sql =
    Sql::same("SELECT import_id FROM imports WHERE job_id = $1 AND NOT finished LIMIT 1");
/// Moves every sealed job on whose units are all done, and says which. Guarded by its own condition, so any
/// number of schedulers may run it.
const ADVANCE: Sql = Sql::same(
    "UPDATE jobs SET
         state = 'reviewing',
         units_done_at = (SELECT COALESCE(MAX(u.done_at), CAST($1 AS BIGINT)) FROM units u WHERE u.job_id = jobs.id)
     WHERE state = 'running' AND NOT deleted AND NOT revising
       AND (SELECT 1 FROM groupings g WHERE g.job_id = jobs.id AND g.state = 'open') IS NULL
       AND (SELECT 1 FROM units u
            WHERE u.job_id = jobs.id AND u.state IN ('ready', 'leased', 'set_aside', 'waiting') LIMIT 1) IS NULL
     RETURNING id, state",
);
/// A job whose records wait for nobody: not for an answer, not for the time in which one may be taken back, and not to
/// become reviews. It is asked ten times a second: of NOT EXISTS PostgreSQL may make a hash of all reviews, and SQLite, left
/// alone, walks past all that was decided.
macro_rules! complete {
    ($open:literal) => {
        concat!(
            "UPDATE jobs SET state = 'completed', ended_at = CAST($1 AS BIGINT)
             WHERE state = 'reviewing' AND NOT deleted
               AND (SELECT 1 FROM reviews r ", $open, " WHERE r.job_id = jobs.id AND r.state = 'open' LIMIT 1) IS NULL
               AND (SELECT 1 FROM reviews r
                    WHERE r.job_id = jobs.id AND r.state = 'decided' AND r.due_at > $1 LIMIT 1) IS NULL
               AND (SELECT 1 FROM units u
                    WHERE u.job_id = jobs.id AND u.state = 'done' AND NOT u.reviewed AND u.routed + u.failed > 0
                    LIMIT 1) IS NULL
             RETURNING id, state"
        )
    };
}
const COMPLETE: Sql = Sql::pair(complete!(""), complete!("INDEXED BY reviews_free"));

impl Store {
    /// Makes a job, or finds the one that the same spec made before, whose schedule stays as it is. The flag says
    /// whether it is new.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], [`StoreError::JobDiffers`].
    pub async fn create_job(
        &self,
        spec: JobSpec,
        schedule: Schedule,
        now: Timestamp,
    ) -> Result<(Job, bool), StoreError> {
        let mut violations = spec.violations();
        violations.extend(ScheduleChange::from(schedule).violations(now));
        if !violations.is_empty() {
            return Err(StoreError::Invalid(violations));
        }
        let outbox = self.outbox;
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move { row::create(tx, spec, schedule, now, outbox).await })
        })
        .await
    }

    /// Changes how urgent a job is; leases that live stay where they are. Idempotent.
    ///
    /// # Errors
    /// [`StoreError::Invalid`], [`JobConflict::Ended`].
    pub async fn update_job(
        &self,
        job: JobRef,
        change: ScheduleChange,
        now: Timestamp,
    ) -> Result<Job, StoreError> {
        let violations = change.violations(now);
        if !violations.is_empty() {
            return Err(StoreError::Invalid(violations));
        }
        self.steer(job, move |tx, job| {
            Box::pin(async move {
                if job.state.has_ended() {
                    return Err(StoreError::JobState(JobConflict::Ended));
                }
                let Schedule { priority, weight, deadline } = job.schedule.with(change);
                let deadline = deadline.map(|at| at.0);
                tx.execute_exactly(1, SET_SCHEDULE, params![job.id, i64::from(priority), weight, deadline])
                    .await
            })
        })
        .await
    }

    /// Finds a job.
    ///
    /// # Errors
    /// [`StoreError::JobNotFound`].
    pub async fn job(&self, job: JobRef) -> Result<Job, StoreError> {
        self.read(move |tx| Box::pin(async move { find(tx, &job).await })).await
    }

    /// Up to `limit` jobs with an id below `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn jobs(&self, before: i64, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.read(move |tx| {
            Box::pin(
                async move { tx.rows(NEWEST, params![before, limit]).await?.iter().map(row::read).collect() },
            )
        })
        .await
    }

    /// Says that no more records come. Idempotent.
    ///
    /// # Errors
    /// [`JobConflict::ImportUnfinished`], [`JobConflict::Ended`].
    pub async fn seal_job(&self, job: JobRef, now: Timestamp) -> Result<Job, StoreError> {
        let outbox = self.outbox;
        self.steer(job, move |tx, job| {
            Box::pin(async move {
                match job.state {
                    JobState::Importing => {}
                    JobState::Running | JobState::Reviewing | JobState::Completed => return Ok(()),
                    JobState::Cancelled => return Err(StoreError::JobState(JobConflict::Ended)),
                }
                if tx.row(UNFINISHED_IMPORTS, params![job.id]).await?.is_some() {
                    return Err(StoreError::JobState(JobConflict::ImportUnfinished));
                }
                set_state(tx, job.id, JobState::Running, None).await?;
                outbox.job(tx, job.id, JobState::Running, now).await
            })
        })
        .await
    }

    /// Pauses a job or takes the pause away. Idempotent.
    ///
    /// # Errors
    /// [`JobConflict::Ended`]; [`JobConflict::Withdrawn`] while the job runs what was withdrawn.
    pub async fn pause_job(&self, job: JobRef, paused: bool) -> Result<Job, StoreError> {
        self.steer(job, move |tx, job| {
            Box::pin(async move {
                if job.state.has_ended() {
                    return Err(StoreError::JobState(JobConflict::Ended));
                }
                if !paused && !withdrawn::of(tx, &job.spec).await?.is_empty() {
                    return Err(StoreError::JobState(JobConflict::Withdrawn));
                }
                tx.execute_exactly(1, SET_PAUSED, params![job.id, paused]).await
            })
        })
        .await
    }

    /// Cancels an unfinished job. Idempotent.
    ///
    /// # Errors
    /// [`JobConflict::Ended`] when it was completed.
    pub async fn cancel_job(&self, job: JobRef, now: Timestamp) -> Result<Job, StoreError> {
        let outbox = self.outbox;
        self.steer(job, move |tx, job| {
            Box::pin(async move {
                match job.state {
                    JobState::Cancelled => Ok(()),
                    JobState::Completed => Err(StoreError::JobState(JobConflict::Ended)),
                    JobState::Importing | JobState::Running | JobState::Reviewing => {
                        set_state(tx, job.id, JobState::Cancelled, Some(now)).await?;
                        outbox.job(tx, job.id, JobState::Cancelled, now).await
                    }
                }
            })
        })
        .await
    }

    /// Deletes a job that has ended: it is gone from sight at once, its rows go with the retention loop.
    ///
    /// # Errors
    /// [`JobConflict::NotEnded`].
    pub async fn delete_job(&self, job: JobRef) -> Result<(), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let job = lock(tx, &job).await?;
                if !job.state.has_ended() {
                    return Err(StoreError::JobState(JobConflict::NotEnded));
                }
                tx.execute_exactly(1, SET_DELETED, params![job.id]).await
            })
        })
        .await
    }

    /// Moves jobs on whose units are all done; answers which, and to what state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn advance_jobs(&self, now: Timestamp) -> Result<Vec<(i64, JobState)>, StoreError> {
        let outbox = self.outbox;
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                // A job that needs nobody does both steps at once, and is told of the last alone.
                let mut moved = BTreeMap::new();
                for step in [ADVANCE, COMPLETE] {
                    for row in tx.rows(step, params![now]).await? {
                        moved.insert(row.int("id")?, read_state(&row.text("state")?)?);
                    }
                }
                for (id, state) in &moved {
                    outbox.job(tx, *id, *state, now).await?;
                }
                Ok(moved.into_iter().collect())
            })
        })
        .await
    }

    pub(super) async fn steer<S>(&self, job: JobRef, step: S) -> Result<Job, StoreError>
    where
        S: for<'t> FnOnce(&'t mut Tx, Job) -> super::db::Work<'t, ()> + Send + 'static,
    {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let job = lock(tx, &job).await?;
                let id = job.id;
                step(tx, job).await?;
                find(tx, &JobRef::Id(id)).await
            })
        })
        .await
    }
}

pub(super) async fn find(tx: &mut Tx, job: &JobRef) -> Result<Job, StoreError> {
    let row = match job {
        JobRef::Id(id) => tx.row(BY_ID, params![*id]).await?,
        JobRef::Name(name) => tx.row(BY_NAME, params![name.as_str()]).await?,
    };
    row::read(&row.ok_or(StoreError::JobNotFound)?)
}

/// Finds a job and holds its row: what changes a job, or adds to it, comes one after another.
pub(super) async fn lock(tx: &mut Tx, job: &JobRef) -> Result<Job, StoreError> {
    let id = match job {
        JobRef::Id(id) => *id,
        JobRef::Name(_) => find(tx, job).await?.id,
    };
    row::read(&tx.row(LOCK, params![id]).await?.ok_or(StoreError::JobNotFound)?)
}

pub(super) async fn set_state(
    tx: &mut Tx,
    id: i64,
    state: JobState,
    ended: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute_exactly(1, SET_STATE, params![id, state.as_str(), ended.map(|at| at.0)]).await
}

pub(super) fn read_state(word: &str) -> Result<JobState, StoreError> {
    JobState::parse(word).ok_or_else(|| StoreError::Internal(format!("unknown job state `{word}`")))
}
