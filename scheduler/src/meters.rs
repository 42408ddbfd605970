//! What a scheduler counts and measures. docs/METRICS.md has the table; `tests/tests/metrics` compares the two.
//!
//! Counts go through the `metrics` facade to whatever recorder the program has installed, and nowhere without one.
//! No value of a record, no worker's name and nothing else without bounds ever stands in a label.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};

use crate::domain::lease::{HandBack, Refusal};
use crate::domain::results::Verdicts;
use crate::store::{self, Import, Outcome, SplitOutcome};

/// A counter by its name, with what it counts, and the values of its one label where they are few.
type Counted = (&'static str, &'static str, &'static str, &'static [&'static str]);

const LEASES: &str = "emend_leases_granted_total";
const EXPIRED: &str = "emend_leases_expired_total";
const COMMITS: &str = "emend_commits_total";
const RECORDS: &str = "emend_records_total";
const HAND_BACKS: &str = "emend_hand_backs_total";
const SPLITS: &str = "emend_units_split_total";
const ROWS: &str = "emend_import_rows_total";
/// Counted by the layer around every call.
pub(crate) const CALLS: &str = "emend_grpc_calls_total";
/// Measured there.
pub(crate) const CALL_SECONDS: &str = "emend_grpc_call_seconds";
/// Counted where calls are turned away.
pub(crate) const SHED: &str = "emend_calls_shed_total";
const LOOP_RUNS: &str = "emend_loop_runs_total";
const LOOP_SECONDS: &str = "emend_loop_seconds";

const COUNTERS: [Counted; 8] = [
    (LEASES, "Units leased to workers.", "", &[]),
    (EXPIRED, "Leases that ran out and whose units were returned.", "", &[]),
    (
        COMMITS,
        "Commits of units by what became of them.",
        "outcome",
        &[
            "accepted",
            "late",
            "replayed",
            "lease_lost",
            "superseded",
            "idempotency_mismatch",
            "wrong_token",
            "job_cancelled",
            "unit_not_found",
            "results_do_not_fit",
            "checksum_mismatch",
            "ruleset_changed",
        ],
    ),
    (RECORDS, "Records settled by verdict.", "verdict", &["valid", "corrected", "routed", "failed"]),
    (
        HAND_BACKS,
        "Units handed back by their workers.",
        "how",
        &["released", "failed", "failed_for_good", "refused"],
    ),
    (
        SPLITS,
        "Units whose attempts were used up.",
        "outcome",
        &["halved", "failed", "set_aside", "abandoned"],
    ),
    (
        SHED,
        "Calls turned away because of overload.",
        "class",
        &["settle", "lease", "steer", "look", "bulk", "watch", "probe"],
    ),
    (ROWS, "Rows of imports.", "outcome", &["accepted", "already_there", "rejected"]),
];

/// Describes everything to the recorder, and begins the counters at zero, so that their first count shows as a rise.
pub(crate) fn describe() {
    for (name, what, label, values) in COUNTERS {
        describe_counter!(name, what);
        if values.is_empty() {
            counter!(name).increment(0);
        }
        for value in values {
            counter!(name, label => *value).increment(0);
        }
    }
    describe_counter!(CALLS, "gRPC calls by method and code; `other` is a method that we do not serve.");
    describe_counter!(LOOP_RUNS, "Runs of the loops by outcome.");
    describe_histogram!(
        CALL_SECONDS,
        "Time of a gRPC call, in seconds. LeaseUnits waits for units, streams last."
    );
    describe_histogram!(LOOP_SECONDS, "Time of a loop's run, in seconds.");
    store::meters::describe();
}

/// Describes what a snapshot tells.
pub(crate) fn describe_gauges() {
    for (name, what) in GAUGES {
        describe_gauge!(name, what);
    }
}

/// What a snapshot tells.
const GAUGES: [(&str, &str); 22] = [
    ("emend_store_up", "1 when the store answers, else 0."),
    ("emend_store_connections", "Connections to the database that are busy or idle."),
    ("emend_store_waiting", "Transactions that wait for a connection, or on SQLite for their turn to write."),
    ("emend_store_connections_max", "Connections to the database that may be open."),
    ("emend_draining", "1 once the scheduler stops, else 0."),
    ("emend_grpc_calls_running", "gRPC calls under way."),
    (
        "emend_loop_last_success_timestamp_seconds",
        "When a loop last ran well, in Unix time by the store's clock.",
    ),
    ("emend_workers_seen", "Workers that called this scheduler in the last minute."),
    ("emend_workers_at_work", "Workers that hold leases, as the store has it."),
    ("emend_workers_wanted", "Workers needed to finish every job in time."),
    ("emend_backlog_seconds", "Seconds that one worker needs for all that is left."),
    ("emend_queue_age_seconds", "Age of the oldest ready unit, 0 without one."),
    ("emend_jobs", "Jobs by state."),
    ("emend_units", "Units of an unfinished job by state."),
    ("emend_job_records_left", "Records without a verdict of an unfinished job."),
    ("emend_job_backlog_seconds", "Seconds that one worker needs for what is left of a job."),
    ("emend_job_left_seconds", "How long a job still takes with the workers at work; +Inf without any."),
    ("emend_job_deadline_seconds", "Time until a job's deadline; negative after it."),
    ("emend_job_workers_at_work", "Workers that hold leases of a job."),
    (
        "emend_job_worker_records_per_second",
        "Records that one worker settles in a second, seen or configured.",
    ),
    ("emend_job_rate_seen", "1 when that rate was measured, 0 when it is the configured one."),
    ("emend_outlook_seconds", "How long the last sum over the unfinished jobs took."),
];

/// Units were leased.
pub(crate) fn leased(units: usize) {
    counter!(LEASES).increment(units as u64);
}

/// Leases ran out.
pub(crate) fn expired(units: usize) {
    counter!(EXPIRED).increment(units as u64);
}

/// A commit was decided; `verdicts` are those of its results.
pub(crate) fn committed(outcome: &Outcome, verdicts: Verdicts) {
    let (outcome, settled) = match outcome {
        Outcome::Accepted { replayed: true, .. } => ("replayed", false),
        Outcome::Accepted { late: true, .. } => ("late", true),
        Outcome::Accepted { .. } => ("accepted", true),
        Outcome::Refused(refusal) => (refused(refusal), false),
    };
    counter!(COMMITS, "outcome" => outcome).increment(1);
    if settled {
        let Verdicts { valid, corrected, routed, failed } = verdicts;
        let counts = [("valid", valid), ("corrected", corrected), ("routed", routed), ("failed", failed)];
        for (verdict, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            counter!(RECORDS, "verdict" => verdict).increment(count.unsigned_abs());
        }
    }
}

fn refused(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::LeaseLost => "lease_lost",
        Refusal::Superseded => "superseded",
        Refusal::IdempotencyMismatch => "idempotency_mismatch",
        Refusal::WrongToken => "wrong_token",
        Refusal::JobCancelled => "job_cancelled",
        Refusal::UnitNotFound => "unit_not_found",
        Refusal::ResultsDoNotFit(_) => "results_do_not_fit",
        Refusal::ChecksumMismatch => "checksum_mismatch",
        Refusal::RulesetChanged => "ruleset_changed",
    }
}

/// A unit was handed back, or was not.
pub(crate) fn handed_back(how: HandBack, outcome: &Result<(), Refusal>) {
    let how = match (outcome, how) {
        (Err(_), _) => "refused",
        (Ok(()), HandBack::Release) => "released",
        (Ok(()), HandBack::Fail { retryable: true }) => "failed",
        (Ok(()), HandBack::Fail { retryable: false }) => "failed_for_good",
    };
    counter!(HAND_BACKS, "how" => how).increment(1);
}

/// A unit's attempts were used up. A lone record's verdict is then the scheduler's own.
pub(crate) fn split(outcome: SplitOutcome) {
    let outcome = match outcome {
        SplitOutcome::Halved(_) => "halved",
        SplitOutcome::Failed(_) => "failed",
        SplitOutcome::SetAside(_) => "set_aside",
        SplitOutcome::Abandoned(_) => "abandoned",
    };
    counter!(SPLITS, "outcome" => outcome).increment(1);
    if outcome == "failed" {
        counter!(RECORDS, "verdict" => "failed").increment(1);
    }
}

/// An import has grown.
pub(crate) fn imported(before: &Import, after: &Import) {
    let rows = |count: fn(&Import) -> i64| u64::try_from(count(after) - count(before)).unwrap_or(0);
    counter!(ROWS, "outcome" => "accepted").increment(rows(|import| import.accepted));
    counter!(ROWS, "outcome" => "already_there").increment(rows(|import| import.already_there));
    counter!(ROWS, "outcome" => "rejected").increment(rows(|import| import.rejected));
}

/// A loop has run once.
pub(crate) fn ran(name: &'static str, took: Duration, well: bool) {
    let outcome = if well { "ok" } else { "failed" };
    counter!(LOOP_RUNS, "loop" => name, "outcome" => outcome).increment(1);
    histogram!(LOOP_SECONDS, "loop" => name).record(took);
}

/// A loop begins: its failures count from zero.
pub(crate) fn begins(name: &'static str) {
    counter!(LOOP_RUNS, "loop" => name, "outcome" => "failed").increment(0);
}
