//! Reports units that cannot be worked on.

use std::sync::Arc;

use emend_proto::v1::UnitFailure;
use tokio_util::sync::CancellationToken;

use super::WorkerError;
use super::held::Held;
use super::link::Link;
use super::report::Counters;

/// Reports failures until `end`.
pub(crate) async fn report(
    link: Arc<Link>,
    held: Arc<Held>,
    counters: Arc<Counters>,
    end: CancellationToken,
) -> Result<(), WorkerError> {
    loop {
        let failures = held.take_failures();
        tokio::select! {
            () = end.cancelled() => return Ok(()),
            () = held.reports.notified(), if failures.is_empty() => {}
            () = send(&link, &held, &counters, &failures), if !failures.is_empty() => {}
        }
    }
}

async fn send(link: &Link, held: &Held, counters: &Counters, failures: &[UnitFailure]) {
    if let Err(status) = link.fail(failures.to_vec()).await {
        // Unreported they expire, which comes to the same, later.
        tracing::warn!(units = failures.len(), reason = status.message(), "cannot report units as failed");
    }
    counters.add(|report| report.units_failed += failures.len() as u64);
    held.settle(failures.iter().filter_map(|failure| failure.lease.as_ref()));
}
