//! A worker's life: start, work, wind down.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::committer::Committer;
use super::heartbeat::Heartbeat;
use super::held::Held;
use super::leaser::{Leaser, Packs};
use super::link::Link;
use super::pool::Pool;
use super::report::{Counters, WorkerReport};
use super::services::{Server, Services};
use super::unit::{Order, Unit};
use super::vitals::{Parts, Vitals};
use super::{WorkerConfig, WorkerError, reporter, watchdog};
use crate::endpoints::Endpoints;
use crate::{Validator, chance};

/// The share of the grace in which units may still be worked on; the rest is for their commits.
const WORK_SHARE: f64 = 0.8;

/// Leases units from the schedulers of `config`, has `validators` check them, and commits the results, until
/// `shutdown`. Then it finishes what it has begun, within `config.grace`, hands the rest back, and reports.
///
/// Schedulers may come and go meanwhile: the worker waits for them, and finishes its work without them. Must be
/// called within a tokio runtime; validators run on threads of their own and never delay it.
///
/// # Errors
/// [`WorkerError`]: the configuration is wrong, a scheduler refuses this worker, or validators are stuck on so many
/// threads that a new process should take over. What was held has been handed back by then.
pub async fn run(
    config: WorkerConfig,
    validators: Vec<Arc<dyn Validator>>,
    shutdown: CancellationToken,
) -> Result<WorkerReport, WorkerError> {
    run_with(config, validators, shutdown, &Vitals::default()).await
}

/// As [`run`], and lets `vitals` tell how the worker is.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    config: WorkerConfig,
    validators: Vec<Arc<dyn Validator>>,
    shutdown: CancellationToken,
    vitals: &Vitals,
) -> Result<WorkerReport, WorkerError> {
    let endpoints = config.endpoints()?;
    run_until(endpoints, config, validators, shutdown, vitals).await
}

/// As [`run`], with endpoints of the caller's making; `config.schedulers` and its certificates and token are not looked at.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    endpoints: Endpoints,
    config: WorkerConfig,
    validators: Vec<Arc<dyn Validator>>,
    shutdown: CancellationToken,
) -> Result<WorkerReport, WorkerError> {
    run_until(endpoints, config, validators, shutdown, &Vitals::default()).await
}

async fn run_until(
    endpoints: Endpoints,
    config: WorkerConfig,
    validators: Vec<Arc<dyn Validator>>,
    shutdown: CancellationToken,
    vitals: &Vitals,
) -> Result<WorkerReport, WorkerError> {
    let config = config.settled()?;
    let packs = Arc::new(packs(validators)?);
    let services = Services::new(&config.validators, config.validator_calls)?;
    services.meet().await;
    let mut worker = Worker::start(endpoints, &config, packs, services, &shutdown, vitals)?;
    let (id, slots, threads) = (worker.link.worker_id.as_str(), config.slots, config.threads);
    tracing::info!(worker = id, slots, threads, "worker started");
    let cause = worker.work().await;
    vitals.drain();
    worker.wind_down(config.grace, cause.is_some()).await;
    let report = worker.counters.report();
    tracing::info!(
        worker = report.worker_id,
        units = report.units,
        records = report.records,
        released = report.released,
        lost = report.lost,
        "worker ended"
    );
    cause.map_or(Ok(report), Err)
}

struct Worker {
    link: Arc<Link>,
    held: Arc<Held>,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
    tasks: JoinSet<Result<(), WorkerError>>,
    /// No more units are leased.
    stop: CancellationToken,
    /// The leaser has ended: no more units come in.
    leased: CancellationToken,
    /// Everything ends.
    end: CancellationToken,
}

impl Worker {
    fn start(
        endpoints: Endpoints,
        config: &WorkerConfig,
        packs: Arc<Packs>,
        services: Services,
        shutdown: &CancellationToken,
        vitals: &Vitals,
    ) -> Result<Self, WorkerError> {
        // New at every start: a scheduler must not take this process for the one that had the name before.
        let worker_id = format!("{}-{}", config.name, &chance::id()[..12]);
        let counters = Arc::new(Counters::default());
        counters.add(|report| report.worker_id.clone_from(&worker_id));
        let link = Arc::new(Link { endpoints, worker_id, vitals: vitals.clone() });
        let held = Arc::new(Held::new(config.slots));
        let pool = Pool::start(config.threads, Arc::clone(&held)).map_err(WorkerError::Threads)?;
        let (slots, wait) = (config.slots, config.lease_wait);
        vitals.attach(Some(Parts {
            counters: Arc::clone(&counters),
            held: Arc::clone(&held),
            pool: Arc::clone(&pool),
            slots,
            wait,
        }));
        let (stop, leased, end) =
            (shutdown.child_token(), CancellationToken::new(), CancellationToken::new());
        let mut worker = Self { link, held, pool, counters, tasks: JoinSet::new(), stop, leased, end };
        worker.spawn(config, packs, services);
        Ok(worker)
    }

