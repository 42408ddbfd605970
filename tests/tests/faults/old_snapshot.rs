//! A transaction that somebody holds open on PostgreSQL while units are leased and committed: what the planner and
//! the indexes must then step over may not make leasing slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use emend_tests::bench::{Bench, T0};
use emend_tests::database::Backend;
use emend_tests::invariants;
use emend_tests::worker::accepted;
use tokio::task::JoinSet;

use super::amount;

/// Workers that lease and commit all the time.
const WORKERS: usize = 3;
/// Units of one record, more than are done in the time.
const UNITS: i64 = 20_000;

/// The middle one of the latencies of leases in so much time, in milliseconds, while everybody works.
async fn latency(bench: &Bench, time: Duration) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let (worker, stop) = (bench.worker(&format!("w{number}")), stop.clone());
        workers.spawn(async move {
            let mut took = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let leases = worker.lease(2, T0).await;
                took.push(begun.elapsed().as_secs_f64() * 1000.0);
                assert!(!leases.is_empty(), "the units ran out: make more");
                for lease in leases {
                    assert!(accepted(&worker.commit(&lease, T0).await).is_some());
                }
            }
            took
        });
    }
    // How long it is measured; nothing waits for it.
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut took: Vec<f64> = workers.join_all().await.into_iter().flatten().collect();
    took.sort_by(f64::total_cmp);
    took[took.len() / 2]
}

/// Makes sure of enough units for the next measurement.
async fn refill(bench: &Bench, round: u64, units: i64) {
    bench.job(&format!("j{round}"), units, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leasing_stays_quick_under_an_old_snapshot() {
    let bench = Bench::new(Backend::Postgres).await;
    let window = Duration::from_secs(3);
    let windows = amount("OLD_SNAPSHOT_SECONDS", 12) / 3;
    refill(&bench, 0, UNITS + i64::try_from(windows).unwrap() * 12_000).await;
    let before = latency(&bench, window).await;
    let mut old = bench.database.postgres().begin().await.unwrap();
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *old).await.unwrap();
    let _seen: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM units").fetch_one(&mut *old).await.unwrap();
    let mut during = Vec::new();
    for number in 0..windows {
        // As PostgreSQL does by itself after a minute: from then on its planner believes that nothing is leased.
        if number == windows / 2 {
            bench.database.execute("ANALYZE units").await;
        }
        during.push(latency(&bench, window).await);
    }
    old.rollback().await.unwrap();
    bench.database.execute("VACUUM ANALYZE units").await;
    let after = latency(&bench, window).await;
    println!(
        "median lease: {before:.2} ms before, {during:.2?} ms in {windows} x {window:?}, {after:.2} ms after"
    );
    let worst = during.iter().copied().fold(0.0, f64::max);
    assert!(worst < before * 5.0, "{worst:.2} ms under an old snapshot, {before:.2} ms before");
    assert!(after < before * 5.0, "{after:.2} ms after an old snapshot, {before:.2} ms before");
    invariants::hold(&bench.store, &bench.database, &[]).await;
    bench.close().await;
}
