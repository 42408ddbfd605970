//! The outbox: what is to be said to the broker, written in the transaction of its effect.
//!
//! A row is small and stands for a whole unit; the relay (`events/`) makes messages of it. Relays of several schedulers
//! take rows for a while and delete them once the broker has confirmed; a relay that dies in between leaves them to the
//! next. So a message is sent at least once, under the same id each time, and in no order.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use emend_proto::v1::Block;

use super::db::{Column, Row, Sql, Tx, params};
use super::jobs::read_state;
use super::units::read_block;
use super::{Lane, Store, StoreError};
use crate::domain::job::JobState;
use crate::domain::results::Results;
use crate::domain::time::Timestamp;
use crate::domain::unit::{Receipt, UnitId};

/// Whether effects are said at all: only with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outbox(bool);

/// What a row of the outbox speaks of.
#[derive(Debug, Clone)]
pub enum Told {
    /// A job entered a state.
    Job {
        /// When the job was made: with its id, it is this job in whichever store.
        created_at: Timestamp,
        /// The state.
        state: JobState,
    },
    /// A unit's results were committed.
    Results {
        /// The unit.
        unit_id: UnitId,
        /// The commit.
        commit_id: String,
        /// The results, unchecked.
        results: Block,
    },
    /// What it spoke of is gone: deleted by retention or with its job.
    Nothing,
}

/// A row that this relay may publish for a while.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// The job it is about.
    pub job_id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What it says.
    pub told: Told,
    key: Key,
}

impl OutboxRow {
    /// Its unit, 0 when it is about the job itself.
    pub fn unit_id(&self) -> UnitId {
        self.key.1
    }
}

/// Rows taken together.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// The rows, in no order.
    pub rows: Vec<OutboxRow>,
    /// Until when they are this relay's. Another may have taken them after that.
    pub until: Timestamp,
}

/// How much waits to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Rows in the outbox.
    pub rows: i64,
    /// When the oldest was written.
    pub oldest: Option<Timestamp>,
}

/// Job, unit, what: the primary key.
type Key = (i64, UnitId, String);

/// A scheduler that told something within this is at work.
const LATELY: Duration = Duration::from_secs(1);

const RESULTS: &str = "results";
const AGAIN: &str = "again";

/// How long after its end a job's events are still said again.
const ENDED_LATELY: Duration = Duration::from_secs(60 * 60);

const INSERT_UNITS: Sql = Sql::pair(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT job_id, id, 'results', $2, 0 FROM units WHERE id = ANY($1)",
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT job_id, id, 'results', $2, 0 FROM units WHERE id IN (SELECT value FROM json_each($1))",
);
const INSERT: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at) VALUES ($1, 0, $2, $3, $4)
     ON CONFLICT (job_id, unit_id, what) DO NOTHING",
);
/// Due when the decision is final. Until then it may be taken back, and nobody is to be told.
const INSERT_DECIDED: Sql = Sql::pair(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at) SELECT $1, seq, 'decided', $2, $3 FROM unnest($4) AS t (seq)",
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at) SELECT $1, value, 'decided', $2, $3 FROM json_each($4)",
);
const DELETE_DECIDED: Sql = Sql::pair(
    "DELETE FROM outbox WHERE job_id = $1 AND what = 'decided' AND unit_id = ANY($2)",
    "DELETE FROM outbox
     WHERE job_id = $1 AND what = 'decided' AND unit_id IN (SELECT value FROM json_each($2))",
);
const ANY_DUE: Sql = Sql::same("SELECT 1 AS one FROM outbox WHERE due_at <= $1 LIMIT 1");
/// What others hold is passed over.
const CLAIM: Sql = Sql::pair(
    "WITH pick AS MATERIALIZED (
         SELECT job_id, unit_id, what FROM outbox WHERE due_at <= $1
         ORDER BY job_id, unit_id, what LIMIT $3 FOR UPDATE SKIP LOCKED)
     UPDATE outbox o SET due_at = $2 FROM pick p
     WHERE o.job_id = p.job_id AND o.unit_id = p.unit_id AND o.what = p.what
     RETURNING o.job_id, o.unit_id, o.what, o.at",
    "UPDATE outbox SET due_at = $2
     WHERE rowid IN (SELECT rowid FROM outbox WHERE due_at <= $1 ORDER BY job_id, unit_id, what LIMIT $3)
     RETURNING job_id, unit_id, what, at",
);
const OF_UNITS: Sql = Sql::pair(
    "SELECT u.id, u.commit_id, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN blocks b ON b.unit_id = u.id AND b.revision = 1
     WHERE u.id = ANY($1) AND u.commit_id IS NOT NULL",
    "SELECT u.id, u.commit_id, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN blocks b ON b.unit_id = u.id AND b.revision = 1
     WHERE u.id IN (SELECT value FROM json_each($1)) AND u.commit_id IS NOT NULL",
);
const OF_JOBS: Sql = Sql::pair(
    "SELECT id, created_at FROM jobs WHERE id = ANY($1)",
    "SELECT id, created_at FROM jobs WHERE id IN (SELECT value FROM json_each($1))",
);
/// Only as it was taken: who took it since, or asked for it again, will say it.
const DELETE: Sql = Sql::pair(
    "DELETE FROM outbox o USING unnest($2::bigint[], $3::bigint[], $4::text[]) AS t (job_id, unit_id, what)
     WHERE o.job_id = t.job_id AND o.unit_id = t.unit_id AND o.what = t.what AND o.due_at = $1",
    "DELETE FROM outbox WHERE due_at = $1 AND (job_id, unit_id, what) IN
         (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($2))",
);
const POSTPONE: Sql = Sql::pair(
    "UPDATE outbox o SET due_at = $2
     FROM unnest($3::bigint[], $4::bigint[], $5::text[]) AS t (job_id, unit_id, what)
     WHERE o.job_id = t.job_id AND o.unit_id = t.unit_id AND o.what = t.what AND o.due_at = $1",
    "UPDATE outbox SET due_at = $2 WHERE due_at = $1 AND (job_id, unit_id, what) IN
         (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($3))",
);
const AGAIN_UNITS: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT u.job_id, u.id, 'results', COALESCE(u.done_at, j.created_at), 0 FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.state = 'done' AND u.routed + u.failed > 0 AND NOT j.deleted AND NOT j.blocks_gone
       AND (j.ended_at IS NULL OR j.ended_at >= $1)
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET due_at = 0",
);
const AGAIN_JOBS: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT j.id, 0, j.state, COALESCE(j.ended_at, j.created_at), 0 FROM jobs j
     WHERE NOT j.deleted AND (j.ended_at IS NULL OR j.ended_at >= $1)
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET due_at = 0",
);
const DELETE_AGAIN: Sql = Sql::same("DELETE FROM outbox WHERE job_id = 0 AND unit_id = 0 AND what = 'again'");
const BACKLOG: Sql = Sql::same("SELECT COUNT(*) AS waiting, MIN(at) AS oldest FROM outbox");

