//! Running a job's rules again after what it runs has changed: which units, and which records take the new result.

use std::collections::HashSet;

use emend_proto::v1::RecordResult;

use super::results::Tallies;
use super::review::{Review, ReviewLane};
use super::time::Timestamp;

/// One change of what a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The job's ruleset from then on.
    pub ruleset: i64,
    /// The rule that it is about; empty: all that the replaced version did.
    pub rule: String,
    /// The rule was taken back.
    pub undo: bool,
    /// What runs in the place of what has the same name, as `name@version`, or empty.
    pub replacement: String,
    /// When it was asked for.
    pub at: Timestamp,
}

impl Revision {
    /// Whether a unit with these tallies has to be run again. A rule that runs anew may touch any record.
    pub fn concerns(&self, tallies: &Tallies) -> bool {
        !self.undo || tallies.rules.contains_key(&self.rule)
    }
}

/// The places whose result becomes another one by these revisions. Both blocks hold the same records in order.
pub fn differing(revisions: &[Revision], before: &[RecordResult], after: &[RecordResult]) -> Vec<i64> {
    let all = revisions.iter().any(|revision| revision.rule.is_empty());
    let rules: HashSet<&str> = revisions.iter().map(|revision| revision.rule.as_str()).collect();
    let touched = |result: &RecordResult| {
        all || result.changes.iter().any(|change| rules.contains(change.rule.as_str()))
            || result.findings.iter().any(|finding| finding.rule.split(',').any(|rule| rules.contains(rule)))
    };
    let pairs = before.iter().zip(after);
    let differ = pairs.filter(|(old, new)| old != new && (touched(old) || touched(new)));
    differ.map(|(old, _)| old.seq.cast_signed()).collect()
}

/// Whether a record keeps its result because people are at it: decided, answered in part, before a lead, or held now.
pub fn is_peoples(review: &Review, now: Timestamp) -> bool {
    let held = review.holder.is_some() && review.expires_at.is_some_and(|at| at > now);
    review.decided || review.round > 1 || review.lane == ReviewLane::Lead || held
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::{Change, Finding, Verdict};

    use super::super::review::ReviewRef;
    use super::*;

    fn undo(rule: &str) -> Revision {
        Revision {
            ruleset: 2,
            rule: rule.into(),
            undo: true,
            replacement: String::new(),
            at: Timestamp::default(),
        }
    }

    fn changed(seq: u64, rule: &str) -> RecordResult {
        let change = Change { field: "a".into(), rule: rule.into(), ..Change::default() };
        RecordResult {
            seq,
            verdict: Verdict::Corrected.into(),
            changes: vec![change],
            ..RecordResult::default()
        }
    }

    fn valid(seq: u64) -> RecordResult {
        RecordResult { seq, verdict: Verdict::Valid.into(), ..RecordResult::default() }
    }

    #[test]
    fn only_records_that_the_rule_touched_take_their_new_result() {
        let found = Finding { code: "a.odd".into(), rule: "bad".into(), ..Finding::default() };
        let routed = RecordResult { findings: vec![found], ..valid(4) };
        let before = [changed(1, "bad"), changed(2, "good"), valid(3), routed, valid(5)];
        // A validator that is not deterministic says other things of 2 and 3; what it says there is not taken.
        let after = [valid(1), valid(2), changed(3, "good"), valid(4), valid(5)];
        assert_eq!(differing(&[undo("bad")], &before, &after), [1, 4]);
        assert_eq!(differing(&[undo("")], &before, &after), [1, 2, 3, 4], "a whole version was replaced");
        assert_eq!(differing(&[undo("bad")], &[valid(1)], &[changed(1, "bad")]), [1], "it runs anew");
        assert_eq!(differing(&[undo("bad")], &[changed(1, "bad")], &[changed(1, "bad")]), [0; 0]);
    }

    #[test]
    fn a_rule_taken_back_concerns_units_in_which_it_did_something_and_a_new_one_all() {
        let mut tallies = Tallies::default();
        assert!(!undo("bad").concerns(&tallies));
        assert!(Revision { undo: false, ..undo("bad") }.concerns(&tallies));
        tallies.rules.insert("bad".into(), 1);
        assert!(undo("bad").concerns(&tallies));
    }

    #[test]
    fn what_people_are_at_stays_theirs() {
        let now = Timestamp(100);
        let review = |round, holder: Option<&str>, expires: i64| Review {
            at: ReviewRef { job_id: 1, seq: 1 },
            decided: false,
            lane: ReviewLane::Reviewer,
            round,
            holder: holder.map(Into::into),
            expires_at: Some(Timestamp(expires)),
        };
        assert!(!is_peoples(&review(1, None, 0), now));
        assert!(!is_peoples(&review(1, Some("p"), 100), now), "it ran out");
        assert!(is_peoples(&review(1, Some("p"), 101), now));
        assert!(is_peoples(&review(2, None, 0), now));
        assert!(is_peoples(&Review { decided: true, ..review(1, None, 0) }, now));
        assert!(is_peoples(&Review { lane: ReviewLane::Lead, ..review(1, None, 0) }, now));
    }
}
