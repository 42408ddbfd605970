//! What the store measures of itself.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};

use super::StoreError;

const ERRORS: &str = "emend_store_errors_total";
const BEGIN: &str = "emend_store_begin_seconds";
const TRANSACTION: &str = "emend_store_transaction_seconds";

pub(crate) fn describe() {
    describe_counter!(ERRORS, "Transactions that failed.");
    describe_histogram!(BEGIN, "Wait for a connection or a turn to write, in seconds.");
    describe_histogram!(TRANSACTION, "Time of a transaction once begun, in seconds.");
    for kind in ["unavailable", "full", "internal", "damaged"] {
        counter!(ERRORS, "kind" => kind).increment(0);
    }
}

/// A transaction has begun after so long, and taken so long from then.
pub(super) fn transaction(access: &'static str, waited: Duration, took: Duration) {
    histogram!(BEGIN, "access" => access).record(waited);
    histogram!(TRANSACTION, "access" => access).record(took);
}

/// A transaction failed. What callers did wrong is no failure of the store.
pub(super) fn failed(error: &StoreError) {
    let kind = match error {
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Full(_) => "full",
        StoreError::Internal(_) => "internal",
        StoreError::Damaged(..) => "damaged",
        StoreError::TooLate
        | StoreError::Clash
        | StoreError::JobNotFound
        | StoreError::JobDiffers(_)
        | StoreError::JobState(_)
        | StoreError::Review(_)
        | StoreError::OffsetGap { .. }
        | StoreError::RecordNotFound
        | StoreError::AccountNotFound
        | StoreError::AccountExists
        | StoreError::Invalid(_) => return,
    };
    counter!(ERRORS, "kind" => kind).increment(1);
}
