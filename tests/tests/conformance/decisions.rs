//! What reviewers say, and what stands.

use std::time::Duration;

use emend_scheduler::domain::job::JobState;
use emend_scheduler::domain::review::{AnswerKind, Effect, ReviewRef};
use emend_scheduler::store::{Decided, Decision, Mutant, ReviewConflict, Standing, Store, StoreError};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::reviewer::{HOLD, Person, UNDO, says, written};
use futures::future::join_all;

use super::reviews::drafts;

on_both_stores!(
    one_answer_decides_and_stands_when_it_is_final,
    the_same_call_again_is_one_decision,
    the_same_call_many_times_at_once_is_one_decision,
    a_late_answer_counts_as_long_as_nobody_has_the_review,
    an_answer_to_what_another_holds_is_kept,
    a_decision_that_does_not_see_the_holder_is_caught,
    an_answer_to_what_another_decided_is_kept_and_told,
    whoever_never_held_it_decides_nothing,
    nobody_agrees_with_himself,
    a_person_who_agrees_with_himself_is_caught,
    two_people_agree_and_the_second_waits_for_the_first,
    a_third_has_the_last_word,
    what_nobody_could_decide_goes_to_a_lead,
    a_decision_is_taken_back_in_time_and_not_after,
    an_undone_first_answer_leaves_no_trace_for_the_second,
    a_rejected_record_is_counted_and_kept,
    a_job_ends_when_its_last_decision_is_final,
    a_cluster_is_one_decision_and_one_undo,
    members_that_others_took_are_left_out,
);

async fn standing(bench: &Bench, job_id: i64, seconds: u64) -> Vec<Standing> {
    bench.store.standing(job_id, 1, 1_000, at(seconds)).await.unwrap()
}

fn stands(seq: i64, effect: &Effect, reviewers: &[&str]) -> Standing {
    let reviewers = reviewers.iter().map(|&name| name.into()).collect();
    Standing { seq, effect: effect.clone(), reason: String::new(), reviewers }
}

fn conflict(error: StoreError) -> ReviewConflict {
    match error {
        StoreError::Review(conflict) => conflict,
        other => panic!("{other:?}"),
    }
}

/// When what was decided at `T0` is final.
const FINAL: u64 = UNDO.as_secs();

async fn one_answer_decides_and_stands_when_it_is_final(bench: &Bench) {
    let job = bench.job_for_people("j", 2).await;
    let mut a = bench.person("a");
    let held = a.lease(2, T0).await;
    written(a.decide(held[1].at, &says("x"), T0).await);
    assert_eq!(standing(bench, job.id, FINAL - 1).await, [], "it may still be taken back");
    assert_eq!(standing(bench, job.id, FINAL).await, [stands(2, &says("x"), &["a"])]);
    let progress = bench.store.progress(job.id).await.unwrap();
    assert_eq!((progress.reviews_open, progress.reviews_decided, progress.reviews_rejected), (1, 1, 0));
    let logged = bench.store.decisions_of(held[1].at).await.unwrap();
    let [logged] = &logged[..] else { panic!("{logged:?}") };
    assert_eq!((logged.reviewer.as_str(), logged.round, logged.at), ("a", 1, T0));
    assert!(logged.stands && !logged.undone && logged.effect == says("x"));
    let own = bench.store.own_queue("a".into(), None, at(1)).await.unwrap();
    assert_eq!((own.held, own.decided_today), (1, 1));
}

async fn the_same_call_again_is_one_decision(bench: &Bench) {
    bench.job_for_people("j", 1).await;
    let mut a = bench.person("a");
    let held = a.lease_one(T0).await;
    let decision = a.decision(&[held.at], &says("x"), false);
    let first = written(a.send(decision.clone(), T0).await);
    let again = a.send(decision, at(1)).await;
    assert_eq!(again, Decided::Written { decision_id: first, replayed: true });
    // A double click is another call: it is told what it has done.
    let click = a.decide(held.at, &says("x"), at(1)).await;
    assert_eq!(click, Decided::Before { decision_id: first });
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM decisions").await, 1);
}

async fn the_same_call_many_times_at_once_is_one_decision(bench: &Bench) {
    bench.job_for_people("j", 1).await;
    let mut a = bench.person("a");
    let held = a.lease_one(T0).await;
    let decision = a.decision(&[held.at], &says("x"), false);
    let sent = join_all((0..8).map(|_| a.send(decision.clone(), T0))).await;
    let ids: Vec<i64> = sent.iter().map(|decided| written(*decided)).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let first = sent.iter().filter(|decided| matches!(decided, Decided::Written { replayed: false, .. }));
    assert_eq!(first.count(), 1);
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM decision_members").await, 1);
}

