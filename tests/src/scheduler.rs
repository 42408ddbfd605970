//! A scheduler inside the test process, served over real gRPC on a free port.

use std::net::SocketAddr;
use std::time::Duration;

use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::job_service_client::JobServiceClient;
use emend_proto::v1::review_service_client::ReviewServiceClient;
use emend_proto::v1::work_service_client::WorkServiceClient;
use emend_scheduler::store::Store;
use emend_scheduler::{Config, ServeError, serve};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::database::{Backend, Database};
use crate::{invariants, mutants};

/// A scheduler and its database.
#[derive(Debug)]
pub struct Scheduler {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it keeps its jobs in.
    pub database: Database,
    shutdown: CancellationToken,
    served: JoinSet<Result<(), ServeError>>,
}

impl Scheduler {
    /// Starts one on an empty database.
    pub async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |_| {}).await
    }

    /// Starts one on an empty database, with other settings.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start_with(backend: Backend, change: impl FnOnce(&mut Config)) -> Self {
        let database = Database::new(backend).await;
        let mut config = Config {
            store: database.url.clone(),
            grace: 5.0,
            mutant: mutants::current(),
            ..Config::default()
        };
        change(&mut config);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shutdown = CancellationToken::new();
        let mut served = JoinSet::new();
        served.spawn(serve(config, listener, shutdown.clone()));
        Self { address, database, shutdown, served }
    }

    /// A connection of its own; it is made with the first call.
    pub fn channel(&self) -> Channel {
        channel(self.address)
    }

    /// Asks it to stop, and does not wait.
    pub fn ask_to_stop(&self) {
        self.shutdown.cancel();
    }

    /// Waits until it has stopped.
    ///
    /// # Panics
    /// When it did not stop well.
    pub async fn stopped(&mut self) {
        let served = self.served.join_next().await.expect("it is joined once");
        served.expect("it does not panic").expect("it stops well");
    }

    /// Stops it, checks every invariant in what it leaves behind, and drops its database.
    ///
    /// # Panics
    /// When an invariant is broken.
    pub async fn stop_sound(mut self) {
        self.ask_to_stop();
        self.stopped().await;
        let store = Store::open(&self.database.url, 2).await.expect("the store opens again");
        // A deleted job goes in steps.
        while store.retain(None).await.expect("rows are deleted") {}
        invariants::hold(&store, &self.database, &[]).await;
        store.close().await;
        self.database.close().await;
    }

    /// Stops it, and drops its database.
    pub async fn stop(mut self) {
        self.ask_to_stop();
        self.stopped().await;
        self.database.close().await;
    }
}

/// A connection to `address`, made with the first call.
///
/// # Panics
/// Never: the address is one.
pub fn channel(address: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address is a URL");
    endpoint.connect_timeout(Duration::from_secs(10)).connect_lazy()
}

/// `JobService` over a connection.
pub fn jobs(channel: &Channel) -> JobServiceClient<Channel> {
    JobServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// `WorkService` over a connection.
pub fn work(channel: &Channel) -> WorkServiceClient<Channel> {
    WorkServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// `ReviewService` over a connection.
pub fn reviews(channel: &Channel) -> ReviewServiceClient<Channel> {
    ReviewServiceClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}
