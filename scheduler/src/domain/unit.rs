//! Work units: what the store knows of one when it decides.

use super::job::JobState;
use super::time::Timestamp;

/// Where a unit is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnitState {
    /// Waits to be leased; or, with its attempts used up, to be split.
    Ready,
    /// Somebody holds a lease of it.
    Leased,
    /// Its results are committed.
    Done,
    /// Replaced by others, its halves mostly; out of all sums and look-ups.
    Split,
    /// Damaged: waits for an operator.
    SetAside,
    /// Not of the job's canary: waits until that is approved.
    Waiting,
    /// Holds records of a grouped job as they were imported, until they are put together.
    Ungrouped,
}

impl UnitState {
    /// All states.
    pub const ALL: [Self; 7] =
        [Self::Ready, Self::Leased, Self::Done, Self::Split, Self::SetAside, Self::Waiting, Self::Ungrouped];

    /// The word in SQL, logs and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Split => "split",
            Self::SetAside => "set_aside",
            Self::Waiting => "waiting",
            Self::Ungrouped => "ungrouped",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// A unit's id, unique over all jobs and never used again.
pub type UnitId = i64;

/// Proof of a commit: the same commit again gets the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The commit's own id.
    pub commit_id: String,
    /// The unit that was committed.
    pub unit_id: UnitId,
    /// The epoch of the lease that committed it.
    pub epoch: i64,
    /// Digest of the canonical results.
    pub digest: Vec<u8>,
}

/// A unit's row, as locked for a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its id.
    pub id: UnitId,
    /// The job it is part of.
    pub job_id: i64,
    /// State of that job; `None` when the job is deleted.
    pub job_state: Option<JobState>,
    /// Where it is in its life.
    pub state: UnitState,
    /// Its first record.
    pub first_seq: i64,
    /// Its last record.
    pub last_seq: i64,
    /// Counts the leases ever granted.
    pub epoch: i64,
    /// How often it may still be lost before it is split.
    pub attempts_left: i64,
    /// Hash of the newest lease's token. `None` when that lease was handed back: nobody may commit then.
    pub token_hash: Option<Vec<u8>>,
    /// When the lease runs out.
    pub expires_at: Option<Timestamp>,
    /// Records done, as last heard in a beat of a running unit.
    pub progress: Option<i64>,
    /// Beats in a row without progress.
    pub idle_beats: i64,
    /// The receipt, once it is done.
    pub receipt: Option<Receipt>,
    /// What it runs, and with what its results were made.
    pub rules: Rules,
}

/// A job's ruleset goes up whenever what it runs changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// The job's when the unit was leased last, or looked through since.
    pub leased: i64,
    /// The job's now.
    pub job: i64,
    /// Names the block of the results in force; 0: there are none. It is the ruleset with which they were made.
    pub results: i64,
    /// Results are counted and not kept.
    pub dry_run: bool,
}

impl Rules {
    /// Whether what the job runs has changed since the lease.
    pub fn changed(&self) -> bool {
        self.leased < self.job
    }
}

impl Unit {
    /// How many records it holds.
    pub fn records(&self) -> i64 {
        self.last_seq - self.first_seq + 1
    }
}
