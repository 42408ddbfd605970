//! Rows that a relay takes, and what becomes of them.

use std::time::Duration;

use super::super::db::{Column, Sql, Tx, params};
use super::super::{Lane, Store, StoreError};
use super::told::{self, Told};
use crate::domain::time::Timestamp;
use crate::domain::unit::UnitId;

/// A row that this relay may publish for a while.
#[derive(Debug, Clone)]
pub struct OutboxRow {
    /// The job it is about.
    pub job_id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What it says.
    pub told: Told,
    pub(super) key: Key,
}

impl OutboxRow {
    /// Its unit, or the record's place; 0 when it is about the job itself.
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

/// Job, unit or place, what: the primary key.
pub(super) type Key = (i64, UnitId, String);

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
/// A decision that is not final yet waits for nobody but its reviewer.
const BACKLOG: Sql = Sql::same("SELECT COUNT(*) AS waiting, MIN(at) AS oldest FROM outbox WHERE at <= $1");

impl Store {
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
        let forget = self.mutant == Some(crate::store::Mutant::ForgetBeforeConfirm);
        #[cfg(not(feature = "test-hooks"))]
        let forget = false;
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let until = now + hold;
                let rows = tx.rows(CLAIM, params![now, until, limit]).await?;
                let claim = told::read(tx, &rows, until, now).await?;
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

    /// How much waits to be said, of what may be said at `now`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn outbox_backlog(&self, now: Timestamp) -> Result<Backlog, StoreError> {
        let row = self.read(move |tx| Box::pin(async move { tx.row(BACKLOG, params![now]).await })).await?;
        let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
        Ok(Backlog { rows: row.int("waiting")?, oldest: row.maybe_int("oldest")?.map(Timestamp) })
    }
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
