//! What can go wrong in the store: one closed enum, mapped to status codes at the edge.

use crate::domain::job::Violation;
use crate::domain::unit::UnitId;

/// Why the store did not do as asked. Holds no value of any record.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or the outcome of a transaction is not known.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The caller had stopped waiting before the transaction was over: nothing was done.
    #[error("the caller's time was over before the database had done it")]
    TooLate,
    /// The database has no room left.
    #[error("the database is full: {0}")]
    Full(String),
    /// A row with that key is there already. Callers expect it and handle it.
    #[error("a row with that key is there already")]
    Clash,
    /// A statement was wrong: a bug of ours.
    #[error("the database refused a statement: {0}")]
    Internal(String),
    /// There is no such job.
    #[error("there is no such job")]
    JobNotFound,
    /// A job of that name was made from another request.
    #[error("a job of that name exists and was made with another {0}")]
    JobDiffers(&'static str),
    /// What was asked does not go with the state of the job.
    #[error("{0}")]
    JobState(JobConflict),
    /// A chunk begins after the rows that are there.
    #[error("the import goes on at offset {next_offset}, the chunk begins at {offset}")]
    OffsetGap {
        /// Where the import goes on.
        next_offset: i64,
        /// Where the chunk begins.
        offset: i64,
    },
    /// There is no record of that key.
    #[error("there is no record with that key in the job")]
    RecordNotFound,
    /// There is no account of that name.
    #[error("there is no such account")]
    AccountNotFound,
    /// There is an account of that name.
    #[error("there is an account of that name already")]
    AccountExists,
    /// What was asked does not go with the review, or the decision.
    #[error("{0}")]
    Review(ReviewConflict),
    /// A unit's block is damaged.
    #[error("a block of unit {0} is damaged: {1}")]
    Damaged(UnitId, String),
    /// A request's fields are out of bounds.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
}

/// Why a job's state does not allow what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JobConflict {
    /// No more records come.
    #[error("the job is sealed; import into a new job")]
    Sealed,
    /// It is completed or cancelled.
    #[error("the job has ended")]
    Ended,
    /// It is neither completed nor cancelled.
    #[error("the job has not ended; cancel it first")]
    NotEnded,
    /// An import has begun and not ended.
    #[error("an import has begun and not ended; finish it, then seal")]
    ImportUnfinished,
    /// Units are not done.
    #[error("the job is not finished; wait for it, or export with `partial`")]
    Unfinished,
    /// Records that belong together are being put into one unit.
    #[error(
        "the job's records are being put together, and stand in another order soon; ask again in a moment (emend status says how far it is)"
    )]
    Grouping,
    /// Retention has deleted the blocks.
    #[error("the job's records were deleted by retention")]
    BlocksGone,
    /// It was cancelled.
    #[error("the job was cancelled")]
    Cancelled,
    /// It was made without a canary.
    #[error("the job has no canary, so there is nothing to approve")]
    NoCanary,
    /// It keeps no results.
    #[error("the job is a dry run, which keeps no results; see its report and its samples")]
    DryRun,
    /// It runs what was withdrawn.
    #[error("the job runs a version that was withdrawn; give it another one with ReviseJob (emend rerun)")]
    Withdrawn,
}

/// Why a review, or a decision on one, does not allow what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReviewConflict {
    /// There is no such review.
    #[error("there is no such review: its record needs nobody, or is not there")]
    NotFound,
    /// Somebody else holds it, or it was handed back.
    #[error("somebody else has taken the review, or its lease was handed back")]
    Taken,
    /// It is like no other.
    #[error("no other review is like this one")]
    NoCluster,
    /// The token is not that of the reviewer's last lease.
    #[error("the token is not that of this reviewer's last lease of the review")]
    WrongToken,
    /// There is no such decision by this reviewer.
    #[error("there is no such decision by this reviewer")]
    NoDecision,
    /// A decision may be taken back no longer.
    #[error("the time in which the decision may be undone is over")]
    UndoTooLate,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => from_database(database.as_ref()),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error.to_string()),
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// PostgreSQL's word for a prepared statement that a migration has made stale.
const STALE: &str = "0A000";

impl StoreError {
    /// Whether the connection's prepared statements are older than the schema.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Self::Unavailable(code) if code == STALE)
    }
}

/// A database's message may quote values (`Key (name)=(…)`), so only its code goes on.
fn from_database(error: &dyn sqlx::error::DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default().into_owned();
    match code.as_str() {
        // Unique violation; in SQLite of a primary key, and of an index.
        "23505" | "1555" | "2067" => StoreError::Clash,
        // PostgreSQL: disk full, out of memory, configuration limit. SQLite: SQLITE_FULL.
        "53100" | "53200" | "53400" | "13" => StoreError::Full(code),
        // Connection and operator classes, deadlock and serialisation, too many connections, read-only while a
        // server fails over, time-out. SQLite: BUSY, LOCKED, IOERR and their extended codes.
        "40001" | "40P01" | "53300" | "25006" | "57014" | "5" | "6" | "10" | "261" | "517" | "266"
        | "778" => StoreError::Unavailable(code),
        STALE => StoreError::Unavailable(code),
        connection if connection.starts_with("08") || connection.starts_with("57P") => {
            StoreError::Unavailable(code)
        }
        _ => StoreError::Internal(code),
    }
}
