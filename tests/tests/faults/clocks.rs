//! Wall clocks that are ten years off, or jump by twenty: the outcome is that of a run with true ones.

use std::time::Duration;

use anyhow::{Result, ensure};
use emend_scheduler::store::{Mutant, Store};
use emend_tests::database::Database;
use emend_tests::invariants;
use emend_tests::mutants::{self, fails_on};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process};
use emend_tests::wall_clock::WallClock;

use super::{LIMIT, amount};

const JOB: &str = "clocks";
/// Long: no lease runs out by itself.
const LEASE: u64 = 30;
const AHEAD: &str = "+10y";
const BEHIND: &str = "-10y";
const YEAR: i64 = 365 * 24 * 3_600 * 1_000;
/// The year of the machine's own clock is at least this far from a wrong one's.
const FAR: i64 = 9 * YEAR;

async fn run_job(deployment: &Deployment, csv: &str) -> Result<Vec<u8>> {
    let line =
        ["import", csv, "--job", JOB, "--pack", "vaccination", "--as-of", "2021-09-20", "--unit-size", "10"];
    deployment.start("import", line)?.done(LIMIT * 10).await?;
    deployment.start("wait", ["wait", JOB])?.done(LIMIT * 10).await?;
    let out = deployment.path("out.jsonl");
    let shown = out.display().to_string();
    deployment.start("export", ["export", JOB, "--out", &shown, "--with-provenance"])?.done(LIMIT).await?;
    Ok(std::fs::read(out)?)
}

/// A file of records, and what should come out.
async fn undisturbed(calm: &Deployment) -> Result<(String, Vec<u8>)> {
    let rows = amount("CLOCK_RECORDS", 20_000);
    let csv = calm.generate(rows).await?.join("records.csv").display().to_string();
    let _processes = (calm.scheduler(0).await?, calm.worker(0)?);
    let expected = run_job(calm, &csv).await?;
    Ok((csv, expected))
}

/// The year in which a process says that it lives: its log begins with the time.
fn year(process: &Process) -> Option<i64> {
    process.log().get(..4)?.parse().ok()
}

/// Workers with wrong clocks.
fn workers(deployment: &Deployment, clocks: &WallClock) -> Result<Vec<Process>> {
    let worker = |(at, offset)| {
        let mut command = deployment.command(["worker"]);
        clocks.off_by(offset, &mut command);
        Process::start("worker", &mut command, &deployment.path(&format!("worker-{at}.log")))
    };
    [AHEAD, BEHIND].into_iter().enumerate().map(worker).collect()
}

/// Two schedulers on one PostgreSQL, twenty years apart.
async fn schedulers_twenty_years_apart() -> Result<()> {
    let clocks = WallClock::new()?;
    let calm = Deployment::on_sqlite()?;
    let (csv, expected) = undisturbed(&calm).await?;
    let server = Postgres::start(&[]);
    let name = server.create_database().await;
    let rough = Deployment::on(&server.url(&name))?.schedulers(2).set("EMEND__SCHEDULER__LEASE_TTL", LEASE);
    // Opened first, so that the schedulers find a schema.
    let store = Store::open(rough.store(), 2).await?;
    let before = store.now().await?.0;
    let mut processes = Vec::new();
    for (at, offset) in [AHEAD, BEHIND].into_iter().enumerate() {
        let mut command = rough.scheduler_command(at)?;
        clocks.off_by(offset, &mut command);
        processes.push(Process::start(
            "scheduler",
            &mut command,
            &rough.path(&format!("scheduler-{at}.log")),
        )?);
        rough.serving(at).await?;
    }
    processes.extend(workers(&rough, &clocks)?);
    let found = run_job(&rough, &csv).await?;
    let after = store.now().await?.0;
    let database = Database::on(&server, name);
    let told = database.ints("SELECT created_at FROM jobs UNION ALL SELECT done_at FROM units").await;
    let wrong = told.iter().filter(|time| !(before..=after).contains(time)).count();
    ensure!(wrong == 0, "{wrong} of {} times are not of the store's clock", told.len());
    let again = database.int("SELECT COUNT(*) FROM units WHERE epoch > 1").await;
    ensure!(again == 0, "{again} leases were lost");
    ensure!(found == expected, "the export is not that of an undisturbed run");
    // A mutant writes no log.
    if mutants::current().is_none() {
        let years: Vec<_> = processes.iter().filter_map(year).collect();
        let [ahead, behind, as_ahead, as_behind] = years[..] else {
            anyhow::bail!("not all logs: {years:?}")
        };
        ensure!(ahead - behind >= 19 && as_ahead - as_behind >= 19, "the clocks are not wrong: {years:?}");
        println!("Postgres: {} times by one clock, 0 leases lost, logs of the years {years:?}", told.len());
    }
    drop(processes);
    invariants::hold(&store, &database, &[]).await;
    store.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_schedulers_twenty_years_apart() -> Result<()> {
    schedulers_twenty_years_apart().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduler_that_trusts_its_wall_clock_is_noticed() {
    let test = async { schedulers_twenty_years_apart().await.unwrap() };
    fails_on(Mutant::TrustsWallClock, "times are not of the store's clock", test).await;
}

/// On SQLite the process's clock is the store's. It jumps now and then while the scheduler runs, and is another when
/// the scheduler is killed and comes again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_a_clock_that_jumps_by_twenty_years() -> Result<()> {
    let clocks = WallClock::new()?;
    let calm = Deployment::on_sqlite()?;
    let (csv, expected) = undisturbed(&calm).await?;
    let rough = Deployment::on_sqlite()?.set("EMEND__SCHEDULER__LEASE_TTL", 2);
    let rough = rough.set("EMEND__WORKER__RECORD_TIMEOUT", "1s");
    let offset = rough.path("offset");
    std::fs::write(&offset, AHEAD)?;
    let start = || {
        let mut command = rough.scheduler_command(0)?;
        clocks.off_by_file(&offset, &mut command);
        Process::start("scheduler", &mut command, &rough.path("scheduler-0.log"))
    };
    let mut scheduler = start()?;
    rough.serving(0).await?;
    let workers = workers(&rough, &clocks)?;
    let mut job = Box::pin(run_job(&rough, &csv));
    let every = Duration::from_millis(amount("CLOCK_EVERY_MS", 500));
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    let (mut jumps, mut restarts) = (0, 0);
    let found = loop {
        tokio::select! {
            found = &mut job => break found?,
            _ = beat.tick() => {
                jumps += 1;
                std::fs::write(&offset, if jumps % 2 == 0 { AHEAD } else { BEHIND })?;
                // An odd number: it comes again at either clock.
                if jumps % 3 == 0 {
                    scheduler.kill()?;
                    scheduler = start()?;
                    restarts += 1;
                }
            }
        }
    };
    ensure!(found == expected, "the export is not that of an undisturbed run");
    drop((scheduler, workers));
    let database = Database::file(rough.store().trim_start_matches("sqlite://").as_ref());
    let spread = database.int("SELECT MAX(done_at) - MIN(done_at) FROM units").await;
    ensure!(restarts > 0, "the job was over after {jumps} jumps: give more records");
    ensure!(spread > 2 * FAR, "the clock did not jump: all was done within {spread} ms");
    let store = Store::open(rough.store(), 2).await?;
    invariants::hold(&store, &database, &[]).await;
    store.close().await;
    println!(
        "Sqlite: {jumps} jumps, {restarts} restarts, units done {} years apart, export equal",
        spread / YEAR
    );
    Ok(())
}
