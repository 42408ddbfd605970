//! A scheduler that stops: health says so first, waiting calls return, calls under way finish.

use std::pin::pin;

use emend_proto::v1::{ImportRecordsRequest, LeaseUnitsRequest, WatchJobRequest};
use emend_scheduler::store::Store;
use emend_tests::database::Backend;
use emend_tests::scheduler::{Scheduler, jobs, work};
use futures::poll;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::support::{LIMIT, chunk, header, job_request, lease_request, make_job};

super::on_both_backends!(
    a_waiting_call_returns_and_says_drain,
    health_says_not_serving,
    a_call_under_way_finishes,
    a_stream_ends_with_a_reason,
    silent_clients_do_not_keep_it,
);

/// A call made on this connection before has reached the scheduler: frames come in their order.
async fn arrived(channel: &Channel) {
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
}

async fn a_waiting_call_returns_and_says_drain(backend: Backend) {
    let mut scheduler = Scheduler::start_with(backend, |config| config.poll = 60.0).await;
    let channel = scheduler.channel();
    arrived(&channel).await;
    let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let mut client = work(&channel);
    let mut call = pin!(client.lease_units(LeaseUnitsRequest { wait, ..lease_request("r", 1) }));
    assert!(poll!(&mut call).is_pending());
    arrived(&channel).await;
    scheduler.ask_to_stop();
    let answer = timeout(LIMIT, call).await.expect("it still waits").unwrap().into_inner();
    assert!(answer.leases.is_empty() && answer.drain);
    timeout(LIMIT, scheduler.stopped()).await.expect("it stops");
}

async fn health_says_not_serving(backend: Backend) {
    let mut scheduler = Scheduler::start_with(backend, |config| config.grace = 0.5).await;
    let mut watches = Vec::new();
    for service in ["", "emend.v1.JobService", "emend.v1.WorkService"] {
        let request = HealthCheckRequest { service: service.into() };
        let mut watch = HealthClient::new(scheduler.channel()).watch(request).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
        watches.push((service, watch));
    }
    scheduler.ask_to_stop();
    for (service, mut watch) in watches {
        let told = timeout(LIMIT, watch.message()).await.expect("watchers are told").unwrap().unwrap();
        assert_eq!(told.status(), ServingStatus::NotServing, "{service:?}");
    }
    timeout(LIMIT, scheduler.stopped()).await.expect("it stops");
}

async fn a_call_under_way_finishes(backend: Backend) {
    let mut scheduler = Scheduler::start_with(backend, |config| config.grace = 20.0).await;
    let channel = scheduler.channel();
    jobs(&channel).create_job(job_request("j")).await.unwrap();
    let mut watch = HealthClient::new(scheduler.channel())
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap();
    let (parts, stream) = mpsc::channel::<ImportRecordsRequest>(4);
    parts.send(header("j", "file")).await.unwrap();
    parts.send(chunk(0, 1, 4, false)).await.unwrap();
    let mut client = jobs(&channel);
    let mut call = pin!(client.import_records(ReceiverStream::new(stream)));
    assert!(poll!(&mut call).is_pending());
    arrived(&channel).await;
    scheduler.ask_to_stop();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop(watch);
    parts.send(chunk(4, 5, 6, true)).await.unwrap();
    drop(parts);
    let import = timeout(LIMIT, call).await.expect("it finishes").unwrap().into_inner().import.unwrap();
    assert!(import.finished && import.accepted == 6, "{import:?}");
    timeout(LIMIT, scheduler.stopped()).await.expect("it stops");
    // Whatever was answered is there, and the store is free for the next scheduler.
    let store = Store::open(&scheduler.database.url, 2).await.unwrap();
    let job = store.jobs(i64::MAX, 9).await.unwrap().remove(0);
    assert_eq!(store.progress(job.id).await.unwrap().records, 6);
    store.close().await;
}

async fn a_stream_ends_with_a_reason(backend: Backend) {
    let mut scheduler = Scheduler::start(backend).await;
    let channel = scheduler.channel();
    make_job(&channel, "j", 4).await;
    let request = WatchJobRequest { job: "j".into(), resume_token: String::new() };
    let mut watch = jobs(&channel).watch_job(request).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().job.unwrap().name, "j");
    scheduler.ask_to_stop();
    let ended = loop {
        match timeout(LIMIT, watch.message()).await.expect("the stream ends") {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended as if the job had"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::Unavailable, "{ended:?}");
    timeout(LIMIT, scheduler.stopped()).await.expect("it stops");
}

/// A connection that says nothing would keep a graceful stop waiting for ever.
async fn silent_clients_do_not_keep_it(backend: Backend) {
    let mut scheduler = Scheduler::start_with(backend, |config| config.grace = 0.5).await;
    let silent = tokio::net::TcpStream::connect(scheduler.address).await.unwrap();
    let talking = scheduler.channel();
    arrived(&talking).await;
    scheduler.ask_to_stop();
    timeout(LIMIT, scheduler.stopped()).await.expect("it stops");
    drop(silent);
    let late = HealthClient::new(talking).check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(late.code(), Code::Unavailable);
}
