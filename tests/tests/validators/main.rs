//! Validators of others, behind the pack: workers call them over gRPC. One that lies, hangs or goes away costs the records
//! that it was asked about, or nothing but time, and never a unit or an attempt.

mod away;
mod lies;
mod python;
mod register;
mod slow;
mod trials;

use std::time::Duration;

use anyhow::{Context as _, Result};
use emend_proto::v1::{ListUnitsRequest, UnitStatus};
use emend_tests::process::{Deployment, Process, Signal};

/// For a job to go through.
const LIMIT: Duration = Duration::from_secs(300);

/// Imports so many records as `job`, which names the validator.
async fn import(deployment: &Deployment, records: u64, unit_size: u64) -> Result<()> {
    import_as(deployment, "job", records, unit_size, &["--validator", "register@1.0"]).await
}

async fn import_as(
    deployment: &Deployment,
    job: &str,
    records: u64,
    unit_size: u64,
    more: &[&str],
) -> Result<()> {
    let file = deployment.generate(records).await?.join("records.csv").display().to_string();
    let unit_size = unit_size.to_string();
    let line = ["import", &file, "--job", job, "--as-of", "2021-09-20", "--unit-size", &unit_size];
    deployment.run(line.iter().chain(more)).await?.ok().map(drop)
}

/// A worker that calls the validator there.
fn worker(deployment: &Deployment, number: usize, validator: &str) -> Result<Process> {
    deployment.start(&format!("worker-{number}"), ["worker", "--validator", validator])
}

async fn reviewing(deployment: &Deployment) -> Result<()> {
    deployment.start("wait", ["wait", "job", "--until", "reviewing"])?.done(LIMIT).await.map(drop)
}

async fn units(deployment: &Deployment) -> Result<Vec<UnitStatus>> {
    let request = ListUnitsRequest { job: "job".into(), page_size: 1_000, ..ListUnitsRequest::default() };
    let units = deployment.jobs(0).await?.list_units(request).await.context("units")?;
    Ok(units.into_inner().units)
}

async fn stop(processes: impl IntoIterator<Item = &mut Process>) -> Result<()> {
    for process in processes {
        process.signal(Signal::Terminate)?;
        process.end(LIMIT).await?;
    }
    Ok(())
}
