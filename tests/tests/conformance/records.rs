//! One record by its key.

use emend_proto::v1::Verdict;
use emend_scheduler::store::StoreError;
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::{corrected, records, routed, valid, with_payload};

on_both_stores!(
    a_record_is_found_before_and_after_it_is_settled,
    keys_of_every_length_and_shape_are_told_apart,
    a_record_is_found_by_its_place,
    jobs_do_not_share_keys,
    a_damaged_block_is_named,
);

async fn a_record_is_found_before_and_after_it_is_settled(bench: &Bench) {
    let job = bench.job("j", 6, 3).await;
    let find = |key: &str| bench.store.record(job.id, key.to_owned());
    let pending = find("K-000005").await.unwrap();
    assert_eq!(
        (pending.seq, pending.record, pending.result, pending.worker),
        (5, records(5, 5).remove(0), None, None)
    );
    let worker = bench.worker("w");
    let leases = worker.lease(2, T0).await;
    let held = find("K-000005").await.unwrap();
    assert_eq!((held.unit.epoch, held.worker.as_deref(), held.result), (1, Some("w"), None));
    worker.commit_with(&leases[1].lease, &[valid(4), corrected(5, "x"), routed(6)], at(1)).await;
    let done = find("K-000005").await.unwrap();
    assert_eq!((done.result, done.worker.as_deref()), (Some(corrected(5, "x")), Some("w")));
    assert!(done.unit.receipt.is_some());
    assert_eq!(find("K-000006").await.unwrap().result.unwrap().verdict(), Verdict::Routed);
    assert!(matches!(find("K-000007").await, Err(StoreError::RecordNotFound)));
    assert!(matches!(find("").await, Err(StoreError::RecordNotFound)));
}

async fn keys_of_every_length_and_shape_are_told_apart(bench: &Bench) {
    let job = bench.new_job("j", 4).await;
    let long = "x".repeat(1024);
    let mut keys: Vec<String> =
        ["a", "A", "a ", " a", "aa", "ă", "a\u{306}", "0", "00", "a\0", "'", "%"].map(String::from).to_vec();
    // Around the length at which a key is hashed, prefixes of one another.
    keys.extend((13..=18).map(|length| "k".repeat(length)));
    keys.extend([long.clone(), long[..1023].to_owned()]);
    let rows: Vec<_> =
        (1..).zip(&keys).map(|(row, key)| with_payload(key, row, &format!(r#"{{"row":{row}}}"#))).collect();
    let import = bench.import(&job, "file", 0, &rows, true).await;
    assert_eq!(import.accepted, i64::try_from(keys.len()).unwrap());
    for (row, key) in rows.iter().zip(&keys) {
        assert_eq!(bench.store.record(job.id, key.clone()).await.unwrap().record, *row);
    }
    for unknown in ["b", "aaa", "k", "kkkkkkkkkkkkkkkkkkk", &format!("{long}x")] {
        let found = bench.store.record(job.id, unknown.to_owned()).await;
        assert!(matches!(found, Err(StoreError::RecordNotFound)), "{unknown}");
    }
}

async fn a_record_is_found_by_its_place(bench: &Bench) {
    let job = bench.job("j", 7, 3).await;
    for seq in 1..=7 {
        let found = bench.store.record_at(job.id, seq).await.unwrap();
        assert_eq!((found.seq, found.record), (seq, emend_tests::records::record(seq)));
    }
    for nowhere in [0, 8, -1] {
        let found = bench.store.record_at(job.id, nowhere).await;
        assert!(matches!(found, Err(StoreError::RecordNotFound)), "{nowhere}: {found:?}");
    }
    bench.database.execute("DELETE FROM blocks").await;
    assert!(matches!(bench.store.record_at(job.id, 1).await, Err(StoreError::JobState(_))));
}

async fn jobs_do_not_share_keys(bench: &Bench) {
    let a = bench.job("a", 3, 3).await;
    let b = bench.new_job("b", 3).await;
    bench.import(&b, "file", 0, &[with_payload("K-000002", 1, "{}")], true).await;
    assert_eq!(bench.store.record(a.id, "K-000002".into()).await.unwrap().seq, 2);
    assert_eq!(bench.store.record(b.id, "K-000002".into()).await.unwrap().seq, 1);
    assert!(matches!(bench.store.record(b.id, "K-000001".into()).await, Err(StoreError::RecordNotFound)));
    assert!(matches!(bench.store.record(999, "K-000001".into()).await, Err(StoreError::RecordNotFound)));
}

async fn a_damaged_block_is_named(bench: &Bench) {
    let job = bench.job("j", 3, 3).await;
    bench.database.execute("UPDATE blocks SET checksum = 4294967295 - checksum").await;
    let id = bench.unit(&job, 1).await.unit.id;
    let found = bench.store.record(job.id, "K-000002".into()).await;
    assert!(matches!(found, Err(StoreError::Damaged(unit, _)) if unit == id), "{found:?}");
}
