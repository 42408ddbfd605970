//! What a heartbeat does to one lease.

use super::lease::{LeaseRef, Refusal, check_newest};
use super::unit::{Unit, UnitState};

/// Beats in a row without progress after which a running unit's lease ends: a live heartbeat beside a hung
/// validator must not hold a unit.
pub const IDLE_BEATS: i64 = 3;

/// A worker's word that it still has a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The lease it has.
    pub lease: LeaseRef,
    /// Records done so far; `None` while the unit waits in the worker for a free slot.
    pub progress: Option<i64>,
}

/// What to do with a beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The lease lasts a TTL from now.
    Extend {
        /// Progress to remember.
        progress: Option<i64>,
        /// Beats in a row without progress, this one included.
        idle_beats: i64,
    },
    /// The unit hangs: its lease ends, and the attempt counts.
    End,
    /// The lease is lost.
    Refuse(Refusal),
}

/// Decides a beat on a locked unit. Looks at no clock: an expired lease that the loop has not yet returned is
/// extended, a returned one is lost.
pub fn decide_beat(unit: Option<&Unit>, beat: &Beat) -> Decision {
    if let Err(refusal) = check_newest(unit, &beat.lease) {
        return Decision::Refuse(refusal);
    }
    let Some(unit) = unit else { return Decision::Refuse(Refusal::UnitNotFound) };
    if unit.state != UnitState::Leased {
        return Decision::Refuse(Refusal::LeaseLost);
    }
    match (unit.progress, beat.progress) {
        (Some(before), Some(now)) if now <= before => {
            let idle_beats = unit.idle_beats + 1;
            if idle_beats >= IDLE_BEATS {
                Decision::End
            } else {
                Decision::Extend { progress: Some(before), idle_beats }
            }
        }
        (before, now) => Decision::Extend { progress: now.or(before), idle_beats: 0 },
    }
}

#[cfg(test)]
mod tests {
    use super::super::lease::tests::{lease, leased};
    use super::*;

    fn beat(progress: Option<i64>) -> Beat {
        Beat { lease: lease(2, 2), progress }
    }

    #[test]
    fn a_hung_unit_loses_its_lease_after_at_most_four_beats() {
        let mut unit = leased();
        let mut beats = 0;
        loop {
            beats += 1;
            match decide_beat(Some(&unit), &beat(Some(0))) {
                Decision::Extend { progress, idle_beats } => {
                    (unit.progress, unit.idle_beats) = (progress, idle_beats);
                }
                Decision::End => break,
                Decision::Refuse(refusal) => panic!("{refusal:?}"),
            }
        }
        assert_eq!(beats, 4);
    }

    #[test]
    fn progress_and_waiting_in_the_queue_extend() {
        let unit = Unit { progress: Some(5), idle_beats: 2, ..leased() };
        assert_eq!(
            decide_beat(Some(&unit), &beat(Some(6))),
            Decision::Extend { progress: Some(6), idle_beats: 0 }
        );
        let queued = leased();
        assert_eq!(
            decide_beat(Some(&queued), &beat(None)),
            Decision::Extend { progress: None, idle_beats: 0 }
        );
    }

    #[test]
    fn a_beat_never_revives_what_the_loop_has_returned_or_another_has_taken() {
        let returned = Unit { state: UnitState::Ready, ..leased() };
        assert_eq!(decide_beat(Some(&returned), &beat(Some(1))), Decision::Refuse(Refusal::LeaseLost));
        let taken = Unit { epoch: 3, ..leased() };
        assert_eq!(decide_beat(Some(&taken), &beat(Some(1))), Decision::Refuse(Refusal::LeaseLost));
    }
}
