//! Jobs: making, steering, and moving on.

use emend_proto::v1::{FindingText, Manifest};
use emend_scheduler::domain::job::{JobPolicy, JobRef, JobSpec, JobState, ReviewPolicy};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::store::{Job, JobConflict, StoreError};
use emend_tests::bench::{Bench, T0, at, spec};
use emend_tests::on_both_stores;
use emend_tests::records::{failed, records, routed, valid};
use futures::future::join_all;
use prost::Message as _;

on_both_stores!(
    the_same_job_again_is_the_job_that_is_there,
    another_job_of_that_name_is_refused,
    a_later_version_of_a_pack_may_say_more_of_its_findings,
    many_who_make_a_job_at_once_make_one,
    what_is_out_of_bounds_is_named,
    jobs_are_found_by_id_and_by_name_and_listed_newest_first,
    sealing_is_idempotent,
    pausing_is_idempotent,
    cancelling_is_idempotent,
    only_a_job_that_has_ended_is_deleted_and_its_name_is_free,
    a_job_with_nothing_for_people_is_completed,
    a_job_with_something_for_people_is_reviewed,
    a_job_moves_on_when_all_is_done_and_not_before,
    a_job_without_records_is_completed,
);

fn conflict<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> JobConflict {
    match outcome {
        Err(StoreError::JobState(conflict)) => conflict,
        other => panic!("{other:?}"),
    }
}

async fn state(bench: &Bench, job: &Job) -> JobState {
    bench.store.job(JobRef::Id(job.id)).await.unwrap().state
}

async fn the_same_job_again_is_the_job_that_is_there(bench: &Bench) {
    let wanted = JobSpec { manifest: vec![0, 255, 7], ..spec("j", 9) };
    let (job, created) = bench.store.create_job(wanted.clone(), Schedule::default(), T0).await.unwrap();
    assert_eq!((created, &job.spec, job.state, job.paused), (true, &wanted, JobState::Importing, false));
    assert_eq!((job.created_at, job.ended_at, job.blocks_gone), (T0, None, false));
    bench.import(&job, "file", 0, &records(1, 2), true).await;
    bench.seal(&job).await;
    let (again, created) = bench.store.create_job(wanted, Schedule::default(), at(9)).await.unwrap();
    assert_eq!((created, again.id, again.created_at, again.state), (false, job.id, T0, JobState::Running));
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM jobs").await, 1);
}

async fn another_job_of_that_name_is_refused(bench: &Bench) {
    bench.new_job("j", 9).await;
    let others = [
        (JobSpec { pack: "other".into(), ..spec("j", 9) }, "pack.name"),
        (JobSpec { pack_version: "2".into(), ..spec("j", 9) }, "pack.version"),
        (JobSpec { manifest: vec![1], ..spec("j", 9) }, "manifest"),
        (JobSpec { as_of: String::new(), ..spec("j", 9) }, "as_of"),
        (spec("j", 10), "policy"),
    ];
    for (other, field) in others {
        let differs = bench.store.create_job(other, Schedule::default(), at(1)).await;
        assert!(matches!(differs, Err(StoreError::JobDiffers(named)) if named == field), "{differs:?}");
    }
    let job = bench.store.job(JobRef::Name("j".into())).await.unwrap();
    assert_eq!(job.spec, spec("j", 9));
}

/// As a client of this release asks for a job that one of the release before has made.
async fn a_later_version_of_a_pack_may_say_more_of_its_findings(bench: &Bench) {
    let before = Manifest { key_field: "id".into(), ..Manifest::default() };
    let text = FindingText { code: "n.odd".into(), agree: true, ..FindingText::default() };
    let told = Manifest { findings: vec![text], source_field: "site".into(), ..before.clone() };
    let made = JobSpec { manifest: before.encode_to_vec(), ..spec("j", 9) };
    let (job, _) = bench.store.create_job(made.clone(), Schedule::default(), T0).await.unwrap();
    let reviews = ReviewPolicy { agree: vec!["n.odd".into()], ..ReviewPolicy::default() };
    let asked = JobSpec { manifest: told.encode_to_vec(), reviews, ..made.clone() };
    let (again, created) = bench.store.create_job(asked, Schedule::default(), at(1)).await.unwrap();
    assert_eq!((created, again.id), (false, job.id));
    // It keeps what it was made with.
    assert_eq!(again.spec, made);
}

async fn many_who_make_a_job_at_once_make_one(bench: &Bench) {
    let made = join_all((0..6).map(|_| bench.store.create_job(spec("j", 9), Schedule::default(), T0))).await;
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
    assert!(made.iter().all(|(job, _)| job.id == made[0].0.id));
}

