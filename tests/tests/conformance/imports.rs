//! Imports: rows in, each once.

use emend_proto::v1::Record;
use emend_scheduler::domain::job::{JobPolicy, JobRef, JobSpec};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::store::{Batch, Import, JobConflict, StoreError};
use emend_tests::bench::{Bench, T0, at, batch, spec};
use emend_tests::on_both_stores;
use emend_tests::records::{record, records, with_payload};
use futures::future::join_all;

on_both_stores!(
    rows_become_units_of_the_policys_size,
    an_import_goes_on_where_it_was,
    a_gap_is_refused,
    a_batch_sent_again_is_passed_over,
    a_finished_import_again_is_nothing_new,
    the_end_may_come_alone,
    a_sealed_job_takes_no_new_import,
    a_job_that_has_ended_takes_none,
    the_same_file_under_another_name_is_already_there,
    the_same_payload_in_another_form_is_already_there,
    places_stay_contiguous_whatever_is_sifted_out,
    columns_are_collected_in_order,
    imports_are_listed,
    two_imports_at_once_share_the_job,
    a_batch_is_taken_whole_or_not_at_all,
);

async fn import(bench: &Bench, job: i64, batch: Batch) -> Result<Import, StoreError> {
    bench.store.begin_import(JobRef::Id(job), batch.import_id.clone()).await?;
    bench.store.import(job, batch).await
}

fn sums(import: &Import) -> (i64, i64, i64, i64, bool) {
    (import.next_offset, import.accepted, import.already_there, import.rejected, import.finished)
}

/// Keys that the job knows, one by one and in runs.
async fn keys(bench: &Bench) -> i64 {
    let runs = "SELECT CAST(COALESCE(SUM(last_seq - first_seq + 1), 0) AS BIGINT) FROM key_runs";
    bench.database.int("SELECT COUNT(*) FROM keys").await + bench.database.int(runs).await
}

