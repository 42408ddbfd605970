//! Who holds a review.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use emend_scheduler::domain::job::{JobRef, JobState};
use emend_scheduler::domain::review::{FAILED, ReviewRef};
use emend_scheduler::store::{Decided, Held, Mutant, ReviewConflict, Store, StoreError};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::records::{corrected, failed, routed, valid};
use emend_tests::reviewer::{HOLD, Person, says, written};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

on_both_stores!(
    what_needs_a_person_is_a_review_with_its_commit,
    reviews_of_an_earlier_version_are_opened_later,
    the_oldest_of_the_most_urgent_job_comes_first,
    nobody_gets_what_somebody_holds,
    three_hundred_at_once_never_share_a_review,
    a_claim_that_does_not_see_leases_is_caught,
    a_lease_that_ran_out_is_free_without_any_loop,
    what_is_held_comes_back_after_a_reload,
    a_lease_is_renewed_and_shortened,
    a_skipped_review_comes_to_others,
    signing_out_frees_at_once,
    only_what_is_known_and_asked_for_comes,
    a_job_that_is_paused_or_has_ended_gives_no_reviews,
);

fn seqs(held: &[Held]) -> Vec<i64> {
    held.iter().map(|held| held.at.seq).collect()
}

async fn what_needs_a_person_is_a_review_with_its_commit(bench: &Bench) {
    let job = bench.job("j", 4, 4).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let mut nobody = bench.person("a");
    assert_eq!(nobody.lease(3, T0).await, []);
    let results = [valid(1), routed(2), failed(3), corrected(4, "x")];
    worker.commit_with(&lease.lease, &results, T0).await;
    // Sent again it opens nothing more.
    worker.commit_with(&lease.lease, &results, T0).await;
    let kinds = bench.database.texts("SELECT kind FROM reviews ORDER BY seq").await;
    assert_eq!(kinds, [["n.odd"], [FAILED]]);
    let progress = bench.store.progress(job.id).await.unwrap();
    assert_eq!((progress.reviews_open, progress.reviews_decided), (2, 0));
    assert_eq!(seqs(&nobody.lease(3, T0).await), [2, 3]);
}

/// A scheduler of the release before commits units and opens no reviews; a job of its is not over before they are.
async fn reviews_of_an_earlier_version_are_opened_later(bench: &Bench) {
    let job = bench.job_for_people("j", 25).await;
    bench.database.execute("DELETE FROM reviews").await;
    bench.database.execute("UPDATE units SET reviewed = FALSE").await;
    let moved = bench.store.advance_jobs(T0).await.unwrap();
    assert_eq!(moved, [(job.id, JobState::Reviewing)]);
    assert_eq!(bench.store.advance_jobs(T0).await.unwrap(), []);
    while bench.store.open_missing_reviews().await.unwrap() {}
    assert_eq!(bench.store.progress(job.id).await.unwrap().reviews_open, 25);
    assert_eq!(bench.database.int("SELECT COUNT(*) FROM units WHERE NOT reviewed").await, 0);
}

async fn the_oldest_of_the_most_urgent_job_comes_first(bench: &Bench) {
    let (first, urgent) = (bench.job_for_people("first", 2).await, bench.job_for_people("urgent", 2).await);
    bench.database.execute(&format!("UPDATE jobs SET priority = 5 WHERE id = {}", urgent.id)).await;
    let at = |job: i64, seq| ReviewRef { job_id: job, seq };
    let held = bench.person("a").lease(3, T0).await;
    let expected = [at(urgent.id, 1), at(urgent.id, 2), at(first.id, 1)];
    assert_eq!(held.iter().map(|held| held.at).collect::<Vec<_>>(), expected);
}

async fn nobody_gets_what_somebody_holds(bench: &Bench) {
    bench.job_for_people("j", 4).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    assert_eq!(seqs(&a.lease(3, T0).await), [1, 2, 3]);
    assert_eq!(seqs(&b.lease(3, T0).await), [4]);
    // It holds three already.
    assert_eq!(seqs(&a.lease(3, at(1)).await), [1, 2, 3]);
    let decided = b.decide(ReviewRef { job_id: 1, seq: 1 }, &says("x"), T0).await;
    assert_eq!(decided, Decided::WrongToken);
}

