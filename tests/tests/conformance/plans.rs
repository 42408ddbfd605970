//! What PostgreSQL's planner and its locks may do to us.

use std::time::Duration;

use emend_scheduler::store::Store;
use emend_tests::bench::{Bench, STARTED, T0, TTL, at};
use emend_tests::database::Backend;
use emend_tests::mutants;
use emend_tests::worker::{Worker, accepted};
use futures::future::join_all;

/// Far longer than anything takes.
const LIMIT: Duration = Duration::from_secs(20);

/// Under a nested loop a pick that is not materialised runs again for every row: `LIMIT 1` was seen leasing 1,000.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leasing_under_forced_nested_loops_gives_no_more_than_asked() {
    let bench = Bench::new(Backend::Postgres).await;
    no_more_than_asked(&bench).await;
    bench.close().await;
}

mod on_mutants {
    emend_tests::fails_on_mutants!(Postgres:
        a_pick_that_is_not_materialised: PlainPick, "units leased under", no_more_than_asked;
    );
}

async fn no_more_than_asked(bench: &Bench) {
    bench.database.execute("ALTER TABLE units SET (autovacuum_enabled = off)").await;
    bench.database.execute("ALTER TABLE jobs SET (autovacuum_enabled = off)").await;
    bench.database.execute("ALTER TABLE blocks SET (autovacuum_enabled = off)").await;
    let job = bench.job("j", 2_000, 1).await;
    let settings = [
        vec!["enable_hashjoin = off", "enable_mergejoin = off"],
        vec![
            "enable_hashjoin = off",
            "enable_mergejoin = off",
            "enable_seqscan = off",
            "enable_material = off",
        ],
        vec![
            "enable_hashjoin = off",
            "enable_mergejoin = off",
            "enable_material = off",
            "enable_hashagg = off",
            "enable_sort = off",
        ],
        vec!["enable_nestloop = off", "enable_indexscan = off", "enable_bitmapscan = off"],
        vec!["plan_cache_mode = force_generic_plan", "enable_hashjoin = off", "enable_mergejoin = off"],
    ];
    let name = bench.database.name();
    let mut leased = 0;
    for (round, settings) in settings.iter().enumerate() {
        bench.database.execute(&format!("ALTER DATABASE {name} RESET ALL")).await;
        for setting in settings {
            bench.database.execute(&format!("ALTER DATABASE {name} SET {setting}")).await;
        }
        let store = mutants::mutated(Store::open(&bench.database.url, 8).await.unwrap());
        let work = |who: usize| {
            let worker = Worker::new(&store, &format!("w{round}-{who}"));
            async move {
                let mut got = 0;
                for count in [1, 3, 1, 10] {
                    let leases = worker.lease(count, T0).await;
                    assert_eq!(leases.len(), count, "units leased under {settings:?}");
                    assert_eq!(worker.lease_as("again", count, T0).await.len(), count, "{settings:?}");
                    let again = worker.lease_as("again", count, T0).await;
                    assert_eq!(again.len(), count, "{settings:?}");
                    for lease in &again {
                        assert!(accepted(&worker.commit(lease, at(1)).await).is_some());
                    }
                    got += count * 2;
                }
                got
            }
        };
        leased += join_all((0..4).map(work)).await.into_iter().sum::<usize>();
        let progress = bench.store.progress(job.id).await.unwrap();
        assert_eq!(usize::try_from(progress.leased + progress.done).unwrap(), leased, "{settings:?}");
        store.close().await;
    }
}

/// Statements that touch several rows lock in id order or skip: the loop never waits for a commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_expiry_loop_passes_over_rows_that_others_hold() {
    let bench = Bench::new(Backend::Postgres).await;
    bench.job("j", 8, 2).await;
    let worker = bench.worker("w");
    let held = worker.lease_one(T0).await.lease.unit_id;
    let free = worker.lease_one(T0).await.lease.unit_id;
    let ahead = worker.lease_one(at(1_000)).await.lease.unit_id;
    let mut other = bench.database.postgres().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM units WHERE id IN ($1, $2) FOR UPDATE")
        .bind(held)
        .bind(ahead)
        .execute(&mut *other)
        .await
        .unwrap();
    let returned = tokio::time::timeout(LIMIT, bench.store.expire(at(60), STARTED, TTL)).await;
    assert_eq!(returned.expect("the loop waits for nobody").unwrap(), [free]);
    other.rollback().await.unwrap();
    assert_eq!(bench.expire(at(60)).await, [held]);
    bench.close().await;
}
