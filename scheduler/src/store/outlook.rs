//! What is left to do, summed over all unfinished jobs: for autoscalers, operators and the clients' time left.

use std::collections::BTreeMap;

use super::db::{Db, Row, Sql, Tx, params};
use super::{Store, StoreError};
use crate::domain::job::JobState;
use crate::domain::outlook::{Sample, Work, rate};
use crate::domain::time::Timestamp;

/// A job whose units are not all done.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// No unit is leased from it.
    pub paused: bool,
    /// Its units by state.
    pub units: UnitCounts,
    /// When the oldest of its ready units was made.
    pub oldest_ready: Option<Timestamp>,
    /// What is left to do.
    pub work: Work,
    /// The rate was measured, on this job or the one before it of the same pack; else it is the configured one.
    pub rate_seen: bool,
}

/// Units by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnitCounts {
    /// Wait for a worker.
    pub ready: i64,
    /// A worker has them.
    pub leased: i64,
    /// Committed.
    pub done: i64,
    /// Damaged.
    pub set_aside: i64,
}

/// Connections to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// Open, in use or not.
    pub open: u32,
    /// Of them not in use.
    pub idle: u32,
    /// As many may be open.
    pub most: u32,
}

/// Jobs that are looked at; the oldest ones, which are served first.
const JOBS: i64 = 200;
/// Commits that a rate is measured on.
const SAMPLES: i64 = 1000;

const UNFINISHED: Sql = Sql::same(
    "SELECT id, name, paused, pack, pack_version, created_at, priority, weight, deadline_at FROM jobs
     WHERE state IN ('importing', 'running') AND NOT deleted ORDER BY id LIMIT $1",
);
const OPEN: Sql = Sql::pair(
    "SELECT job_id, state, COUNT(*) AS units, COUNT(DISTINCT holder) AS workers, MIN(made_at) AS oldest,
         CAST(SUM(last_seq - first_seq + 1 - COALESCE(progress, 0)) AS BIGINT) AS records
     FROM units WHERE job_id = ANY($1) AND state IN ('ready', 'leased', 'set_aside') GROUP BY job_id, state",
    "SELECT job_id, state, COUNT(*) AS units, COUNT(DISTINCT holder) AS workers, MIN(made_at) AS oldest,
         CAST(SUM(last_seq - first_seq + 1 - COALESCE(progress, 0)) AS BIGINT) AS records
     FROM units WHERE job_id IN (SELECT value FROM json_each($1)) AND state IN ('ready', 'leased', 'set_aside')
     GROUP BY job_id, state",
);
const DONE: Sql = Sql::pair(
    "SELECT job_id, COUNT(*) AS units FROM units WHERE job_id = ANY($1) AND state = 'done' GROUP BY job_id",
    "SELECT job_id, COUNT(*) AS units FROM units
     WHERE job_id IN (SELECT value FROM json_each($1)) AND state = 'done' GROUP BY job_id",
);
/// The newest commits, nearly: units are leased in order. They are found by the index that leasing uses, so that
/// commits need not keep another one.
const COMMITTED: Sql = Sql::same(
    "SELECT holder, last_seq - first_seq + 1 AS records, done_at FROM units
     WHERE job_id = $1 AND state = 'done' ORDER BY first_seq DESC LIMIT $2",
);
const BEFORE: Sql = Sql::same(
    "SELECT MAX(id) AS id FROM jobs
     WHERE id < $1 AND pack = $2 AND pack_version = $3 AND units_done_at IS NOT NULL AND NOT deleted",
);
const AT_WORK: Sql = Sql::same("SELECT COUNT(DISTINCT holder) AS workers FROM units WHERE state = 'leased'");
const BY_STATE: Sql = Sql::same("SELECT state, COUNT(*) AS jobs FROM jobs WHERE NOT deleted GROUP BY state");

