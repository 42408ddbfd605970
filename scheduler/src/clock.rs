//! The one clock: the store's, read now and then and carried on by monotonic time, so that replicas agree and a
//! step of the machine's own clock moves nothing.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use crate::domain::time::Timestamp;

/// Tells the time. Cheap to clone; all clones agree.
#[derive(Debug, Clone)]
pub(crate) struct Clock(Arc<RwLock<Anchor>>);

#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Timestamp,
    /// When the store said so.
    since: Instant,
}

impl Clock {
    /// A clock that goes on from what the store has just said.
    pub(crate) fn anchored(at: Timestamp) -> Self {
        Self(Arc::new(RwLock::new(Anchor { at, since: Instant::now() })))
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        let anchor = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        anchor.at + anchor.since.elapsed()
    }

    /// Sets it by what the store has just said.
    pub(crate) fn set(&self, at: Timestamp) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Anchor { at, since: Instant::now() };
    }
}
