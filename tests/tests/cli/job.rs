//! One job from file to file, with everything that can be asked about it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use emend_tests::process::Deployment;
use serde_json::Value;

use super::demo::check_shape;
use super::{FAILED, REJECTS, csv_rows, expect, generated, import};

const RECORDS: u64 = 5000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_from_file_to_file() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let _worker = deployment.worker(0)?;
    let csv = generated(&deployment, RECORDS).await?;
    let key = spoil(&csv)?;
    let file = csv.display().to_string();
    check_import(&deployment, &file).await?;
    deployment.run(["wait", "job", "--until", "reviewing"]).await?.ok()?;
    let status = deployment.run(["status", "job", "--json"]).await?.ok()?.json()?;
    check_shape(&status, RECORDS)?;
    expect(&deployment.run(["status"]).await?, 0, &["job", "reviewing"])?;
    check_record(&deployment, &key).await?;
    check_units(&deployment, &status).await?;
    check_exports(&deployment, &csv, &status).await?;
    check_round_trip(&deployment).await
}

/// Adds a row with too few columns, one without a key, and one whose key is there; that key.
fn spoil(csv: &Path) -> Result<String> {
    let first = csv::Reader::from_path(csv)?.records().next().context("there are records")??;
    let key = first[0].to_owned();
    let mut file = std::fs::File::options().append(true).open(csv)?;
    let blanks = ",".repeat(first.len() - 2);
    std::io::Write::write_all(
        &mut file,
        format!("too,few\n,No Key{blanks}\n{key},Other{blanks}\n").as_bytes(),
    )?;
    Ok(key)
}

async fn check_import(deployment: &Deployment, file: &str) -> Result<()> {
    let line: Vec<&str> = import(file, "job").into_iter().chain(["--json"]).collect();
    let output = deployment.run(&line).await?;
    expect(&output, REJECTS, &[])?;
    let summary = output.json()?;
    let counts = ["rows", "accepted", "already_there", "rejected"].map(|name| summary[name].as_u64());
    ensure!(counts == [Some(RECORDS + 3), Some(RECORDS), Some(0), Some(3)], "{summary}");
    let rejects = std::fs::read_to_string(format!("{file}.rejects.csv"))?;
    let reasons = ["column_count", "missing_key", "duplicate_key"];
    for reason in reasons {
        ensure!(rejects.contains(reason), "{reason} is not in {rejects}");
    }
    ensure!(!rejects.contains("Other"), "a value in {rejects}");
    // The same file again brings nothing, into a sealed job too; its rejects are told again.
    let again = deployment.run(&line).await?;
    expect(&again, REJECTS, &[])?;
    let again = again.json()?;
    ensure!(again["nothing_new"] == true && again["accepted"] == RECORDS, "{again}");
    Ok(())
}

async fn check_record(deployment: &Deployment, key: &str) -> Result<()> {
    let record = deployment.run(["record", "job", key, "--json"]).await?.ok()?.json()?;
    ensure!(record["key"] == key && record["input"]["record_id"] == key, "{record}");
    for part in ["verdict", "fields", "changes", "findings", "unit", "receipt"] {
        ensure!(!record[part].is_null(), "no {part} in {record}");
    }
    expect(&deployment.run(["record", "job", key]).await?, 0, &[key, "receipt"])?;
    expect(&deployment.run(["record", "job", "NO-SUCH-KEY"]).await?, FAILED, &["no record"])
}

async fn check_units(deployment: &Deployment, status: &Value) -> Result<()> {
    let units = deployment.run(["units", "job", "--json"]).await?.ok()?.json()?;
    let units = units.as_array().context("a list of units")?;
    ensure!(status["units"]["done"].as_u64() == Some(units.len() as u64), "{} units", units.len());
    let mut next = 1;
    for unit in units {
        ensure!(unit["state"] == "done" && unit["first_seq"] == next, "{unit}");
        next = unit["last_seq"].as_u64().unwrap_or_default() + 1;
    }
    ensure!(next == RECORDS + 1, "the units end at {next}");
    Ok(())
}

