//! The long poll of LeaseUnits.

use std::time::{Duration, Instant};

use emend_proto::v1::{LeaseUnitsRequest, LeaseUnitsResponse};
use emend_tests::database::Backend;
use emend_tests::scheduler::{Scheduler, jobs, work};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::support::{LIMIT, chunk, header, job_request, lease, lease_request};

super::on_both_backends!(
    a_waiting_call_hears_of_new_units,
    a_waiting_call_ends_before_its_callers_deadline,
    a_call_that_does_not_wait_answers_at_once,
);

fn waiting(seconds: i64) -> LeaseUnitsRequest {
    let wait = Some(prost_types::Duration { seconds, nanos: 0 });
    LeaseUnitsRequest { wait, ..lease_request(&format!("r-{}", emend_tests::worker::number()), 1) }
}

async fn ask(channel: Channel, request: LeaseUnitsRequest) -> Result<LeaseUnitsResponse, Status> {
    work(&channel).lease_units(request).await.map(tonic::Response::into_inner)
}

/// Polls are so rare here that only the bell can have been heard.
async fn a_waiting_call_hears_of_new_units(backend: Backend) {
    let scheduler = Scheduler::start_with(backend, |config| config.poll = 60.0).await;
    let channel = scheduler.channel();
    jobs(&channel).create_job(job_request("j")).await.unwrap();
    let mut calls = JoinSet::new();
    for round in 0..5_u64 {
        calls.spawn(ask(channel.clone(), waiting(60)));
        let n = i64::try_from(round).unwrap() + 1;
        let parts = vec![header("j", "file"), chunk(round, n, n, false)];
        jobs(&channel).import_records(tokio_stream::iter(parts)).await.unwrap();
        let heard = timeout(LIMIT, calls.join_next()).await.expect("the bell was not heard");
        let leases = heard.unwrap().unwrap().unwrap().leases;
        assert_eq!(leases.iter().map(|lease| lease.first_seq).collect::<Vec<_>>(), [round + 1]);
    }
    scheduler.stop().await;
}

async fn a_waiting_call_ends_before_its_callers_deadline(backend: Backend) {
    let scheduler = Scheduler::start(backend).await;
    let channel = scheduler.channel();
    lease(&channel, "connect", 1).await.unwrap();
    let begun = Instant::now();
    let mut request = Request::new(waiting(60));
    request.set_timeout(Duration::from_secs(3));
    let answer = work(&channel).lease_units(request).await.expect("an answer, not a time-out").into_inner();
    assert!(answer.leases.is_empty() && !answer.drain);
    assert!(
        (Duration::from_secs(2)..Duration::from_secs(3)).contains(&begun.elapsed()),
        "{:?}",
        begun.elapsed()
    );
    scheduler.stop().await;
}

async fn a_call_that_does_not_wait_answers_at_once(backend: Backend) {
    let scheduler = Scheduler::start_with(backend, |config| config.poll = 60.0).await;
    let answer = timeout(LIMIT, lease(&scheduler.channel(), "r", 1)).await.expect("it does not wait");
    assert!(answer.unwrap().leases.is_empty());
    scheduler.stop().await;
}
