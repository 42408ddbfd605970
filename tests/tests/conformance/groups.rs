//! Records that belong together are in one unit, whoever puts them there and however often it is begun.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use emend_proto::decode;
use emend_proto::v1::{Apart, Record};
use emend_scheduler::domain::fold::Normaliser;
use emend_scheduler::domain::grouping::{GroupCounts, GroupField};
use emend_scheduler::domain::guard::Guard;
use emend_scheduler::domain::job::{JobRef, JobSpec, JobState};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Gathered, Having, Job, JobConflict, SplitOutcome, StoreError};
use emend_tests::bench::{Bench, T0, at, spec};
use emend_tests::on_both_stores;
use emend_tests::records::with_payload;

on_both_stores!(
    records_that_agree_are_in_one_unit_and_found_by_key,
    keys_in_no_order_are_found_too,
    nothing_is_leased_before_records_are_put_together,
    whoever_begins_again_takes_the_place_of_who_was_at_it,
    what_an_earlier_attempt_has_left_is_deleted,
    units_are_leased_while_others_are_made_and_whoever_comes_next_makes_the_rest,
    a_job_that_is_cancelled_meanwhile_keeps_all_its_records,
    a_canary_is_one_of_the_new_units,
    a_damaged_unit_is_named_and_tried_again_when_asked,
    a_job_that_has_ended_is_not_put_together,
    a_job_without_records_completes_after_that,
    a_unit_is_split_where_a_group_ends_and_a_lone_group_is_taken_apart,
);

fn scratch() -> PathBuf {
    std::env::temp_dir()
}

fn grouped(name: &str, unit_records: u32) -> JobSpec {
    let by = GroupField { field: "g".into(), normaliser: Normaliser::Text };
    JobSpec { group_by: vec![by], ..spec(name, unit_records) }
}

