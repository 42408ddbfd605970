//! What reviewers are shown: cards, the queue, and decisions.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use emend_proto::v1;
use prost::Message as _;
use tonic::Status;

use super::super::work::proto_duration;
use super::super::{App, status};
use super::card::{Form, card, case};
use super::read;
use crate::domain::job::JobRef;
use crate::domain::review::{AnswerKind, Case, Effect, ReviewRef};
use crate::domain::time::Timestamp;
use crate::store::{Held, Job, Logged, ReviewQueue, StoreError};

/// Sums over the queue may be this old.
const QUEUE_AGE: Duration = Duration::from_secs(1);
/// From this round on a reviewer sees what was said before.
const LAST_WORD: i64 = 3;

/// The queue of a job (0: of all), and when it was looked at.
pub(in crate::service) type Queues = BTreeMap<i64, (Instant, ReviewQueue)>;

impl App {
    /// The cards of what a reviewer holds, in the same order.
    pub(super) async fn cards(&self, reviewer: &str, held: &[Held]) -> Result<Vec<v1::ReviewCard>, Status> {
        let mut cards = BTreeMap::new();
        let mut jobs: Vec<i64> = held.iter().map(|held| held.at.job_id).collect();
        jobs.sort_unstable();
        jobs.dedup();
        for job_id in jobs {
            let of_job: Vec<&Held> = held.iter().filter(|held| held.at.job_id == job_id).collect();
            cards.extend(self.cards_of(job_id, reviewer, &of_job).await.map_err(status::from_store)?);
        }
        let lost = || Status::internal("a review has no card");
        held.iter().map(|held| cards.remove(&held.at).ok_or_else(lost)).collect()
    }

    async fn cards_of(
        &self,
        job_id: i64,
        reviewer: &str,
        held: &[&Held],
    ) -> Result<Vec<(ReviewRef, v1::ReviewCard)>, StoreError> {
        let seqs: Vec<i64> = held.iter().map(|held| held.at.seq).collect();
        let form = Form::of(&self.store.job(JobRef::Id(job_id)).await?);
        let mut drafts = self.store.drafts(job_id, reviewer.to_owned(), seqs.clone()).await?;
        let mut cards = Vec::with_capacity(held.len());
        for reviewed in self.store.reviewed(job_id, seqs).await? {
            let Some(held) = held.iter().find(|held| held.at.seq == reviewed.seq) else { continue };
            let case = case(&reviewed)?;
            let mut card = card(&form, &case, &reviewed, held.round);
            card.draft =
                drafts.remove(&reviewed.seq).and_then(|draft| v1::Answer::decode(draft.as_slice()).ok());
            if let Some(alike) = held.alike {
                let size = self.store.cluster_size(job_id, alike, held.round).await?;
                card.alike = u32::try_from(size).unwrap_or(u32::MAX);
            }
            if held.round >= LAST_WORD {
                card.answers = self.said_before(held.at, &case).await?;
            }
            cards.push((held.at, card));
        }
        Ok(cards)
    }

    /// What the first two said, in an order that does not tell who.
    async fn said_before(&self, at: ReviewRef, case: &Case) -> Result<Vec<v1::Answer>, StoreError> {
        let said = self.store.decisions_of(at).await?.into_iter().filter(|logged| !logged.undone);
        let said = said.filter(|logged| logged.effect.kind != AnswerKind::CannotDecide);
        let mut answers: Vec<v1::Answer> =
            said.map(|logged| whole(case, &logged.effect, logged.reason)).collect();
        answers.sort_by_key(v1::Answer::encode_to_vec);
        Ok(answers)
    }

    /// What there is besides, for one reviewer.
    pub(super) async fn queue(&self, reviewer: &str, job_id: Option<i64>) -> Result<v1::ReviewQueue, Status> {
        let now = self.clock.now();
        let queue = self.whole_queue(job_id, now).await.map_err(status::from_store)?;
        let own = self.store.own_queue(reviewer.to_owned(), job_id, now).await;
        let own = own.map_err(status::from_store)?;
        let after = |at: Option<Timestamp>| at.map(|at| proto_duration(at.since(now)));
        let held = (queue.held - own.held).max(0);
        Ok(v1::ReviewQueue {
            open: queue.open.unsigned_abs(),
            held: held.unsigned_abs(),
            next_free_in: after(queue.next_free_at).filter(|_| held > 0),
            later: queue.later.unsigned_abs(),
            next_due_in: after(queue.next_due_at),
            for_leads: queue.for_leads.unsigned_abs(),
            passed: own.passed.unsigned_abs(),
            decided_today: own.decided_today.unsigned_abs(),
        })
    }

    /// Hundreds of reviewers ask at the same time, and the sums are over all that is open: at most one look a second.
    async fn whole_queue(&self, job_id: Option<i64>, now: Timestamp) -> Result<ReviewQueue, StoreError> {
        let mut queues = self.queues.lock().await;
        queues.retain(|_, (at, _)| at.elapsed() < QUEUE_AGE);
        let key = job_id.unwrap_or(0);
        if let Some((_, queue)) = queues.get(&key) {
            return Ok(queue.clone());
        }
        let queue = self.store.review_queue(job_id, now).await?;
        queues.insert(key, (Instant::now(), queue.clone()));
        Ok(queue)
    }

    /// Jobs that a request names; none: all.
    pub(super) async fn job_asked(&self, job: &str) -> Result<Option<Job>, Status> {
        if job.is_empty() { Ok(None) } else { self.find(job).await.map(Some) }
    }
}

/// An effect as an answer: what it leaves as it is stands in it too.
fn whole(case: &Case, effect: &Effect, reason: String) -> v1::Answer {
    let changed = |field: &str| effect.changes.iter().find(|change| change.field == field);
    let mut values: Vec<v1::FieldValue> = Vec::new();
    if effect.kind == AnswerKind::Values {
        let kept = case.fields.iter().filter(|(name, _)| case.at_issue(name) && changed(name).is_none());
        values
            .extend(kept.map(|(field, value)| v1::FieldValue { field: field.clone(), value: value.clone() }));
    }
    values.extend(
        effect
            .changes
            .iter()
            .map(|change| v1::FieldValue { field: change.field.clone(), value: change.after.clone() }),
    );
    values.sort_by(|a, b| a.field.cmp(&b.field));
    v1::Answer { kind: answer_kind(effect.kind).into(), values, reason }
}

pub(in crate::service) const fn answer_kind(kind: AnswerKind) -> v1::AnswerKind {
    match kind {
        AnswerKind::Values => v1::AnswerKind::Values,
        AnswerKind::Rejected => v1::AnswerKind::Rejected,
        AnswerKind::CannotDecide => v1::AnswerKind::CannotDecide,
    }
}

pub(in crate::service) fn decision(logged: Logged, now: Timestamp) -> v1::Decision {
    let undo_in = logged.undo_until.since(now);
    v1::Decision {
        decision_id: logged.decision_id.unsigned_abs(),
        review: Some(read::view(logged.review)),
        round: u32::try_from(logged.round).unwrap_or_default(),
        reviewer: logged.reviewer,
        kind: answer_kind(logged.effect.kind).into(),
        changes: logged.effect.changes.into_iter().map(Into::into).collect(),
        reason: logged.reason,
        pack_version: logged.pack_version,
        age: Some(proto_duration(now.since(logged.at))),
        undo_in: (!undo_in.is_zero() && !logged.undone).then(|| proto_duration(undo_in)),
        undone: logged.undone,
        members: u32::try_from(logged.members).unwrap_or(u32::MAX),
        stands: logged.stands,
    }
}
