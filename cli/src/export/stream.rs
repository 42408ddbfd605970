//! Reads a job's units in order, whatever happens to the connection, and has several threads work on them.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::{ExportRecordsRequest, Job, UnitBlocks};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tonic::Status;

use super::unit::{Only, last_seq};
use crate::client::{Broken, Client, Patience, explain};
use crate::term::Bar;

/// What each unit becomes, on a thread of its own.
pub(super) type Work<T> = Arc<dyn Fn(&UnitBlocks) -> Result<T> + Send + Sync>;

/// What came of a unit, in order; `None` says that all of them came.
pub(super) type Pieces<T> = mpsc::Sender<Option<T>>;

/// A unit on its way through a thread, and the last record in it.
type Working<T> = JoinHandle<(u64, Result<T>)>;

/// A job's units being read.
pub(super) struct UnitStream<'a, T> {
    client: &'a Client,
    request: ExportRecordsRequest,
    name: String,
    work: Work<T>,
    pieces: Pieces<T>,
    bar: Bar,
}

impl<'a, T: Send + 'static> UnitStream<'a, T> {
    pub(super) fn new(
        client: &'a Client,
        job: &Job,
        only: &Only,
        partial: bool,
        work: Work<T>,
        pieces: Pieces<T>,
        what: &'static str,
    ) -> Self {
        let request = ExportRecordsRequest {
            job: job.id.to_string(),
            only: only.wanted().into(),
            partial,
            as_blocks: true,
            after_seq: 0,
        };
        let total = job.progress.as_ref().map_or(0, |progress| progress.records);
        Self { client, request, name: job.name.clone(), work, pieces, bar: Bar::new(what, total) }
    }

    /// Reads all units, taking a broken stream up again behind the last whole unit.
    pub(super) async fn read_all(mut self) -> Result<()> {
        let mut patience = Patience::default();
        loop {
            let before = self.request.after_seq;
            let Some(status) = self.read_once().await? else { break };
            if self.request.after_seq > before {
                patience.progress();
            }
            match patience.broke(&status) {
                Broken::Over => return Err(explain(&status, &self.name)),
                Broken::Again(wait) => {
                    self.client.move_on();
                    tokio::time::sleep(wait).await;
                }
            }
        }
        self.bar.finish();
        // Only this word makes an export whole. Whoever does not hear it says itself why.
        let _ = self.pieces.send(None).await;
        Ok(())
    }

    /// Reads until the end, or until the stream breaks: then the status. What came whole is passed on either way.
    async fn read_once(&mut self) -> Result<Option<Status>> {
        let mut stream = match self.client.jobs().export_records(self.request.clone()).await {
            Ok(stream) => stream.into_inner(),
            Err(status) => return Ok(Some(status)),
        };
        let width = std::thread::available_parallelism().map_or(2, usize::from);
        let mut working = FuturesOrdered::new();
        let broke = loop {
            match stream.message().await {
                Ok(None) => break None,
                Err(status) => break Some(status),
                Ok(Some(message)) => {
                    let unit =
                        message.unit.context("the scheduler sent no blocks; is it of this version?")?;
                    working.push_back(self.begin(unit));
                }
            }
            if working.len() > width {
                self.pass_on(&mut working).await?;
            }
        };
        while !working.is_empty() {
            self.pass_on(&mut working).await?;
        }
        Ok(broke)
    }

    fn begin(&self, unit: UnitBlocks) -> Working<T> {
        let work = self.work.clone();
        spawn_blocking(move || (last_seq(&unit), work(&unit)))
    }

    /// Hands the oldest unit to the writer.
    async fn pass_on(&mut self, working: &mut FuturesOrdered<Working<T>>) -> Result<()> {
        let Some(worked) = working.next().await else { return Ok(()) };
        let (last_seq, piece) = worked.context("a thread stopped")?;
        if self.pieces.send(Some(piece?)).await.is_err() {
            bail!("the writer stopped");
        }
        self.request.after_seq = last_seq;
        self.bar.set(last_seq, self.bar.total().max(last_seq));
        Ok(())
    }
}
