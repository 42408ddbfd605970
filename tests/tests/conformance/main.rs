//! What every store does, as one list of tests that runs on SQLite and on PostgreSQL. Time is a value here: nothing
//! sleeps. Each test checks the effect in the store, not the answer alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod audit;
mod beats;
mod commits;
mod decisions;
mod expiry;
mod exports;
mod groups;
mod guards;
mod handbacks;
mod imports;
mod jobs;
mod keys;
mod leases;
mod outbox;
mod outlook;
mod plans;
mod progress;
mod quality;
mod races;
mod ratings;
mod records;
mod refusals;
mod rejects;
mod retention;
mod reviews;
mod revisions;
mod schedules;
mod shift;
mod splits;
mod told_decisions;

use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::store::{Job, Outcome};
use emend_tests::bench::Bench;

/// All that a commit could have changed: units, and the result blocks.
async fn effects(bench: &Bench, job: &Job) -> String {
    format!("{:?} {}", bench.units(job).await, bench.result_blocks().await)
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Accepted { .. } => panic!("taken, and should not have been: {outcome:?}"),
    }
}
