//! Granting leases.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use emend_proto::decode;
use emend_proto::v1::Record;
use emend_scheduler::domain::job::{JobRef, JobSpec};
use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::domain::unit::UnitState;
use emend_scheduler::store::StoreError;
use emend_tests::bench::{Bench, PACK, T0, at, batch, spec};
use emend_tests::on_both_stores;
use emend_tests::records::{all_valid, record, records, with_payload};
use emend_tests::worker::{Lease, Worker, accepted};
use futures::future::join_all;

use super::refused;

on_both_stores!(
    a_lease_brings_the_records_and_what_to_do_with_them,
    units_come_in_order_and_the_oldest_job_first,
    a_job_that_is_still_importing_leases,
    jobs_that_are_paused_cancelled_or_deleted_lease_nothing,
    a_worker_gets_only_what_it_can_run,
    units_of_a_chain_go_to_whoever_has_all_of_it,
    a_worker_never_holds_more_than_its_slots_and_one,
    a_unit_that_was_lost_before_goes_alone,
    a_worker_that_asks_many_times_at_once_holds_no_more,
    the_same_request_again_gets_the_same_units,
    the_same_request_again_gets_only_what_still_lives,
    the_same_request_twice_at_once_is_one_request,
    a_request_id_is_the_workers_own,
    the_bytes_of_an_answer_are_bounded,
    a_damaged_unit_is_set_aside_and_may_be_retried,
    many_workers_never_get_the_same_unit,
    a_unit_without_attempts_is_not_leased,
    a_unit_that_takes_too_long_is_cut_before_it_is_leased,
);

fn firsts(leases: &[Lease]) -> Vec<i64> {
    leases.iter().map(|lease| lease.what.first_seq).collect()
}

async fn a_lease_brings_the_records_and_what_to_do_with_them(bench: &Bench) {
    let job = bench.job("j", 5, 3).await;
    let leases = bench.worker("w").lease(9, T0).await;
    let [first, second] = &leases[..] else { panic!("{leases:?}") };
    assert_eq!((first.what.first_seq, first.what.last_seq), (1, 3));
    assert_eq!((second.what.first_seq, second.what.last_seq), (4, 5));
    assert_eq!((first.what.job_id, first.what.as_of.as_str()), (job.id, "2021-09-20"));
    assert_eq!(format!("{}@{}", first.what.pack, first.what.pack_version), PACK);
    let read = decode::<Record>(&second.what.records).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(read, records(4, 5));
    assert_eq!((first.lease.epoch, first.expires_at), (1, at(60)));
    assert_ne!(first.lease.token, second.lease.token);
    let unit = bench.unit(&job, 1).await;
    assert_eq!((unit.unit.state, unit.unit.expires_at), (UnitState::Leased, Some(at(60))));
    assert_eq!(unit.worker.as_deref(), Some("w"));
    // The database knows the token's hash, not the token.
    assert_eq!(unit.unit.token_hash, Some(first.lease.token.hash()));
    assert_ne!(unit.unit.token_hash.as_deref(), Some(first.lease.token.secret()));
}

async fn units_come_in_order_and_the_oldest_job_first(bench: &Bench) {
    let old = bench.job("old", 6, 2).await;
    let new = bench.job("new", 4, 2).await;
    let worker = bench.worker("w");
    let first = worker.lease(2, T0).await;
    assert_eq!((firsts(&first), first[0].what.job_id), (vec![1, 3], old.id));
    // A call is served from one job, and the other one has its share before the first goes on.
    let rest = worker.lease(5, T0).await;
    assert_eq!((firsts(&rest), rest[0].what.job_id), (vec![1, 3], new.id));
    let third = worker.lease(5, T0).await;
    assert_eq!((firsts(&third), third[0].what.job_id), (vec![5], old.id));
    assert!(worker.lease(5, T0).await.is_empty());
    assert!(!bench.store.has_ready(vec![PACK.into()], T0).await.unwrap());
    // What comes back is first again.
    worker.release(&third[0].lease).await.unwrap();
    assert!(bench.store.has_ready(vec![PACK.into()], T0).await.unwrap());
    assert_eq!(worker.lease_one(T0).await.what.job_id, old.id);
}

