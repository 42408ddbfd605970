//! Units of one record on PostgreSQL, with four schedulers against one, and what bounds them.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Options;
use super::data::Data;
use super::report::{median, seconds};
use super::server::Server;
use super::single::{age, all_done, import};
use crate::process::{Deployment, Process, machine_cpu};

/// As many workers, whoever serves them.
const WORKERS: u32 = 4;
/// How many schedulers, and whether PostgreSQL has a core of its own: then that core shows whether it is what bounds.
const CONTENDERS: [(usize, bool); 4] = [(1, false), (4, false), (1, true), (4, true)];

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// One run.
struct Turn {
    schedulers: usize,
    apart: bool,
    took: Duration,
    used: Used,
}

/// CPU seconds from the workers' start until some moment.
#[derive(Clone, Copy, Default)]
struct Used {
    until: Duration,
    postgres: f64,
    scheduling: f64,
    working: f64,
    /// Of the whole machine: the kernel, the harness and neighbours too.
    machine: f64,
}

impl Turn {
    fn rate(&self, options: &Options) -> f64 {
        options.single_records as f64 / self.took.as_secs_f64()
    }

    /// How much of the processors Emend and PostgreSQL used.
    fn own(&self, cores: f64) -> f64 {
        self.used.own() / (cores * self.used.until.as_secs_f64())
    }

    /// How much of the processors was used at all.
    fn all(&self, cores: f64) -> f64 {
        self.used.machine / (cores * self.used.until.as_secs_f64())
    }
}

impl Used {
    fn own(&self) -> f64 {
        self.postgres + self.scheduling + self.working
    }
}

/// In turns; each with the same workers and slots.
pub(super) async fn run(options: &Options, server: &Server) -> Result<String> {
    let data = Data::make(options.single_records, options.shuffle).await?;
    let cores = std::thread::available_parallelism()?.get() as f64;
    let mut turns = Vec::new();
    for _ in 0..options.runs {
        for (schedulers, apart) in CONTENDERS {
            if apart && cores < 2.0 {
                continue;
            }
            server.apart(apart, cores as usize)?;
            let turn = one(options, &data, schedulers, apart, server).await?;
            eprintln!("{}", row(&turn, options, cores));
            turns.push(turn);
        }
    }
    server.apart(false, cores as usize)?;
    let mut text = format!(
        "| {} units of one record, {WORKERS} workers, {} slots | units a second | time | CPU seconds: postgres | \
         schedulers | workers | of {cores} cores | with all else |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
        options.single_records, options.single_slots
    );
    for turn in &turns {
        let _ = writeln!(text, "{}", row(turn, options, cores));
    }
    Ok(text + "\n" + verdict(&turns, options, cores).as_str())
}

async fn one(
    options: &Options,
    data: &Data,
    schedulers: usize,
    apart: bool,
    server: &Server,
) -> Result<Turn> {
    let database = server.fresh_database().await?;
    let deployment = Deployment::on(&server.url(&database))?.schedulers(schedulers);
    let mut serving = Vec::new();
    for scheduler in 0..schedulers {
        serving.push(deployment.scheduler(scheduler).await?);
    }
    import(data, &deployment).await?;
    let (age, begun) = (age(&deployment).await?, Instant::now());
    let before = (server.cpu(), cpu(&mut serving), machine_cpu());
    let mut workers = Vec::new();
    for worker in 0..WORKERS {
        workers.push(start_worker(options, &deployment, worker as usize, schedulers)?);
    }
    let looks = sampled(all_done(data, &deployment), || Used {
        until: begun.elapsed(),
        postgres: server.cpu() - before.0,
        scheduling: cpu(&mut serving) - before.1,
        working: cpu(&mut workers),
        machine: machine_cpu() - before.2,
    });
    let (done, looks) = looks.await;
    let took = done?.saturating_sub(age);
    drop((workers, serving));
    server.drop_database(&database).await;
    // The harness hears of the last unit a while after it: what is used from then on is not for the units.
    let used = looks.iter().find(|used| used.until >= took).or(looks.last()).copied().unwrap_or_default();
    Ok(Turn { schedulers, apart, took, used })
}

/// Looks again and again until `work` has ended.
async fn sampled<T>(work: impl Future<Output = T>, mut look: impl FnMut() -> Used) -> (T, Vec<Used>) {
    let mut work = pin!(work);
    let mut looks = Vec::new();
    loop {
        let ended = tokio::time::timeout(LOOK, work.as_mut()).await;
        looks.push(look());
        if let Ok(answer) = ended {
            return (answer, looks);
        }
    }
}

/// Each with a scheduler of its own, as far as there are any: with all URLs every worker would take the first.
fn start_worker(
    options: &Options,
    deployment: &Deployment,
    worker: usize,
    schedulers: usize,
) -> Result<Process> {
    let (url, slots) = (deployment.url(worker % schedulers), (options.single_slots / WORKERS).max(1));
    let name = format!("worker-{worker}");
    deployment.start(&name, ["worker", "--scheduler", &url, "--slots", &slots.to_string()])
}

fn cpu(processes: &mut [Process]) -> f64 {
    processes.iter_mut().map(|process| process.usage().cpu_seconds).sum()
}

fn row(turn: &Turn, options: &Options, cores: f64) -> String {
    format!(
        "| {} | {:.0} | {} | {:.2} | {:.2} | {:.2} | {:.0} % | {:.0} % |",
        match (turn.schedulers, turn.apart) {
            (1, false) => "one scheduler",
            (_, false) => "four schedulers",
            (1, true) => "one, PostgreSQL on a core of its own",
            (_, true) => "four, PostgreSQL on a core of its own",
        },
        turn.rate(options),
        seconds(turn.took),
        turn.used.postgres,
        turn.used.scheduling,
        turn.used.working,
        turn.own(cores) * 100.0,
        turn.all(cores) * 100.0,
    )
}

/// The ratio, and the most that it can be on this machine.
fn verdict(turns: &[Turn], options: &Options, cores: f64) -> String {
    let of = |schedulers: usize, apart: bool, value: &dyn Fn(&Turn) -> f64| {
        let mine = turns.iter().filter(|turn| (turn.schedulers, turn.apart) == (schedulers, apart));
        median(mine.map(value).collect()).unwrap_or_default()
    };
    let rate = |schedulers, apart| of(schedulers, apart, &|turn| turn.rate(options));
    let share = of(1, false, &|turn| turn.used.postgres / turn.used.own());
    let busy = of(1, false, &|turn| turn.own(cores)).min(1.0);
    let all = of(1, false, &|turn| turn.all(cores)).min(1.0);
    let core = |schedulers| of(schedulers, true, &|turn| turn.used.postgres / turn.used.until.as_secs_f64());
    format!(
        "Four schedulers against one: {:.2}× (medians). With one, Emend and PostgreSQL use {:.0} % of the machine's {cores} \
         cores, {:.0} % of that PostgreSQL, and all that runs on it {:.0} %: with as much work for each unit, no number of \
         schedulers could be above {:.2}× here. With PostgreSQL on a core of its own that core is {:.0} % busy with one \
         scheduler and {:.0} % with four, and four against one are {:.2}×.\n",
        rate(4, false) / rate(1, false),
        busy * 100.0,
        share * 100.0,
        all * 100.0,
        1.0 / busy,
        core(1) * 100.0,
        core(4) * 100.0,
        rate(4, true) / rate(1, true),
    )
}
