//! The outbox: what is to be told is written with its effect, taken by one relay at a time, and gone once it was said.

use std::time::Duration;

use emend_proto::decode;
use emend_proto::v1::RecordResult;
use emend_scheduler::domain::job::{JobRef, JobState};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::store::{Claim, Mutant, SplitOutcome, Store, StoreError, Told};
use emend_tests::bench::{Bench, T0, at, spec};
use emend_tests::database::Backend;
use emend_tests::on_both_stores;
use emend_tests::records::{all_valid, content, failed, records, routed, valid};
use emend_tests::worker::{Worker, accepted};

on_both_stores!(
    without_a_broker_nothing_is_written,
    a_unit_with_something_for_people_has_one_row,
    a_replayed_commit_says_nothing_more,
    each_state_that_a_job_enters_has_a_row,
    a_poisoned_record_is_told_too,
    a_row_is_taken_by_one_relay_until_its_time_is_over,
    what_was_said_is_gone_and_what_was_taken_since_is_not,
    what_is_postponed_waits,
    a_broker_that_lost_everything_is_told_again,
    what_is_gone_says_nothing,
    the_effect_and_its_row_are_one,
);

const HOLD: Duration = Duration::from_secs(60);

/// A worker of a store that tells.
fn telling(bench: &Bench) -> (Store, Worker) {
    let store = bench.store.with_outbox();
    let worker = Worker::new(&store, "w");
    (store, worker)
}

async fn rows(bench: &Bench) -> i64 {
    bench.database.int("SELECT COUNT(*) FROM outbox").await
}

async fn claim(store: &Store, limit: u32, now: Timestamp) -> Claim {
    store.claim_outbox(limit, HOLD, now).await.unwrap()
}

/// Units of a claim, in order.
fn units(claim: &Claim) -> Vec<i64> {
    let mut units: Vec<i64> = claim.rows.iter().map(emend_scheduler::store::OutboxRow::unit_id).collect();
    units.sort_unstable();
    units
}

/// A job whose units of one record are all routed, `count` of them; the units.
async fn all_routed(bench: &Bench, worker: &Worker, count: i64) -> Vec<i64> {
    bench.job("j", count, 1).await;
    let leases = worker.lease(usize::try_from(count).unwrap(), T0).await;
    for lease in &leases {
        let outcome = worker.commit_with(&lease.lease, &[routed(lease.what.first_seq)], at(1)).await;
        assert!(accepted(&outcome).is_some());
    }
    leases.iter().map(|lease| lease.lease.unit_id).collect()
}

async fn without_a_broker_nothing_is_written(bench: &Bench) {
    all_routed(bench, &bench.worker("w"), 2).await;
    bench.store.advance_jobs(at(2)).await.unwrap();
    assert_eq!(rows(bench).await, 0);
    assert!(claim(&bench.store, 10, at(3)).await.rows.is_empty());
}

async fn a_unit_with_something_for_people_has_one_row(bench: &Bench) {
    let (store, worker) = telling(bench);
    let job = bench.job("j", 12, 4).await;
    let leases = worker.lease(3, T0).await;
    let told = [valid(5), routed(6), failed(7), routed(8)];
    let commit = |lease: usize, results: &[RecordResult]| (leases[lease].lease.clone(), content(results));
    let commits = vec![
        commit(0, &all_valid(1, 4)),
        commit(1, &told),
        commit(2, &[valid(9), valid(10), valid(11), failed(12)]),
    ];
    let outcomes = worker.commit_all(commits, at(7)).await;
    let claim = claim(&store, 10, at(8)).await;
    assert_eq!(units(&claim), [leases[1].lease.unit_id, leases[2].lease.unit_id]);
    let row = claim.rows.iter().find(|row| row.unit_id() == leases[1].lease.unit_id).unwrap();
    assert_eq!((row.job_id, row.at), (job.id, at(7)));
    let Told::Results { unit_id, commit_id, results } = &row.told else { panic!("{row:?}") };
    assert_eq!(
        (*unit_id, Some(commit_id.as_str())),
        (row.unit_id(), accepted(&outcomes[1]).map(|(id, ..)| id))
    );
    let results: Result<Vec<RecordResult>, _> = decode(results).unwrap().collect();
    assert_eq!(results.unwrap(), told);
}

