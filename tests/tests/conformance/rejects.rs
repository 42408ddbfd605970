//! Rows of an import that were not taken.

use emend_scheduler::store::{Batch, Reject};
use emend_tests::bench::{Bench, batch};
use emend_tests::on_both_stores;
use emend_tests::records::{record, records, with_payload};

on_both_stores!(
    rejects_are_kept_in_file_order_and_paged,
    a_batch_of_rejects_only_moves_the_import_on,
    a_repeated_key_is_a_reject_wherever_it_was_seen,
    rejects_do_not_double_when_a_batch_comes_again,
);

fn reject(row: i64, code: &str) -> Reject {
    Reject { row, code: code.into() }
}

async fn list(bench: &Bench, job: i64, import_id: &str) -> Vec<(i64, Reject)> {
    bench.store.rejects(job, import_id.into(), 0, 100).await.unwrap()
}

async fn rejects_are_kept_in_file_order_and_paged(bench: &Bench) {
    let job = bench.new_job("j", 10).await;
    bench.import(&job, "file", 0, &records(1, 1), false).await;
    let bad = vec![reject(2, "encoding"), reject(4, "too_large")];
    let rows = Batch { rejects: bad, ..batch(&job, "file", 1, &[record(3)], false) };
    let import = bench.store.import(job.id, rows).await.unwrap();
    assert_eq!((import.next_offset, import.accepted, import.rejected), (4, 2, 2));
    let rows = Batch { rejects: vec![reject(7, "syntax")], ..batch(&job, "file", 4, &records(5, 6), true) };
    bench.store.import(job.id, rows).await.unwrap();
    let all = list(bench, job.id, "file").await;
    let codes: Vec<_> =
        all.iter().map(|(number, reject)| (*number, reject.row, reject.code.as_str())).collect();
    assert_eq!(codes, [(1, 2, "encoding"), (2, 4, "too_large"), (3, 7, "syntax")]);
    let mut paged = Vec::new();
    let mut after = 0;
    loop {
        let page = bench.store.rejects(job.id, "file".into(), after, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        paged.extend(page);
    }
    assert_eq!(paged, all);
    assert!(list(bench, job.id, "other").await.is_empty());
}

async fn a_batch_of_rejects_only_moves_the_import_on(bench: &Bench) {
    let job = bench.new_job("j", 10).await;
    bench.import(&job, "file", 0, &[], false).await;
    let rejects: Vec<_> = (1..=500).map(|row| reject(row, "missing_key")).collect();
    let rows = Batch { rejects, ..batch(&job, "file", 0, &[], true) };
    let import = bench.store.import(job.id, rows).await.unwrap();
    assert_eq!((import.next_offset, import.rejected, import.finished), (500, 500, true));
    assert!(bench.units(&job).await.is_empty());
}

async fn a_repeated_key_is_a_reject_wherever_it_was_seen(bench: &Bench) {
    let job = bench.new_job("j", 2).await;
    let other = |n: i64, row| with_payload(&format!("K-{n:06}"), row, r#"{"n":"other"}"#);
    // In one batch, where the first stands.
    let import =
        bench.import(&job, "file", 0, &[record(1), other(1, 2), record(2), other(1, 4)], false).await;
    assert_eq!((import.accepted, import.rejected), (2, 2));
    // In another batch.
    let import = bench.import(&job, "file", 4, &[other(2, 5), record(3)], true).await;
    assert_eq!((import.accepted, import.rejected), (3, 3));
    // In another import.
    let import = bench.import(&job, "more", 0, &[other(3, 1), record(4)], true).await;
    assert_eq!((import.accepted, import.rejected), (1, 1));
    let rows: Vec<_> = list(bench, job.id, "file").await.into_iter().map(|(_, reject)| reject).collect();
    assert_eq!(rows, [2, 4, 5].map(|row| reject(row, "duplicate_key")));
    for n in 1..=4 {
        assert_eq!(bench.store.record(job.id, format!("K-{n:06}")).await.unwrap().record, record(n));
    }
}

async fn rejects_do_not_double_when_a_batch_comes_again(bench: &Bench) {
    let job = bench.new_job("j", 2).await;
    bench.import(&job, "file", 0, &[], false).await;
    let rows =
        || Batch { rejects: vec![reject(2, "syntax")], ..batch(&job, "file", 0, &records(1, 1), false) };
    let first = bench.store.import(job.id, rows()).await.unwrap();
    assert_eq!(bench.store.import(job.id, rows()).await.unwrap(), first);
    let end = bench.store.import(job.id, Batch { last: true, ..rows() }).await.unwrap();
    assert_eq!((end.next_offset, end.rejected, end.finished), (2, 1, true));
    assert_eq!(list(bench, job.id, "file").await.len(), 1);
}
