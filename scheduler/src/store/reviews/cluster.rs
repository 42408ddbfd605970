//! Reviews that are alike: held together, looked into, and decided at once.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use super::super::audit::{self, Note};
use super::super::db::{Row, Sql, Tx, params};
use super::super::{Lane, ReviewConflict, Store, StoreError};
use super::lease::{Held, read_held};
use super::{hands, lease, lock};
use crate::domain::lease::Token;
use crate::domain::review::ReviewRef;
use crate::domain::time::Timestamp;

/// Open reviews by cluster and round.
pub type ClusterSizes = HashMap<(i64, i64), i64>;

/// Members held at a time, at most.
const MOST: i64 = 200;

/// The others of a cluster that this reviewer may take, in the same round: two people who decide one after another must
/// not see each other's answers.
const CLAIM: Sql = Sql::pair(
    "WITH pick AS MATERIALIZED (
         SELECT r.seq FROM reviews r
         WHERE r.job_id = $1 AND r.alike = $2 AND r.state = 'open' AND r.lane = 'reviewer' AND r.round = $3
           AND r.due_at <= $4 AND (r.expires_at IS NULL OR r.expires_at <= $4 OR r.holder = $5) AND r.seq <> $6
           AND NOT EXISTS (SELECT 1 FROM review_hands h
               WHERE h.job_id = r.job_id AND h.seq = r.seq AND h.reviewer = $5 AND h.passed)
         ORDER BY r.seq LIMIT $7 FOR UPDATE OF r SKIP LOCKED)
     UPDATE reviews r SET opened = r.opened AND r.holder = $5, holder = $5, expires_at = $8
     FROM pick p WHERE r.job_id = $1 AND r.seq = p.seq
     RETURNING r.job_id, r.seq, r.round, r.lane, r.alike, r.expires_at",
    "UPDATE reviews SET opened = opened AND holder = $5, holder = $5, expires_at = $8
     WHERE job_id = $1 AND seq IN (
         SELECT r.seq FROM reviews r
         WHERE r.job_id = $1 AND r.alike = $2 AND r.state = 'open' AND r.lane = 'reviewer' AND r.round = $3
           AND r.due_at <= $4 AND (r.expires_at IS NULL OR r.expires_at <= $4 OR r.holder = $5) AND r.seq <> $6
           AND NOT EXISTS (SELECT 1 FROM review_hands h
               WHERE h.job_id = r.job_id AND h.seq = r.seq AND h.reviewer = $5 AND h.passed)
         ORDER BY r.seq LIMIT $7)
     RETURNING job_id, seq, round, lane, alike, expires_at",
);
const HELD: Sql = Sql::same(
    "SELECT job_id, seq, round, lane, alike, expires_at FROM reviews
     WHERE job_id = $1 AND seq = $2 AND holder = $3 AND state = 'open'",
);
const OPENED: Sql = Sql::same(
    "UPDATE reviews SET opened = TRUE WHERE job_id = $1 AND seq = $2 AND holder = $3 AND state = 'open'
     RETURNING job_id, seq, round, lane, alike, expires_at",
);
const MEMBERS: Sql = Sql::pair(
    "SELECT COUNT(*) FILTER (WHERE holder = $2 AND opened) AS opened, COUNT(alike) AS alike,
         COUNT(DISTINCT alike) AS clusters
     FROM reviews WHERE job_id = $1 AND seq = ANY($3)",
    "SELECT COUNT(*) FILTER (WHERE holder = $2 AND opened) AS opened, COUNT(alike) AS alike,
         COUNT(DISTINCT alike) AS clusters
     FROM reviews WHERE job_id = $1 AND seq IN (SELECT value FROM json_each($3))",
);
/// Clusters worth a look, by round: an index of them would cost every commit more than this costs every few seconds.
const SIZES: Sql = Sql::same(
    "SELECT alike, round, COUNT(*) AS open FROM reviews
     WHERE job_id = $1 AND state = 'open' AND lane = 'reviewer' AND alike IS NOT NULL
     GROUP BY alike, round HAVING COUNT(*) > 1",
);

