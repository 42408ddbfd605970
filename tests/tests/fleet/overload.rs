//! Twice what a scheduler can do, and the callers do not wait for each other: refusals are quick, memory stays what it
//! was, and what settles work goes on.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::commit_outcome::Outcome;
use emend_proto::v1::{
    CommitUnitsRequest, GetJobRequest, HeartbeatRequest, LeaseRef, LeaseUnitsRequest, PackRef, UnitCommit,
};
use emend_scheduler::store::Mutant;
use emend_tests::mutants::fails_on;
use emend_tests::postgres::Postgres;
use emend_tests::process::Deployment;
use emend_tests::proxy::{Network, Proxy};
use emend_tests::records::all_valid;
use emend_tests::scheduler::{channel, jobs, work};
use emend_tests::slow;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// How long the database is away from the scheduler, one way: what bounds it here, and not the machine's cores.
const AWAY: Duration = Duration::from_millis(1);
const CONNECTIONS: u32 = 2;
/// How long the capacity is measured, and the overload lasts.
const MEASURE: Duration = Duration::from_secs(2);
const STORM: Duration = Duration::from_secs(8);
/// A refusal is compared with a call made beside it that asks the store nothing, since a busy machine holds up both. So many
/// of a hundred take longer than that by less than this part of what an answer takes. One that waited in the queue would
/// take about as long as an answer.
const QUICK: usize = 95;
const PART: u32 = 4;
/// What the scheduler's memory may grow by, in bytes.
const GROWTH: u64 = 32 * 1024 * 1024;

async fn look(channel: &Channel) -> Result<(), Status> {
    jobs(channel).get_job(GetJobRequest { job: "j".into(), with_tallies: true }).await.map(drop)
}

/// Calls a second that four callers get answered who wait for each other.
async fn capacity(channel: &Channel) -> Result<f64> {
    let begun = Instant::now();
    let caller = async || {
        let mut calls = 0_u32;
        while begun.elapsed() < MEASURE {
            look(channel).await?;
            calls += 1;
        }
        Ok::<_, Status>(calls)
    };
    let (a, b, c, d) = tokio::try_join!(caller(), caller(), caller(), caller())?;
    Ok(f64::from(a + b + c + d) / begun.elapsed().as_secs_f64())
}

/// How long a call took, and what came of it.
async fn timed<T>(call: impl Future<Output = T>) -> (Duration, T) {
    let begun = Instant::now();
    let answer = call.await;
    (begun.elapsed(), answer)
}

/// What became of the calls of a storm.
#[derive(Default)]
struct Storm {
    /// How long answers took.
    answers: Vec<Duration>,
    /// How long refusals took, above a call made with each that asks the store nothing.
    refusals: Vec<Duration>,
    other: Vec<Status>,
}

impl Storm {
    fn note(&mut self, took: Duration, answer: Result<(), Status>, trifle: (Duration, Result<(), Status>)) {
        match (answer, trifle) {
            (Ok(()), (_, Ok(()))) => self.answers.push(took),
            (Err(status), (least, Ok(()))) if status.code() == Code::ResourceExhausted => {
                self.refusals.push(took.saturating_sub(least));
            }
            (Err(status), _) | (_, (_, Err(status))) => self.other.push(status),
        }
    }
}

/// The least that any call takes right now.
async fn trifle(channel: &Channel) -> Result<(), Status> {
    HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.map(drop)
}

