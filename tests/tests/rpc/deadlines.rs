//! Callers' deadlines, down to the database.

use std::time::Duration;

use emend_proto::v1::{GetJobRequest, Job, PauseJobRequest};
use emend_tests::database::Backend;
use emend_tests::process::eventually;
use emend_tests::scheduler::{Scheduler, jobs};
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::support::{LIMIT, make_job};

super::on_both_backends!(what_nobody_waits_for_is_not_begun);

/// The time of a call that cannot succeed within it.
const SHORT: Duration = Duration::from_millis(300);
/// Statements that look for a job by its name.
const LOOKING: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'emend' AND state = 'active' AND query LIKE '%FROM jobs WHERE name = $1%'";

fn within<T>(timeout: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

async fn pause(channel: Channel, job: &'static str, timeout: Duration) -> Result<(), Status> {
    let request = within(timeout, PauseJobRequest { job: job.into() });
    jobs(&channel).pause_job(request).await.map(drop)
}

async fn get(channel: Channel, timeout: Duration) -> Result<Job, Status> {
    let request = within(timeout, GetJobRequest { job: "j".into(), with_tallies: false });
    Ok(jobs(&channel).get_job(request).await?.into_inner().job.unwrap())
}

/// Server, client and database keep the same time: Cancelled is the word of tonic's client, Unavailable what becomes of
/// a statement that PostgreSQL has given up.
fn is_late(status: &Status) {
    let late = [Code::DeadlineExceeded, Code::Cancelled, Code::Unavailable];
    assert!(late.contains(&status.code()), "{status:?}");
}

/// A call that waits for its turn until nobody waits for it has no effect when the turn comes.
async fn what_nobody_waits_for_is_not_begun(backend: Backend) {
    let scheduler = Scheduler::start_with(backend, |config| config.connections = 2).await;
    let channel = scheduler.channel();
    make_job(&channel, "held", 2).await;
    make_job(&channel, "late", 2).await;
    let hold = scheduler.database.hold().await;
    // They take the connections, or SQLite's one turn to write. PostgreSQL has two.
    let mut first = JoinSet::new();
    for _ in 0..2 {
        first.spawn(pause(channel.clone(), "held", LIMIT));
    }
    let late = pause(channel.clone(), "late", SHORT).await.unwrap_err();
    is_late(&late);
    hold.let_go().await;
    for paused in first.join_all().await {
        paused.unwrap();
    }
    // Its turn has come and gone: this one came after it.
    pause(channel.clone(), "held", LIMIT).await.unwrap();
    let paused = "SELECT COUNT(*) FROM jobs WHERE paused AND name = ";
    assert_eq!(scheduler.database.int(&format!("{paused}'held'")).await, 1);
    assert_eq!(scheduler.database.int(&format!("{paused}'late'")).await, 0);
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_ends_with_its_callers_patience() {
    let scheduler = Scheduler::start(Backend::Postgres).await;
    let channel = scheduler.channel();
    make_job(&channel, "j", 2).await;
    let hold = scheduler.database.hold().await;
    let looking = async |count| {
        let look = async || (scheduler.database.int(LOOKING).await == count).then_some(());
        eventually("statements that look for a job", Duration::from_secs(10), look).await.unwrap();
    };
    let mut calls = JoinSet::new();
    calls.spawn(get(channel.clone(), LIMIT));
    looking(1).await;
    calls.spawn(get(channel.clone(), 10 * SHORT));
    looking(2).await;
    // PostgreSQL gives up what nobody waits for any more, and only that.
    looking(1).await;
    let late = calls.join_next().await.unwrap().unwrap().unwrap_err();
    is_late(&late);
    hold.let_go().await;
    assert_eq!(calls.join_next().await.unwrap().unwrap().unwrap().name, "j");
    scheduler.stop().await;
}
