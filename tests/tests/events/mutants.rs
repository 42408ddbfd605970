//! The test of the confirm can fail: a relay that forgets its rows before the broker has confirmed loses events.

use std::time::Duration;

use emend_scheduler::relay_alone;
use emend_scheduler::store::{Mutant, Store};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::collector::{Collector, Kind};
use emend_tests::database::Backend;
use emend_tests::process::eventually;
use emend_tests::rabbitmq::RabbitMq;
use emend_tests::records::routed;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::rig::{LIMIT, node};

/// How long missing events are waited for where none is expected.
const NEVER: Duration = Duration::from_secs(3);

struct Relay {
    stop: CancellationToken,
    ended: JoinSet<Result<(), String>>,
}

fn start(store: &Store, node: &RabbitMq) -> Relay {
    let (stop, mut ended) = (CancellationToken::new(), JoinSet::new());
    let (store, url, token) = (store.clone(), node.url(), stop.clone());
    ended.spawn(async move { relay_alone(store, &url, Duration::ZERO, token).await });
    Relay { stop, ended }
}

impl Relay {
    async fn stop(mut self) {
        self.stop.cancel();
        self.ended.join_next().await.unwrap().unwrap().unwrap();
    }
}

/// Commits a unit while the broker is frozen, waits until the relay has taken it, kills both, and starts both again.
/// Whether the event came in the end.
async fn survives(node: &mut RabbitMq, mutant: Option<Mutant>, queue: &str) -> bool {
    let bench = Bench::new(Backend::Sqlite).await;
    let store = bench.store.with_outbox();
    let taking = mutant.map_or_else(|| store.clone(), |mutant| store.with_mutant(mutant));
    let collector = Collector::start(&node.url(), queue, Kind::Classic, &["record.#"]).await.unwrap();
    let relay = start(&taking, node);
    let told = Bench { store: store.clone(), database: bench.database };
    told.job("first", 1, 1).await;
    let worker = told.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.commit_with(&lease.lease, &[routed(1)], at(1)).await;
    // The relay's connection is sound: this event came.
    eventually("the first event", LIMIT, async || (!collector.events().is_empty()).then_some(()))
        .await
        .unwrap();
    node.freeze().unwrap();
    told.job("second", 1, 1).await;
    let lease = worker.lease_one(T0).await;
    worker.commit_with(&lease.lease, &[routed(1)], at(2)).await;
    let taken = format!("SELECT COUNT(*) FROM outbox WHERE unit_id = {} AND due_at = 0", lease.lease.unit_id);
    let look = async || (told.database.int(&taken).await == 0).then_some(());
    eventually("the relay takes the row", LIMIT, look).await.unwrap();
    relay.stop().await;
    // What is on the way goes with it.
    node.kill().unwrap();
    node.run().await.unwrap();
    // The claim of the relay that was stopped has not run out yet.
    told.database.execute("UPDATE outbox SET due_at = 0").await;
    let relay = start(&store, node);
    let receipt = told.database.texts("SELECT commit_id FROM units WHERE state = 'done' ORDER BY id").await;
    let wanted: Vec<String> = receipt.iter().map(|row| format!("{}-1-n.odd", row[0])).collect();
    assert_eq!(wanted.len(), 2);
    let came = collector.has(&wanted, if mutant.is_some() { NEVER } else { LIMIT }).await.is_ok();
    relay.stop().await;
    told.close().await;
    came
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_live_until_the_confirm_and_a_relay_that_forgets_them_sooner_loses_events() {
    let mut node = node().await;
    assert!(survives(&mut node, None, "confirmed").await);
    assert!(!survives(&mut node, Some(Mutant::ForgetBeforeConfirm), "forgotten").await);
}