async fn opened(tx: &mut Tx, at: ReviewRef, reviewer: &str) -> Result<Held, StoreError> {
    let row = tx.row(OPENED, params![at.job_id, at.seq, reviewer]).await?;
    read_held(&row.ok_or(StoreError::Review(ReviewConflict::Taken))?)
}

impl Store {
    /// Holds the others of the cluster of a review that the reviewer holds; that one comes first.
    ///
    /// # Errors
    /// [`ReviewConflict::Taken`]; [`ReviewConflict::NoCluster`].
    pub async fn lease_cluster(
        &self,
        at: ReviewRef,
        reviewer: String,
        token: Token,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<Held>, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                lock(tx, at.job_id, vec![at.seq]).await?;
                let name = reviewer.as_str();
                let row = tx.row(HELD, params![at.job_id, at.seq, name]).await?;
                let first = read_held(&row.ok_or(StoreError::Review(ReviewConflict::Taken))?)?;
                let alike = first.alike.ok_or(StoreError::Review(ReviewConflict::NoCluster))?;
                let (round, expires_at) = (first.round, now + ttl);
                let asked = params![at.job_id, alike, round, now, name, at.seq, MOST - 1, expires_at];
                let mut rest = tx.rows(CLAIM, asked).await?;
                let mut held = vec![first];
                for row in rest.drain(..) {
                    held.push(read_held(&row)?);
                }
                held[1..].sort_by_key(|held| held.at);
                let all: Vec<_> = held.iter().map(|held| held.at).collect();
                hands::grant(tx, name, token.hash(), &all).await?;
                Ok(held)
            })
        })
        .await
    }

    /// Notes that a reviewer sees a review that it holds.
    ///
    /// # Errors
    /// [`ReviewConflict::Taken`] when it does not hold it.
    pub async fn open_review(
        &self,
        at: ReviewRef,
        reviewer: String,
        now: Timestamp,
    ) -> Result<Held, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let held = opened(tx, at, &reviewer).await?;
                lease::seen(tx, &reviewer, std::slice::from_ref(&held), now).await?;
                Ok(held)
            })
        })
        .await
    }

    /// Notes that a reviewer is shown a masked field of a review that it holds, and why.
    ///
    /// # Errors
    /// [`ReviewConflict::Taken`] when it does not hold it.
    pub async fn reveal(
        &self,
        at: ReviewRef,
        reviewer: String,
        field: String,
        reason: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                opened(tx, at, &reviewer).await?;
                let shown = Note::new(reviewer, "reveal", json!({ "field": field, "reason": reason }));
                audit::note(tx, &shown.of_record(at.job_id, at.seq), now).await
            })
        })
        .await
    }

    /// Of these reviews of a job, how many the reviewer holds and has seen.
    ///
    /// # Errors
    /// [`ReviewConflict::NoCluster`] when they are not all of one cluster.
    pub async fn opened_members(
        &self,
        job_id: i64,
        reviewer: String,
        seqs: Vec<i64>,
    ) -> Result<i64, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let asked = i64::try_from(seqs.len()).unwrap_or(i64::MAX);
                let row = tx.row(MEMBERS, params![job_id, reviewer, seqs]).await?;
                let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
                if row.int("alike")? != asked || row.int("clusters")? != 1 {
                    return Err(StoreError::Review(ReviewConflict::NoCluster));
                }
                row.int("opened")
            })
        })
        .await
    }

    /// How many reviews of a job are open in each cluster that waits for the same answer; those that are alone are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn cluster_sizes(&self, job_id: i64) -> Result<ClusterSizes, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let rows = tx.rows(SIZES, params![job_id]).await?;
                let size = |row: &Row| Ok(((row.int("alike")?, row.int("round")?), row.int("open")?));
                rows.iter().map(size).collect()
            })
        })
        .await
    }
}
