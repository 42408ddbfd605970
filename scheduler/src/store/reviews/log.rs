//! Reading decisions back.

use std::collections::HashMap;

use super::super::db::{Row, Sql, Tx, params};
use super::super::{ReviewConflict, Store, StoreError};
use super::read_ref;
use crate::domain::review::{AnswerKind, Effect, HandChange, ReviewRef};
use crate::domain::time::Timestamp;

/// A decision as it stands in the log, for one of its reviews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The decision.
    pub decision_id: i64,
    /// The review.
    pub review: ReviewRef,
    /// In which round.
    pub round: i64,
    /// By whom.
    pub reviewer: String,
    /// What it does.
    pub effect: Effect,
    /// Why.
    pub reason: String,
    /// The rule pack's version whose findings were decided on.
    pub pack_version: String,
    /// When it was made.
    pub at: Timestamp,
    /// Until when it may be taken back.
    pub undo_until: Timestamp,
    /// It was.
    pub undone: bool,
    /// Reviews decided with it.
    pub members: i64,
    /// It is the one that exports apply, once it is final.
    pub stands: bool,
}

/// What people have settled on one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The record's place.
    pub seq: i64,
    /// What is to be applied.
    pub effect: Effect,
    /// Why.
    pub reason: String,
    /// Of those who agreed, or of who had the last word.
    pub reviewers: Vec<String>,
}

/// An answer to one review that was not taken back.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) decision_id: i64,
    pub(super) round: i64,
    pub(super) reviewer: String,
    pub(super) effect: Effect,
}

impl Said {
    /// Whether it answers the question.
    pub(super) fn settles(&self) -> bool {
        self.effect.kind != AnswerKind::CannotDecide
    }
}

/// Member by member, and whether each was undone, here and below: of a plain join and of NOT EXISTS PostgreSQL, as long as it
/// knows no better, makes a hash of all decisions.
const SAID: Sql = Sql::pair(
    "WITH m AS MATERIALIZED (
         SELECT seq, round, changes, decision_id FROM decision_members WHERE job_id = $1 AND seq = ANY($2))
     SELECT m.seq, m.round, m.changes, d.id, d.reviewer, d.kind
     FROM m CROSS JOIN LATERAL (
         SELECT id, reviewer, kind FROM decisions WHERE id = m.decision_id OFFSET 0) d
     WHERE (SELECT u.id FROM decisions u WHERE u.undoes = d.id) IS NULL
     ORDER BY d.id",
    "SELECT m.seq, m.round, m.changes, d.id, d.reviewer, d.kind
     FROM decision_members m JOIN decisions d ON d.id = m.decision_id
     WHERE m.job_id = $1 AND m.seq IN (SELECT value FROM json_each($2))
       AND (SELECT u.id FROM decisions u WHERE u.undoes = d.id) IS NULL
     ORDER BY d.id",
);
/// Everything of a decision, beside one of its members.
macro_rules! logged {
    ($rest:literal) => {
        Sql::same(concat!(
            "SELECT m.job_id, m.seq, m.round, m.changes, d.id, d.reviewer, d.kind, d.reason, d.pack_version, d.at,
                 d.undo_until, (SELECT COUNT(*) FROM decision_members n WHERE n.decision_id = d.id) AS members,
                 (SELECT u.id FROM decisions u WHERE u.undoes = d.id) IS NOT NULL AS undone,
                 COALESCE((SELECT r.decision_id = d.id FROM reviews r WHERE r.job_id = m.job_id AND r.seq = m.seq), FALSE)
                     AS stands
             FROM decisions d JOIN decision_members m ON m.decision_id = d.id ",
            $rest
        ))
    };
}
const BY_ID: Sql = logged!("WHERE d.id = $1 ORDER BY m.seq LIMIT 1");
pub(super) const BY_REQUEST: Sql =
    Sql::same("SELECT id FROM decisions WHERE reviewer = $1 AND request_id = $2");
const OF_RECORD: Sql = logged!("WHERE m.job_id = $1 AND m.seq = $2 ORDER BY d.id");
/// One of its members speaks for a cluster.
const BY_REVIEWER: Sql = logged!(
    "WHERE d.reviewer = $1 AND d.id < $2 AND ($3 = 0 OR d.job_id = $3) AND d.kind <> 'undo'
       AND m.seq = (SELECT MIN(n.seq) FROM decision_members n WHERE n.decision_id = d.id)
     ORDER BY d.id DESC LIMIT $4"
);
const ANY_FINAL: Sql = Sql::same(
    "SELECT 1 AS one FROM reviews WHERE job_id = $1 AND state = 'decided' AND due_at <= $2 LIMIT 1",
);
/// Of final decisions alone: the others may still be taken back.
const STANDING: Sql = Sql::same(
    "SELECT m.seq, m.round, m.changes, d.id, d.reviewer, d.kind, d.reason, d.id = r.decision_id AS stands
     FROM reviews r JOIN decision_members m ON m.job_id = r.job_id AND m.seq = r.seq
     JOIN decisions d ON d.id = m.decision_id
     WHERE r.job_id = $1 AND r.seq BETWEEN $2 AND $3 AND r.state = 'decided' AND r.due_at <= $4
       AND (SELECT u.id FROM decisions u WHERE u.undoes = d.id) IS NULL
     ORDER BY m.seq, d.id DESC",
);

