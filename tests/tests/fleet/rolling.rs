//! Three schedulers are replaced one after another while clients make 500 calls a second: none of them sees an error.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use emend_proto::v1::job_service_client::JobServiceClient;
use emend_proto::v1::work_service_client::WorkServiceClient;
use emend_proto::v1::{GetJobRequest, HeartbeatRequest, LeaseUnitsRequest, ListUnitsRequest, PackRef};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process, Signal, eventually};
use emend_tests::slow;
use emend_worker::endpoints::{Endpoints, RetryPolicy};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::LIMIT;

const SCHEDULERS: usize = 3;
const CLIENTS: usize = 10;
/// Of one client: together they make 500 calls a second.
const EVERY: Duration = Duration::from_millis(20);
/// Calls beside each replacement, at least.
const BESIDE_EACH: u64 = 500;
/// No call takes longer: whoever goes to a scheduler that is gone is told so at once, and does not wait for it.
const SLOWEST: Duration = Duration::from_secs(5);

/// One of the calls that clients make, by turns.
async fn call(endpoints: &Endpoints, number: u64) -> Result<(), Status> {
    let policy = RetryPolicy::default();
    let nobody = format!("nobody-{number}");
    match number % 4 {
        0 => {
            let request = GetJobRequest { job: "rolled".into(), with_tallies: false };
            let call = |line| {
                let request = request.clone();
                async move { JobServiceClient::new(line).get_job(request).await.map(drop) }
            };
            endpoints.call(&policy, call).await
        }
        1 => {
            let request = ListUnitsRequest { job: "rolled".into(), page_size: 10, ..Default::default() };
            let call = |line| {
                let request = request.clone();
                async move { JobServiceClient::new(line).list_units(request).await.map(drop) }
            };
            endpoints.call(&policy, call).await
        }
        2 => {
            // Of a pack that no job has.
            let capabilities = vec![PackRef { name: "none".into(), version: "1".into() }];
            let (worker_id, request_id) = (nobody, "r".to_owned());
            let request = LeaseUnitsRequest {
                worker_id,
                request_id,
                capabilities,
                slots: 1,
                max_units: 1,
                ..Default::default()
            };
            let call = |line| {
                let request = request.clone();
                async move { WorkServiceClient::new(line).lease_units(request).await.map(drop) }
            };
            endpoints.call(&policy, call).await
        }
        _ => {
            let request = HeartbeatRequest { worker_id: nobody, ..Default::default() };
            let call = |line| {
                let request = request.clone();
                async move { WorkServiceClient::new(line).heartbeat(request).await.map(drop) }
            };
            endpoints.call(&policy, call).await
        }
    }
}

/// What the calls came to.
#[derive(Default)]
struct Seen {
    slowest: Duration,
    calls: u64,
    failed: Vec<Status>,
}

/// Calls at a steady pace, whatever becomes of those before, until `stop`.
async fn client(endpoints: Endpoints, numbers: &AtomicU64, stop: CancellationToken) -> Seen {
    let (mut calls, mut seen) = (JoinSet::new(), Seen::default());
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut note = |(took, answer): (Duration, Result<(), Status>)| {
        seen.calls += 1;
        seen.slowest = seen.slowest.max(took);
        seen.failed.extend(answer.err());
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = calls.join_next() => note(ended.unwrap()),
            _ = ticks.tick() => {
                let (endpoints, number) = (endpoints.clone(), numbers.fetch_add(1, Ordering::Relaxed));
                calls.spawn(async move {
                    let begun = Instant::now();
                    let answer = call(&endpoints, number).await;
                    (begun.elapsed(), answer)
                });
            }
        }
    }
    while let Some(ended) = calls.join_next().await {
        note(ended.unwrap());
    }
    seen
}

/// Replaces the schedulers, each by a new one at its place. So many calls are made beside each, however long it takes to
/// make them: that it is load does not rest on how fast the machine makes it.
async fn roll(deployment: &Deployment, schedulers: &mut [Process], made: &AtomicU64) -> Result<()> {
    for (at, scheduler) in schedulers.iter_mut().enumerate() {
        let before = made.load(Ordering::Relaxed);
        scheduler.signal(Signal::Terminate)?;
        scheduler.done(LIMIT).await?;
        *scheduler = deployment.scheduler(at).await?;
        let enough = async || (made.load(Ordering::Relaxed) >= before + BESIDE_EACH).then_some(());
        eventually("calls beside a replacement", LIMIT, enough).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedulers_are_replaced_under_load_and_no_call_fails() -> Result<()> {
    let _turn = super::turn().await;
    let server = Postgres::start(&[]);
    let deployment = Deployment::on(&server.url(&server.create_database().await))?
        .schedulers(SCHEDULERS)
        .set("EMEND__SCHEDULER__DRAIN_DELAY", 1)
        .set("EMEND__SCHEDULER__GRACE", 5);
    let mut schedulers = Vec::new();
    for at in 0..SCHEDULERS {
        schedulers.push(deployment.scheduler(at).await?);
    }
    let urls: Vec<_> = (0..SCHEDULERS).map(|at| deployment.url(at)).collect();
    slow::import(&deployment, "rolled", 20_000, 10).await?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_slow-worker"));
    command.arg("10").env("EMEND_SCHEDULER", urls.join(","));
    let mut worker = Process::start("slow", &mut command, &deployment.path("slow.log"))?;

    let (stop, numbers, begun) = (CancellationToken::new(), AtomicU64::new(0), Instant::now());
    let clients = (0..CLIENTS).map(|_| Endpoints::new(&urls)).collect::<Result<Vec<_>, _>>()?;
    let load = futures::future::join_all(clients.into_iter().map(|at| client(at, &numbers, stop.clone())));
    let rolling = async {
        let rolled = roll(&deployment, &mut schedulers, &numbers).await;
        stop.cancel();
        rolled.map(|()| begun.elapsed())
    };
    let (seen, took) = tokio::join!(load, rolling);
    let took = took?;
    let calls: u64 = seen.iter().map(|seen| seen.calls).sum();
    let slowest = seen.iter().map(|seen| seen.slowest).max().unwrap_or_default();
    let failed: Vec<_> = seen.into_iter().flat_map(|seen| seen.failed).collect();
    ensure!(failed.is_empty(), "{} of {calls} calls failed, such as {:?}", failed.len(), failed[0]);
    ensure!(slowest < SLOWEST, "a call took {slowest:?}");
    let pace = calls as f64 / took.as_secs_f64();
    println!(
        "{SCHEDULERS} schedulers replaced in {took:.1?}: {calls} calls, {pace:.0} a second, 0 failed, slowest {slowest:.1?}"
    );
    // The worker has come through it as well, and no unit of its was lost.
    ensure!(!worker.has_ended(), "{}", worker.log());
    let units = units(&deployment).await?;
    ensure!(units.iter().any(|unit| unit.epoch > 0), "the worker has done nothing");
    ensure!(units.iter().all(|unit| unit.attempts_left == 3), "an attempt was counted");
    Ok(())
}

/// The job's units.
async fn units(deployment: &Deployment) -> Result<Vec<emend_proto::v1::UnitStatus>> {
    let request = ListUnitsRequest { job: "rolled".into(), page_size: 1000, ..Default::default() };
    Ok(deployment.jobs(0).await?.list_units(request).await?.into_inner().units)
}
