//! Decisions: written once, read by exports, taken back only by another entry.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use serde_json::json;

use super::super::audit::{self, Note};
use super::super::db::{Column, Sql, Tx, params};
use super::super::jobs;
use super::super::{JobConflict, Lane, Outbox, ReviewConflict, Store, StoreError};
use super::hands::{self, Hand};
use super::{lock, log};
use crate::domain::job::JobRef;
use crate::domain::lease::Token;
use crate::domain::review::{AnswerKind, Effect, Next, Review, ReviewLane, ReviewRef, next};
use crate::domain::time::Timestamp;

/// A decision on one review, or on those of a cluster.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The job.
    pub job_id: i64,
    /// Who decides.
    pub reviewer: String,
    /// The same when the call is sent again.
    pub request_id: String,
    /// That of the lease.
    pub token: Token,
    /// What was said of all of them.
    pub kind: AnswerKind,
    /// Why.
    pub reason: String,
    /// The rule pack's version whose findings were decided on.
    pub pack_version: String,
    /// How long it may be taken back.
    pub undo: Duration,
    /// The reviews.
    pub members: Vec<Member>,
}

/// One review of a decision.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its place.
    pub seq: i64,
    /// What the answer does to its record.
    pub effect: Effect,
    /// A second person must agree.
    pub needs_two: bool,
    /// What is kept for the reviewer if the answer cannot be taken; empty: nothing.
    pub draft: Vec<u8>,
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It is in the log.
    Written {
        /// Its id.
        decision_id: i64,
        /// It was there before.
        replayed: bool,
    },
    /// The review was decided before; the answer is kept as a draft.
    Before {
        /// By this decision.
        decision_id: i64,
    },
    /// Somebody else holds the review; the answer is kept as a draft.
    Taken,
    /// The caller never held it: nothing is kept.
    WrongToken,
}

const INSERT: Sql = Sql::same(
    "INSERT INTO decisions (reviewer, request_id, job_id, kind, reason, pack_version, at, undo_until, size)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
);
const INSERT_MEMBERS: Sql = Sql::pair(
    "INSERT INTO decision_members (job_id, decision_id, seq, round, lane, changes)
     SELECT $1, $2, t.seq, t.round, t.lane, t.changes
     FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[]) AS t (seq, round, lane, changes)",
    "INSERT INTO decision_members (job_id, decision_id, seq, round, lane, changes)
     SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($3)",
);
const ANSWERED: Sql = Sql::pair(
    "UPDATE reviews r SET state = t.state, round = t.round, lane = t.lane, due_at = $2, holder = NULL,
         expires_at = NULL, opened = FALSE, decision_id = CASE WHEN t.state = 'decided' THEN $3::bigint END,
         rejected = t.state = 'decided' AND $4
     FROM unnest($5::bigint[], $6::text[], $7::bigint[], $8::text[]) AS t (seq, state, round, lane)
     WHERE r.job_id = $1 AND r.seq = t.seq AND r.state = 'open'",
    // Said twice, so that each is looked up by its key: else all of the job's reviews are held against the list.
    "WITH t AS MATERIALIZED (
         SELECT value ->> 0 AS seq, value ->> 1 AS state, value ->> 2 AS round, value ->> 3 AS lane FROM json_each($5))
     UPDATE reviews SET state = t.state, round = t.round, lane = t.lane, due_at = $2, holder = NULL,
         expires_at = NULL, opened = FALSE, decision_id = CASE WHEN t.state = 'decided' THEN $3 END,
         rejected = t.state = 'decided' AND $4
     FROM t
     WHERE reviews.job_id = $1 AND reviews.seq IN (SELECT seq FROM t) AND reviews.seq = t.seq
       AND reviews.state = 'open'",
);

impl Store {
    /// Writes a decision: every member of it, or, of a cluster's, those that nobody else has taken meanwhile.
    ///
    /// # Errors
    /// [`ReviewConflict::NotFound`]; [`JobConflict::Ended`].
    pub async fn decide(&self, decision: Decision, now: Timestamp) -> Result<Decided, StoreError> {
        #[cfg(feature = "test-hooks")]
        self.unguard_decision(&decision).await?;
        let outbox = self.outbox;
        self.write(Lane::Urgent, move |tx| Box::pin(async move { decide(tx, decision, now, outbox).await }))
            .await
    }
}

async fn decide(
    tx: &mut Tx,
    decision: Decision,
    now: Timestamp,
    outbox: Outbox,
) -> Result<Decided, StoreError> {
    let Decision { job_id, reviewer, request_id, .. } = &decision;
    let seqs: Vec<i64> = decision.members.iter().map(|member| member.seq).collect();
    let reviews = lock(tx, *job_id, seqs.clone()).await?;
    // Only now: the same call may have been under way.
    if let Some(row) = tx.row(log::BY_REQUEST, params![reviewer.as_str(), request_id.as_str()]).await? {
        return Ok(Decided::Written { decision_id: row.int("id")?, replayed: true });
    }
    let job = jobs::find(tx, &JobRef::Id(*job_id)).await?;
    if job.state.has_ended() {
        return Err(StoreError::JobState(JobConflict::Ended));
    }
    let reviews: HashMap<i64, Review> = reviews.into_iter().map(|review| (review.at.seq, review)).collect();
    let hands = hands::of(tx, *job_id, reviewer, seqs.clone()).await?;
    let said = log::said(tx, *job_id, seqs).await?;
    let mut answered = Answered::default();
    let mut refused = None;
    for member in &decision.members {
        let review = reviews.get(&member.seq).ok_or(StoreError::Review(ReviewConflict::NotFound))?;
        let before = said.get(&member.seq).map_or(&[][..], Vec::as_slice);
        match may_answer(review, &decision, hands.get(&member.seq), before, now) {
            Ok(()) => answered.add(review, member, before),
            Err(refusal) => {
                if !member.draft.is_empty() && refusal != Decided::WrongToken {
                    hands::draft(tx, review.at, reviewer, member.draft.clone()).await?;
                }
                refused.get_or_insert(refusal);
            }
        }
    }
    match refused {
        Some(refusal) if answered.seqs.is_empty() => Ok(refusal),
        _ => write(tx, &decision, answered, now, outbox).await,
    }
}