async fn rows_become_units_of_the_policys_size(bench: &Bench) {
    let policy = JobPolicy { unit_records: 3, unit_bytes: 1024, ..JobPolicy::default() };
    let (job, _) =
        bench.store.create_job(JobSpec { policy, ..spec("j", 3) }, Schedule::default(), T0).await.unwrap();
    let mut rows = records(1, 7);
    rows[1] = with_payload("long", 2, &format!(r#"{{"n":"{}"}}"#, "x".repeat(1010)));
    bench.import(&job, "file", 0, &rows, true).await;
    let places: Vec<_> =
        bench.units(&job).await.iter().map(|unit| (unit.unit.first_seq, unit.unit.last_seq)).collect();
    assert_eq!(places, [(1, 1), (2, 2), (3, 5), (6, 7)]);
    assert_eq!(bench.store.record(job.id, "long".into()).await.unwrap().record, rows[1]);
}

async fn an_import_goes_on_where_it_was(bench: &Bench) {
    let job = bench.new_job("j", 10).await;
    let first = bench.import(&job, "file", 0, &records(1, 4), false).await;
    assert_eq!(sums(&first), (4, 4, 0, 0, false));
    let (_, found) = bench.store.begin_import(JobRef::Id(job.id), "file".into()).await.unwrap();
    assert_eq!(found, first);
    let last = bench.import(&job, "file", 4, &records(5, 9), true).await;
    assert_eq!(sums(&last), (9, 9, 0, 0, true));
    assert_eq!((bench.store.progress(job.id).await.unwrap().records, keys(bench).await), (9, 9));
}

async fn a_gap_is_refused(bench: &Bench) {
    let job = bench.new_job("j", 10).await;
    bench.import(&job, "file", 0, &records(1, 4), false).await;
    for offset in [2, 5, 100] {
        let gap = bench.store.import(job.id, batch(&job, "file", offset, &records(5, 9), false)).await;
        let Err(StoreError::OffsetGap { next_offset: 4, offset: named }) = gap else { panic!("{gap:?}") };
        assert_eq!(named, offset);
    }
    assert_eq!((bench.store.progress(job.id).await.unwrap().records, keys(bench).await), (4, 4));
}

async fn a_batch_sent_again_is_passed_over(bench: &Bench) {
    let job = bench.new_job("j", 10).await;
    bench.import(&job, "file", 0, &records(1, 4), false).await;
    let there = bench.import(&job, "file", 4, &records(5, 8), false).await;
    for (offset, first, last) in [(0, 1, 4), (4, 5, 8), (0, 1, 8)] {
        assert_eq!(bench.import(&job, "file", offset, &records(first, last), false).await, there);
    }
    assert_eq!((bench.store.progress(job.id).await.unwrap().records, keys(bench).await), (8, 8));
}

async fn a_finished_import_again_is_nothing_new(bench: &Bench) {
    let job = bench.new_job("j", 10).await;
    let done = bench.import(&job, "file", 0, &records(1, 4), true).await;
    assert_eq!(bench.import(&job, "file", 0, &records(1, 4), true).await, done);
    assert_eq!(bench.import(&job, "file", 4, &records(5, 8), true).await, done);
    bench.seal(&job).await;
    let (_, found) = bench.store.begin_import(JobRef::Id(job.id), "file".into()).await.unwrap();
    assert_eq!(found, done);
    assert_eq!(bench.import(&job, "file", 0, &records(1, 4), true).await, done);
    assert_eq!(bench.store.progress(job.id).await.unwrap().records, 4);
}

async fn the_end_may_come_alone(bench: &Bench) {
    let job = bench.new_job("j", 10).await;
    bench.import(&job, "file", 0, &records(1, 4), false).await;
    let sealed = bench.store.seal_job(JobRef::Id(job.id), T0).await;
    assert!(matches!(sealed, Err(StoreError::JobState(JobConflict::ImportUnfinished))), "{sealed:?}");
    assert_eq!(sums(&bench.import(&job, "file", 4, &[], true).await), (4, 4, 0, 0, true));
    bench.seal(&job).await;
    // A file without any row.
    let empty = bench.new_job("empty", 10).await;
    assert_eq!(sums(&bench.import(&empty, "file", 0, &[], true).await), (0, 0, 0, 0, true));
    // The last batch again, for its end.
    let again = bench.new_job("again", 10).await;
    bench.import(&again, "file", 0, &records(1, 4), false).await;
    assert_eq!(sums(&bench.import(&again, "file", 0, &records(1, 4), true).await), (4, 4, 0, 0, true));
}

async fn a_sealed_job_takes_no_new_import(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let refused = import(bench, job.id, batch(&job, "other", 0, &records(5, 8), true)).await;
    assert!(matches!(refused, Err(StoreError::JobState(JobConflict::Sealed))), "{refused:?}");
    assert_eq!(bench.store.imports(job.id).await.unwrap().len(), 1);
    assert_eq!(bench.store.progress(job.id).await.unwrap().records, 4);
}

async fn a_job_that_has_ended_takes_none(bench: &Bench) {
    let job = bench.new_job("j", 4).await;
    bench.import(&job, "file", 0, &records(1, 2), false).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(1)).await.unwrap();
    let refused = bench.store.import(job.id, batch(&job, "file", 2, &records(3, 4), true)).await;
    assert!(matches!(refused, Err(StoreError::JobState(JobConflict::Ended))), "{refused:?}");
    bench.store.delete_job(JobRef::Id(job.id)).await.unwrap();
    let refused = bench.store.begin_import(JobRef::Id(job.id), "file".into()).await;
    assert!(matches!(refused, Err(StoreError::JobNotFound)), "{refused:?}");
    assert_eq!(keys(bench).await, 2);
}

async fn the_same_file_under_another_name_is_already_there(bench: &Bench) {
    let job = bench.new_job("j", 3).await;
    bench.import(&job, "file", 0, &records(1, 7), true).await;
    let again = bench.import(&job, "copy", 0, &records(1, 7), true).await;
    assert_eq!(sums(&again), (7, 0, 7, 0, true));
    let more = bench.import(&job, "more", 0, &records(5, 9), true).await;
    assert_eq!(sums(&more), (5, 2, 3, 0, true));
    assert_eq!((bench.store.progress(job.id).await.unwrap().records, keys(bench).await), (9, 9));
}

async fn the_same_payload_in_another_form_is_already_there(bench: &Bench) {
    let job = bench.new_job("j", 3).await;
    bench.import(&job, "file", 0, &[with_payload("a", 1, r#"{"x":"1","y":{"b":2,"a":[1,2]}}"#)], false).await;
    let forms = [r#"{"y":{"a":[1,2],"b":2},"x":"1"}"#, r#"{ "x" : "1", "y" : {"b": 2, "a": [1, 2]} }"#];
    let rows = forms.map(|form| with_payload("a", 2, form));
    assert_eq!(sums(&bench.import(&job, "file", 1, &rows, false).await), (3, 1, 2, 0, false));
    let others = [r#"{"x":"1","y":{"b":2,"a":[2,1]}}"#, r#"{"x":1,"y":{"b":2,"a":[1,2]}}"#, "{}"];
    let rows = others.map(|form| with_payload("a", 3, form));
    assert_eq!(sums(&bench.import(&job, "file", 3, &rows, true).await), (6, 1, 2, 3, true));
    // What was imported first is what rests.
    let found = bench.store.record(job.id, "a".into()).await.unwrap();
    assert_eq!(found.record.payload.as_ref(), br#"{"x":"1","y":{"b":2,"a":[1,2]}}"#);
}

async fn places_stay_contiguous_whatever_is_sifted_out(bench: &Bench) {
    let job = bench.new_job("j", 4).await;
    bench.import(&job, "file", 0, &records(1, 5), false).await;
    let mut rows: Vec<Record> = records(4, 8);
    rows.push(with_payload("K-000001", 9, "{}"));
    rows.push(record(9));
    rows.push(record(9));
    rows.push(record(10));
    let second = bench.import(&job, "file", 5, &rows, true).await;
    assert_eq!(sums(&second), (14, 10, 3, 1, true));
    let places: Vec<_> =
        bench.units(&job).await.iter().map(|unit| (unit.unit.first_seq, unit.unit.last_seq)).collect();
    assert_eq!(places, [(1, 4), (5, 5), (6, 9), (10, 10)]);
    for n in 1..=10 {
        let found = bench.store.record(job.id, format!("K-{n:06}")).await.unwrap();
        assert_eq!((found.seq, found.record), (n, record(n)));
    }
    assert_eq!(keys(bench).await, 10);
}

async fn columns_are_collected_in_order(bench: &Bench) {
    let job = bench.new_job("j", 4).await;
    let with = |offset, rows: &[Record], columns: &[&str]| Batch {
        columns: columns.iter().copied().map(String::from).collect(),
        ..batch(&job, "file", offset, rows, false)
    };
    import(bench, job.id, with(0, &records(1, 1), &["b", "a"])).await.unwrap();
    import(bench, job.id, with(1, &records(2, 2), &["a", "c", "b"])).await.unwrap();
    import(bench, job.id, with(2, &records(3, 3), &["ễ \"d\""])).await.unwrap();
    let job = bench.store.job(JobRef::Id(job.id)).await.unwrap();
    assert_eq!(job.columns, ["b", "a", "c", "ễ \"d\""]);
}

async fn imports_are_listed(bench: &Bench) {
    let job = bench.new_job("j", 4).await;
    let b = bench.import(&job, "b", 0, &records(1, 3), true).await;
    let a = bench.import(&job, "a", 0, &records(4, 4), false).await;
    assert_eq!(bench.store.imports(job.id).await.unwrap(), [a, b]);
}

async fn two_imports_at_once_share_the_job(bench: &Bench) {
    let job = bench.new_job("j", 7).await;
    let file = |id: &'static str, first: i64| {
        let job = &job;
        async move {
            for part in 0..10 {
                let rows = records(first + part * 10, first + part * 10 + 9);
                bench.import(job, id, part * 10, &rows, part == 9).await;
            }
        }
    };
    join_all([file("a", 1), file("b", 51), file("c", 101), file("d", 1)]).await;
    // Of 400 rows 200 are records, the others are there already.
    let imports = bench.store.imports(job.id).await.unwrap();
    assert_eq!(imports.iter().map(|import| import.accepted).sum::<i64>(), 200);
    assert_eq!(imports.iter().map(|import| import.already_there).sum::<i64>(), 200);
    let mut next = 1;
    for unit in bench.units(&job).await {
        assert_eq!(unit.unit.first_seq, next);
        next = unit.unit.last_seq + 1;
    }
    assert_eq!(next, 201);
    for n in [1, 77, 133, 200] {
        assert_eq!(bench.store.record(job.id, format!("K-{n:06}")).await.unwrap().record, record(n));
    }
}

async fn a_batch_is_taken_whole_or_not_at_all(bench: &Bench) {
    let job = bench.new_job("j", 2).await;
    bench.import(&job, "file", 0, &records(1, 4), false).await;
    // A damaged unit stands where a repeated key's payload should be compared.
    bench.database.execute("UPDATE blocks SET checksum = 4294967295 - checksum").await;
    let torn = bench.store.import(job.id, batch(&job, "file", 4, &records(4, 9), false)).await;
    assert!(matches!(torn, Err(StoreError::Damaged(..))), "{torn:?}");
    assert_eq!((bench.units(&job).await.len(), keys(bench).await), (2, 4));
    bench.database.execute("UPDATE blocks SET checksum = 4294967295 - checksum").await;
    let whole = bench.import(&job, "file", 4, &records(4, 9), true).await;
    assert_eq!(sums(&whole), (10, 9, 1, 0, true));
}
