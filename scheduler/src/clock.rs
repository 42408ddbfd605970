//! The one clock: the store's, read now and then and carried on by monotonic time, so that replicas agree and a
//! step of the machine's own clock moves nothing.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use crate::domain::time::Timestamp;

/// Tells the time. Cheap to clone; all clones agree.
#[derive(Debug, Clone)]
pub struct Clock(Arc<RwLock<Anchor>>);

#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Timestamp,
    /// When the store said so; `None` for a clock that stands still until it is set.
    since: Option<Instant>,
}

impl Clock {
    /// A clock that goes on from what the store has just said.
    pub fn anchored(at: Timestamp) -> Self {
        Self(Arc::new(RwLock::new(Anchor { at, since: Some(Instant::now()) })))
    }

    /// A clock that stands still: for tests.
    pub fn manual(at: Timestamp) -> Self {
        Self(Arc::new(RwLock::new(Anchor { at, since: None })))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        let anchor = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        anchor.since.map_or(anchor.at, |since| anchor.at + since.elapsed())
    }

    /// Sets it by what the store has just said. A manual clock stays where it is put.
    pub fn set(&self, at: Timestamp) {
        let mut anchor = self.0.write().unwrap_or_else(PoisonError::into_inner);
        anchor.at = at;
        anchor.since = anchor.since.map(|_| Instant::now());
    }
}
