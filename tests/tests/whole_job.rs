//! A whole job through separate processes on PostgreSQL, while they are killed and paused: the exports must be those
//! of a run that nobody disturbed, and every commit that a worker was told of must be there.
//!
//! The long form: `WHOLE_JOB_RECORDS=700000 WHOLE_JOB_EVERY=5 cargo test -p emend-tests --test whole_job -- --nocapture`

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use emend_proto::v1::{ListUnitsRequest, UnitState, UnitStatus};
use emend_tests::invariants::Acknowledged;
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process, Signal};
use emend_tests::receipts;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sqlx::Connection as _;

const JOB: &str = "whole";
const SCHEDULERS: usize = 2;
const WORKERS: usize = 4;
const LEASE: Duration = Duration::from_secs(5);
/// Far above what the test takes: a hang must not last for ever.
const LIMIT: Duration = Duration::from_secs(1800);

/// How much, and how rough.
struct Plan {
    records: u64,
    unit_size: u64,
    every: Duration,
    least_kills: u32,
}

impl Plan {
    fn from_environment() -> Result<Self> {
        let number = |name: &str, default: f64| match std::env::var(name) {
            Ok(text) => text.parse().with_context(|| format!("{name}={text} is not a number")),
            Err(_) => Ok(default),
        };
        Ok(Self {
            records: number("WHOLE_JOB_RECORDS", 200_000.0)? as u64,
            unit_size: number("WHOLE_JOB_UNIT_SIZE", 20.0)? as u64,
            every: Duration::from_secs_f64(number("WHOLE_JOB_EVERY", 1.0)?),
            least_kills: number("WHOLE_JOB_LEAST_KILLS", 8.0)? as u32,
        })
    }

    fn import(&self, csv: &Path) -> Vec<String> {
        let (csv, unit_size) = (csv.display().to_string(), self.unit_size.to_string());
        let line =
            ["import", &csv, "--job", JOB, "--pack", "vaccination", "--as-of", "2021-09-20", "--unit-size"];
        line.into_iter().chain([unit_size.as_str()]).map(str::to_owned).collect()
    }
}

/// The six processes, and what is done to them.
struct Crew<'a> {
    deployment: &'a Deployment,
    processes: Vec<Process>,
    /// Which worker is stopped, and since when.
    paused: Option<(usize, Instant)>,
    dice: ChaCha8Rng,
    kills: u32,
    pauses: u32,
}

impl<'a> Crew<'a> {
    async fn start(deployment: &'a Deployment) -> Result<Self> {
        let mut processes = Vec::new();
        for scheduler in 0..SCHEDULERS {
            processes.push(deployment.scheduler(scheduler).await?);
        }
        for worker in 0..WORKERS {
            processes.push(receipts::worker(deployment, worker)?);
        }
        let dice = ChaCha8Rng::seed_from_u64(1);
        Ok(Self { deployment, processes, paused: None, dice, kills: 0, pauses: 0 })
    }

    /// Kills one of the six and starts it again; freezes a worker, or lets it go on well after its lease.
    fn disturb(&mut self) -> Result<()> {
        match self.paused {
            None => {
                let worker = self.dice.random_range(SCHEDULERS..SCHEDULERS + WORKERS);
                self.processes[worker].signal(Signal::Stop)?;
                self.paused = Some((worker, Instant::now()));
                self.pauses += 1;
            }
            Some((_, since)) if since.elapsed() > LEASE * 2 => self.go_on()?,
            Some(_) => {}
        }
        let victim = self.dice.random_range(0..self.processes.len());
        if self.paused.is_some_and(|(paused, _)| paused == victim) {
            return Ok(());
        }
        let process = &mut self.processes[victim];
        ensure!(!process.has_ended(), "{} ended by itself:\n{}", process.name(), process.log());
        process.kill()?;
        self.kills += 1;
        self.processes[victim] = match victim.checked_sub(SCHEDULERS) {
            None => self.deployment.start_scheduler(victim)?,
            Some(worker) => receipts::worker(self.deployment, worker)?,
        };
        Ok(())
    }

    fn go_on(&mut self) -> Result<()> {
        let Some((worker, _)) = self.paused.take() else { return Ok(()) };
        self.processes[worker].signal(Signal::Continue)
    }

    /// Lets workers end as they want: one that was paused still tries to commit what it has.
    async fn dismiss_workers(&mut self) -> Result<()> {
        self.go_on()?;
        for worker in &mut self.processes[SCHEDULERS..] {
            worker.signal(Signal::Terminate)?;
        }
        for worker in &mut self.processes[SCHEDULERS..] {
            worker.done(LIMIT).await?;
        }
        Ok(())
    }
}

/// The files that a job gives.
async fn export(deployment: &Deployment) -> Result<[PathBuf; 2]> {
    let (csv, jsonl) = (deployment.path("out.csv"), deployment.path("out.jsonl"));
    for path in [&csv, &jsonl] {
        let out = path.display().to_string();
        let line = ["export", JOB, "--out", &out, "--with-provenance"];
        deployment.start("export", line)?.done(LIMIT).await?;
    }
    Ok([csv, jsonl])
}

