//! The store: the one place that knows SQL. Every operation is one short transaction.

mod beats;
mod commits;
mod db;
mod error;
mod handbacks;
#[cfg(feature = "test-hooks")]
mod hooks;
mod imports;
mod jobs;
mod keys;
mod lanes;
mod leases;
#[cfg(feature = "test-hooks")]
mod mutant;
mod open;
mod progress;
mod records;
mod retention;
mod splits;
mod units;
mod workers;

use std::fs::File;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

pub use commits::{Commit, Outcome};
use db::{Db, Sql, Tx, Work, params};
pub use error::{JobConflict, StoreError};
pub use imports::{Batch, Import, Reject, Run, pack};
pub use jobs::Job;
use lanes::Lane;
pub use leases::{LeaseAsk, UnitToDo};
#[cfg(feature = "test-hooks")]
pub use mutant::Mutant;
pub use open::OpenError;
use open::Schema;
pub use progress::{Progress, UnitStatus};
pub use records::{Found, Having, UnitBlocks};
pub use splits::SplitOutcome;
pub use workers::WorkerStatus;

use crate::domain::time::Timestamp;

/// Jobs, records, units and leases in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    /// Transactions under way.
    tasks: TaskTracker,
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
            tasks: TaskTracker::new(),
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
        let row = self.read(|tx| Box::pin(async move { tx.row(NOW, params![]).await }));
        let row = row.await?.ok_or_else(|| StoreError::Internal("the clock gave no row".into()))?;
        row.int("now").map(Timestamp)
    }

    /// Waits for the transactions under way. Call it last.
    pub async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        match &self.db {
            Db::Postgres(pool) => pool.close().await,
            Db::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    async fn write<T, W>(&self, lane: Lane, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        self.db.write(&self.tasks, lane, work).await
    }

    async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        self.db.read(&self.tasks, work).await
    }
}
