//! Hands results in: whatever has been finished while the calls before were under way goes in one call.

use std::sync::Arc;

use emend_proto::v1::commit_outcome::Outcome;
use emend_proto::v1::{CommitOutcome, LeaseRef, UnitCommit};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tracing::Instrument as _;

use super::WorkerError;
use super::held::{Finished, Held};
use super::link::{Link, is_loss};
use super::meters;
use super::report::{Counters, WorkerReport};
use crate::trace::commit_span;

/// Calls under way at once: while one waits for the scheduler's disk, the other fills.
const CALLS: usize = 2;

/// Commits what is finished.
#[derive(Clone)]
pub(crate) struct Committer {
    pub(crate) link: Arc<Link>,
    pub(crate) held: Arc<Held>,
    pub(crate) counters: Arc<Counters>,
}

impl Committer {
    /// Commits until `end`; what is under way then is cut off.
    pub(crate) async fn run(self, end: CancellationToken) -> Result<(), WorkerError> {
        let mut calls = JoinSet::new();
        loop {
            while calls.len() < CALLS {
                let batch = self.held.take_finished();
                if batch.is_empty() {
                    break;
                }
                let committer = self.clone();
                calls.spawn(async move { committer.commit(batch).await });
            }
            tokio::select! {
                () = end.cancelled() => return Ok(()),
                () = self.held.results.notified() => {}
                Some(ended) = calls.join_next() => ended.map_err(WorkerError::Task)?,
            }
        }
    }

    async fn commit(&self, batch: Vec<Finished>) {
        let mut batches = vec![batch];
        while let Some(mut batch) = batches.pop() {
            let commits: Vec<UnitCommit> = batch.iter().map(|finished| finished.commit.clone()).collect();
            let begun = Instant::now();
            let span = commit_span(batch.iter().map(|finished| &finished.unit.span));
            match self.link.commit(commits).instrument(span).await {
                Ok(outcomes) => {
                    meters::committed(begun.elapsed());
                    self.settle(batch, &outcomes);
                }
                Err(status) if matches!(status.code(), Code::Unavailable | Code::ResourceExhausted) => {
                    tracing::error!(
                        units = batch.len(),
                        reason = status.message(),
                        "results could not be committed in time"
                    );
                    self.held.settle(leases(&batch));
                    self.counters.add(|report| report.lost += batch.len() as u64);
                }
                // One unit may be at fault: the others should not suffer from it.
                Err(_) if batch.len() > 1 => {
                    let rest = batch.split_off(batch.len() / 2);
                    batches.extend([rest, batch]);
                }
                Err(status) => self.refused(&batch, &status),
            }
        }
    }

    fn settle(&self, batch: Vec<Finished>, outcomes: &[CommitOutcome]) {
        if outcomes.len() != batch.len() {
            tracing::error!(
                commits = batch.len(),
                answers = outcomes.len(),
                "commits were not answered one by one"
            );
        }
        self.counters.add(|report| {
            let answered = batch.iter().zip(outcomes);
            answered.for_each(|(finished, outcome)| count(report, finished, outcome));
        });
        self.held.settle(leases(&batch));
    }

    /// Reports the unit of a commit that the scheduler does not take as a whole.
    fn refused(&self, batch: &[Finished], status: &Status) {
        for Finished { unit, .. } in batch {
            tracing::error!(unit = unit.id(), code = ?status.code(), reason = status.message(), "commit refused");
            self.counters.add(|report| report.refused += 1);
            self.held.fail_commit(unit);
        }
    }
}

fn leases(batch: &[Finished]) -> impl Iterator<Item = &LeaseRef> {
    batch.iter().map(|finished| &finished.unit.lease)
}

fn count(report: &mut WorkerReport, finished: &Finished, outcome: &CommitOutcome) {
    let (unit, epoch) = (finished.unit.id(), finished.unit.lease.epoch);
    match &outcome.outcome {
        _ if outcome.unit_id != unit => {
            tracing::error!(
                unit,
                epoch,
                answered = outcome.unit_id,
                "a commit's answer speaks of another unit"
            );
        }
        Some(Outcome::Receipt(receipt)) => {
            let commit = receipt.commit_id.as_str();
            tracing::debug!(
                unit,
                epoch,
                commit,
                replayed = outcome.replayed,
                late = outcome.late,
                "committed"
            );
            report.committed(finished.tally);
            report.replayed += u64::from(outcome.replayed);
            report.late += u64::from(outcome.late);
        }
        Some(Outcome::Refusal(refusal)) if is_loss(refusal) => {
            report.lost += 1;
            tracing::info!(unit, epoch, reason = refusal.reason, "the lease was lost before its commit");
        }
        Some(Outcome::Refusal(refusal)) => {
            report.refused += 1;
            let (reason, message) = (refusal.reason.as_str(), refusal.message.as_str());
            tracing::error!(unit, epoch, code = refusal.code, reason, message, "commit refused");
        }
        None => {
            report.refused += 1;
            tracing::error!(unit, epoch, "a commit was answered with neither receipt nor refusal");
        }
    }
}
