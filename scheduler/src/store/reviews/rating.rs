//! Reviewers rated by reviews whose right answer is known. Who is wrong too often is paused, and what that reviewer decided
//! since is open again.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::audit::{self, Note};
use super::super::db::{Column, Row, Sql, Tx, params};
use super::super::{Lane, Outbox, Store, StoreError};
use super::{RELEASE, log};
use crate::domain::rating::{Rated, trusted_until};
use crate::domain::review::HandChange;
use crate::domain::time::Timestamp;

/// What is right for one review.
#[derive(Debug, Clone)]
pub struct KnownAnswer {
    /// The record's place.
    pub seq: i64,
    /// What the right decision changes.
    pub changes: Vec<HandChange>,
}

/// A reviewer who was paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PausedReviewer {
    /// Who.
    pub reviewer: String,
    /// Reviews that are open again.
    pub reopened: usize,
}

const ADD: Sql = Sql::pair(
    "INSERT INTO known_answers (job_id, seq, changes)
     SELECT r.job_id, r.seq, t.changes FROM unnest($2::bigint[], $3::text[]) AS t (seq, changes)
     JOIN reviews r ON r.job_id = $1 AND r.seq = t.seq
     ON CONFLICT (job_id, seq) DO UPDATE SET changes = excluded.changes",
    "INSERT INTO known_answers (job_id, seq, changes)
     SELECT r.job_id, r.seq, t.value ->> 1 FROM json_each($2) t
     JOIN reviews r ON r.job_id = $1 AND r.seq = t.value ->> 0 WHERE TRUE
     ON CONFLICT (job_id, seq) DO UPDATE SET changes = excluded.changes",
);
/// Rated answers, oldest first; of one job, or of all that run.
const ANSWERS: Sql = Sql::same(
    "SELECT d.reviewer, d.id, d.kind, m.changes, k.changes AS known
     FROM known_answers k JOIN jobs j ON j.id = k.job_id
     JOIN decision_members m ON m.job_id = k.job_id AND m.seq = k.seq
     JOIN decisions d ON d.id = m.decision_id LEFT JOIN reviewer_pauses p ON p.reviewer = d.reviewer
     WHERE CASE WHEN $1 = 0 THEN j.ended_at IS NULL ELSE k.job_id = $1 END
       AND d.kind <> 'cannot_decide' AND d.id > COALESCE(p.after_decision, 0)
       AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.id)
     ORDER BY d.id",
);
const ANY: Sql = Sql::same("SELECT 1 AS one FROM known_answers LIMIT 1");
const PAUSE: Sql = Sql::same(
    "INSERT INTO reviewer_pauses (reviewer, paused, at, after_decision) VALUES ($1, TRUE, $2, 0)
     ON CONFLICT (reviewer) DO UPDATE SET paused = TRUE, at = excluded.at WHERE NOT reviewer_pauses.paused
     RETURNING after_decision",
);
const RESUME: Sql = Sql::same(
    "UPDATE reviewer_pauses SET paused = FALSE, after_decision = (SELECT COALESCE(MAX(id), 0) FROM decisions)
     WHERE reviewer = $1 AND paused",
);
/// What it still has in hand is answered no more.
const DISARM: Sql =
    Sql::same("UPDATE review_hands SET token_hash = NULL WHERE reviewer = $1 AND token_hash IS NOT NULL");
/// Answers of `$1` after decision `$2` that may be taken back.
macro_rules! retracted {
    ($head:literal, $rest:literal) => {
        concat!(
            $head,
            " FROM decisions d JOIN jobs j ON j.id = d.job_id AND j.ended_at IS NULL
             JOIN decision_members m ON m.decision_id = d.id
             JOIN reviews r ON r.job_id = m.job_id AND r.seq = m.seq
             WHERE d.reviewer = $1 AND d.id > $2 AND d.kind IN ('values', 'rejected')
               AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.id) ",
            $rest
        )
    };
}
/// Reviews that hang on those answers: where they stand, and where a second person was asked because of them, or agreed.
/// Where a third has had the last word, that stays. In order, as others lock them.
const HANGING: Sql = Sql::pair(
    retracted!(
        "SELECT r.job_id, r.seq, m.round, m.lane",
        "AND (r.decision_id = d.id OR (m.round = 1 AND r.round = 2)) ORDER BY r.job_id, r.seq FOR UPDATE OF r"
    ),
    retracted!(
        "SELECT r.job_id, r.seq, m.round, m.lane",
        "AND (r.decision_id = d.id OR (m.round = 1 AND r.round = 2)) ORDER BY r.job_id, r.seq"
    ),
);
const RETRACT: Sql = Sql::same(
    "INSERT INTO decisions (reviewer, request_id, job_id, kind, undoes, reason, pack_version, at, undo_until, size)
     SELECT d.reviewer, 'undo-' || CAST(d.id AS TEXT), d.job_id, 'undo', d.id, 'reviewer_paused', d.pack_version, $3, $3, -d.size
     FROM decisions d JOIN jobs j ON j.id = d.job_id AND j.ended_at IS NULL
     WHERE d.reviewer = $1 AND d.id > $2 AND d.kind IN ('values', 'rejected')
       AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.id)",
);
const REOPEN: Sql = Sql::pair(
    "UPDATE reviews r SET state = 'open', round = t.round, lane = t.lane, due_at = 0, decision_id = NULL, rejected = FALSE,
         holder = NULL, expires_at = NULL, opened = FALSE
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) AS t (job_id, seq, round, lane)
     WHERE r.job_id = t.job_id AND r.seq = t.seq",
    "UPDATE reviews SET state = 'open', round = t.value ->> 2, lane = t.value ->> 3, due_at = 0, decision_id = NULL,
         rejected = FALSE, holder = NULL, expires_at = NULL, opened = FALSE
     FROM json_each($1) t WHERE reviews.job_id = t.value ->> 0 AND reviews.seq = t.value ->> 1",
);

