//! Keeps leases alive. A task of its own, so that neither work nor other calls delay a beat.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use emend_proto::v1::{HeartbeatRequest, HeartbeatResponse, LeaseRef};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::WorkerError;
use super::held::Held;
use super::link::Link;
use super::pool::Pool;
use super::report::Counters;

/// How long one round of beats is tried, at least and at most; else it is a third of the shortest lease.
const MIN_PATIENCE: Duration = Duration::from_millis(200);
const MAX_PATIENCE: Duration = Duration::from_secs(20);

/// What is assumed before any lease was seen.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// The longest wait between two rounds when beats are due: the last one failed, or left a lease out.
const MAX_PAUSE: Duration = Duration::from_secs(1);

type Round =
    Pin<Box<dyn Future<Output = (Vec<LeaseRef>, Result<(Instant, HeartbeatResponse), Status>)> + Send>>;

/// Sends beats, and lets units go whose lease was not extended in time.
pub(crate) struct Heartbeat {
    pub(crate) link: Arc<Link>,
    pub(crate) held: Arc<Held>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) counters: Arc<Counters>,
}

impl Heartbeat {
    /// Beats until `end`.
    pub(crate) async fn run(self, end: CancellationToken) -> Result<(), WorkerError> {
        let mut round: Option<Round> = None;
        let mut not_before = Instant::now();
        loop {
            let schedule = self.held.schedule();
            let beat_at = schedule.beat_at.map(|at| at.max(not_before));
            tokio::select! {
                () = end.cancelled() => return Ok(()),
                () = self.held.admitted.notified() => {}
                () = until(schedule.let_go_at) => self.let_go(),
                () = until(beat_at), if round.is_none() => round = self.begin(),
                (leases, answer) = async { round.as_mut().expect("checked").await }, if round.is_some() => {
                    round = None;
                    not_before = Instant::now() + self.pause();
                    match answer {
                        Ok((sent, response)) => self.apply(&leases, sent, &response),
                        Err(status) => {
                            tracing::warn!(units = leases.len(), reason = status.message(), "no beat came through");
                        }
                    }
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        self.held.shortest_ttl().map_or(MAX_PAUSE, |ttl| (ttl / 12).min(MAX_PAUSE))
    }

    fn begin(&self) -> Option<Round> {
        let beats = self.held.beats();
        if beats.is_empty() {
            return None;
        }
        let leases = beats.iter().filter_map(|beat| beat.lease.clone()).collect();
        let patience = self.held.shortest_ttl().map_or(FIRST_PATIENCE, |ttl| ttl / 3);
        let patience = patience.clamp(MIN_PATIENCE, MAX_PATIENCE);
        let link = Arc::clone(&self.link);
        Some(Box::pin(async move {
            let request = HeartbeatRequest { worker_id: link.worker_id.clone(), beats };
            (leases, link.beat(&request, patience).await)
        }))
    }

    fn apply(&self, leases: &[LeaseRef], sent: Instant, response: &HeartbeatResponse) {
        if response.drain {
            tracing::info!("the scheduler is stopping; going to another one");
            self.link.endpoints.move_on();
        }
        let answered = leases.iter().zip(&response.outcomes);
        let answered: Vec<_> = answered.filter(|(lease, outcome)| lease.unit_id == outcome.unit_id).collect();
        if answered.len() < leases.len() {
            tracing::error!(
                beats = leases.len(),
                answers = answered.len(),
                "beats were not answered in their order"
            );
        }
        let (lost, alive): (Vec<_>, Vec<_>) =
            answered.into_iter().partition(|(_, outcome)| outcome.refusal.is_some());
        for (lease, outcome) in lost {
            if self.held.lose(lease) {
                self.counters.add(|report| report.lost += 1);
                let reason = outcome.refusal.as_ref().map(|refusal| refusal.reason.as_str());
                tracing::info!(unit = lease.unit_id, epoch = lease.epoch, reason, "lease lost; unit dropped");
            }
        }
        let alive: Vec<&LeaseRef> = alive.into_iter().map(|(lease, _)| lease).collect();
        let ttl = response.ttl.and_then(|ttl| Duration::try_from(ttl).ok()).filter(|ttl| !ttl.is_zero());
        self.pool.push(self.held.extend(&alive, sent, ttl));
    }

    fn let_go(&self) {
        let units = self.held.let_go(Instant::now());
        if units > 0 {
            tracing::warn!(units, "leases were not extended in time; their units wait");
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
