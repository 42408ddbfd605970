//! Sends a file's rows once, from an offset to the end or to the first break.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use emend_proto::v1::import_records_request::Part;
use emend_proto::v1::{Import, ImportHeader, ImportRecordsRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::cutter::{Cutter, Limits};
use crate::client::Client;
use crate::input::Source;
use crate::term::Bar;

/// Chunks that wait between the thread that reads and the connection.
const AHEAD: usize = 8;

/// Why the stream ended before the file did.
pub(super) enum Break {
    /// The file cannot be read.
    File(anyhow::Error),
    /// The scheduler did not take it all.
    Scheduler(Status),
}

/// Sends the rows from `offset` on; the scheduler's totals at the end.
pub(super) async fn send(
    client: &Client,
    header: ImportHeader,
    source: &Source,
    limits: Limits,
    offset: u64,
    bar: &Bar,
) -> Result<Import, Break> {
    let (chunks, receive) = mpsc::channel(AHEAD);
    let (source, bar) = (source.clone(), bar.clone());
    let reader = tokio::task::spawn_blocking(move || read(&source, limits, offset, header, &chunks, &bar));
    let answer = client.jobs().import_records(ReceiverStream::new(receive)).await;
    // The channel is closed by now, so the reader ends soon, also when nobody wanted all it read.
    match reader.await.context("the reader stopped").and_then(|read| read) {
        Err(error) => Err(Break::File(error)),
        Ok(()) => {
            let import = answer.map_err(Break::Scheduler)?.into_inner().import;
            import.ok_or_else(|| Break::Scheduler(Status::internal("an answer without totals")))
        }
    }
}

/// Runs on a thread of its own: reads, writes JSON and compresses, as fast as the connection takes it.
fn read(
    source: &Source,
    limits: Limits,
    offset: u64,
    header: ImportHeader,
    chunks: &mpsc::Sender<ImportRecordsRequest>,
    bar: &Bar,
) -> Result<()> {
    let send = |part| chunks.blocking_send(ImportRecordsRequest { part: Some(part) }).is_ok();
    if !send(Part::Header(header)) {
        return Ok(());
    }
    let bytes = Arc::new(AtomicU64::new(0));
    let mut cutter = Cutter::new(source.open(bytes.clone())?, limits, offset)?;
    while let Some(chunk) = cutter.next_chunk()? {
        // A connection that broke says so itself.
        if !send(Part::Chunk(chunk)) {
            return Ok(());
        }
        bar.set_file(bytes.load(Ordering::Relaxed), cutter.offset());
    }
    Ok(())
}
