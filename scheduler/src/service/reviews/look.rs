//! What reviewers are shown: cards, the queue, and decisions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{Duration, Instant};

use emend_proto::v1;
use prost::Message as _;
use tonic::Status;

use super::super::work::proto_duration;
use super::super::{App, job_ref, status};
use super::card::{card, case};
use super::read;
use crate::domain::job::JobRef;
use crate::domain::review::{AnswerKind, Case, Effect, ReviewLane, ReviewRef};
use crate::domain::time::Timestamp;
use crate::store::{
    ClusterSizes, Held, LeasedReviews, Logged, OwnQueue, ReviewQueue, ReviewSeen, StoreError,
};

/// Sums over the queue may be this old.
const QUEUE_AGE: Duration = Duration::from_secs(1);
/// Sizes of clusters may be this old.
const CLUSTERS_AGE: Duration = Duration::from_secs(5);
/// From this round on a reviewer sees what was said before.
const LAST_WORD: i64 = 3;

/// The queue of a job (0: of all), and when it was looked at.
pub(in crate::service) type Queues = BTreeMap<i64, (Instant, ReviewQueue)>;
/// The clusters of a job, and when they were counted.
pub(in crate::service) type Clusters = BTreeMap<i64, (Instant, ClusterSizes)>;

impl App {
    /// The card of a review that was just leased.
    pub(super) async fn leased_card(
        &self,
        held: &Held,
        leased: &LeasedReviews,
    ) -> Result<v1::ReviewCard, StoreError> {
        let draft = leased.drafts.get(&held.at);
        let alike = match held.alike {
            Some(alike) => self.cluster_size(held.at.job_id, alike, held.round).await?,
            None => 0,
        };
        Ok(v1::ReviewCard {
            draft: draft.and_then(|draft| v1::Answer::decode(draft.as_slice()).ok()),
            alike: u32::try_from(alike).unwrap_or(u32::MAX),
            ..self.card(held).await?
        })
    }

    /// The card of a review, without what its reviewer had written and how many are alike.
    pub(super) async fn card(&self, held: &Held) -> Result<v1::ReviewCard, StoreError> {
        let of_job = self.job_on_shelf(JobRef::Id(held.at.job_id)).await?;
        let unit = self.unit_on_shelf(held.at.job_id, held.at.seq).await?;
        let reviewed = unit.at(held.at.seq)?;
        let case = case(reviewed)?;
        let mut card = card(&of_job.form, &case, reviewed, held.round);
        if held.round >= LAST_WORD {
            card.answers = self.said_before(held.at, &case).await?;
        }
        Ok(card)
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
    pub(super) async fn queue(&self, job_id: Option<i64>, own: OwnQueue) -> Result<v1::ReviewQueue, Status> {
        let now = self.clock.now();
        let queue = self.whole_queue(job_id, now).await.map_err(status::from_store)?;
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

    /// How many reviews are alike, as it was a few seconds ago.
    async fn cluster_size(&self, job_id: i64, alike: i64, round: i64) -> Result<i64, StoreError> {
        let mut clusters = self.clusters.lock().await;
        clusters.retain(|_, (at, _)| at.elapsed() < CLUSTERS_AGE);
        let (_, sizes) = match clusters.entry(job_id) {
            Entry::Occupied(counted) => counted.into_mut(),
            Entry::Vacant(empty) => empty.insert((Instant::now(), self.store.cluster_sizes(job_id).await?)),
        };
        Ok(sizes.get(&(alike, round)).copied().unwrap_or(0))
    }

    /// The job that a request names; none: all.
    pub(super) async fn job_asked(&self, job: &str) -> Result<Option<i64>, Status> {
        if job.is_empty() {
            return Ok(None);
        }
        let of_job = self.job_on_shelf(job_ref(job)?).await.map_err(status::from_store)?;
        Ok(Some(of_job.job.id))
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

/// A review as seen from outside.
pub(in crate::service) fn seen(seen: ReviewSeen, now: Timestamp) -> v1::ReviewStatus {
    let ReviewSeen { review, kind, due_at } = seen;
    let held = review.expires_at.filter(|at| !review.decided && *at > now);
    v1::ReviewStatus {
        kind,
        decided: review.decided,
        round: u32::try_from(review.round).unwrap_or(u32::MAX),
        for_lead: review.lane == ReviewLane::Lead,
        holder: review.holder.filter(|_| held.is_some()).unwrap_or_default(),
        expires_in: held.map(|at| proto_duration(at.since(now))),
        final_in: (review.decided && due_at > now).then(|| proto_duration(due_at.since(now))),
    }
}
