//! Units that their worker gives back.

use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::lease::{LeaseRef, Refusal, Token};
use emend_scheduler::domain::unit::UnitState;
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;

use super::effects;

on_both_stores!(
    a_released_unit_is_ready_and_no_attempt_counted,
    a_failed_unit_is_ready_and_an_attempt_counted,
    what_is_not_retryable_is_split_at_once,
    an_attempt_is_counted_once,
    a_hand_back_said_again_after_another_took_the_unit,
    a_release_after_expiry_ends_the_lease,
    hand_backs_of_those_who_hold_nothing_are_refused,
);

async fn a_released_unit_is_ready_and_no_attempt_counted(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    worker.beat(&lease, Some(1), at(1)).await.unwrap();
    for _said in 0..3 {
        assert_eq!(worker.release(&lease).await, Ok(()));
        let unit = bench.unit(&job, 1).await;
        assert_eq!((unit.unit.state, unit.unit.epoch, unit.unit.attempts_left), (UnitState::Ready, 1, 3));
        assert_eq!((unit.unit.expires_at, unit.unit.progress, unit.worker), (None, None, None));
    }
    assert_eq!(bench.worker("other").lease_one(at(2)).await.lease.epoch, 2);
}

async fn a_failed_unit_is_ready_and_an_attempt_counted(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    for _said in 0..3 {
        assert_eq!(worker.fail(&lease, true).await, Ok(()));
        assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
    }
    assert_eq!(bench.worker("other").lease_one(at(2)).await.lease.epoch, 2);
}

async fn what_is_not_retryable_is_split_at_once(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    assert_eq!(worker.fail(&lease, false).await, Ok(()));
    assert_eq!(worker.fail(&lease, false).await, Ok(()));
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 0));
    assert!(worker.lease(1, at(1)).await.is_empty());
    bench.split_all(at(1)).await;
    assert_eq!(worker.lease(9, at(2)).await.len(), 1);
    assert_eq!(bench.worker("another").lease(9, at(2)).await.len(), 1);
    assert_eq!(worker.fail(&lease, false).await, Err(Refusal::LeaseLost));
}

async fn an_attempt_is_counted_once(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    bench.expire(at(60)).await;
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
    assert_eq!(worker.fail(&lease, true).await, Ok(()));
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
    assert!(bench.expire(at(600)).await.is_empty());
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
}

async fn a_hand_back_said_again_after_another_took_the_unit(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    worker.release(&lease).await.unwrap();
    let other = bench.worker("other").lease_one(at(1)).await;
    let before = effects(bench, &job).await;
    assert_eq!(worker.release(&lease).await, Err(Refusal::LeaseLost));
    assert_eq!(worker.fail(&lease, true).await, Err(Refusal::LeaseLost));
    assert_eq!(effects(bench, &job).await, before);
    bench.worker("other").commit(&other, at(2)).await;
    assert_eq!(worker.release(&lease).await, Err(Refusal::Superseded));
    assert_eq!(bench.state(&job, 1).await.0, UnitState::Done);
}

async fn a_release_after_expiry_ends_the_lease(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    bench.expire(at(60)).await;
    assert_eq!(worker.release(&lease.lease).await, Ok(()));
    assert_eq!(super::refused(worker.commit(&lease, at(61)).await), Refusal::LeaseLost);
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
}

async fn hand_backs_of_those_who_hold_nothing_are_refused(bench: &Bench) {
    let job = bench.job("j", 4, 2).await;
    let worker = bench.worker("w");
    let leases = worker.lease(2, T0).await;
    let lease = leases[0].lease.clone();
    let before = effects(bench, &job).await;
    let stolen = LeaseRef { token: Token::new([7; 16]), ..lease.clone() };
    assert_eq!(worker.release(&stolen).await, Err(Refusal::WrongToken));
    let above = LeaseRef { epoch: 2, ..lease.clone() };
    assert_eq!(worker.fail(&above, true).await, Err(Refusal::LeaseLost));
    let unknown = LeaseRef { unit_id: 999_999, ..lease.clone() };
    assert_eq!(worker.fail(&unknown, true).await, Err(Refusal::UnitNotFound));
    assert_eq!(effects(bench, &job).await, before);
    worker.commit(&leases[1], at(1)).await;
    let before = effects(bench, &job).await;
    assert_eq!(worker.release(&leases[1].lease).await, Err(Refusal::Superseded));
    assert_eq!(worker.fail(&leases[1].lease, true).await, Err(Refusal::Superseded));
    assert_eq!(effects(bench, &job).await, before);
    bench.store.cancel_job(JobRef::Id(job.id), at(2)).await.unwrap();
    assert_eq!(worker.release(&lease).await, Err(Refusal::JobCancelled));
}