async fn a_replayed_commit_says_nothing_more(bench: &Bench) {
    let (store, worker) = telling(bench);
    bench.job("j", 1, 1).await;
    let lease = worker.lease_one(T0).await.lease;
    for again in 1..4 {
        let outcome = worker.commit_with(&lease, &[routed(1)], at(again)).await;
        assert_eq!(accepted(&outcome).map(|(_, replayed, _)| replayed), Some(again > 1));
        assert_eq!(rows(bench).await, i64::from(again == 1));
        store.outbox_said(claim(&store, 10, at(again)).await).await.unwrap();
    }
}

async fn each_state_that_a_job_enters_has_a_row(bench: &Bench) {
    let (store, worker) = telling(bench);
    let states = async |now| {
        let claim = claim(&store, 10, now).await;
        let states = claim.rows.iter().map(|row| match row.told {
            Told::Job { state, created_at, .. } => {
                assert_eq!((created_at, row.unit_id()), (T0, 0));
                (row.job_id, state)
            }
            _ => panic!("{row:?}"),
        });
        let mut states: Vec<(i64, JobState)> = states.collect();
        states.sort_by_key(|(id, state)| (*id, *state as u8));
        store.outbox_said(claim).await.unwrap();
        states
    };
    let (a, _) = store.create_job(spec("a", 1), Schedule::default(), T0).await.unwrap();
    bench.import(&a, "file", 0, &records(1, 1), true).await;
    store.seal_job(JobRef::Id(a.id), T0).await.unwrap();
    assert_eq!(states(at(1)).await, [(a.id, JobState::Importing), (a.id, JobState::Running)]);
    // The same again enters no state.
    store.create_job(spec("a", 1), Schedule::default(), at(2)).await.unwrap();
    store.seal_job(JobRef::Id(a.id), at(2)).await.unwrap();
    store.pause_job(JobRef::Id(a.id), true).await.unwrap();
    store.pause_job(JobRef::Id(a.id), false).await.unwrap();
    assert_eq!(states(at(2)).await, []);
    let lease = worker.lease_one(T0).await;
    worker.commit(&lease, at(3)).await;
    store.advance_jobs(at(3)).await.unwrap();
    assert_eq!(states(at(4)).await, [(a.id, JobState::Completed)]);
    let (b, _) = store.create_job(spec("b", 1), Schedule::default(), T0).await.unwrap();
    for _twice in 0..2 {
        store.cancel_job(JobRef::Id(b.id), at(5)).await.unwrap();
    }
    assert_eq!(states(at(6)).await, [(b.id, JobState::Importing), (b.id, JobState::Cancelled)]);
}

async fn a_poisoned_record_is_told_too(bench: &Bench) {
    let (store, worker) = telling(bench);
    bench.job("j", 1, 1).await;
    for _attempt in 0..3 {
        let lease = worker.lease_one(T0).await;
        worker.fail(&lease.lease, true).await.unwrap();
    }
    let outcome = store.split_one("split".into(), at(9)).await.unwrap();
    assert!(matches!(outcome, Some(SplitOutcome::Failed(_))), "{outcome:?}");
    let claim = claim(&store, 10, at(9)).await;
    let [row] = &claim.rows[..] else { panic!("{claim:?}") };
    assert!(matches!(&row.told, Told::Results { commit_id, .. } if commit_id == "split"), "{row:?}");
}

async fn a_row_is_taken_by_one_relay_until_its_time_is_over(bench: &Bench) {
    let (store, worker) = telling(bench);
    let all = all_routed(bench, &worker, 5).await;
    let first = claim(&store, 3, at(10)).await;
    let second = claim(&store, 3, at(10)).await;
    assert_eq!((first.rows.len(), second.rows.len()), (3, 2));
    let mut both = [units(&first), units(&second)].concat();
    both.sort_unstable();
    assert_eq!(both, all);
    assert!(claim(&store, 3, at(69)).await.rows.is_empty());
    // A relay that died holds nothing up.
    assert_eq!(claim(&store, 10, at(70)).await.rows.len(), 5);
}

async fn what_was_said_is_gone_and_what_was_taken_since_is_not(bench: &Bench) {
    let (store, worker) = telling(bench);
    let all = all_routed(bench, &worker, 2).await;
    let slow = claim(&store, 10, at(10)).await;
    let other = claim(&store, 1, at(70)).await;
    store.outbox_said(slow).await.unwrap();
    assert_eq!(bench.database.ints("SELECT unit_id FROM outbox").await, units(&other));
    store.outbox_said(other).await.unwrap();
    assert_eq!(rows(bench).await, 0);
    assert_eq!(all.len(), 2);
}

