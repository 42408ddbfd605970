//! Jobs: making, finding and steering them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::db::{Row, Sql, Tx, params};
use super::{JobConflict, Lane, Outbox, Store, StoreError};
use crate::domain::job::{JobPolicy, JobRef, JobSpec, JobState, ReviewPolicy};
use crate::domain::same_job::difference;
use crate::domain::schedule::{Schedule, ScheduleChange};
use crate::domain::time::Timestamp;

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
    /// Rules whose changes go to people.
    pub paused_rules: Vec<String>,
    /// The place of the next record.
    pub(super) next_seq: i64,
}

impl Job {
    /// How many records it has.
    pub fn records(&self) -> i64 {
        self.next_seq - 1
    }
}

const INSERT: Sql = Sql::same(
    "INSERT INTO jobs (name, state, paused, deleted, pack, pack_version, manifest, as_of, unit_records, unit_bytes,
         attempts, next_seq, columns, created_at, blocks_gone, traceparent, priority, weight, deadline_at,
         undo_millis, agree, sample_ppm, error_limit_ppm, validators)
     VALUES ($1, 'importing', FALSE, FALSE, $2, $3, $4, $5, $6, $7, $8, 1, '[]', $9, FALSE, $10, $11, $12, $13, $14, $15, $16, $17, $18)
     ON CONFLICT (name) DO NOTHING",
);
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
     WHERE state = 'running' AND NOT deleted
       AND (SELECT 1 FROM units u WHERE u.job_id = jobs.id AND u.state IN ('ready', 'leased', 'set_aside') LIMIT 1) IS NULL
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
            Box::pin(async move { create(tx, spec, schedule, now, outbox).await })
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
                async move { tx.rows(NEWEST, params![before, limit]).await?.iter().map(read_job).collect() },
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
    /// [`JobConflict::Ended`].
    pub async fn pause_job(&self, job: JobRef, paused: bool) -> Result<Job, StoreError> {
        self.steer(job, move |tx, job| {
            Box::pin(async move {
                if job.state.has_ended() {
                    return Err(StoreError::JobState(JobConflict::Ended));
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

    async fn steer<S>(&self, job: JobRef, step: S) -> Result<Job, StoreError>
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

async fn create(
    tx: &mut Tx,
    spec: JobSpec,
    schedule: Schedule,
    now: Timestamp,
    outbox: Outbox,
) -> Result<(Job, bool), StoreError> {
    let JobPolicy { unit_records, unit_bytes, attempts } = spec.policy;
    let (name, pack, version) = (spec.name.clone(), spec.pack.clone(), spec.pack_version.clone());
    let values = params![
        name,
        pack,
        version,
        spec.manifest.clone(),
        spec.as_of.clone(),
        unit_records,
        unit_bytes,
        attempts,
        now,
        spec.traceparent.clone(),
        i64::from(schedule.priority),
        schedule.weight,
        schedule.deadline.map(|at| at.0),
        i64::try_from(spec.reviews.undo.as_millis()).unwrap_or(i64::MAX),
        serde_json::to_string(&spec.reviews.agree).expect("strings are always JSON"),
        spec.reviews.sample_ppm,
        spec.reviews.error_limit_ppm,
        serde_json::to_string(&spec.validators).expect("strings are always JSON"),
    ];
    let created = tx.execute(INSERT, values).await? == 1;
    let job = find(tx, &JobRef::Name(spec.name.clone())).await?;
    if created {
        outbox.job(tx, job.id, JobState::Importing, now).await?;
    }
    match difference(&job.spec, &spec) {
        Some(field) => Err(StoreError::JobDiffers(field)),
        None => Ok((job, created)),
    }
}

pub(super) async fn find(tx: &mut Tx, job: &JobRef) -> Result<Job, StoreError> {
    let row = match job {
        JobRef::Id(id) => tx.row(BY_ID, params![*id]).await?,
        JobRef::Name(name) => tx.row(BY_NAME, params![name.as_str()]).await?,
    };
    read_job(&row.ok_or(StoreError::JobNotFound)?)
}

/// Finds a job and holds its row: what changes a job, or adds to it, comes one after another.
pub(super) async fn lock(tx: &mut Tx, job: &JobRef) -> Result<Job, StoreError> {
    let id = match job {
        JobRef::Id(id) => *id,
        JobRef::Name(_) => find(tx, job).await?.id,
    };
    read_job(&tx.row(LOCK, params![id]).await?.ok_or(StoreError::JobNotFound)?)
}

async fn set_state(
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

fn read_job(row: &Row) -> Result<Job, StoreError> {
    let small = |column| {
        u32::try_from(row.int(column)?).map_err(|_| StoreError::Internal(format!("{column} is out of range")))
    };
    let columns = serde_json::from_str(&row.text("columns")?)
        .map_err(|_| StoreError::Internal("columns are no JSON list".into()))?;
    Ok(Job {
        id: row.int("id")?,
        spec: JobSpec {
            name: row.text("name")?,
            pack: row.text("pack")?,
            pack_version: row.text("pack_version")?,
            validators: serde_json::from_str(&row.text("validators")?)
                .map_err(|_| StoreError::Internal("validators is no JSON list".into()))?,
            manifest: row.bytes("manifest")?,
            as_of: row.text("as_of")?,
            policy: JobPolicy {
                unit_records: small("unit_records")?,
                unit_bytes: small("unit_bytes")?,
                attempts: small("attempts")?,
            },
            reviews: ReviewPolicy {
                undo: Duration::from_millis(row.int("undo_millis")?.unsigned_abs()),
                agree: serde_json::from_str(&row.text("agree")?)
                    .map_err(|_| StoreError::Internal("agree is no JSON list".into()))?,
                sample_ppm: small("sample_ppm")?,
                error_limit_ppm: small("error_limit_ppm")?,
            },
            traceparent: row.text("traceparent")?,
        },
        schedule: Schedule {
            priority: i32::try_from(row.int("priority")?)
                .map_err(|_| StoreError::Internal("priority is out of range".into()))?,
            weight: small("weight")?,
            deadline: row.maybe_int("deadline_at")?.map(Timestamp),
        },
        state: read_state(&row.text("state")?)?,
        paused: row.bool("paused")?,
        columns,
        created_at: Timestamp(row.int("created_at")?),
        units_done_at: row.maybe_int("units_done_at")?.map(Timestamp),
        ended_at: row.maybe_int("ended_at")?.map(Timestamp),
        blocks_gone: row.bool("blocks_gone")?,
        paused_rules: serde_json::from_str(&row.text("paused_rules")?)
            .map_err(|_| StoreError::Internal("paused_rules is no JSON list".into()))?,
        next_seq: row.int("next_seq")?,
    })
}
