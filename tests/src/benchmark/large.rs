//! Ten times the records: ten times the time, and no more memory.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use emend_proto::v1::GetRecordRequest;

use super::Options;
use super::data::Data;
use super::pipeline::{JOB, Store, file_to_file};
use super::report::{Table, median, process_row, seconds};
use super::server::settle;
use crate::process::Deployment;

/// How many times the records.
const TIMES: u64 = 10;
/// How many records are looked up.
const LOOKS: u64 = 100;
/// How many of those by the command, which starts a process for each.
const COMMANDS: usize = 20;

/// One run on SQLite, and records found by key in it.
pub(super) async fn run(options: &Options, table: &Table) -> Result<String> {
    let data = Data::make(options.records * TIMES, options.shuffle).await?;
    settle()?;
    let deployment = Deployment::on_sqlite()?;
    let mut scheduler = deployment.scheduler(0).await?;
    let mut worker = deployment.worker(0)?;
    let mut run = file_to_file(&data, &deployment, None).await?;
    run.used.insert(0, ("worker", worker.usage()));
    run.used.insert(0, ("scheduler", scheduler.usage()));

    let base = table.median(Store::Sqlite.name()).context("the base was measured")?;
    let total = run.phases.total();
    let ratio = total.as_secs_f64() / (base.as_secs_f64() * TIMES as f64);
    let mut text = format!(
        "| {} records, Emend on SQLite | total | to {TIMES} times {} | import | rules, after it | export |\n\
         |---|---:|---:|---:|---:|---:|\n| one run | {} | {ratio:.2}× | {} | {} | {} |\n\n",
        data.records,
        seconds(base),
        seconds(total),
        seconds(run.phases.import),
        seconds(run.phases.process),
        seconds(run.phases.export),
    );
    text += "| process | CPU seconds | peak RSS |\n|---|---:|---:|\n";
    for &(process, used) in &run.used {
        let _ = writeln!(text, "{}", process_row("ten times", process, used));
    }
    text.push('\n');
    text += &look_ups(&data, &deployment).await?;
    Ok(text)
}

/// How long a record by its key takes: the call, and the command with its start.
async fn look_ups(data: &Data, deployment: &Deployment) -> Result<String> {
    let keys = data.some_keys(LOOKS)?;
    let mut jobs = deployment.jobs(0).await?;
    let (mut calls, mut commands) = (Vec::new(), Vec::new());
    for key in &keys {
        let begun = Instant::now();
        let request = GetRecordRequest { job: JOB.to_owned(), key: key.clone(), seq: 0 };
        let found = jobs.get_record(request).await?.into_inner().record;
        calls.push(begun.elapsed().as_secs_f64() * 1e3);
        anyhow::ensure!(found.is_some_and(|record| record.key == *key), "another record than {key}");
    }
    for key in keys.iter().take(COMMANDS) {
        let begun = Instant::now();
        deployment.run(["record", JOB, key]).await?.ok()?;
        commands.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let mut text = "| a record by its key | median | slowest |\n|---|---:|---:|\n".to_owned();
    for (what, times) in [("GetRecord", calls), ("`emend record`", commands)] {
        let slowest = times.iter().copied().fold(0.0, f64::max);
        let middle = median(times).unwrap_or_default();
        let _ = writeln!(text, "| {what} | {middle:.1} ms | {slowest:.1} ms |");
    }
    Ok(text)
}
