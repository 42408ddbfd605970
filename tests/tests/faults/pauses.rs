//! A worker that stands still for two TTL, or its message that does, while others go on: what it then says has no
//! effect.

use std::process::Command;
use std::time::{Duration, Instant};

use emend_proto::encode;
use emend_proto::v1::Record;
use emend_proto::v1::{
    Beat, CommitUnitsRequest, CreateJobRequest, HeartbeatRequest, ImportChunk, ImportHeader,
    ImportRecordsRequest, JobPolicy, Lease, LeaseRef, LeaseUnitsRequest, ListUnitsRequest, PackRef,
    RecordList, SealJobRequest, UnitCommit, UnitState, UnitStatus, beat, commit_outcome, import_chunk,
    import_records_request::Part,
};
use emend_scheduler::store::Mutant;
use emend_tests::database::Backend;
use emend_tests::mutants::fails_on;
use emend_tests::process::{Process, Signal, eventually};
use emend_tests::proxy::{Network, Proxy};
use emend_tests::records::{all_valid, corrected, with_payload};
use emend_tests::scheduler::{Scheduler, channel, jobs, work};
use tonic::transport::Channel;

use super::LIMIT;

const TTL: Duration = Duration::from_millis(600);

async fn scheduler(backend: Backend) -> Scheduler {
    Scheduler::start_with(backend, |config| config.lease_ttl = TTL.as_secs_f64()).await
}

fn pack() -> PackRef {
    PackRef { name: "suite".into(), version: "1.0.0".into() }
}

/// A job of one unit with these records.
async fn make_job(line: &Channel, records: Vec<Record>) {
    let mut jobs = jobs(line);
    // Leases run out here: a unit must not be split for that.
    let policy = Some(JobPolicy { unit_records: 100, attempts: 100, ..JobPolicy::default() });
    let job =
        CreateJobRequest { name: "j".into(), pack: Some(pack()), policy, ..CreateJobRequest::default() };
    jobs.create_job(job).await.unwrap();
    let body = Some(import_chunk::Body::Records(RecordList { records }));
    let header = ImportHeader { job: "j".into(), import_id: "file".into() };
    let parts = vec![
        ImportRecordsRequest { part: Some(Part::Header(header)) },
        ImportRecordsRequest {
            part: Some(Part::Chunk(ImportChunk { body, last: true, ..ImportChunk::default() })),
        },
    ];
    jobs.import_records(tokio_stream::iter(parts)).await.unwrap();
    jobs.seal_job(SealJobRequest { job: "j".into() }).await.unwrap();
}

/// Leases the unit as soon as it is to be had.
async fn take(line: &Channel, worker: &str) -> Lease {
    let request = || LeaseUnitsRequest {
        worker_id: worker.into(),
        request_id: format!("request-{}", emend_tests::worker::number()),
        capabilities: vec![pack()],
        slots: 1,
        max_units: 1,
        accept_zstd: true,
        ..LeaseUnitsRequest::default()
    };
    eventually("the unit to be ready", LIMIT, async || {
        work(line).lease_units(request()).await.unwrap().into_inner().leases.pop()
    })
    .await
    .unwrap()
}

fn reference(lease: &Lease) -> LeaseRef {
    LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token.clone() }
}

/// Says that the unit is still wanted; of one that is done nobody wants to know.
async fn beat(line: &Channel, worker: &str, lease: &Lease) {
    let state = beat::State::Queued.into();
    let beats = vec![Beat { lease: Some(reference(lease)), state, progress: 0 }];
    work(line).heartbeat(HeartbeatRequest { worker_id: worker.into(), beats }).await.unwrap();
}

fn commit(worker: &str, lease: &Lease, results: &[emend_proto::v1::RecordResult]) -> CommitUnitsRequest {
    let commit = UnitCommit { lease: Some(reference(lease)), results: Some(encode(results)) };
    CommitUnitsRequest { worker_id: worker.into(), commits: vec![commit] }
}

/// The reason for which a commit was refused; none when it was taken.
async fn send(line: &Channel, request: CommitUnitsRequest) -> Option<String> {
    let mut outcomes = work(line).commit_units(request).await.unwrap().into_inner().outcomes;
    match outcomes.pop().and_then(|outcome| outcome.outcome) {
        Some(commit_outcome::Outcome::Refusal(refusal)) => Some(refusal.reason),
        Some(commit_outcome::Outcome::Receipt(_)) | None => None,
    }
}

async fn unit(line: &Channel) -> UnitStatus {
    let request = ListUnitsRequest { job: "j".into(), page_size: 10, ..ListUnitsRequest::default() };
    jobs(line).list_units(request).await.unwrap().into_inner().units.remove(0)
}

