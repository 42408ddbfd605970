//! A clock that moves when something happens, and never by itself.

use std::time::Duration;

use emend_scheduler::domain::time::Timestamp;
use tokio::sync::watch;

/// Shared by all who take part in the storm.
#[derive(Debug, Clone)]
pub(crate) struct Clock(watch::Sender<Timestamp>);

impl Clock {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(watch::Sender::new(now))
    }

    pub(crate) fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = *now + by);
    }

    /// Waits until others have moved the clock so far.
    pub(crate) async fn reaches(&self, moment: Timestamp) {
        self.0.subscribe().wait_for(|now| *now >= moment).await.expect("the clock outlives who waits");
    }
}
