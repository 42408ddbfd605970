//! Two databases behind one way to run a statement.
//!
//! Every statement is written once: as one text where the dialects agree, as a pair where they differ.
//! Both number their parameters `$1`, `$2`, … (see [`super::params`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sqlx::postgres::{PgPool, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqlSafeStr as _, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;
use uuid::Uuid;

use super::durable::Log;
use super::error::StoreError;
use super::lanes::{Lane, Lanes, Turn};
use super::meters;
pub(crate) use super::params::{Column, Param, params};
use super::params::{postgres_arguments, sqlite_arguments};
use super::patience::Deadline;
use super::traffic::Traffic;

/// How long a statement on PostgreSQL may take, whoever waits for it.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait for a connection before saying that the database is unavailable.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A statement in both dialects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

impl Sql {
    /// The dialects agree.
    pub(crate) const fn same(text: &'static str) -> Self {
        Self { postgres: text, sqlite: text }
    }

    /// The dialects differ.
    pub(crate) const fn pair(postgres: &'static str, sqlite: &'static str) -> Self {
        Self { postgres, sqlite }
    }
}

/// A row of either database.
#[derive(Debug)]
pub(crate) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

macro_rules! getters {
    ($($name:ident -> $type:ty),* $(,)?) => {$(
        /// The value of a column.
        pub(crate) fn $name(&self, column: &str) -> Result<$type, StoreError> {
            Ok(match self {
                Self::Postgres(row) => row.try_get(column)?,
                Self::Sqlite(row) => row.try_get(column)?,
            })
        }
    )*};
}

impl Row {
    getters! {
        int -> i64, maybe_int -> Option<i64>, bool -> bool, text -> String, maybe_text -> Option<String>,
        bytes -> Vec<u8>, maybe_bytes -> Option<Vec<u8>>,
    }

    /// What stands there as JSON. The parser's own message would hold a piece of it, so it is not passed on.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?)
            .map_err(|_| StoreError::Internal(format!("{column} is not the JSON that it should be")))
    }

    /// A key's code.
    pub(crate) fn code(&self, column: &str) -> Result<[u8; 16], StoreError> {
        match self {
            Self::Postgres(row) => Ok(row.try_get::<Uuid, _>(column)?.into_bytes()),
            Self::Sqlite(row) => {
                let bytes: Vec<u8> = row.try_get(column)?;
                bytes.try_into().map_err(|_| StoreError::Internal("a code of another length".into()))
            }
        }
    }
}

/// A database transaction.
#[derive(Debug)]
pub(crate) enum Tx {
    Postgres(Transaction<'static, Postgres>),
    Sqlite {
        tx: Transaction<'static, Sqlite>,
        /// It may have changed something.
        wrote: bool,
    },
}

impl Tx {
    fn sqlite(tx: Transaction<'static, Sqlite>) -> Self {
        Self::Sqlite { tx, wrote: false }
    }

    fn wrote(&self) -> bool {
        !matches!(self, Self::Sqlite { wrote: false, .. })
    }

