//! What stops a job, or a rule of it, before it has done much: a canary, thresholds, and a run that writes nothing.

use emend_proto::v1::Verdict;
use serde::{Deserialize, Serialize};

use super::job::Violation;
use super::results::{Tallies, Verdicts, draw};

/// A job has at most so many thresholds.
const MOST: usize = 100;

/// How a job is tried out, and what stops it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guard {
    /// Of a million records, so many are worked on before the rest is approved; 0: nothing waits.
    pub canary_ppm: u32,
    /// Nothing is written but counts and a few examples.
    pub dry_run: bool,
    /// What must not be exceeded.
    pub thresholds: Vec<Threshold>,
}

/// A share of the settled records that something must not exceed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threshold {
    /// Whose share.
    pub of: Of,
    /// In millionths.
    pub over_ppm: u32,
    /// Not before so many records are settled.
    pub after: u64,
    /// What follows.
    pub action: Action,
}

/// What a threshold counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// Changes and findings by this rule.
    Rule(String),
    /// Findings of this code.
    Finding(String),
    /// Changes and findings by rules of this member of the chain: `name`, or `name@version`.
    Validator(String),
    /// Records with findings.
    Routed,
    /// Records on which a rule, or a validator, failed.
    Failed,
}

/// What follows when a threshold is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The job is paused.
    Pause,
    /// What the rules would change goes to people.
    Route,
}

/// A threshold that was exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Which.
    pub threshold: Threshold,
    /// What it counted.
    pub count: u64,
    /// Settled records then.
    pub records: u64,
    /// When, in the store's milliseconds.
    pub at: i64,
}

impl Guard {
    /// What is wrong with it; empty when nothing is.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut check = |holds: bool, field: &'static str, description: &str| {
            if !holds {
                found.push(Violation { field, description: description.to_owned() });
            }
        };
        check(self.canary_ppm <= 1_000_000, "policy.canary", "must be 0 to 1");
        check(
            !(self.dry_run && self.canary_ppm > 0),
            "policy.canary",
            "must be 0 in a dry run, which writes nothing anyway",
        );
        check(self.thresholds.len() <= MOST, "policy.thresholds", "must be 100 at most");
        for threshold in &self.thresholds {
            let share = threshold.over_ppm <= 1_000_000;
            check(share, "policy.thresholds.over", "must be 0 to 1");
            check(threshold.of.is_named(), "policy.thresholds.of", "must name what it counts");
            let routable = matches!(threshold.of, Of::Rule(_) | Of::Validator(_));
            check(
                routable || threshold.action == Action::Pause,
                "policy.thresholds.action",
                "must be to pause, where no rule and no validator is named: there is nothing to route instead",
            );
        }
        found
    }

    /// Whether a unit is worked on before the rest is approved. The first one always is, so that there is something to see.
    pub fn takes(&self, first_seq: i64) -> bool {
        self.canary_ppm == 0 || first_seq == 1 || draw(first_seq) < self.canary_ppm
    }
}

impl Of {
    fn is_named(&self) -> bool {
        match self {
            Self::Rule(name) | Self::Finding(name) | Self::Validator(name) => (1..=128).contains(&name.len()),
            Self::Routed | Self::Failed => true,
        }
    }

    /// How often it happened in a job that runs `chain`, each member as `name@version`.
    fn count(&self, chain: &[String], tallies: &Tallies, verdicts: Verdicts) -> u64 {
        match self {
            Self::Rule(rule) => tallies.rules.get(rule).copied().unwrap_or(0),
            Self::Finding(code) => tallies.findings.get(code).copied().unwrap_or(0),
            Self::Validator(named) => {
                let name = named.split_once('@').map_or(named.as_str(), |(name, _)| name);
                if name != named && !chain.contains(named) {
                    return 0;
                }
                let of_it = tallies.rules.iter().filter(|(rule, _)| is_of(rule, name));
                of_it.map(|(_, count)| count).sum()
            }
            Self::Routed => verdicts.routed.unsigned_abs(),
            Self::Failed => verdicts.failed.unsigned_abs(),
        }
    }

    /// The verdict that it counts, if it counts one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Self::Routed => Some(Verdict::Routed),
            Self::Failed => Some(Verdict::Failed),
            Self::Rule(_) | Self::Finding(_) | Self::Validator(_) => None,
        }
    }

    /// What to put among the paused rules so that its changes go to people.
    fn paused(&self) -> Option<String> {
        match self {
            Self::Rule(rule) => Some(rule.clone()),
            Self::Validator(named) => {
                Some(format!("{}.*", named.split_once('@').map_or(named.as_str(), |(name, _)| name)))
            }
            Self::Finding(_) | Self::Routed | Self::Failed => None,
        }
    }
}

