//! `/livez`, `/readyz` and `/metrics`, over plain HTTP on a port of their own.
//!
//! `/livez` says that this process turns, and asks nobody else: a database that is away is no reason to restart it.
//! `/readyz` says whether work should come here.

mod process;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use futures::future::BoxFuture;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Histograms give up their samples this often, asked or not.
const UPKEEP: Duration = Duration::from_secs(5);
/// From a short transaction to a call that waits for units.
const BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Version 0.0.4 of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is probed: a scheduler or a worker.
pub(crate) trait Probed: Send + Sync + 'static {
    /// Why it is not ready, in words.
    fn ready(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Looks at it; what comes back tells the current recorder what was seen.
    fn look(&self) -> BoxFuture<'_, Box<dyn FnOnce() + Send>>;
}

impl Probed for emend_scheduler::Vitals {
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { emend_scheduler::Vitals::ready(self).await.map_err(|reason| reason.to_string()) })
    }

    fn look(&self) -> BoxFuture<'_, Box<dyn FnOnce() + Send>> {
        Box::pin(async {
            let snapshot = self.snapshot().await;
            Box::new(move || snapshot.record()) as Box<dyn FnOnce() + Send>
        })
    }
}

impl Probed for emend_worker::Vitals {
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        let ready = emend_worker::Vitals::ready(self).map_err(|reason| reason.to_string());
        Box::pin(std::future::ready(ready))
    }

    fn look(&self) -> BoxFuture<'_, Box<dyn FnOnce() + Send>> {
        let vitals = self.clone();
        Box::pin(std::future::ready(Box::new(move || vitals.record()) as Box<dyn FnOnce() + Send>))
    }
}

/// Probes that are served until this is dropped.
#[derive(Debug)]
pub(crate) struct Probes {
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Shared {
    probed: Arc<dyn Probed>,
    recorder: PrometheusHandle,
}

/// Serves probes of `probed` on `address`, if there is one, and records metrics from now on. `setting` names the
/// setting that the address is from.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn serve(
    address: Option<SocketAddr>,
    setting: &str,
    probed: impl Probed,
) -> Result<Option<Probes>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await.map_err(|error| {
        anyhow!("cannot listen on {address}: {error}; stop what listens there, or set another {setting}")
    })?;
    let recorder = builder()?.install_recorder()?;
    tracing::info!(address = %listener.local_addr()?, "probes and metrics");
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shared { probed: Arc::new(probed), recorder: recorder.clone() });
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "probes are no longer served");
        }
    });
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            recorder.run_upkeep();
        }
    });
    Ok(Some(Probes { _tasks: tasks }))
}

fn builder() -> Result<PrometheusBuilder> {
    Ok(PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?)
}

async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    match shared.probed.ready().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// What was counted since the start, and then how things stand now: told to a recorder of its own, so that a job that
/// has ended is told no more.
async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let tell = shared.probed.look().await;
    let now = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&now, || {
        process::record();
        tell();
    });
    ([(header::CONTENT_TYPE, TEXT)], shared.recorder.render() + now.handle().render().as_str())
}
