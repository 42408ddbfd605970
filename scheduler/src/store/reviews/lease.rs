//! Who holds a review: pulled, never assigned.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use super::super::audit::{self, Note};
use super::super::db::{Row, Sql, Tx, params};
use super::super::{Lane, ReviewConflict, Store, StoreError};
use super::claim::{ALL_JOBS, CLAIMS, Claims};
use super::queue::OwnQueue;
use super::{hands, queue, read_ref};
use crate::domain::lease::Token;
use crate::domain::review::{ReviewLane, ReviewRef};
use crate::domain::time::Timestamp;

/// Somebody who reviews.
#[derive(Debug, Clone, Default)]
pub struct Reviewer {
    /// Who.
    pub name: String,
    /// Takes what others could not decide, too.
    pub lead: bool,
    /// Findings and fields that this one knows; `None`: all.
    pub skills: Option<Vec<String>>,
}

/// What a reviewer asks for.
#[derive(Debug, Clone)]
pub struct ReviewAsk {
    /// Who.
    pub reviewer: Reviewer,
    /// Only of this job.
    pub job_id: Option<i64>,
    /// Only with this finding; empty: any.
    pub finding: String,
    /// How many, with those that are held already.
    pub most: u32,
    /// For all of them.
    pub token: Token,
    /// How long the leases last.
    pub ttl: Duration,
}

/// A review that a reviewer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub at: ReviewRef,
    /// The answer that it waits for.
    pub round: i64,
    /// Who it waits for.
    pub lane: ReviewLane,
    /// Its cluster.
    pub alike: Option<i64>,
    /// When the lease runs out.
    pub expires_at: Timestamp,
}

/// What a call for reviews is answered, all from one transaction: a whole shift may ask at the same instant.
#[derive(Debug, Clone, Default)]
pub struct LeasedReviews {
    /// What the reviewer holds now.
    pub held: Vec<Held>,
    /// What it had written on them before.
    pub drafts: HashMap<ReviewRef, Vec<u8>>,
    /// What else it has to do with the queue.
    pub own: OwnQueue,
}

/// What was seen is kept and extended; a cluster's unseen members go back.
const UNSEEN: Sql = Sql::same(
    "UPDATE reviews SET holder = NULL, expires_at = NULL WHERE holder = $1 AND state = 'open' AND NOT opened",
);
const MINE: Sql = Sql::pair(
    "WITH pick AS MATERIALIZED (
         SELECT job_id, seq FROM reviews
         WHERE holder = $1 AND state = 'open' AND expires_at > $2 AND ($3 = 0 OR job_id = $3)
         ORDER BY job_id, seq LIMIT $4 FOR UPDATE)
     UPDATE reviews r SET expires_at = $5 FROM pick p WHERE r.job_id = p.job_id AND r.seq = p.seq
     RETURNING r.job_id, r.seq, r.round, r.lane, r.alike, r.expires_at",
    "UPDATE reviews SET expires_at = $5
     WHERE (job_id, seq) IN (
         SELECT job_id, seq FROM reviews
         WHERE holder = $1 AND state = 'open' AND expires_at > $2 AND ($3 = 0 OR job_id = $3)
         ORDER BY job_id, seq LIMIT $4)
     RETURNING job_id, seq, round, lane, alike, expires_at",
);
const RENEW: Sql = Sql::pair(
    "UPDATE reviews r SET expires_at = $2 FROM unnest($3::bigint[], $4::bigint[]) AS t (job_id, seq)
     WHERE r.job_id = t.job_id AND r.seq = t.seq AND r.holder = $1 AND r.state = 'open'
     RETURNING r.job_id, r.seq",
    "UPDATE reviews SET expires_at = $2
     WHERE holder = $1 AND state = 'open'
       AND (job_id, seq) IN (SELECT value ->> 0, value ->> 1 FROM json_each($3))
     RETURNING job_id, seq",
);
const HAND_BACK: Sql = Sql::same(
    "UPDATE reviews SET holder = NULL, expires_at = NULL
     WHERE job_id = $1 AND seq = $2 AND holder = $3 AND state = 'open'",
);
/// All that somebody holds.
pub(in crate::store) const RELEASE: Sql =
    Sql::same("UPDATE reviews SET holder = NULL, expires_at = NULL WHERE holder = $1 AND state = 'open'");
const THERE: Sql = Sql::same("SELECT 1 AS one FROM reviews WHERE job_id = $1 AND seq = $2");

