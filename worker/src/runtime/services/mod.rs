//! Validators of others, called over gRPC behind the pack: who they are, whether they answer, and what becomes of units
//! that need them. A validator that is away costs no attempt: its units go back, and none are leased until it answers.

mod batch;
mod description;
mod merge;
mod pace;
mod serve;
mod service;

use std::sync::Arc;
use std::time::Duration;

use emend_proto::v1::PackRef;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::WorkerError;
pub(crate) use serve::Server;
use service::{Here, Service};

/// How often a validator that answers is asked again what it is.
const AGAIN: Duration = Duration::from_secs(30);
/// How long a worker waits for them before it begins.
const FIRST: Duration = Duration::from_secs(1);
/// How often one that is away is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// The validators that this worker calls.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    all: Arc<[Arc<Service>]>,
    /// Told when one comes that was away.
    arrivals: watch::Sender<()>,
}

impl Services {
    /// Of these addresses; `calls` of each at once.
    pub(crate) fn new(urls: &[String], calls: usize) -> Result<Self, WorkerError> {
        let arrivals = watch::Sender::new(());
        let open = |url: &String| Service::new(url, calls, arrivals.clone()).map(Arc::new);
        let all = urls.iter().map(open).collect::<Result<_, _>>().map_err(WorkerError::Config)?;
        Ok(Self { all, arrivals })
    }

    /// Asks all what they are, so that the first lease is for them too; whoever is silent is looked for later.
    pub(crate) async fn meet(&self) {
        let mut asked = JoinSet::new();
        for service in self.all.iter() {
            let service = service.clone();
            asked.spawn(async move { service.look().await });
        }
        let _silent = tokio::time::timeout(FIRST, asked.join_all()).await;
    }

    /// Those that answer now, and what a record costs each.
    pub(crate) fn here(&self) -> Vec<(PackRef, Duration)> {
        let here = self.all.iter().filter_map(|service| Some((service, service.here()?)));
        let told = |(service, here): (&Arc<Service>, Here)| {
            let link = PackRef { name: here.name.clone(), version: here.version.clone() };
            (link, service.cost(&here))
        };
        here.map(told).collect()
    }

    /// Tells of each that comes from now on: more units are for this worker then.
    pub(crate) fn arrivals(&self) -> watch::Receiver<()> {
        self.arrivals.subscribe()
    }

    /// The one of this name and version, if it answers.
    fn find(&self, link: &PackRef) -> Option<(Arc<Service>, Here)> {
        let mut found = self.all.iter().filter_map(|service| Some((service.clone(), service.here()?)));
        found.find(|(_, here)| here.name == link.name && here.version == link.version)
    }

    /// Keeps knowing who is there, until `end`.
    pub(crate) async fn watch(self, end: CancellationToken) -> Result<(), WorkerError> {
        let mut watching = JoinSet::new();
        for service in self.all.iter().cloned() {
            watching.spawn(async move {
                loop {
                    let next = if service.look().await { AGAIN } else { LOOK };
                    tokio::select! {
                        () = service.missed.notified() => {}
                        () = tokio::time::sleep(next) => {}
                    }
                }
            });
        }
        end.cancelled().await;
        Ok(())
    }
}
