//! A scheduler from start to stop.

mod accept;
mod bearer;
mod connection;
mod connections;
mod deadlines;
mod desk;
mod gate;
mod grpc;
mod health;
mod limits;
mod meter;
mod policy;
mod shed;
mod tls;
mod trace;
mod watch;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic_health::ServingStatus;

pub use bearer::NewToken;

use accept::Incoming;
use gate::Gate;
use tls::{For, Tls};
use watch::keep_current;

use crate::audit::Auditor;
use crate::clock::Clock;
use crate::config::{Config, TlsConfig};
use crate::events;
use crate::loops;
use crate::service::App;
#[cfg(feature = "test-hooks")]
use crate::store::Mutant;
use crate::store::{OpenError, Store, StoreError};
use crate::vitals::Vitals;

/// Why a scheduler ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings are not sound.
    #[error("{0}")]
    Config(String),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed at once.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// gRPC could not be served.
    #[error("cannot serve gRPC: {0}")]
    Transport(String),
}

/// What a scheduler listens on.
#[derive(Debug)]
pub struct Listeners {
    /// gRPC.
    pub grpc: TcpListener,
    /// The desk; none: it is not served.
    pub desk: Option<TcpListener>,
}

/// Serves on `listener` until `shutdown`, then drains: health says NOT_SERVING, waiting calls return, calls
/// under way finish within the grace period.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    serve_with(config, listener, shutdown, &Vitals::default()).await
}

/// As [`serve`], and lets `vitals` tell how the scheduler is. The desk listens where the settings say.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    config: Config,
    listener: TcpListener,
    shutdown: CancellationToken,
    vitals: &Vitals,
) -> Result<(), ServeError> {
    let desk = match config.desk.listen {
        Some(address) => Some(TcpListener::bind(address).await.map_err(|error| {
            ServeError::Config(format!("scheduler.desk.listen: cannot listen on {address}: {error}"))
        })?),
        None => None,
    };
    Box::pin(serve_on(config, Listeners { grpc: listener, desk }, shutdown, vitals)).await
}

/// As [`serve_with`], with the desk on a listener of the caller's.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(
    config: Config,
    listeners: Listeners,
    shutdown: CancellationToken,
    vitals: &Vitals,
) -> Result<(), ServeError> {
    config.check().map_err(ServeError::Config)?;
    let store = Store::open(&config.store, config.connections).await?;
    let store = if config.broker.is_some() { store.with_outbox() } else { store };
    #[cfg(feature = "test-hooks")]
    let store = config.mutant.map_or_else(|| store.clone(), |mutant| store.with_mutant(mutant));
    let clock = Clock::anchored(store.now().await?);
    let grace = config.grace();
    let app = App::new(store, clock, config);
    let auditor = Auditor::open(&app.config, &app.store).await.map_err(ServeError::Config)?;
    let auditor = Arc::new(auditor);
    let _attached = vitals.attach(&app);
    let tasks = TaskTracker::new();
    let stop_loops = CancellationToken::new();
    loops::start(&app, &tasks, &stop_loops);
    loops::audit::start(&app, &auditor, &tasks, &stop_loops);
    events::start(&app, &tasks, &stop_loops);
    let served = match Wire::open(&app, &tasks, &stop_loops) {
        Ok(wire) => serve_app(&app, listeners, wire, shutdown, vitals).await,
        Err(said) => Err(ServeError::Config(said)),
    };
    stop_loops.cancel();
    tasks.close();
    tasks.wait().await;
    app.streams.close();
    let _late = tokio::time::timeout(grace, app.streams.wait()).await;
    loops::audit::finish(&app, &auditor).await;
    app.store.close().await;
    served
}

/// What stands between the network and the services.
struct Wire {
    tls: Option<Arc<Tls>>,
    gate: Gate,
    desk_tls: Option<Arc<Tls>>,
}

impl Wire {
    /// Reads certificates and tokens, and keeps them current until `stop`.
    fn open(app: &App, tasks: &TaskTracker, stop: &CancellationToken) -> Result<Self, String> {
        let config = &app.config;
        let (gate, token_file) = Gate::read(config)?;
        if config.tokens.is_some() {
            let (gate, clock, stop) = (gate.clone(), app.clock.clone(), stop.clone());
            tasks.spawn(async move { keep_current(&gate, token_file, &clock, &stop).await });
        }
        let read = |config: TlsConfig, whom| {
            let (tls, files) = Tls::read(&config, whom, app.clock.now())?;
            let tls = Arc::new(tls);
            let (kept, clock, stop) = (tls.clone(), app.clock.clone(), stop.clone());
            tasks.spawn(async move { keep_current(&*kept, files, &clock, &stop).await });
            Ok::<_, String>(tls)
        };
        let has_tls = config.tls.certificate.is_some();
        let callers = For::Callers { certificate_optional: config.tokens.is_some() };
        let tls = has_tls.then(|| read(config.tls.clone(), callers)).transpose()?;
        let desk_tls = config.desk_tls().filter(|_| config.desk.listen.is_some());
        let desk_tls = desk_tls.map(|tls| read(tls, For::Browsers)).transpose()?;
        if gate.is_open() {
            tracing::warn!(
                "every caller is operator and worker: neither scheduler.tls.client_ca nor scheduler.tokens is set"
            );
        }
        Ok(Self { tls, gate, desk_tls })
    }
}

async fn serve_app(
    app: &App,
    listeners: Listeners,
    wire: Wire,
    shutdown: CancellationToken,
    vitals: &Vitals,
) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health::say(&health, ServingStatus::Serving).await;
    let service = grpc::service(app, wire.gate, health_service)?;
    let (grace, delay) = (app.config.grace(), app.config.drain_delay());
    let stop = health::until_stopped(health, vitals.clone(), shutdown.clone(), delay, app.stopping.clone());
    let (incoming, age) = (Incoming::new(listeners.grpc, wire.tls), app.config.connection_age());
    #[cfg(feature = "test-hooks")]
    let age = age.filter(|_| app.store.mutant() != Some(Mutant::NeverAges));
    let served = Box::pin(connections::serve(incoming, service, age, stop));
    // Browsers are told to go as soon as waiting calls are.
    let desk = async {
        if let Some(listener) = listeners.desk {
            desk::serve(app, listener, wire.desk_tls, app.stopping.clone()).await;
        }
    };
    // A silent client would keep a graceful stop waiting for ever.
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(delay + grace).await;
    };
    tokio::select! {
        ((), ()) = async { tokio::join!(served, desk) } => {}
        () = too_late => tracing::warn!("clients still connected after the grace period are cut off"),
    }
    Ok(())
}
