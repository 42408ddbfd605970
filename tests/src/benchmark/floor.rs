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
    CREATE TABLE results (job bigint, seq bigint, verdict text, fields jsonb, PRIMARY KEY (job, seq));";

/// One result row for each record, with a fix of four fields.
const RESULTS: &str = "
    INSERT INTO results
    SELECT job, seq, 'corrected', jsonb_build_object(
        'full_name', upper(btrim(full_name)), 'phone', replace(phone, ' ', ''),
        'national_id', btrim(national_id), 'district', initcap(district))
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
    server.drop_database(&database).await;
    Ok(Run {
        name: NAME,
        phases: Phases { import, process, export },
        used: vec![("postgres", postgres)],
        export_digest: None,
    })
}

/// What the floor is called in tables.
pub(super) const NAME: &str = "floor";

/// psql's own commands end at the end of the line.
fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
