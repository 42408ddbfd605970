//! What stops jobs: canaries that wait for an approval, and thresholds that were exceeded.

use super::db::{Sql, Tx, params};
use super::jobs::{self, json};
use super::{Job, JobConflict, Lane, Outbox, Store, StoreError};
use crate::domain::guard::{Trip, trips};
use crate::domain::job::JobRef;
use crate::domain::time::Timestamp;

const APPROVE: Sql = Sql::same("UPDATE jobs SET approved = TRUE, awaits_since = NULL WHERE id = $1");
const GO_ON: Sql = Sql::same("UPDATE units SET state = 'ready' WHERE job_id = $1 AND state = 'waiting'");
/// Guarded by its own condition, so any number of schedulers may run it.
const AWAIT: Sql = Sql::same(
    "UPDATE jobs SET awaits_since = CAST($1 AS BIGINT)
     WHERE NOT approved AND awaits_since IS NULL AND state = 'running' AND NOT deleted
       AND (SELECT 1 FROM groupings g WHERE g.job_id = jobs.id AND g.state = 'open') IS NULL
       AND (SELECT 1 FROM units u
            WHERE u.job_id = jobs.id AND u.state IN ('ready', 'leased', 'set_aside') LIMIT 1) IS NULL
     RETURNING id",
);
const GUARDED: Sql = Sql::same(
    "SELECT id FROM jobs WHERE thresholds <> '[]' AND state IN ('importing', 'running') AND NOT deleted ORDER BY id",
);
const TRIP: Sql = Sql::same("UPDATE jobs SET trips = $2, paused = $3, paused_rules = $4 WHERE id = $1");

impl Store {
    /// Lets the rest of a job go on after its canary. Idempotent.
    ///
    /// # Errors
    /// [`JobConflict::NoCanary`]; [`JobConflict::Ended`].
    pub async fn approve_job(&self, job: JobRef) -> Result<Job, StoreError> {
        let job = self.steer(job, |tx, job| {
            Box::pin(async move {
                if job.spec.guard.canary_ppm == 0 {
                    return Err(StoreError::JobState(JobConflict::NoCanary));
                }
                if job.state.has_ended() {
                    return Err(StoreError::JobState(JobConflict::Ended));
                }
                tx.execute_exactly(1, APPROVE, params![job.id]).await?;
                tx.execute(GO_ON, params![job.id]).await.map(drop)
            })
        });
        let job = job.await;
        self.ready_from.forget();
        job
    }

    /// Says of jobs whose canary is done that the rest waits; answers which.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn await_approvals(&self, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let outbox = self.outbox;
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let rows = tx.rows(AWAIT, params![now]).await?;
                let waiting = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
                for job_id in &waiting {
                    outbox.alert(tx, *job_id, 0, Outbox::AWAITS_APPROVAL, now).await?;
                }
                Ok(waiting)
            })
        })
        .await
    }

    /// Looks at the thresholds of jobs that have work, and does what follows where one is exceeded; answers which, by job.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn watch_thresholds(&self, now: Timestamp) -> Result<Vec<(i64, Trip)>, StoreError> {
        let guarded = self.read(|tx| Box::pin(async move { tx.rows(GUARDED, params![]).await })).await?;
        let mut found = Vec::new();
        for row in guarded {
            let id = row.int("id")?;
            // Summed up while nobody waits for it; what follows is decided once more under the job's lock.
            let (sums, tallies) = (self.progress(id).await?, self.tallies(id).await?);
            let job = self.job(JobRef::Id(id)).await?;
            let exceeded = |job: &Job| {
                let (thresholds, chain) = (&job.spec.guard.thresholds, job.spec.chain());
                trips(thresholds, &job.trips, &chain, &tallies, sums.verdicts, now.0)
            };
            if exceeded(&job).is_empty() {
                continue;
            }
            let new = self.trip(id, exceeded(&job), now).await?;
            found.extend(new.into_iter().map(|trip| (id, trip)));
        }
        Ok(found)
    }

    async fn trip(&self, job_id: i64, exceeded: Vec<Trip>, now: Timestamp) -> Result<Vec<Trip>, StoreError> {
        let outbox = self.outbox;
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move { trip(tx, job_id, exceeded, now, outbox).await })
        })
        .await
    }
}

async fn trip(
    tx: &mut Tx,
    job_id: i64,
    exceeded: Vec<Trip>,
    now: Timestamp,
    outbox: Outbox,
) -> Result<Vec<Trip>, StoreError> {
    let job = jobs::lock(tx, &JobRef::Id(job_id)).await?;
    let known = |trip: &Trip| job.trips.iter().any(|other| other.threshold == trip.threshold);
    let new: Vec<Trip> = exceeded.into_iter().filter(|trip| !known(trip)).collect();
    if new.is_empty() || job.state.has_ended() {
        return Ok(Vec::new());
    }
    let (mut all, mut paused_rules, mut paused) = (job.trips, job.paused_rules, job.paused);
    for trip in &new {
        match trip.paused_rules() {
            Some(rules) if paused_rules.contains(&rules) => {}
            Some(rules) => paused_rules.push(rules),
            None => paused = true,
        }
        all.push(trip.clone());
        let number = i64::try_from(all.len()).unwrap_or(i64::MAX);
        outbox.alert(tx, job_id, number, Outbox::TRIPPED, now).await?;
    }
    tx.execute_exactly(1, TRIP, params![job_id, json(&all), paused, json(&paused_rules)]).await?;
    Ok(new)
}
