//! Who holds a review: pulled, never assigned.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use super::super::audit::{self, Note};
use super::super::db::{Row, Sql, Tx, params};
use super::super::{Lane, ReviewConflict, Store, StoreError};
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

const HOLDS: Sql = Sql::same(
    "SELECT opened FROM reviews WHERE holder = $1 AND state = 'open' GROUP BY opened ORDER BY opened",
);
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
/// Jobs with something for people, the most urgent first; none for who is paused. Of EXISTS PostgreSQL would make a hash of
/// all open reviews.
const JOBS: Sql = Sql::pair(
    "SELECT j.id FROM jobs j
     WHERE j.state IN ('importing', 'running', 'reviewing') AND NOT j.paused AND NOT j.deleted
       AND ($1 = 0 OR j.id = $1)
       AND (SELECT 1 FROM reviews r WHERE r.job_id = j.id AND r.state = 'open' LIMIT 1) = 1
       AND NOT EXISTS (SELECT 1 FROM reviewer_pauses p WHERE p.reviewer = $2 AND p.paused)
     ORDER BY j.priority DESC, j.deadline_at NULLS LAST, j.id",
    "SELECT j.id FROM jobs j
     WHERE j.state IN ('importing', 'running', 'reviewing') AND NOT j.paused AND NOT j.deleted
       AND ($1 = 0 OR j.id = $1)
       AND (SELECT 1 FROM reviews r INDEXED BY reviews_free WHERE r.job_id = j.id AND r.state = 'open' LIMIT 1) = 1
       AND NOT EXISTS (SELECT 1 FROM reviewer_pauses p WHERE p.reviewer = $2 AND p.paused)
     ORDER BY j.priority DESC, j.deadline_at NULLS LAST, j.id",
);

