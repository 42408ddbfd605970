//! The rows of the protocol table in which a commit has no effect, or another one than it asked for.

use emend_proto::encode;
use emend_proto::v1::{Block, RecordResult};
use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::lease::{LeaseRef, Refusal, Token};
use emend_scheduler::domain::results::Results;
use emend_scheduler::domain::unit::UnitState;
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::{all_valid, content, corrected, valid};
use emend_tests::worker::accepted;

use super::{effects, refused};

on_both_stores!(
    the_same_epoch_with_other_content,
    an_older_epoch_while_another_holds_the_unit,
    an_older_epoch_after_another_has_committed,
    an_epoch_above_the_stored_one,
    a_released_lease,
    a_failed_lease,
    a_split_unit,
    anothers_token,
    a_cancelled_job,
    an_unknown_unit,
    a_deleted_job,
    results_that_do_not_fit,
    results_that_do_not_fit_after_the_lease_was_returned,
    a_corrupt_block,
);

async fn the_same_epoch_with_other_content(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    assert!(accepted(&worker.commit(&lease, at(1)).await).is_some());
    let before = effects(bench, &job).await;
    let others = [content(&[valid(1), corrected(2, "x")]), content(&all_valid(1, 1)), Content::Corrupt];
    for other in others {
        let outcome = worker.commit_content(&lease.lease, other, at(2)).await;
        assert_eq!(refused(outcome), Refusal::IdempotencyMismatch);
    }
    assert_eq!(effects(bench, &job).await, before);
}

async fn an_older_epoch_while_another_holds_the_unit(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let (old, new) = (bench.worker("old"), bench.worker("new"));
    let lost = old.lease_one(T0).await;
    bench.expire(at(60)).await;
    let held = new.lease_one(at(61)).await;
    assert_eq!(held.lease.epoch, lost.lease.epoch + 1);
    let before = effects(bench, &job).await;
    for content in [content(&all_valid(1, 2)), content(&all_valid(1, 1)), Content::Corrupt] {
        let outcome = old.commit_content(&lost.lease, content, at(62)).await;
        assert_eq!(refused(outcome), Refusal::LeaseLost);
    }
    assert_eq!(effects(bench, &job).await, before);
    assert!(accepted(&new.commit(&held, at(63)).await).is_some());
}

async fn an_older_epoch_after_another_has_committed(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let (old, new) = (bench.worker("old"), bench.worker("new"));
    let lost = old.lease_one(T0).await;
    bench.expire(at(60)).await;
    let held = new.lease_one(at(61)).await;
    assert!(accepted(&new.commit(&held, at(62)).await).is_some());
    let before = effects(bench, &job).await;
    // Even with the very same content.
    assert_eq!(refused(old.commit(&lost, at(63)).await), Refusal::Superseded);
    assert_eq!(refused(old.commit_content(&lost.lease, Content::Corrupt, at(63)).await), Refusal::Superseded);
    assert_eq!(effects(bench, &job).await, before);
}

async fn an_epoch_above_the_stored_one(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let above = LeaseRef { epoch: lease.lease.epoch + 1, ..lease.lease.clone() };
    let before = effects(bench, &job).await;
    assert_eq!(refused(worker.commit_with(&above, &all_valid(1, 2), at(1)).await), Refusal::LeaseLost);
    assert_eq!(effects(bench, &job).await, before);
    assert!(accepted(&worker.commit(&lease, at(1)).await).is_some());
    assert_eq!(refused(worker.commit_with(&above, &all_valid(1, 2), at(1)).await), Refusal::LeaseLost);
}

async fn a_released_lease(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.release(&lease.lease).await.unwrap();
    assert_eq!(refused(worker.commit(&lease, at(1)).await), Refusal::LeaseLost);
    assert_eq!((bench.state(&job, 1).await, bench.result_blocks().await), ((UnitState::Ready, 1, 3), 0));
}

async fn a_failed_lease(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.fail(&lease.lease, true).await.unwrap();
    assert_eq!(refused(worker.commit(&lease, at(1)).await), Refusal::LeaseLost);
    assert_eq!((bench.state(&job, 1).await, bench.result_blocks().await), ((UnitState::Ready, 1, 2), 0));
}

async fn a_split_unit(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.fail(&lease.lease, false).await.unwrap();
    assert_eq!(bench.split_all(at(1)).await.len(), 1);
    let before = effects(bench, &job).await;
    assert_eq!(refused(worker.commit(&lease, at(2)).await), Refusal::LeaseLost);
    // Not even with the epoch that the scheduler granted itself.
    let guess = LeaseRef { epoch: lease.lease.epoch + 1, ..lease.lease.clone() };
    assert_eq!(refused(worker.commit_with(&guess, &all_valid(1, 2), at(2)).await), Refusal::LeaseLost);
    assert_eq!(effects(bench, &job).await, before);
    assert_eq!(bench.units(&job).await.len(), 2);
}

