//! Heartbeats.

use emend_scheduler::domain::beat::Beat;
use emend_scheduler::domain::lease::{LeaseRef, Refusal, Token};
use emend_scheduler::domain::unit::UnitState;
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;
use emend_tests::worker::accepted;

use super::{effects, refused};

on_both_stores!(
    a_beat_extends_a_lease,
    a_queued_unit_may_wait,
    a_hung_unit_loses_its_lease_after_at_most_four_beats,
    progress_keeps_a_lease,
    a_beat_on_an_expired_lease_extends_it_until_it_is_returned,
    a_beat_never_revives_a_lease_that_another_has,
    beats_of_those_who_hold_nothing_are_refused,
    many_beats_have_an_outcome_each,
    the_last_word_on_a_unit_counts,
    a_new_lease_begins_without_progress,
);

mod mutants {
    emend_tests::fails_on_mutants!(Sqlite:
        sqlite_a_revived_lease: BeatRevives, "a beat revived a lease", a_beat_never_revives_a_lease_that_another_has;
        sqlite_a_hung_unit: BeatsSuffice, "a hung unit is still held", a_hung_unit_loses_its_lease_after_at_most_four_beats;
    );
    emend_tests::fails_on_mutants!(Postgres:
        postgres_a_revived_lease: BeatRevives, "a beat revived a lease", a_beat_never_revives_a_lease_that_another_has;
        postgres_a_hung_unit: BeatsSuffice, "a hung unit is still held", a_hung_unit_loses_its_lease_after_at_most_four_beats;
    );
}

async fn a_beat_extends_a_lease(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    assert_eq!(worker.beat(&lease, Some(1), at(30)).await, Ok(()));
    let unit = bench.unit(&job, 1).await.unit;
    assert_eq!((unit.expires_at, unit.progress, unit.idle_beats), (Some(at(90)), Some(1), 0));
    assert!(bench.expire(at(89)).await.is_empty());
    assert_eq!(bench.expire(at(90)).await, [lease.unit_id]);
}

async fn a_queued_unit_may_wait(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    for beat in 1..20 {
        assert_eq!(worker.beat(&lease, None, at(beat * 15)).await, Ok(()));
    }
    assert_eq!(bench.state(&job, 1).await, (UnitState::Leased, 1, 3));
}

async fn a_hung_unit_loses_its_lease_after_at_most_four_beats(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let mut beats = 0;
    while worker.beat(&lease.lease, Some(1), at(beats * 15)).await.is_ok() {
        beats += 1;
        assert!(beats < 4, "a hung unit is still held");
    }
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 1, 2));
    assert_eq!(bench.unit(&job, 1).await.worker, None);
    assert_eq!(refused(worker.commit(&lease, at(60)).await), Refusal::LeaseLost);
    assert_eq!(worker.beat(&lease.lease, Some(2), at(60)).await, Err(Refusal::LeaseLost));
    assert_eq!(bench.worker("other").lease_one(at(61)).await.lease.epoch, 2);
}

async fn progress_keeps_a_lease(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    for beat in 0..12 {
        // Twice the same, and on: slow is not hung.
        assert_eq!(worker.beat(&lease, Some(i64::try_from(beat / 3).unwrap()), at(beat * 15)).await, Ok(()));
    }
    assert_eq!(bench.state(&job, 1).await, (UnitState::Leased, 1, 3));
}

async fn a_beat_on_an_expired_lease_extends_it_until_it_is_returned(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    assert_eq!(worker.beat(&lease, Some(1), at(100)).await, Ok(()));
    assert!(bench.expire(at(101)).await.is_empty());
    assert_eq!(bench.expire(at(160)).await, [lease.unit_id]);
    let before = effects(bench, &job).await;
    assert_eq!(worker.beat(&lease, Some(2), at(161)).await, Err(Refusal::LeaseLost));
    assert_eq!(effects(bench, &job).await, before);
}