impl Store {
    /// A decision by its id.
    ///
    /// # Errors
    /// [`ReviewConflict::NoDecision`].
    pub async fn decision(&self, decision_id: i64) -> Result<Logged, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let row = tx.row(BY_ID, params![decision_id]).await?;
                read_logged(&row.ok_or(StoreError::Review(ReviewConflict::NoDecision))?)
            })
        })
        .await
    }

    /// The decision that this request of a reviewer has made, if it has.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn decision_of(&self, reviewer: String, request_id: String) -> Result<Option<i64>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let row = tx.row(BY_REQUEST, params![reviewer, request_id]).await?;
                row.map(|row| row.int("id")).transpose()
            })
        })
        .await
    }

    /// All that people said about one record, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn decisions_of(&self, at: ReviewRef) -> Result<Vec<Logged>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                tx.rows(OF_RECORD, params![at.job_id, at.seq]).await?.iter().map(read_logged).collect()
            })
        })
        .await
    }

    /// Up to `limit` decisions of a reviewer with an id below `before`, newest first; of one job, or of all.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn decisions_by(
        &self,
        reviewer: String,
        job_id: Option<i64>,
        before: i64,
        limit: u32,
    ) -> Result<Vec<Logged>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let asked = params![reviewer, before, job_id.unwrap_or(0), limit];
                tx.rows(BY_REVIEWER, asked).await?.iter().map(read_logged).collect()
            })
        })
        .await
    }

    /// What people have settled for good on the records `first_seq..=last_seq`, in their order.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn standing(
        &self,
        job_id: i64,
        first_seq: i64,
        last_seq: i64,
        now: Timestamp,
    ) -> Result<Vec<Standing>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let mut found: Vec<Standing> = Vec::new();
                // Most exports are of jobs that nobody has decided anything in yet.
                if tx.row(ANY_FINAL, params![job_id, now]).await?.is_none() {
                    return Ok(found);
                }
                for row in tx.rows(STANDING, params![job_id, first_seq, last_seq, now]).await? {
                    let (seq, effect) = (row.int("seq")?, read_effect(&row)?);
                    let reviewer = row.text("reviewer")?;
                    if row.bool("stands")? {
                        let reason = row.text("reason")?;
                        found.push(Standing { seq, effect, reason, reviewers: vec![reviewer] });
                    } else if let Some(last) = found.last_mut().filter(|last| last.seq == seq)
                        && last.effect == effect
                    {
                        last.reviewers.insert(0, reviewer);
                    }
                }
                Ok(found)
            })
        })
        .await
    }
}

/// What was said of these reviews of a job, oldest first.
pub(super) async fn said(
    tx: &mut Tx,
    job_id: i64,
    seqs: Vec<i64>,
) -> Result<HashMap<i64, Vec<Said>>, StoreError> {
    let mut found: HashMap<i64, Vec<Said>> = HashMap::new();
    for row in tx.rows(SAID, params![job_id, seqs]).await? {
        found.entry(row.int("seq")?).or_default().push(Said {
            decision_id: row.int("id")?,
            round: row.int("round")?,
            reviewer: row.text("reviewer")?,
            effect: read_effect(&row)?,
        });
    }
    Ok(found)
}

pub(super) fn to_json(changes: &[HandChange]) -> String {
    serde_json::to_string(changes).expect("texts are always JSON")
}

fn read_effect(row: &Row) -> Result<Effect, StoreError> {
    let kind = AnswerKind::parse(&row.text("kind")?);
    // The parser's own message would hold a piece of a record.
    let changes = serde_json::from_str(&row.text("changes")?).ok();
    match (kind, changes) {
        (Some(kind), Some(changes)) => Ok(Effect { kind, changes }),
        _ => Err(StoreError::Internal("a decision cannot be read".into())),
    }
}

fn read_logged(row: &Row) -> Result<Logged, StoreError> {
    Ok(Logged {
        decision_id: row.int("id")?,
        review: read_ref(row)?,
        round: row.int("round")?,
        reviewer: row.text("reviewer")?,
        effect: read_effect(row)?,
        reason: row.text("reason")?,
        pack_version: row.text("pack_version")?,
        at: Timestamp(row.int("at")?),
        undo_until: Timestamp(row.int("undo_until")?),
        undone: row.bool("undone")?,
        members: row.int("members")?,
        stands: row.bool("stands")?,
    })
}
