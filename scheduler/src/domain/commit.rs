//! Whether a commit is applied.

use super::lease::{LeaseRef, Refusal, check_newest};
use super::results::{Results, Verdicts};
use super::time::Timestamp;
use super::unit::{Receipt, Unit, UnitState};

/// What came with a commit.
#[derive(Debug, Clone)]
pub enum Content {
    /// Results that are sound in themselves.
    Sound(Results),
    /// Results that break a promise whatever the unit: field and what is wrong with it.
    Unsound(Vec<(String, String)>),
    /// The block's checksum does not match its data.
    Corrupt,
}

impl Content {
    /// Records by verdict; zeros when it is not sound.
    pub fn verdicts(&self) -> Verdicts {
        match self {
            Self::Sound(results) => results.verdicts,
            Self::Unsound(_) | Self::Corrupt => Verdicts::default(),
        }
    }
}

/// What to do with a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Write it.
    Apply {
        /// The lease had run out, and nobody else had taken the unit.
        late: bool,
    },
    /// It is there already: the same receipt again.
    Replay(Receipt),
    /// Nothing is written.
    Refuse(Refusal),
    /// The results are not the unit's: it is ready again, and the attempt counts.
    HandBack(Refusal),
    /// What the job runs has changed: the unit is ready again, and no attempt counts.
    Again(Refusal),
    /// Damage: the unit waits for an operator.
    SetAside,
}

/// Decides a commit on a locked unit. `now` only names a commit late; it never refuses one.
pub fn decide_commit(unit: Option<&Unit>, lease: &LeaseRef, content: &Content, now: Timestamp) -> Decision {
    if let Err(refusal) = check_newest(unit, lease) {
        return Decision::Refuse(refusal);
    }
    let Some(unit) = unit else { return Decision::Refuse(Refusal::UnitNotFound) };
    match (&unit.receipt, content) {
        (Some(receipt), Content::Sound(results)) if receipt.digest == results.digest => {
            Decision::Replay(receipt.clone())
        }
        (Some(_), _) => Decision::Refuse(Refusal::IdempotencyMismatch),
        (None, _) if unit.rules.changed() => Decision::Again(Refusal::RulesetChanged),
        (None, Content::Corrupt) => Decision::SetAside,
        (None, Content::Unsound(violations)) => {
            Decision::HandBack(Refusal::ResultsDoNotFit(violations.clone()))
        }
        (None, Content::Sound(results)) => match results.check_cover(unit.first_seq, unit.last_seq) {
            Err(violation) => Decision::HandBack(Refusal::ResultsDoNotFit(vec![violation])),
            Ok(()) => Decision::Apply { late: is_late(unit, now) },
        },
    }
}

fn is_late(unit: &Unit, now: Timestamp) -> bool {
    unit.state == UnitState::Ready || unit.expires_at.is_some_and(|expires_at| expires_at <= now)
}

#[cfg(test)]
mod tests {
    use super::super::job::JobState;
    use super::super::lease::tests::{lease, leased};
    use super::super::unit::Rules;
    use super::*;

    fn sound(first: i64, last: i64, digest: u8) -> Content {
        Content::Sound(Results {
            first_seq: first,
            last_seq: last,
            digest: vec![digest; 32],
            ..Results::default()
        })
    }

    fn receipt() -> Receipt {
        Receipt { commit_id: "c".into(), unit_id: 7, epoch: 2, digest: vec![9; 32] }
    }

    fn decide(unit: &Unit, epoch: i64, token: u8, content: &Content, now: i64) -> Decision {
        decide_commit(Some(unit), &lease(epoch, token), content, Timestamp(now))
    }

    #[test]
    fn the_newest_lease_is_applied_late_or_not() {
        let content = sound(1, 10, 9);
        assert_eq!(decide(&leased(), 2, 2, &content, 999), Decision::Apply { late: false });
        assert_eq!(decide(&leased(), 2, 2, &content, 1000), Decision::Apply { late: true });
        let returned = Unit { state: UnitState::Ready, expires_at: None, ..leased() };
        assert_eq!(decide(&returned, 2, 2, &content, 0), Decision::Apply { late: true });
    }

    #[test]
    fn what_is_done_is_replayed_mismatched_or_superseded() {
        let done = Unit { state: UnitState::Done, receipt: Some(receipt()), ..leased() };
        assert_eq!(decide(&done, 2, 2, &sound(1, 10, 9), 0), Decision::Replay(receipt()));
        assert_eq!(decide(&done, 2, 2, &sound(1, 10, 8), 0), Decision::Refuse(Refusal::IdempotencyMismatch));
        assert_eq!(decide(&done, 1, 1, &sound(1, 10, 9), 0), Decision::Refuse(Refusal::Superseded));
        let cancelled = Unit { job_state: Some(JobState::Cancelled), ..done };
        assert_eq!(decide(&cancelled, 2, 2, &sound(1, 10, 9), 0), Decision::Replay(receipt()));
    }

    #[test]
    fn results_of_rules_that_the_job_runs_no_more_are_not_taken() {
        let unit = Unit { rules: Rules { leased: 1, job: 2, ..Rules::default() }, ..leased() };
        assert_eq!(decide(&unit, 2, 2, &sound(1, 10, 9), 0), Decision::Again(Refusal::RulesetChanged));
        assert_eq!(decide(&unit, 1, 1, &sound(1, 10, 9), 0), Decision::Refuse(Refusal::LeaseLost));
        let done = Unit { state: UnitState::Done, receipt: Some(receipt()), ..unit };
        assert_eq!(
            decide(&done, 2, 2, &sound(1, 10, 9), 0),
            Decision::Replay(receipt()),
            "it was taken then"
        );
    }

    #[test]
    fn results_of_other_records_go_back_and_damage_is_set_aside() {
        for (first, last) in [(1, 9), (2, 10), (1, 11), (11, 20)] {
            let decision = decide(&leased(), 2, 2, &sound(first, last, 9), 0);
            assert!(matches!(decision, Decision::HandBack(Refusal::ResultsDoNotFit(_))), "{first}..={last}");
        }
        assert!(matches!(decide(&leased(), 2, 2, &Content::Unsound(vec![]), 0), Decision::HandBack(_)));
        assert_eq!(decide(&leased(), 2, 2, &Content::Corrupt, 0), Decision::SetAside);
        // A stranger cannot set a unit aside.
        assert_eq!(decide(&leased(), 2, 1, &Content::Corrupt, 0), Decision::Refuse(Refusal::WrongToken));
    }
}