async fn what_is_out_of_bounds_is_named(bench: &Bench) {
    let wrong = JobSpec { policy: JobPolicy { attempts: 0, ..JobPolicy::default() }, ..spec("12", 9) };
    let Err(StoreError::Invalid(found)) = bench.store.create_job(wrong, Schedule::default(), T0).await else {
        panic!()
    };
    assert_eq!(found.iter().map(|found| found.field).collect::<Vec<_>>(), ["name", "policy.attempts"]);
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM jobs").await, 0);
}

async fn jobs_are_found_by_id_and_by_name_and_listed_newest_first(bench: &Bench) {
    for name in ["a", "b", "c"] {
        bench.new_job(name, 9).await;
    }
    let b = bench.store.job(JobRef::Name("b".into())).await.unwrap();
    assert_eq!(bench.store.job(JobRef::Id(b.id)).await.unwrap(), b);
    let names = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.spec.name).collect::<Vec<_>>();
    assert_eq!(names(bench.store.jobs(i64::MAX, 2).await.unwrap()), ["c", "b"]);
    assert_eq!(names(bench.store.jobs(b.id, 2).await.unwrap()), ["a"]);
    for unknown in [JobRef::Id(999), JobRef::Id(-1), JobRef::Name("B".into())] {
        assert!(matches!(bench.store.job(unknown).await, Err(StoreError::JobNotFound)));
    }
}

async fn sealing_is_idempotent(bench: &Bench) {
    let job = bench.new_job("j", 9).await;
    bench.import(&job, "file", 0, &records(1, 2), false).await;
    assert_eq!(conflict(bench.store.seal_job(JobRef::Id(job.id), T0).await), JobConflict::ImportUnfinished);
    assert_eq!(state(bench, &job).await, JobState::Importing);
    bench.import(&job, "file", 2, &[], true).await;
    assert_eq!(bench.seal(&job).await.state, JobState::Running);
    assert_eq!(bench.seal(&job).await.state, JobState::Running);
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    worker.commit(&lease, at(1)).await;
    bench.store.advance_jobs(at(2)).await.unwrap();
    assert_eq!(bench.seal(&job).await.state, JobState::Completed);
    let gone = bench.new_job("gone", 9).await;
    bench.store.cancel_job(JobRef::Id(gone.id), at(1)).await.unwrap();
    assert_eq!(conflict(bench.store.seal_job(JobRef::Id(gone.id), T0).await), JobConflict::Ended);
}

async fn pausing_is_idempotent(bench: &Bench) {
    let job = JobRef::Id(bench.job("j", 2, 2).await.id);
    for paused in [true, true, false, false] {
        assert_eq!(bench.store.pause_job(job.clone(), paused).await.unwrap().paused, paused);
    }
    bench.store.cancel_job(job.clone(), at(1)).await.unwrap();
    for paused in [true, false] {
        assert_eq!(conflict(bench.store.pause_job(job.clone(), paused).await), JobConflict::Ended);
    }
    let unknown = bench.store.pause_job(JobRef::Name("none".into()), true).await;
    assert!(matches!(unknown, Err(StoreError::JobNotFound)));
}

async fn cancelling_is_idempotent(bench: &Bench) {
    let job = JobRef::Id(bench.job("j", 4, 2).await.id);
    let lease = bench.worker("w").lease_one(T0).await;
    bench.worker("w").commit(&lease, at(1)).await;
    let cancelled = bench.store.cancel_job(job.clone(), at(5)).await.unwrap();
    assert_eq!((cancelled.state, cancelled.ended_at), (JobState::Cancelled, Some(at(5))));
    assert_eq!(bench.store.cancel_job(job, at(9)).await.unwrap(), cancelled);
    // What was committed stays.
    assert_eq!(bench.results(&cancelled).await.len(), 2);
    let done = bench.job("done", 2, 2).await;
    let lease = bench.worker("w").lease_one(at(6)).await;
    bench.worker("w").commit(&lease, at(7)).await;
    bench.store.advance_jobs(at(8)).await.unwrap();
    assert_eq!(conflict(bench.store.cancel_job(JobRef::Id(done.id), at(9)).await), JobConflict::Ended);
    assert_eq!(state(bench, &done).await, JobState::Completed);
}

