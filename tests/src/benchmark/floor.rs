//! What PostgreSQL alone needs, through psql.

use anyhow::Result;

use super::data::Data;
use super::pipeline::{Phases, Run};
use super::server::Server;
use crate::process::Usage;

/// The records, keyed by their place in a job, with every column a text.
const TABLES: &str = "
    CREATE TABLE records (
        job bigint, seq bigint, record_id text, full_name text, date_of_birth text, gender text, phone text,
        national_id text, insurance_id text, district text, ward text, vaccine text, dose_number text,
        injected_on text, lot_number text, site text, reported_fault text, PRIMARY KEY (job, seq));
    CREATE TABLE results (job bigint, seq bigint, verdict smallint, fields text[], PRIMARY KEY (job, seq));";

/// One result row for each record, with a fix of four fields. They rest in an array: to build JSON of them takes
/// PostgreSQL nearly twice as long, and a floor should be low.
const RESULTS: &str = "
    INSERT INTO results
    SELECT job, seq, 2, ARRAY[upper(btrim(full_name)), replace(phone, ' ', ''), btrim(national_id), initcap(district)]
    FROM records";

/// Everything out, in order.
const OUT: &str = "
    SELECT r.*, s.verdict, s.fields FROM records r JOIN results s USING (job, seq) ORDER BY r.job, r.seq";

/// `COPY` in, `INSERT … SELECT`, `COPY` out.
pub(super) async fn run(data: &Data, server: &Server) -> Result<Run> {
    let keyed = data.keyed_csv()?;
    let out = keyed.with_file_name("floor.csv");
    let database = server.fresh_database().await?;
    server.psql(&database, TABLES).await?;
    let cpu = server.cpu();
    let import = format!("\\copy records FROM '{}' (FORMAT csv, HEADER)", keyed.display());
    let import = server.psql(&database, &import).await?;
    let process = server.psql(&database, RESULTS).await?;
    let export = format!("\\copy ({}) TO '{}' (FORMAT csv, HEADER)", one_line(OUT), out.display());
    let export = server.psql(&database, &export).await?;
    let postgres = Usage { cpu_seconds: server.cpu() - cpu, peak_rss: 0 };
    let psql = [import, process, export].map(|ended| ended.usage);
    let psql = Usage {
        cpu_seconds: psql.iter().map(|usage| usage.cpu_seconds).sum(),
        peak_rss: psql.iter().map(|usage| usage.peak_rss).max().unwrap_or_default(),
    };
    server.drop_database(&database).await;
    Ok(Run {
        name: NAME,
        phases: Phases { import: import.took, process: process.took, export: export.took },
        used: vec![("postgres", postgres), ("psql", psql)],
        export_digest: None,
        told: None,
    })
}

/// What the floor is called in tables.
pub(super) const NAME: &str = "floor";

/// psql's own commands end at the end of the line.
fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
