//! Jobs: what one is made of, and how it moves on.

use std::time::Duration;

use emend_proto::{DEFAULT_UNIT_BYTES, DEFAULT_UNIT_RECORDS};

use super::grouping::{self, GroupField};
use super::guard::Guard;
use super::unit::UnitState;

/// Where a job is in its life. Paused is a flag beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Not sealed; its units may be leased already.
    Importing,
    /// Sealed: no more records come.
    Running,
    /// Every unit is done; records wait for people.
    Reviewing,
    /// Nothing is left to do.
    Completed,
    /// Ended by an operator.
    Cancelled,
}

impl JobState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Importing, Self::Running, Self::Reviewing, Self::Completed, Self::Cancelled];

    /// The word in SQL, logs and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Importing => "importing",
            Self::Running => "running",
            Self::Reviewing => "reviewing",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the job has ended for good.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// How a job is cut and retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobPolicy {
    /// Records in a unit, at most.
    pub unit_records: u32,
    /// Bytes of payload in a unit, at most; a record above it is a reject.
    pub unit_bytes: u32,
    /// How often a unit may be lost before it is split.
    pub attempts: u32,
}

impl Default for JobPolicy {
    fn default() -> Self {
        Self { unit_records: DEFAULT_UNIT_RECORDS, unit_bytes: DEFAULT_UNIT_BYTES, attempts: 3 }
    }
}

/// How people decide on a job's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewPolicy {
    /// How long a decision may be taken back.
    pub undo: Duration,
    /// Findings and fields on which two people must agree.
    pub agree: Vec<String>,
    /// Of a million corrected records, so many are looked into; [`MAX_SAMPLE`] at most.
    pub sample_ppm: u32,
    /// Of a million changes, so many may be wrong before a rule is paused.
    pub error_limit_ppm: u32,
}

/// Of a million corrected records, no more are looked into.
pub const MAX_SAMPLE: u32 = 50_000;

impl Default for ReviewPolicy {
    fn default() -> Self {
        Self { undo: Duration::from_secs(5 * 60), agree: Vec::new(), sample_ppm: 0, error_limit_ppm: 20_000 }
    }
}

/// All that makes a job; the same again is the same job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// Unique.
    pub name: String,
    /// The rule pack's name.
    pub pack: String,
    /// The rule pack's version.
    pub pack_version: String,
    /// What runs after the pack, in order, each as `name@version`.
    pub validators: Vec<String>,
    /// The rule pack's manifest, as the protobuf bytes that came.
    pub manifest: Vec<u8>,
    /// The day of the data, `YYYY-MM-DD`, or empty.
    pub as_of: String,
    /// How it is cut and retried.
    pub policy: JobPolicy,
    /// How people decide on its records.
    pub reviews: ReviewPolicy,
    /// How it is tried out, and what stops it.
    pub guard: Guard,
    /// Rules that do not run.
    pub rules_off: Vec<String>,
    /// The fields by which its records are put together; empty when it is not grouped.
    pub group_by: Vec<GroupField>,
    /// The W3C trace context of the call that makes it, or empty. No part of what tells jobs apart.
    pub traceparent: String,
}

/// A field that is out of bounds, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The request's field.
    pub field: &'static str,
    /// What is wrong, and the fix.
    pub description: String,
}

impl JobSpec {
    /// All that it runs, in order, each as `name@version`: the pack, and what comes behind it.
    pub fn chain(&self) -> Vec<String> {
        let pack = format!("{}@{}", self.pack, self.pack_version);
        std::iter::once(pack).chain(self.validators.iter().cloned()).collect()
    }

    /// In which state a unit begins whose first record is this: it waits where it is not of the canary.
    pub fn first_state(&self, first_seq: i64, approved: bool) -> UnitState {
        if approved || self.guard.takes(first_seq) { UnitState::Ready } else { UnitState::Waiting }
    }

