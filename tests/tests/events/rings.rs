//! Schedulers ring each other's long polls.

use std::time::{Duration, Instant};

use emend_scheduler::Secret;
use emend_tests::database::Backend;
use emend_tests::scheduler::Scheduler;

use super::rig::{lease, make_job, node, work_on};

/// How often a waiting call looks by itself, in seconds: with jitter at least 22.
const POLL: f64 = 30.0;
/// Far below that.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_waits_on_one_scheduler_gets_units_made_ready_through_another() {
    let node = node().await;
    let set = |config: &mut emend_scheduler::Config| {
        config.broker = Some(Secret::new(node.url()));
        config.poll = POLL;
    };
    let one = Scheduler::start_with(Backend::Postgres, set).await;
    let store = one.database.url.clone();
    let other = Scheduler::start_with(Backend::Sqlite, |config| {
        set(config);
        config.store = store;
    })
    .await;
    // By the second round at the latest both are connected, and an import takes longer than a look: it is the ring
    // that is heard.
    for round in 0..3 {
        let channel = other.channel();
        let waiting = async {
            let leases = lease(&channel, 1, Duration::from_secs(20)).await;
            (leases, Instant::now())
        };
        let making = async {
            make_job(&one.channel(), &format!("j{round}"), 10).await;
            Instant::now()
        };
        let ((leases, got), made) = tokio::join!(waiting, making);
        assert_eq!(leases.len(), 1, "round {round}: nothing heard");
        let took = got.saturating_duration_since(made);
        assert!(took < SOON, "round {round}: {took:?}");
        let jobs = one.channel();
        emend_tests::scheduler::work(&jobs)
            .release_units(emend_proto::v1::ReleaseUnitsRequest {
                worker_id: "w".into(),
                leases: vec![emend_proto::v1::LeaseRef {
                    unit_id: leases[0].unit_id,
                    epoch: leases[0].epoch,
                    token: leases[0].token.clone(),
                }],
            })
            .await
            .unwrap();
        assert_eq!(work_on(&jobs, 1).await, 1);
    }
    other.stop().await;
    one.stop().await;
}
