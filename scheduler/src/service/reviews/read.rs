//! Requests about reviews, read and checked.

use std::time::Duration;

use emend_proto::v1;
use tonic::{Request, Status};

use super::super::status;
use super::super::work::duration;
use crate::domain::caller::{Caller, Role, Roles, is_name};
use crate::domain::review::{Answer, AnswerKind, ReviewRef};

/// How long a review is held, unless the page says otherwise.
pub(super) const TTL: Duration = Duration::from_secs(20 * 60);
/// Bytes of a name that a caller gives to somebody it acts for, at most.
const MAX_NAME: usize = 64;

/// Who reviews: the caller itself, or whom an operator acts for. With the operator's name before it, nobody passes for
/// somebody else's reviewer.
pub(super) fn reviewer<T>(request: &Request<T>, given: &str) -> Result<String, Status> {
    let anybody = Caller::anybody();
    let caller = request.extensions().get::<Caller>().unwrap_or(&anybody);
    if caller.roles.meet(Roles::of(&[Role::Operator])) {
        let plain = given.len() <= MAX_NAME && is_name(given);
        let what = "must name who reviews: 1 to 64 of the characters a-z 0-9 . _ -";
        return if plain { Ok(caller.worker_id(given)) } else { Err(status::invalid("reviewer", what)) };
    }
    match &caller.name {
        Some(name) if given.is_empty() => Ok(name.to_string()),
        _ => Err(status::invalid("reviewer", "must be empty: you act for yourself")),
    }
}

/// Whether the caller is a lead, or says that the one it acts for is one.
pub(super) fn is_lead<T>(request: &Request<T>, given: bool) -> bool {
    let caller = request.extensions().get::<Caller>();
    let is = |role| caller.is_none_or(|caller| caller.roles.meet(Roles::of(&[role])));
    if is(Role::Operator) { given } else { is(Role::Lead) }
}

pub(super) fn review(review: Option<&v1::ReviewRef>) -> Result<ReviewRef, Status> {
    let review = review.ok_or_else(|| status::invalid("review", "is missing"))?;
    let number = |field, value| i64::try_from(value).map_err(|_| status::invalid(field, "is out of range"));
    Ok(ReviewRef { job_id: number("review.job_id", review.job_id)?, seq: number("review.seq", review.seq)? })
}

pub(super) fn reviews(given: &[v1::ReviewRef], most: usize) -> Result<Vec<ReviewRef>, Status> {
    if given.len() > most {
        return Err(status::invalid("reviews", &format!("must be at most {most}")));
    }
    let mut reviews = given.iter().map(|given| review(Some(given))).collect::<Result<Vec<_>, _>>()?;
    reviews.sort_unstable();
    reviews.dedup();
    Ok(reviews)
}

pub(super) fn view(review: ReviewRef) -> v1::ReviewRef {
    v1::ReviewRef { job_id: review.job_id.unsigned_abs(), seq: review.seq.unsigned_abs() }
}

pub(super) fn ttl(asked: Option<prost_types::Duration>) -> Duration {
    asked.map_or(TTL, |asked| duration(Some(asked)).min(TTL))
}

pub(super) fn answer(answer: Option<&v1::Answer>) -> Result<Answer, Status> {
    let answer = answer.ok_or_else(|| status::invalid("answer", "is missing"))?;
    let kind = match answer.kind() {
        v1::AnswerKind::Values => AnswerKind::Values,
        v1::AnswerKind::Rejected => AnswerKind::Rejected,
        v1::AnswerKind::CannotDecide => AnswerKind::CannotDecide,
        v1::AnswerKind::Unspecified => {
            return Err(status::invalid("answer.kind", "must be VALUES, REJECTED or CANNOT_DECIDE"));
        }
    };
    let values = answer.values.iter().map(|value| (value.field.clone(), value.value.clone())).collect();
    Ok(Answer { kind, values, reason: answer.reason.trim().to_owned() })
}

pub(super) fn request_id(id: &str) -> Result<(), Status> {
    // What an undo writes begins so.
    if (1..=64).contains(&id.len()) && !id.starts_with("undo-") {
        return Ok(());
    }
    Err(status::invalid("request_id", "must be 1 to 64 bytes, the same when the call is sent again"))
}