    /// What is wrong with it; empty when nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |holds: bool, field: &'static str, description: &str| {
            if !holds {
                found.push(Violation { field, description: description.to_owned() });
            }
        };
        let named = (1..=100).contains(&self.name.len()) && plain(&self.name);
        check(named, "name", "must be 1 to 100 of the characters A-Z a-z 0-9 . _ -");
        let digits = !self.name.is_empty() && self.name.bytes().all(|byte| byte.is_ascii_digit());
        check(!digits, "name", "must not be all digits: that would read as a job's id");
        check(
            !self.pack.is_empty() && plain(&self.pack),
            "pack.name",
            "must name a rule pack, such as `vaccination`",
        );
        let versioned = !self.pack_version.is_empty() && plain(&self.pack_version);
        check(versioned, "pack.version", "must give the rule pack's version, such as `1.0.0`");
        check(
            self.validators.len() <= 16 && self.validators.iter().all(|link| is_version(link)),
            "validators",
            "must be at most 16 of name and version, each 1 to 64 of the characters A-Z a-z 0-9 . _ -",
        );
        check(self.as_of.is_empty() || is_day(&self.as_of), "as_of", "must be a day as YYYY-MM-DD, or empty");
        let JobPolicy { unit_records, unit_bytes, attempts } = self.policy;
        check((1..=10_000).contains(&unit_records), "policy.unit_records", "must be 1 to 10,000");
        let bytes = (1024..=2 * 1024 * 1024).contains(&unit_bytes);
        check(bytes, "policy.unit_bytes", "must be 1,024 to 2,097,152");
        check((1..=100).contains(&attempts), "policy.attempts", "must be 1 to 100");
        let day = Duration::from_secs(24 * 60 * 60);
        check(self.reviews.undo <= day, "policy.reviews.undo", "must be at most a day");
        check(self.reviews.sample_ppm <= MAX_SAMPLE, "policy.reviews.sample", "must be 0 to 0.05");
        let share = self.reviews.error_limit_ppm <= 1_000_000;
        check(share, "policy.reviews.error_limit", "must be 0 to 1");
        let known = self.reviews.agree.iter().all(|name| !name.is_empty() && name.len() <= 128);
        check(
            known && self.reviews.agree.len() <= 1_000,
            "policy.reviews.agree",
            "must be 1,000 names at most",
        );
        let few = self.rules_off.len() <= 1_000;
        let rules = few && self.rules_off.iter().all(|rule| (1..=128).contains(&rule.len()));
        check(rules, "rules_off", "must be 1,000 names of rules at most");
        found.extend(self.guard.violations());
        found.extend(grouping::violations(&self.group_by));
        found
    }
}

/// Whether `text` names a version of a pack, a rule file or a validator, as `name@version`.
pub fn is_version(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, version)| {
        [name, version].into_iter().all(|part| (1..=64).contains(&part.len()) && plain(part))
    })
}

fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Whether `text` has the form of a day and names one that can be.
fn is_day(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<u32>().ok()).flatten()
    };
    let day = (number(4), number(2), number(2));
    let (Some(year), Some(month), Some(day)) = day else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day) && parts.next().is_none()
}

/// How a caller names a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobRef {
    /// By id.
    Id(i64),
    /// By its unique name.
    Name(String),
}

impl JobRef {
    /// All digits are an id, anything else is a name; `None` for neither.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Self::Id),
            name => Some(Self::Name(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> JobSpec {
        JobSpec {
            name: "hcmc-2021".into(),
            pack: "vaccination".into(),
            pack_version: "1.0.0".into(),
            validators: vec!["register@1.2".into()],
            manifest: Vec::new(),
            as_of: "2021-09-20".into(),
            policy: JobPolicy::default(),
            reviews: ReviewPolicy::default(),
            guard: Guard::default(),
            rules_off: Vec::new(),
            group_by: Vec::new(),
            traceparent: String::new(),
        }
    }

    #[test]
    fn a_sound_spec_passes_and_each_fault_names_its_field() {
        assert_eq!(spec().violations(), []);
        let fields =
            |spec: JobSpec| spec.violations().into_iter().map(|found| found.field).collect::<Vec<_>>();
        assert_eq!(fields(JobSpec { name: "12".into(), ..spec() }), ["name"]);
        assert_eq!(fields(JobSpec { name: "a b".into(), ..spec() }), ["name"]);
        assert_eq!(fields(JobSpec { as_of: "20/09/2021".into(), ..spec() }), ["as_of"]);
        assert_eq!(fields(JobSpec { as_of: "2021-02-29".into(), ..spec() }), ["as_of"]);
        for wrong in ["register", "@1", "register@", "a b@1", "register@1@2"] {
            assert_eq!(
                fields(JobSpec { validators: vec![wrong.into()], ..spec() }),
                ["validators"],
                "{wrong}"
            );
        }
        let policy = JobPolicy { unit_records: 0, unit_bytes: 1, attempts: 0 };
        assert_eq!(
            fields(JobSpec { policy, ..spec() }),
            ["policy.unit_records", "policy.unit_bytes", "policy.attempts"]
        );
    }

    #[test]
    fn jobs_go_by_id_or_name() {
        assert_eq!(JobRef::parse("12"), Some(JobRef::Id(12)));
        assert_eq!(JobRef::parse("12a"), Some(JobRef::Name("12a".into())));
        assert_eq!(JobRef::parse(""), None);
        assert_eq!(JobRef::parse("99999999999999999999"), None);
    }
}
