//! What a validator says of itself, held against what a worker can live with.

use std::collections::HashSet;
use std::time::Duration;

use emend_proto::v1::DescribeResponse;

use crate::runtime::check::is_code;

const DEFAULT_BATCH: usize = 100;
const MOST_BATCH: usize = 1_000;
/// Seconds that one record may cost.
const MOST_COST: f64 = 60.0;
const MOST_NAMES: usize = 1_000;

/// A validator as it describes itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Fields that it wants to see; empty: all.
    pub(crate) reads: Vec<String>,
    /// Fields that it may change.
    pub(crate) changes: HashSet<String>,
    /// Codes of the findings that it may raise.
    pub(crate) findings: HashSet<String>,
    /// Records in a call, at most.
    pub(crate) batch: usize,
    /// Records of one group come in one call, even if they are more than that.
    pub(crate) groups: bool,
    /// What one record costs.
    pub(crate) cost: Duration,
}

impl TryFrom<DescribeResponse> for Description {
    type Error = &'static str;

    fn try_from(said: DescribeResponse) -> Result<Self, Self::Error> {
        let is_name = |text: &str, odd: &[u8]| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || odd.contains(&byte);
            (1..=64).contains(&text.len()) && text.bytes().all(known)
        };
        let plain = is_name(&said.name, b"_-") && !said.name.bytes().any(|byte| byte.is_ascii_uppercase());
        if !plain {
            return Err("`name` must be 1 to 64 of the characters a-z 0-9 _ -");
        }
        if !is_name(&said.version, b"._-") {
            return Err("`version` must be 1 to 64 of the characters A-Z a-z 0-9 . _ -");
        }
        if !said.findings.iter().all(|code| is_code(code)) {
            return Err("`findings` must be codes such as `field.reason`, of the characters a-z 0-9 _");
        }
        if [&said.reads, &said.changes, &said.findings].iter().any(|names| names.len() > MOST_NAMES) {
            return Err("`reads`, `changes` and `findings` must be at most 1,000 each");
        }
        let batch = match said.batch_size as usize {
            0 => DEFAULT_BATCH,
            batch => batch,
        };
        if batch > MOST_BATCH {
            return Err("`batch_size` must be at most 1,000");
        }
        // Not a number is in no range.
        if !(0.0..=MOST_COST).contains(&said.seconds_per_record) {
            return Err("`seconds_per_record` must be 0 to 60");
        }
        Ok(Self {
            name: said.name,
            version: said.version,
            reads: said.reads,
            changes: said.changes.into_iter().collect(),
            findings: said.findings.into_iter().collect(),
            batch,
            groups: said.groups,
            cost: Duration::from_secs_f64(said.seconds_per_record),
        })
    }
}

impl Description {
    /// How many records to ask about at once, so that an answer comes well within `ttl`: a lease lives on progress.
    pub(crate) fn batch_within(&self, ttl: Duration, cost: Duration) -> usize {
        let fitting = (ttl / 8).as_nanos().checked_div(cost.as_nanos()).unwrap_or(u128::MAX);
        self.batch.min(usize::try_from(fitting).unwrap_or(usize::MAX)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> DescribeResponse {
        DescribeResponse { name: "register".into(), version: "1.2".into(), ..DescribeResponse::default() }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let sound = Description::try_from(said()).unwrap();
        assert_eq!((sound.batch, sound.cost, sound.groups), (100, Duration::ZERO, false));
        let wrong = [
            DescribeResponse { name: "Register".into(), ..said() },
            DescribeResponse { name: String::new(), ..said() },
            DescribeResponse { version: "1@2".into(), ..said() },
            DescribeResponse { findings: vec!["odd".into()], ..said() },
            DescribeResponse { batch_size: 1_001, ..said() },
            DescribeResponse { seconds_per_record: f64::NAN, ..said() },
            DescribeResponse { seconds_per_record: -1.0, ..said() },
            DescribeResponse { seconds_per_record: f64::INFINITY, ..said() },
            DescribeResponse { changes: vec!["a".into(); 1_001], ..said() },
        ];
        for said in wrong {
            assert!(Description::try_from(said.clone()).is_err(), "{said:?}");
        }
    }

    #[test]
    fn a_slow_one_is_asked_about_few_at_once() {
        let slow = Description::try_from(DescribeResponse { seconds_per_record: 0.1, ..said() }).unwrap();
        assert_eq!(slow.batch_within(Duration::from_secs(10), slow.cost), 12);
        assert_eq!(slow.batch_within(Duration::from_millis(100), slow.cost), 1);
        let quick = Description::try_from(said()).unwrap();
        assert_eq!(quick.batch_within(Duration::from_secs(10), quick.cost), 100);
    }
}
