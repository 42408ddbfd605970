//! docs/METRICS.md is what /metrics serves: no metric without its row, no row without its metric.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_tests::probes::{Probes, Scrape};
use emend_tests::process::{Deployment, eventually};

use super::root;

const LIMIT: Duration = Duration::from_secs(60);

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) labels: BTreeSet<String>,
    /// `scheduler`, `worker` or both.
    pub(super) from: String,
    /// Not served in every deployment: what it takes is said in the meaning.
    sometimes: bool,
}

/// The table, by metric.
pub(super) fn table() -> Result<BTreeMap<String, Row>> {
    let text = std::fs::read_to_string(root().join("docs/METRICS.md"))?;
    let mut table = BTreeMap::new();
    let of_metric = |line: &&str| line.starts_with("| `emend_") || line.starts_with("| `process_");
    for line in text.lines().filter(of_metric) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, from, meaning] = cells[..] else { anyhow::bail!("not five cells: {line}") };
        let labels = labels.split(", ").map(|label| label.trim_matches('`').to_owned());
        let row = Row {
            kind: kind.to_owned(),
            labels: labels.filter(|label| !label.is_empty()).collect(),
            from: from.to_owned(),
            sometimes: meaning.starts_with("Only "),
        };
        let name = name.trim_matches('`').to_owned();
        ensure!(table.insert(name.clone(), row).is_none(), "{name} stands in the table twice");
    }
    ensure!(table.len() > 30, "only {} rows", table.len());
    Ok(table)
}

fn compare(table: &BTreeMap<String, Row>, scrape: &Scrape, from: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, kind) in &scrape.kinds {
        match table.get(name).filter(|row| row.from.contains(from)) {
            None => faults.push(format!("{name} of the {from} is not in the table")),
            Some(row) if row.kind != *kind => faults.push(format!("{name} is a {kind}, not a {}", row.kind)),
            Some(row) if row.labels != scrape.labels(name) => {
                faults.push(format!("{name} has the labels {:?}, not {:?}", scrape.labels(name), row.labels));
            }
            Some(_) => {}
        }
    }
    let expected = table.iter().filter(|(_, row)| row.from.contains(from) && !row.sometimes);
    let missing = expected.filter(|(name, _)| !scrape.kinds.contains_key(*name));
    faults.extend(missing.map(|(name, _)| format!("{name} is not served by the {from}")));
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_is_what_is_served() -> Result<()> {
    let (scheduler_probes, worker_probes) = (Probes::free(), Probes::free());
    let deployment = Deployment::on_sqlite()?
        .set("EMEND__SCHEDULER__PROBES", scheduler_probes.address)
        .set("EMEND__WORKER__PROBES", worker_probes.address);
    let _scheduler = deployment.scheduler(0).await?;
    let csv = deployment.generate(2_000).await?.join("records.csv").display().to_string();
    // One job is done, and one waits for ever.
    let import = |job| {
        ["import", &csv, "--job", job, "--pack", "vaccination", "--as-of", "2021-09-20", "--unit-size", "100"]
            .map(str::to_owned)
    };
    let worker = deployment.worker(0)?;
    deployment.run(import("done")).await?.ok()?;
    deployment.run(["wait", "done", "--until", "reviewing"]).await?.ok()?;
    let told = async || {
        let scrape = worker_probes.scrape().await.ok()?;
        (scrape.sum("emend_worker_records_total", &[]) == Some(2_000.0)).then_some(scrape)
    };
    let of_worker = eventually("the worker has told all it did", LIMIT, told).await?;
    drop(worker);
    deployment.run(import("waits")).await?.ok()?;
    let waits = async || {
        let scrape = scheduler_probes.scrape().await.ok()?;
        (scrape.sum("emend_units", &[("job", "waits"), ("state", "ready")]) == Some(20.0)).then_some(scrape)
    };
    let of_scheduler = eventually("the job that waits is told", LIMIT, waits).await?;

    let table = table()?;
    let faults: Vec<_> = compare(&table, &of_scheduler, "scheduler")
        .into_iter()
        .chain(compare(&table, &of_worker, "worker"))
        .collect();
    ensure!(faults.is_empty(), "docs/METRICS.md: {faults:#?}");

    let sum = |name: &str, labels: &[(&str, &str)]| of_scheduler.sum(name, labels).unwrap_or(f64::NAN);
    ensure!(sum("emend_leases_granted_total", &[]) >= 20.0);
    ensure!(sum("emend_commits_total", &[("outcome", "accepted")]) == 20.0);
    ensure!(sum("emend_records_total", &[]) == 2_000.0);
    ensure!(sum("emend_import_rows_total", &[("outcome", "accepted")]) == 4_000.0);
    ensure!(sum("emend_jobs", &[("state", "reviewing")]) == 1.0);
    ensure!(sum("emend_job_records_left", &[("job", "waits")]) == 2_000.0);
    // A job that is done is told no more.
    ensure!(of_scheduler.sum("emend_units", &[("job", "done")]).is_none());
    let commits = [("method", "emend.v1.WorkService/CommitUnits"), ("code", "OK")];
    ensure!(sum("emend_grpc_calls_total", &commits) >= 1.0);
    // What was measured on the job before counts for the one that waits.
    ensure!(sum("emend_job_rate_seen", &[("job", "waits")]) == 1.0);
    Ok(())
}

/// A label whose values come from outside makes series without end, or tells what nobody should read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_call_makes_no_series() -> Result<()> {
    let probes = Probes::free();
    let deployment = Deployment::on_sqlite()?.set("EMEND__SCHEDULER__PROBES", probes.address);
    let _scheduler = deployment.scheduler(0).await?;
    let channel = tonic::transport::Channel::from_shared(deployment.url(0))?.connect().await?;
    for number in 0..20 {
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await?;
        let path = format!("/emend.v1.Invented{number}/Call").try_into().context("a path")?;
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let answer = client.unary(tonic::Request::new(()), path, codec).await;
        ensure!(answer.is_err_and(|status| status.code() == tonic::Code::Unimplemented));
    }
    let scrape = probes.scrape().await?;
    let other = [("method", "other"), ("code", "UNIMPLEMENTED")];
    ensure!(scrape.sum("emend_grpc_calls_total", &other) == Some(20.0));
    ensure!(!scrape.series.iter().any(|series| format!("{series:?}").contains("Invented")));
    Ok(())
}
