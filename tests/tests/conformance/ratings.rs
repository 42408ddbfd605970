//! Reviewers who are rated by known answers: who is wrong too often is paused, and what hung on them is open again.

use emend_scheduler::domain::rating::WINDOW;
use emend_scheduler::domain::review::{Effect, HandChange, ReviewRef};
use emend_scheduler::store::{Decided, Job, KnownAnswer, PausedReviewer};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::reviewer::{Person, UNDO, says, written};

on_both_stores!(
    who_answers_well_goes_on,
    who_is_wrong_too_often_gets_nothing_more,
    what_was_decided_since_the_last_good_window_is_open_again,
    what_hangs_on_a_first_answer_waits_for_another,
    the_last_word_of_a_third_stays,
    a_reviewer_who_goes_on_is_rated_anew,
    what_was_final_is_told_again_when_it_is_decided_again,
);

/// A share of errors that five wrong answers in a row are beyond.
const LIMIT: f64 = 0.2;
const RIGHT: &str = "x";

/// A job of so many records for people, of which `known` are known.
async fn job(bench: &Bench, records: i64, known: std::ops::RangeInclusive<i64>) -> Job {
    let job = bench.job_for_people("j", records).await;
    know(bench, &job, known).await;
    job
}

async fn know(bench: &Bench, job: &Job, seqs: std::ops::RangeInclusive<i64>) {
    let changes = |_| vec![HandChange { field: "n".into(), before: "1".into(), after: RIGHT.into() }];
    let count = seqs.clone().count() as u64;
    let known = seqs.map(|seq| KnownAnswer { seq, changes: changes(seq) }).collect();
    assert_eq!(bench.store.add_known_answers(job.id, known, "op".into(), T0).await.unwrap(), count);
}

/// Answers the next reviews, one after another.
async fn answer(person: &mut Person, answers: &[&str]) -> Vec<ReviewRef> {
    let mut answered = Vec::new();
    for said in answers {
        let held = person.lease_one(T0).await;
        written(person.decide(held.at, &says(said), T0).await);
        answered.push(held.at);
    }
    answered
}

async fn pause(bench: &Bench) -> Vec<PausedReviewer> {
    bench.store.pause_reviewers(LIMIT, T0).await.unwrap()
}

fn paused(reviewer: &str, reopened: usize) -> Vec<PausedReviewer> {
    vec![PausedReviewer { reviewer: reviewer.into(), reopened }]
}

async fn decided(bench: &Bench) -> Vec<i64> {
    bench.database.ints("SELECT seq FROM reviews WHERE state = 'decided' ORDER BY seq").await
}

async fn who_answers_well_goes_on(bench: &Bench) {
    let job = job(bench, 20, 1..=10).await;
    let mut a = bench.person("a");
    answer(&mut a, &[RIGHT, "wrong", RIGHT, RIGHT, RIGHT, RIGHT, RIGHT, RIGHT]).await;
    assert_eq!(pause(bench).await, []);
    let days = bench.store.shift_day(job.id, T0).await.unwrap();
    assert_eq!((days["a"].known, days["a"].known_wrong), (8, 1));
    assert_eq!(a.lease(1, T0).await.len(), 1);
}

async fn who_is_wrong_too_often_gets_nothing_more(bench: &Bench) {
    let job = job(bench, 20, 1..=5).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    answer(&mut a, &["wrong"; 5]).await;
    let held = a.lease_one(T0).await;
    assert_eq!(pause(bench).await, paused("a", 5));
    assert_eq!(pause(bench).await, [], "once");
    assert!(decided(bench).await.is_empty());
    // What it held is free, and its token is no good any more.
    assert_eq!(a.decide(held.at, &says(RIGHT), T0).await, Decided::WrongToken);
    assert!(a.lease(1, T0).await.is_empty());
    let own = bench.store.own_queue("a".into(), None, T0).await.unwrap();
    assert!(own.paused);
    assert!(bench.store.shift(job.id, T0).await.unwrap().reviewers.iter().any(|one| one.paused));
    assert_eq!(b.lease(1, T0).await[0].at.seq, 1, "all of it goes to others");
}

async fn what_was_decided_since_the_last_good_window_is_open_again(bench: &Bench) {
    let window = WINDOW as i64;
    job(bench, 100, 1..=window).await;
    let job = bench.store.jobs(i64::MAX, 1).await.unwrap().remove(0);
    know(bench, &job, window + 11..=window + 20).await;
    let mut a = bench.person("a");
    // A good window; ten reviews that nobody knows; ten known ones, all wrong.
    answer(&mut a, &[RIGHT; WINDOW]).await;
    answer(&mut a, &["anything"; 10]).await;
    answer(&mut a, &["wrong"; 10]).await;
    // Four wrong ones of twenty are within the limit: the last good window ends with the fourth.
    assert_eq!(pause(bench).await, paused("a", 6));
    assert_eq!(decided(bench).await, (1..=window + 14).collect::<Vec<_>>());
    let kinds = bench.database.ints("SELECT COUNT(*) FROM decisions WHERE kind = 'undo'").await;
    assert_eq!(kinds, [6], "nothing is changed in the log: it is added to");
}

