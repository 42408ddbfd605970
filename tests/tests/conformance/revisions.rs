//! Rules that are taken back, and rules that run again, after a job has done much of its work or all of it.

use std::collections::HashMap;
use std::time::Duration;

use emend_proto::v1::RecordResult;
use emend_scheduler::domain::job::{JobRef, JobSpec, JobState};
use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::{Job, JobConflict, Mutant, Revise, RevisionStatus, StoreError};
use emend_tests::bench::{Bench, PACK, T0, at, spec};
use emend_tests::database::Backend;
use emend_tests::mutants::fails_on;
use emend_tests::on_both_stores;
use emend_tests::records::{corrected, records, routed, valid};
use emend_tests::reviewer::{says, written};
use emend_tests::worker::{Lease, Worker};

use super::refused;

on_both_stores!(
    a_rule_taken_back_leaves_what_a_run_without_it_leaves,
    what_people_decided_since_stays_and_is_listed,
    reviews_follow_the_new_results,
    commits_of_earlier_leases_are_refused_and_no_attempt_counted,
    a_unit_on_which_workers_fail_keeps_its_results,
    a_unit_that_is_run_again_stays_whole_whatever_it_costs,
    a_corrected_version_runs_over_everything_and_replaces_what_its_rule_touched,
    what_cannot_be_revised_is_refused,
    asked_again_it_is_there_already,
);

/// Of ten records of a unit the third is wrong by `n.fix`, the fifth is routed, the rest valid.
fn with_rule(seq: i64) -> RecordResult {
    match seq % 10 {
        3 => corrected(seq, "wrong"),
        5 => routed(seq),
        _ => valid(seq),
    }
}

/// As it is without the rule.
fn without_rule(seq: i64) -> RecordResult {
    if seq % 10 == 3 { valid(seq) } else { with_rule(seq) }
}

async fn commit(worker: &Worker, lease: &Lease, result: impl Fn(i64) -> RecordResult) {
    let results: Vec<_> = (lease.what.first_seq..=lease.what.last_seq).map(result).collect();
    worker.commit_with(&lease.lease, &results, at(5)).await;
}

/// Works off all that is ready; how many units that were.
async fn work(bench: &Bench, result: impl Fn(i64) -> RecordResult) -> usize {
    let (worker, mut done) = (bench.worker("w"), 0);
    loop {
        let leases = worker.lease(100, at(5)).await;
        if leases.is_empty() {
            return done;
        }
        done += leases.len();
        for lease in leases {
            commit(&worker, &lease, &result).await;
        }
    }
}

fn undo() -> Revise {
    Revise { rule: "n.fix".into(), undo: true, replacement: String::new() }
}

async fn sweep(bench: &Bench) -> usize {
    let mut reopened = 0;
    loop {
        let swept = bench.store.sweep_revisions().await.unwrap();
        reopened += swept.reopened;
        if !swept.more {
            return reopened;
        }
    }
}

async fn state(bench: &Bench, job: &Job) -> JobState {
    bench.store.advance_jobs(at(9)).await.unwrap();
    bench.store.job(JobRef::Id(job.id)).await.unwrap().state
}

