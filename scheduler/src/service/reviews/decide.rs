//! Answers: checked against their records, and written down.

use std::sync::Arc;

use emend_proto::v1;
use prost::Message as _;
use tonic::Status;

use super::card::case;
use super::shelf::OfJob;
use super::{MOST_NAMED, decision, read, samples_missing};
use crate::domain::job::JobRef;
use crate::domain::lease::Token;
use crate::domain::review::{Answer, AnswerKind, Case};
use crate::service::{App, status};
use crate::store::{Decided, Decision, Job, Member, ReviewConflict, StoreError};

/// Samples to be opened before the rest of a cluster may be decided.
const SAMPLES: i64 = 5;
/// Bytes of a draft, at most.
const MAX_DRAFT: usize = 64 * 1024;

/// A draft as it is kept.
pub(super) fn draft(draft: Option<&v1::Answer>) -> Result<Vec<u8>, Status> {
    let draft = draft.ok_or_else(|| status::invalid("draft", "is missing"))?.encode_to_vec();
    if draft.len() > MAX_DRAFT {
        return Err(status::invalid("draft", "must be at most 64 KiB"));
    }
    Ok(draft)
}

impl App {
    pub(super) async fn decide_one(
        &self,
        reviewer: String,
        request: v1::DecideRequest,
    ) -> Result<v1::DecideResponse, Status> {
        read::request_id(&request.request_id)?;
        let at = read::review(request.review.as_ref())?;
        let answer = read::answer(request.answer.as_ref())?;
        let (of_job, mut cases) = self.cases(at.job_id, vec![at.seq]).await?;
        let job = &of_job.job;
        let (_, case) =
            cases.pop().ok_or_else(|| status::from_store(StoreError::Review(ReviewConflict::NotFound)))?;
        let member =
            Member { draft: draft(request.answer.as_ref())?, ..member(job, at.seq, &case, &answer)? };
        let (kind, reason) = (answer.kind, answer.reason);
        let written =
            self.write(job, reviewer, request.request_id, request.token, kind, reason, vec![member]).await?;
        let show = async |id| {
            let logged = self.store.decision(id).await.map_err(status::from_store)?;
            Ok::<_, Status>(Some(decision(logged, self.clock.now())))
        };
        match written {
            Decided::Written { decision_id, replayed } => {
                Ok(v1::DecideResponse { decision: show(decision_id).await?, decided_before: None, replayed })
            }
            Decided::Before { decision_id } => Ok(v1::DecideResponse {
                decision: None,
                decided_before: show(decision_id).await?,
                replayed: false,
            }),
            Decided::Taken => Err(refused(ReviewConflict::Taken)),
            Decided::WrongToken => Err(refused(ReviewConflict::WrongToken)),
        }
    }

    pub(super) async fn decide_many(
        &self,
        reviewer: String,
        request: v1::DecideClusterRequest,
    ) -> Result<v1::DecideClusterResponse, Status> {
        read::request_id(&request.request_id)?;
        let members = read::reviews(&request.members, MOST_NAMED)?;
        let first = *members.first().ok_or_else(|| status::invalid("members", "is empty"))?;
        if members.iter().any(|member| member.job_id != first.job_id) {
            return Err(status::invalid("members", "must all be of one job"));
        }
        let seqs: Vec<i64> = members.iter().map(|member| member.seq).collect();
        let replayed = self.store.decision_of(reviewer.clone(), request.request_id.clone()).await;
        if replayed.map_err(status::from_store)?.is_none() {
            let opened = self.store.opened_members(first.job_id, reviewer.clone(), seqs.clone()).await;
            let opened = opened.map_err(status::from_store)?;
            let needed = SAMPLES.min(i64::try_from(seqs.len()).unwrap_or(SAMPLES));
            if opened < needed {
                return Err(samples_missing(opened, needed));
            }
        }
        let (of_job, cases) = self.cases(first.job_id, seqs).await?;
        let job = &of_job.job;
        let mut answered = Vec::with_capacity(cases.len());
        for (seq, case) in &cases {
            answered.push(member(job, *seq, case, &alike(case, request.proposal)?)?);
        }
        let (kind, reason) = (AnswerKind::Values, String::new());
        let written =
            self.write(job, reviewer, request.request_id, request.token, kind, reason, answered).await?;
        match written {
            Decided::Written { decision_id, replayed } => {
                let logged = self.store.decision(decision_id).await.map_err(status::from_store)?;
                let decision = Some(decision(logged, self.clock.now()));
                Ok(v1::DecideClusterResponse { decision, replayed })
            }
            Decided::Before { .. } | Decided::Taken => Err(refused(ReviewConflict::Taken)),
            Decided::WrongToken => Err(refused(ReviewConflict::WrongToken)),
        }
    }

