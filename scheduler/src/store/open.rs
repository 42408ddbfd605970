//! Opening a store: which database it is, whether it keeps what it says, and whether we know its schema.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::migrate::{Migrate as _, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::db::{ACQUIRE_TIMEOUT, Db, STATEMENT_TIMEOUT};
use super::durable::Log;
use super::lanes::Lanes;

static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");

/// Why a store cannot be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that we know.
    #[error("store `{0}` is not a database: give sqlite://PATH or postgres://USER@HOST/NAME")]
    Url(String),
    /// The database does not answer.
    #[error("cannot reach the database of {store}: {reason}")]
    Unreachable {
        /// The store, without its password.
        store: String,
        /// What the driver said.
        reason: String,
    },
    /// Another scheduler has the file.
    #[error("{0} is in use by another scheduler; SQLite takes one, PostgreSQL any number")]
    InUse(PathBuf),
    /// The database would lose acknowledged commits.
    #[error("{setting} is `{value}`: acknowledged commits could be lost; set it to `on`")]
    Unsafe {
        /// The setting's name.
        setting: &'static str,
        /// What it is.
        value: String,
    },
    /// The schema is older than this program.
    #[error("the store's schema is older than this emend: run `emend migrate --store URL`")]
    OldSchema,
    /// The schema was made by a newer program.
    #[error("the store's schema (version {0}) is newer than this emend: use the version that made it")]
    NewSchema(i64),
    /// The schema cannot be brought up.
    #[error("cannot migrate the store: {0}")]
    Migration(String),
}

/// An open database, with the file lock that keeps a second scheduler from a SQLite file.
pub(crate) struct Opened {
    pub(crate) db: Db,
    pub(crate) lock: Option<File>,
}

/// What to do with a schema that is older than this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Refuse it, but set up an empty store.
    Require,
    /// Bring it up.
    Migrate,
}

/// Opens the database that `url` names, with at most `connections` to PostgreSQL.
pub(crate) async fn open(url: &str, connections: u32, schema: Schema) -> Result<Opened, OpenError> {
    match url.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => open_sqlite(Path::new(path), schema).await,
        Some(("postgres" | "postgresql", _)) => open_postgres(url, connections, schema).await,
        _ => Err(OpenError::Url(without_password(url))),
    }
}

/// The URL as it may be shown: a password may stand before the host, or among the parameters.
pub(crate) fn without_password(url: &str) -> String {
    let shown = without_user_password(url);
    let Some((base, parameters)) = shown.split_once('?') else { return shown };
    let parameters = parameters.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if name.eq_ignore_ascii_case("password") => "password=***",
        _ => parameter,
    });
    format!("{base}?{}", parameters.collect::<Vec<_>>().join("&"))
}

fn without_user_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:***@{host}"),
            None => url.to_owned(),
        },
        None => url.to_owned(),
    }
}

async fn open_sqlite(path: &Path, schema: Schema) -> Result<Opened, OpenError> {
    let unreachable = |error: &dyn std::fmt::Display| OpenError::Unreachable {
        store: format!("sqlite://{}", path.display()),
        reason: error.to_string(),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| unreachable(&error))?;
    }
    // By whatever name: a link to the file is the file.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let lock_path = PathBuf::from(format!("{}.lock", real.display()));
    let lock = File::create(&lock_path).map_err(|error| unreachable(&error))?;
    lock.try_lock().map_err(|error| match error {
        std::fs::TryLockError::WouldBlock => OpenError::InUse(path.to_owned()),
        std::fs::TryLockError::Error(error) => unreachable(&error),
    })?;
    // `read_only` opens leave these alone; the writer sets them, and reads back what it got.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // The sync that commits wait for is ours: see `durable`.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5))
        .pragma("cache_size", "-8192")
        // EXISTS becomes a join in newer versions, for which all units would be indexed anew at every lease.
        .pragma("automatic_index", "OFF")
        .row_buffer_size(1024)
        .disable_statement_logging();
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        // On a full disk SQLite may roll back by itself. The driver then believes in a transaction that is no more,
        // and begins none on this connection ever again.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .connect_with(options.clone())
        .await
        .map_err(|error| unreachable(&error))?;
    check_sqlite(&writer).await?;
    bring_up(SqliteOrPostgres::Sqlite(&writer), schema).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.read_only(true).pragma("cache_size", "-1024"))
        .await
        .map_err(|error| unreachable(&error))?;
    let db = Db::Sqlite { writer, lanes: Lanes::default(), readers, log: Log::of(path) };
    Ok(Opened { db, lock: Some(lock) })
}