async fn a_late_answer_counts_as_long_as_nobody_has_the_review(bench: &Bench) {
    bench.job_for_people("j", 3).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let held = a.lease(3, T0).await;
    let late = T0 + HOLD + Duration::from_secs(60);
    written(a.decide(held[0].at, &says("x"), late).await);
    // Somebody had it meanwhile, and let it go.
    assert_eq!(b.lease(1, late).await.len(), 1);
    bench.store.release_reviews("b".into()).await.unwrap();
    written(a.decide(held[1].at, &says("x"), late).await);
    // Or let it run out.
    assert_eq!(b.lease(1, late).await[0].at, held[2].at);
    written(a.decide(held[2].at, &says("x"), late + HOLD).await);
    let untaken = b.decide(held[2].at, &says("y"), late + HOLD).await;
    assert!(matches!(untaken, Decided::Before { .. }), "{untaken:?}");
}

/// Answers what somebody else has taken meanwhile.
async fn answer_what_another_holds(store: &Store) -> Decided {
    let (mut a, mut b) = (Person::new(store, "a"), Person::new(store, "b"));
    let held = a.lease_one(T0).await;
    b.lease_one(T0 + HOLD).await;
    a.decide(held.at, &says("x"), T0 + HOLD).await
}

async fn an_answer_to_what_another_holds_is_kept(bench: &Bench) {
    bench.job_for_people("j", 1).await;
    assert_eq!(answer_what_another_holds(&bench.store).await, Decided::Taken);
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM decisions").await, 0);
    assert_eq!(drafts(bench, 1).await, 1);
}

async fn a_decision_that_does_not_see_the_holder_is_caught(bench: &Bench) {
    bench.job_for_people("j", 1).await;
    written(answer_what_another_holds(&bench.store.with_mutant(Mutant::OutvotesHolder)).await);
}

async fn an_answer_to_what_another_decided_is_kept_and_told(bench: &Bench) {
    bench.job_for_people("j", 1).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let held = a.lease_one(T0).await;
    b.lease_one(T0 + HOLD).await;
    let theirs = written(b.decide(held.at, &says("y"), T0 + HOLD).await);
    let mine = a.decide(held.at, &says("x"), T0 + HOLD).await;
    assert_eq!(mine, Decided::Before { decision_id: theirs });
    assert_eq!(drafts(bench, 1).await, 1);
    assert_eq!(bench.store.decision(theirs).await.unwrap().effect, says("y"));
}

async fn whoever_never_held_it_decides_nothing(bench: &Bench) {
    bench.job_for_people("j", 2).await;
    let (mut a, b) = (bench.person("a"), bench.person("b"));
    let held = a.lease_one(T0).await;
    assert_eq!(b.decide(held.at, &says("x"), T0).await, Decided::WrongToken);
    let stolen = Decision { token: a.token.clone(), ..b.decision(&[held.at], &says("x"), false) };
    assert_eq!(b.send(stolen, T0).await, Decided::WrongToken, "another's token is of no use");
    let open = ReviewRef { seq: 2, ..held.at };
    assert_eq!(a.decide(open, &says("x"), T0).await, Decided::WrongToken, "nor to choose what to decide");
    assert_eq!(drafts(bench, 1).await + drafts(bench, 2).await, 0);
    let none = ReviewRef { seq: 3, ..held.at };
    let none = a.try_send(a.decision(&[none], &says("x"), false), T0).await.unwrap_err();
    assert_eq!(conflict(none), ReviewConflict::NotFound);
}

/// One person answers what two must agree on, and then whatever comes; how many decisions there are.
async fn agree_alone(bench: &Bench, store: &Store) -> i64 {
    bench.job_for_people("j", 1).await;
    let mut a = Person::new(store, "a");
    let held = a.lease_one(T0).await;
    written(a.decide_of_two(held.at, &says("x"), T0).await);
    for held in a.lease(1, at(FINAL)).await {
        a.decide_of_two(held.at, &says("x"), at(FINAL)).await;
    }
    bench.database.int("SELECT COUNT(*) FROM decisions").await
}

async fn nobody_agrees_with_himself(bench: &Bench) {
    assert_eq!(agree_alone(bench, &bench.store).await, 1);
}

async fn a_person_who_agrees_with_himself_is_caught(bench: &Bench) {
    assert_eq!(agree_alone(bench, &bench.store.with_mutant(Mutant::AgreesWithItself)).await, 2);
}