async fn only_revision(bench: &Bench, job: &Job) -> RevisionStatus {
    let mut all = bench.store.revisions(job.id).await.unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn a_rule_taken_back_leaves_what_a_run_without_it_leaves(bench: &Bench) {
    // The second unit holds no record that the rule touched: it is not run again.
    let job = bench.job("j", 30, 10).await;
    let result = |seq: i64| if (11..=20).contains(&seq) { without_rule(seq) } else { with_rule(seq) };
    assert_eq!(work(bench, result).await, 3);
    assert_eq!(state(bench, &job).await, JobState::Reviewing);
    let before = bench.results(&job).await;
    let (revised, revision, created) =
        bench.store.revise_job(JobRef::Id(job.id), undo(), at(6)).await.unwrap();
    assert!(created && revised.revising && revised.state == JobState::Running);
    assert_eq!((revision.ruleset, revised.ruleset), (2, 2));
    assert_eq!(revised.spec.rules_off, ["n.fix"]);
    assert_eq!(state(bench, &job).await, JobState::Running, "it has not been looked through");
    assert_eq!(sweep(bench).await, 2);
    assert_eq!(bench.results(&job).await, before, "until they are replaced, the old results stand");
    let progress = bench.store.progress(job.id).await.unwrap();
    assert_eq!((progress.verdicts.corrected, progress.verdicts.valid), (2, 25), "and are counted");
    let lease = bench.worker("w").lease_one(at(5)).await;
    assert_eq!(lease.what.rules_off, ["n.fix"]);
    bench.worker("w").release(&lease.lease).await.unwrap();
    assert_eq!(work(bench, without_rule).await, 2);
    assert_eq!(bench.results(&job).await, (1..=30).map(without_rule).collect::<Vec<_>>());
    assert_eq!(state(bench, &job).await, JobState::Reviewing);
    let told = only_revision(bench, &job).await;
    assert_eq!((told.units, told.replaced, told.kept, told.abandoned), (2, 2, 0, 0));
    let tallies = bench.store.tallies(job.id).await.unwrap();
    assert_eq!((tallies.rules.len(), tallies.findings["n.odd"]), (0, 3));
    let blocks = bench.database.int("SELECT COUNT(*) FROM blocks WHERE revision > 0").await;
    assert_eq!(blocks, 5, "the old results are kept beside the new");
}

async fn what_people_decided_since_stays_and_is_listed(bench: &Bench) {
    // Without the rule all four records would be valid; one was routed by it and decided, one is held, one is open.
    let job = bench.job("j", 10, 10).await;
    let found = |seq| {
        let mut routed = routed(seq);
        routed.findings[0].rule = "n.fix".into();
        routed
    };
    work(bench, |seq| if seq <= 3 { found(seq) } else { with_rule(seq) }).await;
    let mut person = bench.person("p");
    let first = person.lease_one(at(5)).await;
    written(person.decide(first.at, &says("7"), at(5)).await);
    let held = person.lease_one(at(6)).await;
    assert_eq!((first.at.seq, held.at.seq), (1, 2));
    bench.store.revise_job(JobRef::Id(job.id), undo(), at(7)).await.unwrap();
    assert_eq!(sweep(bench).await, 1);
    let worker = bench.worker("w");
    let lease = worker.lease_one(at(7)).await;
    let results: Vec<_> = (1..=10).map(|seq| if seq == 5 { routed(5) } else { valid(seq) }).collect();
    worker.commit_with(&lease.lease, &results, at(8)).await;
    let told = only_revision(bench, &job).await;
    assert_eq!((told.replaced, told.kept, told.kept_seqs), (1, 2, vec![1, 2]));
    let now = bench.results(&job).await;
    assert_eq!((&now[0], &now[1], &now[2]), (&found(1), &found(2), &valid(3)));
    // The one that was open needs nobody any more; the others are people's as before.
    let seqs = bench.database.ints("SELECT seq FROM reviews ORDER BY seq").await;
    assert_eq!(seqs, [1, 2, 5]);
    written(person.decide(held.at, &says("8"), at(8)).await);
}

async fn reviews_follow_the_new_results(bench: &Bench) {
    let job = bench.job("j", 10, 10).await;
    work(bench, with_rule).await;
    bench.store.revise_job(JobRef::Id(job.id), undo(), at(6)).await.unwrap();
    sweep(bench).await;
    // Without the rule the third record is one for people.
    work(bench, |seq| if seq == 3 { routed(3) } else { without_rule(seq) }).await;
    assert_eq!(bench.database.ints("SELECT seq FROM reviews ORDER BY seq").await, [3, 5]);
    assert_eq!(bench.store.progress(job.id).await.unwrap().verdicts.routed, 2);
}

/// Results of rules that the job no longer runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_should_have_been_refused_are_noticed() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let test = async {
            let bench = Bench::new(backend).await;
            commits_of_earlier_leases_are_refused_and_no_attempt_counted(&bench).await;
        };
        fails_on(Mutant::IgnoresRuleset, "taken, and should not have been", test).await;
    }
}

async fn commits_of_earlier_leases_are_refused_and_no_attempt_counted(bench: &Bench) {
    let job = bench.job("j", 20, 10).await;
    let worker = bench.worker("w");
    let leases = worker.lease(2, T0).await;
    commit(&worker, &leases[0], with_rule).await;
    bench.store.revise_job(JobRef::Id(job.id), undo(), at(1)).await.unwrap();
    sweep(bench).await;
    let open = bench.store.job(JobRef::Id(job.id)).await.unwrap();
    assert!(open.revising, "a commit under the earlier ruleset may still come");
    let results: Vec<_> = (11..=20).map(with_rule).collect();
    let outcome = worker.commit_with(&leases[1].lease, &results, at(2)).await;
    assert_eq!(refused(outcome), Refusal::RulesetChanged);
    assert_eq!(bench.state(&job, 11).await, (UnitState::Ready, 1, 3));
    // Whoever asks about the first one again is told that its commit was superseded by the scheduler.
    let results: Vec<_> = (1..=10).map(with_rule).collect();
    let outcome = worker.commit_with(&leases[0].lease, &results, at(2)).await;
    assert_eq!(refused(outcome), Refusal::LeaseLost);
    assert_eq!(work(bench, without_rule).await, 2);
    sweep(bench).await;
    assert_eq!(state(bench, &job).await, JobState::Reviewing);
}