    /// The value of a field that the card masks. Only of a review that the reviewer holds.
    pub(super) async fn reveal(
        &self,
        reviewer: String,
        request: v1::RevealFieldRequest,
    ) -> Result<v1::RevealFieldResponse, Status> {
        let at = read::review(request.review.as_ref())?;
        if !(3..=200).contains(&request.reason.trim().chars().count()) {
            return Err(status::invalid("reason", "must say why, in 3 to 200 characters"));
        }
        let (of_job, cases) = self.cases(at.job_id, vec![at.seq]).await?;
        let case = cases.first().map(|(_, case)| case);
        let shown = |case: &Case| of_job.form.fields(case).iter().any(|field| field.name == request.field);
        let case = case.filter(|case| shown(case));
        let value = case.and_then(|case| case.fields.iter().find(|(name, _)| *name == request.field));
        let (_, value) = value.ok_or_else(|| status::invalid("field", "is not on the card"))?;
        // Before it is shown: what cannot be noted is not shown.
        let (field, reason) = (request.field.clone(), request.reason.trim().to_owned());
        let noted = self.store.reveal(at, reviewer, field, reason, self.clock.now()).await;
        noted.map_err(status::from_store)?;
        Ok(v1::RevealFieldResponse { value: value.clone() })
    }

    /// Records of a job as reviewers see them.
    async fn cases(&self, job_id: i64, seqs: Vec<i64>) -> Result<(Arc<OfJob>, Vec<(i64, Case)>), Status> {
        let read = async {
            let of_job = self.job_on_shelf(JobRef::Id(job_id)).await?;
            let mut cases = Vec::with_capacity(seqs.len());
            for seq in seqs {
                cases.push((seq, case(self.unit_on_shelf(job_id, seq).await?.at(seq)?)?));
            }
            Ok((of_job, cases))
        };
        read.await.map_err(status::from_store)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one decision, from two kinds of request")]
    async fn write(
        &self,
        job: &Job,
        reviewer: String,
        request_id: String,
        token: Vec<u8>,
        kind: AnswerKind,
        reason: String,
        members: Vec<Member>,
    ) -> Result<Decided, Status> {
        let decision = Decision {
            job_id: job.id,
            reviewer,
            request_id,
            token: Token::new(token),
            kind,
            reason,
            pack_version: job.spec.pack_version.clone(),
            undo: job.spec.reviews.undo,
            members,
        };
        self.store.decide(decision, self.clock.now()).await.map_err(status::from_store)
    }
}

/// An answer to one review, held against its record.
fn member(job: &Job, seq: i64, case: &Case, answer: &Answer) -> Result<Member, Status> {
    let effect = case.effect(answer).map_err(|(field, what)| status::invalid(field, &what))?;
    let needs_two = case.needs_two(&effect, &job.spec.reviews.agree);
    Ok(Member { seq, effect, needs_two, draft: Vec::new() })
}

/// The same for every member of a cluster: a proposal of each one's finding, or the value that it has.
fn alike(case: &Case, proposal: Option<u32>) -> Result<Answer, Status> {
    let [finding] = &case.findings[..] else { return Err(refused(ReviewConflict::NoCluster)) };
    let value = match proposal {
        Some(at) => finding.proposals.get(at as usize).cloned(),
        None => Some(case.value(&finding.field).unwrap_or_default().to_owned()),
    };
    let value = value.ok_or_else(|| status::invalid("proposal", "is not one of every member"))?;
    Ok(Answer {
        kind: AnswerKind::Values,
        values: vec![(finding.field.clone(), value)],
        reason: String::new(),
    })
}

fn refused(conflict: ReviewConflict) -> Status {
    status::from_store(StoreError::Review(conflict))
}