/// So many people ask for three at the same instant: how many reviews they are given, and how many different ones.
async fn all_ask(store: &Store, people: usize) -> (usize, usize) {
    let start = Arc::new(Barrier::new(people));
    let mut asking = JoinSet::new();
    for at in 0..people {
        let (mut person, start) = (Person::new(store, &format!("p{at}")), start.clone());
        asking.spawn(async move {
            start.wait().await;
            seqs(&person.lease(3, T0).await)
        });
    }
    let taken: Vec<i64> = asking.join_all().await.into_iter().flatten().collect();
    (taken.len(), taken.iter().collect::<HashSet<_>>().len())
}

async fn a_claim_that_does_not_see_leases_is_caught(bench: &Bench) {
    bench.job_for_people("j", 100).await;
    let (given, different) = all_ask(&bench.store.with_mutant(Mutant::SharesReviews), 30).await;
    assert!(different < given, "{given} reviews to thirty people, each once");
}

async fn three_hundred_at_once_never_share_a_review(bench: &Bench) {
    const PEOPLE: usize = 300;
    let job = bench.job_for_people("j", 1_000).await;
    let (given, different) = all_ask(&bench.store, PEOPLE).await;
    assert_eq!(given, 3 * PEOPLE, "each gets what it asked for");
    assert_eq!(different, given, "none is held by two");
    let rest = bench.store.review_queue(Some(job.id), T0).await.unwrap();
    assert_eq!((rest.open, rest.held), (1_000, 900));
}

async fn a_lease_that_ran_out_is_free_without_any_loop(bench: &Bench) {
    bench.job_for_people("j", 1).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let held = a.lease_one(T0).await;
    assert_eq!(held.expires_at, T0 + HOLD);
    let before = T0 + HOLD - Duration::from_millis(1);
    assert_eq!(b.lease(1, before).await, []);
    let queue = bench.store.review_queue(None, before).await.unwrap();
    assert_eq!((queue.held, queue.next_free_at), (1, Some(T0 + HOLD)));
    assert_eq!(seqs(&b.lease(1, T0 + HOLD).await), [1]);
}

async fn what_is_held_comes_back_after_a_reload(bench: &Bench) {
    bench.job_for_people("j", 5).await;
    let mut a = bench.person("a");
    let first = a.lease(2, T0).await;
    let tab = a.clone();
    let again = a.lease(2, at(60)).await;
    assert_eq!(seqs(&first), seqs(&again));
    assert_eq!(again[0].expires_at, at(60) + HOLD);
    // Two tabs are one person: the first one's answer counts, though the second has the newer token.
    assert_ne!(tab.token, a.token);
    written(tab.decide(first[0].at, &says("x"), at(61)).await);
    let other = a.decide(first[0].at, &says("y"), at(62)).await;
    assert!(matches!(other, Decided::Before { .. }), "{other:?}");
    assert_eq!(drafts(bench, 1).await, 1, "the second tab's answer is kept");
}

async fn a_lease_is_renewed_and_shortened(bench: &Bench) {
    bench.job_for_people("j", 2).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let reviews: Vec<ReviewRef> = a.lease(2, T0).await.iter().map(|held| held.at).collect();
    let renew = async |name: &str, ttl: u64, now| {
        let ttl = Duration::from_secs(ttl);
        bench.store.renew_reviews(name.into(), reviews.clone(), ttl, now).await.unwrap()
    };
    assert_eq!(renew("a", 60, at(30)).await, []);
    assert_eq!(renew("b", 60, at(30)).await, reviews, "what others hold is lost to this one");
    assert_eq!(b.lease(2, at(89)).await, []);
    // A page that closes leaves seconds.
    assert_eq!(renew("a", 5, at(90)).await, []);
    assert_eq!(seqs(&b.lease(1, at(95)).await), [1]);
    // What ran out and nobody took is extended; the other is lost.
    assert_eq!(renew("a", 60, at(100)).await, reviews[..1]);
    assert_eq!(b.lease(2, at(101)).await.len(), 1);
}

