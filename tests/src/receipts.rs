//! What workers were told: receipts, by their logs.

use anyhow::Result;

use crate::invariants::Acknowledged;
use crate::process::{Deployment, Process};

/// Starts a worker that logs each receipt.
///
/// # Errors
/// When it does not start.
pub fn worker(deployment: &Deployment, worker: usize) -> Result<Process> {
    let level = "info,emend_worker=debug";
    deployment.start(&format!("worker-{worker}"), ["worker", "--log-format", "json", "--log-level", level])
}

/// What the first so many workers were told. A line that a kill cut short says nothing.
///
/// # Errors
/// When a log cannot be read.
pub fn acknowledged(deployment: &Deployment, workers: usize) -> Result<Vec<Acknowledged>> {
    let mut told = Vec::new();
    for worker in 0..workers {
        let log = std::fs::read_to_string(deployment.path(&format!("worker-{worker}.log")))?;
        for line in log.lines().filter(|line| line.contains("\"committed\"")) {
            let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let numbers = line["unit"].as_i64().zip(line["epoch"].as_i64());
            if let Some(((unit_id, epoch), commit)) = numbers.zip(line["commit"].as_str()) {
                told.push(Acknowledged { unit_id, epoch, commit_id: commit.to_owned() });
            }
        }
    }
    Ok(told)
}
