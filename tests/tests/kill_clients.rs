//! `emend import` and `emend export` killed half-way and started again: nothing is lost, nothing comes twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_proto::v1::Import;
use emend_tests::postgres::Postgres;
use emend_tests::process::{Deployment, Signal, eventually};

const JOB: &str = "killed";
const RECORDS: u64 = 100_000;
/// Rows added to the generated ones: one without a key, and one whose key is there with other values.
const BAD_ROWS: u64 = 2;
const ROWS: u64 = RECORDS + BAD_ROWS;
const LIMIT: Duration = Duration::from_secs(300);
/// Done, with rejects.
const REJECTS: Option<i32> = Some(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_clients_go_on_sqlite() -> Result<()> {
    check(&Deployment::on_sqlite()?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_clients_go_on_postgres() -> Result<()> {
    let postgres = Postgres::shared();
    let database = postgres.create_database().await;
    check(&Deployment::on(&postgres.url(&database))?).await
}

async fn check(deployment: &Deployment) -> Result<()> {
    let _scheduler = deployment.scheduler(0).await?;
    let csv = rows(deployment).await?;
    let before = kill_imports(deployment, &csv).await?;
    finish_import(deployment, &csv, &before).await?;

    let _worker = deployment.worker(0)?;
    deployment.start("wait", ["wait", JOB])?.done(LIMIT).await?;
    let progress = deployment.job(JOB).await?.progress.unwrap_or_default();
    ensure!((progress.records, progress.pending) == (RECORDS, 0), "{progress:?}");
    let killed = deployment.path("killed.jsonl");
    export(deployment, JOB, &killed).await?;
    check_against_undisturbed(deployment, &csv, &killed).await?;
    kill_exports(deployment, &killed).await
}

/// A file of generated rows and bad ones.
async fn rows(deployment: &Deployment) -> Result<PathBuf> {
    let csv = deployment.generate(RECORDS).await?.join("records.csv");
    let mut reader = csv::Reader::from_path(&csv)?;
    let first = reader.records().next().context("there are records")??;
    let mut again: Vec<&str> = first.iter().collect();
    again[1] = "Somebody Else";
    let nameless = vec![""; again.len()];
    let mut writer = csv::WriterBuilder::new().from_writer(std::fs::File::options().append(true).open(&csv)?);
    writer.write_record(&again)?;
    let mut keyless = nameless;
    keyless[1] = "Without A Key";
    writer.write_record(&keyless)?;
    writer.flush()?;
    Ok(csv)
}

fn import_line<'a>(csv: &'a str, job: &'a str) -> [&'a str; 11] {
    let day = ["--pack", "vaccination", "--as-of", "2021-09-20"];
    ["import", csv, "--job", job, day[0], day[1], day[2], day[3], "--unit-size", "100", "--json"]
}

/// What the scheduler has of the import.
async fn imported(deployment: &Deployment) -> Option<Import> {
    deployment.job(JOB).await.ok()?.imports.first().cloned()
}

/// Kills the import at several points, and leaves it broken off.
async fn kill_imports(deployment: &Deployment, csv: &Path) -> Result<Import> {
    let csv = csv.display().to_string();
    let mut last = Import::default();
    for share in [0.07, 0.31, 0.66] {
        let point = (ROWS as f64 * share) as u64;
        let mut import = deployment.start("import", import_line(&csv, JOB))?;
        eventually("half of an import", LIMIT, async || {
            let reached = imported(deployment).await.is_some_and(|import| import.next_offset >= point);
            (reached || import.has_ended()).then_some(())
        })
        .await?;
        ensure!(!import.has_ended(), "the import was over before it could be killed:\n{}", import.log());
        import.kill()?;
        last = settled(deployment).await?;
        ensure!(!last.finished && last.next_offset >= point, "broken off at {point}: {last:?}");
    }
    Ok(last)
}

/// What the scheduler has, once it has taken in all that the killed client had sent.
async fn settled(deployment: &Deployment) -> Result<Import> {
    let mut seen = (Import::default(), 0);
    eventually("a quiet scheduler", LIMIT, async || {
        let import = imported(deployment).await?;
        let still = if import == seen.0 { seen.1 + 1 } else { 0 };
        seen = (import, still);
        (still >= 10).then(|| seen.0.clone())
    })
    .await
}

/// The same command again goes on, and its totals reconcile.
async fn finish_import(deployment: &Deployment, csv: &Path, before: &Import) -> Result<()> {
    let csv = csv.display().to_string();
    let output = deployment.run(import_line(&csv, JOB)).await?;
    ensure!(output.code == REJECTS, "{output:?}");
    let summary = output.json()?;
    ensure!(
        before.next_offset > 0 && summary["resumed_at"] == before.next_offset,
        "{summary} after {before:?}"
    );
    for (name, count) in [("rows", ROWS), ("accepted", RECORDS), ("already_there", 0), ("rejected", BAD_ROWS)]
    {
        ensure!(summary[name] == count, "{name} of {summary} is not {count}");
    }
    let rejects = std::fs::read_to_string(format!("{csv}.rejects.csv"))?;
    ensure!(rejects.lines().count() as u64 == 1 + BAD_ROWS, "{rejects}");
    ensure!(rejects.contains("missing_key") && rejects.contains("duplicate_key"), "{rejects}");
    let again = deployment.run(import_line(&csv, JOB)).await?.json()?;
    ensure!(again["nothing_new"] == true && again["accepted"] == RECORDS, "{again}");
    Ok(())
}

async fn export(deployment: &Deployment, job: &str, out: &Path) -> Result<()> {
    let out = out.display().to_string();
    deployment.run(["export", job, "--out", &out, "--with-provenance"]).await?.ok().map(drop)
}

/// The same rows imported in one go give the same file.
async fn check_against_undisturbed(deployment: &Deployment, csv: &Path, killed: &Path) -> Result<()> {
    let output = deployment.run(import_line(&csv.display().to_string(), "whole")).await?;
    ensure!(output.code == REJECTS, "{output:?}");
    deployment.start("wait", ["wait", "whole"])?.done(LIMIT).await?;
    let whole = deployment.path("whole.jsonl");
    export(deployment, "whole", &whole).await?;
    ensure!(std::fs::read(killed)? == std::fs::read(whole)?, "the exports differ");
    Ok(())
}

/// Kills exports at several points: what stood under the name before stands there still.
async fn kill_exports(deployment: &Deployment, whole: &Path) -> Result<()> {
    let expected = std::fs::read(whole)?;
    let out = deployment.path("out.jsonl");
    let line = ["export", JOB, "--out", "out.jsonl", "--with-provenance"];
    for (share, old) in [(0.0, None), (0.1, Some("old")), (0.4, Some("old"))] {
        if let Some(old) = old {
            std::fs::write(&out, old)?;
        }
        let point = (expected.len() as f64 * share) as u64;
        let mut export = deployment.start("export", line)?;
        eventually("half of an export", LIMIT, async || {
            let written = bytes_beside(&out) > point;
            (written || export.has_ended()).then_some(())
        })
        .await?;
        // Frozen, it cannot end between the look and the kill.
        export.signal(Signal::Stop)?;
        let was_running = !export.has_ended();
        export.kill()?;
        ensure!(was_running, "the export was over before it could be killed:\n{}", export.log());
        let found = std::fs::read_to_string(&out).ok();
        ensure!(found.as_deref() == old, "half a file under the final name");
    }
    deployment.run(line).await?.ok()?;
    ensure!(std::fs::read(&out)? == expected, "the export after the kills differs");
    ensure!(bytes_beside(&out) == 0, "something was left beside {}", out.display());
    Ok(())
}

/// Bytes of the file that an export writes before it has its name.
fn bytes_beside(out: &Path) -> u64 {
    let name = out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let beside = out.parent().and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten();
    let parts = beside.filter(|entry| {
        let other = entry.file_name().to_string_lossy().into_owned();
        other.starts_with(&name) && other != name
    });
    parts.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
}
