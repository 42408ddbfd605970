//! The people on a job, as an operator sees them.

use std::collections::HashMap;
use std::time::Duration;

use emend_scheduler::domain::review::{AnswerKind, Effect};
use emend_scheduler::domain::shift::{LATELY, ON_SHIFT, TODAY};
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::store::{Day, Job, PaceStep, ReviewerStatus, Shift};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::reviewer::{HOLD, UNDO, says, written};

on_both_stores!(
    nobody_is_there_at_first,
    each_reviewer_is_counted_with_what_is_held_and_answered,
    what_is_taken_back_counts_as_done_and_not_as_answered,
    whoever_did_not_agree_is_overruled,
    another_job_s_people_are_not_counted,
    a_pace_counts_records_and_answers_by_step,
);

fn named<'s>(shift: &'s Shift, name: &str) -> &'s ReviewerStatus {
    shift.reviewers.iter().find(|person| person.reviewer == name).unwrap()
}

async fn day(bench: &Bench, job: &Job, name: &str, now: Timestamp) -> Day {
    bench.store.shift_day(job.id, now).await.unwrap().get(name).copied().unwrap_or_default()
}

async fn nobody_is_there_at_first(bench: &Bench) {
    let job = bench.job_for_people("j", 12).await;
    let shift = bench.store.shift(job.id, T0).await.unwrap();
    assert_eq!((shift.reviewers.len(), shift.lately.answers, shift.lately.began), (0, 0, None));
    assert_eq!((shift.reviews.open, shift.reviews.given, shift.reviews.decided), (12, 0, 0));
    let open: Vec<_> = shift.reviews.by_finding.values().copied().collect();
    assert_eq!(open, [12], "one finding each: {shift:?}");
}

async fn each_reviewer_is_counted_with_what_is_held_and_answered(bench: &Bench) {
    let job = bench.job_for_people("j", 12).await;
    let (mut a, mut b) = (bench.person("a"), bench.person("b"));
    for held in a.lease(3, T0).await {
        written(a.decide(held.at, &says("x"), T0).await);
    }
    let ask = b.lease(2, at(60)).await;
    let cannot = Effect { kind: AnswerKind::CannotDecide, changes: vec![] };
    written(b.decide(ask[0].at, &cannot, at(70)).await);
    let shift = bench.store.shift(job.id, at(80)).await.unwrap();
    let of = |reviewer: &str, hour, held, last| ReviewerStatus {
        reviewer: reviewer.into(),
        hour,
        held,
        last_at: Some(last),
        paused: false,
    };
    assert_eq!(shift.reviewers, [of("a", 3, 0, T0), of("b", 1, 1, at(70))]);
    assert_eq!(
        (day(bench, &job, "a", at(80)).await.answered, day(bench, &job, "b", at(80)).await.answered),
        (3, 1)
    );
    assert_eq!((shift.lately.answers, shift.lately.reviewers, shift.lately.began), (4, 2, Some(T0)));
    let reviews = &shift.reviews;
    assert_eq!((reviews.open, reviews.decided, reviews.taken, reviews.for_leads), (9, 3, 3, 1));

    // Later, what was lately is not so any more, and who held has let go.
    let shift = bench.store.shift(job.id, at(70) + LATELY.max(HOLD)).await.unwrap();
    assert_eq!((shift.lately.answers, named(&shift, "b").held, named(&shift, "a").hour), (0, 0, 3));
    let shift = bench.store.shift(job.id, at(30) + ON_SHIFT).await.unwrap();
    assert_eq!(shift.reviewers.iter().map(|person| &person.reviewer).collect::<Vec<_>>(), ["b"]);
    assert_eq!(day(bench, &job, "a", at(70) + ON_SHIFT).await.answered, 3);
    let shift = bench.store.shift(job.id, at(70) + TODAY).await.unwrap();
    assert_eq!(shift.reviewers, []);
    assert_eq!(bench.store.shift_day(job.id, at(70) + TODAY).await.unwrap(), HashMap::new());
}

async fn what_is_taken_back_counts_as_done_and_not_as_answered(bench: &Bench) {
    let job = bench.job_for_people("j", 2).await;
    let mut a = bench.person("a");
    let held = a.lease_one(T0).await;
    let decision = written(a.decide(held.at, &says("x"), T0).await);
    a.undo(decision, at(5)).await.unwrap();
    let shift = bench.store.shift(job.id, at(6)).await.unwrap();
    let person = named(&shift, "a");
    assert_eq!((person.hour, person.held, person.last_at), (0, 1, Some(at(5))));
    assert_eq!(day(bench, &job, "a", at(6)).await, Day::default());
    assert_eq!((shift.lately.answers, shift.lately.reviewers, shift.reviews.given), (0, 0, 0));
}

/// Two who agree are right, who differs from what stands is not, and nobody looks at the third.
async fn whoever_did_not_agree_is_overruled(bench: &Bench) {
    let job = bench.job_for_people("j", 2).await;
    let (mut a, mut b, mut c) = (bench.person("a"), bench.person("b"), bench.person("c"));
    let later = |round: u64| at(round * UNDO.as_secs());
    let answers = [("x", "x", ""), ("x", "y", "z")];
    for (seq, (first, second, third)) in (1..).zip(answers) {
        for (person, said, round) in [(&mut a, first, 0), (&mut b, second, 1), (&mut c, third, 2)] {
            if !said.is_empty() {
                let held = person.lease_one(later(round)).await;
                assert_eq!(held.at.seq, seq);
                written(person.decide_of_two(held.at, &says(said), later(round)).await);
            }
        }
    }
    let shift = bench.store.shift(job.id, later(3)).await.unwrap();
    for (name, answered, judged, overruled) in [("a", 2, 2, 1), ("b", 2, 2, 1), ("c", 1, 0, 0)] {
        let day = day(bench, &job, name, later(3)).await;
        assert_eq!(day, Day { answered, judged, overruled, ..Day::default() }, "{name}");
    }
    assert_eq!((shift.reviews.decided, shift.reviews.taken), (2, 5));
}

async fn another_job_s_people_are_not_counted(bench: &Bench) {
    let jobs = [bench.job_for_people("j", 1).await.id, bench.job_for_people("k", 1).await.id];
    let mut a = bench.person("a");
    let held = a.lease_one(T0).await;
    written(a.decide(held.at, &says("x"), T0).await);
    for job in jobs {
        let shift = bench.store.shift(job, T0).await.unwrap();
        let worked = usize::from(job == held.at.job_id);
        let decided = i64::from(job == held.at.job_id);
        let counts = (shift.reviewers.len(), shift.reviews.decided, shift.reviews.open);
        assert_eq!(counts, (worked, decided, 1 - decided));
    }
}

async fn a_pace_counts_records_and_answers_by_step(bench: &Bench) {
    let job = bench.job_for_people("j", 12).await;
    let mut a = bench.person("a");
    for (held, second) in a.lease(3, T0).await.iter().zip([1, 25, 29]) {
        written(a.decide(held.at, &says("x"), at(second)).await);
    }
    let pace = bench.store.pace(job.id, T0, Duration::from_secs(10)).await.unwrap();
    let step = |records, answers| PaceStep { records, answers };
    assert_eq!(pace, [(0, step(12, 1)), (2, step(0, 2))].into());
}
