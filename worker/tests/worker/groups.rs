//! Units of grouped jobs.

use std::time::{Duration, Instant};

use emend_proto::v1::{RecordResult, Verdict};
use emend_worker::WorkerConfig;

use crate::support::{Scheduler, Worker, grouped, lease, results};
use crate::validator::obedient;

fn told(result: &RecordResult) -> (u64, Verdict, &str) {
    let code = result.findings.first().map_or(result.failure.as_str(), |finding| finding.code.as_str());
    (result.seq, result.verdict(), code)
}

#[tokio::test]
async fn results_of_groups_come_back_in_the_records_order() {
    let mut scheduler = Scheduler::start().await;
    let acts = ["ok", "fix", "broken", "route", "ok", "panic", "fix", "ok"];
    scheduler.fake.add([grouped(lease(1, &acts), &[0, 2, 2, 2, 0, 6, 6, 0])]);
    let (validator, ..) = obedient();
    let worker = Worker::start(scheduler.config(1), validator);
    let commit = scheduler.hears_commit().await;
    let results = results(&commit.commits[0]);
    let expected = [
        (1000, Verdict::Valid, ""),
        (1001, Verdict::Corrected, ""),
        (1002, Verdict::Failed, "payload"),
        (1003, Verdict::Routed, "do.route"),
        (1004, Verdict::Valid, ""),
        (1005, Verdict::Failed, "panic"),
        (1006, Verdict::Routed, "group.failed"),
        (1007, Verdict::Valid, ""),
    ];
    assert_eq!(results.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(results[6].findings[0].proposals, ["ok"]);
    assert_eq!(worker.stop().await.units, 1);
}

#[tokio::test]
async fn a_group_that_never_ends_has_the_time_of_its_records() {
    let mut scheduler = Scheduler::start().await;
    let (validator, gate, mut entered) = obedient();
    scheduler.fake.add([grouped(lease(1, &["ok", "ok", "wait", "ok", "fix"]), &[0, 2, 2, 2, 0])]);
    let record_timeout = Duration::from_millis(100);
    let config = WorkerConfig { threads: 1, record_timeout, ..scheduler.config(1) };
    let worker = Worker::start(config, validator);
    assert_eq!(entered.recv().await.unwrap(), "k1.2");
    let begin = Instant::now();
    let commit = scheduler.hears_commit().await;
    assert!(begin.elapsed() >= record_timeout * 5 / 2, "{:?}", begin.elapsed());
    let results = results(&commit.commits[0]);
    let failed = |seq| (seq, Verdict::Failed, "timeout");
    let expected = [
        (1000, Verdict::Valid, ""),
        failed(1001),
        failed(1002),
        failed(1003),
        (1004, Verdict::Corrected, ""),
    ];
    assert_eq!(results.iter().map(told).collect::<Vec<_>>(), expected);
    gate.open();
    assert_eq!(worker.stop().await.threads_abandoned, 1);
}
