//! Readiness follows the store and the drain; liveness follows neither.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use emend_tests::postgres::Postgres;
use emend_tests::probes::Probes;
use emend_tests::process::{Deployment, Process, Signal, eventually};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const LIMIT: Duration = Duration::from_secs(30);

async fn until_ready(probes: Probes, status: u16) -> Result<()> {
    let what = format!("/readyz answers {status}");
    eventually(&what, LIMIT, async || (probes.status("/readyz").await == Some(status)).then_some(())).await
}

async fn health(deployment: &Deployment, service: &str) -> Result<ServingStatus> {
    let channel = Channel::from_shared(deployment.url(0))?.connect().await?;
    let request = HealthCheckRequest { service: service.to_owned() };
    Ok(HealthClient::new(channel).check(request).await?.into_inner().status())
}

async fn until_health(deployment: &Deployment, status: ServingStatus) -> Result<()> {
    for service in ["", "emend.v1.JobService", "emend.v1.WorkService", "externalscaler.ExternalScaler"] {
        let what = format!("health of `{service}` is {status:?}");
        let look = async || (health(deployment, service).await.ok() == Some(status)).then_some(());
        eventually(&what, LIMIT, look).await?;
    }
    Ok(())
}

/// Stops the server, and takes what starts it again.
fn stop(postgres: &Postgres) -> Result<Command> {
    let data = postgres.folder().join("data");
    let line = std::fs::read_to_string(data.join("postmaster.opts"))?;
    let id = std::fs::read_to_string(data.join("postmaster.pid"))?;
    let id = id.lines().next().unwrap_or_default().to_owned();
    let stopped = Command::new("kill").args(["-INT", &id]).status()?;
    ensure!(stopped.success(), "the server {id} was not there");
    let line = format!("exec {line}");
    let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?) == 0;
    let mut again = Command::new(if root { "setpriv" } else { "sh" });
    if root {
        again.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "sh"]);
    }
    again.args(["-c", &line]).current_dir("/");
    Ok(again)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_follows_the_store_and_liveness_does_not() -> Result<()> {
    let postgres = Postgres::start(&[]);
    let database = postgres.create_database().await;
    let probes = Probes::free();
    let deployment =
        Deployment::on(&postgres.url(&database))?.set("EMEND__SCHEDULER__PROBES", probes.address);
    let mut scheduler = deployment.scheduler(0).await?;
    until_ready(probes, 200).await?;
    until_health(&deployment, ServingStatus::Serving).await?;
    ensure!(probes.scrape().await?.sum("emend_store_up", &[]) == Some(1.0));

    let mut again = stop(&postgres)?;
    until_ready(probes, 503).await?;
    ensure!(probes.get("/readyz").await?.1.contains("store"), "it says why");
    ensure!(probes.status("/livez").await == Some(200), "a database that is away is no reason to restart");
    until_health(&deployment, ServingStatus::NotServing).await?;
    let begun = Instant::now();
    let scrape = probes.scrape().await?;
    ensure!(begun.elapsed() < Duration::from_secs(5), "metrics took {:?} without the store", begun.elapsed());
    ensure!(scrape.sum("emend_store_up", &[]) == Some(0.0));

    let _postgres = Process::start("postgres", &mut again, &deployment.path("postgres.log"))?;
    until_ready(probes, 200).await?;
    until_health(&deployment, ServingStatus::Serving).await?;
    let scrape = probes.scrape().await?;
    ensure!(scrape.sum("emend_store_errors_total", &[("kind", "unavailable")]) > Some(0.0));
    scheduler.signal(Signal::Terminate)?;
    scheduler.done(LIMIT).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_database_shows_too() -> Result<()> {
    let postgres = Postgres::start(&[]);
    let database = postgres.create_database().await;
    let probes = Probes::free();
    let deployment =
        Deployment::on(&postgres.url(&database))?.set("EMEND__SCHEDULER__PROBES", probes.address);
    let _scheduler = deployment.scheduler(0).await?;
    until_ready(probes, 200).await?;
    let id = std::fs::read_to_string(postgres.folder().join("data/postmaster.pid"))?;
    let id = id.lines().next().unwrap_or_default().to_owned();
    let kill = |name: &str, of: &[&str]| {
        ensure!(Command::new("kill").arg(name).args(of).status()?.success(), "kill {name}");
        anyhow::Ok(())
    };
    // The postmaster first, so that it forks nobody who would go on, and then those that it has forked.
    let signal = |name: &str| {
        kill(name, &[id.as_str()])?;
        let family = Command::new("pgrep").args(["-P", &id]).output()?;
        let children = String::from_utf8_lossy(&family.stdout).into_owned();
        kill(name, &children.split_whitespace().collect::<Vec<_>>())
    };
    signal("-STOP")?;
    let down = until_ready(probes, 503).await;
    let alive = probes.status("/livez").await;
    signal("-CONT")?;
    down?;
    ensure!(alive == Some(200));
    until_ready(probes, 200).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_is_told_before_work_ends() -> Result<()> {
    let (probes, delay) = (Probes::free(), 3.0);
    let deployment = Deployment::on_sqlite()?
        .set("EMEND__SCHEDULER__PROBES", probes.address)
        .set("EMEND__SCHEDULER__DRAIN_DELAY", delay);
    let mut scheduler = deployment.scheduler(0).await?;
    until_ready(probes, 200).await?;
    let asked = Instant::now();
    scheduler.signal(Signal::Terminate)?;
    until_ready(probes, 503).await?;
    ensure!(probes.get("/readyz").await?.1.contains("stopping"), "it says why");
    ensure!(probes.status("/livez").await == Some(200));
    until_health(&deployment, ServingStatus::NotServing).await?;
    // Whoever has not heard of it yet is served as before.
    deployment.run(["status", "--json"]).await?.ok()?;
    let told = asked.elapsed();
    scheduler.done(LIMIT).await?;
    ensure!(told < Duration::from_secs_f64(delay) && asked.elapsed() >= Duration::from_secs_f64(delay));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_ready_once_a_scheduler_has_answered() -> Result<()> {
    let probes = Probes::free();
    let deployment = Deployment::on_sqlite()?
        .set("EMEND__WORKER__PROBES", probes.address)
        .set("EMEND__WORKER__LEASE_WAIT", "1s");
    let mut worker = deployment.worker(0)?;
    let said = async || probes.get("/readyz").await.ok().filter(|(_, said)| said.contains("no scheduler"));
    let (status, _) = eventually("the worker says what it waits for", LIMIT, said).await?;
    ensure!(status == 503);
    ensure!(probes.status("/livez").await == Some(200));
    let _scheduler = deployment.scheduler(0).await?;
    until_ready(probes, 200).await?;
    worker.signal(Signal::Terminate)?;
    worker.done(LIMIT).await.map(drop)
}

#[tokio::test]
async fn a_taken_port_is_said() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let deployment = Deployment::on_sqlite()?
        .set("EMEND__SCHEDULER__PROBES", &address)
        .set("EMEND__WORKER__PROBES", &address);
    for (line, setting) in [
        (&["scheduler", "--store", deployment.store(), "--listen", "127.0.0.1:0"][..], "scheduler.probes"),
        (&["worker"], "worker.probes"),
    ] {
        let output = deployment.run(line).await?;
        ensure!(output.code == Some(1), "{output:?}");
        ensure!(output.stderr.contains(&address) && output.stderr.contains(setting), "{output:?}");
    }
    Ok(())
}
