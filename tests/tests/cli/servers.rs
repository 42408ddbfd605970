//! Schedulers and workers that cannot start say why; those that are asked to stop do so.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, ensure};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Signal, free_port};

use super::{FAILED, USAGE, expect};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_taken_port_is_said() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let listen = taken.local_addr()?.to_string();
    let output = deployment.run(["scheduler", "--store", deployment.store(), "--listen", &listen]).await?;
    expect(&output, FAILED, &[&listen, "--listen"])
}

#[tokio::test]
async fn another_address_than_loopback_needs_the_word() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let output = deployment.run(["scheduler", "--listen", "0.0.0.0:0"]).await?;
    expect(&output, USAGE, &["--insecure"])
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_without_its_password() -> Result<()> {
    let store = format!("postgres://me:s3cret@127.0.0.1:{}/emend", free_port());
    let deployment = Deployment::on(&store)?;
    for line in
        [&["scheduler", "--store", &store, "--listen", "127.0.0.1:0"][..], &["migrate", "--store", &store]]
    {
        let output = deployment.run(line).await?;
        expect(&output, FAILED, &["postgres://me"])?;
        ensure!(!format!("{output:?}").contains("s3cret"), "{output:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_store_is_named() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let output = deployment.run(["scheduler", "--store", "mysql://x", "--listen", "127.0.0.1:0"]).await?;
    ensure!(output.code != Some(0), "{output:?}");
    expect(&output, output.code.unwrap_or_default(), &["mysql://x", "sqlite://"])
}

#[tokio::test]
async fn a_database_that_forgets_is_refused() -> Result<()> {
    let postgres = Postgres::start(&["fsync=off"]);
    let database = postgres.create_database().await;
    let deployment = Deployment::on(&postgres.url(&database))?;
    let output =
        deployment.run(["scheduler", "--store", deployment.store(), "--listen", "127.0.0.1:0"]).await?;
    expect(&output, FAILED, &["fsync"])
}

#[tokio::test]
async fn a_second_scheduler_on_one_file_is_refused() -> Result<()> {
    let deployment = Deployment::on_sqlite()?.schedulers(2);
    let mut first = deployment.scheduler(0).await?;
    let mut second = deployment.start_scheduler(1)?;
    let ended = second.end(LIMIT).await?;
    ensure!(ended.code == Some(FAILED) && second.log().contains("in use by another"), "{}", second.log());
    ensure!(!first.has_ended(), "the first one ended too:\n{}", first.log());
    // Killed, it leaves no lock behind.
    first.kill()?;
    deployment.scheduler(1).await.map(drop)
}

#[tokio::test]
async fn servers_end_well_when_asked() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let mut scheduler = deployment.scheduler(0).await?;
    let mut worker = deployment.worker(0)?;
    // A watcher stays connected: it must not hold the scheduler up.
    let csv = super::generated(&deployment, 10).await?.display().to_string();
    deployment.run(super::import(&csv, "stop")).await?.ok()?;
    deployment.run(["wait", "stop"]).await?.ok()?;
    let _watcher = deployment.start("watcher", ["status", "stop", "--watch"])?;
    worker.signal(Signal::Terminate)?;
    worker.done(LIMIT).await?;
    scheduler.signal(Signal::Terminate)?;
    scheduler.done(LIMIT).await.map(drop)
}
