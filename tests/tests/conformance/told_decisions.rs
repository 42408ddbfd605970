//! What the outbox tells of decisions: each once it is final, and none that was taken back.

use std::time::Duration;

use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::review::{AnswerKind, Effect};
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::store::{Claim, Store, Told};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::reviewer::{Person, UNDO, says, written};

on_both_stores!(
    a_decision_is_told_once_it_is_final,
    a_decision_that_was_taken_back_is_never_told,
    an_answer_that_settles_nothing_is_not_told,
    a_cluster_is_told_record_by_record,
    a_broker_that_lost_everything_hears_of_decisions_again_and_of_none_that_is_not_final,
    without_a_broker_no_decision_is_written_down,
    reviews_of_a_version_that_knew_none_are_told_when_they_are_opened,
);

const HOLD: Duration = Duration::from_secs(60);
/// When decisions of `at(1)` are final.
const FINAL: u64 = 1 + UNDO.as_secs();

async fn claim(store: &Store, now: Timestamp) -> Claim {
    store.claim_outbox(1_000, HOLD, now).await.unwrap()
}

/// A store that tells, with a job of so many records for people whose other events have been told.
async fn telling(bench: &Bench, records: i64) -> (Store, Person) {
    let store = bench.store.with_outbox();
    bench.job_for_people("j", records).await;
    (store.clone(), Person::new(&store, "anna"))
}

/// Places and kinds of the decisions that are told at `now`, and their rows said.
async fn told(store: &Store, now: Timestamp) -> Vec<(i64, AnswerKind)> {
    let claim = claim(store, now).await;
    let of = |row: &emend_scheduler::store::OutboxRow| match row.told {
        Told::Decided { created_at, seq, kind, .. } => {
            assert_eq!((created_at, row.unit_id()), (T0, seq));
            Some((seq, kind))
        }
        Told::Nothing | Told::Job { .. } | Told::Alert { .. } | Told::Results { .. } => None,
    };
    let mut told: Vec<_> = claim.rows.iter().filter_map(of).collect();
    told.sort_by_key(|(seq, _)| *seq);
    store.outbox_said(claim).await.unwrap();
    told
}

async fn waiting(bench: &Bench) -> i64 {
    bench.database.int("SELECT COUNT(*) FROM outbox WHERE what = 'decided'").await
}

async fn a_decision_is_told_once_it_is_final(bench: &Bench) {
    let (store, mut anna) = telling(bench, 2).await;
    let held = anna.lease(2, T0).await;
    let id = written(anna.decide(held[0].at, &says("2"), at(1)).await);
    let rejected = Effect { kind: AnswerKind::Rejected, changes: vec![] };
    written(anna.decide(held[1].at, &rejected, at(2)).await);
    // Until then it waits for nobody but its reviewer.
    assert_eq!(store.outbox_backlog(at(FINAL - 1)).await.unwrap().rows, 0);
    assert!(claim(&store, at(FINAL - 1)).await.rows.is_empty());
    let first = claim(&store, at(FINAL)).await;
    let [row] = &first.rows[..] else { panic!("{first:?}") };
    assert_eq!(row.at, at(FINAL));
    assert!(matches!(row.told, Told::Decided { decision_id, .. } if decision_id == id), "{row:?}");
    // A relay that died with it leaves it to the next.
    let later = at(FINAL + HOLD.as_secs());
    let (one, other) = (held[0].at.seq, held[1].at.seq);
    assert_eq!(told(&store, later).await, [(one, AnswerKind::Values), (other, AnswerKind::Rejected)]);
    assert_eq!(waiting(bench).await, 0);
}

async fn a_decision_that_was_taken_back_is_never_told(bench: &Bench) {
    let (store, mut anna) = telling(bench, 1).await;
    let held = anna.lease_one(T0).await;
    let first = written(anna.decide(held.at, &says("2"), at(1)).await);
    assert_eq!(anna.undo(first, at(FINAL - 1)).await.unwrap(), 1);
    assert_eq!(waiting(bench).await, 0);
    assert_eq!(told(&store, at(2 * FINAL)).await, []);
    // What is decided instead is told in its place, once.
    let again = anna.lease_one(at(2 * FINAL)).await;
    let second = written(anna.decide(again.at, &says("3"), at(2 * FINAL)).await);
    assert_ne!(second, first);
    let done = at(2 * FINAL) + UNDO;
    assert_eq!(told(&store, done).await, [(held.at.seq, AnswerKind::Values)]);
    // From then on it cannot be taken back.
    assert!(anna.undo(second, done).await.is_err());
    assert_eq!(told(&store, done + HOLD).await, []);
}

