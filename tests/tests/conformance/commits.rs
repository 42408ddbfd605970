//! Commits that are taken, and what they leave behind.

use emend_proto::encode;
use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::domain::results::{Results, Verdicts};
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::Outcome;
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::{all_valid, content, corrected, failed, routed, valid};
use emend_tests::worker::accepted;

use super::effects;

on_both_stores!(
    the_newest_lease_is_applied,
    a_paused_job_takes_commits,
    the_same_commit_again_gets_the_same_receipt,
    an_expired_lease_is_applied_late,
    a_returned_lease_is_applied_late_until_another_is_granted,
    what_was_committed_stays_answered_after_a_cancel,
    several_units_have_an_outcome_each,
    the_same_unit_twice_in_one_call,
    the_encoding_does_not_change_the_digest,
    many_units_in_one_call,
);

async fn the_newest_lease_is_applied(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let results = [valid(1), corrected(2, "x"), routed(3), failed(4)];
    let outcome = worker.commit_with(&lease.lease, &results, at(1)).await;
    let Outcome::Accepted { receipt, replayed: false, late: false } = outcome else { panic!("{outcome:?}") };
    let unit = bench.unit(&job, 1).await;
    assert_eq!((receipt.unit_id, receipt.epoch), (lease.lease.unit_id, lease.lease.epoch));
    assert_eq!(unit.unit.receipt, Some(receipt.clone()));
    assert_eq!((unit.unit.state, unit.unit.expires_at), (UnitState::Done, None));
    assert_eq!(unit.worker.as_deref(), Some("w"));
    assert_eq!(unit.verdicts, Verdicts { valid: 1, corrected: 1, routed: 1, failed: 1 });
    assert_eq!(bench.results(&job).await, results);
    let Content::Sound(sound) = content(&results) else { panic!() };
    assert_eq!(receipt.digest, sound.digest);
}

async fn a_paused_job_takes_commits(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    bench.store.pause_job(JobRef::Id(job.id), true).await.unwrap();
    assert!(accepted(&worker.commit(&lease, at(1)).await).is_some());
    assert_eq!(bench.results(&job).await, all_valid(1, 4));
}

async fn the_same_commit_again_gets_the_same_receipt(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let first = worker.commit(&lease, at(1)).await;
    let before = effects(bench, &job).await;
    for again in 2..6 {
        let Outcome::Accepted { receipt, replayed: true, .. } = worker.commit(&lease, at(again * 100)).await
        else {
            panic!("not replayed")
        };
        assert!(matches!(&first, Outcome::Accepted { receipt: there, .. } if *there == receipt));
    }
    assert_eq!(effects(bench, &job).await, before);
}

async fn an_expired_lease_is_applied_late(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let outcome = worker.commit(&lease, at(3600)).await;
    assert!(matches!(accepted(&outcome), Some((_, false, true))), "{outcome:?}");
    assert_eq!(bench.state(&job, 1).await.0, UnitState::Done);
}

async fn a_returned_lease_is_applied_late_until_another_is_granted(bench: &Bench) {
    let job = bench.job("j", 8, 4).await;
    let worker = bench.worker("w");
    let leases = worker.lease(2, T0).await;
    assert_eq!(bench.expire(at(60)).await.len(), 2);
    let outcome = worker.commit(&leases[0], at(61)).await;
    assert!(matches!(accepted(&outcome), Some((_, false, true))), "{outcome:?}");
    assert_eq!(bench.unit(&job, 1).await.worker.as_deref(), Some("w"));
    let other = bench.worker("other").lease_one(at(62)).await;
    assert_eq!(other.lease.unit_id, leases[1].lease.unit_id);
    let outcome = worker.commit(&leases[1], at(63)).await;
    assert_eq!(super::refused(outcome), Refusal::LeaseLost);
    assert_eq!(bench.state(&job, 5).await, (UnitState::Leased, 2, 2));
}

