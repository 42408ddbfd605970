//! Two databases behind one way to run a statement.
//!
//! Every statement is written once: as one text where the dialects agree, as a pair where they differ.
//! Both number their parameters `$1`, `$2`, …. A list goes to PostgreSQL as an array and to SQLite as JSON; a
//! table, always the last parameter, as an array for each column (`unnest`) and as JSON rows (`json_each`). JSON holds
//! no bytes: a column of them is two there, offset and length in one blob that follows as a parameter of its own.

use std::time::Instant;

use futures::future::BoxFuture;
use sqlx::postgres::{PgArguments, PgPool, PgRow, Postgres};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqlitePool, SqliteRow};
use sqlx::{Arguments as _, Connection as _, Row as _, Transaction};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::error::StoreError;
use super::lanes::{Lane, Lanes};
use super::meters;
use crate::domain::time::Timestamp;

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

/// A parameter.
#[derive(Debug, Clone)]
pub(crate) enum Param {
    Int(i64),
    MaybeInt(Option<i64>),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    Code([u8; 16]),
    Codes(Vec<[u8; 16]>),
    Table(Vec<Column>),
}

/// A column of a table that goes along as a parameter.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    Ints(Vec<i64>),
    MaybeInts(Vec<Option<i64>>),
    Texts(Vec<String>),
    Blobs(Vec<Vec<u8>>),
    Codes(Vec<[u8; 16]>),
}

impl Column {
    fn len(&self) -> usize {
        match self {
            Self::Ints(values) => values.len(),
            Self::MaybeInts(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Blobs(values) => values.len(),
            Self::Codes(values) => values.len(),
        }
    }
}

macro_rules! param_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Param {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
param_from! {
    i64 => Int, Option<i64> => MaybeInt, bool => Bool, String => Text, &str => Text, Vec<u8> => Bytes,
    Vec<i64> => Ints, Vec<String> => Texts, [u8; 16] => Code, Vec<[u8; 16]> => Codes, u32 => Int, Vec<Column> => Table,
}

impl From<Timestamp> for Param {
    fn from(value: Timestamp) -> Self {
        Self::Int(value.0)
    }
}

/// The parameters of a statement, in order.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$(crate::store::db::Param::from($value)),*] };
}
pub(crate) use params;

fn postgres_arguments(params: Vec<Param>) -> Result<PgArguments, StoreError> {
    let mut arguments = PgArguments::default();
    for param in params {
        let added = match param {
            Param::Int(value) => arguments.add(value),
            Param::MaybeInt(value) => arguments.add(value),
            Param::Bool(value) => arguments.add(value),
            Param::Text(value) => arguments.add(value),
            Param::Bytes(value) => arguments.add(value),
            Param::Ints(value) => arguments.add(value),
            Param::Texts(value) => arguments.add(value),
            Param::Code(value) => arguments.add(Uuid::from_bytes(value)),
            Param::Codes(value) => arguments.add(value.into_iter().map(Uuid::from_bytes).collect::<Vec<_>>()),
            Param::Table(columns) => columns.into_iter().try_for_each(|column| match column {
                Column::Ints(values) => arguments.add(values),
                Column::MaybeInts(values) => arguments.add(values),
                Column::Texts(values) => arguments.add(values),
                Column::Blobs(values) => arguments.add(values),
                Column::Codes(values) => {
                    arguments.add(values.into_iter().map(Uuid::from_bytes).collect::<Vec<_>>())
                }
            }),
        };
        added.map_err(|error| StoreError::Internal(error.to_string()))?;
    }
    Ok(arguments)
}

fn sqlite_arguments(params: Vec<Param>) -> Result<SqliteArguments, StoreError> {
    let mut arguments = SqliteArguments::default();
    for param in params {
        let added = match param {
            Param::Int(value) => arguments.add(value),
            Param::MaybeInt(value) => arguments.add(value),
            Param::Bool(value) => arguments.add(value),
            Param::Text(value) => arguments.add(value),
            Param::Bytes(value) => arguments.add(value),
            Param::Ints(value) => arguments.add(json(&value)),
            Param::Texts(value) => arguments.add(json(&value)),
            Param::Code(value) => arguments.add(value.to_vec()),
            Param::Codes(value) => arguments.add(json_codes(&value)),
            Param::Table(columns) => {
                let mut blobs = Vec::new();
                let rows = arguments.add(json_rows(&columns, &mut blobs));
                if blobs.is_empty() { rows } else { rows.and_then(|()| arguments.add(blobs)) }
            }
        };
        added.map_err(|error| StoreError::Internal(error.to_string()))?;
    }
    Ok(arguments)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("numbers and strings are always JSON")
}

fn json_codes(codes: &[[u8; 16]]) -> String {
    let mut text = String::with_capacity(codes.len() * 35 + 2);
    text.push('[');
    for (at, code) in codes.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        push_hex(&mut text, code);
    }
    text.push(']');
    text
}