    fn spawn(&mut self, config: &WorkerConfig, packs: Arc<Packs>, services: Services) {
        let share = || {
            (
                Arc::clone(&self.link),
                Arc::clone(&self.held),
                Arc::clone(&self.pool),
                Arc::clone(&self.counters),
            )
        };
        let (link, held, pool, counters) = share();
        let (slots, wait) = (config.slots, config.lease_wait);
        let leaser = Leaser {
            link,
            held,
            pool,
            counters,
            packs: Arc::clone(&packs),
            services: services.clone(),
            slots,
            wait,
        };
        let (stop, leased) = (self.stop.clone(), self.leased.clone().drop_guard());
        let leasing = async move {
            let ended = leaser.run(stop).await;
            drop(leased);
            ended
        };
        let (link, held, pool, counters) = share();
        let beating = Heartbeat { link, held, pool, counters }.run(self.end.clone());
        let (link, held, _, counters) = share();
        let committing = Committer { link, held, counters }.run(self.end.clone());
        let (link, held, _, counters) = share();
        let reporting = reporter::report(link, held, counters, self.end.clone());
        let (link, held, _, counters) = share();
        let patience = config.record_timeout;
        let serving = Server { link, held, counters, services: services.clone(), packs, patience };
        self.tasks.spawn(serving.run(self.end.clone()));
        self.tasks.spawn(services.watch(self.end.clone()));
        let (_, _, pool, counters) = share();
        let watching =
            watchdog::watch(pool, counters, config.record_timeout, config.threads, self.end.clone());
        self.tasks.spawn(leasing);
        self.tasks.spawn(beating);
        self.tasks.spawn(committing);
        self.tasks.spawn(reporting);
        self.tasks.spawn(watching);
    }

    /// Works until it is told to stop, or cannot go on. Answers why it cannot.
    async fn work(&mut self) -> Option<WorkerError> {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return None,
                Some(ended) = self.tasks.join_next() => match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Some(error),
                    Err(error) => return Some(WorkerError::Task(error)),
                },
            }
        }
    }

    /// Finishes what has begun and hands back the rest. A worker that is `broken` finishes nothing more than what has
    /// its results.
    async fn wind_down(&mut self, grace: Duration, broken: bool) {
        self.stop.cancel();
        let begin = Instant::now();
        let work = if broken { Duration::ZERO } else { grace.mul_f64(WORK_SHARE) };
        // Units on hold would only wait: the scheduler has not been heard for most of their lease.
        let idle = |unit: &Unit| broken || !unit.started() || unit.order() == Order::Hold;
        self.release(idle).await;
        if !broken && self.until_empty(begin + work, &self.leased).await {
            self.release(idle).await;
            self.until_empty(begin + work, &CancellationToken::new()).await;
        }
        self.release(|_| true).await;
        self.until_empty(begin + grace, &CancellationToken::new()).await;
        // It takes no longer than a few seconds to hand back what its last call had leased.
        self.leased.cancelled().await;
        let leases = self.held.take_back_all();
        self.send_back(leases).await;
        self.end.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Waits until nothing is held; or until `at`; or until `earlier`, and then answers true.
    async fn until_empty(&self, at: Instant, earlier: &CancellationToken) -> bool {
        loop {
            if self.held.is_empty() {
                return earlier.is_cancelled();
            }
            tokio::select! {
                () = self.held.emptied.notified() => {}
                () = tokio::time::sleep_until(at) => return false,
                () = earlier.cancelled() => return true,
            }
        }
    }

    async fn release(&self, choose: impl Fn(&Unit) -> bool) {
        let leases = self.held.take_back(choose);
        self.send_back(leases).await;
    }

    async fn send_back(&self, leases: Vec<emend_proto::v1::LeaseRef>) {
        if leases.is_empty() {
            return;
        }
        let units = leases.len();
        self.counters.add(|report| report.released += units as u64);
        match self.link.release(leases).await {
            Ok(()) => tracing::info!(units, "units handed back"),
            Err(status) => {
                tracing::warn!(units, reason = status.message(), "cannot hand units back; they will expire");
            }
        }
    }
}

impl Drop for Worker {
    /// Also when the caller drops the future instead of cancelling: threads end only when they are told to.
    fn drop(&mut self) {
        self.pool.close();
        self.link.vitals.attach(None);
    }
}

fn packs(validators: Vec<Arc<dyn Validator>>) -> Result<Packs, WorkerError> {
    let mut packs = HashMap::new();
    for validator in validators {
        let manifest = validator.manifest();
        let (name, version) = (manifest.name.clone(), manifest.version.clone());
        if packs.insert((name.clone(), version.clone()), validator).is_some() {
            return Err(WorkerError::Config(format!("two validators call themselves {name} {version}")));
        }
    }
    if packs.is_empty() {
        return Err(WorkerError::Config("a worker needs at least one validator".to_owned()));
    }
    Ok(packs)
}