async fn two_people_agree_and_the_second_waits_for_the_first(bench: &Bench) {
    let job = bench.job_for_people("j", 1).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let held = a.lease_one(T0).await;
    written(a.decide_of_two(held.at, &says("x"), T0).await);
    assert_eq!(b.lease(1, at(FINAL - 1)).await, [], "the first may still take it back");
    let queue = bench.store.review_queue(None, at(1)).await.unwrap();
    assert_eq!((queue.open, queue.later, queue.next_due_at), (1, 1, Some(at(FINAL))));
    assert_eq!(a.lease(1, at(FINAL)).await, [], "nobody agrees with himself");
    let second = b.lease_one(at(FINAL)).await;
    assert_eq!((second.at, second.round), (held.at, 2));
    assert_eq!(standing(bench, job.id, FINAL).await, []);
    written(b.decide_of_two(second.at, &says("x"), at(FINAL)).await);
    assert_eq!(standing(bench, job.id, 2 * FINAL).await, [stands(1, &says("x"), &["a", "b"])]);
}

async fn a_third_has_the_last_word(bench: &Bench) {
    let job = bench.job_for_people("j", 2).await;
    let mut people = ["a", "b", "c"].map(|name| bench.person(name));
    for (round, said) in ["x", "y", "z"].into_iter().enumerate() {
        let now = at(round as u64 * FINAL);
        let held = people[round].lease(2, now).await;
        assert_eq!(held.iter().map(|held| held.round).collect::<Vec<_>>(), [round as i64 + 1; 2]);
        // On the second record the third agrees with the first.
        let other = if round == 2 { "x" } else { said };
        written(people[round].decide_of_two(held[0].at, &says(said), now).await);
        written(people[round].decide_of_two(held[1].at, &says(other), now).await);
    }
    let stood = [stands(1, &says("z"), &["c"]), stands(2, &says("x"), &["a", "c"])];
    assert_eq!(standing(bench, job.id, 3 * FINAL).await, stood);
}

async fn what_nobody_could_decide_goes_to_a_lead(bench: &Bench) {
    let job = bench.job_for_people("j", 1).await;
    let (mut a, mut b, mut lead) = (bench.person("a"), bench.person("b"), bench.person("lead"));
    lead.reviewer.lead = true;
    let held = a.lease_one(T0).await;
    let cannot = Effect { kind: AnswerKind::CannotDecide, changes: vec![] };
    written(a.decide(held.at, &cannot, T0).await);
    assert_eq!(b.lease(1, at(FINAL)).await, []);
    assert_eq!(bench.store.review_queue(None, at(FINAL)).await.unwrap().for_leads, 1);
    let led = lead.lease_one(at(FINAL)).await;
    assert_eq!(led.round, 1, "it has no answer yet");
    written(lead.decide(led.at, &says("x"), at(FINAL)).await);
    assert_eq!(standing(bench, job.id, 2 * FINAL).await, [stands(1, &says("x"), &["lead"])]);
}

async fn a_decision_is_taken_back_in_time_and_not_after(bench: &Bench) {
    let job = bench.job_for_people("j", 1).await;
    let (mut a, b) = (bench.person("a"), bench.person("b"));
    let held = a.lease_one(T0).await;
    let first = written(a.decide(held.at, &says("x"), T0).await);
    assert_eq!(conflict(b.undo(first, at(1)).await.unwrap_err()), ReviewConflict::NoDecision);
    assert_eq!(a.undo(first, at(FINAL - 1)).await.unwrap(), 1);
    assert_eq!(a.undo(first, at(FINAL - 1)).await.unwrap(), 0, "it was taken back before");
    // It is in the same hands again, and the log has both.
    assert_eq!(a.lease_one(at(FINAL)).await.at, held.at);
    let second = written(a.decide(held.at, &says("y"), at(FINAL)).await);
    let logged = bench.store.decisions_of(held.at).await.unwrap();
    let seen: Vec<_> = logged.iter().map(|logged| (logged.undone, logged.stands)).collect();
    assert_eq!(seen, [(true, false), (false, true)]);
    let late = a.undo(second, at(2 * FINAL)).await.unwrap_err();
    assert_eq!(conflict(late), ReviewConflict::UndoTooLate);
    assert_eq!(standing(bench, job.id, 2 * FINAL).await, [stands(1, &says("y"), &["a"])]);
}

async fn an_undone_first_answer_leaves_no_trace_for_the_second(bench: &Bench) {
    let job = bench.job_for_people("j", 1).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let held = a.lease_one(T0).await;
    let first = written(a.decide_of_two(held.at, &says("x"), T0).await);
    a.undo(first, at(1)).await.unwrap();
    bench.store.release_reviews("a".into()).await.unwrap();
    let second = b.lease_one(at(2)).await;
    assert_eq!(second.round, 1);
    written(b.decide(second.at, &says("y"), at(2)).await);
    assert_eq!(standing(bench, job.id, 2 + FINAL).await, [stands(1, &says("y"), &["b"])]);
}