/// The record of number `n`, in group `n % groups` but for every seventh, which is by itself.
fn record(n: i64, groups: i64) -> Record {
    let group = if n % 7 == 0 { String::new() } else { format!("G {}", n % groups) };
    with_payload(&format!("K-{n:06}"), n, &format!(r#"{{"id":"K-{n:06}","g":"{group}"}}"#))
}

fn rows(count: i64, groups: i64) -> Vec<Record> {
    (1..=count).map(|n| record(n, groups)).collect()
}

async fn imported(bench: &Bench, spec: JobSpec, rows: &[Record]) -> Job {
    let (job, _) = bench.store.create_job(spec, Schedule::default(), T0).await.unwrap();
    bench.import(&job, "file", 0, rows, true).await;
    bench.seal(&job).await
}

async fn gather(bench: &Bench, seconds: u64) -> Result<Option<Gathered>, StoreError> {
    bench.store.gather(&scratch(), || at(seconds), || ()).await
}

async fn units(bench: &Bench, job: &Job) -> Vec<Vec<Record>> {
    let pages = bench.store.unit_blocks(job.id, Having::Anything, 0, 10_000).await.unwrap();
    pages.iter().map(|unit| decode(&unit.records).unwrap().map(Result::unwrap).collect()).collect()
}

/// Every record is there once and is found by its key, and every group is in one unit.
async fn holds(bench: &Bench, job: &Job, rows: &[Record]) {
    let units = units(bench, job).await;
    let mut keys: Vec<&str> = units.iter().flatten().map(|record| record.key.as_str()).collect();
    let order = keys.clone();
    keys.sort_unstable();
    let mut expected: Vec<&str> = rows.iter().map(|record| record.key.as_str()).collect();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let mut places: BTreeMap<u64, Vec<(usize, usize)>> = BTreeMap::new();
    for (unit, records) in units.iter().enumerate() {
        for (at, record) in records.iter().enumerate().filter(|(_, record)| record.group > 0) {
            places.entry(record.group).or_default().push((unit, at));
        }
    }
    for (group, places) in places {
        assert!(places.windows(2).all(|two| two[0].0 == two[1].0 && two[0].1 + 1 == two[1].1), "{group}");
    }
    for (seq, key) in (1..).zip(order) {
        let found = bench.store.record(job.id, key.to_owned()).await.unwrap();
        assert_eq!((found.seq, found.record.key.as_str()), (seq, key));
        let row = rows.iter().find(|row| row.key == key).unwrap();
        assert_eq!((&found.record.payload, found.record.row), (&row.payload, row.row));
    }
    let unknown = bench.store.record(job.id, "K-999999".into()).await;
    assert!(matches!(unknown, Err(StoreError::RecordNotFound)));
}

async fn records_that_agree_are_in_one_unit_and_found_by_key(bench: &Bench) {
    let rows = rows(60, 9);
    for unit_records in [1, 4, 500] {
        let job = imported(bench, grouped(&format!("j{unit_records}"), unit_records), &rows).await;
        let gathered = gather(bench, 1).await.unwrap().unwrap();
        // Nine groups of those that are no seventh.
        let counts = GroupCounts { groups: 9, grouped: 52, apart: 0 };
        assert_eq!(gathered, Gathered { job_id: job.id, counts });
        holds(bench, &job, &rows).await;
        let first: Vec<_> =
            units(bench, &job).await.concat().into_iter().take(8).map(|record| record.row).collect();
        assert_eq!(first, [1, 10, 19, 37, 46, 55, 2, 11], "groups stand where their first record stood");
        let grouping = bench.store.grouping(job.id).await.unwrap().unwrap();
        assert!(grouping.is_done && grouping.counts == counts);
        assert_eq!((grouping.records_read, grouping.records_placed), (60, 60));
        assert!(!bench.store.sweep_grouped().await.unwrap(), "it would be in the way of the work");
        bench.store.cancel_job(JobRef::Id(job.id), at(2)).await.unwrap();
        while bench.store.sweep_grouped().await.unwrap() {}
        let left = format!(
            "SELECT COUNT(*) FROM units WHERE job_id = {} AND state IN ('split', 'ungrouped')",
            job.id
        );
        assert_eq!(bench.database.int(&left).await, 0);
        let orphans = "SELECT COUNT(*) FROM blocks WHERE unit_id NOT IN (SELECT id FROM units)";
        assert_eq!(bench.database.int(orphans).await, 0);
        holds(bench, &job, &rows).await;
        assert_eq!(bench.store.progress(job.id).await.unwrap().records, 60);
    }
}

async fn keys_in_no_order_are_found_too(bench: &Bench) {
    let mut rows = rows(60, 9);
    rows.reverse();
    let (job, _) = bench.store.create_job(grouped("j", 4), Schedule::default(), T0).await.unwrap();
    bench.import(&job, "one", 0, &rows[..20], true).await;
    bench.import(&job, "two", 0, &rows[20..], true).await;
    let job = bench.seal(&job).await;
    gather(bench, 1).await.unwrap().unwrap();
    holds(bench, &job, &rows).await;
}

async fn nothing_is_leased_before_records_are_put_together(bench: &Bench) {
    let (job, _) = bench.store.create_job(grouped("j", 4), Schedule::default(), T0).await.unwrap();
    bench.import(&job, "file", 0, &rows(20, 5), true).await;
    let worker = bench.worker("w");
    assert_eq!(gather(bench, 1).await.unwrap(), None, "more may come");
    assert_eq!(gather(bench, 99).await.unwrap(), None, "it has no more than before");
    let begun = format!("SELECT epoch FROM groupings WHERE job_id = {}", job.id);
    assert_eq!(bench.database.int(&begun).await, 1);
    bench.import(&job, "more", 0, &(21..=45).map(|n| record(n, 5)).collect::<Vec<_>>(), true).await;
    assert_eq!(gather(bench, 99).await.unwrap(), None, "more may come");
    assert_eq!(bench.database.int(&begun).await, 2);
    assert!(worker.lease(9, at(1)).await.is_empty());
    bench.seal(&job).await;
    assert!(worker.lease(9, at(1)).await.is_empty());
    bench.store.advance_jobs(at(1)).await.unwrap();
    assert_eq!(bench.store.progress(job.id).await.unwrap().records, 45);
    assert_eq!(bench.store.record(job.id, "K-000009".into()).await.unwrap().seq, 9);
    gather(bench, 60).await.unwrap().unwrap();
    assert_eq!(gather(bench, 60).await.unwrap(), None, "it is done once");
    let leases = worker.lease(99, at(60)).await;
    assert!(leases.len() > 4 && leases[0].what.group_by[0].field == "g");
    for lease in leases {
        worker.commit(&lease, at(61)).await;
    }
    bench.store.advance_jobs(at(62)).await.unwrap();
    assert_eq!(bench.store.job(JobRef::Id(job.id)).await.unwrap().state, JobState::Completed);
}

async fn whoever_begins_again_takes_the_place_of_who_was_at_it(bench: &Bench) {
    let rows = rows(60, 9);
    let job = imported(bench, grouped("j", 4), &rows).await;
    let (asked, stopped, go_on) = (AtomicU32::new(0), Barrier::new(2), Barrier::new(2));
    // It stands still before it says for the first time that it is at it.
    let stands_still = || {
        if asked.fetch_add(1, Ordering::SeqCst) == 2 {
            stopped.wait();
            go_on.wait();
        }
        at(1)
    };
    let (slow, other) = std::thread::scope(|scope| {
        let runtime = tokio::runtime::Handle::current();
        let folder = scratch();
        let slow = scope.spawn({
            let (runtime, store, folder) = (runtime.clone(), bench.store.clone(), folder.clone());
            let stands_still = &stands_still;
            move || runtime.block_on(store.gather(&folder, stands_still, || ()))
        });
        let other = scope.spawn({
            let store = bench.store.clone();
            let (stopped, go_on) = (&stopped, &go_on);
            move || {
                stopped.wait();
                let early = runtime.block_on(store.gather(&folder, || at(2), || ()));
                assert_eq!(early.unwrap(), None, "somebody is at it");
                let late = runtime.block_on(store.gather(&folder, || at(60), || ()));
                go_on.wait();
                late
            }
        });
        tokio::task::block_in_place(|| (slow.join().unwrap(), other.join().unwrap()))
    });
    assert_eq!(other.unwrap().unwrap().job_id, job.id);
    assert!(matches!(slow, Err(StoreError::Internal(_))), "{slow:?}");
    holds(bench, &job, &rows).await;
}

async fn what_an_earlier_attempt_has_left_is_deleted(bench: &Bench) {
    let rows = rows(60, 9);
    let job = imported(bench, grouped("j", 4), &rows).await;
    // As if it had written these rows of a plan, and died.
    let plan =
        format!("INSERT INTO plans (job_id, number, data) VALUES ({0}, 1, 'one'), ({0}, 99, 'two')", job.id);
    bench.database.execute(&plan).await;
    gather(bench, 1).await.unwrap().unwrap();
    holds(bench, &job, &rows).await;
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM plans").await, 0);
}

/// Stops whoever puts records together when the first of the new units are there: as if it had died.
async fn gather_some(bench: &Bench, seconds: u64) {
    let stopped = tokio::sync::Notify::new();
    let (folder, store) = (scratch(), bench.store.clone());
    tokio::select! {
        biased;
        () = stopped.notified() => {}
        gathered = store.gather(&folder, || at(seconds), || stopped.notify_one()) => panic!("{gathered:?}"),
    }
}

async fn units_are_leased_while_others_are_made_and_whoever_comes_next_makes_the_rest(bench: &Bench) {
    // More units than are written at once.
    let rows = rows(900, 300);
    let job = imported(bench, grouped("j", 4), &rows).await;
    gather_some(bench, 1).await;
    let grouping = bench.store.grouping(job.id).await.unwrap().unwrap();
    assert!(grouping.is_replacing && !grouping.is_done);
    let some = units(bench, &job).await;
    assert!((1..200).contains(&some.len()), "{}", some.len());
    let worker = bench.worker("w");
    let lease = worker.lease_one(at(2)).await;
    worker.commit(&lease, at(3)).await;
    let failed = worker.lease_one(at(3)).await;
    worker.fail(&failed.lease, false).await.unwrap();
    bench.split_all(at(4)).await;
    let placed: Vec<_> = some.iter().flatten().map(|record| record.key.as_str()).collect();
    let found = bench.store.record(job.id, "K-000001".into()).await.unwrap();
    assert_eq!((found.seq, found.unit.state), (1, UnitState::Done));
    let missing = rows.iter().rfind(|row| !placed.contains(&row.key.as_str())).unwrap();
    let moving = bench.store.record(job.id, missing.key.clone()).await;
    assert!(matches!(moving, Err(StoreError::JobState(JobConflict::Grouping))), "{moving:?}");
    let last = bench.store.record_at(job.id, 900).await;
    assert!(matches!(last, Err(StoreError::JobState(JobConflict::Grouping))), "{last:?}");
    bench.store.advance_jobs(at(4)).await.unwrap();
    assert_eq!(bench.store.job(JobRef::Id(job.id)).await.unwrap().state, JobState::Running);
    // As if it had died after it wrote where records went.
    let place = format!("INSERT INTO places (job_id, first_place, data) VALUES ({}, 1, '')", job.id);
    bench.database.execute(&place).await;
    // Whatever the code would say of the groups now: it goes by the plan.
    let spec = format!(
        r#"UPDATE jobs SET group_by = '[{{"field":"id","normaliser":"exact"}}]' WHERE id = {}"#,
        job.id
    );
    bench.database.execute(&spec).await;
    let counts = gather(bench, 60).await.unwrap().unwrap().counts;
    assert_eq!(counts.groups, 300);
    let order: Vec<_> = units(bench, &job).await.concat().into_iter().map(|record| record.key).collect();
    assert_eq!(order[..placed.len()], placed);
    holds(bench, &job, &rows).await;
    let found = bench.store.record(job.id, "K-000001".into()).await.unwrap();
    assert_eq!((found.seq, found.unit.state), (1, UnitState::Done), "what is done stays done");
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM plans").await, 0);
}

async fn a_job_that_is_cancelled_meanwhile_keeps_all_its_records(bench: &Bench) {
    let rows = rows(900, 300);
    let job = imported(bench, grouped("j", 4), &rows).await;
    gather_some(bench, 1).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(2)).await.unwrap();
    gather(bench, 60).await.unwrap().unwrap();
    holds(bench, &job, &rows).await;
    assert!(bench.worker("w").lease(9, at(61)).await.is_empty());
}

async fn a_canary_is_one_of_the_new_units(bench: &Bench) {
    let guard = Guard { canary_ppm: 100_000, ..Guard::default() };
    let rows = rows(400, 200);
    let waiting = imported(bench, JobSpec { guard: guard.clone(), ..grouped("waiting", 2) }, &rows).await;
    assert_eq!(bench.store.await_approvals(at(1)).await.unwrap(), [0; 0], "it has not begun");
    gather(bench, 1).await.unwrap().unwrap();
    let progress = bench.store.progress(waiting.id).await.unwrap();
    assert!(progress.waiting > 100 && progress.ready > 5, "{progress:?}");
    assert_eq!(bench.state(&waiting, 1).await.0, UnitState::Ready);
    let approved = imported(bench, JobSpec { guard, ..grouped("approved", 2) }, &rows).await;
    bench.store.approve_job(JobRef::Id(approved.id)).await.unwrap();
    gather(bench, 1).await.unwrap().unwrap();
    assert_eq!(bench.store.progress(approved.id).await.unwrap().waiting, 0);
}

async fn a_damaged_unit_is_named_and_tried_again_when_asked(bench: &Bench) {
    let rows = rows(20, 5);
    let job = imported(bench, grouped("j", 4), &rows).await;
    let unit = bench.unit(&job, 5).await.unit.id;
    let damage = |by: i64| format!("UPDATE blocks SET checksum = checksum + {by} WHERE unit_id = {unit}");
    bench.database.execute(&damage(1)).await;
    let damaged = gather(bench, 1).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged(id, _) if id == unit), "{damaged}");
    assert_eq!(bench.store.grouping(job.id).await.unwrap().unwrap().damaged_unit, Some(unit));
    assert_eq!(gather(bench, 60).await.unwrap(), None, "nobody tries for ever");
    bench.database.execute(&damage(-1)).await;
    bench.store.retry_units(JobRef::Id(job.id), Vec::new()).await.unwrap();
    gather(bench, 60).await.unwrap().unwrap();
    holds(bench, &job, &rows).await;
    assert_eq!(bench.store.grouping(job.id).await.unwrap().unwrap().damaged_unit, None);
}

