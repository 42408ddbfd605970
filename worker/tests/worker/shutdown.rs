//! Ending: what goes back, what is finished first.

use std::time::Duration;

use emend_worker::WorkerConfig;

use crate::support::{Heard, Scheduler, Worker, lease, unit_of};
use crate::validator::obedient;

#[tokio::test]
async fn at_shutdown_queued_units_go_back_and_running_ones_are_finished() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, mut entered) = obedient();
    scheduler.fake.add([lease(1, &["wait", "ok"]), lease(2, &["ok"])]);
    let worker = Worker::start(scheduler.config(1), validator);
    entered.recv().await.unwrap();
    worker.shutdown.cancel();
    let released = scheduler.hears_release().await;
    assert_eq!(released.leases.iter().map(|lease| lease.unit_id).collect::<Vec<_>>(), [2]);
    gate.open();
    let commit = scheduler.hears_commit().await;
    assert_eq!(commit.commits.iter().map(unit_of).collect::<Vec<_>>(), [1]);
    let report = worker.ended().await.unwrap();
    assert_eq!((report.units, report.released, report.leased), (1, 1, 2));
    assert!(!scheduler.heard().iter().any(|heard| matches!(heard, Heard::Lease(_))));
}

#[tokio::test]
async fn what_outlasts_the_grace_goes_back() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, mut entered) = obedient();
    scheduler.fake.add([lease(1, &["wait", "ok"])]);
    let config = WorkerConfig { grace: Duration::from_millis(100), ..scheduler.config(1) };
    let worker = Worker::start(config, validator);
    entered.recv().await.unwrap();
    worker.shutdown.cancel();
    assert_eq!(scheduler.hears_release().await.leases[0].unit_id, 1);
    let report = worker.ended().await.unwrap();
    assert_eq!((report.units, report.released), (0, 1));
    gate.open();
    assert!(!scheduler.heard().iter().any(|heard| matches!(heard, Heard::Commit(_))));
}

#[tokio::test]
async fn what_a_cut_off_call_may_have_leased_is_asked_for_and_goes_back() {
    let mut scheduler = Scheduler::start().await;
    let (validator, ..) = obedient();
    let worker = Worker::start(scheduler.config(1), validator);
    let waiting = scheduler.hears_lease().await;
    worker.shutdown.cancel();
    scheduler.fake.script().ready.push_back(lease(1, &["ok"]));
    let again = scheduler.hears_lease().await;
    assert_eq!((again.request_id, again.wait), (waiting.request_id, None));
    assert_eq!(scheduler.hears_release().await.leases[0].unit_id, 1);
    assert_eq!(worker.ended().await.unwrap().released, 1);
}

#[tokio::test]
async fn a_scheduler_that_drains_is_left_for_another() {
    let (mut one, mut two) = (Scheduler::start().await, Scheduler::start().await);
    // Whichever it begins with sends it to the other.
    one.fake.script().drain = true;
    two.fake.script().drain = true;
    let (validator, ..) = obedient();
    let config = WorkerConfig { schedulers: vec![one.url.clone(), two.url.clone()], ..one.config(1) };
    let worker = Worker::start(config, validator);
    one.hears_lease().await;
    two.hears_lease().await;
    two.fake.script().drain = false;
    two.fake.add([lease(1, &["ok"])]);
    two.hears_commit().await;
    assert_eq!(worker.stop().await.units, 1);
}
