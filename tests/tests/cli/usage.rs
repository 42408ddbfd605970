//! Wrong command lines: exit code 2, and the flag at fault by name.

use anyhow::Result;
use emend_tests::process::Deployment;

use super::{FAILED, USAGE, expect, generated};

#[tokio::test]
async fn what_is_wrong_is_named() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let cases: [(&[&str], &[&str]); 12] = [
        (&[], &["Usage"]),
        (&["exprot"], &["exprot", "export"]),
        (&["import", "records.csv"], &["--job"]),
        (&["import", "records.csv", "--job", "x", "--unit-size", "0"], &["--unit-size"]),
        (&["import", "records.csv", "--job", "x", "--encoding", "klingon"], &["klingon"]),
        (&["export", "x"], &["--out"]),
        (&["export", "x", "--out", "a.csv", "--only", "wrong"], &["--only", "wrong"]),
        (&["export", "x", "--out", "a.unknown"], &["a.unknown", "--format"]),
        (&["wait", "x", "--until", "never"], &["--until", "never", "reviewing"]),
        (&["worker", "--slots", "0"], &["--slots"]),
        (&["worker", "--scheduler", "ftp://nowhere"], &["ftp://nowhere"]),
        (&["generate", "--records", "5", "--out", "x"], &["--seed"]),
    ];
    for (line, words) in cases {
        expect(&deployment.run(line).await?, USAGE, words)?;
    }
    Ok(())
}

#[tokio::test]
async fn help_and_version_are_there() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    for command in [
        "demo",
        "generate",
        "scheduler",
        "worker",
        "import",
        "status",
        "wait",
        "export",
        "record",
        "simulate-shift",
    ] {
        expect(&deployment.run([command, "--help"]).await?, 0, &["Usage", "Example"])?;
    }
    expect(&deployment.run(["--version"]).await?, 0, &["emend 0."])
}

#[tokio::test]
async fn a_setting_that_is_not_known_is_an_error() -> Result<()> {
    let by_environment = Deployment::on_sqlite()?.set("EMEND__SCHEDULER__LEASE_TIME", 5);
    expect(&by_environment.run(["scheduler"]).await?, USAGE, &["lease_time"])?;
    let by_file = Deployment::on_sqlite()?;
    std::fs::write(by_file.path("emend.toml"), "[worker]\nslot = 3\n")?;
    expect(&by_file.run(["worker", "--config", "emend.toml"]).await?, USAGE, &["slot"])?;
    let out_of_range = Deployment::on_sqlite()?.set("EMEND__SCHEDULER__LEASE_TTL", 0);
    expect(&out_of_range.run(["scheduler"]).await?, USAGE, &["lease_ttl"])
}

#[tokio::test]
async fn without_a_scheduler_a_client_says_where_it_looked() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    expect(&deployment.run(["status"]).await?, FAILED, &["--scheduler"])
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let line = super::import("no-such.csv", "x");
    expect(&deployment.run(line).await?, FAILED, &["no-such.csv"])?;
    let unknown_pack = generated(&deployment, 10).await?.display().to_string();
    let line = ["import", &unknown_pack, "--job", "x", "--pack", "cats", "--as-of", "2021-09-20"];
    expect(&deployment.run(line).await?, USAGE, &["cats", "vaccination"])
}