/// What should come out: one worker, nothing disturbed, and on the other store.
async fn undisturbed(plan: &Plan, deployment: &Deployment, csv: &Path) -> Result<[PathBuf; 2]> {
    let _scheduler = deployment.scheduler(0).await?;
    let _worker = deployment.worker(0)?;
    deployment.start("import", plan.import(csv))?.done(LIMIT).await?;
    deployment.start("wait", ["wait", JOB])?.done(LIMIT).await?;
    export(deployment).await
}

fn same_files(expected: &[PathBuf], found: &[PathBuf]) -> Result<()> {
    for (expected, found) in expected.iter().zip(found) {
        let (one, other) = (std::fs::read(expected)?, std::fs::read(found)?);
        if one != other {
            let place = one.iter().zip(&other).position(|(one, other)| one != other);
            bail!("{}: {} and {} bytes, first at {place:?}", expected.display(), one.len(), other.len());
        }
    }
    Ok(())
}

/// Every record is in one unit that is done once, and the verdicts add up.
async fn check_sums(plan: &Plan, deployment: &Deployment) -> Result<Vec<UnitStatus>> {
    let progress = deployment.job(JOB).await?.progress.context("a job has progress")?;
    let settled = progress.valid + progress.corrected + progress.routed + progress.failed;
    ensure!((progress.records, settled, progress.pending) == (plan.records, plan.records, 0), "{progress:?}");
    let (mut units, mut page_token) = (Vec::<UnitStatus>::new(), String::new());
    let mut jobs = deployment.jobs(0).await?;
    loop {
        let request = ListUnitsRequest { job: JOB.into(), page_size: 1000, page_token, ..Default::default() };
        let page = jobs.list_units(request).await?.into_inner();
        units.extend(page.units);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let mut next = 1;
    for unit in &units {
        ensure!(unit.first_seq == next && unit.state() == UnitState::Done, "not done, or a gap: {unit:?}");
        let sum = unit.valid + unit.corrected + unit.routed + unit.failed;
        ensure!(sum == unit.last_seq - unit.first_seq + 1, "does not add up: {unit:?}");
        next = unit.last_seq + 1;
    }
    ensure!(next == plan.records + 1, "{} of {} records are in units", next - 1, plan.records);
    Ok(units)
}

/// Each of them is in the store as it was acknowledged.
async fn check_commits(deployment: &Deployment, heard: &[Acknowledged]) -> Result<()> {
    let mut database = sqlx::PgConnection::connect(deployment.store()).await?;
    let rows = sqlx::query_as::<_, (i64, i64, String)>(
        "SELECT id, epoch, commit_id FROM units WHERE state = 'done'",
    );
    let rows = rows.fetch_all(&mut database).await?;
    let stored: HashMap<i64, (i64, String)> =
        rows.into_iter().map(|(unit, epoch, commit)| (unit, (epoch, commit))).collect();
    for Acknowledged { unit_id, epoch, commit_id } in heard {
        let found = stored.get(unit_id);
        let there = found.is_some_and(|(at, id)| at == epoch && id == commit_id);
        ensure!(
            there,
            "unit {unit_id}: commit {commit_id} at epoch {epoch} was acknowledged; the store has {found:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_paused_processes_change_nothing() -> Result<()> {
    let plan = Plan::from_environment()?;
    let calm = Deployment::on_sqlite()?;
    let csv = calm.generate(plan.records).await?.join("records.csv");
    let expected = undisturbed(&plan, &calm, &csv).await?;

    let postgres = Postgres::start(&[]);
    let database = postgres.create_database().await;
    let rough = Deployment::on(&postgres.url(&database))?
        .schedulers(SCHEDULERS)
        .set("EMEND__SCHEDULER__LEASE_TTL", LEASE.as_secs())
        .set("EMEND__WORKER__RECORD_TIMEOUT", "2s");
    let mut crew = Crew::start(&rough).await?;
    let begun = Instant::now();
    let mut job = Box::pin(async {
        rough.start("import", plan.import(&csv))?.done(LIMIT).await?;
        rough.start("wait", ["wait", JOB])?.done(LIMIT).await?;
        export(&rough).await
    });
    // The rhythm of the faults; nothing waits for it.
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + plan.every, plan.every);
    let under_fire = loop {
        tokio::select! {
            files = &mut job => break files?,
            _ = beat.tick() => crew.disturb()?,
        }
    };
    let took = begun.elapsed();
    same_files(&expected, &under_fire)?;

    crew.dismiss_workers().await?;
    rough.serving(0).await?;
    let units = check_sums(&plan, &rough).await?;
    let heard = receipts::acknowledged(&rough, WORKERS)?;
    check_commits(&rough, &heard).await?;
    same_files(&expected, &export(&rough).await?)?;
    println!(
        "{} records, {} units, {took:.1?}: {} kills, {} pauses, {} acknowledged commits, 0 lost, 2 of 2 exports equal",
        plan.records,
        units.len(),
        crew.kills,
        crew.pauses,
        heard.len()
    );
    ensure!(crew.kills >= plan.least_kills, "only {} kills: give more records", crew.kills);
    ensure!(heard.len() * 2 > units.len(), "only {} of {} commits were logged", heard.len(), units.len());
    Ok(())
}
