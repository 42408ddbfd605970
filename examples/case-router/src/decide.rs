//! From the case system back to Emend: what is answered there becomes a decision.
//!
//! Reviews are pulled, never picked, so this router is a reviewer like any other, under one name: it holds the few that
//! it is given, waits until their cases are answered, and is given the next. An answer to a case whose review is not its
//! own yet waits in the case system. Where two people must agree, it is one of them, and somebody else is the other.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::review_service_client::ReviewServiceClient;
use emend_proto::v1::{
    self, AnswerKind, DecideRequest, FieldValue, LeaseReviewsRequest, ReleaseReviewsRequest, ReviewLease,
    ReviewRef, SkipReviewRequest,
};
use emend_worker::endpoints::{Endpoints, Line};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::cases::{Answer, CaseSystem};
use crate::event::name;
use crate::route::{open, patience};

/// Reviews held at a time: the most that there may be.
const HELD: u32 = 3;

/// Whom the router acts for, and what it takes.
#[derive(Debug)]
pub(crate) struct Reviewer {
    /// A name of its own when its token is an operator's; empty when it is a reviewer's.
    pub(crate) name: String,
    /// Findings or fields; empty: all.
    pub(crate) skills: Vec<String>,
    /// How often answers are looked for. Far more often than a lease runs out: each look extends what is held.
    pub(crate) look: Duration,
}

/// Decides until `stop`, and hands back what is not decided then.
pub(crate) async fn run(
    reviewer: &Reviewer,
    schedulers: &Endpoints,
    cases: &impl CaseSystem,
    stop: &CancellationToken,
) {
    let work = async {
        let mut opened = HashSet::new();
        loop {
            if let Err(error) = round(reviewer, schedulers, cases, &mut opened).await {
                tracing::warn!(error = %format!("{error:#}"), "answers wait");
            }
            tokio::time::sleep(reviewer.look).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
    let request = ReleaseReviewsRequest { reviewer: reviewer.name.clone() };
    let patience = patience();
    let released = schedulers.call(&patience, |line| {
        let (mut reviews, request) = (reviews(line), request.clone());
        async move { reviews.release_reviews(request).await }
    });
    if let Err(status) = released.await {
        tracing::warn!(reason = status.message(), "what is held is free when its leases run out");
    }
}

/// Takes what there is, and decides what is answered. Asked again, the same reviews come, for another twenty minutes.
async fn round(
    reviewer: &Reviewer,
    schedulers: &Endpoints,
    cases: &impl CaseSystem,
    opened: &mut HashSet<String>,
) -> Result<()> {
    let request = LeaseReviewsRequest {
        reviewer: reviewer.name.clone(),
        skills: reviewer.skills.clone(),
        max_reviews: HELD,
        ..LeaseReviewsRequest::default()
    };
    let call = |line| {
        let (mut reviews, request) = (reviews(line), request.clone());
        async move { reviews.lease_reviews(request).await }
    };
    let held = schedulers.call(&patience(), call).await.context("leasing reviews")?.into_inner();
    for lease in held.leases {
        let review = lease.review.context("a lease is of a review")?;
        let case = name(review.job_id, review.seq);
        if let Some(answer) = cases.answer(&case).await.context("the case system")? {
            decide(reviewer, schedulers, cases, &case, (lease, review), answer).await?;
        } else if opened.contains(&case) || open(schedulers, cases, review.job_id, review.seq).await? {
            opened.insert(case);
        } else {
            // Not for this system: a record that rules corrected, and that people only look into.
            skip(reviewer, schedulers, review).await?;
        }
    }
    Ok(())
}

async fn decide(
    reviewer: &Reviewer,
    schedulers: &Endpoints,
    cases: &impl CaseSystem,
    case: &str,
    (lease, review): (ReviewLease, ReviewRef),
    answer: Answer,
) -> Result<()> {
    let round = lease.card.map(|card| card.round).unwrap_or_default();
    let request = DecideRequest {
        reviewer: reviewer.name.clone(),
        // The same whenever the call is sent again, and another one should the question come up anew.
        request_id: format!("{case}-{round}-{}", hex(lease.token.get(..8).unwrap_or_default())),
        review: Some(review),
        token: lease.token,
        answer: Some(said(answer)),
    };
    let call = |line| {
        let (mut reviews, request) = (reviews(line), request.clone());
        async move { reviews.decide(request).await }
    };
    match schedulers.call(&patience(), call).await.map(tonic::Response::into_inner) {
        Ok(told) if told.decision.is_some() => tracing::info!(case, "decided"),
        Ok(_) => tracing::info!(case, "somebody else has decided"),
        // Its people have to answer otherwise: the reason names fields, and no values.
        Err(status) if status.code() == Code::InvalidArgument => {
            tracing::warn!(case, reason = status.message(), "the answer cannot be taken");
            cases.refuse(case).await.context("the case system")?;
        }
        Err(status) if status.code() == Code::FailedPrecondition => {
            tracing::warn!(case, reason = status.message(), "the review is no longer this router's");
        }
        Err(status) => return Err(status).context("deciding"),
    }
    Ok(())
}

async fn skip(reviewer: &Reviewer, schedulers: &Endpoints, review: ReviewRef) -> Result<(), Status> {
    let request = SkipReviewRequest { reviewer: reviewer.name.clone(), review: Some(review) };
    let call = |line| {
        let (mut reviews, request) = (reviews(line), request.clone());
        async move { reviews.skip_review(request).await }
    };
    schedulers.call(&patience(), call).await.map(drop)
}

fn reviews(line: Line) -> ReviewServiceClient<Line> {
    ReviewServiceClient::new(line).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

fn said(answer: Answer) -> v1::Answer {
    let reasoned = |kind: AnswerKind, reason| v1::Answer { kind: kind.into(), reason, values: Vec::new() };
    match answer {
        Answer::Values(values) => {
            let values = values.into_iter().map(|(field, value)| FieldValue { field, value }).collect();
            v1::Answer { kind: AnswerKind::Values.into(), values, reason: String::new() }
        }
        Answer::Rejected(reason) => reasoned(AnswerKind::Rejected, reason),
        Answer::CannotDecide(reason) => reasoned(AnswerKind::CannotDecide, reason),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