async fn a_beat_never_revives_a_lease_that_another_has(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let (old, new) = (bench.worker("old"), bench.worker("new"));
    let lost = old.lease_one(T0).await;
    bench.expire(at(60)).await;
    let held = new.lease_one(at(61)).await;
    let before = effects(bench, &job).await;
    let beat = old.beat(&lost.lease, Some(1), at(62)).await;
    assert_eq!(beat, Err(Refusal::LeaseLost), "a beat revived a lease that another has");
    assert_eq!(effects(bench, &job).await, before);
    new.commit(&held, at(63)).await;
    assert_eq!(old.beat(&lost.lease, Some(2), at(64)).await, Err(Refusal::Superseded));
    assert_eq!(new.beat(&held.lease, Some(2), at(64)).await, Err(Refusal::LeaseLost));
    assert_eq!(bench.state(&job, 1).await.0, UnitState::Done);
}

async fn beats_of_those_who_hold_nothing_are_refused(bench: &Bench) {
    let job = bench.job("j", 2, 2).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    let before = effects(bench, &job).await;
    let stolen = LeaseRef { token: Token::new([7; 16]), ..lease.lease.clone() };
    assert_eq!(worker.beat(&stolen, Some(1), at(1)).await, Err(Refusal::WrongToken));
    let above = LeaseRef { epoch: 2, ..lease.lease.clone() };
    assert_eq!(worker.beat(&above, Some(1), at(1)).await, Err(Refusal::LeaseLost));
    let unknown = LeaseRef { unit_id: 999_999, ..lease.lease.clone() };
    assert_eq!(worker.beat(&unknown, Some(1), at(1)).await, Err(Refusal::UnitNotFound));
    assert_eq!(effects(bench, &job).await, before);
    worker.release(&lease.lease).await.unwrap();
    assert_eq!(worker.beat(&lease.lease, Some(1), at(1)).await, Err(Refusal::LeaseLost));
    assert!(bench.unit(&job, 1).await.unit.expires_at.is_none());
    assert!(worker.beat_all(Vec::new(), at(2)).await.is_empty());
}

async fn many_beats_have_an_outcome_each(bench: &Bench) {
    let job = bench.job("j", 40, 2).await;
    let worker = bench.worker("w");
    let leases = worker.lease(20, T0).await;
    worker.commit(&leases[3], at(1)).await;
    worker.release(&leases[7].lease).await.unwrap();
    let beat = |lease: &LeaseRef| Beat { lease: lease.clone(), progress: Some(1) };
    let beats = leases.iter().rev().map(|lease| beat(&lease.lease)).collect();
    let outcomes = worker.beat_all(beats, at(50)).await;
    let lost: Vec<_> = outcomes.iter().rev().map(Result::is_err).collect();
    assert_eq!((0..20).map(|n| n == 3 || n == 7).collect::<Vec<_>>(), lost);
    let extended = bench.units(&job).await.into_iter().filter(|unit| unit.unit.expires_at == Some(at(110)));
    assert_eq!(extended.count(), 18);
}

async fn the_last_word_on_a_unit_counts(bench: &Bench) {
    let job = bench.job("j", 9, 9).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    let beat = |progress| Beat { lease: lease.clone(), progress: Some(progress) };
    assert_eq!(worker.beat_all(vec![beat(1), beat(5)], at(1)).await, [Ok(()), Ok(())]);
    assert_eq!(bench.unit(&job, 1).await.unit.progress, Some(5));
}

async fn a_new_lease_begins_without_progress(bench: &Bench) {
    let job = bench.job("j", 9, 9).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await.lease;
    for beat in 0..3 {
        worker.beat(&lease, Some(5), at(beat)).await.unwrap();
    }
    bench.expire(at(100)).await;
    let lease = worker.lease_one(at(101)).await;
    assert_eq!(
        (bench.unit(&job, 1).await.unit.progress, bench.unit(&job, 1).await.unit.idle_beats),
        (None, 0)
    );
    for beat in 0..3 {
        assert_eq!(worker.beat(&lease.lease, Some(0), at(102 + beat)).await, Ok(()));
    }
    assert!(accepted(&worker.commit(&lease, at(110)).await).is_some());
}
