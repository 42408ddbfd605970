//! Who works on what, read from the leases: workers have no rows of their own.

use super::db::{Row, Sql, params};
use super::{Store, StoreError};
use crate::domain::time::Timestamp;

/// What a worker has in work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its id.
    pub worker: String,
    /// Units that it holds.
    pub units: i64,
    /// Their records.
    pub records: i64,
    /// Those of them that are done, as last heard.
    pub progress: i64,
    /// When the first of its leases runs out.
    pub expires_at: Timestamp,
}

const LIST: Sql = Sql::same(
    "SELECT holder, COUNT(*) AS units, CAST(SUM(last_seq - first_seq + 1) AS BIGINT) AS records,
         CAST(SUM(COALESCE(progress, 0)) AS BIGINT) AS progress, MIN(expires_at) AS expires_at
     FROM units WHERE state = 'leased' AND holder > $1 GROUP BY holder ORDER BY holder LIMIT $2",
);

impl Store {
    /// Up to `limit` workers that hold units, by id, of those after `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn workers(&self, after: String, limit: u32) -> Result<Vec<WorkerStatus>, StoreError> {
        self.read(move |tx| {
            Box::pin(
                async move { tx.rows(LIST, params![after, limit]).await?.iter().map(read_worker).collect() },
            )
        })
        .await
    }
}

fn read_worker(row: &Row) -> Result<WorkerStatus, StoreError> {
    Ok(WorkerStatus {
        worker: row.text("holder")?,
        units: row.int("units")?,
        records: row.int("records")?,
        progress: row.int("progress")?,
        expires_at: Timestamp(row.int("expires_at")?),
    })
}
