//! The answer is lost on every call of a reviewer that changes something.

use emend_proto::encode;
use emend_proto::v1::review_service_client::ReviewServiceClient;
use emend_proto::v1::{
    AddKnownAnswersRequest, Answer, AnswerKind, CommitUnitsRequest, DecideClusterRequest, DecideRequest,
    FieldValue, KnownAnswer, LeaseClusterRequest, LeaseReviewsRequest, OpenReviewRequest,
    ReleaseReviewsRequest, RenewReviewsRequest, ResumeReviewerRequest, RevealFieldRequest, ReviewLease,
    ReviewRef, SaveDraftRequest, SkipReviewRequest, UndoDecisionRequest, UnitCommit,
};
use emend_tests::database::Backend;
use emend_tests::records::routed;
use emend_tests::scheduler::work;
use tonic::transport::Channel;

use super::lost_answers::Rig;
use super::support::{lease, make_job, reference};

const WHO: &str = "lan";

pub(crate) fn reviews(line: &Channel) -> ReviewServiceClient<Channel> {
    ReviewServiceClient::new(line.clone())
}

fn ask() -> LeaseReviewsRequest {
    LeaseReviewsRequest { reviewer: WHO.into(), max_reviews: 2, ..LeaseReviewsRequest::default() }
}

fn keep() -> Option<Answer> {
    let values = vec![FieldValue { field: "n".into(), value: "0".into() }];
    Some(Answer { kind: AnswerKind::Values.into(), values, reason: String::new() })
}

/// A scheduler with two reviews, both in the reviewer's hands.
async fn rig(backend: Backend) -> (Rig, Vec<ReviewLease>) {
    let rig = Rig::start(backend).await;
    make_job(&rig.sound, "j", 2).await;
    let unit = lease(&rig.sound, "r", 1).await.unwrap().leases.remove(0);
    let results = Some(encode(&[routed(1), routed(2)]));
    let commits = vec![UnitCommit { lease: Some(reference(&unit)), results }];
    work(&rig.sound).commit_units(CommitUnitsRequest { worker_id: "w".into(), commits }).await.unwrap();
    rig.scheduler.database.execute("UPDATE reviews SET alike = 7").await;
    let leases = reviews(&rig.sound).lease_reviews(ask()).await.unwrap().into_inner().leases;
    assert_eq!(leases.len(), 2);
    (rig, leases)
}

fn decide(lease: &ReviewLease) -> DecideRequest {
    DecideRequest {
        reviewer: WHO.into(),
        request_id: "once".into(),
        review: lease.review,
        token: lease.token.clone(),
        answer: keep(),
    }
}

async fn decisions(rig: &Rig) -> i64 {
    rig.scheduler.database.int("SELECT COUNT(*) FROM decisions").await
}

pub(crate) async fn lease_reviews(backend: Backend) {
    let (rig, first) = rig(backend).await;
    let again = rig.lose_then(async |line| reviews(&line).lease_reviews(ask()).await).await.unwrap();
    let seen = |leases: &[ReviewLease]| leases.iter().map(|lease| lease.review).collect::<Vec<_>>();
    assert_eq!(seen(&again.into_inner().leases), seen(&first), "the same reviews");
    rig.stop().await;
}

pub(crate) async fn renew_reviews(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let held: Vec<ReviewRef> = leases.iter().filter_map(|lease| lease.review).collect();
    let renew = || RenewReviewsRequest { reviewer: WHO.into(), ttl: None, reviews: held.clone() };
    let again = rig.lose_then(async |line| reviews(&line).renew_reviews(renew()).await).await.unwrap();
    assert_eq!(again.into_inner().lost, []);
    rig.stop().await;
}

pub(crate) async fn save_draft(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let save = || SaveDraftRequest { reviewer: WHO.into(), review: leases[0].review, draft: keep() };
    rig.lose_then(async |line| reviews(&line).save_draft(save()).await).await.unwrap();
    let leases = reviews(&rig.sound).lease_reviews(ask()).await.unwrap().into_inner().leases;
    assert_eq!(leases[0].card.as_ref().unwrap().draft, keep());
    rig.stop().await;
}

pub(crate) async fn decide_one(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let again = rig.lose_then(async |line| reviews(&line).decide(decide(&leases[0])).await).await.unwrap();
    let again = again.into_inner();
    assert!(again.replayed && again.decision.is_some(), "{again:?}");
    assert_eq!(decisions(&rig).await, 1);
    rig.stop().await;
}