    /// Runs a statement; answers how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: Sql, params: Vec<Param>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Postgres(tx) => sqlx::query_with(sql.postgres, postgres_arguments(params)?)
                .execute(&mut **tx)
                .await?
                .rows_affected(),
            Self::Sqlite { tx, wrote } => {
                let arguments = sqlite_arguments(params)?;
                let touched =
                    sqlx::query_with(sql.sqlite, arguments).execute(&mut **tx).await?.rows_affected();
                *wrote |= touched > 0;
                touched
            }
        })
    }

    /// Runs a statement that must touch exactly `expected` rows.
    pub(crate) async fn execute_exactly(
        &mut self,
        expected: usize,
        sql: Sql,
        params: Vec<Param>,
    ) -> Result<(), StoreError> {
        let touched = self.execute(sql, params).await?;
        if usize::try_from(touched) == Ok(expected) {
            return Ok(());
        }
        Err(StoreError::Internal(format!("a statement touched {touched} rows, not {expected}")))
    }

    /// Runs a statement and gives its rows.
    pub(crate) async fn rows(&mut self, sql: Sql, params: Vec<Param>) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Postgres(tx) => {
                let rows =
                    sqlx::query_with(sql.postgres, postgres_arguments(params)?).fetch_all(&mut **tx).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            Self::Sqlite { tx, wrote } => {
                let rows =
                    sqlx::query_with(sql.sqlite, sqlite_arguments(params)?).fetch_all(&mut **tx).await?;
                // What a change gives back is what it changed.
                *wrote |= !rows.is_empty() && !sql.sqlite.trim_start().starts_with("SELECT");
                rows.into_iter().map(Row::Sqlite).collect()
            }
        })
    }

    /// Runs a statement that gives at most one row.
    pub(crate) async fn row(&mut self, sql: Sql, params: Vec<Param>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, params).await?.pop())
    }

    /// Lets a newer schema be met once: without this the connection would say no to the same statement for ever.
    async fn forget_if_stale(&mut self, error: Option<&StoreError>) -> Result<(), StoreError> {
        match self {
            Self::Postgres(tx) if error.is_some_and(StoreError::is_stale) => {
                Ok(tx.clear_cached_statements().await?)
            }
            _ => Ok(()),
        }
    }

    async fn finish(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite { tx, .. } => tx.commit().await?,
        }
        Ok(())
    }

    async fn roll_back(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(tx) => tx.rollback().await?,
            Self::Sqlite { tx, .. } => tx.rollback().await?,
        }
        Ok(())
    }
}

/// The connections to one database.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    Postgres {
        pool: PgPool,
        /// Places for those that write: a connection is left for reads, or a burst of writes would keep them waiting.
        writers: Arc<Semaphore>,
    },
    Sqlite {
        /// The one connection that writes.
        writer: SqlitePool,
        /// Who writes next.
        lanes: Lanes,
        /// Connections that only read.
        readers: SqlitePool,
        /// When what was written is on disk.
        log: Log,
    },
}

/// Work inside a transaction.
pub(crate) type Work<'t, T> = BoxFuture<'t, Result<T, StoreError>>;

/// The same, whatever it gives: what runs a transaction is compiled once, and not for each of them.
type AnyWork = Box<dyn for<'t> FnOnce(&'t mut Tx) -> Work<'t, ()> + Send>;

/// Where a transaction leaves what it gives.
#[derive(Debug)]
struct Given<T>(Arc<Mutex<Option<T>>>);

impl<T: Send + 'static> Given<T> {
    fn by<W>(work: W) -> (Self, AnyWork)
    where
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let place = Arc::new(Mutex::new(None));
        let given = Self(Arc::clone(&place));
        let work: AnyWork = Box::new(move |tx| {
            Box::pin(async move {
                let done = work(tx).await?;
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
                Ok(())
            })
        });
        (given, work)
    }

    fn take(self) -> Result<T, StoreError> {
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        given.ok_or_else(|| StoreError::Internal("a transaction gave nothing".into()))
    }
}

impl Db {
    /// The connections of a pool, all but one of them for writes.
    pub(crate) fn postgres(pool: PgPool) -> Self {
        let most = pool.options().get_max_connections() as usize;
        Self::Postgres { pool, writers: Arc::new(Semaphore::new(most.saturating_sub(1).max(1))) }
    }

    /// Runs `work` in a transaction that writes.
    pub(crate) async fn write<T, W>(&self, traffic: &Traffic, lane: Lane, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let (given, work) = Given::by(work);
        self.write_any(traffic, lane, work).await?;
        given.take()
    }

