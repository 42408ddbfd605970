//! Stores that must not be opened.

use emend_scheduler::domain::schedule::Schedule;
use emend_scheduler::store::{OpenError, Store};
use emend_tests::bench::Bench;
use emend_tests::database::{Backend, Database};
use emend_tests::on_both_stores;
use emend_tests::postgres::Postgres;

on_both_stores!(
    a_schema_of_a_newer_program_is_refused,
    opening_again_keeps_what_is_there,
    migrating_twice_is_once,
    commits_are_durable,
);

async fn a_schema_of_a_newer_program_is_refused(bench: &Bench) {
    let url = bench.database.url.clone();
    bench.store.close().await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 SELECT 9999, 'from the future', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    // SQLite is locked by the bench's store until that is gone, so the copy is opened in another process's stead.
    if bench.database.backend() == Backend::Sqlite {
        let copy = Database::new(Backend::Sqlite).await;
        Store::open(&copy.url, 2).await.unwrap().close().await;
        copy.execute(newer).await;
        refuse_newer(&copy.url).await;
        copy.close().await;
    } else {
        bench.database.execute(newer).await;
        refuse_newer(&url).await;
    }
}

async fn refuse_newer(url: &str) {
    let opened = Store::open(url, 2).await;
    assert!(matches!(opened, Err(OpenError::NewSchema(9999))), "{opened:?}");
    let migrated = Store::migrate(url).await;
    assert!(matches!(migrated, Err(OpenError::NewSchema(9999))), "{migrated:?}");
    assert!(migrated.unwrap_err().to_string().contains("9999"));
}

async fn opening_again_keeps_what_is_there(bench: &Bench) {
    if bench.database.backend() == Backend::Postgres {
        let job = bench.job("j", 4, 2).await;
        let again = Store::open(&bench.database.url, 2).await.unwrap();
        assert_eq!(again.progress(job.id).await.unwrap().records, 4);
        again.close().await;
        return;
    }
    let database = Database::new(Backend::Sqlite).await;
    let store = Store::open(&database.url, 2).await.unwrap();
    let (job, _) = store
        .create_job(emend_tests::bench::spec("j", 2), Schedule::default(), emend_tests::bench::T0)
        .await
        .unwrap();
    store.close().await;
    drop(store);
    let again = Store::open(&database.url, 2).await.unwrap();
    assert_eq!(again.jobs(i64::MAX, 9).await.unwrap(), [job]);
    again.close().await;
}

async fn migrating_twice_is_once(_bench: &Bench) {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let database = Database::new(backend).await;
        for _again in 0..2 {
            Store::migrate(&database.url).await.unwrap();
        }
        Store::open(&database.url, 2).await.unwrap().close().await;
        database.close().await;
    }
}

/// Read back from the connection that writes.
async fn commits_are_durable(bench: &Bench) {
    let settings = bench.store.durability().await.unwrap();
    let expected: &[(&str, &str)] = match bench.database.backend() {
        // NORMAL: checkpoints sync, and commits wait for a sync of ours, which `faults::power_loss` takes away.
        Backend::Sqlite => &[("journal_mode", "wal"), ("synchronous", "1")],
        Backend::Postgres => &[("fsync", "on"), ("full_page_writes", "on"), ("synchronous_commit", "on")],
    };
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(settings, expected);
}

#[tokio::test]
async fn several_schedulers_may_start_on_an_empty_postgres_at_once() {
    let database = Database::new(Backend::Postgres).await;
    let stores = futures::future::join_all((0..4).map(|_| Store::open(&database.url, 2))).await;
    for store in stores {
        store.unwrap().close().await;
    }
    database.close().await;
}

#[tokio::test]
async fn a_second_scheduler_on_a_sqlite_file_is_refused() {
    let database = Database::new(Backend::Sqlite).await;
    let first = Store::open(&database.url, 2).await.unwrap();
    for _try in 0..2 {
        let second = Store::open(&database.url, 2).await;
        assert!(matches!(second, Err(OpenError::InUse(_))), "{second:?}");
    }
    assert!(first.now().await.is_ok());
    first.close().await;
    drop(first);
    Store::open(&database.url, 2).await.unwrap().close().await;
}

#[tokio::test]
async fn a_postgres_without_fsync_is_refused() {
    let server = Postgres::start(&["fsync=off"]);
    let opened = Store::open(&server.url("postgres"), 2).await;
    assert!(matches!(opened, Err(OpenError::Unsafe { setting: "fsync", .. })), "{opened:?}");
}

#[tokio::test]
async fn a_postgres_with_full_page_writes_off_is_refused() {
    let server = Postgres::start(&["full_page_writes=off"]);
    let opened = Store::open(&server.url("postgres"), 2).await;
    assert!(matches!(opened, Err(OpenError::Unsafe { setting: "full_page_writes", .. })), "{opened:?}");
}

#[tokio::test]
async fn a_postgres_that_answers_before_its_commits_are_on_disk_is_refused() {
    let database = Database::new(Backend::Postgres).await;
    let url = format!("{}?options=-c%20synchronous_commit%3Doff", database.url);
    let opened = Store::open(&url, 2).await;
    assert!(matches!(opened, Err(OpenError::Unsafe { setting: "synchronous_commit", .. })), "{opened:?}");
    let name = database.name();
    database.execute(&format!("ALTER DATABASE {name} SET synchronous_commit = off")).await;
    let opened = Store::open(&database.url, 2).await;
    assert!(matches!(opened, Err(OpenError::Unsafe { setting: "synchronous_commit", .. })), "{opened:?}");
    assert!(opened.unwrap_err().to_string().contains("set it to `on`"));
    database.close().await;
}

#[tokio::test]
async fn an_error_never_shows_a_password() {
    let urls = [
        "postgres://me:hunter2@127.0.0.1:1/emend",
        "postgres://me@127.0.0.1:1/emend?password=hunter2",
        "postgres://me@127.0.0.1:1/emend?sslmode=disable&password=hunter2&application_name=x",
        "postgres://me:hunter2@127.0.0.1:port/emend",
        "mysql://me:hunter2@127.0.0.1/emend",
        "postgres://me:hun@ter2hunter2@127.0.0.1:1/emend?options=a@b",
    ];
    let opened = futures::future::join_all(urls.map(|url| Store::open(url, 2))).await;
    let errors: Vec<_> = opened.into_iter().map(|opened| opened.expect_err("nobody is there")).collect();
    for error in &errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let said = errors[0].to_string();
    assert!(said.contains("postgres://me:***@127.0.0.1:1/emend"), "{said}");
    assert!(said.contains("refused"), "it does not say why: {said}");
}

#[tokio::test]
async fn what_is_no_store_is_named() {
    for url in ["", "emend.db", "sqlite://", "mysql://x/y", "postgres"] {
        let opened = Store::open(url, 2).await;
        assert!(matches!(opened, Err(OpenError::Url(_))), "{url}: {opened:?}");
    }
    let opened = Store::open("sqlite:///proc/nothing/emend.db", 2).await;
    assert!(matches!(opened, Err(OpenError::Unreachable { .. })), "{opened:?}");
}
