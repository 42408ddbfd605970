//! Records that belong together are compared: from `emend generate --crowd` to the report.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use emend_tests::process::Deployment;
use serde_json::Value;

use super::csv_rows;

const RECORDS: usize = 6_000;

fn lines(bytes: &[u8]) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(bytes)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Relations that rules of one record cannot see, and what of a grouped job is told of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_with_several_records_are_compared_whatever_the_unit_size() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let count = RECORDS.to_string();
    let generate = ["generate", "--crowd", "--records", &count, "--seed", "7", "--out", "crowd"];
    deployment.run(generate).await?.ok()?;
    let folder = deployment.path("crowd");
    let records = folder.join("records.csv").display().to_string();
    ensure!(csv_rows(&folder.join("records.csv"))? == RECORDS);
    let _servers = [deployment.scheduler(0).await?, deployment.worker(0)?];
    let mut exports = Vec::new();
    for size in ["1", "500"] {
        let job = format!("job-{size}");
        let by = ["--group-by", "full_name,date_of_birth", "--unit-size", size];
        let import = ["import", &records, "--job", &job, "--as-of", "2021-09-20"];
        deployment.run(import.iter().chain(&by)).await?.ok()?;
        deployment.run(["wait", &job, "--until", "reviewing"]).await?.ok()?;
        let out = deployment.path(&format!("{job}.jsonl")).display().to_string();
        deployment.run(["export", &job, "--out", &out, "--with-provenance"]).await?.ok()?;
        exports.push(std::fs::read(out)?);
    }
    ensure!(exports[0] == exports[1], "the size of units makes a difference");
    let truths = lines(&std::fs::read(folder.join("truth.jsonl"))?)?;
    let truths: HashMap<&str, &Value> =
        truths.iter().filter_map(|truth| Some((truth["key"].as_str()?, truth))).collect();
    let (mut said, mut right) = (0, 0);
    for line in lines(&exports[0])? {
        let truth = truths[line["key"].as_str().context("a key")?];
        for finding in line["findings"].as_array().context("findings")? {
            let code = finding["code"].as_str().unwrap_or_default();
            if ["duplicate", "two_first", "no_first"]
                .iter()
                .any(|reason| code == format!("dose_number.{reason}"))
            {
                said += 1;
                right += usize::from(truth["finding"] == code);
            }
        }
    }
    ensure!(said > RECORDS / 100 && right == said, "{right} of {said}");
    let status = deployment.run(["status", "job-1", "--json"]).await?.ok()?.json()?;
    let grouping = &status["grouping"];
    ensure!(grouping["state"] == "done" && grouping["groups"].as_u64() > Some(100), "{status}");
    ensure!(grouping["by"][1] == "date_of_birth:date" && grouping["records_apart"] == 0, "{status}");
    let shown = deployment.run(["status", "job-1"]).await?.ok()?;
    ensure!(shown.stdout.contains("full_name"), "{shown:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_reports_what_was_found_and_how_much_of_it_is_right() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let line = ["demo", "--records", "20000", "--group-by", "full_name,date_of_birth", "--out", "demo"];
    let output = deployment.run(line).await?.ok()?;
    let report: Value = serde_json::from_slice(&std::fs::read(deployment.path("demo").join("report.json"))?)?;
    let relations = &report["relations"];
    let precision = relations["precision"]["ratio"].as_f64().unwrap_or_default();
    let found = relations["found"]["ratio"].as_f64().unwrap_or_default();
    ensure!(precision >= 0.999 && (0.3..=1.0).contains(&found), "{report}");
    ensure!(relations["precision"]["of"].as_u64() > Some(500), "{report}");
    // Records that rules of one record can judge are judged as well as ever.
    let quality = &report["quality"];
    for (name, least) in [("precision", 0.9999), ("closed", 0.995), ("routed_right", 1.0)] {
        ensure!(quality[name].as_f64() >= Some(least), "{name}: {quality}");
    }
    ensure!(output.stdout.contains("99.9 %"), "{output:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_grouped_says_why() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let folder = deployment.generate(10).await?;
    let records = folder.join("records.csv").display().to_string();
    let _scheduler = deployment.scheduler(0).await?;
    let import = ["import", &records, "--job", "job", "--as-of", "2021-09-20"];
    for (by, part) in [("nobody", "date_of_birth"), ("phone:loud", "digits"), ("phone,phone", "once")] {
        let output = deployment.run(import.iter().chain(&["--group-by", by])).await?;
        ensure!(output.code != Some(0) && output.stderr.contains(part), "{by}: {output:?}");
    }
    deployment.run(import.iter().chain(&["--group-by", "phone"])).await?.ok()?;
    let other = deployment.run(import.iter().chain(&["--group-by", "national_id"])).await?;
    ensure!(other.code == Some(1) && other.stderr.contains("--group-by"), "{other:?}");
    Ok(())
}
