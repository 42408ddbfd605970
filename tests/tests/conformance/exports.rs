//! Pages of units with their blocks, as exports read them.

use emend_proto::decode;
use emend_proto::v1::{Record, RecordResult};
use emend_scheduler::domain::job::JobRef;
use emend_scheduler::store::{Having, Job};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::{corrected, failed, record, routed, valid};

on_both_stores!(
    pages_come_in_order_without_gaps,
    a_page_may_begin_inside_a_unit,
    units_without_the_verdict_are_skipped,
    the_latest_revision_is_in_force,
);

/// Every record with its result, read in pages of `limit` units from after `after`.
async fn read(
    bench: &Bench,
    job: &Job,
    mut after: i64,
    limit: u32,
) -> Vec<(i64, Record, Option<RecordResult>)> {
    let mut all = Vec::new();
    loop {
        let page = bench.store.unit_blocks(job.id, Having::Anything, after, limit).await.unwrap();
        let Some(last) = page.last().map(|unit| unit.last_seq) else { return all };
        for unit in page {
            let mut results = unit.results.as_ref().map(|block| decode::<RecordResult>(block).unwrap());
            for (seq, record) in (unit.first_seq..).zip(decode::<Record>(&unit.records).unwrap()) {
                let result = results.as_mut().map(|results| results.next().unwrap().unwrap());
                all.push((seq, record.unwrap(), result));
            }
        }
        after = last;
    }
}

async fn pages_come_in_order_without_gaps(bench: &Bench) {
    let job = bench.job("j", 50, 4).await;
    let another = bench.job("another", 9, 4).await;
    bench.store.pause_job(JobRef::Id(another.id), true).await.unwrap();
    let worker = bench.worker("w");
    let leases = worker.lease(5, T0).await;
    for lease in &leases[1..3] {
        worker.commit(lease, at(1)).await;
    }
    // Two units are split in the middle of it all, one half is done.
    for lease in &leases[3..] {
        worker.fail(&lease.lease, false).await.unwrap();
    }
    bench.split_all(at(2)).await;
    let half = worker.lease_one(at(3)).await;
    worker.commit(&half, at(4)).await;
    for limit in [1, 3, 100] {
        let all = read(bench, &job, 0, limit).await;
        assert_eq!(all.len(), 50);
        for (n, (seq, read, result)) in (1..).zip(all) {
            assert_eq!((seq, read), (n, record(n)));
            let done = (5..=12).contains(&n) || (half.what.first_seq..=half.what.last_seq).contains(&n);
            assert_eq!(result, done.then(|| valid(n)));
        }
    }
}

async fn a_page_may_begin_inside_a_unit(bench: &Bench) {
    let job = bench.job("j", 20, 8).await;
    let firsts = |after| async move {
        let page = bench.store.unit_blocks(job.id, Having::Anything, after, 9).await.unwrap();
        page.iter().map(|unit| unit.first_seq).collect::<Vec<_>>()
    };
    assert_eq!(firsts(0).await, [1, 9, 17]);
    assert_eq!(firsts(7).await, [1, 9, 17]);
    assert_eq!(firsts(8).await, [9, 17]);
    assert_eq!(firsts(9).await, [9, 17]);
    assert_eq!(firsts(19).await, [17]);
    assert!(firsts(20).await.is_empty());
    // As large as a unit can be: its last record is far from its first.
    let large = bench.job("large", 10_001, 10_000).await;
    let page = bench.store.unit_blocks(large.id, Having::Anything, 9_999, 9).await.unwrap();
    assert_eq!(page.iter().map(|unit| unit.first_seq).collect::<Vec<_>>(), [1, 10_001]);
}

async fn units_without_the_verdict_are_skipped(bench: &Bench) {
    let job = bench.job("j", 5, 1).await;
    let worker = bench.worker("w");
    let results = [valid(1), corrected(2, "x"), routed(3), failed(4)];
    for (lease, result) in worker.lease(4, T0).await.iter().zip(results) {
        worker.commit_with(&lease.lease, &[result], at(1)).await;
    }
    let having = |having| async move {
        let page = bench.store.unit_blocks(job.id, having, 0, 9).await.unwrap();
        page.iter().map(|unit| unit.first_seq).collect::<Vec<_>>()
    };
    assert_eq!(having(Having::Anything).await, [1, 2, 3, 4, 5]);
    assert_eq!(having(Having::Valid).await, [1]);
    assert_eq!(having(Having::Corrected).await, [2]);
    assert_eq!(having(Having::Routed).await, [3]);
    assert_eq!(having(Having::Failed).await, [4]);
}

async fn the_latest_revision_is_in_force(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.commit_with(&lease.lease, &[valid(1), corrected(2, "x")], at(1)).await;
    // A rule was run again: a second revision stands beside the first.
    bench
        .database
        .execute(
            "INSERT INTO blocks (unit_id, revision, count, plain_bytes, checksum, data)
             SELECT unit_id, 2, count, plain_bytes, checksum, data FROM blocks WHERE revision = 1",
        )
        .await;
    let all = read(bench, &job, 0, 9).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].2, Some(corrected(2, "x")));
    assert_eq!(bench.store.record(job.id, "K-000002".into()).await.unwrap().result, Some(corrected(2, "x")));
}
