//! The release before and this one beside each other: workers, schedulers, clients and stores of either.
//!
//! `./dev faults` builds the old program and says where it is: `OLD_EMEND=PATH cargo test --workspace --test upgrade`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod runbook;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_scheduler::store::Store;
use emend_tests::database::Database;
use emend_tests::invariants;
use emend_tests::process::{Deployment, Process, binary};

const JOB: &str = "upgraded";
const ROWS: u64 = 40_000;
/// Far longer than anything takes.
const LIMIT: Duration = Duration::from_secs(180);

/// The program of the release before.
fn old() -> Result<PathBuf> {
    let hint = "OLD_EMEND is not set to a program: ./dev faults builds the release before, and sets it";
    let path = PathBuf::from(std::env::var_os("OLD_EMEND").context(hint)?);
    ensure!(path.is_file(), "{} is missing: ./dev faults builds it", path.display());
    // Processes run in folders of their own.
    Ok(path.canonicalize()?)
}

fn import_line(csv: &str) -> [&str; 10] {
    ["import", csv, "--job", JOB, "--pack", "vaccination", "--as-of", "2021-09-20", "--unit-size", "10"]
}

async fn finish(deployment: &Deployment) -> Result<Vec<u8>> {
    deployment.start("wait", ["wait", JOB])?.done(LIMIT).await?;
    let out = deployment.path("out.jsonl");
    let shown = out.display().to_string();
    deployment.start("export", ["export", JOB, "--out", &shown, "--with-provenance"])?.done(LIMIT).await?;
    Ok(std::fs::read(out)?)
}

/// A file of records, and what this release alone makes of it.
async fn undisturbed(calm: &Deployment) -> Result<(String, Vec<u8>)> {
    let csv = calm.generate(ROWS).await?.join("records.csv").display().to_string();
    let _processes = (calm.scheduler(0).await?, calm.worker(0)?);
    calm.start("import", import_line(&csv))?.done(LIMIT).await?;
    Ok((csv, finish(calm).await?))
}

/// A scheduler of either release, which serves.
async fn scheduler(deployment: &Deployment, program: &std::path::Path, at: usize) -> Result<Process> {
    let listen = deployment.url(at).replace("http://", "");
    let line = ["scheduler", "--store", deployment.store(), "--listen", &listen];
    let mut command = deployment.command_of(program, line);
    let log = deployment.path(&format!("scheduler-{at}.log"));
    let process = Process::start("scheduler", &mut command, &log)?;
    deployment.serving(at).await.with_context(|| process.log())?;
    Ok(process)
}

/// A worker of either release that logs each receipt.
fn worker(deployment: &Deployment, program: &std::path::Path, name: &str) -> Result<Process> {
    let line = ["worker", "--log-format", "json", "--log-level", "info,emend_worker=debug"];
    Process::start(name, &mut deployment.command_of(program, line), &deployment.path(&format!("{name}.log")))
}

/// A whole job with a scheduler of one release and a worker and clients of others.
async fn work_together(scheduling: PathBuf, working: PathBuf) -> Result<()> {
    let calm = Deployment::on_sqlite()?;
    let (csv, expected) = undisturbed(&calm).await?;
    let mixed = Deployment::on_sqlite()?;
    let processes = (scheduler(&mixed, &scheduling, 0).await?, worker(&mixed, &working, "worker")?);
    mixed.start("import", import_line(&csv))?.done(LIMIT).await?;
    ensure!(finish(&mixed).await? == expected, "the export is not that of this release alone");
    let told = invariants::acknowledged(&processes.1.log());
    ensure!(told.len() as u64 == ROWS / 10, "{} of {} units were this worker's", told.len(), ROWS / 10);
    drop(processes);
    println!("{} units, export equal", told.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_worker_with_a_new_scheduler() -> Result<()> {
    work_together(binary()?, old()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_worker_and_new_clients_with_an_old_scheduler() -> Result<()> {
    work_together(old()?, binary()?).await
}

/// All that must hold of what is in a store, however it came there.
async fn sound(url: &str, database: &Database, told: &[invariants::Acknowledged]) -> Result<()> {
    let store = Store::open(url, 2).await?;
    invariants::hold(&store, database, told).await;
    store.close().await;
    Ok(())
}
