//! What the demo has to say: `report.json`, and the tables.

use emend_vaccination::Quality;
use serde::Serialize;

use super::{Order, PeopleReport};
use crate::report::Report;
use crate::term::{Table, right};

/// `report.json`.
#[derive(Debug, Serialize)]
pub struct DemoReport {
    /// The job, as `status --json` tells it.
    #[serde(flatten)]
    pub job: Report,
    /// How good the rules were.
    pub quality: Quality,
    /// What people made of the rest, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleReport>,
    /// The most that this process held in memory, scheduler and workers included.
    pub peak_memory_bytes: Option<u64>,
}

impl DemoReport {
    /// For people.
    pub fn text(&self, order: &Order) -> String {
        let mut text = self.job.text();
        let mut table = Table::new(["quality against the truth", "", "goal"]);
        let quality = &self.quality;
        for (name, share, goal) in [
            ("precision: changed fields that are true", quality.precision(), "99.99 %"),
            ("closed: form faults corrected entirely", quality.closed(), "99.5 %"),
            ("routed right: others that reach a person untouched", quality.routed_right(), "100 %"),
        ] {
            table.row([name.into(), right(format!("{:.4} %", 100.0 * share.ratio())), right(goal)]);
        }
        text += &format!("{table}\n");
        let mut files = "corrected.csv, routed.csv".to_owned();
        if let Some(people) = &self.people {
            text += &people.text();
            files += ", final.csv";
        }
        if let Some(bytes) = self.peak_memory_bytes {
            text += &format!(
                "peak memory: {} MiB, scheduler and {} workers in one process\n",
                bytes >> 20,
                order.workers
            );
        }
        text += &format!("files: {files}, report.json in {}\n", order.out.display());
        text
    }
}

/// The most that this process has held in memory, where the system tells it.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}