async fn a_job_that_has_ended_is_not_put_together(bench: &Bench) {
    let job = imported(bench, grouped("j", 4), &rows(20, 5)).await;
    bench.store.cancel_job(JobRef::Id(job.id), at(1)).await.unwrap();
    assert_eq!(gather(bench, 2).await.unwrap(), None);
    let begun = imported(bench, grouped("begun", 4), &rows(900, 300)).await;
    gather_some(bench, 2).await;
    bench.store.cancel_job(JobRef::Id(begun.id), at(3)).await.unwrap();
    for job in [job, begun] {
        bench.store.delete_job(JobRef::Id(job.id)).await.unwrap();
    }
    assert_eq!(gather(bench, 60).await.unwrap(), None);
    while bench.store.retain(None).await.unwrap() {}
    for table in ["units", "groupings", "blocks", "places", "plans"] {
        assert_eq!(bench.database.int(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
}

async fn a_job_without_records_completes_after_that(bench: &Bench) {
    let (job, _) = bench.store.create_job(grouped("j", 4), Schedule::default(), T0).await.unwrap();
    bench.seal(&job).await;
    let state = async || {
        bench.store.advance_jobs(at(1)).await.unwrap();
        bench.store.job(JobRef::Id(job.id)).await.unwrap().state
    };
    assert_eq!(state().await, JobState::Running);
    let counts = GroupCounts::default();
    assert_eq!(gather(bench, 1).await.unwrap(), Some(Gathered { job_id: job.id, counts }));
    assert_eq!(state().await, JobState::Completed);
}

async fn a_unit_is_split_where_a_group_ends_and_a_lone_group_is_taken_apart(bench: &Bench) {
    let group = |n: i64, group: &str| with_payload(&format!("K-{n}"), n, &format!(r#"{{"g":"{group}"}}"#));
    let rows = [group(1, "a"), group(2, "b"), group(3, "a"), group(4, "a"), group(5, "b"), group(6, "")];
    let job = imported(bench, grouped("j", 100), &rows).await;
    gather(bench, 1).await.unwrap().unwrap();
    let worker = bench.worker("w");
    let fail = async || {
        let lease = worker.lease_one(at(2)).await;
        worker.fail(&lease.lease, false).await.unwrap();
        bench.split_all(at(2)).await
    };
    let keys = async || -> Vec<Vec<String>> {
        let keys = |unit: Vec<Record>| unit.into_iter().map(|record| record.key).collect();
        units(bench, &job).await.into_iter().map(keys).collect()
    };
    fail().await;
    assert_eq!(keys().await, [vec!["K-1", "K-3", "K-4"], vec!["K-2", "K-5", "K-6"]]);
    let halved = fail().await;
    assert!(matches!(halved[..], [SplitOutcome::Halved(_)]), "{halved:?}");
    assert_eq!(keys().await, [vec!["K-1"], vec!["K-3", "K-4"], vec!["K-2", "K-5", "K-6"]]);
    let records = units(bench, &job).await.concat();
    let apart: Vec<_> = records.iter().map(|record| (record.apart(), record.group)).collect();
    assert_eq!(apart[..3], [(Apart::Failed, 0); 3]);
    assert_eq!(apart[3..], [(Apart::Unspecified, 2), (Apart::Unspecified, 2), (Apart::Unspecified, 0)]);
    let found = bench.store.record(job.id, "K-4".into()).await.unwrap();
    assert_eq!((found.seq, found.unit.last_seq - found.unit.first_seq), (3, 1));
}
