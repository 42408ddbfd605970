//! A job in numbers: what `status --json` and `report.json` hold.

mod text;

use std::collections::BTreeMap;

use emend_proto::v1::{Job, JobState, Progress};
use serde::Serialize;

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
    /// The rule pack, `name version`.
    pub pack: String,
    /// The day of the data.
    pub as_of: String,
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
    /// Records by verdict.
    pub verdicts: Verdicts,
    /// Whether every row and every record is in exactly one of these classes.
    pub reconciled: bool,
    /// Units by state.
    pub units: Units,
    /// Changes by rule.
    pub rules: BTreeMap<String, u64>,
    /// Findings by code.
    pub findings: BTreeMap<String, u64>,
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
        let pack = job.pack.clone().unwrap_or_default();
        let verdicts = verdicts(&progress);
        let schedule = job.schedule.unwrap_or_default();
        Self {
            job: job.name.clone(),
            id: job.id,
            state: state_name(job.state()),
            paused: job.paused,
            pack: format!("{} {}", pack.name, pack.version).trim().to_owned(),
            as_of: job.as_of.clone(),
            priority: schedule.priority,
            weight: schedule.weight,
            deadline_in_seconds: schedule.deadline_in.as_ref().map(in_seconds),
            rows: sum(|import| import.rows),
            records: progress.records,
            already_there: sum(|import| import.already_there),
            rejected: sum(|import| import.rejected),
            pending: progress.pending,
            verdicts,
            reconciled: reconciled(&progress, &imports),
            units: Units {
                ready: progress.units_ready,
                leased: progress.units_leased,
                done: progress.units_done,
                set_aside: progress.units_set_aside,
            },
            rules: progress.rules.into_iter().collect(),
            findings: progress.findings.into_iter().collect(),
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
mod tests {
    use emend_proto::v1::{Import, Schedule};

    use super::*;

    fn job() -> Job {
        let import =
            Import { next_offset: 12, accepted: 10, already_there: 1, rejected: 1, ..Import::default() };
        let progress = Progress {
            records: 10,
            pending: 1,
            valid: 2,
            corrected: 3,
            routed: 4,
            units_ready: 1,
            units_done: 2,
            elapsed: Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }),
            left: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
            workers: 2,
            workers_wanted: 4,
            rules: [("phone.prefix_2018".to_owned(), 7)].into(),
            ..Progress::default()
        };
        let deadline_in = Some(prost_types::Duration { seconds: 11_400, nanos: 0 });
        let schedule = Some(Schedule { priority: -3, weight: 100, deadline_in });
        let (imports, progress) = (vec![import], Some(progress));
        Job { name: "x".into(), state: 2, imports, progress, schedule, ..Job::default() }
    }

    #[test]
    fn a_deadline_is_told_in_words() {
        let mut job = job();
        let said = |job: &Job| Report::of(job).text().lines().nth(1).unwrap_or_default().to_owned();
        assert_eq!(said(&job), "priority -3, weight 100, deadline in 3 h 10 min");
        let mut at = |seconds, state| {
            let deadline_in = Some(prost_types::Duration { seconds, nanos: 0 });
            job.schedule = Some(Schedule { priority: 0, weight: 1, deadline_in });
            job.state = state;
            said(&job)
        };
        assert_eq!(at(-65, 2), "priority 0, weight 1, deadline overdue by 1 min 5 s");
        assert_eq!(at(65, 4), "priority 0, weight 1, deadline met with 1 min 5 s to spare");
        assert_eq!(at(-65, 3), "priority 0, weight 1, deadline missed by 1 min 5 s");
        job.schedule = Some(Schedule { priority: 0, weight: 1, deadline_in: None });
        assert_eq!(said(&job), "priority 0, weight 1, no deadline");
    }

    #[test]
    fn the_json_has_what_scripts_rely_on() {
        let json = serde_json::to_value(Report::of(&job())).unwrap();
        assert_eq!(json["state"], "running");
        assert_eq!(
            (&json["records"], &json["rejected"], &json["seconds"]),
            (&10.into(), &1.into(), &1.5.into())
        );
        assert_eq!(json["units"], serde_json::json!({"ready": 1, "leased": 0, "done": 2, "set_aside": 0}));
        assert_eq!(
            json["verdicts"],
            serde_json::json!({"valid": 2, "corrected": 3, "routed": 4, "failed": 0})
        );
        assert_eq!(json["rules"]["phone.prefix_2018"], 7);
        assert_eq!(json["reconciled"], true);
        assert!(json["records_per_second"].is_number());
        assert_eq!((&json["priority"], &json["weight"]), (&(-3).into(), &100.into()));
        assert_eq!(json["deadline_in_seconds"], 11_400.0);
        assert_eq!(
            (&json["seconds_left"], &json["workers"], &json["workers_wanted"]),
            (&90.0.into(), &2.into(), &4.into())
        );
    }

    #[test]
    fn what_is_ahead_is_told_while_there_is_something_ahead() {
        let told = |change: fn(&mut Progress)| {
            let mut job = job();
            change(job.progress.as_mut().unwrap());
            Report::of(&job).text()
        };
        let text = told(|_| {});
        assert!(text.contains("2 workers at it, 4 wanted"), "{text}");
        assert!(text.contains("left"), "{text}");
        let nobody = told(|progress| (progress.left, progress.workers) = (None, 0));
        assert!(nobody.contains("no worker is at it, 4 wanted") && !nobody.contains("left"), "{nobody}");
        let done = told(|progress| (progress.left, progress.workers, progress.workers_wanted) = (None, 0, 0));
        assert!(!done.contains("wanted"), "{done}");
    }

    #[test]
    fn a_record_that_is_lost_or_doubled_shows() {
        let mut lost = job();
        lost.progress.as_mut().unwrap().pending = 0;
        let mut doubled = job();
        doubled.progress.as_mut().unwrap().valid += 1;
        let mut missing = job();
        missing.imports[0].next_offset += 1;
        let mut strange = job();
        strange.imports[0].accepted -= 1;
        strange.imports[0].rejected += 1;
        for job in [lost, doubled, missing, strange] {
            let report = Report::of(&job);
            assert!(!report.reconciled && report.text().contains("NOT RECONCILED"), "{}", report.text());
        }
        assert!(Report::of(&job()).text().contains("all rows"));
    }
}
