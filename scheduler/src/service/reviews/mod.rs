//! `ReviewService`: people take reviews, and answer them.

mod card;
mod decide;
mod known;
mod look;
mod read;
mod shelf;

use emend_proto::v1::review_service_server::ReviewService;
use emend_proto::v1::{self};
use tonic::{Code, Request, Response, Status};

pub(super) use look::{Clusters, Queues, answer_kind, decision, seen};
pub(super) use shelf::Shared;

use super::accounts::who;
use super::work::proto_duration;
use super::{App, page_size, status};
use crate::ids;
use crate::store::{ReviewAsk, Reviewer};
use read::TTL;

type Answer<T> = Result<Response<T>, Status>;

/// Reviews held at a time, but for clusters.
const MOST_HELD: u32 = 3;
/// Reviews in one call, at most.
const MOST_NAMED: usize = 200;

#[tonic::async_trait]
impl ReviewService for App {
    async fn lease_reviews(
        &self,
        request: Request<v1::LeaseReviewsRequest>,
    ) -> Answer<v1::LeaseReviewsResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let lead = read::is_lead(&request, request.get_ref().lead);
        let request = request.into_inner();
        let job_id = self.job_asked(&request.job).await?;
        let token = ids::token();
        let skills = (!request.skills.is_empty()).then_some(request.skills);
        let ask = ReviewAsk {
            reviewer: Reviewer { name: name.clone(), lead, skills },
            job_id,
            finding: request.finding,
            most: request.max_reviews.clamp(1, MOST_HELD),
            token: token.clone(),
            ttl: TTL,
        };
        let now = self.clock.now();
        let leased = self.store.lease_reviews(ask, now).await.map_err(status::from_store)?;
        if leased.own.paused {
            return Err(known::paused());
        }
        let mut leases = Vec::with_capacity(leased.held.len());
        for held in &leased.held {
            leases.push(v1::ReviewLease {
                review: Some(read::view(held.at)),
                token: token.secret().to_vec(),
                expires_in: Some(proto_duration(held.expires_at.since(now))),
                card: Some(self.leased_card(held, &leased).await.map_err(status::from_store)?),
            });
        }
        let queue = Some(self.queue(job_id, leased.own).await?);
        Ok(Response::new(v1::LeaseReviewsResponse { leases, queue }))
    }

    async fn renew_reviews(
        &self,
        request: Request<v1::RenewReviewsRequest>,
    ) -> Answer<v1::RenewReviewsResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let request = request.into_inner();
        let reviews = read::reviews(&request.reviews, MOST_NAMED)?;
        let ttl = read::ttl(request.ttl);
        let lost = self.store.renew_reviews(name, reviews, ttl, self.clock.now()).await;
        let lost = lost.map_err(status::from_store)?.into_iter().map(read::view).collect();
        Ok(Response::new(v1::RenewReviewsResponse { lost }))
    }

    async fn save_draft(&self, request: Request<v1::SaveDraftRequest>) -> Answer<v1::SaveDraftResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let request = request.into_inner();
        let at = read::review(request.review.as_ref())?;
        let draft = decide::draft(request.draft.as_ref())?;
        self.store.save_draft(at, name, draft).await.map_err(status::from_store)?;
        Ok(Response::new(v1::SaveDraftResponse {}))
    }

    async fn decide(&self, request: Request<v1::DecideRequest>) -> Answer<v1::DecideResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        self.decide_one(name, request.into_inner()).await.map(Response::new)
    }

    async fn skip_review(&self, request: Request<v1::SkipReviewRequest>) -> Answer<v1::SkipReviewResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let at = read::review(request.get_ref().review.as_ref())?;
        self.store.skip_review(at, name).await.map_err(status::from_store)?;
        Ok(Response::new(v1::SkipReviewResponse {}))
    }

    async fn release_reviews(
        &self,
        request: Request<v1::ReleaseReviewsRequest>,
    ) -> Answer<v1::ReleaseReviewsResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let released = self.store.release_reviews(name).await.map_err(status::from_store)?;
        Ok(Response::new(v1::ReleaseReviewsResponse { released }))
    }

    async fn undo_decision(
        &self,
        request: Request<v1::UndoDecisionRequest>,
    ) -> Answer<v1::UndoDecisionResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let id = i64::try_from(request.get_ref().decision_id)
            .map_err(|_| status::invalid("decision_id", "is out of range"))?;
        let reopened = self.store.undo_decision(id, name, TTL, self.clock.now()).await;
        let reopened = reopened.map_err(status::from_store)?;
        tracing::info!(decision_id = id, reopened, "decision taken back");
        Ok(Response::new(v1::UndoDecisionResponse { reopened: u32::try_from(reopened).unwrap_or(u32::MAX) }))
    }

    async fn lease_cluster(
        &self,
        request: Request<v1::LeaseClusterRequest>,
    ) -> Answer<v1::LeaseClusterResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let at = read::review(request.get_ref().review.as_ref())?;
        let (token, now) = (ids::token(), self.clock.now());
        let held = self.store.lease_cluster(at, name, token.clone(), TTL, now).await;
        let members = held.map_err(status::from_store)?.into_iter().map(|held| read::view(held.at));
        let (members, token) = (members.collect(), token.secret().to_vec());
        Ok(Response::new(v1::LeaseClusterResponse { members, token }))
    }

    async fn open_review(&self, request: Request<v1::OpenReviewRequest>) -> Answer<v1::OpenReviewResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let at = read::review(request.get_ref().review.as_ref())?;
        let held = self.store.open_review(at, name, self.clock.now()).await.map_err(status::from_store)?;
        let card = Some(self.card(&held).await.map_err(status::from_store)?);
        Ok(Response::new(v1::OpenReviewResponse { card }))
    }

    async fn decide_cluster(
        &self,
        request: Request<v1::DecideClusterRequest>,
    ) -> Answer<v1::DecideClusterResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        self.decide_many(name, request.into_inner()).await.map(Response::new)
    }

    async fn reveal_field(
        &self,
        request: Request<v1::RevealFieldRequest>,
    ) -> Answer<v1::RevealFieldResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        self.reveal(name, request.into_inner()).await.map(Response::new)
    }

    async fn list_decisions(
        &self,
        request: Request<v1::ListDecisionsRequest>,
    ) -> Answer<v1::ListDecisionsResponse> {
        let name = read::reviewer(&request, &request.get_ref().reviewer)?;
        let request = request.into_inner();
        let before = match super::page_after(&request.page_token)? {
            0 => i64::MAX,
            before => before,
        };
        let limit = page_size(request.page_size, 50, 500);
        let job_id = self.job_asked(&request.job).await?;
        let found = self.store.decisions_by(name, job_id, before, limit).await;
        let found = found.map_err(status::from_store)?;
        let next = found.last().filter(|_| found.len() == limit as usize);
        let next_page_token = next.map(|last| last.decision_id.to_string()).unwrap_or_default();
        let now = self.clock.now();
        let decisions = found.into_iter().map(|logged| decision(logged, now)).collect();
        Ok(Response::new(v1::ListDecisionsResponse { decisions, next_page_token }))
    }

    async fn add_known_answers(
        &self,
        request: Request<v1::AddKnownAnswersRequest>,
    ) -> Answer<v1::AddKnownAnswersResponse> {
        let by = who(&request);
        self.add_known(by, request.into_inner()).await.map(Response::new)
    }

    async fn resume_reviewer(
        &self,
        request: Request<v1::ResumeReviewerRequest>,
    ) -> Answer<v1::ResumeReviewerResponse> {
        let by = who(&request);
        self.resume(by, request.into_inner()).await.map(Response::new)
    }
}

/// Fewer samples were opened than a look into a cluster needs.
fn samples_missing(opened: i64, needed: i64) -> Status {
    let message = format!("{opened} of its reviews were opened, {needed} are needed");
    status::with_reason(Code::FailedPrecondition, "SAMPLES_MISSING", message)
}