/// A commit that is sent, and travels for longer than its lease lasts: another has the unit by then, or has done it.
async fn a_commit_that_arrives_late(backend: Backend, done: bool) {
    let scheduler = scheduler(backend).await;
    let sound = scheduler.channel();
    make_job(&sound, emend_tests::records::records(1, 4)).await;
    let proxy = Proxy::start(scheduler.address).await;
    let slow = channel(proxy.address);
    let lease = take(&slow, "slow").await;
    let begun = Instant::now();
    proxy.network(Network { up_cut: true, ..Network::default() });
    let late: Vec<_> = (1..=4).map(|seq| corrected(seq, "late")).collect();
    let late = send(&slow, commit("slow", &lease, &late));
    let meanwhile = async {
        let held = take(&sound, "quick").await;
        if done {
            assert_eq!(send(&sound, commit("quick", &held, &all_valid(1, 4))).await, None);
        }
        // The pause is part of the test's name; nothing is ordered by it. Who holds the unit beats, or the lease would run
        // out just when the late commit comes, and what is then refused says nothing.
        while begun.elapsed() < TTL * 2 {
            tokio::time::sleep(TTL / 6).await;
            beat(&sound, "quick", &held).await;
        }
        let before = unit(&sound).await;
        proxy.network(Network::default());
        (held, before)
    };
    let (told, (held, before)) = futures::join!(late, meanwhile);
    let expected = if done { "SUPERSEDED" } else { "LEASE_LOST" };
    assert_eq!(told.as_deref(), Some(expected), "what a late commit was told");
    let after = unit(&sound).await;
    assert_eq!((after.epoch, after.corrected), (held.epoch, 0), "a late commit had an effect");
    assert_eq!(after.state() == UnitState::Done, done, "{before:?}, then {after:?}");
    if !done {
        assert_eq!(send(&sound, commit("quick", &held, &all_valid(1, 4))).await, None);
    }
    scheduler.stop_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_finds_the_lease_lost() {
    a_commit_that_arrives_late(Backend::Sqlite, false).await;
    a_commit_that_arrives_late(Backend::Postgres, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_finds_the_unit_done() {
    a_commit_that_arrives_late(Backend::Sqlite, true).await;
    a_commit_that_arrives_late(Backend::Postgres, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_commit_that_is_taken_is_noticed() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let test = a_commit_that_arrives_late(backend, false);
        fails_on(Mutant::StateOnly, "what a late commit was told", test).await;
        let test = a_commit_that_arrives_late(backend, true);
        fails_on(Mutant::NoFence, "what a late commit was told", test).await;
    }
}

/// A worker's process that is stopped when all but the commit is done.
async fn a_worker_stopped_before_its_commit(backend: Backend) {
    let scheduler = scheduler(backend).await;
    let sound = scheduler.channel();
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    make_job(&sound, vec![with_payload("K", 1, &format!(r#"{{"n":"1","do":"wait {}"}}"#, gate.display()))])
        .await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_emend-fault"));
    command.args(["worker", "--scheduler", &format!("http://{}", scheduler.address)]);
    let mut stopped = Process::start("worker", &mut command, &folder.path().join("log")).unwrap();
    eventually("a worker at its record", LIMIT, async || gate.with_extension("begun").exists().then_some(()))
        .await
        .unwrap();
    stopped.signal(Signal::Stop).unwrap();
    let begun = Instant::now();
    std::fs::write(gate.with_extension("go"), "").unwrap();
    let held = take(&sound, "quick").await;
    assert_eq!(send(&sound, commit("quick", &held, &[corrected(1, "quick")])).await, None);
    tokio::time::sleep((TTL * 2).saturating_sub(begun.elapsed())).await;
    let before = unit(&sound).await;
    stopped.signal(Signal::Continue).unwrap();
    // It has said all it had to say about that unit once it has done another.
    let next = CreateJobRequest { name: "next".into(), pack: Some(pack()), ..CreateJobRequest::default() };
    jobs(&sound).create_job(next).await.unwrap();
    let body = Some(import_chunk::Body::Records(RecordList { records: emend_tests::records::records(1, 1) }));
    let parts = vec![
        ImportRecordsRequest {
            part: Some(Part::Header(ImportHeader { job: "next".into(), import_id: "file".into() })),
        },
        ImportRecordsRequest {
            part: Some(Part::Chunk(ImportChunk { body, last: true, ..ImportChunk::default() })),
        },
    ];
    jobs(&sound).import_records(tokio_stream::iter(parts)).await.unwrap();
    eventually("another unit done", LIMIT, async || {
        let request = ListUnitsRequest { job: "next".into(), page_size: 10, ..ListUnitsRequest::default() };
        let units = jobs(&sound).list_units(request).await.unwrap().into_inner().units;
        (units[0].state() == UnitState::Done).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(unit(&sound).await, before, "a worker that was stopped had an effect");
    stopped.kill().unwrap();
    scheduler.stop_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_a_stopped_worker_has_no_effect() {
    a_worker_stopped_before_its_commit(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_stopped_worker_has_no_effect() {
    a_worker_stopped_before_its_commit(Backend::Postgres).await;
}
