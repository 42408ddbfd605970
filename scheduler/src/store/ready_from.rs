//! Where in a job to begin looking for ready units.
//!
//! Units are leased in order, and each that was leaves an entry behind in the index of ready ones, which nobody can take
//! away while an old snapshot is held: after minutes of that every lease would walk past tens of thousands of them. So a
//! scheduler begins where it found the last one. What comes back before that place is found when this scheduler took it
//! back, or a second later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// How long a place is trusted: another scheduler may have taken units back before it.
const TRUSTED: Duration = Duration::from_secs(1);

/// A place in one job, or nowhere.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadyFrom(Arc<Mutex<Option<Found>>>);

#[derive(Debug, Clone, Copy)]
struct Found {
    job_id: i64,
    first_seq: i64,
    /// When all of the job was looked through last.
    looked_at: Timestamp,
}

impl ReadyFrom {
    /// The job and the place; zeros are the beginning.
    pub(super) fn get(&self, now: Timestamp) -> (i64, i64) {
        let found = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trusted = found.filter(|found| now.since(found.looked_at) < TRUSTED);
        trusted.map_or((0, 0), |found| (found.job_id, found.first_seq))
    }

    /// Units of a job were granted, the first of them at this place, by a look that began at `from`.
    pub(super) fn found(&self, job_id: i64, first_seq: i64, from: (i64, i64), now: Timestamp) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let looked_at =
            found.filter(|found| from == (found.job_id, found.first_seq) && found.job_id == job_id);
        let looked_at = looked_at.map_or(now, |found| found.looked_at);
        *found = Some(Found { job_id, first_seq, looked_at });
    }

    /// Units came back, or came new: look through all.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_trusted_for_a_second_after_the_whole_job_was_looked_through() {
        let (place, at) = (ReadyFrom::default(), |millis: i64| Timestamp(1_000_000 + millis));
        assert_eq!(place.get(at(0)), (0, 0));
        place.found(7, 100, (0, 0), at(0));
        assert_eq!(place.get(at(500)), (7, 100));
        // Looking on from there does not make it newer.
        place.found(7, 200, (7, 100), at(500));
        assert_eq!(place.get(at(999)), (7, 200));
        assert_eq!(place.get(at(1_000)), (0, 0));
        place.found(7, 300, (0, 0), at(1_000));
        assert_eq!(place.get(at(1_500)), (7, 300));
        place.forget();
        assert_eq!(place.get(at(1_500)), (0, 0));
    }
}
