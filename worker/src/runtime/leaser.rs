//! Leases what can start now, and one unit more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use emend_proto::v1::{Lease, LeaseUnitsRequest, LeaseUnitsResponse, PackRef};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use super::WorkerError;
use super::held::Held;
use super::link::{Link, is_final};
use super::pool::Pool;
use super::report::Counters;
use super::services::Services;
use super::unit::{Unit, lease_ref};
use crate::{Validator, chance};

/// How long a lease call is tried before the worker says that nobody answers. It goes on after that.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time to learn at shutdown what the call that was cut off had leased.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// Waits after answers that come back empty or wrong sooner than they should.
const MIN_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What is assumed of a lease that does not say how long it lasts.
const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// The validators, by name and version of their packs.
pub(crate) type Packs = HashMap<(String, String), Arc<dyn Validator>>;

/// Keeps the worker in units.
pub(crate) struct Leaser {
    pub(crate) link: Arc<Link>,
    pub(crate) held: Arc<Held>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) packs: Arc<Packs>,
    pub(crate) services: Services,
    pub(crate) slots: usize,
    pub(crate) wait: Duration,
}

impl Leaser {
    /// Leases until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), WorkerError> {
        let mut pause = MIN_PAUSE;
        let mut arrivals = self.services.arrivals();
        loop {
            let places = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                places = self.room() => places,
            };
            // Who comes from here on is not in the request yet.
            arrivals.mark_unchanged();
            let (mut request, begin) = (self.request(places), Instant::now());
            let answer = loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {
                        self.hand_back(request).await;
                        return Ok(());
                    }
                    answer = self.link.lease(&request, self.wait, PATIENCE) => break answer,
                    // The call waits for fewer units than are for this worker now. What it may yet have leased is the
                    // answer to the same request.
                    Ok(()) = arrivals.changed() => self.add_capabilities(&mut request),
                }
            };
            let fruitful = match answer {
                Ok((sent, response)) => self.take(sent, response),
                Err(status) if is_final(&status) => return Err(WorkerError::Refused(Box::new(status))),
                Err(status) => {
                    self.excuse(&status);
                    false
                }
            };
            if fruitful || begin.elapsed() >= self.wait.mul_f64(0.9).clamp(MIN_PAUSE, MAX_PAUSE) {
                pause = MIN_PAUSE;
                continue;
            }
            // An answer that is empty before its time would make this loop spin.
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause + chance::up_to(pause)) => pause = (pause * 2).min(MAX_PAUSE),
            }
        }
    }

    /// Waits until there are places, and says how many.
    async fn room(&self) -> usize {
        loop {
            match self.held.places() {
                0 => self.held.room.notified().await,
                places => return places,
            }
        }
    }

    /// What this worker can run now, and what a record costs where it has to be called; its own packs cost nothing to speak of.
    fn add_capabilities(&self, request: &mut LeaseUnitsRequest) {
        let pack = |(name, version): &(String, String)| {
            (PackRef { name: name.clone(), version: version.clone() }, Duration::ZERO)
        };
        let all = self.packs.keys().map(pack).chain(self.services.here());
        let (capabilities, costs): (_, Vec<Duration>) = all.unzip();
        request.capabilities = capabilities;
        let is_known = costs.iter().any(|cost| !cost.is_zero());
        request.seconds_per_record =
            if is_known { costs.iter().map(Duration::as_secs_f64).collect() } else { Vec::new() };
    }

    fn request(&self, places: usize) -> LeaseUnitsRequest {
        let mut request = LeaseUnitsRequest {
            worker_id: self.link.worker_id.clone(),
            // Ascending: a scheduler finds what this worker holds at the end of its requests.
            request_id: chance::ascending_id(),
            slots: count(self.slots),
            max_units: count(places),
            wait: prost_types::Duration::try_from(self.wait).ok(),
            accept_zstd: true,
            ..LeaseUnitsRequest::default()
        };
        self.add_capabilities(&mut request);
        request
    }

    /// Takes what was leased into work. False when it was nothing.
    fn take(&mut self, sent: Instant, response: LeaseUnitsResponse) -> bool {
        if response.drain {
            tracing::info!("the scheduler is stopping; going to another one");
            self.link.endpoints.move_on();
        }
        let Some(first) = response.leases.first() else { return false };
        let ttl = first.ttl.and_then(|ttl| Duration::try_from(ttl).ok()).unwrap_or(DEFAULT_TTL);
        // A call that waits for long gets leases of which much has passed already; they are extended at once, but
        // that takes a beat.
        self.wait = self.wait.min((ttl / 4).max(MAX_PAUSE));
        self.counters.add(|report| report.leased += response.leases.len() as u64);
        let units: Vec<_> = response.leases.into_iter().map(|lease| self.unit(lease)).collect();
        self.held.admit(&units, sent, ttl);
        self.pool.push(units);
        true
    }

    fn unit(&self, lease: Lease) -> Arc<Unit> {
        Arc::new(Unit::new(lease, &self.packs))
    }

    fn excuse(&self, status: &Status) {
        if status.code() == Code::OutOfRange {
            self.held.expect_large_units();
        }
        tracing::warn!(code = ?status.code(), reason = status.message(), "cannot lease units; trying on");
    }

    /// Cut off, the call may yet have leased units. Sent again it answers them, and they go back at once instead of
    /// lying idle until they expire.
    async fn hand_back(&self, mut request: LeaseUnitsRequest) {
        request.wait = None;
        let Ok((_, response)) = self.link.lease(&request, Duration::ZERO, LAST_LOOK).await else { return };
        let leases: Vec<_> = response.leases.into_iter().map(lease_ref).collect();
        if leases.is_empty() {
            return;
        }
        let count = leases.len() as u64;
        self.counters.add(|report| {
            report.leased += count;
            report.released += count;
        });
        if let Err(status) = self.link.release(leases).await {
            tracing::warn!(
                reason = status.message(),
                units = count,
                "cannot hand units back; they will expire"
            );
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