async fn a_skipped_review_comes_to_others(bench: &Bench) {
    let job = bench.job_for_people("j", 1).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    let held = a.lease_one(T0).await;
    bench.store.save_draft(held.at, "a".into(), b"so far".to_vec()).await.unwrap();
    bench.store.skip_review(held.at, "a".into()).await.unwrap();
    bench.store.skip_review(held.at, "a".into()).await.unwrap();
    assert_eq!(a.lease(1, at(1)).await, []);
    assert_eq!(bench.store.own_queue("a".into(), Some(job.id), at(1)).await.unwrap().passed, 1);
    assert_eq!(drafts(bench, 1).await, 1, "a skip keeps the draft");
    assert_eq!(b.lease_one(at(1)).await.at, held.at);
    // Whoever does not hold it cannot take it from who does.
    bench.store.skip_review(held.at, "c".into()).await.unwrap();
    assert_eq!(b.lease(1, at(2)).await.len(), 1);
    let nothing = bench.store.skip_review(ReviewRef { seq: 2, ..held.at }, "a".into()).await.unwrap_err();
    assert!(matches!(nothing, StoreError::Review(ReviewConflict::NotFound)), "{nothing:?}");
}

async fn signing_out_frees_at_once(bench: &Bench) {
    bench.job_for_people("j", 3).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    a.lease(2, T0).await;
    assert_eq!(bench.store.release_reviews("a".into()).await.unwrap(), 2);
    assert_eq!(bench.store.release_reviews("a".into()).await.unwrap(), 0);
    assert_eq!(seqs(&b.lease(3, T0).await), [1, 2, 3]);
}

async fn only_what_is_known_and_asked_for_comes(bench: &Bench) {
    bench.job_for_people("j", 3).await;
    bench.database.execute("UPDATE reviews SET kind = 'a.x,b.y' WHERE seq = 1").await;
    bench.database.execute("UPDATE reviews SET kind = 'b.y' WHERE seq = 2").await;
    let mut person = bench.person("a");
    let mut gets = async |skills: &[&str], finding: &str| {
        bench.store.release_reviews("a".into()).await.unwrap();
        let skills: Vec<String> = skills.iter().map(|&skill| skill.into()).collect();
        person.reviewer.skills = (!skills.is_empty()).then_some(skills);
        person.finding = finding.into();
        seqs(&person.lease(3, T0).await)
    };
    assert_eq!(gets(&[], "").await, [1, 2, 3]);
    assert_eq!(gets(&["b"], "").await, [2], "one that knows a part of it does not know it");
    assert_eq!(gets(&["b.y", "a"], "").await, [1, 2]);
    assert_eq!(gets(&["n.odd"], "").await, [3]);
    assert_eq!(gets(&["other"], "").await, Vec::<i64>::new());
    assert_eq!(gets(&[], "b.y").await, [1, 2]);
    assert_eq!(gets(&[], "b").await, Vec::<i64>::new(), "a finding is a whole code");
    assert_eq!(gets(&["b"], "b.y").await, [2]);
}

async fn a_job_that_is_paused_or_has_ended_gives_no_reviews(bench: &Bench) {
    let job = bench.job_for_people("j", 2).await;
    let mut a = bench.person("a");
    bench.store.pause_job(JobRef::Id(job.id), true).await.unwrap();
    assert_eq!(a.lease(1, T0).await, []);
    bench.store.pause_job(JobRef::Id(job.id), false).await.unwrap();
    let held = a.lease_one(T0).await;
    bench.store.cancel_job(JobRef::Id(job.id), T0).await.unwrap();
    let late = a.try_send(a.decision(&[held.at], &says("x"), false), T0).await.unwrap_err();
    assert!(matches!(late, StoreError::JobState(_)), "{late:?}");
    bench.store.release_reviews("a".into()).await.unwrap();
    assert_eq!(a.lease(1, T0).await, []);
}

pub(super) async fn drafts(bench: &Bench, seq: i64) -> i64 {
    let count = format!("SELECT COUNT(*) FROM review_hands WHERE draft IS NOT NULL AND seq = {seq}");
    bench.database.int(&count).await
}