async fn check_sqlite(writer: &SqlitePool) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::Migration(error.to_string());
    let journal: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(writer).await.map_err(failed)?;
    if journal != "wal" {
        return Err(OpenError::Unsafe { setting: "journal_mode", value: journal });
    }
    let synchronous: i64 =
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(writer).await.map_err(failed)?;
    if synchronous < 1 {
        return Err(OpenError::Unsafe { setting: "synchronous", value: synchronous.to_string() });
    }
    Ok(())
}

async fn open_postgres(url: &str, connections: u32, schema: Schema) -> Result<Opened, OpenError> {
    let unreachable = |error: &dyn std::fmt::Display| OpenError::Unreachable {
        store: without_password(url),
        reason: error.to_string(),
    };
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| OpenError::Url(without_password(url)))?
        .application_name("emend")
        .options([
            ("statement_timeout", format!("{}s", STATEMENT_TIMEOUT.as_secs())),
            ("idle_in_transaction_session_timeout", "60s".to_owned()),
        ])
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_with(options.clone())
        .await;
    let pool = match pool {
        Ok(pool) => pool,
        // The pool tries until its time is up and does not say what went wrong: one more try does.
        Err(sqlx::Error::PoolTimedOut) => {
            let reason = tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await;
            return Err(match reason {
                Ok(Err(error)) => unreachable(&error),
                Ok(Ok(_)) | Err(_) => unreachable(&sqlx::Error::PoolTimedOut),
            });
        }
        Err(error) => return Err(unreachable(&error)),
    };
    check_postgres(&pool).await?;
    bring_up(SqliteOrPostgres::Postgres(&pool), schema).await?;
    Ok(Opened { db: Db::postgres(pool), lock: None })
}

async fn check_postgres(pool: &PgPool) -> Result<(), OpenError> {
    let settings = sqlx::query(
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')",
    )
    .fetch_all(pool)
    .await
    .map_err(|error| OpenError::Migration(error.to_string()))?;
    for row in settings {
        let (name, value): (String, String) = (row.get("name"), row.get("setting"));
        let setting = match name.as_str() {
            "fsync" => "fsync",
            "full_page_writes" => "full_page_writes",
            _ => "synchronous_commit",
        };
        if value == "off" {
            return Err(OpenError::Unsafe { setting, value });
        }
    }
    Ok(())
}

enum SqliteOrPostgres<'a> {
    Sqlite(&'a SqlitePool),
    Postgres(&'a PgPool),
}

/// Sets up an empty store, and brings up or refuses an old one. A newer one is always refused.
async fn bring_up(pool: SqliteOrPostgres<'_>, schema: Schema) -> Result<(), OpenError> {
    let failed = |error: sqlx::Error| OpenError::Migration(error.to_string());
    let (migrator, applied) = match &pool {
        SqliteOrPostgres::Sqlite(pool) => {
            let mut connection = pool.acquire().await.map_err(failed)?;
            let table = connection.ensure_migrations_table(&SQLITE.table_name).await;
            table.map_err(|error| OpenError::Migration(error.to_string()))?;
            (&SQLITE, connection.list_applied_migrations(&SQLITE.table_name).await)
        }
        SqliteOrPostgres::Postgres(pool) => {
            let mut connection = pool.acquire().await.map_err(failed)?;
            // Several schedulers may start on an empty database at once, and IF NOT EXISTS does not wait.
            connection.lock().await.map_err(|error| OpenError::Migration(error.to_string()))?;
            let table = connection.ensure_migrations_table(&POSTGRES.table_name).await;
            let unlocked = connection.unlock().await;
            table.and(unlocked).map_err(|error| OpenError::Migration(error.to_string()))?;
            (&POSTGRES, connection.list_applied_migrations(&POSTGRES.table_name).await)
        }
    };
    let applied = applied.map_err(|error| OpenError::Migration(error.to_string()))?;
    let newest = migrator.iter().map(|migration| migration.version).max().unwrap_or(0);
    match applied.iter().map(|migration| migration.version).max() {
        Some(version) if version > newest => return Err(OpenError::NewSchema(version)),
        Some(version) if version < newest && schema == Schema::Require => return Err(OpenError::OldSchema),
        Some(_) | None => {}
    }
    // The migrator takes its own lock.
    let run = match pool {
        SqliteOrPostgres::Sqlite(pool) => migrator.run(pool).await,
        SqliteOrPostgres::Postgres(pool) => migrator.run(pool).await,
    };
    run.map_err(|error| OpenError::Migration(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows() {
        assert_eq!(without_password("postgres://me:s3:cr@t@db/emend"), "postgres://me:***@db/emend");
        assert_eq!(without_password("postgres://me@db/emend"), "postgres://me@db/emend");
        assert_eq!(without_password("sqlite:///tmp/a.db"), "sqlite:///tmp/a.db");
        assert_eq!(
            without_password("postgres://me@db/emend?sslmode=require&password=s3cr@t&a=b"),
            "postgres://me@db/emend?sslmode=require&password=***&a=b"
        );
    }
}