/// Whether a rule is one of the chain's member `name`, whose rules stand behind its name.
fn is_of(rule: &str, name: &str) -> bool {
    rule.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

impl Trip {
    /// The rules whose changes go to people from now on; `None` where the job is paused.
    pub fn paused_rules(&self) -> Option<String> {
        match self.threshold.action {
            Action::Route => self.threshold.of.paused(),
            Action::Pause => None,
        }
    }
}

/// The thresholds that are exceeded now and were not before.
pub fn trips(
    thresholds: &[Threshold],
    before: &[Trip],
    chain: &[String],
    tallies: &Tallies,
    verdicts: Verdicts,
    at: i64,
) -> Vec<Trip> {
    let Verdicts { valid, corrected, routed, failed } = verdicts;
    let records = (valid + corrected + routed + failed).unsigned_abs();
    let known = |threshold: &&Threshold| !before.iter().any(|trip| trip.threshold == **threshold);
    let fresh = thresholds.iter().filter(known);
    let trips = fresh.filter_map(|threshold| {
        let count = threshold.of.count(chain, tallies, verdicts);
        let over = u128::from(count) * 1_000_000 > u128::from(records) * u128::from(threshold.over_ppm);
        (over && records >= threshold.after.max(1)).then(|| Trip {
            threshold: threshold.clone(),
            count,
            records,
            at,
        })
    });
    trips.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(of: Of, over_ppm: u32, action: Action) -> Threshold {
        Threshold { of, over_ppm, after: 100, action }
    }

    fn tripped(threshold: &Threshold, count: u64, records: i64) -> Vec<Trip> {
        let mut tallies = Tallies::default();
        tallies.rules.insert("phones.fix".into(), count);
        tallies.findings.insert("phone.odd".into(), count);
        let verdicts = Verdicts { valid: records, ..Verdicts::default() };
        let chain = ["vaccination@1".into(), "phones@2".into()];
        trips(std::slice::from_ref(threshold), &[], &chain, &tallies, verdicts, 7)
    }

    #[test]
    fn a_threshold_trips_above_its_share_and_not_before_its_sample() {
        for of in [
            Of::Rule("phones.fix".into()),
            Of::Finding("phone.odd".into()),
            Of::Validator("phones".into()),
            Of::Validator("phones@2".into()),
        ] {
            let threshold = threshold(of, 50_000, Action::Pause);
            assert_eq!(tripped(&threshold, 10, 200), []);
            let trip = Trip { threshold: threshold.clone(), count: 11, records: 200, at: 7 };
            assert_eq!(tripped(&threshold, 11, 200), std::slice::from_ref(&trip));
            assert_eq!(tripped(&threshold, 50, 99), [], "too few to tell");
            let again = trips(&[threshold], &[trip], &[], &Tallies::default(), Verdicts::default(), 8);
            assert_eq!(again, [], "once is enough");
        }
        for other in ["phones@1", "phone", "phones.fix"] {
            let other = threshold(Of::Validator(other.into()), 0, Action::Pause);
            assert_eq!(tripped(&other, 90, 100), []);
        }
    }

    #[test]
    fn what_is_routed_instead_is_the_rule_or_all_of_the_validator() {
        let trip = |of, action| Trip { threshold: threshold(of, 0, action), count: 1, records: 1, at: 0 };
        let rule = || Of::Rule("a.b".into());
        assert_eq!(trip(rule(), Action::Route).paused_rules().as_deref(), Some("a.b"));
        assert_eq!(trip(rule(), Action::Pause).paused_rules(), None);
        let validator = trip(Of::Validator("register@3".into()), Action::Route);
        assert_eq!(validator.paused_rules().as_deref(), Some("register.*"));
    }

    #[test]
    fn each_fault_names_its_field() {
        let fields = |guard: Guard| guard.violations().into_iter().map(|one| one.field).collect::<Vec<_>>();
        let with = |threshold| Guard { thresholds: vec![threshold], ..Guard::default() };
        assert_eq!(fields(with(threshold(Of::Failed, 1, Action::Pause))), [""; 0]);
        assert_eq!(fields(with(threshold(Of::Failed, 1, Action::Route))), ["policy.thresholds.action"]);
        assert_eq!(
            fields(with(threshold(Of::Rule(String::new()), 1, Action::Pause))),
            ["policy.thresholds.of"]
        );
        assert_eq!(fields(with(threshold(Of::Failed, 1_000_001, Action::Pause))), ["policy.thresholds.over"]);
        assert_eq!(fields(Guard { canary_ppm: 1_000_001, ..Guard::default() }), ["policy.canary"]);
        assert_eq!(fields(Guard { canary_ppm: 1, dry_run: true, ..Guard::default() }), ["policy.canary"]);
    }

    #[test]
    fn a_canary_is_about_its_share_of_the_units_and_the_first_one() {
        let guard = Guard { canary_ppm: 10_000, ..Guard::default() };
        let taken = (0..14_000).filter(|unit| guard.takes(1 + unit * 500)).count();
        assert!((100..180).contains(&taken), "{taken} of 14,000 at 1 %");
        assert!(guard.takes(1));
        assert!((0..100).all(|unit| Guard::default().takes(1 + unit * 500)));
    }
}
