//! What waits for people, and why there may be nothing for one of them.

use std::time::Duration;

use super::super::db::{Sql, Tx, params};
use super::super::{Store, StoreError};
use crate::domain::time::Timestamp;

/// Reviews of jobs that people may work on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewQueue {
    /// Undecided.
    pub open: i64,
    /// Of those, held by somebody.
    pub held: i64,
    /// When the first of those is free unless it is renewed.
    pub next_free_at: Option<Timestamp>,
    /// Of the open ones, those that are due later: until then the answer before may be taken back.
    pub later: i64,
    /// When the first of those is due.
    pub next_due_at: Option<Timestamp>,
    /// Of the open ones, those that wait for a lead.
    pub for_leads: i64,
}

/// What one reviewer has to do with the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnQueue {
    /// Held by this one.
    pub held: i64,
    /// Of those, what it has seen.
    pub seen: i64,
    /// Held and never seen, of whatever job, leases that ran out among them.
    pub unseen: i64,
    /// Open, and skipped or answered by this one. Only counted for who gets fewer than asked for, and wonders why.
    pub passed: i64,
    /// Reviews that this one has decided within the last 24 hours.
    pub decided_today: i64,
    /// Was wrong too often, and gets nothing until an operator says so.
    pub paused: bool,
}

const QUEUE: Sql = Sql::same(
    "SELECT COUNT(*) AS open, COUNT(*) FILTER (WHERE r.expires_at > $2) AS held,
         MIN(r.expires_at) FILTER (WHERE r.expires_at > $2) AS next_free_at,
         COUNT(*) FILTER (WHERE r.due_at > $2) AS later, MIN(r.due_at) FILTER (WHERE r.due_at > $2) AS next_due_at,
         COUNT(*) FILTER (WHERE r.lane = 'lead') AS for_leads
     FROM jobs j JOIN reviews r ON r.job_id = j.id AND r.state = 'open'
     WHERE j.state IN ('importing', 'running', 'reviewing') AND NOT j.paused AND NOT j.deleted
       AND ($1 = 0 OR j.id = $1)",
);
const OWN: Sql = Sql::same(
    "SELECT COUNT(*) FILTER (WHERE r.expires_at > $3 AND ($2 = 0 OR r.job_id = $2)) AS held,
         COUNT(*) FILTER (WHERE r.expires_at > $3 AND ($2 = 0 OR r.job_id = $2) AND r.opened) AS seen,
         COUNT(*) FILTER (WHERE NOT r.opened) AS unseen,
         (SELECT CAST(COALESCE(SUM(d.size), 0) AS BIGINT) FROM decisions d
          WHERE d.reviewer = $1 AND d.at > $4 AND ($2 = 0 OR d.job_id = $2)) AS decided,
         EXISTS (SELECT 1 FROM reviewer_pauses p WHERE p.reviewer = $1 AND p.paused) AS paused,
         EXISTS (SELECT 1 FROM jobs j
                 WHERE j.id = $2 AND j.state IN ('importing', 'running', 'reviewing') AND NOT j.paused
                   AND NOT j.deleted) AS at_work
     FROM reviews r WHERE r.holder = $1 AND r.state = 'open'",
);
const PASSED: Sql = Sql::same(
    "SELECT COUNT(*) AS passed FROM review_hands h JOIN reviews r ON r.job_id = h.job_id AND r.seq = h.seq
     WHERE h.reviewer = $1 AND h.passed AND r.state = 'open' AND ($2 = 0 OR h.job_id = $2)",
);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Store {
    /// What waits for people, of one job or of all.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn review_queue(&self, job_id: Option<i64>, now: Timestamp) -> Result<ReviewQueue, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let row = tx.row(QUEUE, params![job_id.unwrap_or(0), now]).await?;
                let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
                Ok(ReviewQueue {
                    open: row.int("open")?,
                    held: row.int("held")?,
                    next_free_at: row.maybe_int("next_free_at")?.map(Timestamp),
                    later: row.int("later")?,
                    next_due_at: row.maybe_int("next_due_at")?.map(Timestamp),
                    for_leads: row.int("for_leads")?,
                })
            })
        })
        .await
    }

    /// What one reviewer has to do with it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn own_queue(
        &self,
        reviewer: String,
        job_id: Option<i64>,
        now: Timestamp,
    ) -> Result<OwnQueue, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let (own, _) = own(tx, &reviewer, job_id, now).await?;
                Ok(OwnQueue { passed: passed(tx, &reviewer, job_id).await?, ..own })
            })
        })
        .await
    }
}

/// All but what was passed; and whether people may work on the job, where it is one.
pub(super) async fn own(
    tx: &mut Tx,
    reviewer: &str,
    job_id: Option<i64>,
    now: Timestamp,
) -> Result<(OwnQueue, bool), StoreError> {
    let row = tx.row(OWN, params![reviewer, job_id.unwrap_or(0), now, now - DAY]).await?;
    let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
    let at_work = row.bool("at_work")?;
    let own = OwnQueue {
        held: row.int("held")?,
        seen: row.int("seen")?,
        unseen: row.int("unseen")?,
        passed: 0,
        // What was taken back today may have been decided yesterday.
        decided_today: row.int("decided")?.max(0),
        paused: row.bool("paused")?,
    };
    Ok((own, at_work))
}

pub(super) async fn passed(tx: &mut Tx, reviewer: &str, job_id: Option<i64>) -> Result<i64, StoreError> {
    let row = tx.row(PASSED, params![reviewer, job_id.unwrap_or(0)]).await?;
    row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?.int("passed")
}
