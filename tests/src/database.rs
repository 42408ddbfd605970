//! A fresh database for one test, of either kind, with a way to look behind the store's back.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Executor as _, Row as _, Sqlite, Transaction};
use tempfile::TempDir;

use crate::postgres::Postgres;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A file in a temporary folder.
    Sqlite,
    /// A database of the server that the test process shares.
    Postgres,
}

/// A database of one test.
#[derive(Debug)]
pub struct Database {
    /// As `--store` takes it.
    pub url: String,
    raw: Raw,
    /// Removed with it.
    _folder: Option<TempDir>,
}

#[derive(Debug)]
enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool, String),
}

/// Others wait as long as this is there.
#[derive(Debug)]
pub enum Hold {
    /// The one transaction that may write.
    Sqlite(Transaction<'static, Sqlite>),
    /// The table of jobs is locked.
    Postgres(Transaction<'static, sqlx::Postgres>),
}

impl Hold {
    /// Lets the others go on.
    ///
    /// # Panics
    /// When the database is gone.
    pub async fn let_go(self) {
        let gone = match self {
            Self::Sqlite(held) => held.rollback().await,
            Self::Postgres(held) => held.rollback().await,
        };
        gone.expect("the database is there");
    }
}

/// A statement's answer, one way for both.
macro_rules! on_raw {
    ($raw:expr, $pool:ident => $work:expr) => {
        match $raw {
            Raw::Sqlite($pool) => $work,
            Raw::Postgres($pool, _) => $work,
        }
    };
}

impl Database {
    /// An empty database.
    pub async fn new(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::sqlite(),
            Backend::Postgres => {
                let server = Postgres::shared();
                let name = server.create_database().await;
                Self::on(server, name)
            }
        }
    }

    /// A database that is there already, on a server of the test's own.
    pub fn on(server: &Postgres, name: String) -> Self {
        let url = server.url(&name);
        let pool = PgPoolOptions::new().max_connections(3).connect_lazy(&url);
        let raw = Raw::Postgres(pool.expect("the URL is our own"), name);
        Self { url, raw, _folder: None }
    }

    fn sqlite() -> Self {
        let folder = tempfile::Builder::new().prefix("emend-sqlite-").tempdir().expect("a temporary folder");
        let file = Self::file(&folder.path().join("emend.db"));
        Self { _folder: Some(folder), ..file }
    }

    /// A SQLite file that is there already, or will be.
    pub fn file(path: &Path) -> Self {
        let url = format!("sqlite://{}", path.display());
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(20))
            .foreign_keys(false);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options);
        Self { url, raw: Raw::Sqlite(pool), _folder: None }
    }

    /// Which kind it is.
    pub fn backend(&self) -> Backend {
        match self.raw {
            Raw::Sqlite(_) => Backend::Sqlite,
            Raw::Postgres(..) => Backend::Postgres,
        }
    }

    /// The name of a PostgreSQL database.
    ///
    /// # Panics
    /// When it is not one.
    pub fn name(&self) -> &str {
        match &self.raw {
            Raw::Postgres(_, name) => name,
            Raw::Sqlite(_) => panic!("a SQLite database has no name"),
        }
    }

    /// Runs a statement that both understand; answers how many rows it touched.
    ///
    /// # Panics
    /// When it fails.
    pub async fn execute(&self, statement: &str) -> u64 {
        let sql = AssertSqlSafe(statement);
        on_raw!(&self.raw, pool => pool.execute(sqlx::raw_sql(sql)).await.map(|done| done.rows_affected()))
            .unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// The first column of a query's rows, numbers.
    ///
    /// # Panics
    /// When it fails.
    pub async fn ints(&self, query: &str) -> Vec<i64> {
        let sql = AssertSqlSafe(query);
        on_raw!(&self.raw, pool => sqlx::query(sql).fetch_all(pool).await
            .and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect()))
        .unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The one number that a query gives.
    ///
    /// # Panics
    /// When it gives another number of rows.
    pub async fn int(&self, query: &str) -> i64 {
        let [value] = self.ints(query).await[..] else { panic!("{query}: not one row") };
        value
    }

    /// A query's rows, all columns texts.
    ///
    /// # Panics
    /// When it fails.
    pub async fn texts(&self, query: &str) -> Vec<Vec<String>> {
        let sql = AssertSqlSafe(query);
        on_raw!(&self.raw, pool => sqlx::query(sql).fetch_all(pool).await
            .and_then(|rows| rows.iter().map(|row| (0..row.len()).map(|at| row.try_get(at)).collect()).collect()))
        .unwrap_or_else(|error| panic!("{query}: {error}"))
    }

    /// The pool behind it, to hold a transaction open.
    ///
    /// # Panics
    /// When it is not a PostgreSQL database.
    pub fn postgres(&self) -> &PgPool {
        match &self.raw {
            Raw::Postgres(pool, _) => pool,
            Raw::Sqlite(_) => panic!("not a PostgreSQL database"),
        }
    }

    /// Makes everybody who writes wait, on PostgreSQL also who looks for a job, until the hold is let go.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn hold(&self) -> Hold {
        let held = match &self.raw {
            Raw::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await.map(Hold::Sqlite),
            Raw::Postgres(pool, _) => {
                pool.begin_with("BEGIN; LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE").await.map(Hold::Postgres)
            }
        };
        held.expect("nobody else holds it")
    }

    /// Closes our own connections to it, and drops it from the shared server.
    pub async fn close(self) {
        match self.raw {
            Raw::Sqlite(pool) => pool.close().await,
            Raw::Postgres(pool, name) => {
                pool.close().await;
                Postgres::shared().drop_database(&name).await;
            }
        }
    }
}