async fn export(deployment: &Deployment, out: &str, flags: &[&str]) -> Result<std::path::PathBuf> {
    let line = ["export", "job", "--out", out];
    deployment.run(line.iter().chain(flags)).await?.ok()?;
    Ok(deployment.path(out))
}

async fn check_exports(deployment: &Deployment, input: &Path, status: &Value) -> Result<()> {
    let csv = export(deployment, "out.csv", &[]).await?;
    ensure!(csv_rows(&csv)? as u64 == RECORDS);
    let header = |path: &Path| -> Result<Vec<String>> {
        Ok(csv::Reader::from_path(path)?.headers()?.iter().map(str::to_owned).collect())
    };
    let columns = header(input)?;
    ensure!(header(&csv)? == columns, "the columns differ from those of the import");
    let with_provenance = export(deployment, "provenance.csv", &["--with-provenance"]).await?;
    let provenance = ["verdict", "findings", "decision", "decision_reason"].map(str::to_owned);
    let more: Vec<String> = columns.into_iter().chain(provenance).collect();
    ensure!(header(&with_provenance)? == more, "{:?}", header(&with_provenance)?);
    for verdict in ["valid", "corrected", "routed", "failed"] {
        let only = export(deployment, "only.csv", &["--only", verdict]).await?;
        let wanted = status["verdicts"][verdict].as_u64();
        ensure!(Some(csv_rows(&only)? as u64) == wanted, "--only {verdict}: not {wanted:?} rows");
    }
    let lines = export(deployment, "out.jsonl", &["--with-provenance"]).await?;
    check_lines(&std::fs::read_to_string(lines)?)
}

/// Each line has the parts of the contract, and every change leads to the value that is there.
fn check_lines(text: &str) -> Result<()> {
    ensure!(text.lines().count() as u64 == RECORDS);
    let (mut changes, mut findings) = (0, 0);
    for line in text.lines() {
        let record: Value = serde_json::from_str(line)?;
        let (Some(changed), Some(found)) = (record["changes"].as_array(), record["findings"].as_array())
        else {
            anyhow::bail!("{line}");
        };
        ensure!(record["key"].is_string() && record["verdict"].is_string(), "{line}");
        for change in changed {
            let field = change["field"].as_str().unwrap_or_default();
            let last = changed.iter().rfind(|other| other["field"] == *field).context("seen")?;
            ensure!(change["rule"].is_string() && change["before"] != change["after"], "{line}");
            ensure!(last["after"] == record["fields"][field], "{line}");
            changes += 1;
        }
        for finding in found {
            let named = finding["code"].is_string() && finding["field"].is_string();
            ensure!(named && finding["proposals"].is_array(), "{line}");
            findings += 1;
        }
        ensure!((record["verdict"] == "routed") != found.is_empty(), "{line}");
    }
    ensure!(changes > 0 && findings > 0, "{changes} changes, {findings} findings");
    Ok(())
}

/// What was exported comes in again whole, from every format, and a second pass corrects nothing.
async fn check_round_trip(deployment: &Deployment) -> Result<()> {
    export(deployment, "out.xlsx", &[]).await?;
    export(deployment, "plain.jsonl", &[]).await?;
    for (file, job) in [("out.csv", "csv"), ("out.xlsx", "xlsx"), ("plain.jsonl", "jsonl")] {
        let line: Vec<&str> = import(file, job).into_iter().chain(["--json"]).collect();
        let summary = deployment.run(line).await?.ok()?.json()?;
        ensure!(summary["accepted"] == RECORDS, "{file}: {summary}");
        deployment.run(["wait", job]).await?.ok()?;
        let status = deployment.run(["status", job, "--json"]).await?.ok()?.json()?;
        ensure!(status["verdicts"]["corrected"] == 0, "{file} was corrected again: {status}");
    }
    Ok(())
}
