//! `emend demo`, small.

use anyhow::{Result, ensure};
use emend_tests::process::Deployment;

use super::csv_rows;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_reconciles_and_reports() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let output = deployment.run(["demo", "--records", "5000", "--out", "demo"]).await?.ok()?;
    ensure!(!output.stdout.is_empty(), "{output:?}");
    let folder = deployment.path("demo");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("report.json"))?)?;
    check_shape(&report, 5000)?;
    let quality = &report["quality"];
    for (name, least) in [("precision", 0.9999), ("closed", 0.995), ("routed_right", 1.0)] {
        let found = quality[name].as_f64().unwrap_or_default();
        ensure!((least..=1.0).contains(&found), "{name} is {found}: {quality}");
    }
    let routed = usize::try_from(report["verdicts"]["routed"].as_u64().unwrap_or_default())?;
    ensure!(csv_rows(&folder.join("routed.csv"))? == routed, "{report}");
    for file in ["records.csv", "truth.jsonl", "corrected.csv"] {
        ensure!(folder.join(file).is_file(), "{file} is missing");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_with_people_goes_to_the_very_end() -> Result<()> {
    let deployment = Deployment::on_sqlite()?;
    let line = ["demo", "--with-people", "--records", "3000", "--reviewers", "60", "--out", "demo"];
    let output = deployment.run(line).await?.ok()?;
    for part in ["completed", "60 reviewers", "right against the truth", "final.csv"] {
        ensure!(output.stdout.contains(part), "nothing of {part}: {}", output.stdout);
    }
    let folder = deployment.path("demo");
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("report.json"))?)?;
    check_shape(&report, 3000)?;
    ensure!(report["state"] == "completed" && report["decisions"]["open"] == 0, "{report}");
    // More than what was routed: of what rules corrected, people have seen a sample.
    let count = |group: &str, name: &str| report[group][name].as_u64().unwrap_or_default();
    ensure!(count("decisions", "decided") > count("verdicts", "routed"), "{report}");
    let sampled = report["rule_quality"].as_array().is_some_and(|rules| !rules.is_empty());
    ensure!(sampled && report["people"]["reviews"] == report["decisions"]["decided"], "{report}");
    let people = &report["people"];
    ensure!(people["left"] == 0 && people["errors"]["made"].as_u64() > Some(0), "{people}");
    let share = |class: &str, name: &str| people["rightness"][class][name].as_f64().unwrap_or_default();
    for class in ["clean", "form"] {
        ensure!(share(class, "fields_after") > 0.999, "{people}");
    }
    // Before people none of what needs them is right, and few are wrong afterwards.
    ensure!(share("person", "at_issue_before") < 0.01, "{people}");
    ensure!(share("person", "at_issue_after") > 0.97, "{people}");
    ensure!(share("all", "records_after") > share("all", "records_before"), "{people}");
    ensure!(csv_rows(&folder.join("final.csv"))? == 3000, "{report}");
    Ok(())
}

/// What `status --json` and `report.json` hold at least, of a finished job.
pub(super) fn check_shape(report: &serde_json::Value, records: u64) -> Result<()> {
    let count = |value: &serde_json::Value| value.as_u64().unwrap_or(u64::MAX);
    let verdicts = ["valid", "corrected", "routed", "failed"].map(|name| &report["verdicts"][name]);
    ensure!(verdicts.iter().all(|verdict| verdict.is_u64()), "{report}");
    let sum: u64 = verdicts.into_iter().map(count).sum();
    ensure!(count(&report["records"]) == records && sum == records, "{report}");
    let state = report["state"].as_str().unwrap_or_default();
    ensure!(["reviewing", "completed"].contains(&state), "{report}");
    ensure!(count(&report["units"]["done"]) > 0 && count(&report["units"]["ready"]) == 0, "{report}");
    let positive = |name: &str| report[name].as_f64().is_some_and(|number| number > 0.0);
    ensure!(positive("seconds") && positive("records_per_second"), "{report}");
    Ok(())
}
