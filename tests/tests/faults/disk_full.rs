//! No room left where the database is: who writes is told so, who reads reads on, and when there is room again all
//! goes on by itself. On PostgreSQL the data are full (a tablespace), not the log.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::{
    CreateJobRequest, ImportChunk, ImportHeader, ImportRecordsRequest, ListUnitsRequest, PackRef, RecordList,
    import_chunk, import_records_request::Part,
};
use emend_scheduler::store::{Commit, Mutant, Outcome, Store, StoreError};
use emend_tests::bench::{Bench, T0};
use emend_tests::database::{Backend, Database};
use emend_tests::invariants::{self, Acknowledged};
use emend_tests::mounts::Mount;
use emend_tests::mutants::{self, fails_on};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process, eventually};
use emend_tests::records::{content, corrected, with_payload};
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{LIMIT, amount};

const MEGABYTE: u64 = 1024 * 1024;
const JOB: &str = "full";

/// A database on a small file system.
struct Small {
    database: Database,
    /// Of its own: a server with a full tablespace makes no checkpoint.
    server: Option<Postgres>,
    // Last: the server stops before its data go.
    mount: Mount,
}

impl Small {
    async fn new(backend: Backend, bytes: u64) -> Result<Self> {
        match backend {
            Backend::Sqlite => {
                // What an empty database takes, in the file and in its log.
                let mount = Mount::tmpfs(bytes + MEGABYTE / 2)?;
                let database = Database::file(&mount.path().join("emend.db"));
                Ok(Self { database, server: None, mount })
            }
            Backend::Postgres => {
                // What an empty database takes.
                let mount = Mount::tmpfs(bytes + 8 * MEGABYTE)?;
                let server = Postgres::start(&[]);
                let name = server.create_database_in(mount.path()).await;
                Ok(Self { database: Database::on(&server, name), server: Some(server), mount })
            }
        }
    }
}

