//! Clients that hang up in the middle of a call, a thousand of them, on a pool of two.

use std::str::FromStr as _;
use std::time::Instant;

use emend_proto::v1::{CommitUnitsRequest, LeaseUnitsRequest};
use emend_tests::database::{Backend, Database};
use emend_tests::proxy::Proxy;
use emend_tests::scheduler::{Scheduler, channel, jobs, work};
use futures::future::join_all;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tonic::transport::Channel;

use super::support::{LIMIT, chunk, commit, header, job_request, lease, lease_request, make_job};

super::on_both_backends!(no_connection_is_left_in_a_transaction);

/// The check itself: a connection that was left so is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_left_in_a_transaction_is_noticed() {
    let database = Database::new(Backend::Postgres).await;
    let options = PgConnectOptions::from_str(&database.url).unwrap().application_name("emend");
    let mut left = PgConnection::connect_with(&options).await.unwrap();
    assert_eq!(database.int(LEFT).await, 0);
    sqlx::raw_sql("BEGIN; SELECT 1").execute(&mut left).await.unwrap();
    assert_eq!(database.int(LEFT).await, 1);
    left.close().await.unwrap();
    database.close().await;
}

const HANG_UPS: usize = 1000;
/// Connections of schedulers that wait in a transaction.
const LEFT: &str = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
    AND application_name = 'emend' AND state LIKE 'idle in transaction%'";

async fn no_connection_is_left_in_a_transaction(backend: Backend) {
    let scheduler = Scheduler::start_with(backend, |config| config.connections = 2).await;
    let proxy = Proxy::start(scheduler.address).await;
    let sound = scheduler.channel();
    make_job(&sound, "j", 800).await;
    jobs(&sound).create_job(job_request("open")).await.unwrap();
    // How many bytes its two requests are.
    proxy.hang_up_after(u64::MAX, u32::MAX);
    assert!(call(&channel(proxy.address), 0, Kind::Work).await);
    let whole = proxy.sent();
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut cut = 0;
    for round in 0..HANG_UPS / 4 {
        let kind = [Kind::Work, Kind::Work, Kind::Import][round % 3];
        // When a request is whole, its transaction is under way. No later than that: so no call is answered.
        let bytes = if random.random_bool(0.5) { u64::MAX } else { random.random_range(1..whole) };
        let requests = if kind == Kind::Work { random.random_range(1..=2) } else { 1 };
        proxy.hang_up_after(bytes, requests);
        let calls = (0..4).map(|copy| {
            let line = channel(proxy.address);
            async move { call(&line, 1 + round * 4 + copy, kind).await }
        });
        cut += join_all(calls).await.into_iter().filter(|heard| !heard).count();
    }
    assert_eq!(cut, HANG_UPS, "calls that were cut");
    // Every connection still serves, and none waits in a transaction for a client that is gone.
    let sound_call = |n: usize| {
        let line = sound.clone();
        async move { lease(&line, &format!("sound-{n}"), 1).await }
    };
    for call in join_all((0..8).map(sound_call)).await {
        call.unwrap();
    }
    if backend == Backend::Postgres {
        let begun = Instant::now();
        // A transaction that is under way is between two statements now and then: it must come to an end.
        while scheduler.database.int(LEFT).await > 0 {
            assert!(begun.elapsed() < LIMIT, "a connection is left in a transaction");
            tokio::task::yield_now().await;
        }
    }
    drop(proxy);
    scheduler.stop_sound().await;
}

/// What a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Leases, then commits: two requests.
    Work,
    /// Imports: one.
    Import,
}

/// Whether all was answered.
async fn call(line: &Channel, turn: usize, kind: Kind) -> bool {
    let name = format!("cut-{turn}");
    if kind == Kind::Import {
        let parts = vec![header("open", &name), chunk(0, 1, 4, true)];
        return jobs(line).import_records(tokio_stream::iter(parts)).await.is_ok();
    }
    let request = LeaseUnitsRequest { slots: 1000, ..lease_request(&name, 1) };
    let Ok(answer) = work(line).lease_units(request).await else { return false };
    let commits = answer.into_inner().leases.iter().map(commit).collect();
    work(line).commit_units(CommitUnitsRequest { worker_id: "w".into(), commits }).await.is_ok()
}
