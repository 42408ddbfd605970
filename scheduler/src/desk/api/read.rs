//! What the page asks, from JSON to the messages of review.proto. Unknown members are overlooked, and the reviewer is
//! never among them: it is whoever has signed in.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use emend_proto::v1;
use serde::Deserialize;

use crate::desk::fault::Fault;

/// Members, and the message they become.
macro_rules! asks {
    ($($name:ident { $($field:ident: $kind:ty),* $(,)? } -> $message:ident $made:tt)*) => {$(
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        pub(super) struct $name { $($field: $kind),* }

        impl $name {
            pub(super) fn read(self) -> Result<v1::$message, Fault> {
                let Self { $($field),* } = self;
                asks!(@made $message $made)
            }
        }
    )*};
    (@made $message:ident { $($member:ident: $value:expr),* $(,)? }) => {
        Ok(v1::$message { reviewer: String::new(), $($member: $value),* })
    };
}

asks! {
    Lease { job: String, finding: String, skills: Vec<String>, max_reviews: u32 } -> LeaseReviewsRequest {
        job: job, finding: finding, skills: skills, max_reviews: max_reviews, lead: false
    }
    Renew { ttl: Option<f64>, reviews: Vec<Review> } -> RenewReviewsRequest {
        ttl: ttl.map(duration).transpose()?, reviews: reviews.into_iter().map(Into::into).collect()
    }
    Draft { review: Option<Review>, draft: Option<Answer> } -> SaveDraftRequest {
        review: review.map(Into::into), draft: draft.map(Into::into)
    }
    Decide { request_id: String, review: Option<Review>, token: String, answer: Option<Answer> } -> DecideRequest {
        request_id: request_id, review: review.map(Into::into), token: bytes(&token)?, answer: answer.map(Into::into)
    }
    Skip { review: Option<Review> } -> SkipReviewRequest { review: review.map(Into::into) }
    Release {} -> ReleaseReviewsRequest {}
    Undo { decision_id: u64 } -> UndoDecisionRequest { decision_id: decision_id }
    Cluster { review: Option<Review> } -> LeaseClusterRequest { review: review.map(Into::into) }
    Open { review: Option<Review> } -> OpenReviewRequest { review: review.map(Into::into) }
    DecideCluster { request_id: String, members: Vec<Review>, token: String, proposal: Option<u32> }
        -> DecideClusterRequest {
        request_id: request_id, members: members.into_iter().map(Into::into).collect(), token: bytes(&token)?,
        proposal: proposal
    }
    Reveal { review: Option<Review>, field: String, reason: String } -> RevealFieldRequest {
        review: review.map(Into::into), field: field, reason: reason
    }
    Decisions { job: String, page_size: u32, page_token: String } -> ListDecisionsRequest {
        job: job, page_size: page_size, page_token: page_token
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Review {
    job_id: u64,
    seq: u64,
}

impl From<Review> for v1::ReviewRef {
    fn from(Review { job_id, seq }: Review) -> Self {
        Self { job_id, seq }
    }
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Values,
    Rejected,
    CannotDecide,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer {
    kind: Option<Kind>,
    values: Vec<FieldValue>,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct FieldValue {
    field: String,
    value: String,
}

impl From<Answer> for v1::Answer {
    fn from(Answer { kind, values, reason }: Answer) -> Self {
        let kind = match kind {
            None => v1::AnswerKind::Unspecified,
            Some(Kind::Values) => v1::AnswerKind::Values,
            Some(Kind::Rejected) => v1::AnswerKind::Rejected,
            Some(Kind::CannotDecide) => v1::AnswerKind::CannotDecide,
        };
        let values = values.into_iter().map(|FieldValue { field, value }| v1::FieldValue { field, value });
        Self { kind: kind.into(), values: values.collect(), reason }
    }
}

fn duration(seconds: f64) -> Result<prost_types::Duration, Fault> {
    let duration = Duration::try_from_secs_f64(seconds).ok();
    let duration = duration.and_then(|duration| prost_types::Duration::try_from(duration).ok());
    duration.ok_or_else(|| Fault::invalid("ttl must be a number of seconds"))
}

fn bytes(text: &str) -> Result<Vec<u8>, Fault> {
    BASE64_STANDARD.decode(text).map_err(|_| Fault::invalid("token must be as it was given"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_a_reviewer_never() {
        let body = r#"{"request_id":"r","review":{"job_id":1,"seq":9007199254740993},"token":"AAE=","reviewer":"else",
            "epoch":3,"answer":{"kind":"cannot_decide","reason":"smudged","values":[{"field":"a","value":"b"}]}}"#;
        let read = serde_json::from_str::<Decide>(body).unwrap().read().unwrap();
        assert_eq!((read.reviewer.as_str(), read.token), ("", vec![0, 1]));
        assert_eq!(read.review.unwrap().seq, 9_007_199_254_740_993);
        let answer = read.answer.unwrap();
        assert_eq!(answer.kind(), v1::AnswerKind::CannotDecide);
        assert_eq!((answer.reason.as_str(), answer.values[0].value.as_str()), ("smudged", "b"));
        let renew = serde_json::from_str::<Renew>(r#"{"ttl":10.5,"reviews":[]}"#).unwrap().read().unwrap();
        assert_eq!(renew.ttl, Some(prost_types::Duration { seconds: 10, nanos: 500_000_000 }));
        for wrong in [r#"{"ttl":-1}"#, r#"{"ttl":1e300}"#] {
            assert!(serde_json::from_str::<Renew>(wrong).unwrap().read().is_err());
        }
        assert!(serde_json::from_str::<Decide>(r#"{"token":"s3cret!"}"#).unwrap().read().is_err());
    }
}
