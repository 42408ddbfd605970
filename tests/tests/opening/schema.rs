//! The two schemas agree, read from the databases' own catalogs.

use std::collections::BTreeSet;

use emend_scheduler::store::StoreError;
use emend_tests::bench::{Bench, T0};
use emend_tests::database::Backend;

/// Table, column, kind, and whether it may be missing.
const SQLITE_COLUMNS: &str = "
    SELECT m.name, c.name, lower(c.type), CASE WHEN c.\"notnull\" OR c.pk > 0 THEN 'required' ELSE 'optional' END
    FROM sqlite_master m, pragma_table_info(m.name) c
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx_%'";
const POSTGRES_COLUMNS: &str = "
    SELECT table_name::text, column_name::text, data_type::text,
        CASE is_nullable WHEN 'NO' THEN 'required' ELSE 'optional' END
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx\\_%'";
/// Table, columns of an index or key in order, whether it is unique, and whether it covers a part only.
const SQLITE_INDEXES: &str = "
    SELECT m.name,
        (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)),
        CASE WHEN i.\"unique\" THEN 'unique' ELSE 'many' END,
        CASE WHEN i.partial THEN 'part' ELSE 'all' END
    FROM sqlite_master m, pragma_index_list(m.name) i
    WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx_%'
    UNION
    SELECT m.name, c.name, 'unique', 'all' FROM sqlite_master m, pragma_table_info(m.name) c
    WHERE m.type = 'table' AND c.pk = 1 AND lower(c.type) = 'integer' AND m.name NOT LIKE '_sqlx_%'
        AND m.name NOT LIKE 'sqlite_%' AND (SELECT MAX(pk) FROM pragma_table_info(m.name)) = 1";
const POSTGRES_INDEXES: &str = "
    SELECT t.relname::text,
        (SELECT string_agg(a.attname::text, ',' ORDER BY k.n) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, n)
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.attnum),
        CASE WHEN i.indisunique THEN 'unique' ELSE 'many' END,
        CASE WHEN i.indpred IS NOT NULL THEN 'part' ELSE 'all' END
    FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace s ON s.oid = t.relnamespace
    WHERE s.nspname = 'public' AND t.relname NOT LIKE '\\_sqlx\\_%'";

type Rows = BTreeSet<Vec<String>>;

async fn rows(bench: &Bench, query: &str) -> Rows {
    bench.database.texts(query).await.into_iter().collect()
}

/// What a type holds, in words that both databases share.
fn same_kinds(rows: Rows) -> Rows {
    let kind = |row: Vec<String>| {
        let kind = match (row[0].as_str(), row[1].as_str(), row[2].as_str()) {
            ("keys" | "key_runs", "code" | "key_min" | "key_max", "uuid" | "blob") => "code",
            (_, _, "bigint" | "integer") => "number",
            (_, _, "bytea" | "blob") => "bytes",
            (_, _, "boolean") => "flag",
            (_, _, "text") => "text",
            other => panic!("a column of a kind that the other database lacks: {other:?}"),
        };
        vec![row[0].clone(), row[1].clone(), kind.to_owned(), row[3].clone()]
    };
    rows.into_iter().map(kind).collect()
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let sqlite = Bench::new(Backend::Sqlite).await;
    let postgres = Bench::new(Backend::Postgres).await;
    let columns = same_kinds(rows(&sqlite, SQLITE_COLUMNS).await);
    assert!(columns.len() > 40, "{columns:?}");
    assert_eq!(columns, same_kinds(rows(&postgres, POSTGRES_COLUMNS).await));
    let indexes = rows(&sqlite, SQLITE_INDEXES).await;
    assert!(indexes.len() > 9, "{indexes:?}");
    assert_eq!(indexes, rows(&postgres, POSTGRES_INDEXES).await);
    sqlite.close().await;
    postgres.close().await;
}

#[tokio::test]
async fn partial_indexes_have_the_same_conditions() {
    let sqlite = Bench::new(Backend::Sqlite).await;
    let postgres = Bench::new(Backend::Postgres).await;
    let condition = |text: &str| {
        let text = text.rsplit_once("WHERE").map_or("", |(_, condition)| condition);
        text.replace("::text", "").replace(['(', ')', ' '], "")
    };
    let named = |rows: Vec<Vec<String>>| -> BTreeSet<(String, String)> {
        rows.into_iter().map(|row| (row[0].clone(), condition(&row[1]))).collect()
    };
    let theirs = "SELECT indexname::text, indexdef::text FROM pg_indexes
                  WHERE schemaname = 'public' AND indexdef LIKE '%WHERE%'";
    let ours = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'";
    let (ours, theirs) =
        (named(sqlite.database.texts(ours).await), named(postgres.database.texts(theirs).await));
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs);
    sqlite.close().await;
    postgres.close().await;
}

/// A scheduler runs while a newer one's migration adds columns: its prepared statements are then stale, once for each
/// connection, and no more.
#[tokio::test]
async fn a_running_store_gets_over_a_newer_schema() {
    let bench = Bench::new(Backend::Postgres).await;
    let job = bench.job("j", 40, 1).await;
    let worker = bench.worker("w");
    let lease = worker.lease_one(T0).await;
    // More often than PostgreSQL plans anew.
    for _ in 0..20 {
        bench.store.jobs(i64::MAX, 9).await.unwrap();
        worker.commit(&lease, T0).await;
    }
    for table in ["jobs", "units", "blocks", "imports"] {
        bench.database.execute(&format!("ALTER TABLE {table} ADD COLUMN of_the_next_release BIGINT")).await;
    }
    let (mut stale, mut good) = (0, 0);
    for _ in 0..40 {
        match bench.store.jobs(i64::MAX, 9).await {
            Ok(jobs) => good += usize::from(jobs[0].id == job.id),
            Err(StoreError::Unavailable(_)) => stale += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    println!("{stale} of {} calls found a stale statement", stale + good);
    // As many connections as the bench has.
    assert!((1..=8).contains(&stale), "{stale} stale");
    bench.close().await;
}
