//! The outbox: what is to be said to the broker, written in the transaction of its effect.
//!
//! A row is small. One of results stands for a whole unit; the relay (`events/`) makes messages of it. Relays of several
//! schedulers take rows for a while and delete them once the broker has confirmed; a relay that dies in between leaves
//! them to the next. So a message is sent at least once, under the same id each time, and in no order.

mod again;
mod claim;
mod told;

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::db::{Sql, Tx, params};
use super::{Store, StoreError};
use crate::domain::job::JobState;
use crate::domain::results::Results;
use crate::domain::time::Timestamp;
use crate::domain::unit::{Receipt, UnitId};

pub use claim::{Backlog, Claim, OutboxRow};
pub use told::Told;

/// Whether effects are said at all: only with a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Outbox(bool);

// What a row speaks of, beside the states of jobs and alerts; its `unit_id` is the unit, the record's place, a number, or 0.
const RESULTS: &str = "results";
const DECIDED: &str = "decided";
const AGAIN: &str = "again";

/// A scheduler that told something within this is at work.
const LATELY: Duration = Duration::from_secs(1);

/// A unit that was run again may still have its row.
const INSERT_UNITS: Sql = Sql::pair(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT job_id, id, 'results', $2, 0 FROM units WHERE id = ANY($1)
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET at = excluded.at, due_at = 0",
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT job_id, id, 'results', $2, 0 FROM units WHERE id IN (SELECT value FROM json_each($1))
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET at = excluded.at, due_at = 0",
);
/// What may have been said before without its reviews is said once more, under the same ids.
const INSERT_REVIEWED: Sql = Sql::pair(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT job_id, id, 'results', done_at, 0 FROM units WHERE id = ANY($1)
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET due_at = 0",
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT job_id, id, 'results', done_at, 0 FROM units WHERE id IN (SELECT value FROM json_each($1))
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET due_at = 0",
);
const INSERT: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at) VALUES ($1, 0, $2, $3, $4)
     ON CONFLICT (job_id, unit_id, what) DO NOTHING",
);
const INSERT_ALERT: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at) VALUES ($1, $2, $3, $4, 0)
     ON CONFLICT (job_id, unit_id, what) DO NOTHING",
);
/// Due when the decision is final, and not before: until then it may be taken back.
const INSERT_DECIDED: Sql = Sql::pair(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at) SELECT $1, seq, 'decided', $2, $2 FROM unnest($3) AS t (seq)",
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at) SELECT $1, value, 'decided', $2, $2 FROM json_each($3)",
);
const DELETE_DECIDED: Sql = Sql::pair(
    "DELETE FROM outbox WHERE job_id = $1 AND what = 'decided' AND unit_id = ANY($2)",
    "DELETE FROM outbox
     WHERE job_id = $1 AND what = 'decided' AND unit_id IN (SELECT value FROM json_each($2))",
);

impl Outbox {
    /// The job's canary is done, and the rest waits.
    pub(super) const AWAITS_APPROVAL: &str = "awaits_approval";
    /// The job has exceeded a threshold.
    pub(super) const TRIPPED: &str = "tripped";
    /// Rules of the job are wrong too often.
    pub(super) const RULES_PAUSED: &str = "rules_paused";

    /// Says that an operator should look at a job. `number` tells alerts of one kind apart.
    pub(super) async fn alert(
        self,
        tx: &mut Tx,
        job_id: i64,
        number: i64,
        what: &'static str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if self.0 {
            tx.execute(INSERT_ALERT, params![job_id, number, what, now]).await?;
        }
        Ok(())
    }

    /// Says which of these units have something for people.
    pub(super) async fn units(
        self,
        tx: &mut Tx,
        accepted: &[(Receipt, Results)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // A dry run has nothing for people.
        let told = accepted.iter().filter(|(_, results)| !results.reviews.is_empty());
        let ids: Vec<UnitId> = told.map(|(receipt, _)| receipt.unit_id).collect();
        if !self.0 || ids.is_empty() {
            return Ok(());
        }
        tx.execute_exactly(ids.len(), INSERT_UNITS, params![ids, now]).await
    }

    /// Says that the records of these units are reviews now, which they were not when they were committed.
    pub(super) async fn reviewed(self, tx: &mut Tx, ids: Vec<UnitId>) -> Result<(), StoreError> {
        if self.0 { tx.execute_exactly(ids.len(), INSERT_REVIEWED, params![ids]).await } else { Ok(()) }
    }

    /// Says which records people have decided on, from the moment on in which that is final.
    pub(super) async fn decided(
        self,
        tx: &mut Tx,
        job_id: i64,
        seqs: Vec<i64>,
        final_at: Timestamp,
    ) -> Result<(), StoreError> {
        if !self.0 || seqs.is_empty() {
            return Ok(());
        }
        tx.execute_exactly(seqs.len(), INSERT_DECIDED, params![job_id, final_at, seqs]).await
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
}
