//! How far a job is, summed from its units.

use std::collections::BTreeMap;

use super::db::{Row, Sql, params};
use super::units::{read_unit, read_unit_state};
use super::{Lane, Store, StoreError};
use crate::domain::job::JobRef;
use crate::domain::results::{Tallies, Verdicts};
use crate::domain::unit::{Unit, UnitId, UnitState};

/// Sums over a job's units.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Imported records.
    pub records: i64,
    /// Records by verdict; the rest is pending.
    pub verdicts: Verdicts,
    /// Units ready, leased, done, and set aside.
    pub ready: i64,
    /// See `ready`.
    pub leased: i64,
    /// See `ready`.
    pub done: i64,
    /// See `ready`.
    pub set_aside: i64,
    /// Units that wait until the canary is approved, and their records.
    pub waiting: i64,
    /// See `waiting`.
    pub records_waiting: i64,
    /// Reviews that wait for an answer.
    pub reviews_open: i64,
    /// Reviews that need no more.
    pub reviews_decided: i64,
    /// Of those, records not to be used.
    pub reviews_rejected: i64,
}

/// A unit as listed: not a lease.
#[derive(Debug, Clone)]
pub struct UnitStatus {
    /// Its row.
    pub unit: Unit,
    /// Who holds it, or committed it.
    pub worker: Option<String>,
    /// Its records by verdict, once done.
    pub verdicts: Verdicts,
}

const SUMS: Sql = Sql::same(
    "SELECT state, COUNT(*) AS units, CAST(SUM(last_seq - first_seq + 1) AS BIGINT) AS records,
         CAST(SUM(valid) AS BIGINT) AS valid, CAST(SUM(corrected) AS BIGINT) AS corrected,
         CAST(SUM(routed) AS BIGINT) AS routed, CAST(SUM(failed) AS BIGINT) AS failed
     FROM units WHERE job_id = $1 AND state <> 'split' GROUP BY state",
);
const REVIEWS: Sql = Sql::same(
    "SELECT COUNT(*) FILTER (WHERE state = 'open') AS open, COUNT(*) FILTER (WHERE state = 'decided') AS decided,
         COUNT(*) FILTER (WHERE rejected) AS rejected
     FROM reviews WHERE job_id = $1",
);
const TALLIES: Sql = Sql::pair(
    "SELECT kind.key AS kind, entry.key AS name, CAST(SUM(entry.value::bigint) AS BIGINT) AS count
     FROM units u, json_each(u.tallies::json) kind, json_each_text(kind.value) entry
     WHERE u.job_id = $1 AND (u.state = 'done' OR u.revision > 0) AND u.state <> 'split' GROUP BY kind.key, entry.key",
    "SELECT kind.key AS kind, entry.key AS name, CAST(SUM(entry.value) AS BIGINT) AS count
     FROM units u, json_each(u.tallies) kind, json_each(kind.value) entry
     WHERE u.job_id = $1 AND (u.state = 'done' OR u.revision > 0) AND u.state <> 'split' GROUP BY kind.key, entry.key",
);
const LIST: Sql = Sql::same(
    "SELECT u.*, j.state AS job_state, j.deleted, j.ruleset AS job_ruleset, j.dry_run FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.job_id = $1 AND u.state <> 'split' AND u.first_seq > $2 AND ($3 = '' OR u.state = $3)
     ORDER BY u.first_seq LIMIT $4",
);
const RETRY: Sql = Sql::pair(
    "UPDATE units SET state = 'ready', attempts_left = $2
     WHERE job_id = $1 AND state = 'set_aside' AND ($3 OR id = ANY($4))",
    "UPDATE units SET state = 'ready', attempts_left = $2
     WHERE job_id = $1 AND state = 'set_aside' AND ($3 OR id IN (SELECT value FROM json_each($4)))",
);

impl Store {
    /// A job's progress.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn progress(&self, job_id: i64) -> Result<Progress, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let mut progress = Progress::default();
                for row in tx.rows(SUMS, params![job_id]).await? {
                    add(&mut progress, &row)?;
                }
                if let Some(row) = tx.row(REVIEWS, params![job_id]).await? {
                    progress.reviews_open = row.int("open")?;
                    progress.reviews_decided = row.int("decided")?;
                    progress.reviews_rejected = row.int("rejected")?;
                }
                Ok(progress)
            })
        })
        .await
    }

    /// A job's changes by rule and findings by code.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn tallies(&self, job_id: i64) -> Result<Tallies, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let mut tallies = Tallies::default();
                for row in tx.rows(TALLIES, params![job_id]).await? {
                    let into: &mut BTreeMap<_, _> = match row.text("kind")?.as_str() {
                        "rules" => &mut tallies.rules,
                        _ => &mut tallies.findings,
                    };
                    into.insert(row.text("name")?, row.int("count")?.unsigned_abs());
                }
                Ok(tallies)
            })
        })
        .await
    }

    /// Up to `limit` units in order, of those whose first record comes after `after_seq`; of one state, or of all.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn units(
        &self,
        job_id: i64,
        state: Option<UnitState>,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<UnitStatus>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let state = state.map_or("", UnitState::as_str);
                let rows = tx.rows(LIST, params![job_id, after_seq, state, limit]).await?;
                rows.iter().map(read_status).collect()
            })
        })
        .await
    }

    /// Makes units that were set aside ready again; all of the job's when `units` is empty. Answers how many.
    ///
    /// # Errors
    /// [`StoreError::JobNotFound`].
    pub async fn retry_units(&self, job: JobRef, units: Vec<UnitId>) -> Result<u64, StoreError> {
        let retried = self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let job = super::jobs::lock(tx, &job).await?;
                let all = units.is_empty();
                if !job.spec.group_by.is_empty() {
                    super::groups::retry(tx, job.id).await?;
                }
                tx.execute(RETRY, params![job.id, job.spec.policy.attempts, all, units]).await
            })
        });
        let retried = retried.await;
        self.ready_from.forget();
        retried
    }
}

fn add(progress: &mut Progress, row: &Row) -> Result<(), StoreError> {
    let units = row.int("units")?;
    match read_unit_state(&row.text("state")?)? {
        UnitState::Ready => progress.ready = units,
        UnitState::Leased => progress.leased = units,
        UnitState::Done => progress.done = units,
        UnitState::SetAside => progress.set_aside = units,
        UnitState::Waiting => (progress.waiting, progress.records_waiting) = (units, row.int("records")?),
        // They are no units that anybody works on; their records are pending.
        UnitState::Ungrouped | UnitState::Split => {}
    }
    let Verdicts { valid, corrected, routed, failed } = read_verdicts(row)?;
    progress.records += row.int("records")?;
    progress.verdicts.valid += valid;
    progress.verdicts.corrected += corrected;
    progress.verdicts.routed += routed;
    progress.verdicts.failed += failed;
    Ok(())
}

fn read_verdicts(row: &Row) -> Result<Verdicts, StoreError> {
    Ok(Verdicts {
        valid: row.int("valid")?,
        corrected: row.int("corrected")?,
        routed: row.int("routed")?,
        failed: row.int("failed")?,
    })
}

fn read_status(row: &Row) -> Result<UnitStatus, StoreError> {
    Ok(UnitStatus { unit: read_unit(row)?, worker: row.maybe_text("holder")?, verdicts: read_verdicts(row)? })
}