/// Of so many of a hundred the longest.
fn of_hundred(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// `pace` calls a second for a while, whatever becomes of those before.
async fn storm(channel: &Channel, pace: f64) -> Storm {
    let (mut calls, mut seen) = (JoinSet::new(), Storm::default());
    let mut ticks = interval(Duration::from_secs_f64(1.0 / pace));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let begun = Instant::now();
    while begun.elapsed() < STORM {
        ticks.tick().await;
        let channel = channel.clone();
        calls.spawn(async move { tokio::join!(timed(look(&channel)), timed(trifle(&channel))) });
    }
    while let Some(ended) = calls.join_next().await {
        let ((took, answer), trifle) = ended.unwrap();
        seen.note(took, answer, trifle);
    }
    seen.answers.sort();
    seen.refusals.sort();
    seen
}

/// Leases, beats and commits until `stop`; how many commits were accepted. No beat and no commit may be refused.
async fn settle(channel: &Channel, stop: &CancellationToken) -> Result<u32> {
    let (mut work, mut commits) = (work(channel), 0);
    while !stop.is_cancelled() {
        let request = LeaseUnitsRequest {
            worker_id: "w".into(),
            request_id: format!("r{commits}"),
            capabilities: vec![PackRef { name: "slow".into(), version: "1".into() }],
            slots: 1,
            max_units: 1,
            ..Default::default()
        };
        let leases = work.lease_units(request).await.context("a lease")?.into_inner().leases;
        let lease = leases.first().context("there are units")?;
        let (first, last) = (lease.first_seq.cast_signed(), lease.last_seq.cast_signed());
        let of = LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token.clone() };
        let results = Some(emend_proto::encode(&all_valid(first, last)));
        work.heartbeat(HeartbeatRequest { worker_id: "w".into(), ..Default::default() })
            .await
            .context("a beat")?;
        let commit = UnitCommit { lease: Some(of), results };
        let request = CommitUnitsRequest { worker_id: "w".into(), commits: vec![commit] };
        let outcomes = work.commit_units(request).await.context("a commit")?.into_inner().outcomes;
        ensure!(matches!(outcomes[0].outcome, Some(Outcome::Receipt(_))), "{outcomes:?}");
        commits += 1;
    }
    Ok(commits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twice_the_capacity_is_refused_quickly_and_commits_go_on() -> Result<()> {
    overload().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_that_wait_are_noticed() {
    let test = async { overload().await.unwrap() };
    fails_on(Mutant::RefusesInTurn, "refusals waited", test).await;
}

async fn overload() -> Result<()> {
    let _turn = super::turn().await;
    let server = Postgres::start(&[]);
    let line = Proxy::start(([127, 0, 0, 1], server.port()).into()).await;
    let store = server.url(&server.create_database().await);
    let store = store.replace(&format!(":{}/", server.port()), &format!(":{}/", line.address.port()));
    let deployment = Deployment::on(&store)?.set("EMEND__SCHEDULER__CONNECTIONS", CONNECTIONS);
    let mut scheduler = deployment.scheduler(0).await?;
    slow::import(&deployment, "j", 20_000, 10).await?;
    line.network(Network { delay: AWAY, ..Network::default() });
    let address = deployment.url(0).trim_start_matches("http://").parse()?;
    let (callers, worker) = (channel(address), channel(address));
    // Whichever the machine did not hold up.
    let capacity = capacity(&callers).await?.max(capacity(&callers).await?);
    let before = scheduler.usage().peak_rss;
    let stop = CancellationToken::new();
    let storming = async {
        let seen = storm(&callers, 2.0 * capacity).await;
        stop.cancel();
        seen
    };
    let (seen, commits) = tokio::join!(storming, settle(&worker, &stop));
    let commits = commits?;
    let grown = scheduler.usage().peak_rss.saturating_sub(before);
    ensure!(seen.other.is_empty(), "{} calls failed otherwise: {:?}", seen.other.len(), seen.other[0]);
    let (answered, refused) = (seen.answers.len(), seen.refusals.len());
    ensure!(refused > 0 && answered > 0, "{answered} answered, {refused} refused");
    let (quick, usual) = (of_hundred(&seen.refusals, QUICK), of_hundred(&seen.answers, 50));
    ensure!(
        quick < usual / PART,
        "refusals waited: they took {quick:?} more than a trifle, answers {usual:?}"
    );
    ensure!(grown < GROWTH, "memory grew by {grown} bytes");
    ensure!(commits > 0, "nothing was committed");
    println!(
        "capacity {capacity:.0} calls a second; twice that for {STORM:?}: {answered} answered (half within {usual:.1?}), \
         {refused} refused ({QUICK} % within {quick:.1?} of a trifle), {commits} commits, 0 refused; memory grew {} KiB",
        grown / 1024
    );
    Ok(())
}