async fn a_job_that_is_still_importing_leases(bench: &Bench) {
    let job = bench.new_job("j", 2).await;
    assert!(bench.worker("w").lease(9, T0).await.is_empty());
    bench.import(&job, "file", 0, &records(1, 2), false).await;
    assert_eq!(firsts(&bench.worker("w").lease(9, T0).await), [1]);
    bench.import(&job, "file", 2, &records(3, 4), true).await;
    assert_eq!(firsts(&bench.worker("w").lease(9, T0).await), [3]);
}

async fn jobs_that_are_paused_cancelled_or_deleted_lease_nothing(bench: &Bench) {
    let job = JobRef::Id(bench.job("j", 2, 2).await.id);
    let worker = bench.worker("w");
    let packs = || vec![PACK.to_owned()];
    bench.store.pause_job(job.clone(), true).await.unwrap();
    assert!(worker.lease(1, T0).await.is_empty());
    assert!(!bench.store.has_ready(packs(), T0).await.unwrap());
    bench.store.pause_job(job.clone(), false).await.unwrap();
    let lease = worker.lease_one(T0).await;
    worker.release(&lease.lease).await.unwrap();
    bench.store.cancel_job(job.clone(), T0).await.unwrap();
    assert!(worker.lease(1, T0).await.is_empty());
    assert!(!bench.store.has_ready(packs(), T0).await.unwrap());
    bench.store.delete_job(job).await.unwrap();
    assert!(worker.lease(1, T0).await.is_empty());
    // A paused job does not stand in the way of the next.
    bench.job("next", 2, 2).await;
    assert_eq!(worker.lease(1, T0).await.len(), 1);
}

async fn a_worker_gets_only_what_it_can_run(bench: &Bench) {
    let other = JobSpec { pack: "other".into(), ..spec("other", 2) };
    let (other, _) = bench.store.create_job(other, Schedule::default(), T0).await.unwrap();
    bench.import(&other, "file", 0, &records(1, 2), true).await;
    let able = bench.job("able", 2, 2).await;
    let lacking = ["suite@1.0.1", "suite", "other@2", "Suite@1.0.0", "%", ""];
    let worker = Worker { packs: lacking.map(String::from).to_vec(), ..bench.worker("w") };
    assert!(worker.lease(9, T0).await.is_empty());
    assert!(bench.worker("none").lease(9, T0).await.iter().all(|lease| lease.what.job_id == able.id));
    let worker = Worker { packs: vec!["x@1".into(), "other@1.0.0".into()], ..bench.worker("w") };
    assert_eq!(worker.lease_one(T0).await.what.job_id, other.id);
    assert!(Worker { packs: Vec::new(), ..bench.worker("w") }.lease(9, T0).await.is_empty());
}

async fn units_of_a_chain_go_to_whoever_has_all_of_it(bench: &Bench) {
    let chain = vec!["register@1.0".to_owned(), "ages@2".to_owned()];
    let spec = JobSpec { validators: chain.clone(), ..spec("chain", 2) };
    let (job, _) = bench.store.create_job(spec.clone(), Schedule::default(), T0).await.unwrap();
    bench.import(&job, "file", 0, &records(1, 2), true).await;
    for lacking in [&[][..], &["register@1.0"], &["ages@2"], &["register@1.1", "ages@2"]] {
        let packs: Vec<String> = [PACK].iter().chain(lacking).map(|&pack| pack.to_owned()).collect();
        assert!(!bench.store.has_ready(packs.clone(), T0).await.unwrap(), "{packs:?}");
        assert!(Worker { packs, ..bench.worker("w") }.lease(9, T0).await.is_empty());
    }
    let packs = vec!["ages@2".into(), "more@1".into(), PACK.to_owned(), "register@1.0".into()];
    assert!(bench.store.has_ready(packs.clone(), T0).await.unwrap());
    let leased = Worker { packs, ..bench.worker("w") }.lease_one(T0).await;
    assert_eq!(leased.what.validators, chain, "in the job's order");
    let other = JobSpec { validators: vec![chain[1].clone(), chain[0].clone()], ..spec };
    let refused = bench.store.create_job(other, Schedule::default(), T0).await.unwrap_err();
    assert!(matches!(refused, StoreError::JobDiffers("validators")), "{refused:?}");
}

