//! Heartbeat against expiry against commit against the next lease: every order, and all at once.

use std::sync::Arc;

use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::Outcome;
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::{all_valid, corrected};
use emend_tests::worker::accepted;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

on_both_stores!(every_order_has_one_outcome, all_at_once_have_one_outcome, commits_at_once_are_one_effect);

mod mutants {
    emend_tests::fails_on_mutants!(Sqlite:
        sqlite_a_revived_lease: BeatRevives, "a beat after the end", every_order_has_one_outcome;
        sqlite_a_commit_without_a_fence: StateOnly, "a commit in vain", every_order_has_one_outcome;
        sqlite_a_commit_that_is_forgotten: ForgetsCommits, "the first answer", commits_at_once_are_one_effect;
    );
    emend_tests::fails_on_mutants!(Postgres:
        postgres_a_revived_lease: BeatRevives, "a beat after the end", every_order_has_one_outcome;
        postgres_a_commit_without_a_fence: StateOnly, "a commit in vain", every_order_has_one_outcome;
        postgres_a_commit_that_is_forgotten: ForgetsCommits, "the first answer", commits_at_once_are_one_effect;
    );
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Beat,
    Expire,
    Commit,
    LeaseAnew,
}

fn orders(left: &[Step]) -> Vec<Vec<Step>> {
    if left.is_empty() {
        return vec![Vec::new()];
    }
    let rest = |first: Step| left.iter().copied().filter(|step| *step != first).collect::<Vec<_>>();
    let begun = left
        .iter()
        .flat_map(|first| orders(&rest(*first)).into_iter().map(|rest| [vec![*first], rest].concat()));
    begun.collect()
}

async fn every_order_has_one_outcome(bench: &Bench) {
    for (round, order) in
        orders(&[Step::Beat, Step::Expire, Step::Commit, Step::LeaseAnew]).iter().enumerate()
    {
        let job = bench.job(&format!("j{round}"), 2, 2).await;
        let (old, new) = (bench.worker("old"), bench.worker(&format!("new-{round}")));
        let lease = old.lease_one(T0).await;
        let (mut returned, mut extended, mut taken, mut done) = (false, false, false, false);
        for step in order {
            match step {
                Step::Beat => {
                    let beat = old.beat(&lease.lease, Some(1), at(60)).await;
                    assert_eq!(
                        beat.is_ok(),
                        !returned && !done,
                        "a beat after the end, or none before it, in {order:?}: {beat:?}"
                    );
                    extended |= beat.is_ok();
                }
                Step::Expire => {
                    let went = bench.expire(at(60)).await;
                    assert_eq!(went.is_empty(), extended || done, "{order:?}");
                    returned |= !went.is_empty();
                }
                Step::Commit => {
                    let outcome = old.commit(&lease, at(60)).await;
                    assert_eq!(
                        accepted(&outcome).is_some(),
                        !taken,
                        "a commit in vain, or one refused, in {order:?}: {outcome:?}"
                    );
                    done |= accepted(&outcome).is_some();
                }
                Step::LeaseAnew => {
                    let anew = new.lease(1, at(60)).await;
                    assert_eq!(anew.len(), usize::from(returned && !done), "{order:?}");
                    taken |= !anew.is_empty();
                }
            }
        }
        let unit = bench.unit(&job, 1).await;
        let state = if taken { UnitState::Leased } else { UnitState::Done };
        assert_eq!((unit.unit.state, unit.unit.epoch), (state, 1 + i64::from(taken)), "{order:?}");
        assert_eq!(unit.worker.as_deref(), Some(if taken { new.name.as_str() } else { "old" }));
        bench.store.cancel_job(emend_scheduler::domain::job::JobRef::Id(job.id), at(61)).await.unwrap();
    }
}

async fn all_at_once_have_one_outcome(bench: &Bench) {
    for round in 0..12 {
        let job = bench.job(&format!("j{round}"), 2, 2).await;
        let (old, new) = (bench.worker("old"), bench.worker(&format!("new-{round}")));
        let lease = old.lease_one(T0).await;
        let barrier = Arc::new(Barrier::new(4));
        let wait = || {
            let barrier = barrier.clone();
            async move { barrier.wait().await }
        };
        let (beat, returned, outcome, anew) = futures::join!(
            async {
                wait().await;
                old.beat(&lease.lease, Some(1), at(60)).await
            },
            async {
                wait().await;
                bench.expire(at(60)).await
            },
            async {
                wait().await;
                old.commit(&lease, at(60)).await
            },
            async {
                wait().await;
                new.lease(1, at(60)).await
            },
        );
        let unit = bench.unit(&job, 1).await;
        assert!(anew.is_empty() || !returned.is_empty(), "taken and never returned");
        assert!(beat.is_err() || returned.is_empty(), "extended and returned");
        match (anew.first(), &outcome) {
            (None, Outcome::Accepted { receipt, .. }) => {
                assert_eq!((unit.unit.state, unit.unit.receipt.as_ref()), (UnitState::Done, Some(receipt)));
            }
            (Some(anew), Outcome::Refused(Refusal::LeaseLost)) => {
                assert_eq!((unit.unit.state, unit.unit.epoch), (UnitState::Leased, anew.lease.epoch));
            }
            other => panic!("{other:?}"),
        }
        bench.store.cancel_job(emend_scheduler::domain::job::JobRef::Id(job.id), at(61)).await.unwrap();
    }
}

async fn commits_at_once_are_one_effect(bench: &Bench) {
    let job = bench.job("j", 40, 2).await;
    let worker = bench.worker("w");
    for lease in worker.lease(20, T0).await {
        let mut tasks = JoinSet::new();
        let barrier = Arc::new(Barrier::new(4));
        for copy in 0..4 {
            let (worker, lease, barrier) = (worker.clone(), lease.clone(), barrier.clone());
            tasks.spawn(async move {
                let mut results = all_valid(lease.what.first_seq, lease.what.last_seq);
                // The last one says something else.
                if copy == 3 {
                    results[0] = corrected(lease.what.first_seq, "other");
                }
                barrier.wait().await;
                (copy, worker.commit_with(&lease.lease, &results, at(1)).await)
            });
        }
        let outcomes = tasks.join_all().await;
        let unit = bench.unit(&job, lease.what.first_seq).await.unit;
        let receipt = unit.receipt.unwrap();
        let mut first = 0;
        for (_, outcome) in &outcomes {
            match outcome {
                Outcome::Accepted { receipt: told, replayed, .. } => {
                    assert_eq!(*told, receipt);
                    first += usize::from(!replayed);
                }
                Outcome::Refused(refusal) => {
                    assert_eq!(
                        *refusal,
                        Refusal::IdempotencyMismatch,
                        "the first answer does not come again"
                    );
                }
            }
        }
        assert_eq!(first, 1, "{outcomes:?}");
    }
    assert_eq!(bench.result_blocks().await, 20);
}