pub(crate) async fn skip_review(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let skip = || SkipReviewRequest { reviewer: WHO.into(), review: leases[0].review };
    rig.lose_then(async |line| reviews(&line).skip_review(skip()).await).await.unwrap();
    let left = reviews(&rig.sound).lease_reviews(ask()).await.unwrap().into_inner();
    assert_eq!((left.leases.len(), left.queue.unwrap().passed), (1, 1));
    rig.stop().await;
}

pub(crate) async fn release_reviews(backend: Backend) {
    let (rig, _) = rig(backend).await;
    let release = || ReleaseReviewsRequest { reviewer: WHO.into() };
    let again = rig.lose_then(async |line| reviews(&line).release_reviews(release()).await).await.unwrap();
    assert_eq!(again.into_inner().released, 0, "they were free already");
    rig.stop().await;
}

pub(crate) async fn undo_decision(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let decided = reviews(&rig.sound).decide(decide(&leases[0])).await.unwrap().into_inner();
    let decision_id = decided.decision.unwrap().decision_id;
    let undo = || UndoDecisionRequest { reviewer: WHO.into(), decision_id };
    let again = rig.lose_then(async |line| reviews(&line).undo_decision(undo()).await).await.unwrap();
    assert_eq!((again.into_inner().reopened, decisions(&rig).await), (0, 2));
    rig.stop().await;
}

pub(crate) async fn lease_cluster(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let hold = || LeaseClusterRequest { reviewer: WHO.into(), review: leases[0].review };
    let again = rig.lose_then(async |line| reviews(&line).lease_cluster(hold()).await).await.unwrap();
    assert_eq!(again.into_inner().members.len(), 2);
    rig.stop().await;
}

pub(crate) async fn open_review(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let open = || OpenReviewRequest { reviewer: WHO.into(), review: leases[0].review };
    let again = rig.lose_then(async |line| reviews(&line).open_review(open()).await).await.unwrap();
    assert!(again.into_inner().card.is_some());
    rig.stop().await;
}

pub(crate) async fn decide_cluster(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let members: Vec<ReviewRef> = leases.iter().filter_map(|lease| lease.review).collect();
    let decide = || DecideClusterRequest {
        reviewer: WHO.into(),
        request_id: "once".into(),
        members: members.clone(),
        token: leases[0].token.clone(),
        proposal: Some(0),
    };
    let again = rig.lose_then(async |line| reviews(&line).decide_cluster(decide()).await).await.unwrap();
    let again = again.into_inner();
    assert!(again.replayed && again.decision.unwrap().members == 2);
    assert_eq!(decisions(&rig).await, 1);
    rig.stop().await;
}

/// It changes the log alone, which tells of both times.
pub(crate) async fn reveal_field(backend: Backend) {
    let (rig, leases) = rig(backend).await;
    let reveal = || RevealFieldRequest {
        reviewer: WHO.into(),
        review: leases[0].review,
        field: "n".into(),
        reason: "to compare".into(),
    };
    let again = rig.lose_then(async |line| reviews(&line).reveal_field(reveal()).await).await.unwrap();
    assert_eq!(again.into_inner().value, "1");
    rig.stop().await;
}

pub(crate) async fn add_known_answers(backend: Backend) {
    let (rig, _) = rig(backend).await;
    let key = |seq: u64| emend_tests::records::records(seq.cast_signed(), seq.cast_signed()).remove(0).key;
    let values = vec![FieldValue { field: "n".into(), value: "0".into() }];
    let known = |key| KnownAnswer { key, values: values.clone() };
    let add = || AddKnownAnswersRequest {
        job: "j".into(),
        answers: vec![known(key(1)), known(key(2)), known("nobody".into())],
    };
    let again = rig.lose_then(async |line| reviews(&line).add_known_answers(add()).await).await.unwrap();
    let again = again.into_inner();
    assert_eq!((again.added, again.passed_over), (2, 1));
    assert_eq!(rig.scheduler.database.int("SELECT COUNT(*) FROM known_answers").await, 2);
    rig.stop().await;
}

pub(crate) async fn resume_reviewer(backend: Backend) {
    let (rig, _) = rig(backend).await;
    let pause =
        "INSERT INTO reviewer_pauses (reviewer, paused, at, after_decision) VALUES ('lan', TRUE, 0, 0)";
    rig.scheduler.database.execute(pause).await;
    // What it holds already it may finish; it gets no more.
    let refused = reviews(&rig.sound).lease_reviews(ask()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused:?}");
    let resume = || ResumeReviewerRequest { reviewer: WHO.into() };
    let again = rig.lose_then(async |line| reviews(&line).resume_reviewer(resume()).await).await.unwrap();
    assert!(!again.into_inner().resumed, "it goes on already");
    assert_eq!(reviews(&rig.sound).lease_reviews(ask()).await.unwrap().into_inner().leases.len(), 2);
    rig.stop().await;
}
