//! Sixteen workers and the expiry loop.

use std::sync::Arc;
use std::time::Duration;

use emend_proto::v1::RecordResult;
use emend_scheduler::store::{Job, Store};
use emend_tests::bench::STARTED;
use emend_tests::records::corrected;
use emend_tests::worker::{Lease, Worker, number};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::WORKERS;
use crate::clock::Clock;
use crate::journal::{Journal, Sent};

/// How long a lease lasts here.
const TTL: Duration = Duration::from_millis(50);
/// Units that a worker has at once.
const AT_ONCE: usize = 3;

/// Runs until every unit is done.
pub(crate) async fn storm(store: &Store, job: &Job, clock: Clock, journal: &Arc<Journal>) {
    let stop = CancellationToken::new();
    let mut loops = JoinSet::new();
    loops.spawn(expiry(store.clone(), clock.clone(), stop.clone()));
    let mut workers = JoinSet::new();
    for number in 0..WORKERS {
        let worker = Worker { ttl: TTL, ..Worker::new(store, &format!("w{number}")) };
        let random = ChaCha8Rng::seed_from_u64(number);
        workers.spawn(work(worker, job.id, clock.clone(), random, journal.clone()));
    }
    workers.join_all().await;
    stop.cancel();
    loops.join_all().await;
}

/// The loop that returns expired leases. Nothing else moves the clock while all workers wait.
async fn expiry(store: Store, clock: Clock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        store.expire(clock.now(), STARTED, TTL).await.unwrap();
        clock.advance(TTL / 10);
    }
}

async fn work(worker: Worker, job: i64, clock: Clock, mut random: ChaCha8Rng, journal: Arc<Journal>) {
    loop {
        let request = format!("request-{}", number());
        let count = random.random_range(1..=AT_ONCE);
        let mut leases = worker.lease_as(&request, count, clock.now()).await;
        leases.iter().for_each(|lease| journal.granted(&lease.lease));
        if random.random_bool(0.1) {
            // The answer was lost, and is asked for again: the first one's leases are zombies at once.
            let again = worker.lease_as(&request, count, clock.now()).await;
            again.iter().for_each(|lease| journal.granted(&lease.lease));
            leases.extend(again);
        }
        if leases.is_empty() {
            let job = worker.store.progress(job).await.unwrap();
            if job.ready + job.leased == 0 {
                return;
            }
            clock.reaches(clock.now() + TTL / 10).await;
            continue;
        }
        let duration = TTL.mul_f64(random.random_range(0.0..3.0));
        clock.reaches(clock.now() + duration).await;
        say_twice(&worker, &leases, &clock, random.random_bool(0.3), &journal).await;
        clock.advance(Duration::from_millis(random.random_range(0..3)));
    }
}

/// Sends every unit's commit twice at the same moment, and perhaps another result from the same lease beside it.
async fn say_twice(worker: &Worker, leases: &[Lease], clock: &Clock, altered: bool, journal: &Arc<Journal>) {
    let mut copies = vec!["", ""];
    if altered {
        copies.push(" altered");
    }
    let barrier = Arc::new(Barrier::new(copies.len()));
    let mut tasks = JoinSet::new();
    for copy in copies {
        let sent: Vec<_> = leases.iter().map(|lease| sent(worker, lease, copy)).collect();
        let (worker, clock, journal, barrier) =
            (worker.clone(), clock.clone(), journal.clone(), barrier.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            let commits = sent.iter().map(Sent::commit).collect();
            match worker.store.commit(worker.name.clone(), commits, clock.now()).await {
                Ok(outcomes) => {
                    for (sent, outcome) in sent.into_iter().zip(outcomes) {
                        journal.answered(&worker.name, sent, outcome);
                    }
                }
                Err(error) => journal.failed(sent[0].lease.unit_id, &error),
            }
        });
    }
    tasks.join_all().await;
}

/// Results that tell whose they are.
fn sent(worker: &Worker, lease: &Lease, copy: &str) -> Sent {
    let by = format!("{} at {}{copy}", worker.name, lease.lease.epoch);
    let results: Vec<RecordResult> =
        (lease.what.first_seq..=lease.what.last_seq).map(|seq| corrected(seq, &by)).collect();
    Sent::new(lease.lease.clone(), results, format!("commit-{}", number()))
}
