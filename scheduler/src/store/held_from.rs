//! With which of a worker's requests to begin counting what it holds.
//!
//! Each lease leaves an entry behind in the index of leased units, which nobody can take away while an old snapshot is
//! held: see `ready_from`. Our workers' requests ascend with time, so what a worker holds stands at the end of its
//! entries, and a scheduler begins with the first request that it found holding something. What another scheduler
//! granted to an earlier one is counted a second later; until then a worker may hold a few more than it said.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::time::Timestamp;

/// How long a place is trusted.
const TRUSTED: Duration = Duration::from_secs(1);
/// Workers beyond this many make room: those that have not asked for a second.
const MANY: usize = 1_000;

/// The first request of each worker that may still hold something.
#[derive(Debug, Clone, Default)]
pub(super) struct HeldFrom(Arc<Mutex<HashMap<String, Place>>>);

#[derive(Debug)]
struct Place {
    request: String,
    /// When all that the worker holds was counted last.
    counted_at: Timestamp,
}

impl HeldFrom {
    /// The request to begin with; empty is before all.
    pub(super) fn get(&self, worker: &str, now: Timestamp) -> String {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trusted = places.get(worker).filter(|place| now.since(place.counted_at) < TRUSTED);
        trusted.map(|place| place.request.clone()).unwrap_or_default()
    }

    /// A count that began at `from` found nothing before this request.
    pub(super) fn found(&self, worker: &str, request: &str, from: &str, now: Timestamp) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() > MANY {
            places.retain(|_, place| now.since(place.counted_at) < TRUSTED);
        }
        let before = places.get(worker).filter(|_| !from.is_empty());
        let counted_at = before.map_or(now, |place| place.counted_at);
        places.insert(worker.to_owned(), Place { request: request.to_owned(), counted_at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp(1_000_000 + millis)
    }

    #[test]
    fn a_place_is_trusted_for_a_second_after_all_was_counted() {
        let held = HeldFrom::default();
        assert_eq!(held.get("w", at(0)), "");
        held.found("w", "a", "", at(0));
        assert_eq!((held.get("w", at(999)).as_str(), held.get("other", at(999)).as_str()), ("a", ""));
        // Counting on from there does not make it newer.
        held.found("w", "b", "a", at(999));
        assert_eq!(held.get("w", at(999)), "b");
        assert_eq!(held.get("w", at(1_000)), "");
        held.found("w", "c", "", at(1_000));
        assert_eq!(held.get("w", at(1_999)), "c");
    }

    #[test]
    fn workers_that_are_gone_are_forgotten() {
        let held = HeldFrom::default();
        for number in 0..=MANY {
            held.found(&format!("w{number}"), "a", "", at(0));
        }
        held.found("w", "a", "", at(1_000));
        assert_eq!(held.0.lock().unwrap().len(), 1);
    }
}
