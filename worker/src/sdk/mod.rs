//! What a validator is, sees and answers. Nothing here does I/O, so a rule pack that leaves the
//! `runtime` feature out stays pure.

mod alike;
mod manifest;
mod record;

use std::borrow::Cow;

pub use alike::alike;
#[cfg(feature = "runtime")]
pub(crate) use alike::alike_of;
pub use manifest::{Field, FindingText, Manifest};
pub use record::{Record, RecordError};

/// Checks records: says what to change by rule and what needs a person.
///
/// A validator is pure: the same records and context give the same outcomes, on any worker, at any
/// time. It may panic or hang on a record; the worker then settles that one record as `failed`.
pub trait Validator: Send + Sync + 'static {
    /// The rule pack that this validator is: its name and version are what jobs ask for.
    fn manifest(&self) -> &Manifest;

    /// Checks `records` and answers one [`Outcome`] for each, in the same order.
    ///
    /// The slice holds a single record, unless the job is grouped: then it is one whole group, of which
    /// [`JobContext::group_by`] says what its records have in common. A validator that compares nothing looks at each by itself.
    fn validate(&self, job: &JobContext, records: &[Record<'_>]) -> Vec<Outcome>;
}

/// What a validator may know of the job it works for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobContext {
    /// The day of the data, `YYYY-MM-DD`: nothing in a record happened after it. Empty when the job has none.
    pub as_of: String,
    /// Rules that are not to run, by the names that the validator gives them in its changes. A validator whose
    /// rules stand or fall together need not heed it.
    pub without: Vec<String>,
    /// The fields by which records were put together; empty when the job is not grouped.
    pub group_by: Vec<String>,
}

/// What a validator says of one record. Neither changes nor findings: the record is valid as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Changes in the order in which they were made. Several may touch one field: each starts from
    /// the value that the one before it left.
    pub changes: Vec<Change>,
    /// Why the record needs a person. No change may touch the field of a finding.
    pub findings: Vec<Finding>,
}

/// One field, rewritten by one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The field's name.
    pub field: Cow<'static, str>,
    /// The value before this rule.
    pub before: String,
    /// The value after it.
    pub after: String,
    /// The rule's stable name, such as `phone.prefix_2018`.
    pub rule: Cow<'static, str>,
}

/// Why a record needs a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finding {
    /// A stable code, `field.reason`, of `[a-z0-9_]`: `national_id.sex`.
    pub code: Cow<'static, str>,
    /// The field in question.
    pub field: Cow<'static, str>,
    /// Values that might be right, best first.
    pub proposals: Vec<String>,
    /// The rule that found it. Empty where it is the code that says so. The worker adds, after a comma, rules whose changes
    /// of the field become proposals.
    pub rule: Cow<'static, str>,
}
