//! What the reviewers of a shift share, and how it is seen that nothing is left for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use emend_proto::v1::{Job, JobState, Progress};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Order;
use super::ledger::Ledger;
use super::report::ShiftReport;
use super::truth::Truths;
use crate::client::Client;
use crate::export;
use crate::term::Bar;

/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// Calls under way. Whoever decides without looking is no person: hundreds of them at once would only have each other turned
/// away by the scheduler, and wait for retries that are paced for a process as a whole.
const CALLS: usize = 48;
/// When for so long nothing moves and nobody finds anything, nobody will: sums over the queue are a second old at most.
const NOTHING: Duration = Duration::from_secs(5);

/// Where the reviewers work.
#[derive(Debug)]
pub(super) struct Floor {
    pub(super) order: Order,
    /// By id: a name may come to mean another job.
    pub(super) job: String,
    name: String,
    pub(super) truths: Truths,
    ledger: Mutex<Ledger>,
    /// By reviewer: nothing was there for this one, and nothing that others hold or that is due later can become so.
    dry: Vec<AtomicBool>,
    over: CancellationToken,
    calls: Semaphore,
}

impl Floor {
    pub(super) fn new(order: Order, job: &Job, truths: Truths, over: CancellationToken) -> Self {
        let dry = (0..order.reviewers).map(|_| AtomicBool::new(false)).collect();
        let (job, name) = (job.id.to_string(), job.name.clone());
        let calls = Semaphore::new(CALLS);
        Self { order, job, name, truths, ledger: Mutex::default(), dry, over, calls }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn to make a call.
    pub(super) async fn turn(&self) -> SemaphorePermit<'_> {
        self.calls.acquire().await.expect("it is never closed")
    }

    /// Notes whether a reviewer has nothing to hope for.
    pub(super) fn is_dry(&self, number: u32, dry: bool) {
        if let Some(mark) = self.dry.get(number as usize - 1) {
            mark.store(dry, Ordering::Relaxed);
        }
    }

    /// The shift is over.
    pub(super) fn close(&self) {
        self.over.cancel();
    }

    /// Whether the shift is over.
    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Waits, but not beyond the shift's end.
    pub(super) async fn sleep(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.over.cancelled() => {}
        }
    }

    /// Watches the job until no review is open, or none that the shift can bring on; how many are left. Then the shift is
    /// over.
    pub(super) async fn watch(&self, client: &Client) -> Result<u64> {
        let bar = Bar::new("reviewing", 0);
        let left = self.look(client, &bar).await;
        bar.finish();
        self.close();
        left
    }

    async fn look(&self, client: &Client, bar: &Bar) -> Result<u64> {
        let mut moved = (0, Instant::now());
        loop {
            let job = export::find(client, &self.job).await?;
            let progress = job.progress.clone().unwrap_or_default();
            let (open, decided) = (progress.reviews_open, progress.reviews_decided);
            bar.set(decided, open + decided);
            // After a canary nothing more comes until somebody approves it.
            let all_came = job.state() == JobState::Reviewing || job.awaits_approval;
            match job.state() {
                JobState::Completed => return Ok(0),
                _ if all_came && is_done(&progress) => return Ok(0),
                JobState::Cancelled => bail!("job `{}` was cancelled", self.name),
                _ => {}
            }
            let moves = self.ledger().moves();
            if moves != moved.0 || !all_came || !self.all_dry() {
                moved = (moves, Instant::now());
            }
            if moved.1.elapsed() >= NOTHING || self.is_over() {
                return Ok(open);
            }
            self.sleep(LOOK).await;
        }
    }

    fn all_dry(&self) -> bool {
        self.dry.iter().all(|dry| dry.load(Ordering::Relaxed))
    }

    pub(super) fn report(&self, took: Duration, left: u64) -> ShiftReport {
        let ledger = std::mem::take(&mut *self.ledger());
        ledger.into_report(ShiftReport {
            job: self.name.clone(),
            reviewers: self.order.reviewers,
            leads: self.order.leads(),
            seed: self.order.seed,
            error_rate: self.order.errors,
            seconds: took.as_secs_f64(),
            left,
            ..ShiftReport::default()
        })
    }
}

/// Whether everything that is for people has been decided. The state and the sums may be of different moments, so it is
/// not enough that none is open.
fn is_done(progress: &Progress) -> bool {
    let for_people = progress.routed + progress.failed;
    let waiting = progress.records_waiting;
    progress.reviews_open == 0 && progress.pending == waiting && progress.reviews_decided >= for_people
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_a_moment_before_the_last_commit_end_no_shift() {
        let done = Progress { routed: 3, failed: 1, reviews_decided: 4, ..Progress::default() };
        assert!(is_done(&done));
        for not_yet in [
            Progress { reviews_open: 1, ..done.clone() },
            Progress { pending: 1, ..done.clone() },
            Progress { reviews_decided: 3, ..done },
        ] {
            assert!(!is_done(&not_yet));
        }
    }
}