/// What may be taken by `$6` of one lane, in an order that the index of free ones has. SQLite, left alone, would take the
/// primary key, and walk past all that was decided.
macro_rules! free {
    (postgres, $lane:literal, $free:literal, $most:literal) => {
        concat!(
            "SELECT r.seq FROM reviews r
             WHERE r.job_id = $1 AND r.state = 'open' AND r.lane = '",
            $lane,
            "'
               AND GREATEST(r.due_at, COALESCE(r.expires_at, 0)) ",
            $free,
            "
               AND ($3 = '' OR position(',' || $3 || ',' IN ',' || r.kind || ',') > 0)
               AND ($4 OR NOT EXISTS (
                   SELECT 1 FROM unnest(string_to_array(r.kind, ',')) AS code
                   WHERE code <> ALL($5) AND split_part(code, '.', 1) <> ALL($5)))
               AND NOT EXISTS (SELECT 1 FROM review_hands h
                   WHERE h.job_id = r.job_id AND h.seq = r.seq AND h.reviewer = $6 AND h.passed)
             ORDER BY GREATEST(r.due_at, COALESCE(r.expires_at, 0)), r.seq LIMIT ",
            $most,
            " FOR UPDATE OF r SKIP LOCKED"
        )
    };
    (sqlite, $lane:literal, $free:literal) => {
        concat!(
            "SELECT seq FROM (
                 SELECT r.seq FROM reviews r INDEXED BY reviews_free
                 WHERE r.job_id = $1 AND r.state = 'open' AND r.lane = '",
            $lane,
            "'
                   AND MAX(r.due_at, COALESCE(r.expires_at, 0)) ",
            $free,
            "
                   AND ($3 = '' OR instr(',' || r.kind || ',', ',' || $3 || ',') > 0)
                   AND ($4 OR NOT EXISTS (
                       SELECT 1 FROM json_each('[\"' || replace(r.kind, ',', '\",\"') || '\"]') AS code
                       WHERE code.value NOT IN (SELECT value FROM json_each($5))
                         AND substr(code.value, 1, instr(code.value, '.') - 1)
                             NOT IN (SELECT value FROM json_each($5))))
                   AND NOT EXISTS (SELECT 1 FROM review_hands h
                       WHERE h.job_id = r.job_id AND h.seq = r.seq AND h.reviewer = $6 AND h.passed)
                 ORDER BY MAX(r.due_at, COALESCE(r.expires_at, 0)), r.seq LIMIT $7)"
        )
    };
}
/// A claim of open reviews of one lane: first those that come back, which are older than what nobody has had, then those.
/// Whoever asks at the same instant passes over the rows that others are taking.
macro_rules! claim {
    ($lane:literal) => {
        Sql::pair(
            concat!(
                "WITH back AS MATERIALIZED (", free!(postgres, $lane, "BETWEEN 1 AND $2", "$7"), "),
                 fresh AS MATERIALIZED (",
                free!(postgres, $lane, "<= 0", "$7 - (SELECT COUNT(*) FROM back)"), ")
                 UPDATE reviews r SET holder = $6, expires_at = $8, opened = TRUE
                 FROM (SELECT seq FROM back UNION ALL SELECT seq FROM fresh) p WHERE r.job_id = $1 AND r.seq = p.seq
                 RETURNING r.job_id, r.seq, r.round, r.lane, r.alike, r.expires_at"
            ),
            concat!(
                "UPDATE reviews SET holder = $6, expires_at = $8, opened = TRUE
                 WHERE job_id = $1 AND seq IN (",
                free!(sqlite, $lane, "BETWEEN 1 AND $2"), " UNION ALL ", free!(sqlite, $lane, "<= 0"), " LIMIT $7)
                 RETURNING job_id, seq, round, lane, alike, expires_at"
            ),
        )
    };
}
/// What a lead claims, in order; a reviewer begins with the second.
pub(in crate::store) const CLAIMS: [Sql; 2] = [claim!("lead"), claim!("reviewer")];

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
    claims: [Sql; 2],
    now: Timestamp,
) -> Result<LeasedReviews, StoreError> {
    let held = claim(tx, &ask, claims, now).await?;
    let all: Vec<_> = held.iter().map(|held| held.at).collect();
    let drafts = hands::grant(tx, &ask.reviewer.name, ask.token.hash(), &all).await?;
    seen(tx, &ask.reviewer.name, &held, now).await?;
    let mut own = queue::own(tx, &ask.reviewer.name, ask.job_id, now).await?;
    if held.len() < ask.most as usize {
        own.passed = queue::passed(tx, &ask.reviewer.name, ask.job_id).await?;
    }
    Ok(LeasedReviews { held, drafts, own })
}

/// Notes that a reviewer is shown what the cards of these reviews hold.
pub(super) async fn seen(
    tx: &mut Tx,
    reviewer: &str,
    held: &[Held],
    now: Timestamp,
) -> Result<(), StoreError> {
    let shown = |held: &Held| {
        Note::new(reviewer, "view", json!({ "round": held.round })).of_record(held.at.job_id, held.at.seq)
    };
    audit::notes(tx, &held.iter().map(shown).collect::<Vec<_>>(), now).await
}

async fn claim(
    tx: &mut Tx,
    ask: &ReviewAsk,
    claims: [Sql; 2],
    now: Timestamp,
) -> Result<Vec<Held>, StoreError> {
    let name = ask.reviewer.name.as_str();
    let (expires_at, job) = (now + ask.ttl, ask.job_id.unwrap_or(0));
    let mut held = Vec::new();
    // Mostly it holds nothing.
    for row in tx.rows(HOLDS, params![name]).await? {
        if row.bool("opened")? {
            let mine = params![name, now, job, ask.most, expires_at];
            for row in tx.rows(MINE, mine).await? {
                held.push(read_held(&row)?);
            }
        } else {
            tx.execute(UNSEEN, params![name]).await?;
        }
    }
    // The oldest first, as they came.
    held.sort_by_key(|held| held.at);
    let claims = if ask.reviewer.lead { &claims[..] } else { &claims[1..] };
    let mut jobs = Vec::new();
    if held.len() < ask.most as usize {
        let rows = tx.rows(JOBS, params![job, name]).await?;
        jobs = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
    }
    let skills = ask.reviewer.skills.clone();
    let (knows_all, skills) = (skills.is_none(), skills.unwrap_or_default());
    for job_id in jobs {
        for claim in claims {
            let wanted = i64::from(ask.most) - i64::try_from(held.len()).unwrap_or(i64::MAX);
            if wanted <= 0 {
                break;
            }
            let finding = ask.finding.as_str();
            let asked = params![job_id, now, finding, knows_all, skills.clone(), name, wanted, expires_at];
            let from = held.len();
            for row in tx.rows(*claim, asked).await? {
                held.push(read_held(&row)?);
            }
            held[from..].sort_by_key(|held| held.at);
        }
    }
    Ok(held)
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