async fn a_worker_never_holds_more_than_its_slots_and_one(bench: &Bench) {
    bench.job("j", 20, 2).await;
    let worker = Worker { slots: 2, ..bench.worker("w") };
    let held = worker.lease(9, T0).await;
    assert_eq!(firsts(&held), [1, 3, 5]);
    assert!(worker.lease(1, T0).await.is_empty());
    worker.commit(&held[0], at(1)).await;
    assert_eq!(firsts(&worker.lease(9, T0).await), [7]);
    // What has expired is held until the loop returns it.
    assert!(worker.lease(1, at(90)).await.is_empty());
    bench.expire(at(120)).await;
    // What was lost goes one by one.
    assert_eq!(firsts(&worker.lease(9, at(120)).await), [3]);
    assert_eq!(firsts(&worker.lease(9, at(120)).await), [9, 11]);
    assert!(worker.lease(1, at(120)).await.is_empty());
}

/// If it kills its worker again, it takes no other unit with it.
async fn a_unit_that_was_lost_before_goes_alone(bench: &Bench) {
    bench.job("j", 20, 2).await;
    let (worker, another) = (bench.worker("w"), bench.worker("another"));
    worker.lease(3, T0).await;
    bench.expire(at(60)).await;
    assert_eq!(firsts(&worker.lease(9, at(60)).await), [1]);
    // It holds one, so it gets none that was lost.
    assert_eq!(firsts(&worker.lease(2, at(60)).await), [7, 9]);
    assert_eq!(firsts(&another.lease(9, at(60)).await), [3]);
}

async fn a_worker_that_asks_many_times_at_once_holds_no_more(bench: &Bench) {
    let job = bench.job("j", 60, 1).await;
    let worker = Worker { slots: 2, ..bench.worker("w") };
    let asked = join_all((0..6).map(|_| worker.lease(3, T0))).await;
    let held: usize = asked.iter().map(Vec::len).sum();
    assert_eq!((held, bench.store.progress(job.id).await.unwrap().leased), (3, 3));
}

async fn the_same_request_again_gets_the_same_units(bench: &Bench) {
    let job = bench.job("j", 12, 2).await;
    let worker = bench.worker("w");
    let first = worker.lease_as("r", 3, T0).await;
    let again = worker.lease_as("r", 3, at(10)).await;
    assert_eq!(firsts(&again), [1, 3, 5]);
    for (lost, held) in first.iter().zip(&again) {
        assert_eq!((held.lease.unit_id, held.lease.epoch), (lost.lease.unit_id, lost.lease.epoch + 1));
        assert_ne!(held.lease.token, lost.lease.token);
        assert_eq!(held.expires_at, at(70));
        assert_eq!(bench.state(&job, held.what.first_seq).await, (UnitState::Leased, 2, 3));
        // The first answer's leases are dead.
        assert_eq!(worker.beat(&lost.lease, Some(1), at(11)).await, Err(Refusal::LeaseLost));
        assert_eq!(refused(worker.commit(lost, at(11)).await), Refusal::LeaseLost);
        assert_eq!(worker.release(&lost.lease).await, Err(Refusal::LeaseLost));
        assert!(accepted(&worker.commit(held, at(12)).await).is_some());
    }
    assert_eq!(bench.store.progress(job.id).await.unwrap().leased, 0);
}

