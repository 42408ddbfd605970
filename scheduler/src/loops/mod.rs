//! What happens by itself: small idempotent steps that any number of schedulers may run at once.

pub(crate) mod audit;

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::job::JobState;
use crate::service::App;
use crate::store::StoreError;
use crate::{ids, meters};

/// How often jobs are moved on and exhausted units are split.
const OFTEN: Duration = Duration::from_millis(100);
/// How often it is looked whether a rule, or a reviewer, is wrong too often.
const QUALITY: Duration = Duration::from_secs(5);
/// How often thresholds are looked at.
const GUARD: Duration = Duration::from_secs(1);
/// How often retention looks, what nobody needs any more is deleted, and the clock is set by the store's.
const SELDOM: Duration = Duration::from_secs(60);

/// Starts the loops; they end with `stop`.
pub(crate) fn start(app: &App, tasks: &TaskTracker, stop: &CancellationToken) {
    let started_at = app.clock.now();
    let ttl = app.config.lease_ttl();
    let expiry = (ttl / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
    let every = |name, period, step: Step| tasks.spawn(every(name, period, app.clone(), stop.clone(), step));
    every("expire", expiry, Box::new(move |app| Box::pin(expire(app, started_at))));
    every("split", OFTEN, Box::new(|app| Box::pin(split(app))));
    every("advance", OFTEN, Box::new(|app| Box::pin(advance(app))));
    every("sessions", SELDOM, Box::new(|app| Box::pin(end_sessions(app))));
    every("review", OFTEN, Box::new(|app| Box::pin(review(app))));
    every("quality", QUALITY, Box::new(|app| Box::pin(quality(app))));
    every("guard", GUARD, Box::new(|app| Box::pin(guard(app))));
    every("revise", OFTEN, Box::new(|app| Box::pin(revise(app))));
    every("group", OFTEN, Box::new(|app| Box::pin(group(app))));
    every("sweep", SELDOM, Box::new(|app| Box::pin(sweep(app))));
    every("rate", QUALITY, Box::new(|app| Box::pin(rate(app))));
    every("retain", SELDOM, Box::new(|app| Box::pin(retain(app))));
    every("clock", SELDOM, Box::new(|app| Box::pin(set_clock(app))));
}

/// One step of a loop; whether there is more to do at once.
type Step = Box<dyn Fn(App) -> Done + Send + Sync>;
type Done = futures::future::BoxFuture<'static, Result<bool, StoreError>>;

/// Runs `step` every `period`, with jitter so that schedulers spread, and at once again while there is more.
async fn every(name: &'static str, period: Duration, app: App, stop: CancellationToken, step: Step) {
    meters::begins(name);
    loop {
        let begun = Instant::now();
        let done = step(app.clone()).await;
        meters::ran(name, begun.elapsed(), done.is_ok());
        if done.is_ok() {
            app.pulse.ran_well(name);
        }
        let more = match done {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(name, %error, "a loop's step failed; it goes on");
                false
            }
        };
        let pause = if more { Duration::ZERO } else { period.mul_f64(0.75 + ids::share() / 2.0) };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn expire(app: App, started_at: crate::domain::time::Timestamp) -> Result<bool, StoreError> {
    let returned = app.store.expire(app.clock.now(), started_at, app.config.lease_ttl()).await?;
    if !returned.is_empty() {
        meters::expired(returned.len());
        tracing::info!(units = returned.len(), "expired leases returned");
        app.ready.ring();
    }
    Ok(!returned.is_empty())
}

async fn split(app: App) -> Result<bool, StoreError> {
    let split = app.store.split_one(ids::commit_id(), app.clock.now()).await?;
    if let Some(outcome) = split {
        meters::split(outcome);
        tracing::warn!(?outcome, "a unit's attempts were used up");
        app.ready.ring();
    }
    Ok(split.is_some())
}

async fn advance(app: App) -> Result<bool, StoreError> {
    for (job_id, state) in app.store.advance_jobs(app.clock.now()).await? {
        tracing::info!(job_id, state = state.as_str(), "job moved on");
        if state == JobState::Reviewing {
            app.store.count_reviews_for_planner().await?;
        }
    }
    Ok(false)
}

/// Only a store that an earlier version has worked on has anything for this.
async fn review(app: App) -> Result<bool, StoreError> {
    app.store.open_missing_reviews().await
}

async fn quality(app: App) -> Result<bool, StoreError> {
    for (job_id, rule) in app.store.pause_rules(app.clock.now()).await? {
        tracing::warn!(job_id, rule, "a rule is wrong too often; what it would change goes to people");
    }
    Ok(false)
}

async fn guard(app: App) -> Result<bool, StoreError> {
    for job_id in app.store.await_approvals(app.clock.now()).await? {
        tracing::warn!(job_id, "the canary is done; the rest waits for an approval");
    }
    for (job_id, trip) in app.store.watch_thresholds(app.clock.now()).await? {
        let (count, records) = (trip.count, trip.records);
        let (of, action) = (&trip.threshold.of, trip.threshold.action);
        tracing::warn!(job_id, ?of, ?action, count, records, "a threshold is exceeded");
    }
    Ok(false)
}

async fn revise(app: App) -> Result<bool, StoreError> {
    let swept = app.store.sweep_revisions().await?;
    if swept.reopened > 0 {
        tracing::info!(job_id = swept.job_id, units = swept.reopened, "units are run again");
        app.ready.ring();
    }
    Ok(swept.more)
}

/// Not as soon as a job is through: then its results are exported.
async fn sweep(app: App) -> Result<bool, StoreError> {
    app.store.sweep_grouped().await
}

async fn group(app: App) -> Result<bool, StoreError> {
    let begun = Instant::now();
    // It may take minutes, and says with each look at the clock that it is alive.
    let now = || {
        app.pulse.ran_well("group");
        app.clock.now()
    };
    let scratch = app.config.scratch();
    let gathered = tokio::select! {
        gathered = app.store.gather(&scratch, now, || app.ready.ring()) => gathered?,
        // Another scheduler begins again.
        () = app.stopping.cancelled() => return Ok(false),
    };
    let Some(gathered) = gathered else { return Ok(false) };
    let (job_id, counts) = (gathered.job_id, gathered.counts);
    let seconds = begun.elapsed().as_secs_f64();
    tracing::info!(
        job_id,
        groups = counts.groups,
        records_grouped = counts.grouped,
        records_apart = counts.apart,
        seconds,
        "records are put together"
    );
    app.ready.ring();
    Ok(true)
}

async fn rate(app: App) -> Result<bool, StoreError> {
    let limit = app.config.reviewer_error_limit;
    for paused in app.store.pause_reviewers(limit, app.clock.now()).await? {
        let (reviewer, reopened) = (paused.reviewer, paused.reopened);
        tracing::warn!(
            reviewer,
            reopened,
            "a reviewer is wrong too often, and paused; reviews are open again"
        );
    }
    Ok(false)
}

async fn retain(app: App) -> Result<bool, StoreError> {
    let before = app.config.retention().map(|retention| app.clock.now() - retention);
    app.store.retain(before).await
}

async fn end_sessions(app: App) -> Result<bool, StoreError> {
    app.store.prune_sessions(app.clock.now()).await?;
    Ok(false)
}

async fn set_clock(app: App) -> Result<bool, StoreError> {
    app.clock.set(app.store.now().await?);
    Ok(false)
}