async fn an_answer_that_settles_nothing_is_not_told(bench: &Bench) {
    let (store, mut anna) = telling(bench, 2).await;
    let held = anna.lease(2, T0).await;
    written(anna.decide_of_two(held[0].at, &says("2"), at(1)).await);
    let cannot = Effect { kind: AnswerKind::CannotDecide, changes: vec![] };
    written(anna.decide(held[1].at, &cannot, at(1)).await);
    assert_eq!(told(&store, at(FINAL)).await, []);
    // The second of two settles it.
    let mut ben = Person::new(&store, "ben");
    let seconded = ben.lease_one(at(FINAL)).await;
    assert_eq!(seconded.at, held[0].at);
    written(ben.decide_of_two(seconded.at, &says("2"), at(FINAL)).await);
    assert_eq!(told(&store, at(FINAL) + UNDO).await, [(held[0].at.seq, AnswerKind::Values)]);
}

async fn a_cluster_is_told_record_by_record(bench: &Bench) {
    let (store, mut anna) = telling(bench, 3).await;
    let held = anna.lease(3, T0).await;
    let all: Vec<_> = held.iter().map(|held| held.at).collect();
    let decision = |anna: &Person| anna.decision(&all, &says("2"), false);
    let first = written(anna.send(decision(&anna), at(1)).await);
    assert_eq!(waiting(bench).await, 3);
    anna.undo(first, at(2)).await.unwrap();
    assert_eq!(waiting(bench).await, 0);
    anna.lease(3, at(2)).await;
    written(anna.send(decision(&anna), at(2)).await);
    let told = told(&store, at(FINAL + 1)).await;
    assert_eq!(told.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2, 3]);
}

async fn a_broker_that_lost_everything_hears_of_decisions_again_and_of_none_that_is_not_final(bench: &Bench) {
    let (store, mut anna) = telling(bench, 3).await;
    let held = anna.lease(3, T0).await;
    written(anna.decide(held[0].at, &says("2"), at(1)).await);
    assert_eq!(told(&store, at(FINAL)).await.len(), 1);
    written(anna.decide(held[1].at, &says("2"), at(FINAL)).await);
    let back = written(anna.decide(held[2].at, &says("2"), at(FINAL)).await);
    store.say_again(at(FINAL), at(FINAL + 1)).await.unwrap();
    // The row that asks for it is taken, and what it asks for is there.
    claim(&store, at(FINAL + 1)).await;
    assert_eq!(waiting(bench).await, 3);
    assert_eq!(told(&store, at(FINAL + 2)).await, [(held[0].at.seq, AnswerKind::Values)]);
    anna.undo(back, at(FINAL + 3)).await.unwrap();
    let done = at(FINAL) + UNDO;
    assert_eq!(told(&store, done).await, [(held[1].at.seq, AnswerKind::Values)]);
    assert_eq!(waiting(bench).await, 0);
    // What a job that was deleted had to say is gone with it.
    store.say_again(done, done).await.unwrap();
    claim(&store, done).await;
    assert_eq!(waiting(bench).await, 2);
    bench.store.cancel_job(JobRef::Name("j".into()), done).await.unwrap();
    bench.store.delete_job(JobRef::Name("j".into())).await.unwrap();
    while store.retain(None).await.unwrap() {}
    assert_eq!(waiting(bench).await, 0);
}

async fn without_a_broker_no_decision_is_written_down(bench: &Bench) {
    bench.job_for_people("j", 1).await;
    let mut anna = bench.person("anna");
    let held = anna.lease_one(T0).await;
    let id = written(anna.decide(held.at, &says("2"), at(1)).await);
    assert_eq!(waiting(bench).await, 0);
    anna.undo(id, at(2)).await.unwrap();
}

async fn reviews_of_a_version_that_knew_none_are_told_when_they_are_opened(bench: &Bench) {
    let store = bench.store.with_outbox();
    bench.job_for_people("j", 10).await;
    // As a scheduler that knows no reviews leaves a unit.
    bench.database.execute("DELETE FROM reviews").await;
    bench.database.execute("UPDATE units SET reviewed = FALSE").await;
    assert!(store.open_missing_reviews().await.unwrap());
    let claim = claim(&store, at(1)).await;
    let [row] = &claim.rows[..] else { panic!("{claim:?}") };
    assert!(matches!(row.told, Told::Results { .. }), "{row:?}");
    assert!(!store.open_missing_reviews().await.unwrap());
}