    async fn write_any(&self, traffic: &Traffic, lane: Lane, work: AnyWork) -> Result<(), StoreError> {
        let (db, waiting, deadline) = (self.clone(), traffic.wait(), Deadline::of_call());
        traffic
            .run(self.span("store.write"), async move {
                let asked = Instant::now();
                let (mut tx, turn, _place) = match &db {
                    Self::Postgres { pool, writers } => {
                        let place = deadline.wait(place(writers)).await??;
                        (begin_postgres(pool, deadline).await?, None, Some(place))
                    }
                    Self::Sqlite { writer, lanes, .. } => {
                        let turn = deadline.wait(lanes.turn(lane)).await?;
                        (Tx::sqlite(writer.begin_with("BEGIN IMMEDIATE").await?), Some(turn), None)
                    }
                };
                drop(waiting);
                let begun = Instant::now();
                let outcome = match deadline.check() {
                    Ok(()) => work(&mut tx).await.map_err(|error| deadline.blame(error)),
                    Err(too_late) => Err(too_late),
                };
                tx.forget_if_stale(outcome.as_ref().err()).await?;
                let ended = match (&db, outcome.is_ok()) {
                    (Self::Sqlite { log, .. }, true) => finish_sqlite(tx, turn, log).await,
                    (Self::Postgres { .. }, true) => tx.finish().await,
                    (_, false) => tx.roll_back().await,
                };
                meters::transaction("write", begun - asked, begun.elapsed());
                outcome.and(ended)
            })
            .await
    }

    /// A span for a transaction, in the trace of the call that wants it.
    fn span(&self, name: &'static str) -> Span {
        let system = match self {
            Self::Postgres { .. } => "postgresql",
            Self::Sqlite { .. } => "sqlite",
        };
        tracing::info_span!(target: "emend::trace", "transaction", otel.name = name, db.system.name = system)
    }

    /// Runs `work` in a short transaction that only reads.
    pub(crate) async fn read<T, W>(&self, traffic: &Traffic, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let (given, work) = Given::by(work);
        self.read_any(traffic, work).await?;
        given.take()
    }

    async fn read_any(&self, traffic: &Traffic, work: AnyWork) -> Result<(), StoreError> {
        let (db, waiting, deadline) = (self.clone(), traffic.wait(), Deadline::of_call());
        traffic
            .run(self.span("store.read"), async move {
                let asked = Instant::now();
                let mut tx = match &db {
                    Self::Postgres { pool, .. } => begin_postgres(pool, deadline).await?,
                    Self::Sqlite { readers, .. } => Tx::sqlite(readers.begin().await?),
                };
                drop(waiting);
                let begun = Instant::now();
                let outcome = match deadline.check() {
                    Ok(()) => work(&mut tx).await.map_err(|error| deadline.blame(error)),
                    Err(too_late) => Err(too_late),
                };
                tx.forget_if_stale(outcome.as_ref().err()).await?;
                tx.roll_back().await?;
                if let Self::Sqlite { log, .. } = &db {
                    log.settled(log.newest()).await?;
                }
                meters::transaction("read", begun - asked, begun.elapsed());
                outcome
            })
            .await
    }
}

/// Commits, gives the turn to the next writer, and waits for the disk. What changed nothing is like a read.
async fn finish_sqlite(tx: Tx, turn: Option<Turn>, log: &Log) -> Result<(), StoreError> {
    let number = tx.wrote().then(|| log.begin());
    let finished = tx.finish().await;
    if let Some(number) = number {
        log.written(number);
    }
    drop(turn);
    finished?;
    log.settled(number.unwrap_or_else(|| log.newest())).await
}

/// Waits for a place among the writers, no longer than for a connection.
async fn place(writers: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
    let place = tokio::time::timeout(ACQUIRE_TIMEOUT, writers.clone().acquire_owned()).await;
    Ok(place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?)
}

/// Begins a transaction whose statements PostgreSQL gives up when nobody waits for them any more. The limit goes along
/// with BEGIN, in one message. SQLite's statements are short, and it has no such limit.
///
/// It is what `Pool::begin_with` does, in its two steps: the wait for a connection may be given up, and sqlx itself does so
/// after a while, but BEGIN may not, or the connection would go back to the others in a transaction.
async fn begin_postgres(pool: &PgPool, deadline: Deadline) -> Result<Tx, StoreError> {
    // Boxed: it is large, and part of every call.
    let connection = deadline.wait(Box::pin(pool.acquire())).await??;
    let begin = deadline.left().filter(|left| *left < STATEMENT_TIMEOUT).map(|left| {
        let millis = left.as_millis().max(1);
        AssertSqlSafe(format!("BEGIN; SET LOCAL statement_timeout = {millis}")).into_sql_str()
    });
    Ok(Tx::Postgres(Transaction::begin(connection, begin).await?))
}