async fn only_a_job_that_has_ended_is_deleted_and_its_name_is_free(bench: &Bench) {
    let job = bench.job("j", 4, 2).await;
    let by_id = JobRef::Id(job.id);
    assert_eq!(conflict(bench.store.delete_job(by_id.clone()).await), JobConflict::NotEnded);
    bench.store.cancel_job(by_id.clone(), at(1)).await.unwrap();
    bench.store.delete_job(by_id.clone()).await.unwrap();
    assert!(matches!(bench.store.delete_job(by_id.clone()).await, Err(StoreError::JobNotFound)));
    for gone in [by_id, JobRef::Name("j".into()), JobRef::Name(format!("j#{}", job.id))] {
        assert!(matches!(bench.store.job(gone).await, Err(StoreError::JobNotFound)));
    }
    assert!(bench.store.jobs(i64::MAX, 9).await.unwrap().is_empty());
    let (again, created) = bench.store.create_job(spec("j", 5), Schedule::default(), at(2)).await.unwrap();
    assert!(created && again.id != job.id);
    bench.import(&again, "file", 0, &records(1, 4), true).await;
    while bench.store.retain(None).await.unwrap() {}
    assert_eq!(bench.store.progress(again.id).await.unwrap().records, 4);
    assert_eq!(bench.store.record(again.id, "K-000004".into()).await.unwrap().seq, 4);
}

async fn a_job_with_nothing_for_people_is_completed(bench: &Bench) {
    let job = bench.job("j", 4, 2).await;
    let worker = bench.worker("w");
    for lease in worker.lease(2, T0).await {
        worker.commit(&lease, at(7)).await;
    }
    assert_eq!(bench.store.advance_jobs(at(9)).await.unwrap(), [(job.id, JobState::Completed)]);
    assert!(bench.store.advance_jobs(at(10)).await.unwrap().is_empty());
    let done = bench.store.job(JobRef::Id(job.id)).await.unwrap();
    assert_eq!(
        (done.state, done.units_done_at, done.ended_at),
        (JobState::Completed, Some(at(7)), Some(at(9)))
    );
}

async fn a_job_with_something_for_people_is_reviewed(bench: &Bench) {
    for (name, odd) in [("routed", routed as fn(i64) -> _), ("failed", failed)] {
        let job = bench.job(name, 2, 2).await;
        let worker = bench.worker("w");
        let lease = worker.lease_one(T0).await;
        worker.commit_with(&lease.lease, &[valid(1), odd(2)], at(7)).await;
        assert_eq!(bench.store.advance_jobs(at(9)).await.unwrap(), [(job.id, JobState::Reviewing)]);
        let job = bench.store.job(JobRef::Id(job.id)).await.unwrap();
        assert_eq!((job.units_done_at, job.ended_at), (Some(at(7)), None));
        assert!(bench.store.advance_jobs(at(10)).await.unwrap().is_empty());
        assert_eq!(
            bench.store.cancel_job(JobRef::Id(job.id), at(11)).await.unwrap().state,
            JobState::Cancelled
        );
    }
}

async fn a_job_moves_on_when_all_is_done_and_not_before(bench: &Bench) {
    let job = bench.new_job("j", 2).await;
    bench.import(&job, "file", 0, &records(1, 6), true).await;
    let worker = bench.worker("w");
    let leases = worker.lease(3, T0).await;
    worker.commit(&leases[0], at(1)).await;
    worker.commit(&leases[1], at(1)).await;
    let still = async || assert!(bench.store.advance_jobs(at(2)).await.unwrap().is_empty());
    still().await;
    bench.seal(&job).await;
    still().await;
    worker.release(&leases[2].lease).await.unwrap();
    still().await;
    let id = leases[2].lease.unit_id;
    bench.database.execute(&format!("UPDATE units SET state = 'set_aside' WHERE id = {id}")).await;
    still().await;
    bench.store.retry_units(JobRef::Id(job.id), vec![]).await.unwrap();
    // A paused job whose last units come in is done all the same.
    let lease = worker.lease_one(at(3)).await;
    bench.store.pause_job(JobRef::Id(job.id), true).await.unwrap();
    worker.commit(&lease, at(4)).await;
    assert_eq!(bench.store.advance_jobs(at(5)).await.unwrap(), [(job.id, JobState::Completed)]);
}

async fn a_job_without_records_is_completed(bench: &Bench) {
    let job = bench.new_job("j", 2).await;
    bench.seal(&job).await;
    assert_eq!(bench.store.advance_jobs(at(5)).await.unwrap(), [(job.id, JobState::Completed)]);
    let job = bench.store.job(JobRef::Id(job.id)).await.unwrap();
    assert_eq!(job.units_done_at, Some(at(5)));
}
