//! Time without its guard.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::time::Timestamp;

/// What the machine thinks that time it is.
#[expect(clippy::disallowed_methods, reason = "what nobody else may do is what this mutant is")]
pub(in crate::store) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
