//! What is asked of the store and of the oracle, and what either answers.

use emend_proto::v1::{Record, RecordResult};
use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::job::JobState;
use emend_scheduler::domain::lease::{HandBack, LeaseRef, Refusal, Token};
use emend_scheduler::domain::unit::UnitId;
use emend_scheduler::store::Import;

use crate::op::Sent;

/// One call, with nothing left to draw.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    Import(Rows),
    Seal,
    Pause(bool),
    Cancel,
    Delete,
    Retain { ended: bool },
    Lease { worker: String, request: String, tokens: Vec<Token> },
    Beat { lease: LeaseRef, progress: Option<i64> },
    Commit { worker: String, commits: Vec<Sending> },
    HandBack { lease: LeaseRef, how: HandBack },
    Expire { young: bool },
    Split { commit_id: String },
    Advance,
    Retry,
    Find { key: String },
}

/// Rows of a source.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) source: String,
    pub(crate) offset: i64,
    pub(crate) records: Vec<Record>,
    pub(crate) rejects: i64,
    pub(crate) last: bool,
}

/// One unit's commit.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) lease: LeaseRef,
    pub(crate) what: Sent,
    pub(crate) results: Vec<RecordResult>,
    pub(crate) commit_id: String,
}

impl Sending {
    /// As the scheduler reads it.
    pub(crate) fn content(&self) -> Content {
        match self.what {
            Sent::Corrupt => Content::Corrupt,
            Sent::Honest | Sent::Other | Sent::Unfit | Sent::Stranger => {
                emend_tests::records::content(&self.results)
            }
        }
    }
}

/// An answer, in words that store and oracle share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Import(Result<Import, String>),
    Job(Result<(JobState, bool), String>),
    Done,
    /// First and last record, epoch, and token of each.
    Leases(Vec<(i64, i64, i64, Vec<u8>)>),
    Heard(Result<(), Refusal>),
    Commits(Vec<Result<Receipted, String>>),
    Units(Vec<UnitId>),
    Split(Option<(&'static str, UnitId)>),
    Count(u64),
    Advanced(Vec<JobState>),
    Found(Result<(i64, Record, Option<RecordResult>), String>),
}

/// What a receipt says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Receipted {
    pub(crate) commit_id: String,
    pub(crate) epoch: i64,
    pub(crate) replayed: bool,
    pub(crate) late: bool,
}
