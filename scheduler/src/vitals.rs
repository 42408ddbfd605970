//! How a scheduler is, told to whoever serves probes and metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::gauge;

use crate::domain::time::Timestamp;
use crate::meters;
use crate::service::{App, Outlook};
use crate::store::{Connections, Unfinished};

/// How long the sums for a snapshot may take. Without them it is taken all the same.
const PATIENCE: Duration = Duration::from_secs(2);
/// Jobs that have series of their own; those beyond are summed up as one. A label must not grow without bounds.
const NAMED_JOBS: usize = 50;
/// What the others are called: no job's name holds a parenthesis.
const OTHERS: &str = "(others)";

/// How a scheduler is. Made before it and given to [`crate::serve_with`]; cheap to clone, clones agree.
#[derive(Debug, Clone, Default)]
pub struct Vitals(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    app: Mutex<Option<App>>,
    draining: AtomicBool,
}

/// Why a scheduler should get no calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// It has not begun, or has ended.
    #[error("the scheduler does not serve")]
    Away,
    /// It was asked to stop.
    #[error("the scheduler is stopping")]
    Draining,
    /// The store does not answer.
    #[error("the store does not answer")]
    Store,
}

/// The scheduler is seen until this is dropped.
pub(crate) struct Attached(Vitals);

impl Drop for Attached {
    fn drop(&mut self) {
        self.0.attach_to(None);
    }
}

impl Vitals {
    pub(crate) fn attach(&self, app: &App) -> Attached {
        meters::describe();
        self.attach_to(Some(app.clone()));
        Attached(self.clone())
    }

    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    fn attach_to(&self, app: Option<App>) {
        *self.0.app.lock().unwrap_or_else(PoisonError::into_inner) = app;
    }

    fn app(&self) -> Option<App> {
        self.0.app.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Whether calls should come here: it serves, is not stopping, and the store has answered within the last seconds.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self) -> Result<(), NotReady> {
        if self.draining() {
            return Err(NotReady::Draining);
        }
        let app = self.app().ok_or(NotReady::Away)?;
        if app.store.answers().await { Ok(()) } else { Err(NotReady::Store) }
    }

    /// What the gauges say now. Sums over the jobs are a second old at most, or older where they take long.
    pub async fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot { draining: self.draining(), ..Snapshot::default() };
        let Some(app) = self.app() else { return snapshot };
        let now = app.clock.now();
        snapshot.loops = app.pulse.loops().into_iter().map(|(name, ago)| (name, now - ago)).collect();
        (snapshot.workers_seen, snapshot.calls) = (app.pulse.workers(), app.pulse.calls());
        snapshot.connections = Some(app.store.connections());
        let sums = async {
            let outlook = app.outlook().await.ok()?;
            Some((outlook, app.store.jobs_by_state().await.ok()?, app.store.workers_at_work().await.ok()?))
        };
        snapshot.waiting = app.store.waiting();
        snapshot.store_up = app.store.answers().await;
        if snapshot.store_up {
            snapshot.sums = tokio::time::timeout(PATIENCE, sums).await.ok().flatten();
        }
        snapshot
    }
}

/// What the gauges of a scheduler said at a moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    draining: bool,
    store_up: bool,
    connections: Option<Connections>,
    waiting: usize,
    loops: Vec<(&'static str, Timestamp)>,
    workers_seen: usize,
    calls: i64,
    sums: Option<(Arc<Outlook>, BTreeMap<&'static str, i64>, i64)>,
}

impl Snapshot {
    /// Tells them to the current recorder: a fresh one at best, so that what is no more is told no more.
    pub fn record(&self) {
        meters::describe_gauges();
        gauge!("emend_draining").set(f64::from(u8::from(self.draining)));
        gauge!("emend_store_up").set(f64::from(u8::from(self.store_up)));
        gauge!("emend_grpc_calls_running").set(real(self.calls));
        gauge!("emend_workers_seen").set(self.workers_seen as f64);
        gauge!("emend_store_waiting").set(self.waiting as f64);
        for (name, at) in &self.loops {
            gauge!("emend_loop_last_success_timestamp_seconds", "loop" => *name).set(real(at.0) / 1e3);
        }
        if let Some(connections) = self.connections {
            let busy = connections.open - connections.idle;
            gauge!("emend_store_connections", "state" => "busy").set(busy);
            gauge!("emend_store_connections", "state" => "idle").set(connections.idle);
            gauge!("emend_store_connections_max").set(connections.most);
        }
        if let Some((outlook, jobs, workers)) = &self.sums {
            gauge!("emend_workers_at_work").set(real(*workers));
            for (state, count) in jobs {
                gauge!("emend_jobs", "state" => *state).set(real(*count));
            }
            record_outlook(outlook);
        }
    }
}

fn record_outlook(outlook: &Outlook) {
    gauge!("emend_outlook_seconds").set(outlook.took.as_secs_f64());
    gauge!("emend_workers_wanted").set(real(outlook.workers_wanted(|_| true)));
    gauge!("emend_backlog_seconds").set(outlook.backlog_seconds(|_| true));
    let running = outlook.jobs.iter().filter(|job| !job.paused);
    let oldest = running.filter_map(|job| job.oldest_ready).min();
    gauge!("emend_queue_age_seconds").set(oldest.map_or(0.0, |at| outlook.at.since(at).as_secs_f64()));
    let (named, others) = outlook.jobs.split_at(outlook.jobs.len().min(NAMED_JOBS));
    named.iter().for_each(|job| record_job(job, outlook.at));
    if !others.is_empty() {
        record_sums(OTHERS, others);
    }
}

/// What can be added up.
fn record_sums(name: &str, jobs: &[Unfinished]) {
    let sum = |count: fn(&Unfinished) -> i64| real(jobs.iter().map(count).sum());
    let units = |state, count| gauge!("emend_units", "job" => name.to_owned(), "state" => state).set(count);
    units("ready", sum(|job| job.units.ready));
    units("leased", sum(|job| job.units.leased));
    units("done", sum(|job| job.units.done));
    units("set_aside", sum(|job| job.units.set_aside));
    let of = |metric| gauge!(metric, "job" => name.to_owned());
    of("emend_job_records_left").set(sum(|job| job.work.records));
    of("emend_job_workers_at_work").set(sum(|job| job.work.workers));
    of("emend_job_backlog_seconds").set(jobs.iter().map(|job| job.work.seconds()).sum::<f64>());
}

fn record_job(job: &Unfinished, now: Timestamp) {
    record_sums(&job.name, std::slice::from_ref(job));
    let of = |metric| gauge!(metric, "job" => job.name.clone());
    let left = job.work.left().map_or(f64::INFINITY, |left| left.as_secs_f64());
    of("emend_job_left_seconds").set(if job.work.units > 0 { left } else { 0.0 });
    of("emend_job_worker_records_per_second").set(job.work.rate);
    of("emend_job_rate_seen").set(f64::from(u8::from(job.rate_seen)));
    if let Some(deadline) = job.work.deadline {
        of("emend_job_deadline_seconds").set(real(deadline.0 - now.0) / 1e3);
    }
}

/// A count as a gauge holds it.
#[expect(clippy::cast_precision_loss, reason = "gauges are real numbers")]
fn real(count: i64) -> f64 {
    count as f64
}