impl Store {
    /// Leases the next reviews: first those that the reviewer holds already.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn lease_reviews(&self, ask: ReviewAsk, now: Timestamp) -> Result<LeasedReviews, StoreError> {
        let claims = CLAIMS;
        #[cfg(feature = "test-hooks")]
        let claims = self.unguarded(claims, &ask.reviewer.name).await?;
        self.write(Lane::Urgent, move |tx| Box::pin(async move { lease(tx, ask, claims, now).await })).await
    }

    /// Moves the expiry of leases; answers which the reviewer no longer holds.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn renew_reviews(
        &self,
        reviewer: String,
        reviews: Vec<ReviewRef>,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<ReviewRef>, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let asked = params![reviewer, now + ttl, hands::table(&reviews)];
                let rows = tx.rows(RENEW, asked).await?;
                let held = rows.iter().map(read_ref).collect::<Result<Vec<_>, _>>()?;
                Ok(reviews.into_iter().filter(|review| !held.contains(review)).collect())
            })
        })
        .await
    }

    /// Hands a review back, not to come to this reviewer again.
    ///
    /// # Errors
    /// [`ReviewConflict::NotFound`].
    pub async fn skip_review(&self, at: ReviewRef, reviewer: String) -> Result<(), StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                if tx.row(THERE, params![at.job_id, at.seq]).await?.is_none() {
                    return Err(StoreError::Review(ReviewConflict::NotFound));
                }
                tx.execute(HAND_BACK, params![at.job_id, at.seq, reviewer.as_str()]).await?;
                hands::pass(tx, &reviewer, false, &[at]).await
            })
        })
        .await
    }

    /// Hands back all that a reviewer holds; answers how many.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn release_reviews(&self, reviewer: String) -> Result<u64, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move { tx.execute(RELEASE, params![reviewer]).await })
        })
        .await
    }
}

async fn lease(
    tx: &mut Tx,
    ask: ReviewAsk,
    claims: [Claims; 2],
    now: Timestamp,
) -> Result<LeasedReviews, StoreError> {
    let name = ask.reviewer.name.as_str();
    let (mut own, at_work) = queue::own(tx, name, ask.job_id, now).await?;
    let mut held = retake(tx, &ask, own, now).await?;
    own.held = own.seen;
    if !own.paused {
        let retaken = held.len();
        claim(tx, &ask, at_work, claims, &mut held, now).await?;
        own.held += i64::try_from(held.len() - retaken).unwrap_or(i64::MAX);
    }
    let drafts = hands::show(tx, name, ask.token.hash(), &held, now).await?;
    if held.len() < ask.most as usize {
        own.passed = queue::passed(tx, name, ask.job_id).await?;
    }
    Ok(LeasedReviews { held, drafts, own })
}

/// What the reviewer holds already, the oldest first.
async fn retake(
    tx: &mut Tx,
    ask: &ReviewAsk,
    own: OwnQueue,
    now: Timestamp,
) -> Result<Vec<Held>, StoreError> {
    let (name, expires_at) = (ask.reviewer.name.as_str(), now + ask.ttl);
    if own.unseen > 0 {
        tx.execute(UNSEEN, params![name]).await?;
    }
    let mut held = Vec::new();
    if own.seen > 0 {
        let mine = params![name, now, ask.job_id.unwrap_or(0), ask.most, expires_at];
        for row in tx.rows(MINE, mine).await? {
            held.push(read_held(&row)?);
        }
        held.sort_by_key(|held| held.at);
    }
    Ok(held)
}

/// Notes that a reviewer is shown what the cards of these reviews hold.
pub(super) async fn seen(
    tx: &mut Tx,
    reviewer: &str,
    held: &[Held],
    now: Timestamp,
) -> Result<(), StoreError> {
    audit::notes(tx, &held.iter().map(|held| view(reviewer, held)).collect::<Vec<_>>(), now).await
}

/// That a reviewer is shown what a card holds.
pub(super) fn view(reviewer: &str, held: &Held) -> Note {
    Note::new(reviewer, "view", json!({ "round": held.round })).of_record(held.at.job_id, held.at.seq)
}

/// Takes what is free, of the job that is asked for while it is `at_work`, or of all, until the reviewer holds as many as it
/// asked for.
async fn claim(
    tx: &mut Tx,
    ask: &ReviewAsk,
    at_work: bool,
    claims: [Claims; 2],
    held: &mut Vec<Held>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let wanted = |held: &[Held]| (ask.most as usize).saturating_sub(held.len());
    if wanted(held) == 0 {
        return Ok(());
    }
    let jobs = match ask.job_id {
        Some(job_id) if at_work => vec![job_id],
        Some(_) => Vec::new(),
        None => {
            let rows = tx.rows(ALL_JOBS, params![]).await?;
            rows.iter().map(|row| row.int("id")).collect::<Result<_, _>>()?
        }
    };
    let (finding, name) = (ask.finding.as_str(), ask.reviewer.name.as_str());
    let skills = ask.reviewer.skills.clone();
    let (knows_all, skills) = (skills.is_none(), skills.unwrap_or_default());
    let claims = if ask.reviewer.lead { &claims[..] } else { &claims[1..] };
    for job_id in jobs {
        for claims in claims {
            let from = held.len();
            while let Some(most) = wanted(held).checked_sub(1) {
                let claim = claims[most.min(claims.len() - 1)];
                let asked = params![job_id, now, finding, knows_all, skills.clone(), name, now + ask.ttl];
                let rows = tx.rows(claim, asked).await?;
                if rows.is_empty() {
                    break;
                }
                for row in &rows {
                    held.push(read_held(row)?);
                }
            }
            held[from..].sort_by_key(|held| held.at);
        }
    }
    Ok(())
}

pub(super) fn read_held(row: &Row) -> Result<Held, StoreError> {
    let lane = ReviewLane::parse(&row.text("lane")?);
    Ok(Held {
        at: read_ref(row)?,
        round: row.int("round")?,
        lane: lane.ok_or_else(|| StoreError::Internal("unknown review lane".into()))?,
        alike: row.maybe_int("alike")?,
        expires_at: Timestamp(row.int("expires_at")?),
    })
}
