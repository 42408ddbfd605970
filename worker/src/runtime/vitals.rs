//! How a worker is, told to whoever serves probes and metrics. docs/METRICS.md has the table of the latter.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::time::Instant;

use super::held::Held;
use super::meters;
use super::pool::Pool;
use super::report::{Counters, WorkerReport};

/// A scheduler may be silent for this long beyond the time for which a call may wait there.
const SILENCE: Duration = Duration::from_secs(30);

/// How a worker is. Made before it and given to [`crate::run_with`]; cheap to clone, clones agree.
#[derive(Clone, Default)]
pub struct Vitals(Arc<Inner>);

#[derive(Default)]
struct Inner {
    parts: Mutex<Option<Parts>>,
    draining: AtomicBool,
    heard: Mutex<Option<Instant>>,
}

#[derive(Clone)]
pub(super) struct Parts {
    pub(super) counters: Arc<Counters>,
    pub(super) held: Arc<Held>,
    pub(super) pool: Arc<Pool>,
    pub(super) slots: usize,
    /// How long a call may wait at the scheduler.
    pub(super) wait: Duration,
}

/// Why a worker does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// It has not begun, or has ended.
    #[error("the worker does not run")]
    Away,
    /// It was asked to stop.
    #[error("the worker is stopping")]
    Draining,
    /// No scheduler has answered lately.
    #[error("no scheduler has answered lately")]
    Silence,
}

impl fmt::Debug for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vitals").field("draining", &self.draining()).finish_non_exhaustive()
    }
}

impl Vitals {
    pub(super) fn attach(&self, parts: Option<Parts>) {
        meters::describe();
        *lock(&self.0.parts) = parts;
    }

    pub(super) fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// A scheduler has answered.
    pub(super) fn heard(&self) {
        *lock(&self.0.heard) = Some(Instant::now());
    }

    fn draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Whether it works, or would: it is not stopping, and a scheduler has answered lately.
    ///
    /// # Errors
    /// Why not.
    pub fn ready(&self) -> Result<(), NotReady> {
        if self.draining() {
            return Err(NotReady::Draining);
        }
        let parts = lock(&self.0.parts).clone().ok_or(NotReady::Away)?;
        let heard = *lock(&self.0.heard);
        let lately = heard.is_some_and(|at| at.elapsed() < parts.wait + SILENCE);
        if lately { Ok(()) } else { Err(NotReady::Silence) }
    }

    /// Tells the current recorder, a fresh one at best, what the worker has done and holds.
    pub fn record(&self) {
        describe();
        gauge!("emend_worker_draining").set(f64::from(u8::from(self.draining())));
        if let Some(heard) = *lock(&self.0.heard) {
            gauge!("emend_worker_scheduler_silence_seconds").set(heard.elapsed().as_secs_f64());
        }
        let Some(parts) = lock(&self.0.parts).clone() else { return };
        gauge!("emend_worker_slots").set(parts.slots as f64);
        gauge!("emend_worker_slots_busy").set(parts.pool.sightings().len() as f64);
        gauge!("emend_worker_units_held").set(parts.held.count() as f64);
        record_report(&parts.counters.report());
    }
}

fn record_report(report: &WorkerReport) {
    counter!("emend_worker_leases_total").absolute(report.leased);
    let units = [
        ("committed", report.units),
        ("lost", report.lost),
        ("refused", report.refused),
        ("released", report.released),
        ("failed", report.units_failed),
    ];
    for (outcome, count) in units {
        counter!("emend_worker_units_total", "outcome" => outcome).absolute(count);
    }
    let records = [
        ("valid", report.valid),
        ("corrected", report.corrected),
        ("routed", report.routed),
        ("failed", report.failed),
    ];
    for (verdict, count) in records {
        counter!("emend_worker_records_total", "verdict" => verdict).absolute(count);
    }
    counter!("emend_worker_commits_replayed_total").absolute(report.replayed);
    counter!("emend_worker_commits_late_total").absolute(report.late);
    counter!("emend_worker_threads_abandoned_total").absolute(report.threads_abandoned);
}

fn describe() {
    for (name, what) in [
        ("emend_worker_draining", "1 once the worker stops, else 0."),
        ("emend_worker_scheduler_silence_seconds", "Time since a scheduler last answered."),
        ("emend_worker_slots", "Units that the worker may work on at once."),
        ("emend_worker_slots_busy", "Units that are being worked on."),
        ("emend_worker_units_held", "Units held, from lease to the answer of the commit."),
    ] {
        describe_gauge!(name, what);
    }
    for (name, what) in [
        ("emend_worker_leases_total", "Units leased."),
        ("emend_worker_units_total", "Units by what became of them."),
        ("emend_worker_records_total", "Records committed by verdict."),
        (
            "emend_worker_commits_replayed_total",
            "Commits that had been applied before their answer was lost.",
        ),
        ("emend_worker_commits_late_total", "Commits accepted after their lease had run out."),
        ("emend_worker_threads_abandoned_total", "Threads given up because a validator did not come back."),
    ] {
        describe_counter!(name, what);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