async fn a_unit_that_is_run_again_stays_whole_whatever_it_costs(bench: &Bench) {
    let job = bench.job("j", 10, 10).await;
    work(bench, with_rule).await;
    bench.store.revise_job(JobRef::Id(job.id), undo(), at(1)).await.unwrap();
    sweep(bench).await;
    let mut slow = bench.worker("slow");
    slow.costs = HashMap::from([(PACK.into(), Duration::from_secs(60))]);
    let lease = slow.lease_one(at(5)).await;
    assert_eq!((lease.what.first_seq, lease.what.last_seq), (1, 10), "what is merged is a unit's results");
    commit(&slow, &lease, without_rule).await;
    sweep(bench).await;
    let results: Vec<_> = (1..=10).map(without_rule).collect();
    assert_eq!(bench.results(&job).await, results);
    assert_eq!(bench.store.progress(job.id).await.unwrap().reviews_open, 1);
}

async fn a_unit_on_which_workers_fail_keeps_its_results(bench: &Bench) {
    let job = bench.job("j", 10, 10).await;
    work(bench, with_rule).await;
    bench.store.revise_job(JobRef::Id(job.id), undo(), at(6)).await.unwrap();
    sweep(bench).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(at(7)).await;
    worker.fail(&lease.lease, false).await.unwrap();
    bench.split_all(at(8)).await;
    assert_eq!(bench.results(&job).await, (1..=10).map(with_rule).collect::<Vec<_>>());
    assert_eq!(bench.state(&job, 1).await.0, UnitState::Done);
    let told = only_revision(bench, &job).await;
    assert_eq!((told.replaced, told.abandoned), (0, 1));
    sweep(bench).await;
    assert_eq!(state(bench, &job).await, JobState::Reviewing);
}

async fn a_corrected_version_runs_over_everything_and_replaces_what_its_rule_touched(bench: &Bench) {
    let chain = JobSpec { validators: vec!["rules@1".into()], ..spec("chain", 10) };
    let (job, _) = bench.store.create_job(chain, Schedule::default(), T0).await.unwrap();
    bench.import(&job, "file", 0, &records(1, 20), true).await;
    bench.seal(&job).await;
    let mut worker = bench.worker("w");
    worker.packs = vec![PACK.into(), "rules@1".into()];
    for lease in worker.lease(2, T0).await {
        commit(&worker, &lease, |seq| if seq <= 10 { with_rule(seq) } else { valid(seq) }).await;
    }
    let ask = Revise { rule: "n.fix".into(), undo: false, replacement: "rules@2".into() };
    let (revised, _, _) = bench.store.revise_job(JobRef::Id(job.id), ask, at(1)).await.unwrap();
    assert_eq!(revised.spec.validators, ["rules@2"]);
    assert_eq!(sweep(bench).await, 2, "the corrected rule may touch any record");
    assert!(worker.lease(2, at(2)).await.is_empty(), "this worker has the old version");
    worker.packs = vec![PACK.into(), "rules@2".into()];
    for lease in worker.lease(2, at(2)).await {
        // Now it touches the thirteenth too. What it does not touch stays, whatever the worker says.
        let result = |seq| match seq {
            3 | 13 => corrected(seq, "right"),
            _ => routed(seq),
        };
        commit(&worker, &lease, result).await;
    }
    let now = bench.results(&job).await;
    let expected: Vec<_> = (1..=20)
        .map(|seq| match seq {
            3 | 13 => corrected(seq, "right"),
            5 => routed(5),
            _ => valid(seq),
        })
        .collect();
    assert_eq!(now, expected);
    assert_eq!(only_revision(bench, &job).await.replaced, 2);
}

async fn what_cannot_be_revised_is_refused(bench: &Bench) {
    let job = bench.job("j", 10, 10).await;
    let field = async |ask: Revise| match bench.store.revise_job(JobRef::Id(job.id), ask, at(1)).await {
        Err(StoreError::Invalid(violations)) => violations[0].field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(Revise::default()).await, "rule");
    assert_eq!(field(Revise { undo: true, ..Revise::default() }).await, "undo");
    assert_eq!(field(Revise { rule: "n.fix".into(), ..Revise::default() }).await, "rule", "it runs already");
    assert_eq!(field(Revise { replacement: "other@1".into(), ..Revise::default() }).await, "replacement");
    assert_eq!(field(Revise { replacement: PACK.into(), ..Revise::default() }).await, "replacement");
    bench.store.cancel_job(JobRef::Id(job.id), at(1)).await.unwrap();
    let cancelled = bench.store.revise_job(JobRef::Id(job.id), undo(), at(2)).await.unwrap_err();
    assert!(matches!(cancelled, StoreError::JobState(JobConflict::Cancelled)), "{cancelled}");
}

async fn asked_again_it_is_there_already(bench: &Bench) {
    let job = bench.job("j", 10, 10).await;
    work(bench, with_rule).await;
    let ask = async |ask| bench.store.revise_job(JobRef::Id(job.id), ask, at(6)).await.unwrap();
    let (_, first, created) = ask(undo()).await;
    assert!(created);
    let (_, again, created) = ask(undo()).await;
    assert!(!created && again == first);
    // And a rule that was taken back can be let run again.
    let (revised, second, created) = ask(Revise { rule: "n.fix".into(), ..Revise::default() }).await;
    assert!(created && second.ruleset == 3 && revised.spec.rules_off.is_empty());
}
