//! Random operations against a real store, beside a simple oracle that says what should come of each. What goes wrong
//! is shrunk to the shortest sequence that still goes wrong, printed, and its seed kept in `regressions.txt`, which
//! every later run begins with. A seed gives the same operations again; which of two at the same moment comes first, only
//! the machine knows.
//!
//! ```text
//! SIMULATION_SECONDS=600 cargo test -p emend-tests --test simulation     # longer
//! SIMULATION_SEED=17 cargo test -p emend-tests --test simulation         # one case again
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod call;
mod driver;
mod op;
mod oracle;
mod rules;

use std::cell::Cell;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use emend_scheduler::store::Mutant;
use emend_tests::database::{Backend, Database};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::runtime::Runtime;

use driver::{Driver, Wrong};
use op::Op;

/// Operations in a case, at most.
const LENGTH: usize = 60;
/// Cases on a machine that is too busy for more.
const LEAST: u64 = 10;
/// Cases in which each mutant must be found.
const MUTANT_CASES: u64 = 150;
const REGRESSIONS: &str = include_str!("regressions.txt");

/// A case that went wrong, as short as it gets.
#[derive(Debug)]
struct Failure {
    seed: u64,
    ops: Vec<Op>,
    why: Wrong,
}

impl Failure {
    fn text(&self) -> String {
        let ops: String = self.ops.iter().map(|op| format!("    {op:?}\n")).collect();
        format!("SIMULATION_SEED={} goes wrong; the shortest way:\n{ops}{}", self.seed, self.why)
    }
}

/// The cases of one store.
struct Simulation {
    runtime: Runtime,
    database: Database,
    mutant: Option<Mutant>,
    ops: Cell<u64>,
}

impl Simulation {
    fn new(backend: Backend, mutant: Option<Mutant>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let database = runtime.block_on(Database::new(backend));
        Self { runtime, database, mutant, ops: Cell::new(0) }
    }

    /// Draws the case of this seed and runs it; shrinks it when it goes wrong.
    fn case(&self, seed: u64) -> Result<(), Failure> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        // A mutant need only be found; what is wrong with the store itself is worth a minute.
        let max_shrink_time = if self.mutant.is_some() { 10_000 } else { 60_000 };
        let config = Config {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: 2_000,
            max_shrink_time,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let ops = proptest::collection::vec(op::op(), 1..LENGTH);
        let done = runner.run(&ops, |ops| self.runtime.block_on(self.run(&ops)).map_err(TestCaseError::fail));
        done.map_err(|error| match error {
            TestError::Fail(why, ops) => Failure { seed, ops, why: why.message().to_owned() },
            TestError::Abort(why) => Failure { seed, ops: Vec::new(), why: why.message().to_owned() },
        })
    }

    async fn run(&self, ops: &[Op]) -> Result<(), Wrong> {
        for table in ["blocks", "units", "keys", "key_runs", "rejects", "imports", "jobs"] {
            if self.ops.get() > 0 {
                self.database.execute(&format!("DELETE FROM {table}")).await;
            }
        }
        self.ops.set(self.ops.get() + ops.len() as u64);
        let mut driver = Driver::new(&self.database, self.mutant).await?;
        let done = Box::pin(all(&mut driver, ops)).await;
        driver.stop().await;
        done
    }

    fn close(self) {
        self.runtime.block_on(self.database.close());
    }
}

async fn all(driver: &mut Driver<'_>, ops: &[Op]) -> Result<(), Wrong> {
    for op in ops {
        driver.run(op).await.map_err(|wrong| format!("{op:?}:\n  {wrong}"))?;
    }
    driver.end().await.map_err(|wrong| format!("in the end:\n  {wrong}"))
}

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// Seeds of cases that once went wrong.
fn regressions() -> impl Iterator<Item = u64> {
    let lines = REGRESSIONS.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

fn keep(failure: &Failure) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/regressions.txt");
    if let Ok(mut file) = std::fs::File::options().append(true).open(path) {
        let _kept = writeln!(file, "{} {:?}", failure.seed, failure.ops);
    }
}

/// As many cases as there is time for, each with a seed of its own.
fn holds(backend: Backend) {
    let simulation = Simulation::new(backend, None);
    let one = from_environment("SIMULATION_SEED");
    let limit = Duration::from_secs(from_environment("SIMULATION_SECONDS").unwrap_or(15));
    let (begun, mut cases) = (Instant::now(), 0);
    let fresh = (0..).take_while(|seed| *seed < LEAST || begun.elapsed() < limit);
    let seeds: Box<dyn Iterator<Item = u64>> = match one {
        Some(seed) => Box::new(std::iter::once(seed)),
        None => Box::new(regressions().chain(fresh)),
    };
    for seed in seeds {
        if let Err(failure) = simulation.case(seed) {
            keep(&failure);
            panic!("{backend:?}: {}", failure.text());
        }
        cases += 1;
    }
    println!("{backend:?}: {cases} cases, {} operations, {:.1?}", simulation.ops.get(), begun.elapsed());
    simulation.close();
}

/// A store with a guard taken out is found out.
fn finds(backend: Backend, mutant: Mutant) {
    let simulation = Simulation::new(backend, Some(mutant));
    let begun = Instant::now();
    let failure = (0..MUTANT_CASES).find_map(|seed| simulation.case(seed).err());
    let failure = failure.unwrap_or_else(|| panic!("{mutant:?} is not noticed in {MUTANT_CASES} cases"));
    println!("{backend:?} {mutant:?}, {:.1?}: {}", begun.elapsed(), failure.text());
    assert!(failure.ops.len() <= 20, "shrinking left {} operations", failure.ops.len());
    simulation.close();
}

macro_rules! on_each {
    ($store:ident, $backend:expr) => {
        mod $store {
            use super::*;

            #[test]
            fn every_answer_is_foreseen() {
                holds($backend);
            }

            #[test]
            fn a_fence_of_the_state_alone_is_found_out() {
                finds($backend, Mutant::StateOnly);
            }

            #[test]
            fn a_fence_outside_the_write_is_found_out() {
                finds($backend, Mutant::FenceOutsideWrite);
            }
        }
    };
}
on_each!(sqlite, Backend::Sqlite);
on_each!(postgres, Backend::Postgres);
