//! When the caller of the call at hand stops waiting for its answer. It goes along with the call's task until the answer
//! begins, down to the statements: what nobody waits for any more is not begun, and what runs ends in the database too.

use std::time::{Duration, Instant};

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Does `work` for a caller who waits until `deadline`.
pub(crate) fn until<W: Future>(deadline: Instant, work: W) -> impl Future<Output = W::Output> {
    DEADLINE.scope(deadline, work)
}

/// How long the caller still waits; none for one who does not say, and for work of our own.
pub(crate) fn left() -> Option<Duration> {
    DEADLINE.try_with(|deadline| deadline.saturating_duration_since(Instant::now())).ok()
}
