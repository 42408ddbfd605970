//! The loop that returns expired leases.

use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::unit::UnitState;
use emend_tests::bench::{Bench, T0, TTL, at};
use emend_tests::on_both_stores;

on_both_stores!(
    a_lease_goes_back_when_it_has_run_out_and_not_before,
    each_expiry_counts_an_attempt,
    a_young_scheduler_holds_back_what_expired_lately,
    many_expiring_at_once_are_held_back_for_a_ttl,
    a_few_expiring_at_once_are_not,
    an_expiry_far_ahead_counts_as_a_ttl_from_now,
);

async fn a_lease_goes_back_when_it_has_run_out_and_not_before(bench: &Bench) {
    let job = bench.job("j", 4, 2).await;
    let worker = bench.worker("w");
    let first = worker.lease_one(T0).await;
    let second = worker.lease_one(at(10)).await;
    assert!(bench.expire(at(59)).await.is_empty());
    assert_eq!(bench.expire(at(60)).await, [first.lease.unit_id]);
    assert!(bench.expire(at(60)).await.is_empty());
    let unit = bench.unit(&job, 1).await;
    assert_eq!((unit.unit.state, unit.unit.epoch, unit.unit.attempts_left), (UnitState::Ready, 1, 2));
    assert_eq!((unit.unit.expires_at, unit.worker), (None, None));
    assert_eq!(bench.state(&job, 3).await, (UnitState::Leased, 1, 3));
    assert_eq!(bench.expire(at(70)).await, [second.lease.unit_id]);
}

async fn each_expiry_counts_an_attempt(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    for round in 1..=3_u64 {
        worker.lease_one(at(round * 100)).await;
        bench.expire(at(round * 100 + 60)).await;
        let left = 3 - i64::try_from(round).unwrap();
        assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, i64::try_from(round).unwrap(), left));
    }
    assert!(worker.lease(1, at(500)).await.is_empty());
}

async fn a_young_scheduler_holds_back_what_expired_lately(bench: &Bench) {
    bench.job("j", 4, 2).await;
    let worker = bench.worker("w");
    let old = worker.lease_one(T0).await;
    let late = worker.lease_one(at(100)).await;
    let expire = |now, started| {
        let store = &bench.store;
        async move { store.expire(at(now), at(started), TTL).await.unwrap() }
    };
    // At 165 both have run out, at 60 and at 160; a scheduler of 15 seconds knows only of the first for sure.
    assert_eq!(expire(165, 150).await, [old.lease.unit_id]);
    assert!(expire(209, 150).await.is_empty());
    assert_eq!(expire(210, 150).await, [late.lease.unit_id]);
}

async fn many_expiring_at_once_are_held_back_for_a_ttl(bench: &Bench) {
    let job = bench.job("j", 40, 2).await;
    let worker = bench.worker("w");
    let oldest = worker.lease_one(T0).await;
    let leases = worker.lease(10, at(100)).await;
    worker.lease(9, at(150)).await;
    // Eleven of twenty have run out: our own outage, perhaps. What expired a TTL ago goes all the same.
    assert_eq!(bench.expire(at(161)).await, [oldest.lease.unit_id]);
    assert!(bench.expire(at(161)).await.is_empty());
    for lease in &leases {
        assert_eq!(worker.beat(&lease.lease, Some(1), at(165)).await, Ok(()));
    }
    assert!(bench.expire(at(166)).await.is_empty());
    assert_eq!(bench.store.progress(job.id).await.unwrap().leased, 19);
    // Nobody was heard for a TTL after that: they all go.
    assert_eq!(bench.expire(at(290)).await.len(), 19);
}

async fn a_few_expiring_at_once_are_not(bench: &Bench) {
    let first = bench.job("first", 18, 2).await;
    let worker = bench.worker("w");
    worker.lease(9, T0).await;
    assert_eq!(bench.expire(at(60)).await.len(), 9);
    bench.store.cancel_job(JobRef::Id(first.id), at(60)).await.unwrap();
    bench.job("j", 40, 2).await;
    worker.lease(10, at(100)).await;
    worker.lease(10, at(120)).await;
    // Ten of twenty are half, not more.
    assert_eq!(bench.expire(at(160)).await.len(), 10);
}

async fn an_expiry_far_ahead_counts_as_a_ttl_from_now(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    // Granted by a scheduler whose clock ran ten years ahead.
    let lease = bench.worker("w").lease_one(at(10 * 365 * 24 * 3600)).await;
    assert!(bench.expire(at(0)).await.is_empty());
    assert_eq!(bench.unit(&job, 1).await.unit.expires_at, Some(at(60)));
    assert_eq!(bench.expire(at(60)).await, [lease.lease.unit_id]);
}