async fn the_same_request_again_gets_only_what_still_lives(bench: &Bench) {
    bench.job("j", 12, 2).await;
    let worker = bench.worker("w");
    let first = worker.lease_as("r", 3, T0).await;
    worker.commit(&first[0], at(1)).await;
    worker.release(&first[1].lease).await.unwrap();
    let again = worker.lease_as("r", 3, at(2)).await;
    assert_eq!(firsts(&again), [5]);
    // Fewer tokens than leases that live: no unit without a token.
    let more = worker.lease_as("s", 3, at(2)).await;
    assert_eq!(firsts(&more), [3, 7, 9]);
    assert_eq!(firsts(&worker.lease_as("s", 2, at(3)).await), [3, 7]);
    // Nothing of it lives any more: the request is a new one.
    worker.commit(&again[0], at(3)).await;
    assert_eq!(firsts(&worker.lease_as("r", 3, at(4)).await), [11]);
}

async fn the_same_request_twice_at_once_is_one_request(bench: &Bench) {
    for round in 0..5 {
        let job = bench.job(&format!("j{round}"), 12, 2).await;
        let worker = bench.worker(&format!("w{round}"));
        let answers = join_all((0..4).map(|_| worker.lease_as("r", 3, T0))).await;
        for answer in &answers {
            assert_eq!(firsts(answer), [1, 3, 5]);
        }
        let newest = answers.iter().flatten().filter(|lease| lease.lease.epoch == 4).count();
        assert_eq!((newest, bench.store.progress(job.id).await.unwrap().leased), (3, 3));
        bench.store.cancel_job(JobRef::Id(job.id), T0).await.unwrap();
    }
}

async fn a_request_id_is_the_workers_own(bench: &Bench) {
    bench.job("j", 12, 2).await;
    assert_eq!(firsts(&bench.worker("a").lease_as("r", 2, T0).await), [1, 3]);
    assert_eq!(firsts(&bench.worker("b").lease_as("r", 2, T0).await), [5, 7]);
    assert_eq!(firsts(&bench.worker("a").lease_as("r", 2, T0).await), [1, 3]);
}

