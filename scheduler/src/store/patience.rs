//! How long a transaction is worth its while.

use std::time::{Duration, Instant};

use super::error::StoreError;
use crate::deadline;

/// What PostgreSQL answers when a statement's time is over.
const GIVEN_UP: &str = "57014";
/// How much earlier than the caller PostgreSQL may give up: it counts in whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(50);

/// Until when the caller of the call that wants a transaction waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) fn of_call() -> Self {
        Self(deadline::left().map(|left| Instant::now() + left))
    }

    pub(super) fn left(self) -> Option<Duration> {
        self.0.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Waits for a turn as long as the caller does. All that is dropped then is a place in a queue, or a connection that
    /// nobody has used: no transaction has begun.
    pub(super) async fn wait<T>(self, turn: impl Future<Output = T>) -> Result<T, StoreError> {
        match self.0 {
            Some(deadline) => {
                tokio::time::timeout_at(deadline.into(), turn).await.map_err(|_| StoreError::TooLate)
            }
            None => Ok(turn.await),
        }
    }

    /// The wait to begin may have used up all the time.
    pub(super) fn check(self) -> Result<(), StoreError> {
        if self.left().is_some_and(|left| left.is_zero()) { Err(StoreError::TooLate) } else { Ok(()) }
    }

    /// A statement that PostgreSQL gave up for its caller's sake is no sign that the database is away.
    pub(super) fn blame(self, error: StoreError) -> StoreError {
        match error {
            StoreError::Unavailable(code)
                if code == GIVEN_UP && self.left().is_some_and(|left| left < ROUNDING) =>
            {
                StoreError::TooLate
            }
            error => error,
        }
    }
}
