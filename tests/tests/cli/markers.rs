//! Personal data stay where they belong: strings planted in a run's records are in its exports, and nowhere else that
//! anybody keeps or watches: not in a log at its most talkative, in no metric, and not in the audit log.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::ListRecordsRequest;
use emend_tests::database::Database;
use emend_tests::postgres::Postgres;
use emend_tests::probes::Probes;
use emend_tests::process::{Deployment, Output, Process, Signal};
use serde_json::Value;

use super::{REJECTS, generated, import};

const RECORDS: u64 = 1500;
const MARKERS: usize = 50;
/// All markers begin so, and no generated value holds it in any case.
const MARK: &str = "zqx";
/// As much as an operator can turn on.
const LEVEL: &str = "debug,emend=trace,emend_scheduler=trace,emend_worker=trace,emend_vaccination=trace,sqlx=trace,tonic=trace";
/// What shows somebody values, or changes them, stands in the audit log.
const LOOKS: [&str; 5] = ["view", "decide", "export", "read_record", "list_records"];
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_of_a_record_leaves_the_records_on_sqlite() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let database = Database::file(&deployment.path("emend.db"));
    nothing_leaks(deployment, database).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_of_a_record_leaves_the_records_on_postgres() -> Result<()> {
    let postgres = Postgres::shared();
    let name = postgres.create_database().await;
    let deployment = Deployment::on(&postgres.url(&name))?;
    nothing_leaks(deployment, Database::on(postgres, name)).await
}

async fn nothing_leaks(deployment: Deployment, database: Database) -> Result<()> {
    let (of_scheduler, of_worker) = (Probes::free(), Probes::free());
    let head = deployment.path("head");
    let deployment = deployment
        .set("EMEND__LOG__LEVEL", LEVEL)
        .set("EMEND__SCHEDULER__PROBES", of_scheduler.address)
        .set("EMEND__SCHEDULER__AUDIT__KEY", "5a".repeat(32))
        .set("EMEND__SCHEDULER__AUDIT__HEAD", head.display())
        .set("EMEND__WORKER__PROBES", of_worker.address);
    let mut servers = (deployment.scheduler(0).await?, deployment.worker(0)?);
    let keys = plant(&generated(&deployment, RECORDS).await?)?;
    let mut said = run_job(&deployment).await?;
    check_planted(&deployment, &keys)?;
    look(&deployment, &keys).await?;
    for probes in [of_scheduler, of_worker] {
        let (status, metrics) = probes.get("/metrics").await?;
        ensure!(status == 200 && metrics.contains("emend_"), "no metrics: {metrics}");
        said.push(("metrics", metrics));
    }
    for server in [&mut servers.0, &mut servers.1] {
        stop(server).await?;
        let log = server.log();
        ensure!(log.contains("TRACE") || log.contains("DEBUG"), "{} says too little: {log}", server.name());
        said.push(("log", log));
    }
    said.push(("audit", audit(&database).await?));
    for (what, text) in said {
        let found: Vec<_> = text.lines().filter(|line| line.to_lowercase().contains(MARK)).collect();
        ensure!(found.is_empty(), "{} lines of the {what} hold a value, such as {}", found.len(), found[0]);
    }
    Ok(())
}

/// Asks it to end, so that its log is whole.
async fn stop(server: &mut Process) -> Result<()> {
    server.signal(Signal::Terminate)?;
    server.end(LIMIT).await.map(drop)
}

/// A marker of letters, which a name may have, for each number.
fn marker(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + u8::try_from(number % 26).unwrap_or_default());
    format!("Z{}{}{}vuw", &MARK[1..], letter(number / 26), letter(number))
}