/// Whether this reviewer may still answer: as long as nobody else has the review, and nobody has answered instead.
fn may_answer(
    review: &Review,
    decision: &Decision,
    hand: Option<&Hand>,
    said: &[log::Said],
    now: Timestamp,
) -> Result<(), Decided> {
    let mine = said.iter().rfind(|said| said.reviewer == decision.reviewer);
    if let Some(said) = mine {
        return Err(Decided::Before { decision_id: said.decision_id });
    }
    let holds = review.holder.as_ref() == Some(&decision.reviewer);
    let held = hand.and_then(|hand| hand.token_hash.as_ref()) == Some(&decision.token.hash());
    match said.last() {
        _ if !holds && !held => Err(Decided::WrongToken),
        Some(last) if review.decided => Err(Decided::Before { decision_id: last.decision_id }),
        _ if review.is_taken(&decision.reviewer, now) => Err(Decided::Taken),
        _ => Ok(()),
    }
}

/// Reviews on which the decision takes effect, column by column.
#[derive(Debug, Default)]
struct Answered {
    seqs: Vec<i64>,
    rounds: Vec<i64>,
    lanes: Vec<String>,
    changes: Vec<String>,
    next_states: Vec<String>,
    next_rounds: Vec<i64>,
    next_lanes: Vec<String>,
    settled: Vec<i64>,
}

impl Answered {
    fn add(&mut self, review: &Review, member: &Member, said: &[log::Said]) {
        let before = said.iter().rfind(|said| said.round < review.round && said.settles());
        let next = next(review.round, &member.effect, member.needs_two, before.map(|said| &said.effect));
        self.seqs.push(member.seq);
        self.rounds.push(review.round);
        self.lanes.push(review.lane.as_str().into());
        self.changes.push(log::to_json(&member.effect.changes));
        let (state, round, lane) = match next {
            Next::Open { round, lane } => ("open", round, lane),
            Next::Decided => {
                self.settled.push(member.seq);
                ("decided", review.round, ReviewLane::Reviewer)
            }
        };
        self.next_states.push(state.into());
        self.next_rounds.push(round);
        self.next_lanes.push(lane.as_str().into());
    }
}

async fn write(
    tx: &mut Tx,
    decision: &Decision,
    answered: Answered,
    now: Timestamp,
    outbox: Outbox,
) -> Result<Decided, StoreError> {
    let Decision { job_id, reviewer, request_id, kind, reason, pack_version, undo, .. } = decision;
    let (count, final_at) = (answered.seqs.len(), now + *undo);
    let (reason, pack_version) = (reason.as_str(), pack_version.as_str());
    let header = params![
        reviewer.as_str(),
        request_id.as_str(),
        *job_id,
        kind.as_str(),
        reason,
        pack_version,
        now,
        final_at,
        i64::try_from(count).unwrap_or(i64::MAX)
    ];
    let row = tx.row(INSERT, header).await?;
    let decision_id = row.ok_or_else(|| StoreError::Internal("an insert gave no row".into()))?.int("id")?;
    let members = vec![
        Column::Ints(answered.seqs.clone()),
        Column::Ints(answered.rounds),
        Column::Texts(answered.lanes),
        Column::Texts(answered.changes),
    ];
    tx.execute_exactly(count, INSERT_MEMBERS, params![*job_id, decision_id, members]).await?;
    let next = vec![
        Column::Ints(answered.seqs.clone()),
        Column::Texts(answered.next_states),
        Column::Ints(answered.next_rounds),
        Column::Texts(answered.next_lanes),
    ];
    tx.execute_exactly(
        count,
        ANSWERED,
        params![*job_id, final_at, decision_id, *kind == AnswerKind::Rejected, next],
    )
    .await?;
    let changes = decision.members.iter().flat_map(|member| &member.effect.changes);
    let fields: BTreeSet<&str> = changes.map(|change| change.field.as_str()).collect();
    let detail = json!({
        "decision": decision_id,
        "kind": kind.as_str(),
        "fields": fields,
        "members": answered.seqs,
    });
    let first = answered.seqs.first().copied().unwrap_or_default();
    audit::note(tx, &Note::new(reviewer.as_str(), "decide", detail).of_record(*job_id, first), now).await?;
    let at = |seq| ReviewRef { job_id: *job_id, seq };
    let reviews: Vec<_> = answered.seqs.into_iter().map(at).collect();
    hands::pass(tx, reviewer, true, &reviews).await?;
    outbox.decided(tx, *job_id, answered.settled, final_at).await?;
    Ok(Decided::Written { decision_id, replayed: false })
}
