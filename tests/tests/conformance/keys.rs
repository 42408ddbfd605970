//! Keys in every order, held against a model.

use std::collections::HashMap;

use emend_proto::v1::Record;
use emend_scheduler::store::StoreError;
use emend_tests::bench::Bench;
use emend_tests::on_both_stores;
use emend_tests::records::with_payload;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

on_both_stores!(
    keys_that_fall_between_others_are_told_apart,
    keys_that_descend_are_taken,
    imports_agree_with_a_model,
);

fn row(n: u32, version: u32) -> Record {
    // Every seventh key is so long that it is hashed.
    let tail = if n.is_multiple_of(7) { "-and-longer-than-is-kept" } else { "" };
    with_payload(&format!("K{n:05}{tail}"), i64::from(n), &format!(r#"{{"n":{n},"version":{version}}}"#))
}

async fn keys_that_fall_between_others_are_told_apart(bench: &Bench) {
    let job = bench.new_job("j", 4).await;
    let rows = |keys: &[u32]| keys.iter().map(|n| row(*n, 0)).collect::<Vec<_>>();
    // A run, a run after it, one between the two, one inside the first, and around it all.
    let batches: [&[u32]; 6] =
        [&[10, 20, 30, 40], &[110, 120], &[51, 52, 53], &[15, 25], &[1, 60, 130], &[20, 52, 115, 120]];
    let mut offset = 0;
    for keys in batches {
        bench.import(&job, "file", offset, &rows(keys), false).await;
        offset += i64::try_from(keys.len()).unwrap();
    }
    let import = bench.import(&job, "file", offset, &[], true).await;
    assert_eq!((import.accepted, import.already_there, import.rejected), (15, 3, 0));
    for n in [1, 10, 15, 20, 25, 30, 40, 51, 52, 53, 60, 110, 115, 120, 130] {
        let key = row(n, 0).key;
        assert_eq!(bench.store.record(job.id, key).await.unwrap().record, row(n, 0));
    }
    for n in [2, 11, 50, 54, 116, 131] {
        let found = bench.store.record(job.id, row(n, 0).key).await;
        assert!(matches!(found, Err(StoreError::RecordNotFound)), "{n}");
    }
}

async fn keys_that_descend_are_taken(bench: &Bench) {
    let job = bench.new_job("j", 4).await;
    let rows: Vec<_> = (1..=30).rev().map(|n| row(n, 0)).collect();
    for (part, rows) in rows.chunks(6).enumerate() {
        bench.import(&job, "file", i64::try_from(part * 6).unwrap(), rows, part == 4).await;
    }
    for (seq, row) in (1..).zip(&rows) {
        let found = bench.store.record(job.id, row.key.clone()).await.unwrap();
        assert_eq!((found.seq, &found.record), (seq, row));
    }
}

async fn imports_agree_with_a_model(bench: &Bench) {
    for seed in 0..6 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let job = bench.new_job(&format!("j{seed}"), 5).await;
        let mut model: HashMap<String, (i64, Record)> = HashMap::new();
        let (mut next_seq, mut already, mut rejected, mut offset) = (1, 0, 0, 0);
        for _batch in 0..12 {
            let first = random.random_range(0..150);
            let mut rows = Vec::new();
            for n in first..first + random.random_range(1..25) {
                if random.random_bool(0.5) {
                    rows.push(row(n, u32::from(random.random_bool(0.05))));
                }
            }
            if random.random_bool(0.3) {
                rows.shuffle(&mut random);
            }
            for row in &rows {
                match model.get(&row.key) {
                    None => {
                        model.insert(row.key.clone(), (next_seq, row.clone()));
                        next_seq += 1;
                    }
                    Some((_, there)) if there.payload == row.payload => already += 1,
                    Some(_) => rejected += 1,
                }
            }
            bench.import(&job, "file", offset, &rows, false).await;
            offset += i64::try_from(rows.len()).unwrap();
        }
        let import = bench.import(&job, "file", offset, &[], true).await;
        let expected = (next_seq - 1, already, rejected);
        assert_eq!((import.accepted, import.already_there, import.rejected), expected, "seed {seed}");
        for n in 0..180 {
            let key = row(n, 0).key;
            let found = bench.store.record(job.id, key.clone()).await.ok();
            let found = found.map(|found| (found.seq, found.record));
            assert_eq!(found.as_ref(), model.get(&key), "seed {seed}, {key}");
        }
    }
}
