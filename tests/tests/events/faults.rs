//! The broker is absent, killed, frozen, alarmed, wiped: the job finishes by polling, no call is held up, and every
//! event comes at least once when the broker is back.

use emend_tests::collector::{Collector, Kind};
use emend_tests::database::Backend;
use emend_tests::scheduler::Scheduler;
use tonic::transport::Channel;

use super::rig::{
    LIMIT, decide_one, decided_events, job_events, make_job, node, outbox_empty, record_events, reviewing,
    scheduler, work_on,
};

const RECORDS: i64 = 600;
const HALF: usize = 30;
const ALL: [&str; 3] = ["job.#", "record.#", "review.#"];
/// Routed: every fifth. Failed: every eleventh of the others. Each has an event of its record, and one of its review.
const FOR_PEOPLE: usize = 2 * (120 + 44);

/// Half of the job's units; the other half is worked on under the fault.
async fn half(channel: &Channel) {
    make_job(channel, "j", RECORDS).await;
    assert!(work_on(channel, HALF).await >= HALF);
}

async fn rest(channel: &Channel) {
    assert!(work_on(channel, usize::MAX).await > 0);
    reviewing(channel, "j").await;
}

/// Each event has come, and the outbox is empty.
async fn nothing_is_lost(scheduler: &Scheduler, collector: &Collector) {
    let mut wanted = record_events(&scheduler.database).await;
    assert_eq!(wanted.len(), FOR_PEOPLE);
    wanted.extend(job_events(&scheduler.database, &["importing", "running", "reviewing"]).await);
    collector.has(&wanted, LIMIT).await.unwrap();
    outbox_empty(&scheduler.database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absent_then_there() {
    let mut node = node().await;
    let url = node.url();
    drop(Collector::start(&url, "absent", Kind::Classic, &ALL).await.unwrap());
    node.kill().unwrap();
    let scheduler = scheduler(Backend::Sqlite, &url).await;
    let channel = scheduler.channel();
    half(&channel).await;
    rest(&channel).await;
    node.run().await.unwrap();
    let collector = Collector::start(&url, "absent", Kind::Classic, &ALL).await.unwrap();
    nothing_is_lost(&scheduler, &collector).await;
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed() {
    let mut node = node().await;
    let collector = Collector::start(&node.url(), "killed", Kind::Classic, &ALL).await.unwrap();
    let scheduler = scheduler(Backend::Postgres, &node.url()).await;
    let channel = scheduler.channel();
    half(&channel).await;
    node.kill().unwrap();
    rest(&channel).await;
    node.run().await.unwrap();
    nothing_is_lost(&scheduler, &collector).await;
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen() {
    let node = node().await;
    let collector = Collector::start(&node.url(), "frozen", Kind::Quorum, &ALL).await.unwrap();
    let scheduler = scheduler(Backend::Sqlite, &node.url()).await;
    let channel = scheduler.channel();
    half(&channel).await;
    node.freeze().unwrap();
    rest(&channel).await;
    node.thaw().unwrap();
    nothing_is_lost(&scheduler, &collector).await;
    scheduler.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_memory_alarm() {
    let node = node().await;
    let collector = Collector::start(&node.url(), "alarm", Kind::Quorum, &ALL).await.unwrap();
    let scheduler = scheduler(Backend::Postgres, &node.url()).await;
    let channel = scheduler.channel();
    half(&channel).await;
    node.alarm(true).await.unwrap();
    rest(&channel).await;
    node.alarm(false).await.unwrap();
    nothing_is_lost(&scheduler, &collector).await;
    scheduler.stop().await;
}

/// What it had confirmed, and nobody had taken from it, is gone with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wiped() {
    let mut node = node().await;
    drop(Collector::start(&node.url(), "wiped", Kind::Classic, &ALL).await.unwrap());
    let scheduler = scheduler(Backend::Postgres, &node.url()).await;
    let channel = scheduler.channel();
    half(&channel).await;
    decide_one(&channel).await;
    outbox_empty(&scheduler.database).await;
    node.kill().unwrap();
    node.wipe().unwrap();
    rest(&channel).await;
    decide_one(&channel).await;
    node.run().await.unwrap();
    let collector = Collector::start(&node.url(), "wiped", Kind::Classic, &ALL).await.unwrap();
    let mut wanted = record_events(&scheduler.database).await;
    assert_eq!(wanted.len(), FOR_PEOPLE);
    // What was decided before the loss, and after it.
    let decided = decided_events(&scheduler.database).await;
    assert_eq!(decided.len(), 2);
    wanted.extend(decided);
    // Of the states of a job, the one that it is in.
    wanted.extend(job_events(&scheduler.database, &["reviewing"]).await);
    collector.has(&wanted, LIMIT).await.unwrap();
    outbox_empty(&scheduler.database).await;
    scheduler.stop().await;
}
