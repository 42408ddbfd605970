//! Connections that end by age, and callers that do not notice.

use std::time::{Duration, Instant};

use emend_proto::v1::job_service_client::JobServiceClient;
use emend_proto::v1::{LeaseUnitsRequest, ListJobsRequest};
use emend_scheduler::store::Mutant;
use emend_tests::database::Backend;
use emend_tests::mutants::fails_on;
use emend_tests::proxy::Proxy;
use emend_tests::scheduler::{Scheduler, work};
use emend_worker::endpoints::{Endpoints, RetryPolicy};

use super::support::lease_request;

super::on_both_backends!(
    a_connection_ends_by_age_and_no_call_fails,
    a_call_under_way_outlives_its_connections_age,
);

/// Three connections last for less than a second together.
const THREE_AGES: Duration = Duration::from_secs(10);

async fn a_connection_ends_by_age_and_no_call_fails(backend: Backend) {
    let scheduler = Scheduler::start_with(backend, |config| config.connection_age = 0.2).await;
    let proxy = Proxy::start(scheduler.address).await;
    let endpoints = Endpoints::new(&[format!("http://{}", proxy.address)]).unwrap();
    let (begun, mut calls) = (Instant::now(), 0);
    // Without a break: some call is always under way when a connection's time has come.
    while proxy.connections() < 4 {
        let call = |line| async { JobServiceClient::new(line).list_jobs(ListJobsRequest::default()).await };
        let answer = endpoints.call(&RetryPolicy::default(), call).await;
        answer.unwrap_or_else(|error| panic!("call {calls}: {error:?}"));
        calls += 1;
        assert!(begun.elapsed() < THREE_AGES, "{} connections in {calls} calls", proxy.connections());
    }
    // Three of them have had their time: not less than four fifths of the age each.
    assert!(begun.elapsed().as_secs_f64() >= 3.0 * 0.2 * 0.8, "{:?}", begun.elapsed());
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_ends_no_connection_is_noticed() {
    let test = a_connection_ends_by_age_and_no_call_fails(Backend::Sqlite);
    fails_on(Mutant::NeverAges, "1 connections in", test).await;
}

/// Nothing tries it again here: it is answered on the connection that it began on.
async fn a_call_under_way_outlives_its_connections_age(backend: Backend) {
    let scheduler = Scheduler::start_with(backend, |config| config.connection_age = 0.2).await;
    let wait = Some(prost_types::Duration { seconds: 1, nanos: 0 });
    let request = LeaseUnitsRequest { wait, ..lease_request("r", 1) };
    let begun = Instant::now();
    let answer = work(&scheduler.channel()).lease_units(request).await.expect("an answer").into_inner();
    assert!(answer.leases.is_empty() && begun.elapsed().as_secs_f64() > 0.9);
    scheduler.stop().await;
}
