//! What the router needs of an event.

use serde::{Deserialize, Serialize};

/// A record needs a person. Fields that are not needed here are not read: a schema may grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Routed {
    /// The same whenever the event comes again.
    pub(crate) id: String,
    /// The job's id.
    pub(crate) job: u64,
    /// The record's place in its job.
    pub(crate) seq: u64,
}

impl Routed {
    /// The case of this record, whichever finding and however often it was heard of.
    pub(crate) fn case(&self) -> String {
        name(self.job, self.seq)
    }
}

/// The name of a record's case.
pub(crate) fn name(job: u64, seq: u64) -> String {
    format!("{job}-{seq}")
}
