//! How long a broken stream is taken up again.

use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};

/// How long long work goes on without progress: longer than a scheduler takes to start.
pub(super) const LONG: Duration = Duration::from_secs(120);

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What to do about a stream that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Take it up again after this long.
    Again(Duration),
    /// It will not go better.
    Over,
}

/// Counts how long nothing went forward.
#[derive(Debug)]
pub struct Patience {
    since: Instant,
    wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { since: Instant::now(), wait: FIRST_WAIT }
    }
}

impl Patience {
    /// Something went forward.
    pub fn progress(&mut self) {
        *self = Self::default();
    }

    /// The stream broke with `status`.
    pub fn broke(&mut self, status: &Status) -> Broken {
        if !may_go_better(status) || self.since.elapsed() + self.wait > LONG {
            return Broken::Over;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST_WAIT);
        tracing::debug!(code = ?status.code(), ?wait, "a stream broke; taking it up again");
        Broken::Again(wait)
    }
}

/// Whether the fault lies with the connection, the scheduler's load or one message, rather than with the request.
fn may_go_better(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Aborted
        | Code::ResourceExhausted
        | Code::Unknown
        | Code::Internal => true,
        // A chunk that was damaged on its way, or one that came too early: ask where to go on.
        Code::DataLoss => super::is_reason(status, "CHECKSUM_MISMATCH"),
        Code::OutOfRange => super::is_reason(status, "OFFSET_GAP"),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Unauthenticated => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_something_goes_forward() {
        let mut patience = Patience::default();
        let gone = Status::unavailable("gone");
        let waits: Vec<_> = (0..8).map(|_| patience.broke(&gone)).collect();
        assert_eq!(waits[0], Broken::Again(FIRST_WAIT));
        assert_eq!(waits[1], Broken::Again(FIRST_WAIT * 2));
        assert_eq!(waits[7], Broken::Again(LONGEST_WAIT));
        patience.progress();
        assert_eq!(patience.broke(&gone), Broken::Again(FIRST_WAIT));
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        assert_eq!(Patience::default().broke(&Status::failed_precondition("sealed")), Broken::Over);
        assert_eq!(Patience::default().broke(&Status::data_loss("unit 7 is damaged")), Broken::Over);
    }
}
