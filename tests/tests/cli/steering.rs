//! Pause, resume, cancel, delete.

use anyhow::{Result, ensure};
use emend_tests::process::Deployment;

use super::{FAILED, USAGE, expect, generated, import};

async fn state(deployment: &Deployment, job: &str) -> Result<String> {
    let status = deployment.run(["status", job, "--json"]).await?.ok()?.json()?;
    Ok(status["state"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_job_waits_and_goes_on() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let csv = generated(&deployment, 2000).await?.display().to_string();
    deployment.run(import(&csv, "steered")).await?.ok()?;
    deployment.run(["pause", "steered"]).await?.ok()?;
    let _worker = deployment.worker(0)?;
    expect(&deployment.run(["wait", "steered", "--timeout", "1s"]).await?, FAILED, &["--timeout"])?;
    let status = deployment.run(["status", "steered", "--json"]).await?.ok()?.json()?;
    ensure!(status["paused"] == true && status["units"]["done"] == 0, "{status}");
    expect(&deployment.run(["export", "steered", "--out", "x.csv"]).await?, FAILED, &["--partial"])?;
    ensure!(!deployment.path("x.csv").exists(), "a file of a job that is not finished");
    deployment.run(["export", "steered", "--out", "x.csv", "--partial"]).await?.ok()?;
    ensure!(super::csv_rows(&deployment.path("x.csv"))? == 2000, "pending records are missing");
    deployment.run(["resume", "steered"]).await?.ok()?;
    deployment.run(["wait", "steered", "--until", "reviewing"]).await?.ok()?;
    ensure!(state(&deployment, "steered").await? == "reviewing");
    // It has records for people, so it is not completed.
    let wait = deployment.run(["wait", "steered", "--until", "completed", "--timeout", "1s"]).await?;
    expect(&wait, FAILED, &["steered"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_is_deleted_and_its_name_is_free() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let csv = generated(&deployment, 2000).await?.display().to_string();
    deployment.run(import(&csv, "gone")).await?.ok()?;
    expect(&deployment.run(["delete", "gone", "--yes"]).await?, FAILED, &["emend cancel gone"])?;
    deployment.run(["cancel", "gone"]).await?.ok()?;
    deployment.run(["cancel", "gone"]).await?.ok()?;
    ensure!(state(&deployment, "gone").await? == "cancelled");
    expect(&deployment.run(["wait", "gone"]).await?, FAILED, &["cancelled"])?;
    expect(&deployment.run(["delete", "gone"]).await?, USAGE, &["--yes"])?;
    deployment.run(["delete", "gone", "--yes"]).await?.ok()?;
    expect(&deployment.run(["status", "gone"]).await?, FAILED, &["gone"])?;
    let all = deployment.run(["status", "--json"]).await?.ok()?.json()?;
    ensure!(all.as_array().is_some_and(Vec::is_empty), "{all}");
    let again = deployment.run(import(&csv, "gone").iter().chain(&["--json"])).await?.ok()?.json()?;
    ensure!(again["created"] == true && again["accepted"] == 2000, "{again}");
    Ok(())
}

#[tokio::test]
async fn a_job_that_is_not_there_is_said_by_every_command() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let lines: [&[&str]; 10] = [
        &["status", "nobody"],
        &["wait", "nobody"],
        &["export", "nobody", "--out", "x.csv"],
        &["record", "nobody", "KEY"],
        &["units", "nobody"],
        &["pause", "nobody"],
        &["resume", "nobody"],
        &["set", "nobody", "--weight", "1"],
        &["cancel", "nobody"],
        &["delete", "nobody", "--yes"],
    ];
    for line in lines {
        expect(&deployment.run(line).await?, FAILED, &["`nobody` not found"])?;
    }
    ensure!(!deployment.path("x.csv").exists());
    Ok(())
}

#[tokio::test]
async fn a_job_says_how_urgent_it_is() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let csv = generated(&deployment, 100).await?.display().to_string();
    let flags = ["--priority", "-3", "--deadline", "6h"];
    deployment.run(import(&csv, "j").iter().chain(&flags)).await?.ok()?;
    // The same again brings nothing new; other flags are refused rather than passed over.
    deployment.run(import(&csv, "j").iter().chain(&flags)).await?.ok()?;
    let other = deployment.run(import(&csv, "j").iter().chain(&["--priority", "4"])).await?;
    expect(&other, FAILED, &["priority -3, not 4", "emend set"])?;
    expect(&deployment.run(["status", "j"]).await?, 0, &["priority -3, weight 100, deadline in 5 h 59 min"])?;
    expect(&deployment.run(["set", "j"]).await?, USAGE, &["--weight"])?;
    expect(&deployment.run(["set", "j", "--weight", "0"]).await?, USAGE, &["--weight"])?;
    let set = ["set", "j", "--weight", "300", "--deadline", "none", "--json"];
    let report = deployment.run(set).await?.ok()?.json()?;
    ensure!(report["weight"] == 300 && report["priority"] == -3, "{report}");
    ensure!(report["deadline_in_seconds"].is_null(), "{report}");
    Ok(())
}
