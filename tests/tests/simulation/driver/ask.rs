//! Calls of the real store.

use emend_scheduler::domain::beat::Beat;
use emend_scheduler::domain::job::JobRef;
use emend_scheduler::domain::lease::Refusal;
use emend_scheduler::domain::time::Timestamp;
use emend_scheduler::store::{Batch, Commit, Import, Job, Outcome, Reject, SplitOutcome, StoreError, pack};
use emend_tests::bench::TTL;

use super::{Driver, Wrong};
use crate::call::{Answer, Call, Receipted, Rows, Sending};

impl Driver<'_> {
    /// Asks the store.
    pub(super) async fn ask(&self, call: &Call) -> Result<Answer, Wrong> {
        let (store, job, now) = (self.store(), JobRef::Id(self.job.id), self.now());
        let steered = |done: Result<Job, StoreError>| {
            Answer::Job(done.map(|job| (job.state, job.paused)).map_err(|error| named(&error)))
        };
        let failed = |error: StoreError| error.to_string();
        Ok(match call.clone() {
            Call::Import(rows) => Answer::Import(self.import(rows).await.map_err(|error| named(&error))),
            Call::Seal => steered(store.seal_job(job, now).await),
            Call::Pause(paused) => steered(store.pause_job(job, paused).await),
            Call::Cancel => steered(store.cancel_job(job, now).await),
            Call::Delete => {
                let deleted = store.delete_job(job).await.map_err(|error| named(&error));
                Answer::Job(deleted.map(|()| (self.oracle.state, self.oracle.paused)))
            }
            Call::Retain { ended } => {
                while store.retain(ended.then_some(now)).await.map_err(failed)? {}
                Answer::Done
            }
            Call::Lease { .. } => return Err("leases are asked for elsewhere".into()),
            Call::Beat { lease, progress } => {
                let mut heard = store.beat(vec![Beat { lease, progress }], TTL, now).await.map_err(failed)?;
                Answer::Heard(heard.pop().ok_or("no answer")?)
            }
            Call::HandBack { lease, how } => {
                let mut heard = store.hand_back(vec![(lease, how)]).await.map_err(failed)?;
                Answer::Heard(heard.pop().ok_or("no answer")?)
            }
            Call::Commit { worker, commits } => {
                let commit = |sending: &Sending| Commit {
                    lease: sending.lease.clone(),
                    content: sending.content(),
                    commit_id: sending.commit_id.clone(),
                };
                let commits = commits.iter().map(commit).collect();
                let outcomes = store.commit(worker, commits, now).await.map_err(failed)?;
                Answer::Commits(outcomes.into_iter().map(receipted).collect())
            }
            Call::Expire { young } => {
                let started = if young { now } else { Timestamp(i64::MIN) };
                let mut units = store.expire(now, started, TTL).await.map_err(failed)?;
                units.sort_unstable();
                Answer::Units(units)
            }
            Call::Split { commit_id } => Answer::Split(
                store.split_one(commit_id, now).await.map_err(failed)?.map(|split| match split {
                    SplitOutcome::Halved(unit) => ("halved", unit),
                    SplitOutcome::Failed(unit) => ("failed", unit),
                    SplitOutcome::SetAside(unit) => ("set aside", unit),
                    SplitOutcome::Abandoned(unit) => ("abandoned", unit),
                }),
            ),
            Call::Advance => {
                let moved = store.advance_jobs(now).await.map_err(failed)?;
                Answer::Advanced(moved.into_iter().map(|(_, state)| state).collect())
            }
            Call::Retry => match store.retry_units(job, Vec::new()).await {
                Err(StoreError::JobNotFound) => Answer::Count(0),
                retried => Answer::Count(retried.map_err(failed)?),
            },
            Call::Find { key } => {
                let found = store.record(self.job.id, key).await.map_err(|error| named(&error));
                Answer::Found(found.map(|found| (found.seq, found.record, found.result)))
            }
        })
    }

    async fn import(&self, rows: Rows) -> Result<Import, StoreError> {
        self.store().begin_import(JobRef::Id(self.job.id), rows.source.clone()).await?;
        let reject = |row| Reject { row, code: "unreadable".into() };
        let batch = Batch {
            at: self.now(),
            import_id: rows.source,
            offset: rows.offset,
            runs: pack(&rows.records, &self.job.spec.policy),
            rejects: (0..rows.rejects).map(reject).collect(),
            columns: vec!["n".into()],
            last: rows.last,
        };
        self.store().import(self.job.id, batch).await
    }
}

fn receipted(outcome: Outcome) -> Result<Receipted, String> {
    match outcome {
        Outcome::Accepted { receipt, replayed, late } => {
            Ok(Receipted { commit_id: receipt.commit_id, epoch: receipt.epoch, replayed, late })
        }
        Outcome::Refused(Refusal::ResultsDoNotFit(_)) => Err("ResultsDoNotFit".into()),
        Outcome::Refused(refusal) => Err(format!("{refusal:?}")),
    }
}

/// An error's name, and what it is about.
fn named(error: &StoreError) -> String {
    match error {
        StoreError::OffsetGap { .. } => "OffsetGap".into(),
        error => format!("{error:?}"),
    }
}
