//! What stops jobs: canaries, thresholds, dry runs, and versions that are withdrawn.

use emend_scheduler::domain::guard::{Action, Guard, Of, Threshold};
use emend_scheduler::domain::job::{JobRef, JobSpec, JobState};
use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Job, JobConflict, StoreError};
use emend_tests::bench::{Bench, PACK, T0, at, spec};
use emend_tests::on_both_stores;
use emend_tests::records::{corrected, failed, records, routed, valid};

use super::refused;

on_both_stores!(
    the_rest_of_a_job_waits_until_its_canary_is_approved,
    a_canary_is_approved_once_and_only_where_there_is_one,
    a_threshold_pauses_its_job_once,
    a_threshold_sends_what_a_rule_would_change_to_people,
    a_dry_run_keeps_counts_and_examples_alone,
    a_withdrawn_version_stops_its_jobs_and_refuses_what_was_made_with_it,
);

/// A sealed job of records 1 to `count`, in units of ten.
async fn guarded(bench: &Bench, guard: Guard, count: i64) -> Job {
    let spec = JobSpec { guard, ..spec("j", 10) };
    let (job, _) = bench.store.create_job(spec, Schedule::default(), T0).await.unwrap();
    bench.import(&job, "file", 0, &records(1, count), true).await;
    bench.seal(&job).await
}

async fn job(bench: &Bench, job: &Job) -> Job {
    bench.store.job(JobRef::Id(job.id)).await.unwrap()
}

/// Works off all that is ready, every record corrected; how many records that were.
async fn work(bench: &Bench) -> i64 {
    let (worker, mut done) = (bench.worker("w"), 0);
    loop {
        let leases = worker.lease(100, at(1)).await;
        if leases.is_empty() {
            return done;
        }
        for lease in leases {
            let results: Vec<_> =
                (lease.what.first_seq..=lease.what.last_seq).map(|seq| corrected(seq, "x")).collect();
            worker.commit_with(&lease.lease, &results, at(1)).await;
            done += results.len() as i64;
        }
    }
}

async fn the_rest_of_a_job_waits_until_its_canary_is_approved(bench: &Bench) {
    let canary = guarded(bench, Guard { canary_ppm: 100_000, ..Guard::default() }, 1_000).await;
    let progress = bench.store.progress(canary.id).await.unwrap();
    assert!((85..100).contains(&progress.waiting), "{} of 100 units wait", progress.waiting);
    assert_eq!(bench.state(&canary, 1).await.0, UnitState::Ready, "the first unit is never among them");
    assert_eq!(bench.store.await_approvals(at(1)).await.unwrap(), [0; 0], "it has not been worked on");
    let done = work(bench).await;
    assert_eq!(done, 1_000 - progress.records_waiting);
    bench.store.advance_jobs(at(2)).await.unwrap();
    assert_eq!(job(bench, &canary).await.state, JobState::Running);
    assert_eq!(bench.store.await_approvals(at(2)).await.unwrap(), [canary.id]);
    assert_eq!(bench.store.await_approvals(at(3)).await.unwrap(), [0; 0], "it is said once");
    assert_eq!(job(bench, &canary).await.awaits_since, Some(at(2)));
    let approved = bench.store.approve_job(JobRef::Id(canary.id)).await.unwrap();
    assert!(approved.approved && approved.awaits_since.is_none());
    assert_eq!(work(bench).await, progress.records_waiting);
    bench.store.advance_jobs(at(4)).await.unwrap();
    assert_eq!(job(bench, &canary).await.state, JobState::Completed);
}

async fn a_canary_is_approved_once_and_only_where_there_is_one(bench: &Bench) {
    let plain = bench.job("plain", 10, 10).await;
    let none = bench.store.approve_job(JobRef::Id(plain.id)).await.unwrap_err();
    assert!(matches!(none, StoreError::JobState(JobConflict::NoCanary)), "{none}");
    let canary = guarded(bench, Guard { canary_ppm: 1, ..Guard::default() }, 100).await;
    for _again in 0..2 {
        bench.store.approve_job(JobRef::Id(canary.id)).await.unwrap();
        assert_eq!(bench.store.progress(canary.id).await.unwrap().waiting, 0);
    }
    bench.store.cancel_job(JobRef::Id(canary.id), at(1)).await.unwrap();
    let ended = bench.store.approve_job(JobRef::Id(canary.id)).await.unwrap_err();
    assert!(matches!(ended, StoreError::JobState(JobConflict::Ended)), "{ended}");
}

fn threshold(of: Of, action: Action) -> Guard {
    let threshold = Threshold { of, over_ppm: 200_000, after: 10, action };
    Guard { thresholds: vec![threshold], ..Guard::default() }
}

