//! Chains the audit log, and keeps its head outside the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use metrics::{describe_gauge, gauge};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::every;
use crate::audit::Auditor;
use crate::domain::audit::{Head, Mac};
use crate::domain::time::Timestamp;
use crate::service::App;
use crate::store::StoreError;

/// How often entries are chained: as long as one can be changed unseen.
const OFTEN: Duration = Duration::from_secs(1);
/// How often the log says how far the chain goes, and that entries wait for a key.
const HOUR: Duration = Duration::from_secs(60 * 60);
/// What waits to be chained.
const UNSEALED: &str = "emend_audit_unsealed";

/// Starts the loop; it ends with `stop`. What is noted after that, [`finish`] chains.
pub(crate) fn start(app: &App, auditor: &Arc<Auditor>, tasks: &TaskTracker, stop: &CancellationToken) {
    describe_gauge!(UNSEALED, "Entries of the audit log that are not chained yet.");
    gauge!(UNSEALED).set(0);
    let (auditor, told_at) = (auditor.clone(), Arc::new(AtomicI64::new(0)));
    let step = move |app: App| {
        let (auditor, told_at) = (auditor.clone(), told_at.clone());
        Box::pin(async move { step(&app, &auditor, &told_at).await }) as super::Done
    };
    tasks.spawn(every("audit", OFTEN, app.clone(), stop.clone(), Box::new(step)));
}

/// Chains what is left, and says how far the chain goes. Nothing may be under way any more.
pub(crate) async fn finish(app: &App, auditor: &Auditor) {
    loop {
        match seal(app, auditor).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                return tracing::warn!(%error, "entries of the audit log are left to be chained later");
            }
        }
    }
    tell(app, auditor).await;
}

async fn step(app: &App, auditor: &Auditor, told_at: &AtomicI64) -> Result<bool, StoreError> {
    let more = seal(app, auditor).await?;
    let now = app.clock.now();
    if !more && now.since(Timestamp(told_at.load(Ordering::Relaxed))) >= HOUR {
        told_at.store(now.0, Ordering::Relaxed);
        tell(app, auditor).await;
    }
    Ok(more)
}

/// Chains entries; whether there may be more.
async fn seal(app: &App, auditor: &Auditor) -> Result<bool, StoreError> {
    let Some(key) = auditor.key.clone() else {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        gauge!(UNSEALED).set(app.store.audit_state().await?.unsealed as f64);
        return Ok(false);
    };
    let Some(head) = app.store.seal_audit(key).await? else { return Ok(false) };
    keep(auditor, head).await;
    Ok(true)
}

/// Puts the head into its file. Until that is done a cut back to the head before would not be noticed.
async fn keep(auditor: &Auditor, head: Head) {
    let Some(file) = auditor.head.clone() else { return };
    let written = tokio::task::spawn_blocking(move || file.write(head)).await;
    let error = match written {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(
        error,
        "scheduler.audit.head cannot be written: a cut of the audit log would not be noticed"
    );
}

/// Says how far the chain goes: whoever keeps the log keeps one more head.
async fn tell(app: &App, auditor: &Auditor) {
    let Ok(state) = app.store.audit_state().await else { return };
    if auditor.key.is_none() && state.unsealed > 0 {
        tracing::warn!(
            entries = state.unsealed,
            "entries of the audit log are not chained: scheduler.audit.key is not set"
        );
    }
    let Head { number, mac } = state.head.unwrap_or(Head { number: -1, mac: Mac::NONE });
    tracing::info!(entries = number, %mac, "head of the audit log");
}
