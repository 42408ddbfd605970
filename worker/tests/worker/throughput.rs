//! Overhead per unit. Run by hand: `cargo test -p emend-worker --release -- --ignored throughput --nocapture`.

use emend_worker::WorkerConfig;

use crate::support::{Scheduler, Worker, lease, unit_of};
use crate::validator::obedient;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run it alone"]
async fn throughput_of_units_of_one_record() {
    const UNITS: u64 = 100_000;
    let mut scheduler = Scheduler::start().await;
    scheduler.fake.add((1..=UNITS).map(|unit| lease(unit, &["fix"])));
    let (validator, ..) = obedient();
    let begin = tokio::time::Instant::now();
    let worker = Worker::start(WorkerConfig { slots: 500, ..scheduler.config(500) }, validator);
    let (mut units, mut calls) = (0, 0);
    while units < UNITS {
        units += scheduler.hears_commit().await.commits.iter().map(unit_of).count() as u64;
        calls += 1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{UNITS} units in {seconds:.2} s: {:.0}/s in {calls} commits", UNITS as f64 / seconds);
    assert_eq!(worker.stop().await.units, UNITS);
}
