//! Looking through what was done before a change, and making ready again what it concerns.

use super::super::db::{Row, Sql, Tx, params};
use super::super::{Lane, Store, StoreError};
use super::after;
use crate::domain::results::Tallies;
use crate::domain::unit::{Unit, UnitId};

/// What one step has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// The job, if there was one.
    pub job_id: i64,
    /// Units that are ready again.
    pub reopened: usize,
    /// There is more to look through.
    pub more: bool,
}

const REVISING: Sql = Sql::pair(
    "SELECT id, ruleset FROM jobs WHERE revising AND state IN ('importing', 'running') AND NOT deleted
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT id, ruleset FROM jobs WHERE revising AND state IN ('importing', 'running') AND NOT deleted
     ORDER BY id LIMIT 1",
);
const DONE_BEFORE: Sql = Sql::pair(
    "SELECT id, ruleset, tallies FROM units WHERE job_id = $1 AND state = 'done' AND ruleset < $2
     ORDER BY first_seq LIMIT $3 FOR UPDATE SKIP LOCKED",
    "SELECT id, ruleset, tallies FROM units WHERE job_id = $1 AND state = 'done' AND ruleset < $2
     ORDER BY first_seq LIMIT $3",
);
/// The epoch moves on, so whoever committed it before is answered that the lease is lost. Its results stay in force.
const REOPEN: Sql = Sql::pair(
    "UPDATE units u SET state = 'ready', epoch = u.epoch + 1, token_hash = NULL, holder = NULL, lease_request = NULL,
         expires_at = NULL, progress = NULL, idle_beats = 0, commit_id = NULL, digest = NULL, ruleset = j.ruleset,
         attempts_left = j.attempts, revision = CASE u.revision WHEN 0 THEN 1 ELSE u.revision END
     FROM jobs j WHERE j.id = u.job_id AND u.id = ANY($1)",
    "UPDATE units SET state = 'ready', epoch = epoch + 1, token_hash = NULL, holder = NULL, lease_request = NULL,
         expires_at = NULL, progress = NULL, idle_beats = 0, commit_id = NULL, digest = NULL, ruleset = j.ruleset,
         attempts_left = j.attempts, revision = CASE revision WHEN 0 THEN 1 ELSE revision END
     FROM jobs j WHERE j.id = units.job_id AND units.id IN (SELECT value FROM json_each($1))",
);
const PASS: Sql = Sql::pair(
    "UPDATE units SET ruleset = $2 WHERE id = ANY($1)",
    "UPDATE units SET ruleset = $2 WHERE id IN (SELECT value FROM json_each($1))",
);
/// A commit under an earlier lease may still be on its way: its unit counts as leased until then.
const SETTLED: Sql = Sql::same(
    "UPDATE jobs SET revising = FALSE
     WHERE id = $1 AND ruleset = $2
       AND (SELECT 1 FROM units u
            WHERE u.job_id = $1 AND u.state IN ('done', 'leased') AND u.ruleset < $2 LIMIT 1) IS NULL",
);
/// As it was before it was made ready again. It has no receipt any more: its commit was superseded.
const ABANDON: Sql = Sql::same(
    "UPDATE units SET state = 'done', epoch = epoch + 1, token_hash = NULL WHERE id = $1 AND epoch = $2",
);
const ABANDONED: Sql = Sql::same(
    "INSERT INTO revised_units (job_id, ruleset, unit_id, replaced, kept, abandoned) VALUES ($1, $2, $3, 0, '[]', TRUE)",
);

/// Units in one step.
const BATCH: i64 = 500;

impl Store {
    /// One step through what was done before a change of what a job runs. Any number of schedulers may take it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn sweep_revisions(&self) -> Result<Swept, StoreError> {
        let revising = self.read(|tx| Box::pin(async move { tx.row(ANY_REVISING, params![]).await }));
        if revising.await?.is_none() {
            return Ok(Swept::default());
        }
        let swept = self.write(Lane::Normal, |tx| Box::pin(async move { sweep(tx).await })).await?;
        if swept.reopened > 0 {
            self.ready_from.forget();
        }
        Ok(swept)
    }
}

const ANY_REVISING: Sql = Sql::same(
    "SELECT 1 AS one FROM jobs WHERE revising AND state IN ('importing', 'running') AND NOT deleted LIMIT 1",
);

async fn sweep(tx: &mut Tx) -> Result<Swept, StoreError> {
    let Some(job) = tx.row(REVISING, params![]).await? else { return Ok(Swept::default()) };
    let (job_id, ruleset) = (job.int("id")?, job.int("ruleset")?);
    let rows = tx.rows(DONE_BEFORE, params![job_id, ruleset, BATCH]).await?;
    if rows.is_empty() {
        tx.execute(SETTLED, params![job_id, ruleset]).await?;
        return Ok(Swept { job_id, ..Swept::default() });
    }
    let revisions = after(tx, job_id, 0).await?;
    let (mut again, mut passed) = (Vec::new(), Vec::new());
    for row in &rows {
        let (since, tallies) = (row.int("ruleset")?, tallies(row)?);
        let mut newer = revisions.iter().filter(|revision| revision.ruleset > since);
        let concerned = newer.any(|revision| revision.concerns(&tallies));
        if concerned { again.push(row.int("id")?) } else { passed.push(row.int("id")?) }
    }
    let reopened = again.len();
    if reopened > 0 {
        tx.execute_exactly(reopened, REOPEN, params![again]).await?;
    }
    if !passed.is_empty() {
        tx.execute_exactly(passed.len(), PASS, params![passed, ruleset]).await?;
    }
    Ok(Swept { job_id, reopened, more: true })
}

fn tallies(row: &Row) -> Result<Tallies, StoreError> {
    if row.maybe_text("tallies")?.is_some() { row.json("tallies") } else { Ok(Tallies::default()) }
}

/// Workers have failed on a unit that was to be run again: it keeps the results it has.
pub(in crate::store) async fn abandon(tx: &mut Tx, unit: &Unit) -> Result<UnitId, StoreError> {
    tx.execute_exactly(1, ABANDON, params![unit.id, unit.epoch]).await?;
    tx.execute_exactly(1, ABANDONED, params![unit.job_id, unit.rules.leased, unit.id]).await?;
    Ok(unit.id)
}
