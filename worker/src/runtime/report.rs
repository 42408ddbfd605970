//! What a worker has done.

use std::sync::{Mutex, PoisonError};

use emend_proto::v1::{RecordResult, Verdict};
use serde::Serialize;

/// What a worker has done from its start to its end. Counts speak of what the scheduler has acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorkerReport {
    /// The id under which the scheduler knew it.
    pub worker_id: String,
    /// Units leased, some perhaps more than once.
    pub leased: u64,
    /// Units committed.
    pub units: u64,
    /// Records in them; the sum of the four verdicts.
    pub records: u64,
    /// Records with nothing to change and nothing found.
    pub valid: u64,
    /// Records changed by rules alone.
    pub corrected: u64,
    /// Records routed to people.
    pub routed: u64,
    /// Records on which a validator failed.
    pub failed: u64,
    /// Commits that had been applied before their answer was lost.
    pub replayed: u64,
    /// Commits accepted after their lease had run out.
    pub late: u64,
    /// Leases lost to another worker, to a cancelled job, or because the scheduler gave up on us.
    pub lost: u64,
    /// Commits refused for another reason than a lost lease.
    pub refused: u64,
    /// Units handed back unfinished: at shutdown, or because a validator behind the pack was away.
    pub released: u64,
    /// Units reported as impossible to work on.
    pub units_failed: u64,
    /// Threads given up because a validator did not come back.
    pub threads_abandoned: u64,
}

/// Verdicts of one unit's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) valid: u32,
    pub(crate) corrected: u32,
    pub(crate) routed: u32,
    pub(crate) failed: u32,
}

impl Tally {
    pub(crate) fn count(&mut self, result: &RecordResult) {
        match result.verdict() {
            Verdict::Valid => self.valid += 1,
            Verdict::Corrected => self.corrected += 1,
            Verdict::Routed => self.routed += 1,
            Verdict::Failed | Verdict::Unspecified => self.failed += 1,
        }
    }
}

/// The report while it grows.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<WorkerReport>);

impl Counters {
    pub(crate) fn add(&self, count: impl FnOnce(&mut WorkerReport)) {
        count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn report(&self) -> WorkerReport {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl WorkerReport {
    pub(crate) fn committed(&mut self, tally: Tally) {
        self.units += 1;
        self.valid += u64::from(tally.valid);
        self.corrected += u64::from(tally.corrected);
        self.routed += u64::from(tally.routed);
        self.failed += u64::from(tally.failed);
        self.records = self.valid + self.corrected + self.routed + self.failed;
    }
}
