//! What callers are told: one exhaustive match from our errors to gRPC codes and reasons. A wrong code is a retry
//! storm, so nothing is mapped by default.

use std::time::Duration;

use emend_proto::BlockError;
use emend_proto::v1;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::domain::job::Violation;
use crate::domain::lease::Refusal;
use crate::store::{JobConflict, ReviewConflict, StoreError};

/// The domain of our reasons.
const DOMAIN: &str = "emend";

/// How long a caller should wait when the database has no room.
const FULL_RETRY: Duration = Duration::from_secs(10);

/// A status with a stable reason.
pub(crate) fn with_reason(code: Code, reason: &str, message: impl Into<String>) -> Status {
    Status::with_error_details(code, message, because(reason))
}

fn because(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, std::collections::HashMap::new())
}

/// There is more to do than can be done; the caller may come again after `retry`.
pub(crate) fn busy(message: impl Into<String>, retry: Duration) -> Status {
    again("OVERLOADED", message, retry)
}

/// RESOURCE_EXHAUSTED with the time after which it may go better.
fn again(reason: &str, message: impl Into<String>, retry: Duration) -> Status {
    let mut details = because(reason);
    details.set_retry_info(Some(retry));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// INVALID_ARGUMENT that names the field.
pub(crate) fn invalid(field: &str, description: &str) -> Status {
    violations([(field.to_owned(), description.to_owned())])
}

fn violations(found: impl IntoIterator<Item = (String, String)>) -> Status {
    let mut details = because("INVALID_REQUEST");
    let mut message = String::new();
    for (field, description) in found {
        message.push_str(if message.is_empty() { "" } else { "; " });
        message.push_str(&format!("{field} {description}"));
        details.add_bad_request_violation(field, description);
    }
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// What the store's error is to a caller. Logged here, once, where it is ours.
pub(crate) fn from_store(error: StoreError) -> Status {
    let message = error.to_string();
    match error {
        StoreError::Unavailable(_) => {
            tracing::warn!(error = %message, "the store is unavailable");
            with_reason(Code::Unavailable, "STORE_UNAVAILABLE", message)
        }
        StoreError::TooLate => with_reason(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message),
        StoreError::Full(_) => {
            tracing::error!(error = %message, "the store is full");
            again("STORE_FULL", message, FULL_RETRY)
        }
        StoreError::Internal(_) | StoreError::Clash => {
            tracing::error!(error = %message, "a statement failed");
            with_reason(Code::Internal, "INTERNAL", message)
        }
        StoreError::Review(conflict) => {
            let (code, reason) = review_reason(conflict);
            with_reason(code, reason, message)
        }
        StoreError::Damaged(unit_id, _) => {
            tracing::error!(unit_id, error = %message, "a block is damaged");
            with_reason(Code::DataLoss, "CHECKSUM_MISMATCH", message)
        }
        StoreError::JobNotFound => with_reason(Code::NotFound, "JOB_NOT_FOUND", message),
        StoreError::RecordNotFound => with_reason(Code::NotFound, "RECORD_NOT_FOUND", message),
        StoreError::AccountNotFound => with_reason(Code::NotFound, "ACCOUNT_NOT_FOUND", message),
        StoreError::AccountExists => with_reason(Code::AlreadyExists, "ACCOUNT_EXISTS", message),
        StoreError::JobDiffers(_) => with_reason(Code::AlreadyExists, "JOB_DIFFERS", message),
        StoreError::JobState(conflict) => {
            with_reason(Code::FailedPrecondition, conflict_reason(conflict), message)
        }
        StoreError::OffsetGap { .. } => with_reason(Code::OutOfRange, "OFFSET_GAP", message),
        StoreError::Invalid(found) => violations(
            found.into_iter().map(|Violation { field, description }| (field.to_owned(), description)),
        ),
    }
}

fn conflict_reason(conflict: JobConflict) -> &'static str {
    match conflict {
        JobConflict::Sealed => "JOB_SEALED",
        JobConflict::Ended => "JOB_ENDED",
        JobConflict::NotEnded => "JOB_NOT_ENDED",
        JobConflict::ImportUnfinished => "IMPORT_UNFINISHED",
        JobConflict::Unfinished => "JOB_UNFINISHED",
        JobConflict::Grouping => "JOB_GROUPING",
        JobConflict::BlocksGone => "BLOCKS_GONE",
        JobConflict::Cancelled => "JOB_CANCELLED",
        JobConflict::NoCanary => "NO_CANARY",
        JobConflict::DryRun => "DRY_RUN",
        JobConflict::Withdrawn => "VERSION_WITHDRAWN",
    }
}

fn review_reason(conflict: ReviewConflict) -> (Code, &'static str) {
    match conflict {
        ReviewConflict::NotFound => (Code::NotFound, "REVIEW_NOT_FOUND"),
        ReviewConflict::Taken => (Code::FailedPrecondition, "REVIEW_TAKEN"),
        ReviewConflict::NoCluster => (Code::FailedPrecondition, "NO_CLUSTER"),
        ReviewConflict::WrongToken => (Code::PermissionDenied, "WRONG_TOKEN"),
        ReviewConflict::NoDecision => (Code::NotFound, "DECISION_NOT_FOUND"),
        ReviewConflict::UndoTooLate => (Code::FailedPrecondition, "UNDO_TOO_LATE"),
    }
}

/// What is wrong with a block that a caller sent.
pub(crate) fn from_block(field: &str, error: &BlockError) -> Status {
    match error {
        BlockError::Checksum => with_reason(Code::DataLoss, "CHECKSUM_MISMATCH", format!("{field}: {error}")),
        BlockError::TooLarge | BlockError::Malformed(_) => invalid(field, &error.to_string()),
    }
}

/// A refusal as it stands in one unit's outcome.
pub(crate) fn refusal(refusal: Refusal) -> v1::Refusal {
    let (code, reason, message) = match &refusal {
        Refusal::LeaseLost => {
            (Code::Aborted, "LEASE_LOST", "the lease is not the newest one, or was handed back")
        }
        Refusal::Superseded => (Code::Aborted, "SUPERSEDED", "a newer lease has committed the unit"),
        Refusal::IdempotencyMismatch => (
            Code::FailedPrecondition,
            "IDEMPOTENCY_MISMATCH",
            "this lease has committed other results already",
        ),
        Refusal::WrongToken => (Code::PermissionDenied, "WRONG_TOKEN", "the token is not that of the lease"),
        Refusal::JobCancelled => (Code::FailedPrecondition, "JOB_CANCELLED", "the job was cancelled"),
        Refusal::UnitNotFound => (Code::NotFound, "UNIT_NOT_FOUND", "there is no such unit"),
        Refusal::ResultsDoNotFit(_) => {
            (Code::InvalidArgument, "RESULTS_DO_NOT_FIT", "the results are not those of the unit's records")
        }
        Refusal::RulesetChanged => (
            Code::FailedPrecondition,
            "RULESET_CHANGED",
            "what the job runs has changed since the lease; the unit is ready again",
        ),
        Refusal::ChecksumMismatch => (
            Code::DataLoss,
            "CHECKSUM_MISMATCH",
            "the block does not match its checksum; the unit is set aside",
        ),
    };
    let violations = match refusal {
        Refusal::ResultsDoNotFit(violations) => violations,
        _ => Vec::new(),
    };
    v1::Refusal {
        code: code.into(),
        reason: reason.into(),
        message: message.into(),
        violations: violations
            .into_iter()
            .map(|(field, description)| v1::FieldViolation { field, description })
            .collect(),
    }
}