async fn anothers_token(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let before = effects(bench, &job).await;
    for token in [Token::new([7; 16]), Token::new([]), Token::new(lease.lease.token.hash())] {
        let stolen = LeaseRef { token, ..lease.lease.clone() };
        for content in [content(&all_valid(1, 2)), content(&all_valid(1, 1)), Content::Corrupt] {
            let outcome = worker.commit_content(&stolen, content, at(1)).await;
            assert_eq!(refused(outcome), Refusal::WrongToken);
        }
    }
    assert_eq!(effects(bench, &job).await, before);
    assert!(accepted(&worker.commit(&lease, at(2)).await).is_some());
    let stolen = LeaseRef { token: Token::new([7; 16]), ..lease.lease };
    assert_eq!(refused(worker.commit_with(&stolen, &all_valid(1, 2), at(3)).await), Refusal::WrongToken);
}

async fn a_cancelled_job(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(1)).await.unwrap();
    let before = effects(bench, &job).await;
    assert_eq!(refused(worker.commit(&lease, at(2)).await), Refusal::JobCancelled);
    assert_eq!(worker.beat(&lease.lease, Some(1), at(2)).await, Err(Refusal::JobCancelled));
    assert_eq!(effects(bench, &job).await, before);
}

async fn an_unknown_unit(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    let unknown = LeaseRef { unit_id: lease.unit_id + 1000, ..lease };
    let before = effects(bench, &job).await;
    assert_eq!(refused(worker.commit_with(&unknown, &all_valid(1, 2), at(1)).await), Refusal::UnitNotFound);
    assert_eq!(effects(bench, &job).await, before);
}

async fn a_deleted_job(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(1)).await.unwrap();
    bench.store.delete_job(JobRef::Id(job.id)).await.unwrap();
    // Before retention has taken its rows, and after.
    assert_eq!(refused(worker.commit(&lease, at(2)).await), Refusal::UnitNotFound);
    assert_eq!(worker.beat(&lease.lease, Some(1), at(2)).await, Err(Refusal::UnitNotFound));
    while bench.store.retain(None).await.unwrap() {}
    assert_eq!(refused(worker.commit(&lease, at(3)).await), Refusal::UnitNotFound);
    assert_eq!(bench.result_blocks().await, 0);
}

async fn results_that_do_not_fit(bench: &Bench) {
    let misfits: [Vec<RecordResult>; 7] = [
        all_valid(1, 3),
        all_valid(1, 5),
        all_valid(2, 5),
        all_valid(101, 104),
        vec![valid(1), valid(3), valid(2), valid(4)],
        vec![valid(1), valid(1), valid(2), valid(3)],
        Vec::new(),
    ];
    for (at_job, misfit) in misfits.iter().enumerate() {
        let job = bench.job(&format!("j{at_job}"), 4, 4).await;
        let worker = bench.worker("w");
        let lease = worker.lease_one(T0).await;
        let outcome = worker.commit_with(&lease.lease, misfit, at(1)).await;
        let Refusal::ResultsDoNotFit(violations) = refused(outcome) else { panic!("{misfit:?}") };
        assert!(!violations.is_empty());
        assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
        assert_eq!(bench.result_blocks().await, 0);
        // The lease is over: not even the right results are taken now.
        assert_eq!(refused(worker.commit(&lease, at(2)).await), Refusal::LeaseLost);
        bench.store.cancel_job(JobRef::Id(job.id), at(3)).await.unwrap();
    }
}

async fn results_that_do_not_fit_after_the_lease_was_returned(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    bench.expire(at(60)).await;
    let outcome = worker.commit_with(&lease.lease, &all_valid(1, 3), at(61)).await;
    assert!(matches!(refused(outcome), Refusal::ResultsDoNotFit(_)));
    // The loop has counted the attempt; one lease costs one.
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
}

async fn a_corrupt_block(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let block = encode(&all_valid(1, 4));
    let corrupt = Block { checksum: block.checksum ^ 1, ..block };
    let outcome = worker.commit_content(&lease.lease, Results::read(corrupt), at(1)).await;
    assert_eq!(refused(outcome), Refusal::ChecksumMismatch);
    assert_eq!(bench.state(&job, 1).await.0, UnitState::SetAside);
    assert_eq!((bench.result_blocks().await, bench.store.progress(job.id).await.unwrap().set_aside), (0, 1));
    assert!(bench.worker("other").lease(1, at(2)).await.is_empty());
    assert_eq!(refused(worker.commit(&lease, at(2)).await), Refusal::LeaseLost);
    assert!(bench.expire(at(600)).await.is_empty());
    assert_eq!(bench.store.retry_units(JobRef::Id(job.id), vec![]).await.unwrap(), 1);
    let lease = bench.worker("other").lease_one(at(3)).await;
    assert_eq!(lease.lease.epoch, 2);
    assert!(accepted(&bench.worker("other").commit(&lease, at(4)).await).is_some());
}
