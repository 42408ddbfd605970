//! Faults of the machines under us: power, disks, processes, networks. After each, all invariants hold.
//!
//! The long forms are in docs/FAULTS.md; `./dev faults` runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clocks;
mod disk_full;
mod kills;
mod old_snapshot;
mod partitions;
mod pauses;
mod poisoned;
mod power_loss;

use std::time::Duration;

/// Far longer than anything takes; a test that waits for it has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// How much of a fault a test takes: the number in the environment, else the short form's.
fn amount(name: &str, short: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => short,
    }
}