async fn a_rejected_record_is_counted_and_kept(bench: &Bench) {
    let job = bench.job_for_people("j", 1).await;
    let mut a = bench.person("a");
    let held = a.lease_one(T0).await;
    let rejected = Effect { kind: AnswerKind::Rejected, changes: vec![] };
    let decision = Decision { reason: "no such person".into(), ..a.decision(&[held.at], &rejected, false) };
    let id = written(a.send(decision, T0).await);
    assert_eq!(bench.store.progress(job.id).await.unwrap().reviews_rejected, 1);
    assert_eq!(standing(bench, job.id, FINAL).await[0].reason, "no such person");
    a.undo(id, at(1)).await.unwrap();
    assert_eq!(bench.store.progress(job.id).await.unwrap().reviews_rejected, 0);
}

async fn a_job_ends_when_its_last_decision_is_final(bench: &Bench) {
    let job = bench.job_for_people("j", 2).await;
    let mut a = bench.person("a");
    assert_eq!(bench.store.advance_jobs(T0).await.unwrap(), [(job.id, JobState::Reviewing)]);
    let held = a.lease(2, T0).await;
    written(a.decide(held[0].at, &says("x"), T0).await);
    assert_eq!(bench.store.advance_jobs(at(FINAL)).await.unwrap(), []);
    written(a.decide(held[1].at, &says("x"), at(FINAL)).await);
    assert_eq!(bench.store.advance_jobs(at(2 * FINAL - 1)).await.unwrap(), []);
    assert_eq!(bench.store.advance_jobs(at(2 * FINAL)).await.unwrap(), [(job.id, JobState::Completed)]);
}

/// Records 1 to 9 are alike, 10 is not.
async fn cluster(bench: &Bench) -> i64 {
    let job = bench.job_for_people("j", 10).await;
    bench.database.execute("UPDATE reviews SET alike = 7 WHERE seq < 10").await;
    job.id
}

async fn a_cluster_is_one_decision_and_one_undo(bench: &Bench) {
    let job_id = cluster(bench).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let first = a.lease_one(T0).await;
    let held = bench.store.lease_cluster(first.at, "a".into(), a.token.clone(), HOLD, T0).await.unwrap();
    let members: Vec<ReviewRef> = held.iter().map(|held| held.at).collect();
    assert_eq!(members.iter().map(|member| member.seq).collect::<Vec<_>>(), (1..=9).collect::<Vec<_>>());
    assert_eq!(b.lease(3, T0).await.len(), 1, "the rest is held");
    let opened = async || bench.store.opened_members(job_id, "a".into(), (1..=9).collect()).await.unwrap();
    assert_eq!(opened().await, 1, "the one that it came from was seen");
    for member in &members[1..5] {
        bench.store.open_review(*member, "a".into(), T0).await.unwrap();
    }
    assert_eq!(opened().await, 5);
    let lone = bench.store.opened_members(job_id, "a".into(), vec![1, 10]).await.unwrap_err();
    assert_eq!(conflict(lone), ReviewConflict::NoCluster);
    let id = written(a.send(a.decision(&members, &says("x"), false), T0).await);
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM decisions").await, 1);
    assert_eq!(standing(bench, job_id, FINAL).await.len(), 9);
    let logged = bench.store.decisions_by("a".into(), None, i64::MAX, 10).await.unwrap();
    assert_eq!(
        logged.iter().map(|logged| (logged.decision_id, logged.members)).collect::<Vec<_>>(),
        [(id, 9)]
    );
    assert_eq!(a.undo(id, at(1)).await.unwrap(), 9);
    assert_eq!(standing(bench, job_id, FINAL).await, []);
    assert_eq!(bench.store.progress(job_id).await.unwrap().reviews_open, 10);
    // Unseen members do not come as cards; whoever asks for the next card lets them go.
    assert_eq!(a.lease(1, at(2)).await.len(), 1);
    assert_eq!(b.lease(3, at(2)).await.len(), 3);
}

async fn members_that_others_took_are_left_out(bench: &Bench) {
    let job_id = cluster(bench).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let first = a.lease_one(T0).await;
    let held = bench.store.lease_cluster(first.at, "a".into(), a.token.clone(), HOLD, T0).await.unwrap();
    let members: Vec<ReviewRef> = held.iter().map(|held| held.at).collect();
    let late = T0 + HOLD;
    assert_eq!(b.lease(2, late).await.len(), 2);
    let id = written(a.send(a.decision(&members, &says("x"), false), late).await);
    assert_eq!(bench.store.decision(id).await.unwrap().members, 7);
    assert_eq!(bench.store.progress(job_id).await.unwrap().reviews_decided, 7);
    assert_eq!(drafts(bench, 1).await, 1, "what could not be taken is kept");
    // Others of a cluster in another round are another cluster.
    let missing = bench.store.lease_cluster(members[0], "a".into(), a.token.clone(), HOLD, late).await;
    assert_eq!(conflict(missing.unwrap_err()), ReviewConflict::Taken);
}
