//! What the suite asks of a store and nobody else may. Nothing but the `test-hooks` feature makes it.

use super::db::{Db, Sql, params};
use super::{Lane, Store, StoreError};

/// SQLite's `synchronous` is the connection's own: nobody can read it from outside.
const DURABILITY: Sql = Sql::pair(
    "SELECT name::text AS name, setting::text AS value FROM pg_settings
     WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name",
    "SELECT 'journal_mode' AS name, CAST(journal_mode AS TEXT) AS value FROM pragma_journal_mode
     UNION ALL SELECT 'synchronous', CAST(synchronous AS TEXT) FROM pragma_synchronous",
);

impl Store {
    /// Sets how SQLite's writer syncs (`NORMAL`, `OFF`) and takes our own sync away: a store that loses what it has
    /// acknowledged.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn set_synchronous(&self, level: &str) -> Result<(), StoreError> {
        let statement = match level {
            "NORMAL" => "PRAGMA synchronous = NORMAL",
            "OFF" => "PRAGMA synchronous = OFF",
            other => return Err(StoreError::Internal(format!("synchronous = {other} is no weaker level"))),
        };
        if let Db::Sqlite { writer, log, .. } = &self.db {
            log.never_sync();
            sqlx::raw_sql(statement).execute(writer).await?;
        }
        Ok(())
    }

    /// The settings on which durability rests, as the connection that writes has them.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn durability(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.write(Lane::Idle, |tx| {
            Box::pin(async move {
                let rows = tx.rows(DURABILITY, params![]).await?;
                rows.iter().map(|row| Ok((row.text("name")?, row.text("value")?))).collect()
            })
        })
        .await
    }
}
