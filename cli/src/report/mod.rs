//! A job in numbers: what `status --json` and `report.json` hold.

mod grouping;
mod text;
mod trip;

use std::collections::BTreeMap;

use emend_proto::v1::{Job, JobState, Progress, RuleQuality};
use serde::Serialize;

pub use grouping::{GroupingReport, group_field};

/// A job in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Its name.
    pub job: String,
    /// Its id.
    pub id: u64,
    /// `importing`, `running`, `reviewing`, `completed`, `cancelled`.
    pub state: &'static str,
    /// Whether no unit is leased from it.
    pub paused: bool,
    /// The canary is done, and the rest waits for an approval.
    pub awaits_approval: bool,
    /// Nothing is kept but counts and examples.
    pub dry_run: bool,
    /// The rule pack, `name version`, and what runs behind it.
    pub pack: String,
    /// Goes up whenever what it runs changes.
    pub ruleset: u64,
    /// What it runs has changed, and records are run again for that.
    pub revising: bool,
    /// Rules that do not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules_off: Vec<String>,
    /// Versions that it runs and that were withdrawn, as `name@version`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<String>,
    /// Thresholds that were exceeded, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trips: Vec<String>,
    /// The day of the data.
    pub as_of: String,
    /// How its records are put together, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping: Option<GroupingReport>,
    /// A higher one goes first.
    pub priority: i32,
    /// Its share of the workers among jobs of its priority.
    pub weight: u32,
    /// When it should be done, in seconds from now, or from when it was; negative when it was missed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_in_seconds: Option<f64>,
    /// Rows of the imports, each of which is a record, was there already, or was rejected.
    pub rows: u64,
    /// Records.
    pub records: u64,
    /// Rows that another row or import had brought in before.
    pub already_there: u64,
    /// Rows that were not taken.
    pub rejected: u64,
    /// Records without a verdict yet.
    pub pending: u64,
    /// Records by the rules' verdict.
    pub verdicts: Verdicts,
    /// Records that people decide on, whatever their verdict.
    pub decisions: Decisions,
    /// Whether every row and every record is in exactly one of these classes.
    pub reconciled: bool,
    /// Units by state.
    pub units: Units,
    /// Changes by rule.
    pub rules: BTreeMap<String, u64>,
    /// Findings by code.
    pub findings: BTreeMap<String, u64>,
    /// How often rules are wrong, as far as people have looked into a sample of their changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rule_quality: Vec<RuleReport>,
    /// From the job's creation to its last unit done, or to now.
    pub seconds: f64,
    /// Records decided in one of them.
    pub records_per_second: f64,
    /// How long the rest takes with the workers that are at it; not known without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<f64>,
    /// Workers that are at it.
    pub workers: u64,
    /// Workers that it wants in order to be done in time.
    pub workers_wanted: u64,
    /// When its records will be deleted, in seconds from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocks_go_in_seconds: Option<f64>,
    /// Whether they are deleted.
    pub blocks_gone: bool,
    /// Its imports.
    pub imports: Vec<ImportReport>,
}

/// How often a rule is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct RuleReport {
    /// The rule.
    pub rule: String,
    /// Changes of it that people have decided on.
    pub sampled: u64,
    /// Of those, changes that they did not let stand.
    pub wrong: u64,
    /// The 95 % interval of the share of wrong ones.
    pub interval: [f64; 2],
    /// Whether its changes go to people.
    pub paused: bool,
}

impl From<RuleQuality> for RuleReport {
    fn from(quality: RuleQuality) -> Self {
        let RuleQuality { rule, sampled, wrong, low, high, paused } = quality;
        Self { rule, sampled, wrong, interval: [low, high], paused }
    }
}

/// Records by verdict.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Verdicts {
    /// Nothing to change, nothing found.
    pub valid: u64,
    /// Changed by rules alone.
    pub corrected: u64,
    /// A person is needed.
    pub routed: u64,
    /// A rule failed on it.
    pub failed: u64,
}

/// Records that people decide on.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Decisions {
    /// Wait for a person, somewhere between the first answer and the last.
    pub open: u64,
    /// Have been decided on. A decision that may still be undone counts here.
    pub decided: u64,
    /// Of those, marked as not to be used.
    pub rejected: u64,
}

/// Units by state.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Units {
    /// Wait for a worker.
    pub ready: u64,
    /// A worker has them.
    pub leased: u64,
    /// Committed.
    pub done: u64,
    /// Damaged.
    pub set_aside: u64,
    /// Not of the canary.
    pub waiting: u64,
}

