//! The zombie storm: workers that take up to three times as long as their leases last, and say everything twice.
//! Nothing may be committed twice, or by a lease that is not the newest, and nothing acknowledged may be lost. On a
//! store with a guard taken out the same storm must find violations, else it shows nothing.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clock;
mod journal;
mod workers;

use std::sync::Arc;

use emend_scheduler::domain::job::{JobPolicy, JobRef, JobSpec};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::store::{Job, Mutant, Store};
use emend_tests::bench::{Bench, T0, spec};
use emend_tests::database::Backend;
use emend_tests::invariants;
use emend_tests::records::records;

use clock::Clock;
use journal::{Journal, Sent, Violation};
use workers::storm;

const WORKERS: u64 = 16;
/// Records in a unit.
const UNIT: i64 = 2;

/// Runs the storm over so many units; answers every violation.
async fn run(backend: Backend, units: i64, mutant: Option<Mutant>) -> Vec<Violation> {
    let bench = Bench::new(backend).await;
    let job = job(&bench, units).await;
    let store = mutant.map_or_else(|| bench.store.clone(), |mutant| bench.store.with_mutant(mutant));
    let journal = Arc::new(Journal::default());
    storm(&store, &job, Clock::new(T0), &journal).await;
    let mut violations = journal.violations();
    violations.extend(settled(&bench, &job, units, &journal).await);
    if mutant.is_none() {
        violations.extend(replayed(&bench.store, &journal).await);
        invariants::hold(&bench.store, &bench.database, &[]).await;
    }
    bench.close().await;
    violations
}

async fn job(bench: &Bench, units: i64) -> Job {
    // Leases run out all the time here: a unit must not be split for that.
    let policy =
        JobPolicy { unit_records: u32::try_from(UNIT).unwrap(), attempts: 100, ..JobPolicy::default() };
    let (job, _) = bench
        .store
        .create_job(JobSpec { policy, ..spec("storm", 2) }, Schedule::default(), T0)
        .await
        .unwrap();
    bench.import(&job, "file", 0, &records(1, units * UNIT), true).await;
    bench.store.seal_job(JobRef::Id(job.id), T0).await.unwrap()
}

/// What the store holds in the end, against what was acknowledged.
async fn settled(bench: &Bench, job: &Job, units: i64, journal: &Journal) -> Vec<Violation> {
    let mut violations = Vec::new();
    let stored = bench.units(job).await;
    let results = bench.results(job).await;
    let progress = bench.store.progress(job.id).await.unwrap();
    let sums = [
        progress.records,
        progress.verdicts.corrected,
        progress.done * UNIT,
        bench.result_blocks().await * UNIT,
    ];
    if sums != [units * UNIT; 4] {
        violations.push(Violation::Sums(format!("{sums:?}")));
    }
    for (unit, results) in stored.iter().zip(results.chunks(usize::try_from(UNIT).unwrap())) {
        violations.extend(journal.compare(&unit.unit, results));
    }
    violations
}

/// Sends every acknowledged commit once more, long after: the receipts must be the same.
async fn replayed(store: &Store, journal: &Journal) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (worker, sent) in journal.acknowledged() {
        let commits = sent.iter().map(Sent::commit).collect();
        let outcomes = store.commit(worker, commits, T0).await.unwrap();
        violations
            .extend(sent.iter().zip(outcomes).filter_map(|(sent, outcome)| sent.is_replayed_by(&outcome)));
    }
    violations
}

async fn holds(backend: Backend) {
    let violations = run(backend, 3_000, None).await;
    assert!(
        violations.is_empty(),
        "{} violations, such as {:?}",
        violations.len(),
        &violations[..violations.len().min(5)]
    );
}

async fn fails(backend: Backend, mutant: Mutant, expected: fn(&Violation) -> bool) {
    let violations = run(backend, 300, Some(mutant)).await;
    let found = violations.iter().filter(|violation| expected(violation)).count();
    println!("{backend:?} {mutant:?}: {} violations, {found} of the kind expected", violations.len());
    assert!(found > 0, "the storm does not notice that a guard is missing: {violations:?}");
}

fn old_epoch(violation: &Violation) -> bool {
    matches!(violation, Violation::OldEpoch { .. })
}

fn two_commits(violation: &Violation) -> bool {
    matches!(violation, Violation::TwoCommits { .. })
}

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_zombie_gets_through() {
        holds(Backend::Sqlite).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_the_epoch_zombies_get_through() {
        fails(Backend::Sqlite, Mutant::StateOnly, old_epoch).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_the_fence_outside_the_write_commits_double() {
        fails(Backend::Sqlite, Mutant::FenceOutsideWrite, two_commits).await;
    }
}

mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_zombie_gets_through() {
        holds(Backend::Postgres).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn without_the_epoch_zombies_get_through() {
        fails(Backend::Postgres, Mutant::StateOnly, old_epoch).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_the_fence_outside_the_write_commits_double() {
        fails(Backend::Postgres, Mutant::FenceOutsideWrite, two_commits).await;
    }
}
