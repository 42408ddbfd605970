//! What is left to do: the same on both stores, and from any scheduler.

use emend_scheduler::domain::job::JobRef;
use emend_scheduler::store::{Unfinished, UnitCounts};
use emend_tests::bench::{Bench, T0, at};
use emend_tests::on_both_stores;

on_both_stores!(
    what_is_left_is_summed_at_every_step,
    a_rate_is_seen_in_commits_and_kept_for_the_next_job,
    what_is_over_or_gone_is_left_out,
    the_age_of_a_unit_is_that_of_its_making,
    the_scheduler_s_own_commits_show_no_rate,
);

/// Records a second where none was seen.
const CONFIGURED: f64 = 7.0;

async fn unfinished(bench: &Bench) -> Vec<Unfinished> {
    bench.store.unfinished(CONFIGURED).await.unwrap()
}

async fn the_one(bench: &Bench) -> Unfinished {
    let [job] = &unfinished(bench).await[..] else { panic!("not one job") };
    job.clone()
}

async fn what_is_left_is_summed_at_every_step(bench: &Bench) {
    assert_eq!(unfinished(bench).await, []);
    let job = bench.job("j", 10, 2).await;
    let left = the_one(bench).await;
    assert_eq!((left.id, left.name.as_str(), left.paused), (job.id, "j", false));
    assert_eq!(left.units, UnitCounts { ready: 5, ..UnitCounts::default() });
    assert_eq!((left.work.records, left.work.units, left.work.workers), (10, 5, 0));
    assert_eq!((left.work.rate, left.rate_seen), (CONFIGURED, false));
    let (one, two) = (bench.worker("one"), bench.worker("two"));
    let first = one.lease(2, T0).await;
    let second = two.lease(1, T0).await;
    one.beat(&first[0].lease, Some(1), at(1)).await.unwrap();
    let left = the_one(bench).await;
    assert_eq!(left.units, UnitCounts { ready: 2, leased: 3, ..UnitCounts::default() });
    // What a beat told of is done already.
    assert_eq!((left.work.records, left.work.units, left.work.workers), (9, 5, 2));
    assert_eq!(bench.store.workers_at_work().await.unwrap(), 2);
    one.commit(&first[0], at(2)).await;
    two.release(&second[0].lease).await.unwrap();
    bench.database.execute("UPDATE units SET state = 'set_aside' WHERE first_seq = 9").await;
    let left = the_one(bench).await;
    assert_eq!(left.units, UnitCounts { ready: 2, leased: 1, done: 1, set_aside: 1 });
    assert_eq!((left.work.records, left.work.units, left.work.workers), (6, 3, 1));
    assert_eq!(bench.store.jobs_by_state().await.unwrap()["running"], 1);
}

async fn a_rate_is_seen_in_commits_and_kept_for_the_next_job(bench: &Bench) {
    bench.job("first", 8, 2).await;
    let worker = bench.worker("w");
    let leases = worker.lease(4, T0).await;
    worker.commit(&leases[0], at(10)).await;
    let left = the_one(bench).await;
    assert!(!left.rate_seen, "one commit shows no rate");
    worker.commit(&leases[1], at(14)).await;
    let left = the_one(bench).await;
    assert_eq!((left.work.rate, left.rate_seen), (0.5, true));
    worker.commit(&leases[2], at(18)).await;
    worker.commit(&leases[3], at(22)).await;
    bench.store.advance_jobs(at(23)).await.unwrap();
    assert_eq!(unfinished(bench).await, []);
    bench.job("second", 4, 2).await;
    let left = the_one(bench).await;
    assert_eq!((left.work.rate, left.rate_seen, left.work.seconds()), (0.5, true, 8.0));
    // Another pack is another matter.
    bench.database.execute("UPDATE jobs SET pack_version = '2' WHERE name = 'second'").await;
    assert_eq!(the_one(bench).await.work.rate, CONFIGURED);
}

async fn what_is_over_or_gone_is_left_out(bench: &Bench) {
    for name in ["cancelled", "deleted", "paused"] {
        bench.job(name, 2, 2).await;
    }
    let of = |name: &str| JobRef::Name(name.into());
    bench.store.cancel_job(of("cancelled"), T0).await.unwrap();
    bench.store.cancel_job(of("deleted"), T0).await.unwrap();
    bench.store.delete_job(of("deleted")).await.unwrap();
    bench.store.pause_job(of("paused"), true).await.unwrap();
    let left = the_one(bench).await;
    assert_eq!((left.name.as_str(), left.paused), ("paused", true));
    let jobs = bench.store.jobs_by_state().await.unwrap();
    assert_eq!((jobs["cancelled"], jobs["running"], jobs["completed"]), (1, 1, 0));
}

async fn the_age_of_a_unit_is_that_of_its_making(bench: &Bench) {
    bench.job("j", 4, 4).await;
    assert_eq!(the_one(bench).await.oldest_ready, Some(T0));
    let worker = bench.worker("w");
    let lease = worker.lease_one(at(50)).await;
    assert_eq!(the_one(bench).await.oldest_ready, None);
    // Handed back it is as old as before: it has waited since its import.
    worker.release(&lease.lease).await.unwrap();
    assert_eq!(the_one(bench).await.oldest_ready, Some(T0));
    let lease = worker.lease_one(at(60)).await;
    worker.fail(&lease.lease, false).await.unwrap();
    bench.split_all(at(70)).await;
    assert_eq!(the_one(bench).await.oldest_ready, Some(at(70)));
    // Of units from before the column nothing is known but their job's age.
    bench.database.execute("UPDATE units SET made_at = NULL").await;
    assert_eq!(the_one(bench).await.oldest_ready, Some(T0));
}

async fn the_scheduler_s_own_commits_show_no_rate(bench: &Bench) {
    bench.job("j", 3, 1).await;
    let worker = bench.worker("w");
    for second in [1, 2] {
        for _attempt in 0..3 {
            let Some(lease) = worker.lease(1, at(second)).await.pop() else { break };
            worker.fail(&lease.lease, false).await.unwrap();
        }
        bench.split_all(at(second)).await;
    }
    let left = the_one(bench).await;
    assert!(left.units.done > 1 && !left.rate_seen, "{left:?}");
}