/// One import.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReport {
    /// The file's digest.
    pub import_id: String,
    /// Rows seen.
    pub rows: u64,
    /// Rows that became records.
    pub accepted: u64,
    /// Rows that were there.
    pub already_there: u64,
    /// Rows that were not taken.
    pub rejected: u64,
    /// Whether it has come to its end.
    pub finished: bool,
}

/// A state as everything outside calls it.
pub fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "unknown",
        JobState::Importing => "importing",
        JobState::Running => "running",
        JobState::Reviewing => "reviewing",
        JobState::Completed => "completed",
        JobState::Cancelled => "cancelled",
    }
}

impl Report {
    /// A job as the scheduler tells it.
    pub fn of(job: &Job) -> Self {
        let progress = job.progress.clone().unwrap_or_default();
        let imports: Vec<_> = job.imports.iter().map(import_report).collect();
        let sum = |count: fn(&ImportReport) -> u64| imports.iter().map(count).sum();
        let chain = job.pack.iter().chain(&job.validators);
        let chain = chain.map(|link| format!("{} {}", link.name, link.version).trim().to_owned());
        let verdicts = verdicts(&progress);
        let schedule = job.schedule.unwrap_or_default();
        Self {
            job: job.name.clone(),
            id: job.id,
            state: state_name(job.state()),
            paused: job.paused,
            awaits_approval: job.awaits_approval,
            dry_run: job.policy.as_ref().is_some_and(|policy| policy.dry_run),
            pack: chain.collect::<Vec<_>>().join(", "),
            ruleset: job.ruleset,
            revising: job.revising,
            rules_off: job.rules_off.clone(),
            withdrawn: job.withdrawn.iter().map(|of| format!("{}@{}", of.name, of.version)).collect(),
            trips: job.trips.iter().map(trip::in_words).collect(),
            as_of: job.as_of.clone(),
            grouping: job.grouping.as_ref().map(GroupingReport::from),
            priority: schedule.priority,
            weight: schedule.weight,
            deadline_in_seconds: schedule.deadline_in.as_ref().map(in_seconds),
            rows: sum(|import| import.rows),
            records: progress.records,
            already_there: sum(|import| import.already_there),
            rejected: sum(|import| import.rejected),
            pending: progress.pending,
            verdicts,
            decisions: Decisions {
                open: progress.reviews_open,
                decided: progress.reviews_decided,
                rejected: progress.reviews_rejected,
            },
            reconciled: reconciled(&progress, &imports),
            units: Units {
                ready: progress.units_ready,
                leased: progress.units_leased,
                done: progress.units_done,
                set_aside: progress.units_set_aside,
                waiting: progress.units_waiting,
            },
            rules: progress.rules.into_iter().collect(),
            findings: progress.findings.into_iter().collect(),
            rule_quality: progress.rule_quality.into_iter().map(RuleReport::from).collect(),
            seconds: progress.elapsed.as_ref().map_or(0.0, in_seconds),
            records_per_second: progress.records_per_second,
            seconds_left: progress.left.as_ref().map(in_seconds),
            workers: progress.workers,
            workers_wanted: progress.workers_wanted,
            blocks_go_in_seconds: job.blocks_go_in.as_ref().map(in_seconds),
            blocks_gone: job.blocks_gone,
            imports,
        }
    }

    /// Records with a verdict.
    pub fn decided(&self) -> u64 {
        let Verdicts { valid, corrected, routed, failed } = self.verdicts;
        valid + corrected + routed + failed
    }
}

/// Whether each record has exactly one verdict or none, and each row is exactly one of: a record, there already,
/// rejected.
fn reconciled(progress: &Progress, imports: &[ImportReport]) -> bool {
    let Verdicts { valid, corrected, routed, failed } = verdicts(progress);
    let classes = progress.pending + valid + corrected + routed + failed;
    let taken: u64 = imports.iter().map(|import| import.accepted).sum();
    let rows =
        imports.iter().all(|import| import.rows == import.accepted + import.already_there + import.rejected);
    classes == progress.records && taken == progress.records && rows
}

fn verdicts(progress: &Progress) -> Verdicts {
    Verdicts {
        valid: progress.valid,
        corrected: progress.corrected,
        routed: progress.routed,
        failed: progress.failed,
    }
}

fn import_report(import: &emend_proto::v1::Import) -> ImportReport {
    ImportReport {
        import_id: import.import_id.clone(),
        rows: import.next_offset,
        accepted: import.accepted,
        already_there: import.already_there,
        rejected: import.rejected,
        finished: import.finished,
    }
}

/// A duration of the wire.
fn in_seconds(duration: &prost_types::Duration) -> f64 {
    duration.seconds as f64 + f64::from(duration.nanos) / 1e9
}

#[cfg(test)]
mod tests;