impl Outbox {
    /// Says which of these units have something for people.
    pub(super) async fn units(
        self,
        tx: &mut Tx,
        accepted: &[(Receipt, Results)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let told =
            accepted.iter().filter(|(_, results)| results.verdicts.routed + results.verdicts.failed > 0);
        let ids: Vec<UnitId> = told.map(|(receipt, _)| receipt.unit_id).collect();
        if !self.0 || ids.is_empty() {
            return Ok(());
        }
        tx.execute_exactly(ids.len(), INSERT_UNITS, params![ids, now]).await
    }

    /// Says which records people have decided on, once that is final.
    pub(super) async fn decided(
        self,
        tx: &mut Tx,
        job_id: i64,
        seqs: Vec<i64>,
        now: Timestamp,
        final_at: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.0 || seqs.is_empty() {
            return Ok(());
        }
        tx.execute_exactly(seqs.len(), INSERT_DECIDED, params![job_id, now, final_at, seqs.clone()]).await
    }

    /// Says it no longer: the decision was taken back.
    pub(super) async fn not_decided(
        self,
        tx: &mut Tx,
        job_id: i64,
        seqs: Vec<i64>,
    ) -> Result<(), StoreError> {
        tx.execute(DELETE_DECIDED, params![job_id, seqs]).await.map(drop)
    }

    /// Says that a job has entered a state.
    pub(super) async fn job(
        self,
        tx: &mut Tx,
        job_id: i64,
        state: JobState,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.0 {
            tx.execute(INSERT, params![job_id, state.as_str(), now, 0_i64]).await?;
        }
        Ok(())
    }
}

impl Store {
    /// This store with an outbox: from now on, what others may want to know is written down for a relay. For
    /// schedulers with a broker only, since nobody else empties it.
    #[must_use]
    pub fn with_outbox(&self) -> Self {
        Self { outbox: Outbox(true), ..self.clone() }
    }

    /// Whether this scheduler has work to do that is told of: a relay should leave it the processor.
    pub fn tells_at(&self, now: Timestamp) -> bool {
        now.since(Timestamp(self.told_at.load(Ordering::Relaxed))) < LATELY
    }

