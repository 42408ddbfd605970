//! Alert rules and the dashboard: promtool runs the rules' own tests, and both speak only of metrics that there are.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::root;
use super::table::table;

fn promtool(arguments: &[&str]) -> Result<String> {
    let output = Command::new("promtool").args(arguments).current_dir(root().join("k8s/monitoring")).output();
    let output = output.context("promtool: apt-get install --no-install-recommends prometheus")?;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    if !output.status.success() {
        bail!("promtool {arguments:?}:\n{said}");
    }
    Ok(said)
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| path.to_owned())
}

/// What looks like a metric of ours, or of a process, in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    let ours = |word: &&str| word.starts_with("emend_") || word.starts_with("process_");
    text.split(word).filter(ours).map(str::to_owned).collect()
}

/// Whether the table has it; histograms have series of three names more.
fn known(name: &str) -> Result<bool> {
    let table = table()?;
    let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
    let histogram = bare.and_then(|bare| table.get(bare)).is_some_and(|row| row.kind == "histogram");
    Ok(histogram || table.contains_key(name))
}

fn check_known(what: &str, text: &str) -> Result<usize> {
    let names = metrics_in(text);
    for name in &names {
        ensure!(known(name)?, "{what} speaks of {name}, which docs/METRICS.md does not have");
    }
    Ok(names.len())
}

#[test]
fn the_rules_pass_their_own_tests() -> Result<()> {
    promtool(&["check", "rules", "--lint-fatal", "alerts.yaml"])?;
    promtool(&["test", "rules", "alerts_test.yaml"]).map(drop)
}

#[test]
fn every_alarm_is_tested_and_has_its_section_in_the_runbook() -> Result<()> {
    let (rules, tests) = (read("k8s/monitoring/alerts.yaml")?, read("k8s/monitoring/alerts_test.yaml")?);
    let runbook = read("docs/RUNBOOK.md")?;
    let alarms: Vec<_> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    ensure!(alarms.len() >= 13, "{alarms:?}");
    for alarm in &alarms {
        ensure!(runbook.contains(&format!("\n### {alarm}\n")), "docs/RUNBOOK.md has no section {alarm}");
        let anchor = format!("runbook: docs/RUNBOOK.md#{}\n", alarm.to_lowercase());
        ensure!(rules.contains(&anchor), "{alarm} does not name its section");
        ensure!(tests.contains(&anchor), "no test sees {alarm} ring");
    }
    check_known("an alarm", &rules).map(drop)
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() -> Result<()> {
    let text = read("k8s/monitoring/dashboard.json")?;
    let dashboard: serde_json::Value = serde_json::from_str(&text)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let expressions: Vec<&str> = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .filter_map(|target| target["expr"].as_str())
        .collect();
    ensure!(expressions.len() > 20, "only {} expressions", expressions.len());
    ensure!(check_known("the dashboard", &expressions.join("\n"))? > 20);
    // Ids and places are each panel's own.
    let unique = |key: &str| panels.iter().map(|panel| panel[key].to_string()).collect::<BTreeSet<_>>().len();
    ensure!(unique("id") == panels.len() && unique("gridPos") == panels.len());
    Ok(())
}

/// Prometheus itself reads every expression of the dashboard.
#[test]
fn prometheus_reads_the_dashboards_expressions() -> Result<()> {
    let dashboard: serde_json::Value = serde_json::from_str(&read("k8s/monitoring/dashboard.json")?)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (number, expr) in targets.filter_map(|target| target["expr"].as_str()).enumerate() {
        let expr = expr.replace("$__rate_interval", "5m").replace("$job", ".*");
        rules += &format!("      - record: r{number}\n        expr: {}\n", serde_json::to_string(&expr)?);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("dashboard.yaml");
    std::fs::write(&path, rules)?;
    promtool(&["check", "rules", &path.display().to_string()]).map(drop)
}

/// The check itself can fail.
#[test]
fn an_unknown_metric_is_found() -> Result<()> {
    ensure!(check_known("a text", "sum(emend_no_such_metric)").is_err());
    ensure!(check_known("a text", "rate(emend_grpc_call_seconds_bucket[5m])").is_ok());
    ensure!(check_known("a text", "emend_store_up_bucket").is_err());
    Ok(())
}
