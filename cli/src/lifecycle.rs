//! How servers stop: the first signal asks, the second does not.

use std::future::Future;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell says of a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Waits for `work`, which ends some time after `shutdown`. SIGTERM or ctrl-c asks for it; the second one aborts.
///
/// # Errors
/// What `work` failed with.
pub async fn until_stopped<T>(
    shutdown: &CancellationToken,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for ctrl-c")?;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if shutdown.is_cancelled() {
            tracing::warn!("asked a second time: stopping at once");
            std::process::exit(INTERRUPTED);
        }
        tracing::info!("stopping; once more stops at once");
        shutdown.cancel();
    }
}