/// Asks for more room than there is, through a scheduler.
async fn told(deployment: &Deployment) -> Result<tonic::Status> {
    let large = "x".repeat(2000);
    let record =
        |n: i64| with_payload(&format!("P-{n}"), n, &format!(r#"{{"n":"{n}","v":"{}"}}"#, salt(n, &large)));
    let rows = RecordList { records: (1..=4000).map(record).collect() };
    let header = ImportHeader { job: "probe".into(), import_id: "probe".into() };
    let chunk = ImportChunk { body: Some(import_chunk::Body::Records(rows)), ..ImportChunk::default() };
    let parts = vec![
        ImportRecordsRequest { part: Some(Part::Header(header)) },
        ImportRecordsRequest { part: Some(Part::Chunk(chunk)) },
    ];
    let answer = deployment.jobs(0).await?.import_records(tokio_stream::iter(parts)).await;
    answer.err().context("4,000 large records found room on a full disk")
}

/// Text that does not compress.
fn salt(n: i64, text: &str) -> String {
    let mut reader = blake3::Hasher::new().update(&n.to_le_bytes()).update(text.as_bytes()).finalize_xof();
    let mut bytes = vec![0; text.len() / 2];
    reader.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A job through real processes: it stops for want of room, and goes on when there is some.
async fn a_job_waits_for_room(backend: Backend) -> Result<()> {
    let rows = amount("DISK_FULL_RECORDS", 40_000);
    let calm = Deployment::on_sqlite()?;
    let csv = calm.generate(rows).await?.join("records.csv").display().to_string();
    let expected = {
        let _processes = (calm.scheduler(0).await?, calm.worker(0)?);
        run_job(&calm, &csv).await?
    };
    let small = Small::new(backend, rows * 30).await?;
    let deployment = Deployment::on(&small.database.url)?
        .set("EMEND__SCHEDULER__LEASE_TTL", 5)
        .set("EMEND__WORKER__RECORD_TIMEOUT", "2s");
    let mut scheduler = deployment.scheduler(0).await?;
    let worker = deployment.worker(0)?;
    let pack = Some(PackRef { name: "none".into(), version: "1".into() });
    let probe = CreateJobRequest { name: "probe".into(), pack, ..CreateJobRequest::default() };
    deployment.jobs(0).await?.create_job(probe).await?;
    let mut import = deployment.start("import", import_line(&csv))?;
    eventually("a full disk", LIMIT, async || scheduler.log().contains("the store is full").then_some(()))
        .await?;
    let status = told(&deployment).await?;
    ensure!(status.code() == Code::ResourceExhausted, "{status:?}");
    ensure!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()), "{status:?}");
    reads_go_on(&deployment).await?;
    is_noted(&small.database, &scheduler).await?;
    ensure!(!scheduler.has_ended(), "the scheduler gave up: {}", scheduler.log());
    small.mount.grow(400 * MEGABYTE)?;
    import.done(LIMIT).await?;
    deployment.start("wait", ["wait", JOB])?.done(LIMIT).await?;
    ensure!(export(&deployment).await? == expected, "the export is not that of an undisturbed run");
    drop((scheduler, worker));
    let store = Store::open(&small.database.url, 2).await?;
    invariants::hold(&store, &small.database, &[]).await;
    store.close().await;
    println!("{backend:?}: {rows} records, full, grown, healed, export equal");
    Ok(())
}

fn import_line(csv: &str) -> [&str; 10] {
    ["import", csv, "--job", JOB, "--pack", "vaccination", "--as-of", "2021-09-20", "--unit-size", "50"]
}

async fn run_job(deployment: &Deployment, csv: &str) -> Result<Vec<u8>> {
    deployment.start("import", import_line(csv))?.done(LIMIT).await?;
    deployment.start("wait", ["wait", JOB])?.done(LIMIT).await?;
    export(deployment).await
}

async fn export(deployment: &Deployment) -> Result<Vec<u8>> {
    let out = deployment.path("out.jsonl");
    let shown = out.display().to_string();
    deployment.start("export", ["export", JOB, "--out", &shown, "--with-provenance"])?.done(LIMIT).await?;
    Ok(std::fs::read(out)?)
}

async fn reads_go_on(deployment: &Deployment) -> Result<()> {
    deployment.job(JOB).await?;
    let request = ListUnitsRequest { job: JOB.into(), page_size: 5, ..ListUnitsRequest::default() };
    let units = deployment.jobs(0).await?.list_units(request).await?.into_inner().units;
    ensure!(!units.is_empty(), "nothing was imported before the disk was full");
    let line = ["export", JOB, "--out", "partial.csv", "--partial"];
    deployment.run(line).await?.ok().map(drop)
}

/// What was shown meanwhile found room in the audit log, or the scheduler's log says that it did not.
async fn is_noted(database: &Database, scheduler: &Process) -> Result<()> {
    let all = "SELECT COUNT(*) FROM (SELECT what FROM audit UNION ALL SELECT what FROM audit_pending) a WHERE what = 'export'";
    let noted = database.int(all).await > 0;
    ensure!(noted || scheduler.log().contains("the audit log lacks this"), "{}", scheduler.log());
    Ok(())
}

/// Commits one unit after the other while the disk fills up.
async fn nothing_acknowledged_is_lost(backend: Backend) {
    let small = Small::new(backend, 3 * MEGABYTE).await.unwrap();
    let store = mutants::mutated(Store::open(&small.database.url, 4).await.unwrap());
    let Small { database, server, mount } = small;
    let bench = Bench { store, database };
    bench.job("j", 60, 1).await;
    let worker = bench.worker("w");
    let leases = worker.lease(60, T0).await;
    let filler = mount.path().join("filler");
    fill(&filler);
    let (mut acknowledged, mut full) = (Vec::new(), 0);
    for lease in &leases {
        let large = salt(lease.lease.unit_id, &"x".repeat(200_000));
        let results = [corrected(lease.what.first_seq, &large)];
        let commit_id = format!("commit-{}", lease.lease.unit_id);
        let commit =
            Commit { lease: lease.lease.clone(), content: content(&results), commit_id: commit_id.clone() };
        match bench.store.commit("w".into(), vec![commit], T0).await {
            Ok(outcomes) => {
                assert!(matches!(outcomes[..], [Outcome::Accepted { .. }]), "{outcomes:?}");
                let (unit_id, epoch) = (lease.lease.unit_id, lease.lease.epoch);
                acknowledged.push(Acknowledged { unit_id, epoch, commit_id });
            }
            Err(StoreError::Full(_)) => full += 1,
            Err(error) => panic!("a full disk is told as {error:?}"),
        }
        assert_eq!(bench.store.jobs(i64::MAX, 9).await.unwrap().len(), 1, "reads go on");
    }
    std::fs::remove_file(filler).unwrap();
    assert!(full > 0 || mutants::current().is_some(), "the disk was never full");
    let store = bench.store.clone();
    // What a mutant writes later, if ever.
    store.close().await;
    drop((store, bench.store, worker));
    let store = Store::open(&bench.database.url, 4).await.unwrap();
    invariants::hold(&store, &bench.database, &acknowledged).await;
    store.close().await;
    drop((server, mount));
    println!("{backend:?}: {} commits acknowledged, {full} refused, 0 lost", acknowledged.len());
}

/// Takes all the room there is but a little.
fn fill(path: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(path).unwrap();
    let page = vec![7; 64 * 1024];
    while file.write_all(&page).is_ok() {}
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(512 * 1024)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_a_job_waits_for_room() -> Result<()> {
    a_job_waits_for_room(Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_a_job_waits_for_room() -> Result<()> {
    a_job_waits_for_room(Backend::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there() {
    nothing_acknowledged_is_lost(Backend::Sqlite).await;
    nothing_acknowledged_is_lost(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_write_is_noticed() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        fails_on(Mutant::AnswersFirst, "acknowledged and not there", nothing_acknowledged_is_lost(backend))
            .await;
    }
}
