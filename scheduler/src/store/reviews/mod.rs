//! Reviews: records that wait for a person, who holds them, and what was decided.
//!
//! Nobody has to run for a lock to free: a lease that ran out is passed over by the predicate of the next claim, and its
//! holder may still answer until somebody else has taken the review.

mod cases;
mod claim;
mod cluster;
mod decide;
mod hands;
mod lease;
mod log;
mod open;
mod quality;
mod queue;
mod rating;
mod shift;
mod undo;

pub use cases::{ReviewSeen, Reviewed, ReviewedUnit};
#[cfg(feature = "test-hooks")]
pub(super) use claim::CLAIMS;
pub use cluster::ClusterSizes;
pub use decide::{Decided, Decision, Member};
pub(super) use lease::RELEASE;
pub use lease::{Held, LeasedReviews, ReviewAsk, Reviewer};
pub use log::{Logged, Standing};
pub(super) use open::open;
pub use queue::{OwnQueue, ReviewQueue};
pub use rating::{KnownAnswer, PausedReviewer};
pub use shift::{Day, Pace, PaceStep, ReviewerStatus, Shift};

use super::StoreError;
use super::db::{Row, Sql, Tx, params};
use crate::domain::review::{Review, ReviewLane, ReviewRef};
use crate::domain::time::Timestamp;

/// Of one job, in the order of their places, so that two callers never wait for each other in a circle.
const LOCK: Sql = Sql::pair(
    "SELECT * FROM reviews WHERE job_id = $1 AND seq = ANY($2) ORDER BY seq FOR UPDATE",
    "SELECT * FROM reviews WHERE job_id = $1 AND seq IN (SELECT value FROM json_each($2)) ORDER BY seq",
);

const WITHDRAW: Sql = Sql::pair(
    "DELETE FROM reviews WHERE job_id = $1 AND seq = ANY($2)",
    "DELETE FROM reviews WHERE job_id = $1 AND seq IN (SELECT value FROM json_each($2))",
);
const WITHDRAW_HANDS: Sql = Sql::pair(
    "DELETE FROM review_hands WHERE job_id = $1 AND seq = ANY($2)",
    "DELETE FROM review_hands WHERE job_id = $1 AND seq IN (SELECT value FROM json_each($2))",
);

/// Takes reviews back that nobody has answered: their records have other results now.
pub(super) async fn withdraw(tx: &mut Tx, job_id: i64, seqs: Vec<i64>) -> Result<(), StoreError> {
    if seqs.is_empty() {
        return Ok(());
    }
    tx.execute(WITHDRAW, params![job_id, seqs.clone()]).await?;
    tx.execute(WITHDRAW_HANDS, params![job_id, seqs]).await.map(drop)
}

/// Holds reviews of one job; those that are not there are left out.
pub(super) async fn lock(tx: &mut Tx, job_id: i64, seqs: Vec<i64>) -> Result<Vec<Review>, StoreError> {
    tx.rows(LOCK, params![job_id, seqs]).await?.iter().map(read_review).collect()
}

fn read_review(row: &Row) -> Result<Review, StoreError> {
    let lane = row.text("lane")?;
    Ok(Review {
        at: read_ref(row)?,
        decided: row.text("state")? == "decided",
        lane: ReviewLane::parse(&lane)
            .ok_or_else(|| StoreError::Internal(format!("unknown review lane `{lane}`")))?,
        round: row.int("round")?,
        holder: row.maybe_text("holder")?,
        expires_at: row.maybe_int("expires_at")?.map(Timestamp),
    })
}

fn read_ref(row: &Row) -> Result<ReviewRef, StoreError> {
    Ok(ReviewRef { job_id: row.int("job_id")?, seq: row.int("seq")? })
}
