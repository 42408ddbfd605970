//! Corrections that people look into, and what becomes of a rule that is wrong too often.

use emend_proto::v1::{Change, RecordResult, Verdict};
use emend_scheduler::domain::job::{JobSpec, MAX_SAMPLE, ReviewPolicy};
use emend_scheduler::domain::quality::RuleQuality;
use emend_scheduler::domain::review::{AnswerKind, Effect, HandChange};
use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::store::Job;
use emend_tests::bench::{Bench, T0, spec};
use emend_tests::on_both_stores;
use emend_tests::records::{corrected, records, valid};
use emend_tests::reviewer::written;

on_both_stores!(
    a_share_of_the_corrected_records_is_looked_into,
    a_job_that_asks_for_none_has_none,
    people_tell_how_often_a_rule_is_wrong,
    a_rule_that_is_wrong_too_often_is_paused_once,
);

const RECORDS: i64 = 4_000;

/// A job whose records are all corrected by the same two rules, but for the first.
async fn job(bench: &Bench, sample_ppm: u32) -> Job {
    let reviews = ReviewPolicy { sample_ppm, error_limit_ppm: 100_000, ..ReviewPolicy::default() };
    let spec = JobSpec { reviews, ..spec("j", 500) };
    let (job, _) = bench.store.create_job(spec, Schedule::default(), T0).await.unwrap();
    bench.import(&job, "file", 0, &records(1, RECORDS), true).await;
    let worker = bench.worker("w");
    for lease in worker.lease(100, T0).await {
        let results: Vec<_> = (lease.what.first_seq..=lease.what.last_seq).map(result).collect();
        worker.commit_with(&lease.lease, &results, T0).await;
    }
    job
}

fn result(seq: i64) -> RecordResult {
    let change = |field: &str, rule: &str| Change {
        field: field.into(),
        before: "1".into(),
        after: "2".into(),
        rule: rule.into(),
    };
    match seq {
        1 => valid(seq),
        2 => corrected(seq, "x"),
        _ => RecordResult {
            verdict: Verdict::Corrected.into(),
            changes: vec![change("a", "a.fix"), change("b", "b.fix"), change("a", "a.more")],
            ..valid(seq)
        },
    }
}

async fn a_share_of_the_corrected_records_is_looked_into(bench: &Bench) {
    let job = job(bench, 10_000).await;
    let seqs = bench.database.ints("SELECT seq FROM reviews WHERE sampled IS NOT NULL ORDER BY seq").await;
    assert!((20..60).contains(&seqs.len()), "{} of {RECORDS} at 1 %", seqs.len());
    let kinds = bench.database.texts("SELECT DISTINCT kind FROM reviews").await;
    assert_eq!(kinds, [["a.check,b.check"]]);
    // The sample of a larger share holds that of a smaller one.
    bench.database.execute("UPDATE jobs SET name = 'other'").await;
    let all = self::job(bench, MAX_SAMPLE).await;
    let more = format!("SELECT seq FROM reviews WHERE job_id = {} ORDER BY seq", all.id);
    let more = bench.database.ints(&more).await;
    assert!(more.len() > 3 * seqs.len() && seqs.iter().all(|seq| more.contains(seq)));
    assert_eq!(bench.store.progress(job.id).await.unwrap().reviews_open, seqs.len() as i64);
}

async fn a_job_that_asks_for_none_has_none(bench: &Bench) {
    let job = job(bench, 0).await;
    assert_eq!(bench.store.progress(job.id).await.unwrap().reviews_open, 0);
    assert_eq!(bench.store.rule_quality(job.id).await.unwrap(), []);
}

/// Decides `count` samples; the first `wrong` of them take the change of `a` back.
async fn look(bench: &Bench, count: usize, wrong: usize) {
    let back = HandChange { field: "a".into(), before: "2".into(), after: "1".into() };
    let mut person = bench.person("p");
    for at in 0..count {
        let held = person.lease_one(T0).await;
        let changes = if at < wrong { vec![back.clone()] } else { vec![] };
        written(person.decide(held.at, &Effect { kind: AnswerKind::Values, changes }, T0).await);
    }
}

async fn people_tell_how_often_a_rule_is_wrong(bench: &Bench) {
    let job = job(bench, MAX_SAMPLE).await;
    look(bench, 10, 3).await;
    let of = |rule: &str, wrong| RuleQuality { rule: rule.into(), sampled: 10, wrong };
    let told = bench.store.rule_quality(job.id).await.unwrap();
    assert_eq!(told, [of("a.fix", 3), of("a.more", 3), of("b.fix", 0)]);
}

async fn a_rule_that_is_wrong_too_often_is_paused_once(bench: &Bench) {
    let job = job(bench, MAX_SAMPLE).await;
    look(bench, 10, 2).await;
    // Two of ten may be chance when one in ten is allowed.
    assert_eq!(bench.store.pause_rules(T0).await.unwrap(), []);
    look(bench, 20, 20).await;
    let paused = [(job.id, "a.fix".to_owned()), (job.id, "a.more".to_owned())];
    assert_eq!(bench.store.pause_rules(T0).await.unwrap(), paused);
    assert_eq!(bench.store.pause_rules(T0).await.unwrap(), []);
    // Work that is leased from now on knows it.
    bench.import(&job, "more", 0, &records(RECORDS + 1, RECORDS + 1), true).await;
    let lease = bench.worker("w").lease_one(T0).await;
    assert_eq!(lease.what.paused_rules, ["a.fix", "a.more"]);
}
