//! Retention: what goes, and what stays.

use std::time::Duration;

use emend_scheduler::domain::job::{JobRef, JobState};
use emend_scheduler::domain::results::Verdicts;
use emend_scheduler::domain::review::HandChange;
use emend_scheduler::store::{Batch, Job, JobConflict, KnownAnswer, Reject, StoreError};
use emend_tests::bench::{Bench, T0, at, batch};
use emend_tests::database::Backend;
use emend_tests::on_both_stores;
use emend_tests::process::eventually;
use emend_tests::records::records;
use emend_tests::reviewer::{UNDO, says, written};
use emend_tests::worker::accepted;

/// Far longer than anything takes.
const LIMIT: Duration = Duration::from_secs(20);

on_both_stores!(
    a_jobs_blocks_go_and_its_counts_stay,
    jobs_that_go_on_keep_their_blocks,
    a_deleted_job_leaves_nothing_behind,
    a_large_job_goes_in_steps,
    what_people_said_and_what_was_known_goes_with_the_records,
    a_deleted_job_is_in_no_table_any_more,
);

async fn completed(bench: &Bench, name: &str, now: u64) -> Job {
    let job = bench.job(name, 4, 2).await;
    let worker = bench.worker("w");
    for lease in worker.lease(2, at(now)).await {
        worker.commit(&lease, at(now)).await;
    }
    bench.store.advance_jobs(at(now)).await.unwrap();
    bench.store.job(JobRef::Id(job.id)).await.unwrap()
}

async fn rows(bench: &Bench, table: &str) -> i64 {
    bench.database.int(&format!("SELECT COUNT(*) FROM {table}")).await
}

async fn keys(bench: &Bench) -> i64 {
    rows(bench, "keys").await + rows(bench, "key_runs").await
}

async fn a_jobs_blocks_go_and_its_counts_stay(bench: &Bench) {
    let job = completed(bench, "j", 10).await;
    assert_eq!(job.state, JobState::Completed);
    assert!(!bench.store.retain(Some(at(9))).await.unwrap());
    assert_eq!(rows(bench, "blocks").await, 4);
    while bench.store.retain(Some(at(10))).await.unwrap() {}
    assert_eq!((rows(bench, "blocks").await, keys(bench).await), (0, 0));
    let job = bench.store.job(JobRef::Id(job.id)).await.unwrap();
    assert!(job.blocks_gone);
    let progress = bench.store.progress(job.id).await.unwrap();
    assert_eq!((progress.records, progress.done), (4, 2));
    assert_eq!(progress.verdicts, Verdicts { valid: 4, ..Verdicts::default() });
    let gone = bench.store.record(job.id, "K-000001".into()).await;
    let told =
        matches!(gone, Err(StoreError::RecordNotFound | StoreError::JobState(JobConflict::BlocksGone)));
    assert!(told, "{gone:?}");
    assert!(!bench.store.retain(Some(at(100))).await.unwrap());
    assert_eq!(bench.store.imports(job.id).await.unwrap().len(), 1);
}

async fn jobs_that_go_on_keep_their_blocks(bench: &Bench) {
    bench.job("running", 4, 2).await;
    bench.new_job("importing", 2).await;
    assert!(!bench.store.retain(Some(at(1_000_000))).await.unwrap());
    assert_eq!((rows(bench, "blocks").await, keys(bench).await), (2, 2));
    let old = completed(bench, "running-too", 10).await;
    // Never.
    assert!(!bench.store.retain(None).await.unwrap());
    assert!(!bench.store.job(JobRef::Id(old.id)).await.unwrap().blocks_gone);
}

async fn a_deleted_job_leaves_nothing_behind(bench: &Bench) {
    let kept = bench.job("kept", 4, 2).await;
    let lease = bench.worker("w").lease(2, T0).await;
    assert_eq!(lease.len(), 2);
    let job = bench.new_job("j", 2).await;
    bench.import(&job, "file", 0, &records(1, 6), false).await;
    let bad = vec![Reject { row: 7, code: "syntax".into() }];
    bench.store.import(job.id, Batch { rejects: bad, ..batch(&job, "file", 6, &[], true) }).await.unwrap();
    let worker = bench.worker("w");
    let leases = worker.lease(3, T0).await;
    worker.commit(&leases[0], at(1)).await;
    worker.fail(&leases[1].lease, false).await.unwrap();
    bench.split_all(at(2)).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(3)).await.unwrap();
    bench.store.delete_job(JobRef::Id(job.id)).await.unwrap();
    while bench.store.retain(None).await.unwrap() {}
    for table in ["jobs", "imports", "rejects", "keys", "key_runs", "units"] {
        let column = if table == "jobs" { "id" } else { "job_id" };
        let left = format!("SELECT COUNT(*) FROM {table} WHERE {column} <> {}", kept.id);
        assert_eq!(bench.database.int(&left).await, 0, "{table}");
    }
    let orphans = "SELECT COUNT(*) FROM blocks WHERE unit_id NOT IN (SELECT id FROM units)";
    assert_eq!((bench.database.int(orphans).await, rows(bench, "blocks").await), (0, 2));
    assert_eq!(bench.store.progress(kept.id).await.unwrap().records, 4);
    // Ids are never used again.
    assert!(bench.new_job("next", 2).await.id > job.id);
}

