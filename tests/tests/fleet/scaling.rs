//! Workers 2, then 8, then 2 again in the middle of a job: those that leave finish or hand back what they have, so that
//! no attempt is counted and no unit lies idle.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::{ListUnitsRequest, UnitState, UnitStatus};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process, Signal, eventually};
use emend_tests::slow;

use super::LIMIT;

const JOB: &str = "scaled";
/// Units of ten records at 10 ms a record.
const UNITS: usize = 400;
const FEW: usize = 2;
const MANY: usize = 8;
/// No unit may lie idle for longer.
const IDLE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 3;

struct Fleet<'a> {
    deployment: &'a Deployment,
    workers: Vec<(String, Process)>,
    left: BTreeSet<String>,
    started: usize,
}

impl Fleet<'_> {
    /// As many workers as `count`, now or soon.
    async fn scale(&mut self, count: usize) -> Result<()> {
        while self.workers.len() < count {
            self.started += 1;
            let name = format!("w{}", self.started);
            let mut command = Command::new(env!("CARGO_BIN_EXE_slow-worker"));
            command.args(["10", &name]).env("EMEND_SCHEDULER", self.deployment.url(0));
            let log = self.deployment.path(&format!("{name}.log"));
            self.workers.push((name.clone(), Process::start(&name, &mut command, &log)?));
        }
        let mut leaving = self.workers.split_off(count);
        for (_, worker) in &mut leaving {
            worker.signal(Signal::Terminate)?;
        }
        for (name, mut worker) in leaving {
            worker.done(LIMIT).await?;
            self.left.insert(name);
        }
        Ok(())
    }
}

/// Since when units lie idle: begun and handed back, or held by a worker that has left.
#[derive(Default)]
struct Watch {
    idle: HashMap<u64, Instant>,
    longest: Duration,
    done: usize,
    /// Whoever was seen to have or to have done a unit.
    holders: BTreeSet<String>,
}

impl Watch {
    async fn look(&mut self, deployment: &Deployment, left: &BTreeSet<String>) -> Result<()> {
        let now = Instant::now();
        let units = units(deployment).await?;
        self.done = units.iter().filter(|unit| unit.state() == UnitState::Done).count();
        for unit in units {
            ensure!(unit.attempts_left == ATTEMPTS, "an attempt was counted: {unit:?}");
            let holder = unit.worker_id.split('-').next().unwrap_or_default();
            self.holders.insert(holder.to_owned());
            let idle = match unit.state() {
                UnitState::Ready => unit.epoch > 0,
                UnitState::Leased => left.contains(holder),
                _ => false,
            };
            if idle {
                let since = self.idle.entry(unit.unit_id).or_insert(now);
                self.longest = self.longest.max(since.elapsed());
                ensure!(since.elapsed() <= IDLE, "idle for {:?}: {unit:?}", since.elapsed());
            } else {
                self.idle.remove(&unit.unit_id);
            }
        }
        Ok(())
    }

    /// Looks until so many units are done.
    async fn until(&mut self, fleet: &Fleet<'_>, done: usize) -> Result<()> {
        self.look_until(fleet, &format!("{done} units done"), |watch| watch.done >= done).await
    }

    /// Looks until every worker has had a unit.
    async fn until_all_work(&mut self, fleet: &Fleet<'_>) -> Result<()> {
        let all = |watch: &Self| fleet.workers.iter().all(|(name, _)| watch.holders.contains(name));
        self.look_until(fleet, "a unit for every worker", all).await
    }

    async fn look_until(
        &mut self,
        fleet: &Fleet<'_>,
        what: &str,
        enough: impl Fn(&Self) -> bool,
    ) -> Result<()> {
        let look = async || match self.look(fleet.deployment, &fleet.left).await {
            Ok(()) => enough(self).then_some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        eventually(what, LIMIT, look).await?
    }
}

async fn units(deployment: &Deployment) -> Result<Vec<UnitStatus>> {
    let request = ListUnitsRequest { job: JOB.into(), page_size: 1000, ..Default::default() };
    Ok(deployment.jobs(0).await?.list_units(request).await?.into_inner().units)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_come_and_go_and_no_attempt_is_counted() -> Result<()> {
    let _turn = super::turn().await;
    let server = Postgres::start(&[]);
    let deployment = Deployment::on(&server.url(&server.create_database().await))?;
    let _scheduler = deployment.scheduler(0).await?;
    slow::import(&deployment, JOB, UNITS as u64 * 10, 10).await?;
    let (left, workers) = (BTreeSet::new(), Vec::new());
    let mut fleet = Fleet { deployment: &deployment, workers, left, started: 0 };
    let mut watch = Watch::default();
    fleet.scale(FEW).await?;
    watch.until(&fleet, UNITS / 8).await?;
    fleet.scale(MANY).await?;
    // Until each has had a unit, and not until so much is done: how long a process takes to start is the machine's matter.
    watch.until_all_work(&fleet).await?;
    fleet.scale(FEW).await?;
    watch.look(&deployment, &fleet.left).await?;
    ensure!(watch.done < UNITS, "the job was over too soon");
    watch.until(&fleet, UNITS).await.context("after there were fewer")?;
    println!(
        "{FEW} -> {MANY} -> {FEW} workers: {UNITS} units done, 0 attempts counted, no unit idle longer than {:.1?}",
        watch.longest
    );
    Ok(())
}
