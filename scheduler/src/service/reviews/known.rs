//! Known answers, by which reviewers are rated, and reviewers who were paused for theirs.

use emend_proto::v1;
use tonic::{Code, Status};

use super::card::case;
use crate::domain::review::{Answer, AnswerKind};
use crate::service::{App, status};
use crate::store::{KnownAnswer, Reviewed, StoreError};

/// Known answers in one call, at most.
const MOST: usize = 500;

/// Nothing is leased to this reviewer.
pub(super) fn paused() -> Status {
    let message = "too many answers were wrong; an operator has to let this reviewer go on";
    status::with_reason(Code::FailedPrecondition, "REVIEWER_PAUSED", message.to_owned())
}

impl App {
    pub(super) async fn add_known(
        &self,
        by: String,
        request: v1::AddKnownAnswersRequest,
    ) -> Result<v1::AddKnownAnswersResponse, Status> {
        if request.answers.len() > MOST {
            return Err(status::invalid("answers", &format!("must be at most {MOST}")));
        }
        let job = self.find(&request.job).await?;
        let given = request.answers.len() as u64;
        let mut known = Vec::new();
        for answer in request.answers {
            known.extend(self.known_answer(job.id, answer).await?);
        }
        let added = self.store.add_known_answers(job.id, known, by, self.clock.now()).await;
        let added = added.map_err(status::from_store)?;
        tracing::info!(job_id = job.id, added, "known answers added");
        let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(v1::AddKnownAnswersResponse { added: count(added), passed_over: count(given - added) })
    }

    /// `None` for a record that is not there or waits for nobody, and where a value is missing.
    async fn known_answer(
        &self,
        job_id: i64,
        answer: v1::KnownAnswer,
    ) -> Result<Option<KnownAnswer>, Status> {
        let found = match self.store.record(job_id, answer.key).await {
            Ok(found) => found,
            Err(StoreError::RecordNotFound) => return Ok(None),
            Err(error) => return Err(status::from_store(error)),
        };
        let Some(result) = found.result else { return Ok(None) };
        let reviewed = Reviewed { seq: found.seq, record: found.record, result };
        let case = case(&reviewed).map_err(status::from_store)?;
        let values = answer.values.into_iter().map(|value| (value.field, value.value));
        let values: Vec<_> = values.filter(|(field, _)| case.at_issue(field)).collect();
        if values.is_empty() {
            return Ok(None);
        }
        let right = case.effect(&Answer { kind: AnswerKind::Values, values, reason: String::new() });
        Ok(right.ok().map(|effect| KnownAnswer { seq: found.seq, changes: effect.changes }))
    }

    pub(super) async fn resume(
        &self,
        by: String,
        request: v1::ResumeReviewerRequest,
    ) -> Result<v1::ResumeReviewerResponse, Status> {
        if request.reviewer.is_empty() {
            return Err(status::invalid("reviewer", "must name who goes on"));
        }
        let resumed = self.store.resume_reviewer(request.reviewer.clone(), by, self.clock.now()).await;
        let resumed = resumed.map_err(status::from_store)?;
        if resumed {
            tracing::info!(reviewer = request.reviewer, "a paused reviewer goes on");
        }
        Ok(v1::ResumeReviewerResponse { resumed })
    }
}