    /// Takes up to `limit` rows that are due, for `hold`. Takes nothing, and costs next to nothing, when none is.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn claim_outbox(
        &self,
        limit: u32,
        hold: Duration,
        now: Timestamp,
    ) -> Result<Claim, StoreError> {
        let due = self.read(move |tx| Box::pin(async move { tx.row(ANY_DUE, params![now]).await }));
        if due.await?.is_none() {
            return Ok(Claim::default());
        }
        #[cfg(feature = "test-hooks")]
        let forget = self.mutant == Some(super::Mutant::ForgetBeforeConfirm);
        #[cfg(not(feature = "test-hooks"))]
        let forget = false;
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let until = now + hold;
                let rows = tx.rows(CLAIM, params![now, until, limit]).await?;
                let claim = read_claim(tx, &rows, until, now).await?;
                if forget {
                    delete(tx, &claim.rows, until).await?;
                }
                Ok(claim)
            })
        })
        .await
    }

    /// Deletes rows of a claim: the broker has confirmed all that they said.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; the rows are then said again.
    pub async fn outbox_said(&self, claim: Claim) -> Result<(), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move { delete(tx, &claim.rows, claim.until).await })
        })
        .await
    }

    /// Gives rows of a claim back, to be taken at `due_at`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; the rows are then due when the claim ends.
    pub async fn postpone_outbox(&self, claim: Claim, due_at: Timestamp) -> Result<(), StoreError> {
        if claim.rows.is_empty() {
            return Ok(());
        }
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                tx.execute(POSTPONE, params![claim.until, due_at, keys(&claim.rows)]).await?;
                Ok(())
            })
        })
        .await
    }

    /// All events of jobs that have not ended, or only just, are to be said again from `due_at` on: the broker has
    /// lost what it knew. Said before then once more, it moves nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn say_again(&self, now: Timestamp, due_at: Timestamp) -> Result<(), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                tx.execute(INSERT, params![0_i64, AGAIN, now, due_at]).await?;
                Ok(())
            })
        })
        .await
    }

    /// How much waits to be said.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn outbox_backlog(&self) -> Result<Backlog, StoreError> {
        let row = self.read(|tx| Box::pin(async move { tx.row(BACKLOG, params![]).await })).await?;
        let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
        Ok(Backlog { rows: row.int("waiting")?, oldest: row.maybe_int("oldest")?.map(Timestamp) })
    }
}

/// What the rows speak of; one that asks for everything again is done right here.
async fn read_claim(
    tx: &mut Tx,
    rows: &[Row],
    until: Timestamp,
    now: Timestamp,
) -> Result<Claim, StoreError> {
    let mut taken = Vec::with_capacity(rows.len());
    for row in rows {
        let key: Key = (row.int("job_id")?, row.int("unit_id")?, row.text("what")?);
        if key.2 == AGAIN {
            tx.execute(DELETE_AGAIN, params![]).await?;
            let after = now - ENDED_LATELY;
            tx.execute(AGAIN_JOBS, params![after]).await?;
            tx.execute(AGAIN_UNITS, params![after]).await?;
            continue;
        }
        taken.push((key, Timestamp(row.int("at")?)));
    }
    let mut units =
        results_of(tx, taken.iter().map(|(key, _)| key.1).filter(|unit| *unit != 0).collect()).await?;
    let of_jobs = taken.iter().filter(|(key, _)| key.1 == 0).map(|(key, _)| key.0).collect::<Vec<_>>();
    let made = made_at(tx, of_jobs).await?;
    let mut claimed = Vec::with_capacity(taken.len());
    for (key, at) in taken {
        let told = if key.2 == RESULTS {
            units.remove(&key.1).map(|(commit_id, results)| Told::Results {
                unit_id: key.1,
                commit_id,
                results,
            })
        } else {
            let state = read_state(&key.2)?;
            made.get(&key.0).map(|created_at| Told::Job { created_at: *created_at, state })
        };
        claimed.push(OutboxRow { job_id: key.0, at, told: told.unwrap_or(Told::Nothing), key });
    }
    Ok(Claim { rows: claimed, until })
}

async fn results_of(tx: &mut Tx, units: Vec<UnitId>) -> Result<HashMap<UnitId, (String, Block)>, StoreError> {
    if units.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.rows(OF_UNITS, params![units]).await?;
    rows.iter().map(|row| Ok((row.int("id")?, (row.text("commit_id")?, read_block(row)?)))).collect()
}

async fn made_at(tx: &mut Tx, jobs: Vec<i64>) -> Result<HashMap<i64, Timestamp>, StoreError> {
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.rows(OF_JOBS, params![jobs]).await?;
    rows.iter().map(|row| Ok((row.int("id")?, Timestamp(row.int("created_at")?)))).collect()
}

async fn delete(tx: &mut Tx, rows: &[OutboxRow], until: Timestamp) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    tx.execute(DELETE, params![until, keys(rows)]).await.map(|_| ())
}

fn keys(rows: &[OutboxRow]) -> Vec<Column> {
    vec![
        Column::Ints(rows.iter().map(|row| row.key.0).collect()),
        Column::Ints(rows.iter().map(|row| row.key.1).collect()),
        Column::Texts(rows.iter().map(|row| row.key.2.clone()).collect()),
    ]
}
