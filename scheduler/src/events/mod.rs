//! Events over RabbitMQ: what others may want to know, and a bell between schedulers.
//!
//! The broker is a doorbell, the database is the truth. Nothing waits for the broker but the two tasks here: no call,
//! no transaction. What must be said rests in the outbox until the broker has confirmed it; rings are hints and may be
//! lost. `docs/EVENTS.md` says what consumers may rely on.

mod broker;
mod message;
mod relay;
mod rings;

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::ids;
use crate::service::App;
use crate::store::Store;
use broker::Broker;
use relay::Relay;

/// How often the size of the outbox is measured.
const MEASURE: Duration = Duration::from_secs(5);

/// What is wrong with a broker's URL.
///
/// # Errors
/// A sentence for whoever wrote it. It never holds the URL, which may hold a password.
pub(crate) fn check(url: &str) -> Result<(), String> {
    Broker::new(url).map(|_| ())
}

/// Starts the relay and the rings, if a broker is configured; they end with `stop`.
pub(crate) fn start(app: &App, tasks: &TaskTracker, stop: &CancellationToken) {
    let Some(url) = &app.config.broker else { return };
    // The settings were checked before.
    let Ok(broker) = Broker::new(url.reveal()) else { return };
    let relay = Relay {
        store: app.store.clone(),
        clock: app.clock.clone(),
        broker: broker.clone(),
        settle: app.config.broker_settle(),
    };
    tasks.spawn(rings::run(relay.clone(), app.ready.clone(), stop.clone()));
    tasks.spawn(measure(relay.store.clone(), app.clock.clone(), stop.clone()));
    tasks.spawn(relay::run(relay, stop.clone()));
}

/// Only the relay, over a store of the suite's own.
///
/// # Errors
/// What is wrong with the URL, or that the store does not answer.
#[cfg(feature = "test-hooks")]
pub async fn relay_alone(
    store: Store,
    url: &str,
    settle: Duration,
    stop: CancellationToken,
) -> Result<(), String> {
    let broker = Broker::new(url)?;
    let now = store.now().await.map_err(|error| error.to_string())?;
    relay::run(Relay { store, clock: Clock::anchored(now), broker, settle }, stop).await;
    Ok(())
}

async fn measure(store: Store, clock: Clock, stop: CancellationToken) {
    loop {
        let now = clock.now();
        match store.outbox_backlog(now).await {
            Ok(backlog) => {
                let age = backlog.oldest.map_or(Duration::ZERO, |oldest| now.since(oldest));
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
                metrics::gauge!("emend_outbox_rows").set(backlog.rows as f64);
                metrics::gauge!("emend_outbox_oldest_seconds").set(age.as_secs_f64());
            }
            Err(error) => tracing::warn!(%error, "the outbox cannot be measured"),
        }
        if sleep(MEASURE, &stop).await {
            return;
        }
    }
}

/// Waits, with jitter so that schedulers spread; whether it is time to stop.
async fn sleep(pause: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => true,
        () = tokio::time::sleep(pause.mul_f64(0.75 + ids::share() / 2.0)) => false,
    }
}

/// Pauses between attempts to reach the broker, for ever: each twice as long as the one before.
#[derive(Debug, Default)]
struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(15);

    fn next(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.attempts.min(10)).min(Self::LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        pause
    }

    fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_again() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..40).map(|_| backoff.next()).collect();
        assert_eq!(pauses[..3], [250, 500, 1000].map(Duration::from_millis));
        assert!(pauses[6..].iter().all(|pause| *pause == Backoff::LONGEST));
        backoff.reset();
        assert_eq!(backoff.next(), Backoff::FIRST);
    }
}
