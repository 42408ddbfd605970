//! Sums over a job's units, and lists of them.

use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::results::{Tallies, Verdicts};
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Progress, WorkerStatus};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::{corrected, failed, routed, valid};

on_both_stores!(
    sums_add_up_at_every_step,
    tallies_are_summed,
    units_are_listed_by_state_and_paged,
    retrying_names_units_of_its_job_only,
    workers_are_known_by_the_units_they_hold,
);

async fn sums_add_up_at_every_step(bench: &Bench) {
    let job = bench.job("j", 10, 2).await;
    bench.job("another", 4, 2).await;
    let progress = || async {
        let progress = bench.store.progress(job.id).await.unwrap();
        assert_eq!(progress.records, 10);
        progress
    };
    let start = Progress { records: 10, ready: 5, ..Progress::default() };
    assert_eq!(progress().await, start);
    let worker = bench.worker("w");
    let leases = worker.lease(3, T0).await;
    assert_eq!(progress().await, Progress { ready: 2, leased: 3, ..start.clone() });
    worker.commit_with(&leases[0].lease, &[valid(1), corrected(2, "x")], at(1)).await;
    worker.commit_with(&leases[1].lease, &[routed(3), failed(4)], at(1)).await;
    let verdicts = Verdicts { valid: 1, corrected: 1, routed: 1, failed: 1 };
    let start = Progress { reviews_open: 2, ..start };
    assert_eq!(progress().await, Progress { ready: 2, leased: 1, done: 2, verdicts, ..start.clone() });
    worker.fail(&leases[2].lease, false).await.unwrap();
    assert_eq!(progress().await, Progress { ready: 3, done: 2, verdicts, ..start.clone() });
    bench.split_all(at(2)).await;
    assert_eq!(progress().await, Progress { ready: 4, done: 2, verdicts, ..start.clone() });
    let id = bench.unit(&job, 9).await.unit.id;
    bench.database.execute(&format!("UPDATE units SET state = 'set_aside' WHERE id = {id}")).await;
    assert_eq!(progress().await, Progress { ready: 3, done: 2, set_aside: 1, verdicts, ..start.clone() });
    assert_eq!(bench.store.progress(999).await.unwrap(), Progress::default());
}

async fn tallies_are_summed(bench: &Bench) {
    let job = bench.job("j", 6, 2).await;
    assert_eq!(bench.store.tallies(job.id).await.unwrap(), Tallies::default());
    let worker = bench.worker("w");
    let leases = worker.lease(3, T0).await;
    worker.commit_with(&leases[0].lease, &[corrected(1, "x"), corrected(2, "x")], at(1)).await;
    worker.commit_with(&leases[1].lease, &[routed(3), corrected(4, "x")], at(1)).await;
    worker.commit_with(&leases[2].lease, &[valid(5), failed(6)], at(1)).await;
    let tallies = bench.store.tallies(job.id).await.unwrap();
    assert_eq!(tallies.rules.into_iter().collect::<Vec<_>>(), [("n.fix".to_owned(), 3)]);
    assert_eq!(tallies.findings.into_iter().collect::<Vec<_>>(), [("n.odd".to_owned(), 1)]);
}

async fn units_are_listed_by_state_and_paged(bench: &Bench) {
    let job = bench.job("j", 10, 2).await;
    let worker = bench.worker("w");
    let leases = worker.lease(3, T0).await;
    worker.commit_with(&leases[1].lease, &[valid(3), routed(4)], at(1)).await;
    let list = |state, after| async move {
        let units = bench.store.units(job.id, state, after, 2).await.unwrap();
        units.iter().map(|unit| unit.unit.first_seq).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 0).await, [1, 3]);
    assert_eq!(list(None, 3).await, [5, 7]);
    assert_eq!(list(None, 7).await, [9]);
    assert_eq!(list(Some(UnitState::Leased), 0).await, [1, 5]);
    assert_eq!(list(Some(UnitState::Done), 0).await, [3]);
    assert_eq!(list(Some(UnitState::Ready), 7).await, [9]);
    assert!(list(Some(UnitState::SetAside), 0).await.is_empty());
}

async fn retrying_names_units_of_its_job_only(bench: &Bench) {
    let (a, b) = (bench.job("a", 4, 2).await, bench.job("b", 4, 2).await);
    bench.database.execute("UPDATE units SET state = 'set_aside', attempts_left = 0").await;
    let ids: Vec<_> = bench.units(&b).await.iter().map(|unit| unit.unit.id).collect();
    assert_eq!(bench.store.retry_units(JobRef::Id(a.id), ids.clone()).await.unwrap(), 0);
    assert_eq!(bench.store.retry_units(JobRef::Id(b.id), vec![ids[0]]).await.unwrap(), 1);
    assert_eq!(bench.state(&b, 1).await, (UnitState::Ready, 0, 3));
    assert_eq!(bench.state(&b, 3).await.0, UnitState::SetAside);
    assert_eq!(bench.store.retry_units(JobRef::Name("a".into()), vec![]).await.unwrap(), 2);
    assert_eq!(bench.store.progress(b.id).await.unwrap().set_aside, 1);
}

async fn workers_are_known_by_the_units_they_hold(bench: &Bench) {
    bench.job("j", 10, 2).await;
    bench.job("another", 3, 3).await;
    let (a, b) = (bench.worker("a"), bench.worker("b"));
    assert_eq!(bench.store.workers(String::new(), 9).await.unwrap(), []);
    let leases = a.lease(3, T0).await;
    // From the job that has no unit leased, then from the first again.
    b.lease(1, at(5)).await;
    b.lease(2, at(6)).await;
    a.beat(&leases[0].lease, Some(1), at(7)).await.unwrap();
    a.commit(&leases[2], at(8)).await;
    let status = |worker: &str, units, records, progress, expires_at| WorkerStatus {
        worker: worker.into(),
        units,
        records,
        progress,
        expires_at,
    };
    let all = [status("a", 2, 4, 1, at(60)), status("b", 3, 7, 0, at(65))];
    assert_eq!(bench.store.workers(String::new(), 9).await.unwrap(), all);
    assert_eq!(bench.store.workers(String::new(), 1).await.unwrap(), all[..1]);
    assert_eq!(bench.store.workers("a".into(), 9).await.unwrap(), all[1..]);
}
