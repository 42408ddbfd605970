//! Writes a job's records to a file, the results and people's decisions applied.

mod diff;
mod fields;
mod format;
mod people;
mod quality;
mod sink;
mod stream;
mod target;
mod truth;
mod unit;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use emend_proto::v1::{GetJobRequest, Job, UnitBlocks};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

pub use diff::{Diff, Sides, diff};
pub use people::{ForPeople, Options, for_people};
pub use quality::{Measured, measure};
pub use unit::Only;

use crate::client::{Client, call, explain};
use crate::input::Format;
use format::{Formatter, Piece};
use sink::Sink;
use stream::UnitStream;

pub(crate) use format::{answer_name, push_line};

/// Formatted units that wait to be written.
const AHEAD: usize = 4;

/// What to export, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// The job.
    pub job: String,
    /// The file, or `-`.
    pub out: PathBuf,
    /// What it becomes.
    pub format: Format,
    /// Which records.
    pub only: Only,
    /// With verdict, changes, findings, and what people decided.
    pub provenance: bool,
    /// An unfinished job too.
    pub partial: bool,
}

/// How it went.
#[derive(Debug, serde::Serialize)]
pub struct Summary {
    /// The job's name.
    pub job: String,
    /// The file.
    pub out: PathBuf,
    /// How many records are in it.
    pub records: u64,
}

/// Exports a job.
///
/// # Errors
/// When the scheduler does not give the records, or the file cannot be written. There is no file then.
pub async fn run(client: &Client, order: &Order) -> Result<Summary> {
    let job = find(client, &order.job).await?;
    let client = &client.clone().patient();
    let formatter = Formatter::new(order.format, &job.columns, order.provenance, order.only.clone());
    let formatter = Arc::new(formatter);
    let (pieces, receive) = mpsc::channel(AHEAD);
    let (path, format, head) = (order.out.clone(), order.format, formatter.clone());
    let writer = spawn_blocking(move || write(Sink::create(&path, format, &head)?, receive));
    let work = Arc::new(move |unit: &UnitBlocks| formatter.unit(unit));
    let stream = UnitStream::new(client, &job, &order.only, order.partial, work, pieces, "exporting");
    let read = stream.read_all().await;
    // A writer that failed closed the channel under the reader: its error is the cause.
    let written = writer.await.context("the writer stopped")??;
    read?;
    Ok(Summary { job: job.name, out: order.out.clone(), records: written })
}

pub(crate) async fn find(client: &Client, name: &str) -> Result<Job> {
    let request = GetJobRequest { job: name.to_owned(), with_tallies: false };
    let job = call!(client, get_job(request)).map_err(|status| explain(&status, name))?;
    job.job.context("the scheduler answered without a job")
}

/// Writes what comes, and finishes the file when the last word says that it is whole.
fn write(mut sink: Sink, mut pieces: mpsc::Receiver<Option<Piece>>) -> Result<u64> {
    let mut records = 0;
    while let Some(piece) = pieces.blocking_recv() {
        let Some(piece) = piece else {
            sink.finish()?;
            break;
        };
        records += piece.records;
        sink.write(&piece)?;
    }
    Ok(records)
}
