//! Records of one group: which they are, and what becomes of those that nobody has compared.

use emend_proto::v1::{Apart, Finding, Record, RecordResult, Verdict};

use super::chain::route;
use crate::JobContext;

/// The group has more records, or bytes, than a group may have.
const TOO_LARGE: &str = "group.too_large";

/// A validator, or whole workers, failed on the group.
pub(crate) const FAILED: &str = "group.failed";

/// Whether two records that follow one another are checked in one slice.
pub(crate) fn together(one: &Record, next: &Record) -> bool {
    one.group != 0 && one.group == next.group
}

/// The finding of a record that is by itself though it has a group.
pub(crate) fn apart(record: &Record) -> Option<&'static str> {
    match record.apart() {
        Apart::Unspecified => None,
        Apart::TooLarge => Some(TOO_LARGE),
        Apart::Failed => Some(FAILED),
    }
}

/// Sends a record that nobody has compared with its group to a person, in the first of the fields that make the group.
pub(crate) fn ask_a_person(code: &str, job: &JobContext, result: &mut RecordResult) {
    if result.findings.iter().any(|finding| finding.code == code) {
        return;
    }
    let field = job.group_by.first().cloned().unwrap_or_default();
    route(result, Finding { code: code.to_owned(), field, ..Finding::default() });
    // It is like no other: what it has to be compared with differs.
    result.alike = 0;
    result.verdict = Verdict::Routed.into();
}

#[cfg(test)]
mod tests;
