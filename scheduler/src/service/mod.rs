//! The gRPC services: convert in, call the store, convert out.

mod accounts;
pub(crate) mod desk;
mod export;
mod guard;
mod import;
mod jobs;
mod outlook;
mod records;
mod reviews;
mod scaler;
mod schedule;
mod shift;
pub(crate) mod status;
mod views;
mod watch;
mod work;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use crate::bell::Bell;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::job::{JobRef, JobState};
use crate::pulse::Pulse;
use crate::store::{Job, Note, Progress, Store, StoreError};

pub(crate) use outlook::Outlook;

/// What every call may use. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) config: Arc<Config>,
    /// Rung when units become ready.
    pub(crate) ready: Bell,
    /// Cancelled when the scheduler stops: waiting calls return.
    pub(crate) stopping: CancellationToken,
    /// Streams under way.
    pub(crate) streams: TaskTracker,
    /// What probes and metrics tell of this scheduler.
    pub(crate) pulse: Pulse,
    sums: Arc<Mutex<HashMap<i64, Sums>>>,
    queues: Arc<tokio::sync::Mutex<reviews::Queues>>,
    clusters: Arc<tokio::sync::Mutex<reviews::Clusters>>,
    shelf: reviews::Shared,
    outlook: outlook::Cache,
    shifts: shift::Cache,
}

/// What a job's units summed up to at a moment, and the job as it was then.
#[derive(Debug)]
struct Sums {
    at: Instant,
    state: JobState,
    records: i64,
    progress: Progress,
}

/// Sums of a job that still runs may be this old.
const SUMS_AGE: Duration = Duration::from_secs(1);

impl App {
    pub(crate) fn new(store: Store, clock: Clock, config: Config) -> Self {
        Self {
            store,
            clock,
            config: Arc::new(config),
            ready: Bell::new(),
            stopping: CancellationToken::new(),
            streams: TaskTracker::new(),
            pulse: Pulse::default(),
            sums: Arc::default(),
            queues: Arc::default(),
            clusters: Arc::default(),
            shelf: Arc::default(),
            outlook: outlook::Cache::default(),
            shifts: shift::Cache::default(),
        }
    }

    async fn progress(&self, job: &Job) -> Result<Progress, Status> {
        let ends = job.units_done_at.is_some() || job.ended_at.is_some();
        let known = {
            let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
            sums.retain(|_, known| known.at.elapsed() < SUMS_AGE);
            let same = |known: &&Sums| (known.state, known.records) == (job.state, job.records());
            sums.get(&job.id).filter(same).map(|known| known.progress.clone())
        };
        // What has ended is exact.
        if let Some(progress) = known.filter(|_| !ends) {
            return Ok(progress);
        }
        let progress = self.store.progress(job.id).await.map_err(status::from_store)?;
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let known =
            Sums { at: Instant::now(), state: job.state, records: job.records(), progress: progress.clone() };
        sums.insert(job.id, known);
        Ok(progress)
    }

    /// Notes that somebody is about to be shown records. What cannot be noted is not shown, but on a full disk reads go on: then
    /// it stands in the log alone.
    async fn looked(&self, note: Note) -> Result<(), Status> {
        let (who, what, job_id) = (note.who.clone(), note.what, note.job_id);
        match self.store.note(note, self.clock.now()).await {
            Err(StoreError::Full(_)) => {
                tracing::warn!(
                    who,
                    what,
                    job_id,
                    "records are shown while the store is full: the audit log lacks this"
                );
                Ok(())
            }
            noted => noted.map_err(status::from_store),
        }
    }

    async fn find(&self, job: &str) -> Result<Job, Status> {
        self.store.job(job_ref(job)?).await.map_err(status::from_store)
    }
}

fn job_ref(job: &str) -> Result<JobRef, Status> {
    JobRef::parse(job).ok_or_else(|| status::invalid("job", "must be a job's id or its name"))
}

/// Runs what keeps a core busy off the threads that serve calls.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("a computation panicked"))
}

/// A page's size: the default when 0, at most `most`.
fn page_size(asked: u32, default: u32, most: u32) -> u32 {
    if asked == 0 { default } else { asked.min(most) }
}

/// A page token is the place after which the page begins.
fn page_after(token: &str) -> Result<i64, Status> {
    if token.is_empty() {
        return Ok(0);
    }
    token.parse().map_err(|_| status::invalid("page_token", "must be a `next_page_token` as it was given"))
}
