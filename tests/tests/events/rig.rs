//! A scheduler with a broker, and a worker that routes every fifth record and fails every eleventh.

use std::time::{Duration, Instant};

use emend_proto::encode;
use emend_proto::v1::{
    Answer, AnswerKind, CommitUnitsRequest, CreateJobRequest, DecideRequest, FieldValue, GetJobRequest,
    ImportChunk, ImportHeader, ImportRecordsRequest, JobPolicy, JobState, Lease, LeaseRef,
    LeaseReviewsRequest, LeaseUnitsRequest, PackRef, RecordList, RecordResult, ReviewLease, ReviewPolicy,
    SealJobRequest, UnitCommit, import_chunk, import_records_request::Part,
};
use emend_scheduler::Secret;
use emend_tests::database::{Backend, Database};
use emend_tests::process::eventually;
use emend_tests::rabbitmq::RabbitMq;
use emend_tests::records::{failed, records, routed, valid};
use emend_tests::scheduler::{Scheduler, jobs, reviews, work};
use tokio::sync::{Mutex, MutexGuard, OnceCell};
use tonic::transport::Channel;

/// Far longer than anything takes; a test that waits for it has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// The longest that a call may take, whatever becomes of the broker.
const CALL: Duration = Duration::from_secs(5);
/// How long consumers have to come back in these tests.
pub(crate) const SETTLE: f64 = 2.0;

/// The node, for one test at a time, running.
pub(crate) async fn node() -> MutexGuard<'static, RabbitMq> {
    static NODE: OnceCell<Mutex<RabbitMq>> = OnceCell::const_new();
    let node = NODE.get_or_init(async || Mutex::new(RabbitMq::prepare().unwrap())).await;
    let mut node = node.lock().await;
    node.run().await.unwrap();
    node
}

/// A scheduler that tells `broker`.
pub(crate) async fn scheduler(backend: Backend, broker: &str) -> Scheduler {
    let broker = Some(Secret::new(broker));
    Scheduler::start_with(backend, |config| {
        config.broker = broker;
        config.broker_settle = SETTLE;
    })
    .await
}

pub(crate) fn pack() -> PackRef {
    PackRef { name: "suite".into(), version: "1.0.0".into() }
}

/// Makes a sealed job of so many records, in units of ten; what is decided on them is final at once.
pub(crate) async fn make_job(channel: &Channel, name: &str, count: i64) {
    let mut jobs = jobs(channel);
    let reviews =
        Some(ReviewPolicy { undo: Some(prost_types::Duration::default()), ..ReviewPolicy::default() });
    let policy = Some(JobPolicy { unit_records: 10, reviews, ..JobPolicy::default() });
    let request =
        CreateJobRequest { name: name.into(), pack: Some(pack()), policy, ..CreateJobRequest::default() };
    jobs.create_job(request).await.unwrap();
    let header = ImportHeader { job: name.into(), import_id: "file".into() };
    let body = Some(import_chunk::Body::Records(RecordList { records: records(1, count) }));
    let chunk = ImportChunk { offset: 0, body, last: true, ..ImportChunk::default() };
    let parts = [Part::Header(header), Part::Chunk(chunk)];
    let parts = parts.map(|part| ImportRecordsRequest { part: Some(part) });
    jobs.import_records(tokio_stream::iter(parts)).await.unwrap();
    jobs.seal_job(SealJobRequest { job: name.into() }).await.unwrap();
}

/// What the worker finds of record `seq`.
fn result(seq: i64) -> RecordResult {
    match seq {
        seq if seq % 5 == 0 => routed(seq),
        seq if seq % 11 == 0 => failed(seq),
        seq => valid(seq),
    }
}

/// Leases and commits up to `units` units; how many there were. No call may take long.
pub(crate) async fn work_on(channel: &Channel, units: usize) -> usize {
    let mut done = 0;
    while done < units {
        let leases = timed(lease(channel, 4, Duration::ZERO)).await;
        if leases.is_empty() {
            break;
        }
        done += leases.len();
        let commits = leases.iter().map(commit).collect();
        let request = CommitUnitsRequest { worker_id: "w".into(), commits };
        let outcomes = timed(async { work(channel).commit_units(request).await.unwrap() }).await;
        assert_eq!(outcomes.into_inner().outcomes.len(), leases.len());
    }
    done
}

