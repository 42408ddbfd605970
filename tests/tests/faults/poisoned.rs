//! Records that kill the worker's process, make a validator panic, or never end: each costs itself only.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;
use emend_proto::v1::{CreateJobRequest, GetRecordRequest, ImportHeader, JobPolicy, PackRef, SealJobRequest};
use emend_proto::v1::{
    ImportChunk, ImportRecordsRequest, JobState, RecordList, Verdict, import_chunk,
    import_records_request::Part,
};
use emend_scheduler::store::Mutant;
use emend_tests::database::Backend;
use emend_tests::mutants::fails_on;
use emend_tests::process::{Process, eventually};
use emend_tests::records::with_payload;
use emend_tests::scheduler::{Scheduler, jobs};

use super::LIMIT;

/// Nine units: of ten that run out at once the scheduler would think that the silence is its own.
const RECORDS: i64 = 144;
const UNIT: i64 = 16;
const ATTEMPTS: i64 = 3;
const TTL: f64 = 1.0;
/// More than there are records, so that a worker has room for whatever is ready. One with little room takes the deadly record
/// alone when it has other work in hand, as it has on a slow machine, and then nobody pays even when nothing guards them.
const SLOTS: &str = "200";
/// Each in a unit of its own.
const BAD: [(i64, &str); 3] = [(5, "kill"), (40, "panic"), (75, "hang")];

fn key(n: i64) -> String {
    format!("K-{n:06}")
}

/// A sealed job whose records tell the validator what to do.
async fn make_job(scheduler: &Scheduler) -> Result<()> {
    let mut jobs = jobs(&scheduler.channel());
    let policy = JobPolicy { unit_records: UNIT as u32, attempts: ATTEMPTS as u32, ..JobPolicy::default() };
    let pack = Some(PackRef { name: "suite".into(), version: "1.0.0".into() });
    let job =
        CreateJobRequest { name: "j".into(), pack, policy: Some(policy), ..CreateJobRequest::default() };
    jobs.create_job(job).await?;
    let act = |n: i64| BAD.iter().find(|(bad, _)| *bad == n).map_or("", |(_, act)| act);
    let record = |n: i64| with_payload(&key(n), n, &format!(r#"{{"n":"{n}","do":"{} it"}}"#, act(n)));
    let records = RecordList { records: (1..=RECORDS).map(record).collect() };
    let body = Some(import_chunk::Body::Records(records));
    let header = ImportHeader { job: "j".into(), import_id: "file".into() };
    let parts = vec![
        ImportRecordsRequest { part: Some(Part::Header(header)) },
        ImportRecordsRequest {
            part: Some(Part::Chunk(ImportChunk { body, last: true, ..ImportChunk::default() })),
        },
    ];
    jobs.import_records(tokio_stream::iter(parts)).await?;
    jobs.seal_job(SealJobRequest { job: "j".into() }).await?;
    Ok(())
}

/// Works until all is settled. A worker that has died is started again, as an operator's supervisor does.
async fn settle(scheduler: &Scheduler) -> Result<u32> {
    let folder = tempfile::tempdir()?;
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emend-fault"));
        command.args(["worker", "--slots", SLOTS, "--scheduler", &format!("http://{}", scheduler.address)]);
        Process::start("worker", &mut command, &folder.path().join("log"))
    };
    let (mut worker, mut deaths) = (start()?, 0);
    let mut client = jobs(&scheduler.channel());
    eventually("a job that waits for people", LIMIT, async || {
        if worker.has_ended() {
            deaths += 1;
            worker = start().ok()?;
        }
        let request = emend_proto::v1::GetJobRequest { job: "j".into(), with_tallies: false };
        let job = client.get_job(request).await.ok()?.into_inner().job?;
        (job.state() == JobState::Reviewing).then_some(())
    })
    .await?;
    Ok(deaths)
}

async fn each_costs_itself_only(backend: Backend) -> Result<()> {
    let scheduler = Scheduler::start_with(backend, |config| config.lease_ttl = TTL).await;
    make_job(&scheduler).await?;
    let begun = Instant::now();
    let deaths = settle(&scheduler).await?;
    let mut client = jobs(&scheduler.channel());
    for n in 1..=RECORDS {
        let request = GetRecordRequest { job: "j".into(), key: key(n), ..GetRecordRequest::default() };
        let result = client.get_record(request).await?.into_inner().record.unwrap();
        let bad = BAD.iter().find(|(bad, _)| *bad == n);
        let expected = if bad.is_some() { Verdict::Failed } else { Verdict::Valid };
        assert_eq!(result.verdict(), expected, "record {n}");
        let why = match bad {
            Some((_, "kill")) => "attempts",
            Some((_, "panic")) => "panic",
            Some((_, "hang")) => "timeout",
            _ => "",
        };
        assert_eq!(result.failure, why, "record {n}");
    }
    // Grants to workers of the unit with the deadly record, in all the units that it was split into: an epoch more of
    // each is the scheduler's own grant when it split it or failed it.
    let family = format!("first_seq >= 1 AND last_seq <= {UNIT}");
    let count = async |what: &str, which: &str| {
        scheduler.database.int(&format!("SELECT {what} FROM units WHERE {family} AND ({which})")).await
    };
    let grants = count("CAST(SUM(epoch) AS BIGINT)", "TRUE").await;
    let own = count("COUNT(*)", "state = 'split' OR holder = 'scheduler'").await;
    let units = count("COUNT(*)", "state <> 'split'").await;
    let extra = grants - own - units;
    let most = 2 * i64::from(UNIT.ilog2()) + ATTEMPTS;
    println!(
        "{backend:?}: settled in {:.1?}, {deaths} deaths, {extra} extra leases of at most {most}",
        begun.elapsed()
    );
    assert!(deaths >= 3, "the record killed {deaths} workers");
    assert!(extra <= most, "{extra} extra leases, at most {most}");
    scheduler.stop_sound().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_each_costs_itself_only() -> Result<()> {
    each_costs_itself_only(Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_each_costs_itself_only() -> Result<()> {
    each_costs_itself_only(Backend::Postgres).await
}

/// What a deadly record did once: those beside it used up their attempts with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_that_pay_are_noticed() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let test = async { each_costs_itself_only(backend).await.unwrap() };
        fails_on(Mutant::SuspectsInCompany, ": record ", test).await;
    }
}
