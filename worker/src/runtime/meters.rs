//! What a worker measures while it works; the rest is counted in its report. Goes to the program's recorder, and
//! nowhere without one.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};

const VALIDATE: &str = "emend_worker_validate_seconds";
const COMMIT: &str = "emend_worker_commit_seconds";
const CALLS: &str = "emend_worker_validator_calls_total";
const REFUSED: &str = "emend_worker_validator_refusals_total";
const RETRIES: &str = "emend_worker_retries_total";

pub(crate) fn describe() {
    describe_histogram!(VALIDATE, "Time of a unit's validation, in seconds.");
    describe_histogram!(COMMIT, "Time until a commit was answered, tries included, in seconds.");
    describe_counter!(RETRIES, "Calls to a scheduler that were sent again.");
    describe_counter!(CALLS, "Calls to validators over gRPC: ok, failed.");
    describe_counter!(REFUSED, "Records about which a validator's answer was refused, and why.");
    // There from the start, whether a validator is called or not.
    counter!(CALLS, "validator" => "", "outcome" => "ok").increment(0);
    counter!(REFUSED, "validator" => "", "reason" => "").increment(0);
    counter!(RETRIES).increment(0);
}

/// A validator was called.
pub(crate) fn called(validator: &str, outcome: &'static str) {
    counter!(CALLS, "validator" => validator.to_owned(), "outcome" => outcome).increment(1);
}

/// What a validator said of a record is not taken.
pub(crate) fn refused(validator: &str, why: &'static str) {
    counter!(REFUSED, "validator" => validator.to_owned(), "reason" => why).increment(1);
}

/// A unit's records have been validated.
pub(crate) fn validated(took: Duration) {
    histogram!(VALIDATE).record(took);
}

/// A commit was answered.
pub(crate) fn committed(took: Duration) {
    histogram!(COMMIT).record(took);
}

/// A call is sent again.
pub(crate) fn retried() {
    counter!(RETRIES).increment(1);
}
