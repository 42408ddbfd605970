//! What is left to do, as this scheduler last summed it up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use emend_proto::v1;
use tokio::sync::Mutex;

use super::App;
use super::work::proto_duration;
use crate::domain::outlook::{Work, workers_wanted};
use crate::domain::time::Timestamp;
use crate::store::{StoreError, Unfinished};

/// A sum may be this old,
const AGE: Duration = Duration::from_secs(1);
/// or as old as so many times what it took: at most a twentieth of one connection goes into sums.
const SHARE: u32 = 20;

/// The last sum; who asks meanwhile waits for the one under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Option<Arc<Outlook>>>>);

/// All unfinished jobs at a moment.
#[derive(Debug)]
pub(crate) struct Outlook {
    /// Oldest first.
    pub(crate) jobs: Vec<Unfinished>,
    /// When, by the store's clock.
    pub(crate) at: Timestamp,
    /// How long it took to sum up.
    pub(crate) took: Duration,
    drain: Duration,
    taken: Instant,
}

impl App {
    /// The unfinished jobs, as they were a moment ago.
    pub(crate) async fn outlook(&self) -> Result<Arc<Outlook>, StoreError> {
        let mut last = self.outlook.0.lock().await;
        if let Some(outlook) = last.as_ref().filter(|last| last.taken.elapsed() < AGE.max(last.took * SHARE))
        {
            return Ok(Arc::clone(outlook));
        }
        let begun = Instant::now();
        let jobs = self.store.unfinished(self.config.scaler.records_per_second).await?;
        let outlook = Arc::new(Outlook {
            jobs,
            at: self.clock.now(),
            took: begun.elapsed(),
            drain: self.config.scaler.drain(),
            taken: Instant::now(),
        });
        *last = Some(Arc::clone(&outlook));
        Ok(outlook)
    }

    /// Adds what is ahead of an unfinished job to its progress.
    pub(super) async fn look_ahead(&self, id: i64, progress: &mut v1::Progress) -> Result<(), StoreError> {
        let outlook = self.outlook().await?;
        let Some(job) = outlook.jobs.iter().find(|job| job.id == id) else { return Ok(()) };
        progress.left = job.work.left().map(proto_duration);
        progress.workers = job.work.workers.unsigned_abs();
        progress.workers_wanted = outlook.workers_wanted(|other| other.id == id).unsigned_abs();
        Ok(())
    }
}

impl Outlook {
    /// Workers that the jobs so chosen want, paused ones left out.
    pub(crate) fn workers_wanted(&self, choose: impl Fn(&Unfinished) -> bool) -> i64 {
        let work: Vec<Work> = self.running(choose).cloned().collect();
        workers_wanted(&work, self.at, self.drain)
    }

    /// Seconds that one worker needs for them.
    pub(crate) fn backlog_seconds(&self, choose: impl Fn(&Unfinished) -> bool) -> f64 {
        self.running(choose).map(Work::seconds).fold(0.0, |all, one| all + one)
    }

    fn running(&self, choose: impl Fn(&Unfinished) -> bool) -> impl Iterator<Item = &Work> {
        self.jobs.iter().filter(move |job| !job.paused && choose(job)).map(|job| &job.work)
    }
}