impl Store {
    /// Says what is right for reviews of a job; those that are none are left out. Answers how many there are.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn add_known_answers(
        &self,
        job_id: i64,
        known: Vec<KnownAnswer>,
        by: String,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let changes = known.iter().map(|known| log::to_json(&known.changes)).collect();
                let table =
                    vec![Column::Ints(known.iter().map(|known| known.seq).collect()), Column::Texts(changes)];
                let added = tx.execute(ADD, params![job_id, table]).await?;
                let note = Note::new(by, "add_known_answers", json!({ "added": added })).of_job(job_id);
                audit::note(tx, &note, now).await?;
                Ok(added)
            })
        })
        .await
    }

    /// Pauses reviewers who are wrong more often than `limit` allows: what they hold is free, and what they decided since they
    /// could last be trusted is open again. Any number of schedulers may run it.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn pause_reviewers(
        &self,
        limit: f64,
        now: Timestamp,
    ) -> Result<Vec<PausedReviewer>, StoreError> {
        let any = self.read(|tx| Box::pin(async move { tx.row(ANY, params![]).await }));
        if any.await?.is_none() {
            return Ok(Vec::new());
        }
        let outbox = self.outbox;
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let mut paused = Vec::new();
                for (reviewer, answers) in rated(tx, 0).await? {
                    let Some(until) = trusted_until(&answers, limit) else { continue };
                    // Paused already: by another scheduler.
                    let Some(row) = tx.row(PAUSE, params![reviewer.as_str(), now]).await? else { continue };
                    let until = until.max(row.int("after_decision")?);
                    let reopened = reopen(tx, &reviewer, until, now, outbox).await?;
                    paused.push(PausedReviewer { reviewer, reopened });
                }
                Ok(paused)
            })
        })
        .await
    }

    /// Lets a paused reviewer go on; whether it was paused.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn resume_reviewer(
        &self,
        reviewer: String,
        by: String,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let resumed = tx.execute(RESUME, params![reviewer.as_str()]).await? == 1;
                if resumed {
                    let note = Note::new(by, "resume_reviewer", json!({ "reviewer": reviewer }));
                    audit::note(tx, &note, now).await?;
                }
                Ok(resumed)
            })
        })
        .await
    }
}

/// The answers to reviews whose right answer is known, by reviewer, oldest first; of one job, or of all that run (0).
pub(super) async fn rated(tx: &mut Tx, job_id: i64) -> Result<BTreeMap<String, Vec<Rated>>, StoreError> {
    let mut found: BTreeMap<String, Vec<Rated>> = BTreeMap::new();
    for row in tx.rows(ANSWERS, params![job_id]).await? {
        let right = row.text("kind")? == "values" && row.text("changes")? == row.text("known")?;
        found.entry(row.text("reviewer")?).or_default().push(Rated { decision_id: row.int("id")?, right });
    }
    Ok(found)
}

/// Takes back what a reviewer decided after `until`; answers how many reviews are open again.
async fn reopen(
    tx: &mut Tx,
    reviewer: &str,
    until: i64,
    now: Timestamp,
    outbox: Outbox,
) -> Result<usize, StoreError> {
    tx.execute(RELEASE, params![reviewer]).await?;
    tx.execute(DISARM, params![reviewer]).await?;
    let hanging = tx.rows(HANGING, params![reviewer, until]).await?;
    tx.execute(RETRACT, params![reviewer, until, now]).await?;
    let ints = |column: &str| hanging.iter().map(|row: &Row| row.int(column)).collect::<Result<Vec<_>, _>>();
    let (jobs, seqs) = (ints("job_id")?, ints("seq")?);
    let lanes = hanging.iter().map(|row| row.text("lane")).collect::<Result<Vec<_>, _>>()?;
    let table = vec![
        Column::Ints(jobs.clone()),
        Column::Ints(seqs.clone()),
        Column::Ints(ints("round")?),
        Column::Texts(lanes),
    ];
    tx.execute_exactly(hanging.len(), REOPEN, params![table]).await?;
    let mut by_job: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for (job_id, seq) in jobs.into_iter().zip(seqs) {
        by_job.entry(job_id).or_default().push(seq);
    }
    for (job_id, seqs) in by_job {
        outbox.not_decided(tx, job_id, seqs).await?;
    }
    let detail = json!({ "reviewer": reviewer, "after_decision": until, "reopened": hanging.len() });
    audit::note(tx, &Note::new("emend", "pause_reviewer", detail), now).await?;
    Ok(hanging.len())
}
