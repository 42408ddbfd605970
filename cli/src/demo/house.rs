//! A scheduler and its workers, in this process.

use anyhow::{Context as _, Error, Result, anyhow};
use emend_worker::WorkerConfig;
use emend_worker::endpoints::Credentials;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Order;
use crate::client::Client;
use crate::pack;

/// They run until it is closed.
pub(super) struct House {
    pub(super) client: Client,
    workers: JoinSet<Result<()>>,
    scheduler: JoinSet<Result<()>>,
    stop_workers: CancellationToken,
    stop_scheduler: CancellationToken,
    /// The store's folder, gone with the house.
    _store: Option<TempDir>,
}

impl House {
    /// Starts them.
    pub(super) async fn open(order: &Order) -> Result<Self> {
        let (store, folder) = match &order.store {
            Some(url) => (url.clone(), None),
            None => {
                // Beside the files, so that it is on a disk with room for them.
                let folder = tempfile::Builder::new().prefix(".store-").tempdir_in(&order.out);
                let folder = folder.with_context(|| format!("--out {}", order.out.display()))?;
                (format!("sqlite://{}", folder.path().join("emend.db").display()), Some(folder))
            }
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listening on loopback")?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop_workers, stop_scheduler) = (CancellationToken::new(), CancellationToken::new());
        let (mut scheduler, mut workers) = (JoinSet::new(), JoinSet::new());
        let config = emend_scheduler::Config { store, ..emend_scheduler::Config::default() };
        let serving = emend_scheduler::serve(config, listener, stop_scheduler.clone());
        scheduler.spawn(async { serving.await.map_err(Error::from) });
        for at in 1..=order.workers {
            let config = WorkerConfig {
                schedulers: vec![url.clone()],
                slots: 1,
                name: format!("demo-{at}"),
                ..WorkerConfig::default()
            };
            let working = emend_worker::run(config, pack::all(), stop_workers.clone());
            workers.spawn(async { working.await.map(drop).map_err(Error::from) });
        }
        let client = Client::new(&[url], Credentials::default())?;
        Ok(Self { client, workers, scheduler, stop_workers, stop_scheduler, _store: folder })
    }

    /// Waits until one of them ends by itself, which is never as it should be.
    pub(super) async fn fault(&mut self) -> Error {
        let (who, ended) = tokio::select! {
            Some(ended) = self.scheduler.join_next() => ("the scheduler", ended),
            Some(ended) = self.workers.join_next() => ("a worker", ended),
        };
        match ended {
            Ok(Ok(())) => anyhow!("{who} stopped by itself"),
            Ok(Err(error)) => error.context(format!("{who} stopped")),
            Err(error) => Error::new(error).context(format!("{who} stopped")),
        }
    }

    /// Stops the workers, then the scheduler.
    pub(super) async fn close(mut self) {
        self.stop_workers.cancel();
        while self.workers.join_next().await.is_some() {}
        self.stop_scheduler.cancel();
        while self.scheduler.join_next().await.is_some() {}
    }
}
