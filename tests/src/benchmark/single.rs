//! Units of one record: what a lease and a commit cost.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::JobState;

use super::Options;
use super::data::Data;
use super::pipeline::{JOB, Store, deploy};
use super::report::process_row;
use super::server::Server;
use crate::process::{Deployment, Usage};

const LIMIT: Duration = Duration::from_secs(1800);

/// Units leased, validated and committed a second, on both stores: everything is imported before the worker starts.
pub(super) async fn run(options: &Options, server: &Server) -> Result<String> {
    let data = Data::make(options.single_records, options.shuffle).await?;
    let mut text = format!(
        "| {} units of one record, {} slots | units a second |\n|---|---:|\n",
        options.single_records, options.single_slots
    );
    let mut processes = "\n| process | CPU seconds | peak RSS |\n|---|---:|---:|\n".to_owned();
    for store in [Store::Postgres, Store::Sqlite] {
        let (deployment, database) = deploy(store, server).await?;
        let (took, used) = one(options, &data, &deployment, server).await?;
        let rate = options.single_records as f64 / took.as_secs_f64();
        let _ = writeln!(text, "| {} | {rate:.0} |", store.name());
        for (process, used) in used {
            let _ = writeln!(processes, "{}", process_row(store.name(), process, used));
        }
        drop(deployment);
        if let Some(database) = database {
            server.drop_database(&database).await;
        }
    }
    Ok(text + processes.as_str())
}

/// From the worker's start to the last unit done, and what the processes used for it.
async fn one(
    options: &Options,
    data: &Data,
    deployment: &Deployment,
    server: &Server,
) -> Result<(Duration, Vec<(&'static str, Usage)>)> {
    let mut scheduler = deployment.scheduler(0).await?;
    import(data, deployment).await?;
    let before = (scheduler.usage().cpu_seconds, server.cpu());
    let begun = age(deployment).await?;
    let slots = options.single_slots.to_string();
    let mut worker = deployment.start("worker", ["worker", "--slots", &slots])?;
    let took = all_done(data, deployment).await?.saturating_sub(begun);
    let scheduler = scheduler.usage();
    let used = vec![
        ("scheduler", Usage { cpu_seconds: scheduler.cpu_seconds - before.0, ..scheduler }),
        ("worker", worker.usage()),
        ("postgres", Usage { cpu_seconds: server.cpu() - before.1, peak_rss: 0 }),
    ];
    Ok((took, used))
}

/// Imports every record as a unit of its own.
pub(super) async fn import(data: &Data, deployment: &Deployment) -> Result<()> {
    let csv = data.csv().display().to_string();
    let import =
        ["import", &csv, "--job", JOB, "--pack", "vaccination", "--as-of", "2021-09-20", "--unit-size", "1"];
    deployment.start("import", import)?.done(LIMIT).await?;
    Ok(())
}

/// How long ago the job was made.
pub(super) async fn age(deployment: &Deployment) -> Result<Duration> {
    let age = deployment.job(JOB).await?.age.context("a job has an age")?;
    Ok(age.try_into()?)
}

/// Waits for the last unit; how long after the job's making it was done.
pub(super) async fn all_done(data: &Data, deployment: &Deployment) -> Result<Duration> {
    deployment.start("wait", ["wait", JOB, "--until", "reviewing"])?.done(LIMIT).await?;
    let job = deployment.job(JOB).await?;
    let progress = job.progress.unwrap_or_default();
    ensure!(progress.units_done == data.records, "{} units are done", progress.units_done);
    ensure!(job.state != i32::from(JobState::Running), "the job still runs");
    Ok(progress.elapsed.context("a job has a time")?.try_into()?)
}
