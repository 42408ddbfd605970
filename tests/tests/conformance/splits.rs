//! Units whose attempts are used up.

use emend_proto::decode;
use emend_proto::v1::{Record, RecordResult, Verdict};
use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::domain::results::Verdicts;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Having, Job, SplitOutcome};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::records;
use emend_tests::worker::{Worker, accepted};

use super::{effects, refused};

on_both_stores!(
    halves_hold_the_parents_records,
    a_lone_record_fails_and_is_settled,
    one_poison_record_costs_few_leases,
    a_late_commit_for_the_parent_is_lost,
    a_late_commit_before_the_split_is_taken,
    a_damaged_unit_is_set_aside_instead,
    jobs_that_have_ended_are_not_split,
    several_schedulers_split_a_unit_once,
);

async fn exhaust(bench: &Bench, worker: &Worker) {
    let lease = worker.lease_one(T0).await;
    worker.fail(&lease.lease, false).await.unwrap();
    bench.split_all(at(1)).await;
}

async fn block_of(bench: &Bench, job: &Job, first_seq: i64) -> Vec<Record> {
    let page = bench.store.unit_blocks(job.id, Having::Anything, first_seq - 1, 1).await.unwrap();
    assert_eq!(page[0].first_seq, first_seq);
    decode(&page[0].records).unwrap().map(Result::unwrap).collect()
}

async fn halves_hold_the_parents_records(bench: &Bench) {
    let job = bench.job("j", 12, 7).await;
    let worker = bench.worker("w");
    let parent = bench.unit(&job, 1).await.unit.id;
    exhaust(bench, &worker).await;
    let units = bench.units(&job).await;
    let places: Vec<_> = units.iter().map(|unit| (unit.unit.first_seq, unit.unit.last_seq)).collect();
    assert_eq!(places, [(1, 3), (4, 7), (8, 12)]);
    assert!(units.iter().all(|unit| unit.unit.id != parent && unit.unit.state == UnitState::Ready));
    assert_eq!((bench.state(&job, 1).await.2, bench.state(&job, 4).await.2), (1, 1));
    assert_eq!(
        (block_of(bench, &job, 1).await, block_of(bench, &job, 4).await),
        (records(1, 3), records(4, 7))
    );
    // The parent is kept until retention, and out of all sums.
    let parents = format!("SELECT COUNT(*) FROM units WHERE id = {parent} AND state = 'split' AND epoch = 2");
    assert_eq!(bench.database.int(&parents).await, 1);
    let progress = bench.store.progress(job.id).await.unwrap();
    assert_eq!((progress.records, progress.ready), (12, 3));
    let found = bench.store.record(job.id, "K-000005".into()).await.unwrap();
    assert_eq!((found.seq, found.unit.first_seq), (5, 4));
    // A half that may hold what was deadly goes alone.
    for unit in [vec![1], vec![4], vec![8]] {
        let leases = worker.lease(9, at(2)).await;
        assert_eq!(leases.iter().map(|lease| lease.what.first_seq).collect::<Vec<_>>(), unit);
        assert_eq!(leases[0].lease.epoch, 1);
        assert!(accepted(&worker.commit(&leases[0], at(3)).await).is_some());
    }
    let seqs: Vec<_> = bench.results(&job).await.iter().map(|result| result.seq).collect();
    assert_eq!(seqs, (1..=12).collect::<Vec<_>>());
}

async fn a_lone_record_fails_and_is_settled(bench: &Bench) {
    let job = bench.job("j", 1, 1).await;
    let worker = bench.worker("w");
    for attempt in 0..3 {
        let lease = worker.lease_one(at(attempt)).await;
        worker.fail(&lease.lease, true).await.unwrap();
    }
    let unit = bench.unit(&job, 1).await.unit.id;
    let split = bench.store.split_one("by-the-scheduler".into(), at(5)).await.unwrap();
    assert_eq!(split, Some(SplitOutcome::Failed(unit)));
    assert_eq!(bench.store.split_one("again".into(), at(6)).await.unwrap(), None);
    let done = bench.unit(&job, 1).await;
    assert_eq!((done.unit.state, done.unit.epoch), (UnitState::Done, 4));
    assert_eq!(done.verdicts, Verdicts { failed: 1, ..Verdicts::default() });
    let receipt = done.unit.receipt.unwrap();
    assert_eq!((receipt.commit_id.as_str(), receipt.epoch), ("by-the-scheduler", 4));
    let [RecordResult { seq: 1, failure, verdict, .. }] = &bench.results(&job).await[..] else { panic!() };
    assert_eq!((failure.as_str(), *verdict), ("attempts", i32::from(Verdict::Failed)));
    // A person's now: the job goes on to reviewing.
    let moved = bench.store.advance_jobs(at(7)).await.unwrap();
    assert_eq!(moved, [(job.id, emend_scheduler::domain::job::JobState::Reviewing)]);
}