async fn a_threshold_pauses_its_job_once(bench: &Bench) {
    let guarded = guarded(bench, threshold(Of::Failed, Action::Pause), 20).await;
    let worker = bench.worker("w");
    let leases = worker.lease(1, T0).await;
    let results: Vec<_> = (1..=10).map(|seq| if seq <= 2 { failed(seq) } else { valid(seq) }).collect();
    worker.commit_with(&leases[0].lease, &results, T0).await;
    assert_eq!(bench.store.watch_thresholds(at(1)).await.unwrap(), [], "two of ten is not above a fifth");
    let leases = worker.lease(1, T0).await;
    let results: Vec<_> = (11..=20).map(|seq| if seq <= 13 { failed(seq) } else { valid(seq) }).collect();
    worker.commit_with(&leases[0].lease, &results, T0).await;
    let tripped = bench.store.watch_thresholds(at(2)).await.unwrap();
    let [(id, trip)] = &tripped[..] else { panic!("{tripped:?}") };
    assert_eq!((*id, trip.count, trip.records, trip.at), (guarded.id, 5, 20, at(2).0));
    let paused = job(bench, &guarded).await;
    assert!(paused.paused && paused.trips == [trip.clone()]);
    // An operator who lets it go on is not told again.
    bench.store.pause_job(JobRef::Id(guarded.id), false).await.unwrap();
    assert_eq!(bench.store.watch_thresholds(at(3)).await.unwrap(), []);
    assert!(!job(bench, &guarded).await.paused);
}

async fn a_threshold_sends_what_a_rule_would_change_to_people(bench: &Bench) {
    let guarded = guarded(bench, threshold(Of::Rule("n.fix".into()), Action::Route), 30).await;
    let worker = bench.worker("w");
    for lease in worker.lease(2, T0).await {
        let results: Vec<_> =
            (lease.what.first_seq..=lease.what.last_seq).map(|seq| corrected(seq, "x")).collect();
        worker.commit_with(&lease.lease, &results, T0).await;
    }
    assert_eq!(bench.store.watch_thresholds(at(1)).await.unwrap().len(), 1);
    let after = job(bench, &guarded).await;
    assert!(!after.paused);
    assert_eq!(after.paused_rules, ["n.fix"]);
    assert_eq!(worker.lease_one(at(2)).await.what.paused_rules, ["n.fix"]);
}

async fn a_dry_run_keeps_counts_and_examples_alone(bench: &Bench) {
    let dry = guarded(bench, Guard { dry_run: true, ..Guard::default() }, 20).await;
    let worker = bench.worker("w");
    for lease in worker.lease(9, T0).await {
        let result = |seq| if seq % 2 == 0 { corrected(seq, "x") } else { routed(seq) };
        let results: Vec<_> = (lease.what.first_seq..=lease.what.last_seq).map(result).collect();
        worker.commit_with(&lease.lease, &results, T0).await;
    }
    let progress = bench.store.progress(dry.id).await.unwrap();
    assert_eq!((progress.verdicts.corrected, progress.verdicts.routed), (10, 10));
    assert_eq!((progress.reviews_open, bench.database.int("SELECT COUNT(*) FROM reviews").await), (0, 0));
    let kept = bench.results(&dry).await;
    assert_eq!(kept.len(), 4, "a unit keeps one example of its rule and one of its finding: {kept:?}");
    bench.store.advance_jobs(at(1)).await.unwrap();
    assert_eq!(job(bench, &dry).await.state, JobState::Completed, "nothing waits for people");
    let spread = bench.store.spread_units(dry.id, 10).await.unwrap();
    assert_eq!(spread.iter().map(|(_, tallies)| tallies.rules["n.fix"]).sum::<u64>(), 10);
}

async fn a_withdrawn_version_stops_its_jobs_and_refuses_what_was_made_with_it(bench: &Bench) {
    let chain = JobSpec { validators: vec!["register@1".into()], ..spec("chain", 10) };
    let (job_with, _) = bench.store.create_job(chain.clone(), Schedule::default(), T0).await.unwrap();
    bench.import(&job_with, "file", 0, &records(1, 20), true).await;
    bench.seal(&job_with).await;
    let mut worker = bench.worker("w");
    worker.packs = vec![PACK.into(), "register@1".into()];
    let leases = worker.lease(2, T0).await;
    worker.commit(&leases[0], T0).await;
    assert_eq!(bench.store.withdraw("register@1".into(), at(1)).await.unwrap(), [job_with.id]);
    assert_eq!(bench.store.withdraw("register@1".into(), at(2)).await.unwrap(), [0; 0]);
    let stopped = job(bench, &job_with).await;
    assert!(stopped.paused);
    assert_eq!(bench.store.withdrawn(&stopped.spec).await.unwrap(), ["register@1"]);
    let outcome = worker.commit(&leases[1], at(3)).await;
    assert_eq!(refused(outcome), Refusal::RulesetChanged);
    assert_eq!(bench.state(&job_with, 11).await, (UnitState::Ready, 1, 3), "no attempt is counted");
    assert_eq!(bench.state(&job_with, 1).await.0, UnitState::Done, "what was acknowledged stays");
    let again = bench.store.pause_job(JobRef::Id(job_with.id), false).await.unwrap_err();
    assert!(matches!(again, StoreError::JobState(JobConflict::Withdrawn)), "{again}");
    let new = JobSpec { name: "new".into(), ..chain };
    let refused = bench.store.create_job(new, Schedule::default(), T0).await.unwrap_err();
    let StoreError::Invalid(violations) = refused else { panic!("{refused}") };
    assert_eq!(violations[0].field, "validators");
    assert!(matches!(bench.store.job(JobRef::Name("new".into())).await, Err(StoreError::JobNotFound)));
}