async fn the_bytes_of_an_answer_are_bounded(bench: &Bench) {
    let job = bench.new_job("j", 1).await;
    let long = |n: i64| with_payload(&format!("K{n}"), n, &format!(r#"{{"n":"{}"}}"#, "x".repeat(1000)));
    let rows: Vec<_> = (1..=6).map(long).collect();
    bench.import(&job, "file", 0, &rows, true).await;
    let worker = |max_bytes| Worker { max_bytes, ..bench.worker("w") };
    assert_eq!(firsts(&worker(2_500).lease(9, T0).await), [1, 2]);
    // One always fits.
    assert_eq!(firsts(&worker(10).lease(9, T0).await), [3]);
    assert_eq!(firsts(&worker(1_000_000).lease(9, T0).await), [4, 5, 6]);
}

async fn a_damaged_unit_is_set_aside_and_may_be_retried(bench: &Bench) {
    let job = bench.job("j", 6, 2).await;
    let id = bench.unit(&job, 3).await.unit.id;
    let flip = format!("UPDATE blocks SET checksum = 4294967295 - checksum WHERE unit_id = {id}");
    bench.database.execute(&flip).await;
    let worker = bench.worker("w");
    assert_eq!(firsts(&worker.lease(3, T0).await), [1, 5]);
    assert_eq!(bench.state(&job, 3).await.0, UnitState::SetAside);
    assert!(worker.lease(3, T0).await.is_empty());
    bench.database.execute(&flip).await;
    let retried = bench.store.retry_units(JobRef::Id(job.id), vec![id]).await.unwrap();
    assert_eq!((retried, bench.state(&job, 3).await), (1, (UnitState::Ready, 1, 3)));
    assert_eq!(bench.store.retry_units(JobRef::Id(job.id), vec![id]).await.unwrap(), 0);
    assert_eq!(bench.unit(&job, 3).await.worker, None, "nobody holds a unit that is ready");
    let lease = worker.lease_one(at(1)).await;
    assert_eq!((lease.what.first_seq, lease.lease.epoch), (3, 2));
    assert!(accepted(&worker.commit(&lease, at(2)).await).is_some());
    assert_eq!(bench.results(&job).await, all_valid(3, 4));
}

async fn many_workers_never_get_the_same_unit(bench: &Bench) {
    let job = bench.job("j", 200, 1).await;
    let work = |name: usize| async move {
        let worker = bench.worker(&format!("w{name}"));
        let mut mine = Vec::new();
        loop {
            let leases = worker.lease(7, T0).await;
            if leases.is_empty() {
                return mine;
            }
            mine.extend(leases.iter().map(|lease| lease.lease.unit_id));
        }
    };
    let taken: Vec<i64> = join_all((0..8).map(work)).await.into_iter().flatten().collect();
    assert_eq!(taken.iter().collect::<HashSet<_>>().len(), taken.len());
    // Who comes while another holds the last rows locked may go empty-handed; nobody then waits for them.
    assert_eq!(taken.len(), 200);
    assert!(bench.units(&job).await.iter().all(|unit| unit.unit.epoch == 1));
}

async fn a_unit_without_attempts_is_not_leased(bench: &Bench) {
    let job = bench.new_job("j", 2).await;
    let rows = batch(&job, "file", 0, &[record(1), record(2)], true);
    bench.store.begin_import(JobRef::Id(job.id), "file".into()).await.unwrap();
    bench.store.import(job.id, rows).await.unwrap();
    let worker = bench.worker("w");
    for attempt in 1..=3 {
        let lease = worker.lease_one(at(attempt)).await;
        worker.fail(&lease.lease, true).await.unwrap();
    }
    assert_eq!(bench.state(&job, 1).await, (UnitState::Ready, 3, 0));
    assert!(worker.lease(1, at(9)).await.is_empty());
    assert!(!bench.store.has_ready(vec![PACK.into()], T0).await.unwrap());
}

/// A validator of which a record costs a tenth of a second, and units of which each would take most of a lease.
async fn a_unit_that_takes_too_long_is_cut_before_it_is_leased(bench: &Bench) {
    let slow = JobSpec { validators: vec!["slow@1".into()], ..spec("slow", 500) };
    let (job, _) = bench.store.create_job(slow, Schedule::default(), T0).await.unwrap();
    bench.import(&job, "file", 0, &records(1, 1_000), true).await;
    bench.seal(&job).await;
    let mut worker = bench.worker("w");
    worker.packs.push("slow@1".into());
    let parent = bench.unit(&job, 1).await.unit.id;
    worker.costs = HashMap::from([("slow@1".into(), Duration::from_millis(100))]);
    let leases = worker.lease(2, T0).await;
    let places: Vec<_> = leases.iter().map(|lease| (lease.what.first_seq, lease.what.last_seq)).collect();
    assert_eq!(places, [(1, 100), (101, 200)], "each takes a sixth of a lease of 60 s");
    assert_eq!(leases[0].what.records.count, 100);
    for lease in &leases {
        assert!(accepted(&worker.commit(lease, T0).await).is_some());
    }
    let progress = bench.store.progress(job.id).await.unwrap();
    assert_eq!((progress.records, progress.done), (1_000, 2));
    let units = bench.units(&job).await;
    assert!(units.iter().all(|unit| unit.unit.id != parent && unit.unit.attempts_left == 3));
    // Somebody who knows of no cost gets units as they are, and a call sent again the same.
    worker.costs.clear();
    let again = worker.lease_as("request-9", 100, T0).await;
    assert_eq!(again.iter().map(|lease| lease.what.records.count).sum::<u32>(), 800);
    worker.costs.insert("slow@1".into(), Duration::from_secs(60));
    let found = worker.lease_as("request-9", 100, T0).await;
    assert!(found.len() == 100 && found.iter().all(|lease| lease.what.records.count == 1));
    assert_eq!(bench.store.record(job.id, "K-000950".into()).await.unwrap().seq, 950);
}