impl Store {
    /// The unfinished jobs, oldest first, each with what is left to do. `rate` counts, in records a second for one
    /// worker, where none was seen.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn unfinished(&self, rate: f64) -> Result<Vec<Unfinished>, StoreError> {
        self.read(move |tx| Box::pin(async move { unfinished(tx, rate).await })).await
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn jobs_by_state(&self) -> Result<BTreeMap<&'static str, i64>, StoreError> {
        let rows = self.read(|tx| Box::pin(async move { tx.rows(BY_STATE, params![]).await })).await?;
        let mut jobs: BTreeMap<_, _> = JobState::ALL.into_iter().map(|state| (state.as_str(), 0)).collect();
        for row in rows {
            jobs.insert(super::jobs::read_state(&row.text("state")?)?.as_str(), row.int("jobs")?);
        }
        Ok(jobs)
    }

    /// Workers that hold leases now, of whatever job.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn workers_at_work(&self) -> Result<i64, StoreError> {
        let row = self.read(|tx| Box::pin(async move { tx.row(AT_WORK, params![]).await })).await?;
        row.map_or(Ok(0), |row| row.int("workers"))
    }

    /// The connections to the database: to PostgreSQL all, to SQLite those that read.
    pub fn connections(&self) -> Connections {
        let (open, idle, most) = match &self.db {
            Db::Postgres { pool, .. } => (pool.size(), pool.num_idle(), pool.options().get_max_connections()),
            Db::Sqlite { readers, .. } => {
                (readers.size(), readers.num_idle(), readers.options().get_max_connections())
            }
        };
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        Connections { open, idle, most }
    }
}

async fn unfinished(tx: &mut Tx, configured: f64) -> Result<Vec<Unfinished>, StoreError> {
    let rows = tx.rows(UNFINISHED, params![JOBS]).await?;
    let mut jobs = rows.iter().map(|row| read_job(row, configured)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<i64> = jobs.iter().map(|job| job.id).collect();
    if ids.is_empty() {
        return Ok(jobs);
    }
    let open = tx.rows(OPEN, params![ids.clone()]).await?;
    let done = tx.rows(DONE, params![ids]).await?;
    for (job, row) in jobs.iter_mut().zip(&rows) {
        let id = job.id;
        let of_job = |row: &&Row| row.int("job_id").is_ok_and(|job_id| job_id == id);
        for units in open.iter().filter(of_job) {
            add_open(job, units, Timestamp(row.int("created_at")?))?;
        }
        for units in done.iter().filter(of_job) {
            job.units.done = units.int("units")?;
        }
        // A rate is wanted where there is work.
        if job.work.units > 0
            && let Some(rate) = seen(tx, id, &row.text("pack")?, &row.text("pack_version")?).await?
        {
            (job.work.rate, job.rate_seen) = (rate, true);
        }
    }
    Ok(jobs)
}

fn read_job(row: &Row, rate: f64) -> Result<Unfinished, StoreError> {
    let (priority, weight) = (row.int("priority")?, row.int("weight")?);
    let deadline = row.maybe_int("deadline_at")?.map(Timestamp);
    Ok(Unfinished {
        id: row.int("id")?,
        name: row.text("name")?,
        paused: row.bool("paused")?,
        units: UnitCounts::default(),
        oldest_ready: None,
        work: Work { records: 0, units: 0, workers: 0, rate, deadline, priority, weight },
        rate_seen: false,
    })
}

/// Adds a job's units of one state. `made_at` is not known of units from before it was kept: the job's age stands in.
fn add_open(job: &mut Unfinished, row: &Row, created_at: Timestamp) -> Result<(), StoreError> {
    let units = row.int("units")?;
    match row.text("state")?.as_str() {
        "ready" => {
            job.units.ready = units;
            job.oldest_ready = Some(row.maybe_int("oldest")?.map_or(created_at, Timestamp));
        }
        "leased" => {
            job.units.leased = units;
            job.work.workers = row.int("workers")?;
        }
        _ => {
            job.units.set_aside = units;
            return Ok(());
        }
    }
    job.work.units += units;
    job.work.records += row.int("records")?;
    Ok(())
}

/// The rate that this job's commits show, or else those of the job before it of the same pack.
async fn seen(tx: &mut Tx, job_id: i64, pack: &str, version: &str) -> Result<Option<f64>, StoreError> {
    if let Some(rate) = rate(&samples(tx, job_id).await?) {
        return Ok(Some(rate));
    }
    let before = tx.row(BEFORE, params![job_id, pack, version]).await?;
    match before.map(|row| row.maybe_int("id")).transpose()?.flatten() {
        Some(before) => Ok(rate(&samples(tx, before).await?)),
        None => Ok(None),
    }
}

async fn samples(tx: &mut Tx, job_id: i64) -> Result<Vec<Sample>, StoreError> {
    let rows = tx.rows(COMMITTED, params![job_id, SAMPLES]).await?;
    // A lone record that failed for good is the scheduler's own commit, and no worker's time went into it.
    let workers =
        rows.iter().filter(|row| row.text("holder").is_ok_and(|holder| holder != super::splits::SCHEDULER));
    workers
        .map(|row| {
            Ok(Sample {
                worker: row.text("holder")?,
                records: row.int("records")?,
                at: Timestamp(row.int("done_at")?),
            })
        })
        .collect()
}