async fn what_is_postponed_waits(bench: &Bench) {
    let (store, worker) = telling(bench);
    all_routed(bench, &worker, 2).await;
    let taken = claim(&store, 10, at(10)).await;
    store.postpone_outbox(taken, at(500)).await.unwrap();
    assert!(claim(&store, 10, at(499)).await.rows.is_empty());
    assert_eq!(claim(&store, 10, at(500)).await.rows.len(), 2);
    let backlog = store.outbox_backlog(at(11)).await.unwrap();
    assert_eq!((backlog.rows, backlog.oldest), (2, Some(at(1))));
}

async fn a_broker_that_lost_everything_is_told_again(bench: &Bench) {
    let (store, worker) = telling(bench);
    let all = all_routed(bench, &worker, 3).await;
    let ended = bench.new_job("ended", 1).await;
    store.cancel_job(JobRef::Id(ended.id), T0).await.unwrap();
    let taken = claim(&store, 1, at(10)).await;
    store.outbox_said(claim(&store, 10, at(10)).await).await.unwrap();
    // Asked by several schedulers at once, and a second time before it is due.
    for due in [30, 90, 20] {
        store.say_again(at(10), at(due)).await.unwrap();
    }
    assert!(claim(&store, 10, at(29)).await.rows.is_empty());
    claim(&store, 1, at(30)).await;
    // The relay that took a row before the loss has the confirm of a broker that has forgotten it.
    store.outbox_said(taken).await.unwrap();
    let again = claim(&store, 10, at(31)).await;
    let of_units: Vec<i64> = units(&again).into_iter().filter(|unit| *unit != 0).collect();
    assert_eq!(of_units, all);
    // The state that each job is in.
    assert_eq!(again.rows.len(), 3 + 2);
    // Of jobs that ended long ago nothing is said.
    store.outbox_said(again).await.unwrap();
    let late = at(2 * 60 * 60);
    store.say_again(late, late).await.unwrap();
    claim(&store, 1, late).await;
    assert!(claim(&store, 10, late).await.rows.iter().all(|row| row.job_id != ended.id));
}

async fn what_is_gone_says_nothing(bench: &Bench) {
    let (store, worker) = telling(bench);
    all_routed(bench, &worker, 1).await;
    bench.database.execute("DELETE FROM blocks").await;
    let taken = claim(&store, 10, at(10)).await;
    assert!(matches!(taken.rows[0].told, Told::Nothing), "{taken:?}");
    bench.store.cancel_job(JobRef::Name("j".into()), at(11)).await.unwrap();
    bench.store.delete_job(JobRef::Name("j".into())).await.unwrap();
    while store.retain(None).await.unwrap() {}
    assert_eq!(rows(bench).await, 0);
}

/// Whether a commit whose row cannot be written leaves any effect, and what is in the outbox when it was sent again.
async fn commit_untellable(bench: &Bench, store: &Store, job: &str) -> (bool, i64) {
    let (refuse, allow) = match bench.database.backend() {
        Backend::Sqlite => (
            "CREATE TRIGGER untellable BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER untellable",
        ),
        Backend::Postgres => (
            "ALTER TABLE outbox ADD CONSTRAINT untellable CHECK (due_at < 0) NOT VALID",
            "ALTER TABLE outbox DROP CONSTRAINT untellable",
        ),
    };
    let job = bench.job(job, 1, 1).await;
    let worker = Worker::new(store, "w");
    let lease = worker.lease_one(T0).await.lease;
    bench.database.execute(refuse).await;
    let commit = || emend_scheduler::store::Commit {
        lease: lease.clone(),
        content: content(&[routed(1)]),
        commit_id: format!("commit-{}", job.id),
    };
    let refused = store.commit("w".into(), vec![commit()], at(1)).await;
    assert!(matches!(refused, Err(StoreError::Internal(_) | StoreError::Clash)), "{refused:?}");
    let effect = bench.unit(&job, 1).await.unit.receipt.is_some();
    bench.database.execute(allow).await;
    let outcomes = store.commit("w".into(), vec![commit()], at(2)).await.unwrap();
    assert!(accepted(&outcomes[0]).is_some());
    let told = format!("SELECT COUNT(*) FROM outbox WHERE job_id = {}", job.id);
    (effect, bench.database.int(&told).await)
}

async fn the_effect_and_its_row_are_one(bench: &Bench) {
    let store = bench.store.with_outbox();
    assert_eq!(commit_untellable(bench, &store, "sound").await, (false, 1));
    // The test can fail: with the row in a transaction of its own the effect stands, and nobody is ever told.
    let mutant = store.with_mutant(Mutant::OutboxOutsideEffect);
    assert_eq!(commit_untellable(bench, &mutant, "mutant").await, (true, 0));
}
