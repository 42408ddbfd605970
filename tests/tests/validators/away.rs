//! A validator that is not there, or goes away in the middle, costs time alone: no unit is leased that needs it, and what was
//! leased goes back without an attempt.

use anyhow::{Result, ensure};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, eventually};
use std::time::Duration;

use super::register::{Register, Ways};
use super::{LIMIT, import, import_as, reviewing, stop, units, worker};

const RECORDS: u64 = 6_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_pays_for_its_absence_on_sqlite() -> Result<()> {
    costs_nothing(Deployment::on_sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_pays_for_its_absence_on_postgres() -> Result<()> {
    let server = Postgres::shared();
    costs_nothing(Deployment::on(&server.url(&server.create_database().await))?).await
}

async fn costs_nothing(deployment: Deployment) -> Result<()> {
    let deployment = deployment.set("EMEND__WORKER__LEASE_WAIT", "500ms");
    let ways = Ways { cost: Duration::from_millis(2), batch: 50, ..Ways::default() };
    let mut register = Register::away(ways);
    let url = register.url();
    let mut processes =
        [deployment.scheduler(0).await?, worker(&deployment, 0, &url)?, worker(&deployment, 1, &url)?];
    import(&deployment, RECORDS, 100).await?;
    // The workers do what can be done without it, though that came later.
    import_as(&deployment, "plain", 300, 100, &[]).await?;
    deployment.start("wait-plain", ["wait", "plain", "--until", "reviewing"])?.done(LIMIT).await?;
    let progress = deployment.job("job").await?.progress.unwrap_or_default();
    ensure!(progress.units_leased + progress.units_done == 0, "{progress:?}");
    register.start()?;
    let checked = async || (register.checked() > RECORDS / 3).then_some(());
    eventually("a third of the records", LIMIT, checked).await?;
    register.kill();
    let noticed = async || {
        let all = processes[1..].iter().all(|worker| worker.log().contains("a validator is away"));
        all.then_some(())
    };
    eventually("both workers notice", LIMIT, noticed).await?;
    let returned = async || (deployment.job("job").await.ok()?.progress?.units_leased == 0).then_some(());
    eventually("all units go back", LIMIT, returned).await?;
    register.start()?;
    reviewing(&deployment).await?;
    let units = units(&deployment).await?;
    let paid = units.iter().filter(|unit| unit.attempts_left != 3).count();
    ensure!(units.len() as u64 == RECORDS / 100 && paid == 0, "{paid} units have lost an attempt");
    let progress = deployment.job("job").await?.progress.unwrap_or_default();
    ensure!(progress.failed == 0, "{progress:?}");
    stop(&mut processes).await
}

/// It answers `Describe`, and says for a while that it cannot check anything: no fault of the records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_now_is_left_alone_and_costs_nothing() -> Result<()> {
    let deployment = Deployment::on_sqlite()?.set("EMEND__WORKER__LEASE_WAIT", "500ms");
    let mut register = Register::away(Ways { busy: 8, ..Ways::default() });
    register.start()?;
    let mut processes = [deployment.scheduler(0).await?, worker(&deployment, 0, &register.url())?];
    import(&deployment, 300, 100).await?;
    reviewing(&deployment).await?;
    ensure!(units(&deployment).await?.iter().all(|unit| unit.attempts_left == 3), "an attempt was counted");
    let progress = deployment.job("job").await?.progress.unwrap_or_default();
    ensure!(progress.failed == 0, "{progress:?}");
    ensure!(processes[1].log().contains("left alone for a while"), "{}", processes[1].log());
    stop(&mut processes).await
}
