//! What goes wrong: lost answers, lost leases, validators that break down or do not come back, damaged blocks.

use std::time::Duration;

use emend_proto::v1::{PackRef, Verdict};
use emend_worker::{WorkerConfig, WorkerError};

use crate::support::{Heard, Scheduler, Worker, lease, results, short, unit_of};
use crate::validator::obedient;

#[tokio::test]
async fn a_lost_answer_is_asked_for_with_the_very_same_commit() {
    let mut scheduler = Scheduler::start().await;
    scheduler.fake.script().cuts = 2;
    scheduler.fake.add([lease(1, &["fix", "route", "panic"])]);
    let (validator, ..) = obedient();
    let worker = Worker::start(scheduler.config(1), validator);
    let first = scheduler.hears_commit().await;
    assert_eq!(scheduler.hears_commit().await, first);
    assert_eq!(scheduler.hears_commit().await, first);
    let report = worker.stop().await;
    assert_eq!((report.units, report.records, report.replayed), (1, 3, 1));
}

#[tokio::test]
async fn a_lost_lease_is_not_committed() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, mut entered) = obedient();
    let ttl = Duration::from_millis(300);
    scheduler.fake.add([short(lease(1, &["wait", "ok"]), ttl)]);
    let worker = Worker::start(scheduler.config(1), validator);
    entered.recv().await.unwrap();
    scheduler.fake.script().lost.insert(1);
    scheduler.hears(|heard| matches!(heard, Heard::Beat(_)).then_some(())).await;
    // It has let go of the unit once it asks for two again.
    scheduler.hears(|heard| matches!(heard, Heard::Lease(ask) if ask.max_units == 2).then_some(())).await;
    scheduler.fake.add([lease(2, &["ok"])]);
    gate.open();
    let commit = scheduler.hears_commit().await;
    assert_eq!(commit.commits.iter().map(unit_of).collect::<Vec<_>>(), [2]);
    let report = worker.stop().await;
    assert_eq!((report.units, report.lost), (1, 1));
    assert!(!scheduler.heard().iter().any(|heard| matches!(heard, Heard::Commit(_))));
}

#[tokio::test]
async fn a_lease_that_is_not_extended_gets_no_new_work_until_it_is() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, mut entered) = obedient();
    let ttl = Duration::from_millis(300);
    scheduler.fake.script().deaf = true;
    scheduler.fake.add([short(lease(1, &["wait", "wait"]), ttl)]);
    let worker = Worker::start(scheduler.config(1), validator);
    assert_eq!(entered.recv().await.unwrap(), "k1.0");
    // A beat that says "queued" comes from a worker that has let go of the unit.
    let queued = |heard| {
        let Heard::Beat(request) = heard else { return None };
        (request.beats[0].state() == emend_proto::v1::beat::State::Queued).then_some(())
    };
    scheduler.hears(queued).await;
    gate.open();
    let parked = |heard| {
        let Heard::Beat(request) = heard else { return None };
        (request.beats[0].progress == 1).then_some(())
    };
    scheduler.hears(parked).await;
    assert!(entered.try_recv().is_err(), "the second record waits");
    scheduler.fake.script().deaf = false;
    let commit = scheduler.hears_commit().await;
    assert_eq!(results(&commit.commits[0]).len(), 2);
    assert_eq!(worker.stop().await.units, 1);
}

#[tokio::test]
async fn a_record_that_never_ends_costs_itself_only() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, mut entered) = obedient();
    scheduler.fake.add([lease(1, &["ok", "wait", "fix", "ok"])]);
    let config =
        WorkerConfig { threads: 1, record_timeout: Duration::from_millis(200), ..scheduler.config(1) };
    let worker = Worker::start(config, validator);
    assert_eq!(entered.recv().await.unwrap(), "k1.1");
    let commit = scheduler.hears_commit().await;
    let verdicts: Vec<_> = results(&commit.commits[0]).iter().map(|r| (r.seq, r.verdict())).collect();
    let (valid, failed, corrected) = (Verdict::Valid, Verdict::Failed, Verdict::Corrected);
    assert_eq!(verdicts, [(1000, valid), (1001, failed), (1002, corrected), (1003, valid)]);
    assert_eq!(results(&commit.commits[0])[1].failure, "timeout");
    // The thread that was given up comes back; its result goes nowhere, and the pool still works.
    gate.open();
    scheduler.fake.add([lease(2, &["ok"])]);
    assert_eq!(scheduler.hears_commit().await.commits.iter().map(unit_of).collect::<Vec<_>>(), [2]);
    let report = worker.stop().await;
    assert_eq!((report.units, report.threads_abandoned, report.failed), (2, 1, 1));
}

#[tokio::test]
async fn a_worker_full_of_stuck_threads_ends() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, _entered) = obedient();
    scheduler.fake.add([lease(1, &["wait"; 8]), lease(2, &["ok"])]);
    let config =
        WorkerConfig { threads: 1, record_timeout: Duration::from_millis(40), ..scheduler.config(1) };
    let worker = Worker::start(config, validator);
    let released = scheduler.hears_release().await;
    assert_eq!(released.leases.len(), 2);
    assert!(matches!(worker.ended().await, Err(WorkerError::Stuck { threads: 3 })));
    gate.open();
}

#[tokio::test]
async fn what_cannot_be_worked_on_is_reported() {
    let mut scheduler = Scheduler::start().await;
    let (validator, ..) = obedient();
    let mut corrupt = lease(1, &["ok"]);
    corrupt.records.as_mut().unwrap().checksum ^= 1;
    let short_of_records = {
        let mut lease = lease(2, &["ok", "ok"]);
        lease.last_seq += 1;
        lease
    };
    let foreign = {
        let mut lease = lease(3, &["ok"]);
        lease.pack = Some(PackRef::default());
        lease
    };
    let large = lease(4, &["ok", "large", "ok"]);
    let worker = Worker::start(scheduler.config(1), validator);
    let expected = [
        (corrupt, "block_corrupt", true),
        (short_of_records, "block_malformed", false),
        (foreign, "unsupported", true),
        (large, "results_too_large", false),
    ];
    for (lease, category, retryable) in expected {
        let unit_id = lease.unit_id;
        scheduler.fake.add([lease]);
        let failure = scheduler.hears_failure().await;
        assert_eq!(failure.lease.unwrap().unit_id, unit_id);
        assert_eq!((failure.category.as_str(), failure.retryable), (category, retryable));
    }
    let report = worker.stop().await;
    assert_eq!((report.units, report.units_failed), (0, 4));
}
