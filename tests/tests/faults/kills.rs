//! Everything that can be killed is, every second or so, while a job runs: schedulers, workers, PostgreSQL's backends,
//! its postmaster. The export is that of a run that nobody disturbed, and no operator does anything.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use emend_scheduler::store::{Mutant, Store};
use emend_tests::database::{Backend, Database};
use emend_tests::invariants::{self, Acknowledged};
use emend_tests::mutants::fails_on;
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process};

use tokio::time::MissedTickBehavior;

use super::{LIMIT, amount};

const JOB: &str = "killed";
const WORKERS: usize = 2;

/// What is killed, in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Scheduler,
    Worker,
    Backend,
    Postmaster,
}

struct Crew<'a> {
    deployment: &'a Deployment,
    server: Option<&'a Postgres>,
    schedulers: Vec<Process>,
    workers: Vec<Process>,
    turn: usize,
    kills: Vec<Victim>,
}

impl<'a> Crew<'a> {
    async fn start(deployment: &'a Deployment, server: Option<&'a Postgres>) -> Result<Self> {
        // SQLite takes one.
        let count = if server.is_some() { 2 } else { 1 };
        let (mut schedulers, mut workers) = (Vec::new(), Vec::new());
        for scheduler in 0..count {
            schedulers.push(deployment.scheduler(scheduler).await?);
        }
        for worker in 0..WORKERS {
            workers.push(worker_process(deployment, worker)?);
        }
        Ok(Self { deployment, server, schedulers, workers, turn: 0, kills: Vec::new() })
    }

    async fn kill(&mut self) -> Result<()> {
        let order: &[Victim] = match self.server {
            Some(_) => &[Victim::Backend, Victim::Scheduler, Victim::Postmaster, Victim::Worker],
            None => &[Victim::Scheduler, Victim::Worker],
        };
        let (round, victim) = (self.turn / order.len(), order[self.turn % order.len()]);
        self.turn += 1;
        match (victim, self.server) {
            (Victim::Scheduler, _) => {
                let at = round % self.schedulers.len();
                self.schedulers[at].kill()?;
                self.schedulers[at] = self.deployment.start_scheduler(at)?;
            }
            (Victim::Worker, _) => {
                let at = round % WORKERS;
                ensure!(!self.workers[at].has_ended(), "it ended by itself:\n{}", self.workers[at].log());
                self.workers[at].kill()?;
                self.workers[at] = worker_process(self.deployment, at)?;
            }
            (Victim::Backend, Some(server)) => {
                if !server.kill_backend().await? {
                    return Ok(());
                }
                server.answers().await?;
            }
            (Victim::Postmaster, Some(server)) => server.crash().await?,
            (Victim::Backend | Victim::Postmaster, None) => {}
        }
        self.kills.push(victim);
        // A supervisor starts what could not find its database.
        for (at, scheduler) in self.schedulers.iter_mut().enumerate() {
            if scheduler.has_ended() {
                *scheduler = self.deployment.start_scheduler(at)?;
            }
        }
        Ok(())
    }
}

/// A worker that logs each receipt.
fn worker_process(deployment: &Deployment, worker: usize) -> Result<Process> {
    let level = "info,emend_worker=debug";
    deployment.start(&format!("worker-{worker}"), ["worker", "--log-format", "json", "--log-level", level])
}

/// What the workers were told.
fn acknowledged(deployment: &Deployment) -> Result<Vec<Acknowledged>> {
    let mut told = Vec::new();
    for worker in 0..WORKERS {
        let log = std::fs::read_to_string(deployment.path(&format!("worker-{worker}.log")))?;
        told.extend(invariants::acknowledged(&log));
    }
    Ok(told)
}

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

async fn kills_change_nothing(backend: Backend) -> Result<()> {
    let rows = amount("KILL_RECORDS", 40_000);
    let every = Duration::from_millis(amount("KILL_EVERY_MS", 1_200));
    let calm = Deployment::on_sqlite()?;
    let csv = calm.generate(rows).await?.join("records.csv").display().to_string();
    let expected = {
        let _processes = (calm.scheduler(0).await?, calm.worker(0)?);
        run_job(&calm, &csv).await?
    };
    let server = (backend == Backend::Postgres).then(|| Postgres::start(&[]));
    let rough = match &server {
        Some(server) => Deployment::on(&server.url(&server.create_database().await))?.schedulers(2),
        None => Deployment::on_sqlite()?,
    };
    let rough = rough.set("EMEND__SCHEDULER__LEASE_TTL", 4).set("EMEND__WORKER__RECORD_TIMEOUT", "2s");
    let mut crew = Crew::start(&rough, server.as_ref()).await?;
    let begun = Instant::now();
    let mut job = Box::pin(run_job(&rough, &csv));
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    // What a busy machine kept from happening is not made up for.
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let found = loop {
        tokio::select! {
            found = &mut job => break found?,
            _ = beat.tick() => crew.kill().await?,
        }
    };
    let took = begun.elapsed();
    ensure!(found == expected, "the export is not that of an undisturbed run");
    let (kills, least) = (crew.kills.len(), if server.is_some() { 4 } else { 2 });
    ensure!(kills >= least, "only {kills} kills: give more records");
    drop(crew);
    let told = acknowledged(&rough)?;
    let database = match &server {
        Some(server) => Database::on(server, "emend_0".into()),
        None => Database::file(rough.store().trim_start_matches("sqlite://").as_ref()),
    };
    let store = Store::open(rough.store(), 2).await?;
    invariants::hold(&store, &database, &told).await;
    store.close().await;
    println!(
        "{backend:?}: {rows} records, {took:.1?}, {kills} kills, {} acknowledged commits, 0 lost",
        told.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_kills_change_nothing() -> Result<()> {
    kills_change_nothing(Backend::Sqlite).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_kills_change_nothing() -> Result<()> {
    kills_change_nothing(Backend::Postgres).await
}

/// A kill loses commits that were answered and not written yet. On PostgreSQL such a moment is too short to be hit for sure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_write_is_noticed() {
    let test = async { kills_change_nothing(Backend::Sqlite).await.unwrap() };
    fails_on(Mutant::AnswersFirst, "acknowledged and not there", test).await;
}
