//! What the demo has to say: `report.json`, and the tables.

use emend_vaccination::{Quality, Relations, Share};
use serde::Serialize;

use super::{Order, PeopleReport};
use crate::report::Report;
use crate::term::{Table, grouped, right};

/// `report.json`.
#[derive(Debug, Serialize)]
pub struct DemoReport {
    /// The job, as `status --json` tells it.
    #[serde(flatten)]
    pub job: Report,
    /// How good the rules were.
    pub quality: Quality,
    /// How good the checks of groups were, where the job is grouped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relations: Option<RelationsReport>,
    /// What people made of the rest, where they were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleReport>,
    /// The most that this process held in memory, scheduler and workers included.
    pub peak_memory_bytes: Option<u64>,
}

/// How good the checks of groups were. All counts are of records.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RelationsReport {
    /// Of the findings of groups, those that are right.
    pub precision: ShareReport,
    /// Of the records whose relation needs a person, those that have the right finding.
    pub found: ShareReport,
    /// The same, of those relations alone that no other fault hides.
    pub found_of_shown: ShareReport,
}

/// A share with the counts behind it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ShareReport {
    /// The counts.
    #[serde(flatten)]
    pub counts: Share,
    /// The ratio; of no cases at all it is 1.
    pub ratio: f64,
}

impl From<&Relations> for RelationsReport {
    fn from(relations: &Relations) -> Self {
        let share = |counts: Share| ShareReport { counts, ratio: counts.ratio() };
        Self {
            precision: share(relations.precision()),
            found: share(relations.found()),
            found_of_shown: share(relations.found_of_shown()),
        }
    }
}

impl RelationsReport {
    /// For people.
    fn table(&self) -> Table {
        let mut table = Table::new(["relations against the truth", "", "of", "goal"]);
        for (name, ShareReport { counts, ratio }, goal) in [
            ("precision: findings of groups that are right", self.precision, "99.9 %"),
            ("found: records whose relation needs a person", self.found, ""),
            ("found of those that no other fault hides", self.found_of_shown, ""),
        ] {
            let percent = if counts.of == 0 { String::new() } else { format!("{:.4} %", 100.0 * ratio) };
            table.row([name.into(), right(percent), right(grouped(counts.of)), right(goal)]);
        }
        table
    }
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
        if let Some(relations) = &self.relations {
            text += &format!("{}\n", relations.table());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_told_with_their_counts() {
        let share = |right, of| {
            let counts = Share { right, of };
            ShareReport { counts, ratio: counts.ratio() }
        };
        let relations = RelationsReport {
            precision: share(1_999, 2_000),
            found: share(3, 4),
            found_of_shown: share(0, 0),
        };
        let json = serde_json::to_value(relations).unwrap();
        assert_eq!(json["precision"], serde_json::json!({"right": 1999, "of": 2000, "ratio": 0.9995}));
        assert_eq!(json["found"]["ratio"], 0.75);
        let text = relations.table().to_string();
        assert!(text.contains("99.9500 %") && text.contains("2,000") && text.contains("99.9 %"), "{text}");
        // Of nothing there is no share.
        assert!(!text.contains("100.0000 %"), "{text}");
    }
}
