//! The runbook's upgrade in the middle of a job: migrate, then schedulers, then workers.

use anyhow::{Result, ensure};
use emend_tests::database::Database;
use emend_tests::invariants;
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Signal, binary, eventually};

use super::{JOB, LIMIT, ROWS, finish, import_line, old, scheduler, sound, undisturbed, worker};

/// How many units are done.
async fn done(deployment: &Deployment) -> Option<u64> {
    Some(deployment.job(JOB).await.ok()?.progress?.units_done)
}

async fn more_done_than(deployment: &Deployment, least: u64) -> Result<u64> {
    eventually("units done", LIMIT, async || done(deployment).await.filter(|units| *units > least)).await
}

async fn migrate(deployment: &Deployment) -> Result<()> {
    deployment.run(["migrate", "--store", deployment.store()]).await?.ok().map(drop)
}

/// The old scheduler is there until a new one serves, and the old worker moves to that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_one_after_the_other() -> Result<()> {
    let (old, new) = (old()?, binary()?);
    let calm = Deployment::on_sqlite()?;
    let (csv, expected) = undisturbed(&calm).await?;
    let server = Postgres::start(&[]);
    let name = server.create_database().await;
    // Short: what the old scheduler could not take back waits for as long.
    let rolled = Deployment::on(&server.url(&name))?
        .schedulers(2)
        .set("EMEND__SCHEDULER__LEASE_TTL", 5)
        .set("EMEND__WORKER__RECORD_TIMEOUT", "2s");
    let mut before = scheduler(&rolled, &old, 0).await?;
    // Not while the schema changes: see the runbook.
    rolled.start("import", import_line(&csv))?.done(LIMIT).await?;
    let mut old_worker = worker(&rolled, &old, "old-worker")?;
    let begun = more_done_than(&rolled, 50).await?;
    migrate(&rolled).await?;
    // The old program's prepared statements fail on the new schema, until it goes.
    let after = scheduler(&rolled, &new, 1).await?;
    before.signal(Signal::Terminate)?;
    before.done(LIMIT).await?;
    let line = ["scheduler", "--store", rolled.store(), "--listen", "127.0.0.1:0"];
    let late = emend_tests::process::run(rolled.command_of(&old, line), LIMIT).await?;
    ensure!(late.code != Some(0) && late.stderr.contains("schema"), "an old one starts: {late:?}");
    let new_worker = worker(&rolled, &new, "new-worker")?;
    eventually("a receipt of the new worker", LIMIT, async || {
        (!invariants::acknowledged(&new_worker.log()).is_empty()).then_some(())
    })
    .await?;
    old_worker.signal(Signal::Terminate)?;
    old_worker.done(LIMIT).await?;
    ensure!(finish(&rolled).await? == expected, "the export is not that of this release alone");
    let (first, second) =
        (invariants::acknowledged(&old_worker.log()), invariants::acknowledged(&new_worker.log()));
    drop((after, new_worker));
    sound(rolled.store(), &Database::on(&server, name), &[first.clone(), second.clone()].concat()).await?;
    println!(
        "PostgreSQL: {ROWS} records, migrated after {begun} units, {} by the old worker, {} by the new, 0 lost, export equal",
        first.len(),
        second.len()
    );
    Ok(())
}

/// SQLite has one scheduler: it stops, the file is migrated, the new one starts. The worker waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_with_a_stop() -> Result<()> {
    let (old, new) = (old()?, binary()?);
    let calm = Deployment::on_sqlite()?;
    let (csv, expected) = undisturbed(&calm).await?;
    let moved = Deployment::on_sqlite()?;
    let mut before = scheduler(&moved, &old, 0).await?;
    let old_worker = worker(&moved, &old, "old-worker")?;
    let mut import = moved.start("import", import_line(&csv))?;
    let begun = more_done_than(&moved, 50).await?;
    before.signal(Signal::Terminate)?;
    before.done(LIMIT).await?;
    migrate(&moved).await?;
    let after = scheduler(&moved, &new, 0).await?;
    let new_worker = worker(&moved, &new, "new-worker")?;
    import.done(LIMIT).await?;
    ensure!(finish(&moved).await? == expected, "the export is not that of this release alone");
    let (first, second) =
        (invariants::acknowledged(&old_worker.log()), invariants::acknowledged(&new_worker.log()));
    drop((after, old_worker, new_worker));
    let file = moved.store().trim_start_matches("sqlite://").to_owned();
    let told = [first.clone(), second.clone()].concat();
    sound(moved.store(), &Database::file(file.as_ref()), &told).await?;
    println!(
        "SQLite: {ROWS} records, migrated after {begun} units, {} by the old worker, {} by the new, 0 lost, export equal",
        first.len(),
        second.len()
    );
    Ok(())
}