async fn one_poison_record_costs_few_leases(bench: &Bench) {
    for (round, (size, poison)) in [(500, 1), (500, 500), (512, 137), (7, 3), (1, 1)].into_iter().enumerate()
    {
        let job = bench.job(&format!("j{round}"), size, u32::try_from(size).unwrap()).await;
        let worker = bench.worker("w");
        let (mut leases, mut lost) = (0, 0);
        while let Some(lease) = worker.lease(1, at(leases)).await.pop() {
            leases += 1;
            if (lease.what.first_seq..=lease.what.last_seq).contains(&poison) {
                lost += 1;
                worker.fail(&lease.lease, true).await.unwrap();
                bench.split_all(at(leases)).await;
            } else {
                assert!(accepted(&worker.commit(&lease, at(leases)).await).is_some());
            }
        }
        // Attempts for the unit, two leases for each level of halves, attempts for the lone record.
        let levels = u64::from(u64::try_from(size).unwrap().next_power_of_two().ilog2());
        assert!(leases < 2 * levels + 2 * 3, "{size}: {leases} leases");
        assert!(lost <= 2 * levels + 3, "{size}: {lost} leases lost");
        let progress = bench.store.progress(job.id).await.unwrap();
        assert_eq!(progress.verdicts, Verdicts { valid: size - 1, failed: 1, ..Verdicts::default() });
        assert_eq!(progress.records, size);
        let failed = bench.store.record(job.id, format!("K-{poison:06}")).await.unwrap();
        assert_eq!(failed.result.unwrap().verdict(), Verdict::Failed);
    }
}

async fn a_late_commit_for_the_parent_is_lost(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    for round in 0..2 {
        let lease = worker.lease_one(at(round)).await;
        worker.fail(&lease.lease, true).await.unwrap();
    }
    let last = worker.lease_one(at(10)).await;
    bench.expire(at(70)).await;
    assert_eq!(bench.split_all(at(71)).await, [SplitOutcome::Halved(last.lease.unit_id)]);
    let before = effects(bench, &job).await;
    assert_eq!(refused(worker.commit(&last, at(72)).await), Refusal::LeaseLost);
    assert_eq!(worker.beat(&last.lease, Some(3), at(72)).await, Err(Refusal::LeaseLost));
    assert_eq!(worker.release(&last.lease).await, Err(Refusal::LeaseLost));
    assert_eq!(effects(bench, &job).await, before);
}

async fn a_late_commit_before_the_split_is_taken(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    for round in 0..2 {
        let lease = worker.lease_one(at(round)).await;
        worker.fail(&lease.lease, true).await.unwrap();
    }
    let last = worker.lease_one(at(10)).await;
    bench.expire(at(70)).await;
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 3, 0));
    assert!(matches!(accepted(&worker.commit(&last, at(71)).await), Some((_, false, true))));
    assert!(bench.split_all(at(72)).await.is_empty());
    assert_eq!(bench.units(&job).await.len(), 1);
}

async fn a_damaged_unit_is_set_aside_instead(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.fail(&lease.lease, false).await.unwrap();
    bench.database.execute("UPDATE blocks SET checksum = 4294967295 - checksum").await;
    assert_eq!(bench.split_all(at(1)).await, [SplitOutcome::SetAside(lease.lease.unit_id)]);
    assert_eq!(bench.state(&job, 1).await.0, UnitState::SetAside);
    bench.database.execute("UPDATE blocks SET checksum = 4294967295 - checksum").await;
    bench.store.retry_units(JobRef::Id(job.id), vec![]).await.unwrap();
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 3));
}

async fn jobs_that_have_ended_are_not_split(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.fail(&lease.lease, false).await.unwrap();
    bench.store.cancel_job(JobRef::Id(job.id), at(1)).await.unwrap();
    assert!(bench.split_all(at(2)).await.is_empty());
    assert_eq!(bench.units(&job).await.len(), 1);
}

async fn several_schedulers_split_a_unit_once(bench: &Bench) {
    let job = bench.job("j", 32, 8).await;
    let worker = bench.worker("w");
    for lease in worker.lease(4, T0).await {
        worker.fail(&lease.lease, false).await.unwrap();
    }
    let split = futures::future::join_all((0..4).map(|_| bench.split_all(at(1)))).await;
    assert_eq!(split.iter().map(Vec::len).sum::<usize>(), 4);
    let places: Vec<_> = bench.units(&job).await.iter().map(|unit| unit.unit.first_seq).collect();
    assert_eq!(places, [1, 5, 9, 13, 17, 21, 25, 29]);
}
