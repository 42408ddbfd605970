//! More calls than the store can answer: the least urgent are turned away first, and what settles work last.

use std::time::{Duration, Instant};

use emend_proto::v1::{CommitUnitsRequest, ExportRecordsRequest, GetJobRequest, HeartbeatRequest};
use emend_scheduler::store::Mutant;
use emend_tests::database::Backend;
use emend_tests::mutants::fails_on;
use emend_tests::scheduler::{Scheduler, jobs, work};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::support::{LIMIT, lease, make_job};

/// Whoever is taken on waits for longer than this.
const AT_ONCE: Duration = Duration::from_millis(500);

async fn get(channel: Channel) -> Result<(), Status> {
    jobs(&channel).get_job(GetJobRequest { job: "j".into(), with_tallies: false }).await.map(drop)
}

async fn export(channel: Channel) -> Result<(), Status> {
    let request = ExportRecordsRequest { job: "j".into(), partial: true, ..Default::default() };
    jobs(&channel).export_records(request).await.map(drop)
}

async fn settle(channel: Channel) -> Result<(), Status> {
    let request = HeartbeatRequest { worker_id: "w".into(), ..Default::default() };
    work(&channel).heartbeat(request).await?;
    let request = CommitUnitsRequest { worker_id: "w".into(), ..Default::default() };
    work(&channel).commit_units(request).await.map(drop)
}

/// Makes calls until one is turned away; answers how many were taken on before it.
async fn until_refused<F>(calls: &mut JoinSet<Result<(), Status>>, call: impl Fn() -> F) -> usize
where
    F: Future<Output = Result<(), Status>> + Send + 'static,
{
    for taken in 0..200 {
        calls.spawn(call());
        let Ok(ended) = timeout(Duration::from_millis(5), calls.join_next()).await else { continue };
        let refused = ended.unwrap().unwrap().expect_err("the store is held");
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
        assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
        return taken;
    }
    panic!("two hundred calls wait");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_urgent_calls_are_turned_away_first() {
    the_least_urgent_go_first().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_turns_nobody_away_is_noticed() {
    fails_on(Mutant::NeverSheds, "calls wait", the_least_urgent_go_first()).await;
}

async fn the_least_urgent_go_first() {
    let scheduler = Scheduler::start_with(Backend::Postgres, |config| config.connections = 2).await;
    let channel = scheduler.channel();
    make_job(&channel, "j", 2).await;
    let hold = scheduler.database.hold().await;
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    let exports = until_refused(&mut calls, || export(channel.clone())).await;
    let gets = until_refused(&mut calls, || get(channel.clone())).await;
    assert!(exports >= 16 && gets >= 16, "{exports} exports, {gets} gets were taken on");
    // Exports are still turned away, and at once; leases, beats and commits are taken on.
    let refused =
        timeout(2 * AT_ONCE, export(channel.clone())).await.expect("a refusal is quick").unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let mut urgent = JoinSet::new();
    urgent.spawn(settle(channel.clone()));
    urgent.spawn({
        let channel = channel.clone();
        async move { lease(&channel, "r", 1).await.map(drop) }
    });
    let ended = timeout(AT_ONCE, urgent.join_next()).await;
    assert!(ended.is_err(), "what settles work was not taken on: {ended:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "longer than calls wait for a connection");
    hold.let_go().await;
    for answer in timeout(LIMIT, urgent.join_all()).await.unwrap().into_iter().chain(calls.join_all().await) {
        answer.expect("what was taken on is answered");
    }
    // The queue is gone, and with it the refusals.
    export(channel.clone()).await.unwrap();
    scheduler.stop().await;
}