/// Puts a marker into fifty records, field by field, and what people shall make of it into their truth; the keys.
fn plant(csv: &Path) -> Result<BTreeSet<String>> {
    let mut reader = csv::Reader::from_path(csv)?;
    let header = reader.headers()?.clone();
    let mut rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    let step = rows.len() / MARKERS;
    let mut keys = BTreeSet::new();
    for number in 0..MARKERS {
        let row = &mut rows[number * step];
        // The first column is the key, which is no value of a record.
        let field = 1 + number % (header.len() - 1);
        keys.insert(row[0].to_owned());
        // The birth date is never right, so that somebody must look at each.
        *row = row
            .iter()
            .zip(&header)
            .enumerate()
            .map(|(at, (value, name))| match name {
                _ if at == field => marker(number),
                "date_of_birth" => format!("?? {}", marker(number)),
                _ => value.to_owned(),
            })
            .collect();
    }
    let mut writer = csv::Writer::from_path(csv)?;
    writer.write_record(&header)?;
    rows.iter().try_for_each(|row| writer.write_record(row))?;
    // The same key with another payload is a reject.
    let again: csv::StringRecord =
        rows[0].iter().enumerate().map(|(at, value)| if at == 1 { "Zqx Again" } else { value }).collect();
    writer.write_record(&again)?;
    writer.flush()?;
    let path = csv.with_file_name("truth.jsonl");
    let truth = std::fs::read_to_string(&path)?;
    let mut lines = String::new();
    for line in truth.lines() {
        let mut truth: Value = serde_json::from_str(line)?;
        if truth["key"].as_str().is_some_and(|key| keys.contains(key)) {
            truth["fields"]["full_name"] = "Nguyễn Văn Zqx".into();
        }
        lines.extend([truth.to_string().as_str(), "\n"]);
    }
    Ok(std::fs::write(path, lines).map(|()| keys)?)
}

/// From the file to the end, with all that an operator asks on the way; what the commands said on their error output, and
/// what those said that show no record.
async fn run_job(deployment: &Deployment) -> Result<Vec<(&'static str, String)>> {
    let mut said = Vec::new();
    let csv = deployment.path("generated").join("records.csv").display().to_string();
    let line = import(&csv, "job").into_iter().chain(["--undo", "0"]);
    let imported = deployment.run(line).await?;
    ensure!(imported.code == Some(REJECTS), "{imported:?}");
    said.extend([("import's output", imported.stdout), ("import's errors", imported.stderr)]);
    let truth = deployment.path("generated").join("truth.jsonl").display().to_string();
    let lines: [&[&str]; 7] = [
        &["wait", "job", "--until", "reviewing"],
        &["simulate-shift", "job", "--truth", &truth, "--reviewers", "30", "--errors", "0.05"],
        &["status", "job"],
        &["status", "job", "--json"],
        &["export", "job", "--out", "out.jsonl", "--with-provenance"],
        &["export", "job", "--out", "out.xlsx"],
        &["wait", "job", "--until", "completed"],
    ];
    for line in lines {
        let Output { code, stdout, stderr } = deployment.run(line).await?;
        ensure!(code == Some(0), "{line:?}: {stdout}{stderr}");
        said.extend([("command's output", stdout), ("command's errors", stderr)]);
    }
    Ok(said)
}

/// At single records, as an operator and a program do; what they are shown does hold values.
async fn look(deployment: &Deployment, keys: &BTreeSet<String>) -> Result<()> {
    let key = keys.first().context("a key")?;
    deployment.run(["record", "job", key]).await?.ok()?;
    let request = ListRecordsRequest { job: "job".into(), ..ListRecordsRequest::default() };
    let listed = deployment.jobs(0).await?.list_records(request).await?.into_inner();
    ensure!(!listed.records.is_empty(), "no record is listed");
    Ok(())
}

/// They were in the run: in the export, and in what people typed.
fn check_planted(deployment: &Deployment, keys: &BTreeSet<String>) -> Result<()> {
    let marked = |value: &Value| value.to_string().to_lowercase().contains(MARK);
    let (mut exported, mut typed) = (0, 0);
    for line in std::fs::read_to_string(deployment.path("out.jsonl"))?.lines() {
        let record: Value = serde_json::from_str(line)?;
        if keys.contains(record["key"].as_str().context("a key")?) {
            exported += usize::from(marked(&record));
            let changes = record["changes"].as_array().context("a list")?;
            typed += changes
                .iter()
                .filter(|change| change["rule"] == "decision" && marked(&change["after"]))
                .count();
        }
    }
    ensure!(
        exported == MARKERS && typed > 0,
        "{exported} of {MARKERS} are exported, {typed} typed by people"
    );
    Ok(())
}

/// The whole audit log, chained or not.
async fn audit(database: &Database) -> Result<String> {
    let query = "SELECT who, what, detail FROM audit UNION ALL SELECT who, what, detail FROM audit_pending";
    let rows = database.texts(query).await;
    for what in LOOKS {
        ensure!(rows.iter().any(|row| row[1] == what), "no `{what}` is in the audit log");
    }
    Ok(rows.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n"))
}