/// A commit that is half done when its job is cancelled, deleted and swept up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_under_way_leaves_no_block_of_a_deleted_job() {
    let bench = Bench::new(Backend::Postgres).await;
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    // The same row, written and not finished, keeps the commit waiting behind its lock of the unit.
    let mut other = bench.database.postgres().begin().await.unwrap();
    sqlx::query("INSERT INTO blocks VALUES ($1, 1, 0, 0, 0, '')")
        .bind(lease.lease.unit_id)
        .execute(&mut *other)
        .await
        .unwrap();
    let waiting = async |count: i64| {
        let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
                     AND application_name = 'emend' AND wait_event_type = 'Lock'";
        eventually("a transaction that waits for a lock", LIMIT, async || {
            (bench.database.int(waits).await == count).then_some(())
        })
        .await
        .unwrap();
    };
    let commit = async { worker.commit(&lease, at(1)).await };
    let sweep = async {
        waiting(1).await;
        bench.store.cancel_job(JobRef::Id(job.id), at(2)).await.unwrap();
        bench.store.delete_job(JobRef::Id(job.id)).await.unwrap();
        while bench.store.retain(None).await.unwrap() {}
    };
    let release = async {
        waiting(2).await;
        other.rollback().await.unwrap();
    };
    let (outcome, (), ()) = futures::join!(commit, sweep, release);
    assert!(accepted(&outcome).is_some(), "{outcome:?}");
    assert_eq!((rows(&bench, "units").await, rows(&bench, "jobs").await), (0, 0));
    assert_eq!(rows(&bench, "blocks").await, 0, "a block was left behind");
    bench.close().await;
}

async fn a_large_job_goes_in_steps(bench: &Bench) {
    let job = bench.job("j", 12_000, 2).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(1)).await.unwrap();
    let mut steps = 0;
    while bench.store.retain(Some(at(2))).await.unwrap() {
        steps += 1;
        assert!(steps < 20, "it never ends");
    }
    assert!(steps > 2, "{steps}: one transaction took it all");
    assert_eq!((rows(bench, "blocks").await, keys(bench).await, rows(bench, "units").await), (0, 0, 6_000));
    bench.store.delete_job(JobRef::Id(job.id)).await.unwrap();
    while bench.store.retain(None).await.unwrap() {}
    assert_eq!((rows(bench, "units").await, rows(bench, "jobs").await), (0, 0));
}

/// A job with a value of a record in every table that people's work touches.
async fn decided(bench: &Bench) -> Job {
    let job = bench.job_for_people("j", 1).await;
    let change = HandChange { field: "n".into(), before: "1".into(), after: "x".into() };
    let known = vec![KnownAnswer { seq: 1, changes: vec![change] }];
    assert_eq!(bench.store.add_known_answers(job.id, known, "op".into(), T0).await.unwrap(), 1);
    let mut a = bench.person("a");
    let held = a.lease_one(T0).await;
    written(a.decide(held.at, &says("x"), T0).await);
    job
}

async fn what_people_said_and_what_was_known_goes_with_the_records(bench: &Bench) {
    let job = decided(bench).await;
    let end = at(UNDO.as_secs());
    bench.store.advance_jobs(end).await.unwrap();
    assert_eq!(bench.store.job(JobRef::Id(job.id)).await.unwrap().state, JobState::Completed);
    while bench.store.retain(Some(end)).await.unwrap() {}
    for table in ["decisions", "decision_members", "review_hands", "known_answers"] {
        assert_eq!(rows(bench, table).await, 0, "{table}");
    }
    assert_eq!(rows(bench, "reviews").await, 1, "that somebody decided stays");
}

/// By the schema, so that no table is forgotten; but for the log of what was done.
async fn a_deleted_job_is_in_no_table_any_more(bench: &Bench) {
    let job = decided(bench).await;
    bench.store.cancel_job(JobRef::Id(job.id), T0).await.unwrap();
    bench.store.delete_job(JobRef::Id(job.id)).await.unwrap();
    while bench.store.retain(None).await.unwrap() {}
    let tables = match bench.database.backend() {
        Backend::Sqlite => {
            "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
             WHERE m.type = 'table' AND c.name = 'job_id'"
        }
        Backend::Postgres => {
            "SELECT table_name::text FROM information_schema.columns
             WHERE table_schema = 'public' AND column_name = 'job_id'"
        }
    };
    let tables = bench.database.texts(tables).await;
    assert!(tables.iter().any(|table| table[0] == "known_answers"), "{tables:?}");
    for table in tables.iter().map(|table| &table[0]).filter(|table| !table.starts_with("audit")) {
        assert_eq!(rows(bench, table).await, 0, "{table}");
    }
}
