//! What people decide, from the command line: a simulated shift takes a job to its end, and everything tells of it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Process, eventually};
use serde_json::Value;

use super::{FAILED, USAGE, csv_rows, expect, generated, import};

const RECORDS: u64 = 2000;
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_without_errors_makes_every_record_right_on_sqlite() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _servers = reviewing(&deployment, &[]).await?;
    expect(&deployment.run(["status", "job"]).await?, 0, &["reviewing", "people:", "0 decided"])?;
    let wait = ["wait", "job", "--until", "completed", "--timeout", "1s"];
    expect(&deployment.run(wait).await?, FAILED, &["job"])?;
    let report = shift(&deployment, &["--errors", "0"]).await?;
    ensure!(report["errors"]["made"] == 0 && report["third"] == 0, "{report}");
    check_completed(&deployment, &report).await?;
    let records = exported(&deployment).await?;
    let truth = std::fs::read_to_string(deployment.path("generated").join("truth.jsonl"))?;
    for line in truth.lines() {
        let truth: Value = serde_json::from_str(line)?;
        let key = truth["key"].as_str().unwrap_or_default();
        let record = records.get(key).context("exported")?;
        ensure!(record["fields"] == truth["fields"], "{key} is not right: {record}");
    }
    check_tables(&deployment, &records).await?;
    check_record(&deployment, &records).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_with_errors_has_them_caught_or_counted_on_postgres() -> Result<()> {
    let postgres = Postgres::shared();
    let database = postgres.create_database().await;
    let deployment = Deployment::on(&postgres.url(&database))?.schedulers(2);
    let servers = reviewing(&deployment, &["--agree", "phone,vaccine.missing"]).await?;
    let _second = deployment.scheduler(1).await?;
    let report = shift(&deployment, &["--errors", "0.1", "--seed", "3"]).await?;
    check_completed(&deployment, &report).await?;
    let errors = &report["errors"];
    let count = |name: &str| errors[name].as_u64().unwrap_or_default();
    ensure!(count("made") > 0 && count("caught") > 0, "{report}");
    ensure!(count("stood_alone") <= count("stood"), "{report}");
    ensure!(report["third"].as_u64() > Some(0), "no two people differed: {report}");
    // What the shift says of itself is what the export shows.
    let records = exported(&deployment).await?;
    let truth = std::fs::read_to_string(deployment.path("generated").join("truth.jsonl"))?;
    let mut wrong = 0;
    for line in truth.lines() {
        let truth: Value = serde_json::from_str(line)?;
        let record = records.get(truth["key"].as_str().unwrap_or_default()).context("exported")?;
        let rejected = record["decision"]["kind"] == "rejected";
        wrong += u64::from(rejected || record["fields"] != truth["fields"]);
    }
    ensure!(wrong == count("stood"), "{wrong} records are wrong: {report}");
    check_tables(&deployment, &records).await?;
    drop(servers);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_goes_on_when_its_scheduler_was_killed() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let (mut scheduler, _worker) = reviewing(&deployment, &[]).await?;
    let line = shift_line(&deployment, &["--reviewers", "40", "--seconds-per-record", "0.2"]);
    let mut shift = deployment.start("shift", line)?;
    let decided = async |least: u64| {
        let job = deployment.job("job").await.ok()?;
        (job.progress?.reviews_decided >= least).then_some(())
    };
    for least in [20, 100] {
        eventually("decisions", LIMIT, async || decided(least).await).await?;
        scheduler.kill()?;
        scheduler = deployment.scheduler(0).await?;
    }
    let ended = shift.end(LIMIT).await?;
    ensure!(ended.code == Some(0), "{}", shift.log());
    deployment.run(["wait", "job", "--until", "completed"]).await?.ok()?;
    let status = deployment.run(["status", "job", "--json"]).await?.ok()?.json()?;
    ensure!(status["decisions"]["open"] == 0, "{status}");
    // No answer counts twice: a review is answered by three people at most, each once.
    for (key, record) in exported(&deployment).await? {
        if record["decision"].is_null() {
            continue;
        }
        let shown = deployment.run(["record", "job", &key, "--json"]).await?.ok()?.json()?;
        let decisions = shown["decisions"].as_array().context("a list")?;
        let answers = decisions.iter().filter(|decision| decision["kind"] != "cannot_decide");
        let mut who: Vec<&Value> = answers.map(|decision| &decision["reviewer"]).collect();
        let said = who.len();
        who.sort_by_key(ToString::to_string);
        who.dedup();
        ensure!(who.len() == said && (1..=3).contains(&said), "{shown}");
    }
    drop(scheduler);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_that_is_too_small_says_what_is_left_and_a_larger_one_goes_on() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _servers = reviewing(&deployment, &[]).await?;
    // Alone nobody can agree with anybody.
    let alone = deployment.run(shift_line(&deployment, &["--reviewers", "1", "--json"])).await?;
    let report = alone.json()?;
    ensure!(alone.code == Some(FAILED) && report["left"].as_u64() > Some(0), "{alone:?}");
    let rest = shift(&deployment, &["--reviewers", "9"]).await?;
    ensure!(rest["left"] == 0, "{rest}");
    deployment.run(["wait", "job", "--until", "completed"]).await?.ok()?;
    // Nothing is left for another one.
    let none = shift(&deployment, &[]).await?;
    ensure!(none["answers"] == 0, "{none}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviewers_who_miss_known_answers_are_paused_and_others_do_their_work() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _servers = reviewing(&deployment, &[]).await?;
    let truth = deployment.path("generated").join("truth.jsonl").display().to_string();
    let known = deployment.run(["reviewers", "known", "job", &truth, "--json"]).await?.ok()?.json()?;
    ensure!(known["added"].as_u64() > Some(100) && known["passed_over"].as_u64() > Some(100), "{known}");
    // Three who are wrong four times in five: they end with nothing more to do, and what they did is open again.
    let careless =
        ["--reviewers", "3", "--leads", "1", "--errors", "0.8", "--seconds-per-record", "0.3", "--json"];
    let ended = deployment.run(shift_line(&deployment, &careless)).await?;
    let report = ended.json()?;
    ensure!(ended.code == Some(FAILED) && report["left"].as_u64() > Some(0), "{ended:?}");
    ensure!(report["paused"] == 3, "{report}");
    let status = deployment.run(["status", "job", "--json"]).await?.ok()?.json()?;
    ensure!(status["decisions"]["decided"] == 0, "{status}");
    // Of the same names, which are paused, and more.
    let rest = shift(&deployment, &["--reviewers", "40", "--leads", "10", "--errors", "0"]).await?;
    ensure!(rest["left"] == 0, "{rest}");
    let resumed = deployment.run(["reviewers", "resume", "sim-001"]).await?;
    expect(&resumed, 0, &["sim-001 goes on"])?;
    expect(&deployment.run(["reviewers", "resume", "sim-001"]).await?, 0, &["was not paused"])?;
    let absent = deployment.run(["reviewers", "known", "nobody", &truth]).await?;
    expect(&absent, FAILED, &["`nobody` not found"])?;
    std::fs::write(deployment.path("bad.jsonl"), "{\"key\": \"Nguyen\"}\n")?;
    let output = deployment.run(["reviewers", "known", "job", "bad.jsonl"]).await?;
    expect(&output, FAILED, &["bad.jsonl", "line 1", "fields"])?;
    ensure!(!output.stderr.contains("Nguyen"), "{output:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_reviews_is_checked_and_kept() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _scheduler = deployment.scheduler(0).await?;
    let csv = generated(&deployment, 10).await?.display().to_string();
    let run = async |flags: &[&str]| deployment.run(import(&csv, "j").iter().chain(flags)).await;
    expect(&run(&["--agree", "fone"]).await?, USAGE, &["--agree fone", "phone"])?;
    expect(&run(&["--undo", "25h"]).await?, USAGE, &["--undo", "a day"])?;
    run(&["--undo", "90", "--agree", "phone,vaccine.missing"]).await?.ok()?;
    let policy = deployment.job("j").await?.policy.and_then(|policy| policy.reviews).context("a policy")?;
    ensure!(policy.undo.is_some_and(|undo| undo.seconds == 90), "{policy:?}");
    ensure!(policy.agree == ["phone", "vaccine.missing"], "{policy:?}");
    run(&["--undo", "90s"]).await?.ok()?;
    expect(&run(&["--undo", "0"]).await?, FAILED, &["--undo 90s"])?;
    expect(&run(&["--agree", "phone"]).await?, FAILED, &["vaccine.missing", "--agree"])?;
    let truth = deployment.path("generated").join("truth.jsonl").display().to_string();
    let nobody = deployment.run(["simulate-shift", "nobody", "--truth", &truth]).await?;
    expect(&nobody, FAILED, &["`nobody` not found"])?;
    let leads = ["simulate-shift", "j", "--truth", &truth, "--reviewers", "2", "--leads", "3"];
    expect(&deployment.run(leads).await?, USAGE, &["--leads"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truth_of_other_records_is_refused() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let _servers = reviewing(&deployment, &[]).await?;
    let few = deployment.path("few.jsonl");
    std::fs::write(&few, "")?;
    let line = ["simulate-shift", "job", "--truth", &few.display().to_string()];
    expect(&deployment.run(line).await?, FAILED, &["not the truth of this job"])?;
    std::fs::write(&few, "HCM-1,Nguyen\n")?;
    let output = deployment.run(line).await?;
    expect(&output, FAILED, &["few.jsonl"])?;
    ensure!(!output.stderr.contains("Nguyen"), "{output:?}");
    Ok(())
}

/// A scheduler, a worker, and a job whose units are all done and whose decisions are final at once.
async fn reviewing(deployment: &Deployment, flags: &[&str]) -> Result<(Process, Process)> {
    let servers = (deployment.scheduler(0).await?, deployment.worker(0)?);
    let csv = generated(deployment, RECORDS).await?.display().to_string();
    let line = import(&csv, "job").into_iter().chain(["--undo", "0"]).chain(flags.iter().copied());
    deployment.run(line).await?.ok()?;
    deployment.run(["wait", "job", "--until", "reviewing"]).await?.ok()?;
    Ok(servers)
}

fn shift_line(deployment: &Deployment, flags: &[&str]) -> Vec<String> {
    let truth = deployment.path("generated").join("truth.jsonl").display().to_string();
    let mut line = vec!["simulate-shift".to_owned(), "job".to_owned(), "--truth".to_owned(), truth];
    line.extend(flags.iter().map(|&flag| flag.to_owned()));
    line
}

/// Forty reviewers, unless the flags say otherwise; its report.
async fn shift(deployment: &Deployment, flags: &[&str]) -> Result<Value> {
    let mut flags = flags.to_vec();
    if !flags.contains(&"--reviewers") {
        flags.extend(["--reviewers", "40"]);
    }
    flags.push("--json");
    deployment.run(shift_line(deployment, &flags)).await?.ok()?.json()
}

async fn check_completed(deployment: &Deployment, report: &Value) -> Result<()> {
    ensure!(report["left"] == 0, "{report}");
    deployment.run(["wait", "job", "--until", "completed"]).await?.ok()?;
    let status = deployment.run(["status", "job", "--json"]).await?.ok()?.json()?;
    let for_people =
        ["routed", "failed"].iter().filter_map(|verdict| status["verdicts"][verdict].as_u64()).sum::<u64>();
    ensure!(status["state"] == "completed" && for_people > 0, "{status}");
    ensure!(status["decisions"]["open"] == 0 && status["decisions"]["decided"] == for_people, "{status}");
    ensure!(report["reviews"] == for_people && report["answers"].as_u64() >= Some(for_people), "{report}");
    let rounds = ["first", "second", "third"].iter().filter_map(|round| report[round].as_u64()).sum::<u64>();
    ensure!(report["answers"] == rounds && report["second"].as_u64() > Some(0), "{report}");
    Ok(())
}

/// Every record of the job, with its provenance.
async fn exported(deployment: &Deployment) -> Result<HashMap<String, Value>> {
    deployment.run(["export", "job", "--out", "all.jsonl", "--with-provenance"]).await?.ok()?;
    let text = std::fs::read_to_string(deployment.path("all.jsonl"))?;
    let mut records = HashMap::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line)?;
        let decided = !record["decision"].is_null();
        let for_people = record["verdict"] == "routed" || record["verdict"] == "failed";
        ensure!(decided == for_people, "{line}");
        for change in record["changes"].as_array().context("a list")? {
            ensure!(change["rule"] != "decision" || decided, "{line}");
        }
        if decided {
            let reviewers = record["decision"]["reviewers"].as_array().context("a list")?;
            let simulated = reviewers.iter().all(|who| who.as_str().unwrap_or_default().contains("sim-"));
            ensure!(!reviewers.is_empty() && simulated, "{line}");
        }
        records.insert(record["key"].as_str().unwrap_or_default().to_owned(), record);
    }
    ensure!(records.len() as u64 == RECORDS, "{} records", records.len());
    Ok(records)
}

/// CSV and XLSX say the same as JSONL; rejected records are in them.
async fn check_tables(deployment: &Deployment, records: &HashMap<String, Value>) -> Result<()> {
    let status = deployment.run(["status", "job", "--json"]).await?.ok()?.json()?;
    deployment.run(["export", "job", "--out", "all.csv", "--with-provenance"]).await?.ok()?;
    let rejected = check_csv(deployment, "all.csv", records, true)?;
    ensure!(status["decisions"]["rejected"] == rejected, "{rejected} are rejected: {status}");
    // A sheet comes in again with its columns, those of the provenance among them.
    deployment.run(["export", "job", "--out", "all.xlsx", "--with-provenance"]).await?.ok()?;
    deployment.run(import("all.xlsx", "sheet")).await?.ok()?;
    deployment.run(["wait", "sheet"]).await?.ok()?;
    deployment.run(["export", "sheet", "--out", "sheet.csv"]).await?.ok()?;
    ensure!(check_csv(deployment, "sheet.csv", records, false)? == rejected);
    deployment.run(["export", "job", "--out", "plain.csv"]).await?.ok()?;
    let columns = csv::Reader::from_path(deployment.path("plain.csv"))?.headers()?.len();
    let input = csv::Reader::from_path(deployment.path("generated").join("records.csv"))?.headers()?.len();
    ensure!(columns == input && csv_rows(&deployment.path("plain.csv"))? as u64 == RECORDS);
    Ok(())
}

/// How many rows are rejected.
fn check_csv(
    deployment: &Deployment,
    file: &str,
    records: &HashMap<String, Value>,
    with_fields: bool,
) -> Result<u64> {
    let mut reader = csv::Reader::from_path(deployment.path(file))?;
    let header = reader.headers()?.clone();
    let last: Vec<&str> = header.iter().skip(header.len() - 4).collect();
    ensure!(last == ["verdict", "findings", "decision", "decision_reason"], "{header:?}");
    let (mut rows, mut rejected) = (0, 0);
    for row in reader.records() {
        let row: HashMap<&str, String> = header.iter().zip(row?.iter().map(str::to_owned)).collect();
        let record = records.get(&row["record_id"]).context("exported as JSONL too")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        ensure!(row["verdict"] == text(&record["verdict"]), "{row:?}");
        ensure!(row["decision"] == text(&record["decision"]["kind"]), "{row:?}");
        ensure!(row["decision_reason"] == text(&record["decision"]["reason"]), "{row:?}");
        if with_fields {
            ensure!(row["full_name"] == text(&record["fields"]["full_name"]), "{row:?}");
            ensure!(row["phone"] == text(&record["fields"]["phone"]), "{row:?}");
        }
        (rows, rejected) = (rows + 1, rejected + u64::from(row["decision"] == "rejected"));
    }
    ensure!(rows == RECORDS, "{rows} rows in {file}");
    Ok(rejected)
}

/// `emend record` of one on which two people had to agree.
async fn check_record(deployment: &Deployment, records: &HashMap<String, Value>) -> Result<()> {
    let two = |record: &&Value| record["decision"]["reviewers"].as_array().is_some_and(|who| who.len() == 2);
    let record = records.values().find(two).context("two people agreed on one")?;
    let key = record["key"].as_str().unwrap_or_default();
    let shown = deployment.run(["record", "job", key, "--json"]).await?.ok()?.json()?;
    let decisions = shown["decisions"].as_array().context("a list")?;
    ensure!(shown["fields"] == record["fields"], "{shown}");
    let standing: Vec<&Value> = decisions.iter().filter(|decision| decision["stands"] == true).collect();
    ensure!(standing.len() == 1 && standing[0]["round"] == 2 && standing[0]["undone"] == false, "{shown}");
    for part in ["reviewer", "kind", "changes", "reason", "pack_version", "seconds_ago", "members"] {
        ensure!(!standing[0][part].is_null(), "no {part} in {shown}");
    }
    let text = deployment.run(["record", "job", key]).await?;
    expect(&text, 0, &["reviewer", "sim-", "ago", "stands"])
}
