//! The store: the one place that knows SQL. Every operation is one short transaction.

mod accounts;
mod audit;
mod beats;
mod commits;
mod db;
mod durable;
mod error;
mod groups;
mod guards;
mod handbacks;
mod held_from;
#[cfg(feature = "test-hooks")]
mod hooks;
mod imports;
mod jobs;
mod keys;
mod lanes;
mod leases;
pub(crate) mod meters;
#[cfg(feature = "test-hooks")]
mod mutant;
mod open;
mod outbox;
mod outlook;
mod params;
mod patience;
mod progress;
mod ready_from;
mod records;
mod recut;
mod retention;
mod reviews;
mod revisions;
mod samples;
mod splits;
mod traffic;
mod units;
mod withdrawn;
mod workers;

use std::fs::File;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use accounts::{Account, Attempt, Known, Session};
pub use audit::{AuditState, Note, Sealed};
pub use commits::{Commit, Outcome};
use db::{Db, Sql, Tx, Work, params};
pub use error::{JobConflict, ReviewConflict, StoreError};
use groups::Fresh;
pub use groups::Gathered;
use held_from::HeldFrom;
pub use imports::{Batch, Import, Reject, Run, pack};
pub use jobs::Job;
use lanes::Lane;
pub use leases::{LeaseAsk, UnitToDo};
#[cfg(feature = "test-hooks")]
pub use mutant::Mutant;
pub use open::OpenError;
use open::Schema;
use outbox::Outbox;
pub use outbox::{Backlog, Claim, OutboxRow, Told};
pub use outlook::{Connections, Unfinished, UnitCounts};
pub use progress::{Progress, UnitStatus};
use ready_from::ReadyFrom;
pub use records::{Found, Having, UnitBlocks};
pub use reviews::{
    ClusterSizes, Day, Decided, Decision, Held, KnownAnswer, LeasedReviews, Logged, Member, OwnQueue, Pace,
    PaceStep, PausedReviewer, ReviewAsk, ReviewQueue, ReviewSeen, Reviewed, ReviewedUnit, Reviewer,
    ReviewerStatus, Shift, Standing,
};
pub use revisions::{Revise, RevisionStatus, Swept};
pub use splits::SplitOutcome;
use traffic::Traffic;
pub use workers::WorkerStatus;

use crate::domain::time::Timestamp;

/// An answer this old still says that the database is there.
const LATELY: Duration = Duration::from_secs(2);
/// How long it may take to answer when it is asked whether it is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// Jobs, records, units and leases in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    traffic: Traffic,
    /// When the database last answered.
    answered: Arc<Mutex<Instant>>,
    /// Where to look for ready units.
    ready_from: ReadyFrom,
    /// Where to look for what workers hold.
    held_from: HeldFrom,
    /// What was imported just now, for whoever puts records together.
    fresh: Fresh,
    /// What others may want to know of it.
    outbox: Outbox,
    /// When this scheduler last wrote into the outbox, by the store's clock.
    told_at: Arc<AtomicI64>,
    /// Held as long as any clone of the store is: no second scheduler opens the same SQLite file.
    _lock: Option<Arc<File>>,
    #[cfg(feature = "test-hooks")]
    mutant: Option<Mutant>,
}

impl Store {
    /// Opens the store that `url` names (`sqlite://PATH`, `postgres://…`), with at most `connections` to
    /// PostgreSQL. An empty one is set up.
    ///
    /// # Errors
    /// [`OpenError`]: unreachable, in use, unsafe settings, or a schema of another version.
    pub async fn open(url: &str, connections: u32) -> Result<Self, OpenError> {
        Self::open_with(url, connections, Schema::Require).await
    }

    /// Brings the schema of the store that `url` names up to this program.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn migrate(url: &str) -> Result<(), OpenError> {
        Self::open_with(url, 1, Schema::Migrate).await.map(|_| ())
    }

    async fn open_with(url: &str, connections: u32, schema: Schema) -> Result<Self, OpenError> {
        let opened = open::open(url, connections, schema).await?;
        Ok(Self {
            db: opened.db,
            traffic: Traffic::default(),
            answered: Arc::new(Mutex::new(Instant::now())),
            ready_from: ReadyFrom::default(),
            held_from: HeldFrom::default(),
            fresh: Fresh::default(),
            outbox: Outbox::default(),
            told_at: Arc::default(),
            _lock: opened.lock.map(Arc::new),
            #[cfg(feature = "test-hooks")]
            mutant: None,
        })
    }

    /// What time it is by the store's clock.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn now(&self) -> Result<Timestamp, StoreError> {
        const NOW: Sql = Sql::pair(
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS now",
            "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now",
        );
        #[cfg(feature = "test-hooks")]
        if self.mutant == Some(Mutant::TrustsWallClock) {
            return Ok(mutant::clock::now());
        }
        let row = self.read(|tx| Box::pin(async move { tx.row(NOW, params![]).await }));
        let row = row.await?.ok_or_else(|| StoreError::Internal("the clock gave no row".into()))?;
        row.int("now").map(Timestamp)
    }

    /// Waits for the transactions under way. Call it last.
    pub async fn close(&self) {
        self.traffic.end().await;
        match &self.db {
            Db::Postgres { pool, .. } => pool.close().await,
            Db::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    /// How many transactions wait for a connection, or on SQLite for their turn to write.
    pub fn waiting(&self) -> usize {
        self.traffic.waiting()
    }

    async fn write<T, W>(&self, lane: Lane, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        self.heard(self.db.write(&self.traffic, lane, work).await)
    }

    async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        self.heard(self.db.read(&self.traffic, work).await)
    }

    /// Whether the store has answered anybody lately, or does so now within a second. Asks only when it must: while the
    /// pool is busy others are answered, and one more query would help nobody.
    pub async fn answers(&self) -> bool {
        let lately = self.answered.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < LATELY;
        lately || tokio::time::timeout(PATIENCE, self.now()).await.is_ok_and(|now| now.is_ok())
    }

    /// Notes that the database has answered, or why it has not.
    fn heard<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        // Whoever gave up waiting has heard nothing of it.
        if !matches!(outcome, Err(StoreError::Unavailable(_) | StoreError::TooLate)) {
            *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
        if let Err(error) = &outcome {
            meters::failed(error);
        }
        outcome
    }
}
