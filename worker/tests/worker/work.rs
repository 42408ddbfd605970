//! Leasing, working, committing.

use std::time::Duration;

use emend_proto::v1::{Verdict, beat};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::support::{Heard, LIMIT, Scheduler, Worker, lease, refusal, results, short, unit_of};
use crate::validator::obedient;

#[tokio::test]
async fn units_come_back_with_a_result_for_every_record() {
    let mut scheduler = Scheduler::start().await;
    scheduler.fake.add([lease(1, &["ok", "fix", "route", "both", "none", "broken", "panic", "ok"])]);
    let (validator, ..) = obedient();
    let worker = Worker::start(scheduler.config(2), validator);
    let commit = scheduler.hears_commit().await;
    let results = results(&commit.commits[0]);
    let got: Vec<_> = results.iter().map(|r| (r.seq, r.verdict(), r.failure.as_str())).collect();
    let expected = [
        (1000, Verdict::Valid, ""),
        (1001, Verdict::Corrected, ""),
        (1002, Verdict::Routed, ""),
        (1003, Verdict::Failed, "outcome"),
        (1004, Verdict::Failed, "outcome"),
        (1005, Verdict::Failed, "payload"),
        (1006, Verdict::Failed, "panic"),
        (1007, Verdict::Valid, ""),
    ];
    assert_eq!(got, expected);
    assert!(results.iter().all(|r| r.verdict() != Verdict::Failed || r.changes.is_empty()));
    let report = worker.stop().await;
    assert_eq!((report.units, report.records, report.leased), (1, 8, 1));
    assert_eq!((report.valid, report.corrected, report.routed, report.failed), (2, 1, 1, 4));
}

#[tokio::test]
async fn a_worker_holds_one_unit_more_than_slots() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, mut entered) = obedient();
    scheduler.fake.add((1..=3).map(|unit| lease(unit, &["wait"])));
    let worker = Worker::start(scheduler.config(1), validator);
    let first = scheduler.hears_lease().await;
    assert_eq!((first.slots, first.max_units), (1, 2));
    assert_eq!(entered.recv().await.unwrap(), "k1.0");
    assert_eq!(scheduler.fake.script().ready.len(), 1);
    // With both places taken it asks for nothing.
    assert!(!scheduler.heard().iter().any(|heard| matches!(heard, Heard::Lease(_))));
    gate.open();
    let (mut units, mut asked) = (0, vec![]);
    let all_done = |heard| {
        match heard {
            Heard::Lease(request) => asked.push(request),
            Heard::Commit(request) => units += request.commits.len(),
            _ => {}
        }
        (units == 3).then_some(())
    };
    scheduler.hears(all_done).await;
    // A unit was short by then, so as many again may be on their way.
    assert!(asked.iter().all(|next| next.max_units <= 4 && next.request_id != first.request_id));
    assert_eq!(worker.stop().await.units, 3);
}

async fn worker_units(units: &mut Vec<u64>, scheduler: &mut Scheduler) -> usize {
    let commit = scheduler.hears_commit().await;
    units.extend(commit.commits.iter().map(unit_of));
    units.len()
}

#[tokio::test]
async fn a_dead_scheduler_is_no_obstacle() {
    let mut scheduler = Scheduler::start().await;
    scheduler.fake.add([lease(1, &["ok"])]);
    let (validator, ..) = obedient();
    let mut config = scheduler.config(1);
    config.schedulers.insert(0, "http://127.0.0.1:1".into());
    let worker = Worker::start(config, validator);
    scheduler.hears_commit().await;
    assert_eq!(worker.stop().await.units, 1);
}

#[tokio::test]
async fn an_overloaded_scheduler_gets_the_same_request_later() {
    let mut scheduler = Scheduler::start().await;
    scheduler.fake.add([lease(1, &["ok"])]);
    let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(20)));
    let busy = Status::with_error_details(Code::ResourceExhausted, "too much to do", details);
    scheduler.fake.script().lease_errors.push_back(busy);
    let (validator, ..) = obedient();
    let worker = Worker::start(scheduler.config(1), validator);
    let (first, second) = (scheduler.hears_lease().await, scheduler.hears_lease().await);
    assert_eq!(first, second);
    scheduler.hears_commit().await;
    assert_eq!(worker.stop().await.units, 1);
}

#[tokio::test]
async fn a_scheduler_that_refuses_the_worker_ends_it() {
    let scheduler = Scheduler::start().await;
    scheduler.fake.script().lease_errors.push_back(Status::unimplemented("no such service"));
    let (validator, ..) = obedient();
    let error = Worker::start(scheduler.config(1), validator).ended().await.unwrap_err();
    assert!(error.to_string().contains("no such service"), "{error}");
}

#[tokio::test]
async fn running_and_queued_units_are_told_apart_in_beats() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, _entered) = obedient();
    let ttl = Duration::from_millis(300);
    scheduler.fake.add([short(lease(1, &["ok", "wait"]), ttl), short(lease(2, &["ok"]), ttl)]);
    let worker = Worker::start(scheduler.config(1), validator);
    let state = |heard| {
        let Heard::Beat(mut request) = heard else { return None };
        request.beats.sort_by_key(|beat| beat.lease.as_ref().unwrap().unit_id);
        let state: Vec<_> = request.beats.iter().map(|beat| (beat.state(), beat.progress)).collect();
        (state.first() == Some(&(beat::State::Running, 1))).then_some(state)
    };
    let seen = scheduler.hears(state).await;
    assert_eq!(seen, [(beat::State::Running, 1), (beat::State::Queued, 0)]);
    gate.open();
    let mut units = vec![];
    while worker_units(&mut units, &mut scheduler).await < 2 {}
    let report = worker.stop().await;
    assert_eq!((report.units, report.lost), (2, 0));
}

#[tokio::test]
async fn refused_commits_are_dropped_and_counted() {
    let mut scheduler = Scheduler::start().await;
    let reasons = ["LEASE_LOST", "SUPERSEDED", "JOB_CANCELLED", "IDEMPOTENCY_MISMATCH", "RESULTS_DO_NOT_FIT"];
    scheduler.fake.script().refusals = reasons.map(refusal).into();
    scheduler.fake.add((1..=6).map(|unit| lease(unit, &["ok"])));
    let (validator, ..) = obedient();
    let worker = Worker::start(scheduler.config(4), validator);
    let mut units = vec![];
    while worker_units(&mut units, &mut scheduler).await < 6 {}
    units.sort_unstable();
    assert_eq!(units, [1, 2, 3, 4, 5, 6]);
    let report = worker.stop().await;
    assert_eq!((report.units, report.lost, report.refused), (1, 3, 2));
}

#[tokio::test]
async fn an_idle_worker_waits_in_one_call() {
    let mut scheduler = Scheduler::start().await;
    let (validator, ..) = obedient();
    let worker = Worker::start(scheduler.config(1), validator);
    scheduler.hears_lease().await;
    scheduler.fake.add([lease(1, &["ok"])]);
    scheduler.hears_commit().await;
    // Nothing was asked for between the first call and the one after its answer.
    let asked = scheduler.heard().iter().filter(|heard| matches!(heard, Heard::Lease(_))).count();
    assert!(asked <= 2, "{asked} lease calls");
    let begin = tokio::time::Instant::now();
    worker.stop().await;
    assert!(begin.elapsed() < LIMIT / 4, "a waiting call does not hold up the shutdown");
}