async fn what_was_committed_stays_answered_after_a_cancel(bench: &Bench) {
    let job = bench.job("j", 8, 4).await;
    let worker = bench.worker("w");
    let leases = worker.lease(2, T0).await;
    let first = worker.commit(&leases[0], at(1)).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(2)).await.unwrap();
    let again = worker.commit(&leases[0], at(3)).await;
    assert_eq!(accepted(&again).map(|(id, replayed, _)| (id.to_owned(), replayed)), {
        accepted(&first).map(|(id, ..)| (id.to_owned(), true))
    });
    assert_eq!(bench.results(&job).await.len(), 4);
}

async fn several_units_have_an_outcome_each(bench: &Bench) {
    let job = bench.job("j", 12, 4).await;
    let worker = bench.worker("w");
    let leases = worker.lease(3, T0).await;
    worker.release(&leases[1].lease).await.unwrap();
    let commit = |at: usize| {
        let lease = &leases[at];
        (lease.lease.clone(), content(&all_valid(lease.what.first_seq, lease.what.last_seq)))
    };
    let mut wrong = commit(2);
    wrong.1 = content(&all_valid(9, 11));
    // Not in the order of their ids, and answered in the order of the call.
    let outcomes = worker.commit_all(vec![wrong, commit(1), commit(0)], at(1)).await;
    assert!(matches!(&outcomes[0], Outcome::Refused(Refusal::ResultsDoNotFit(_))), "{outcomes:?}");
    assert_eq!(outcomes[1], Outcome::Refused(Refusal::LeaseLost));
    assert!(accepted(&outcomes[2]).is_some());
    assert_eq!(bench.state(&job, 1).await, (UnitState::Done, 1, 3));
    assert_eq!(bench.state(&job, 5).await, (UnitState::Ready, 1, 3));
    assert_eq!(bench.state(&job, 9).await, (UnitState::Ready, 1, 2));
    assert_eq!(bench.results(&job).await, all_valid(1, 4));
}

async fn the_same_unit_twice_in_one_call(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    let same = || (lease.clone(), content(&all_valid(1, 4)));
    let other = (lease.clone(), content(&[valid(1), valid(2), valid(3), corrected(4, "x")]));
    let outcomes = worker.commit_all(vec![same(), same(), other], at(1)).await;
    let Outcome::Accepted { receipt, replayed: false, .. } = &outcomes[0] else { panic!("{outcomes:?}") };
    let replay = Outcome::Accepted { receipt: receipt.clone(), replayed: true, late: false };
    assert_eq!(outcomes[1], replay);
    assert_eq!(outcomes[2], Outcome::Refused(Refusal::IdempotencyMismatch));
    assert_eq!(bench.result_blocks().await, 1);
    assert_eq!(bench.results(&job).await, all_valid(1, 4));
}

async fn the_encoding_does_not_change_the_digest(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    let block = encode(&all_valid(1, 4));
    let plain = Results::read(block.clone().into_plain().unwrap());
    assert!(accepted(&worker.commit_content(&lease, plain, at(1)).await).is_some());
    let replay = worker.commit_content(&lease, Results::read(block), at(2)).await;
    assert!(matches!(accepted(&replay), Some((_, true, _))), "{replay:?}");
    assert_eq!(bench.results(&job).await, all_valid(1, 4));
}

async fn many_units_in_one_call(bench: &Bench) {
    let job = bench.job("j", 300, 1).await;
    let worker = emend_tests::worker::Worker { slots: 300, ..bench.worker("w") };
    let leases = worker.lease(300, T0).await;
    assert_eq!(leases.len(), 300);
    let commit = |lease: &emend_tests::worker::Lease| {
        (lease.lease.clone(), content(&all_valid(lease.what.first_seq, lease.what.last_seq)))
    };
    let outcomes = worker.commit_all(leases.iter().rev().map(commit).collect(), at(1)).await;
    assert!(outcomes.iter().all(|outcome| accepted(outcome).is_some()));
    assert_eq!(bench.results(&job).await, all_valid(1, 300));
}
