//! Many schedulers and workers at once: replaced one after another, more and fewer of them, asked for more than they can
//! do, and with everything done to them that can be.
//!
//! The long forms are in docs/FAULTS.md; `./dev faults` runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowd;
mod overload;
mod rolling;
mod run;
mod scaling;

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

/// Far longer than anything takes; a test that waits for it has failed.
const LIMIT: Duration = Duration::from_secs(120);

/// They measure time, so they go one after another.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