pub(crate) async fn lease(channel: &Channel, units: u32, wait: Duration) -> Vec<Lease> {
    let request = LeaseUnitsRequest {
        worker_id: "w".into(),
        request_id: format!("request-{}", emend_tests::worker::number()),
        capabilities: vec![pack()],
        slots: 16,
        max_units: units,
        wait: prost_types::Duration::try_from(wait).ok(),
        accept_zstd: true,
        ..LeaseUnitsRequest::default()
    };
    work(channel).lease_units(request).await.unwrap().into_inner().leases
}

fn commit(lease: &Lease) -> UnitCommit {
    let (first, last) = (lease.first_seq.cast_signed(), lease.last_seq.cast_signed());
    let results: Vec<_> = (first..=last).map(result).collect();
    let of = LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token.clone() };
    UnitCommit { lease: Some(of), results: Some(encode(&results)) }
}

async fn timed<T>(call: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let answer = call.await;
    assert!(begun.elapsed() < CALL, "a call took {:?}", begun.elapsed());
    answer
}

/// Waits until all units of a job are done: by polling, whatever becomes of the broker.
pub(crate) async fn reviewing(channel: &Channel, name: &str) {
    let request = GetJobRequest { job: name.into(), with_tallies: false };
    let look = async || {
        let job = timed(async { jobs(channel).get_job(request.clone()).await.unwrap() }).await;
        (job.into_inner().job?.state() == JobState::Reviewing).then_some(())
    };
    eventually("the job's end", LIMIT, look).await.unwrap();
}

/// Ids of all events that the records of the database's units must have had.
pub(crate) async fn record_events(database: &Database) -> Vec<String> {
    let rows = database
        .texts(
            "SELECT commit_id, CAST(first_seq AS TEXT), CAST(last_seq AS TEXT) FROM units WHERE state = 'done'",
        )
        .await;
    let mut ids = Vec::new();
    for row in rows {
        let (first, last): (i64, i64) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let of_unit = (first..=last).filter_map(|seq| match seq {
            seq if seq % 5 == 0 => Some([format!("{seq}-n.odd"), format!("{seq}-review-n.odd")]),
            seq if seq % 11 == 0 => Some([format!("{seq}-failed"), format!("{seq}-review-record.failed")]),
            _ => None,
        });
        ids.extend(of_unit.flatten().map(|id| format!("{}-{id}", row[0])));
    }
    ids
}

/// Ids of the events of all decisions of the database.
pub(crate) async fn decided_events(database: &Database) -> Vec<String> {
    let rows = database
        .texts(
            "SELECT CAST(j.id AS TEXT), CAST(j.created_at AS TEXT), CAST(r.seq AS TEXT), CAST(r.decision_id AS TEXT)
             FROM reviews r JOIN jobs j ON j.id = r.job_id WHERE r.state = 'decided'",
        )
        .await;
    rows.into_iter().map(|row| format!("decided-{}", row.join("-"))).collect()
}

/// Decides the next review: its first proposal is right.
pub(crate) async fn decide_one(channel: &Channel) {
    let mut reviews = reviews(channel);
    let reviewer = String::from("anna");
    let request = LeaseReviewsRequest { reviewer: reviewer.clone(), ..LeaseReviewsRequest::default() };
    let leases = timed(async { reviews.lease_reviews(request).await.unwrap().into_inner().leases }).await;
    let [ReviewLease { review, token, card: Some(card), .. }] = &leases[..] else { panic!("{leases:?}") };
    let [finding] = &card.findings[..] else { panic!("{card:?}") };
    let value = FieldValue { field: finding.field.clone(), value: finding.proposals[0].clone() };
    let answer = Answer { kind: AnswerKind::Values.into(), values: vec![value], reason: String::new() };
    let request = DecideRequest {
        reviewer,
        request_id: format!("decision-{}", emend_tests::worker::number()),
        review: *review,
        token: token.clone(),
        answer: Some(answer),
    };
    let decided = timed(async { reviews.decide(request).await.unwrap().into_inner() }).await;
    assert!(decided.decision.is_some(), "{decided:?}");
}

/// Ids of the events of a database's only job that has entered these states.
pub(crate) async fn job_events(database: &Database, states: &[&str]) -> Vec<String> {
    let rows = database.texts("SELECT CAST(id AS TEXT), CAST(created_at AS TEXT) FROM jobs").await;
    let [job] = &rows[..] else { panic!("{rows:?}") };
    states.iter().map(|state| format!("job-{}-{}-{state}", job[0], job[1])).collect()
}

/// Waits until there is nothing left to say.
pub(crate) async fn outbox_empty(database: &Database) {
    let empty = async || (database.int("SELECT COUNT(*) FROM outbox").await == 0).then_some(());
    eventually("an empty outbox", LIMIT, empty).await.unwrap();
}