fn json_rows(columns: &[Column], blobs: &mut Vec<u8>) -> String {
    let rows = columns.first().map_or(0, Column::len);
    let mut text = String::from("[");
    for row in 0..rows {
        text.push_str(if row == 0 { "[" } else { ",[" });
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            match column {
                Column::Ints(values) => text.push_str(&json(&values[row])),
                Column::MaybeInts(values) => text.push_str(&json(&values[row])),
                Column::Texts(values) => text.push_str(&json(&values[row])),
                Column::Blobs(values) => {
                    let (offset, length) = (blobs.len() + 1, values[row].len());
                    text.push_str(&format!("{offset},{length}"));
                    blobs.extend_from_slice(&values[row]);
                }
                Column::Codes(values) => push_hex(&mut text, &values[row]),
            }
        }
        text.push(']');
    }
    text.push(']');
    text
}

/// Codes are short, and lists of them are also searched: they go as hexadecimal strings, which SQLite's `unhex` reads.
fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(bytes.len() * 2 + 2);
    text.push('"');
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('"');
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
    Sqlite(Transaction<'static, Sqlite>),
}

impl Tx {
    /// Runs a statement; answers how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: Sql, params: Vec<Param>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Postgres(tx) => sqlx::query_with(sql.postgres, postgres_arguments(params)?)
                .execute(&mut **tx)
                .await?
                .rows_affected(),
            Self::Sqlite(tx) => sqlx::query_with(sql.sqlite, sqlite_arguments(params)?)
                .execute(&mut **tx)
                .await?
                .rows_affected(),
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
            Self::Sqlite(tx) => {
                let rows =
                    sqlx::query_with(sql.sqlite, sqlite_arguments(params)?).fetch_all(&mut **tx).await?;
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
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }

    async fn roll_back(self) -> Result<(), StoreError> {
        match self {
            Self::Postgres(tx) => tx.rollback().await?,
            Self::Sqlite(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

/// The connections to one database.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    Postgres(PgPool),
    Sqlite {
        /// The one connection that writes.
        writer: SqlitePool,
        /// Who writes next.
        lanes: Lanes,
        /// Connections that only read.
        readers: SqlitePool,
    },
}

/// Work inside a transaction.
pub(crate) type Work<'t, T> = BoxFuture<'t, Result<T, StoreError>>;

impl Db {
    /// Runs `work` in a transaction that writes.
    ///
    /// It runs in a task of its own: a caller that goes away cannot leave a pooled connection half in it.
    pub(crate) async fn write<T, W>(&self, tasks: &TaskTracker, lane: Lane, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let db = self.clone();
        join(tasks, self.span("store.write"), async move {
            let asked = Instant::now();
            let (mut tx, turn) = match &db {
                Self::Postgres(pool) => (Tx::Postgres(pool.begin().await?), None),
                Self::Sqlite { writer, lanes, .. } => {
                    let turn = lanes.turn(lane).await;
                    (Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?), Some(turn))
                }
            };
            let begun = Instant::now();
            let outcome = work(&mut tx).await;
            tx.forget_if_stale(outcome.as_ref().err()).await?;
            let ended = if outcome.is_ok() { tx.finish().await } else { tx.roll_back().await };
            drop(turn);
            meters::transaction("write", begun - asked, begun.elapsed());
            match (outcome, ended) {
                (Ok(done), Ok(())) => Ok(done),
                (Ok(_), Err(error)) | (Err(error), _) => Err(error),
            }
        })
        .await
    }

    /// A span for a transaction, in the trace of the call that wants it.
    fn span(&self, name: &'static str) -> Span {
        let system = match self {
            Self::Postgres(_) => "postgresql",
            Self::Sqlite { .. } => "sqlite",
        };
        tracing::info_span!(target: "emend::trace", "transaction", otel.name = name, db.system.name = system)
    }

    /// Runs `work` in a short transaction that only reads.
    pub(crate) async fn read<T, W>(&self, tasks: &TaskTracker, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> Work<'t, T> + Send + 'static,
    {
        let db = self.clone();
        join(tasks, self.span("store.read"), async move {
            let asked = Instant::now();
            let mut tx = match &db {
                Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
                Self::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            };
            let begun = Instant::now();
            let outcome = work(&mut tx).await;
            tx.forget_if_stale(outcome.as_ref().err()).await?;
            tx.roll_back().await?;
            meters::transaction("read", begun - asked, begun.elapsed());
            outcome
        })
        .await
    }
}

async fn join<T: Send + 'static>(
    tasks: &TaskTracker,
    span: Span,
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tasks.spawn(work.instrument(span)).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => Err(StoreError::Internal("a transaction panicked".into())),
        Err(_) => Err(StoreError::Unavailable("the scheduler is stopping".into())),
    }
}
