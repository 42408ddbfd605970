//! Which scheduler a call goes to, and when it is made again.

use std::time::Duration;

use emend_proto::v1::work_service_client::WorkServiceClient;
use emend_proto::v1::{LeaseUnitsRequest, LeaseUnitsResponse};
use emend_worker::endpoints::{Endpoints, RetryPolicy};
use tokio::net::TcpListener;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::support::{Heard, Scheduler, lease};

/// A URL at which nobody listens.
async fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn policy(millis: u64) -> RetryPolicy {
    let limit = Duration::from_millis(millis);
    RetryPolicy { min_delay: Duration::from_millis(5), ..RetryPolicy::within(limit, limit) }
}

async fn call(endpoints: &Endpoints, policy: &RetryPolicy) -> Result<LeaseUnitsResponse, Status> {
    let request = LeaseUnitsRequest { max_units: 1, ..LeaseUnitsRequest::default() };
    let attempt = |channel| {
        let request = request.clone();
        async move { Ok(WorkServiceClient::new(channel).lease_units(request).await?.into_inner()) }
    };
    endpoints.call(policy, attempt).await
}

#[tokio::test]
async fn a_dead_scheduler_is_passed_over_once() {
    let mut scheduler = Scheduler::start().await;
    let endpoints = Endpoints::new(&[dead().await, scheduler.url.clone()]).unwrap();
    scheduler.fake.add([lease(1, &["ok"])]);
    assert_eq!(call(&endpoints, &policy(10_000)).await.unwrap().leases.len(), 1);
    // The clone is with the living one from the start: a policy without time for a retry is enough.
    assert!(call(&endpoints.clone(), &policy(10_000)).await.is_ok());
    assert_eq!(scheduler.heard().len(), 2);
}

#[tokio::test]
async fn the_last_word_tells_who_was_tried_and_why() {
    let (one, two) = (dead().await, dead().await);
    let endpoints = Endpoints::new(&[one.clone(), two.clone()]).unwrap();
    let status = call(&endpoints, &policy(200)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    for part in [one.as_str(), two.as_str(), "no scheduler can be reached", "refused"] {
        assert!(status.message().contains(part), "{}", status.message());
    }
}

#[tokio::test]
async fn a_silent_scheduler_costs_its_call_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheduler = Scheduler::start().await;
    scheduler.fake.add([lease(1, &["ok"])]);
    let url = format!("http://{}", silent.local_addr().unwrap());
    let endpoints = Endpoints::new(&[url, scheduler.url.clone()]).unwrap();
    let patient = RetryPolicy::within(Duration::from_millis(100), Duration::from_secs(10));
    assert_eq!(call(&endpoints, &patient).await.unwrap().leases.len(), 1);
}

#[tokio::test]
async fn an_overloaded_scheduler_is_given_its_time() {
    let mut scheduler = Scheduler::start().await;
    scheduler.fake.add([lease(1, &["ok"])]);
    let asked = Duration::from_millis(80);
    let details = ErrorDetails::with_retry_info(Some(asked));
    let busy = Status::with_error_details(Code::ResourceExhausted, "too much to do", details);
    scheduler.fake.script().lease_errors.push_back(busy.clone());
    let endpoints = Endpoints::new(&[scheduler.url.clone()]).unwrap();
    let begin = tokio::time::Instant::now();
    assert_eq!(call(&endpoints, &policy(10_000)).await.unwrap().leases.len(), 1);
    assert!(begin.elapsed() >= asked);
    assert_eq!(scheduler.heard().len(), 2);
    // Without the time that it asks for, the call ends at once, with what was said.
    scheduler.fake.script().lease_errors.push_back(busy);
    let status = call(&endpoints, &policy(50)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("overloaded") && status.message().contains("too much to do"));
    assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(asked));
}