async fn what_hangs_on_a_first_answer_waits_for_another(bench: &Bench) {
    job(bench, 12, 1..=5).await;
    let (mut a, mut b, mut c) = (bench.person("a"), bench.person("b"), bench.person("c"));
    answer(&mut a, &["wrong"; 5]).await;
    // Two agree on the sixth, and the seventh waits for its second.
    let both = a.lease(2, T0).await;
    for held in &both {
        written(a.decide_of_two(held.at, &says("same"), T0).await);
    }
    let later = at(UNDO.as_secs());
    let held = b.lease_one(later).await;
    assert_eq!((held.at, held.round), (both[0].at, 2));
    written(b.decide_of_two(held.at, &says("same"), later).await);
    assert_eq!(bench.store.pause_reviewers(LIMIT, later).await.unwrap(), paused("a", 7));
    // Both are asked anew, and of the sixth b is not asked again.
    let rounds = "SELECT round FROM reviews WHERE seq IN (6, 7) AND state = 'open'";
    assert_eq!(bench.database.ints(rounds).await, [1, 1]);
    let free: Vec<_> = c.lease(3, later).await.iter().map(|held| held.at.seq).collect();
    assert_eq!(free, [1, 2, 3]);
    b.finding = "n.odd".into();
    assert!(b.lease(3, later).await.iter().all(|held| held.at.seq != 6));
}

async fn the_last_word_of_a_third_stays(bench: &Bench) {
    job(bench, 12, 2..=6).await;
    let (mut a, mut b, mut c) = (bench.person("a"), bench.person("b"), bench.person("c"));
    let first = a.lease_one(T0).await;
    written(a.decide_of_two(first.at, &says("one"), T0).await);
    answer(&mut a, &["wrong"; 5]).await;
    let second = at(UNDO.as_secs());
    let held = b.lease_one(second).await;
    written(b.decide_of_two(held.at, &says("two"), second).await);
    let third = at(2 * UNDO.as_secs());
    let held = c.lease_one(third).await;
    assert_eq!((held.at, held.round), (first.at, 3));
    written(c.decide_of_two(held.at, &says("two"), third).await);
    assert_eq!(bench.store.pause_reviewers(LIMIT, third).await.unwrap(), paused("a", 5));
    assert_eq!(decided(bench).await, [1]);
}

async fn a_reviewer_who_goes_on_is_rated_anew(bench: &Bench) {
    job(bench, 40, 1..=20).await;
    let mut a = bench.person("a");
    answer(&mut a, &["wrong"; 5]).await;
    assert_eq!(pause(bench).await, paused("a", 5));
    let resume = async || bench.store.resume_reviewer("a".into(), "mai".into(), T0).await.unwrap();
    assert!(resume().await);
    assert!(!resume().await, "it goes on already");
    // Never again what it answered once.
    let again = answer(&mut a, &["wrong"; 4]).await;
    assert!(again.iter().all(|review| review.seq > 5));
    assert_eq!(pause(bench).await, []);
    answer(&mut a, &["wrong"]).await;
    assert_eq!(pause(bench).await, paused("a", 5));
}

async fn what_was_final_is_told_again_when_it_is_decided_again(bench: &Bench) {
    let store = bench.store.with_outbox();
    job(bench, 5, 1..=5).await;
    let effect: Effect = says("wrong");
    let mut a = bench.person("a");
    for _each in 0..5 {
        let held = a.lease_one(T0).await;
        store.decide(a.decision(&[held.at], &effect, false), T0).await.unwrap();
    }
    let told = "SELECT COUNT(*) FROM outbox WHERE what = 'decided'";
    assert_eq!(bench.database.int(told).await, 5);
    let late = at(UNDO.as_secs());
    assert_eq!(store.pause_reviewers(LIMIT, late).await.unwrap(), paused("a", 5));
    assert_eq!(bench.database.int(told).await, 0, "what was not said yet is not said");
    let mut b = bench.person("b");
    let held = b.lease_one(late).await;
    store.decide(b.decision(&[held.at], &says(RIGHT), false), late).await.unwrap();
    assert_eq!(bench.database.int(told).await, 1);
}