/// Two schedulers, the one that the endpoints are with in front.
async fn two() -> (Endpoints, Scheduler, Scheduler) {
    let (mut one, mut two) = (Scheduler::start().await, Scheduler::start().await);
    let endpoints = Endpoints::new(&[one.url.clone(), two.url.clone()]).unwrap();
    call(&endpoints, &policy(10_000)).await.unwrap();
    let (with_one, with_two) = (one.heard().len(), two.heard().len());
    assert_eq!(with_one + with_two, 1);
    if with_one == 1 { (endpoints, one, two) } else { (endpoints, two, one) }
}

fn exhausted(reason: &str, asked: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(asked));
    details.set_error_info(reason, "emend", std::collections::HashMap::new());
    Status::with_error_details(Code::ResourceExhausted, reason, details)
}

#[tokio::test]
async fn an_overloaded_scheduler_is_left_for_another_at_once() {
    let (endpoints, mut with, mut other) = two().await;
    let hour = Duration::from_secs(3600);
    with.fake.script().lease_errors.push_back(exhausted("OVERLOADED", hour));
    assert!(call(&endpoints, &policy(10_000)).await.is_ok());
    assert_eq!((with.heard().len(), other.heard().len()), (1, 1));
    // When all have too much to do, the time that the last one asks for is given to the first.
    let asked = Duration::from_millis(80);
    other.fake.script().lease_errors.push_back(exhausted("OVERLOADED", hour));
    with.fake.script().lease_errors.push_back(exhausted("OVERLOADED", asked));
    let begin = tokio::time::Instant::now();
    assert!(call(&endpoints, &policy(10_000)).await.is_ok());
    assert!(begin.elapsed() >= asked);
    assert_eq!((with.heard().len(), other.heard().len()), (1, 2));
}

#[tokio::test]
async fn a_full_store_is_no_reason_to_go_elsewhere() {
    let (endpoints, mut with, mut other) = two().await;
    let asked = Duration::from_millis(80);
    with.fake.script().lease_errors.push_back(exhausted("STORE_FULL", asked));
    let begin = tokio::time::Instant::now();
    assert!(call(&endpoints, &policy(10_000)).await.is_ok());
    assert!(begin.elapsed() >= asked);
    assert_eq!((with.heard().len(), other.heard().len()), (2, 0));
    with.fake.script().lease_errors.push_back(exhausted("STORE_FULL", asked));
    let status = call(&endpoints, &policy(50)).await.unwrap_err();
    assert!(status.message().contains("store is full"), "{}", status.message());
    assert!(!status.message().contains(&other.url), "{}", status.message());
}

#[tokio::test]
async fn a_refusal_is_returned_as_it_came() {
    let mut scheduler = Scheduler::start().await;
    let endpoints = Endpoints::new(&[scheduler.url.clone()]).unwrap();
    scheduler.fake.script().lease_errors.push_back(Status::invalid_argument("worker_id is missing"));
    let status = call(&endpoints, &policy(10_000)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "worker_id is missing"));
    assert!(matches!(scheduler.heard()[..], [Heard::Lease(_)]));
}

#[tokio::test]
async fn a_broken_line_is_an_unknown_outcome() {
    let mut scheduler = Scheduler::start().await;
    let endpoints = Endpoints::new(&[scheduler.url.clone()]).unwrap();
    let request = LeaseUnitsRequest {
        max_units: 1,
        wait: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        ..LeaseUnitsRequest::default()
    };
    let attempt = |channel| {
        let request = request.clone();
        async move { Ok(WorkServiceClient::new(channel).lease_units(request).await?.into_inner()) }
    };
    let policy = policy(15_000);
    let calling = endpoints.call(&policy, attempt);
    let fake = scheduler.fake.clone();
    let cutting = async {
        scheduler.hears_lease().await;
        fake.cut();
        fake.add([lease(1, &["ok"])]);
        scheduler.hears_lease().await;
    };
    let (answer, ()) = tokio::join!(calling, cutting);
    assert!(answer.is_ok(), "{answer:?}");
}
