//! `ImportRecords`: a stream of rows becomes units.

use emend_proto::v1::{self, Record, import_chunk, import_records_request};
use emend_proto::{Decoded, messages};
use futures::TryStreamExt as _;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{App, compute, job_ref, status};
use crate::domain::job::JobPolicy;
use crate::domain::key::{KeyCode, MAX_KEY_BYTES};
use crate::meters;
use crate::store::{Batch, Import, Job, Reject, Run, pack};

/// Rows in a chunk, at most.
const MOST_ROWS: usize = 10_000;
/// A transaction takes about this many rows, or bytes of compressed records.
const BATCH_ROWS: i64 = 4_000;
const BATCH_BYTES: usize = 2 * 1024 * 1024;

impl App {
    pub(super) async fn import(
        &self,
        mut parts: Streaming<v1::ImportRecordsRequest>,
    ) -> Result<Import, Status> {
        let header = match parts.message().await?.and_then(|message| message.part) {
            Some(import_records_request::Part::Header(header)) => header,
            _ => return Err(status::invalid("header", "must come first")),
        };
        if header.import_id.is_empty() || header.import_id.len() > 128 {
            return Err(status::invalid("header.import_id", "must be 1 to 128 bytes that name the source"));
        }
        let begun = self.store.begin_import(job_ref(&header.job)?, header.import_id).await;
        let (job, import) = begun.map_err(status::from_store)?;
        if import.finished {
            return Ok(import);
        }
        // One batch is made ready while the one before is written.
        let (ready, mut batches) = mpsc::channel::<Batch>(1);
        let job_id = job.id;
        let next_offset = import.next_offset;
        let import_id = import.import_id.clone();
        let prepare = prepare(parts, job, import_id, next_offset, ready);
        let write = async {
            let mut import = import;
            while let Some(batch) = batches.recv().await {
                let batch = Batch { at: self.clock.now(), ..batch };
                let before = import;
                import = self.store.import(job_id, batch).await.map_err(status::from_store)?;
                meters::imported(&before, &import);
                self.ready.ring();
            }
            Ok(import)
        };
        let ((), import) = futures::try_join!(prepare, write)?;
        if import.finished {
            tracing::info!(job_id, accepted = import.accepted, rejected = import.rejected, "import finished");
        }
        Ok(import)
    }
}

async fn prepare(
    mut parts: Streaming<v1::ImportRecordsRequest>,
    job: Job,
    import_id: String,
    mut next_offset: i64,
    ready: mpsc::Sender<Batch>,
) -> Result<(), Status> {
    let policy = job.spec.policy;
    let empty = |offset| Batch { import_id: import_id.clone(), offset, ..Batch::default() };
    let mut batch = empty(next_offset);
    while let Some(message) = parts.try_next().await? {
        let Some(import_records_request::Part::Chunk(chunk)) = message.part else {
            return Err(status::invalid("part", "must be a chunk after the header"));
        };
        let offset =
            i64::try_from(chunk.offset).map_err(|_| status::invalid("chunk.offset", "is out of range"))?;
        let (columns, last) = (chunk.columns.clone(), chunk.last);
        let (runs, rejects) = compute(move || read_chunk(chunk, &policy)).await??;
        let rows = Batch { runs, rejects, ..empty(offset) };
        let ends = offset + rows.rows();
        // The end of a source is where its rows end, so an earlier one is of another source.
        if (offset != next_offset && ends > next_offset) || (last && ends < next_offset) {
            return Err(status::with_reason(
                tonic::Code::OutOfRange,
                "OFFSET_GAP",
                format!("the import goes on at offset {next_offset}, the chunk begins at {offset}"),
            ));
        }
        // A chunk that is there already brings nothing but, perhaps, the end.
        if ends > next_offset {
            next_offset = ends;
            batch.runs.extend(rows.runs);
            batch.rejects.extend(rows.rejects);
        }
        batch.columns.extend(columns);
        batch.last = last;
        let bytes: usize = batch.runs.iter().map(|run| run.block.data.len()).sum();
        if last || batch.rows() >= BATCH_ROWS || bytes >= BATCH_BYTES {
            let full = std::mem::replace(&mut batch, empty(next_offset));
            if ready.send(full).await.is_err() {
                return Ok(());
            }
        }
    }
    if batch.rows() > 0 {
        let _closed = ready.send(batch).await;
    }
    Ok(())
}

/// Checks a chunk's records one by one. A block that fits the policy, with nothing wrong in it, stays as it is.
fn read_chunk(chunk: v1::ImportChunk, policy: &JobPolicy) -> Result<(Vec<Run>, Vec<Reject>), Status> {
    let (block, records) = match chunk.body {
        None => (None, Vec::new()),
        Some(import_chunk::Body::Records(list)) => (None, list.records),
        Some(import_chunk::Body::Block(block)) => {
            let unreadable = |error| status::from_block("chunk.block", &error);
            let plain = messages(&block).map_err(unreadable)?;
            let records = Decoded::<Record>::from(plain.clone()).collect::<Result<Vec<_>, _>>();
            (Some((block, plain)), records.map_err(unreadable)?)
        }
    };
    if records.len() + chunk.rejects.len() > MOST_ROWS {
        return Err(status::invalid("chunk", &format!("must hold at most {MOST_ROWS} rows")));
    }
    let mut rejects = Vec::new();
    for reject in chunk.rejects {
        if reject.code.is_empty()
            || !reject.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            return Err(status::invalid("chunk.rejects.code", "must be a code of [a-z_]"));
        }
        rejects.push(Reject { row: row(reject.row), code: reject.code });
    }
    let faults = records.iter().map(|record| fault(record, policy)).collect::<Vec<_>>();
    let sound = faults.iter().all(Option::is_none);
    let whole = block.filter(|_| sound && !records.is_empty() && fits(&records, policy));
    if let Some((block, plain)) = whole {
        let codes = records.iter().map(|record| KeyCode::of(&record.key)).collect();
        let block = block.into_zstd().map_err(|error| status::from_block("chunk.block", &error))?;
        return Ok((vec![Run { block, codes, plain: Some(plain) }], rejects));
    }
    let mut kept = Vec::with_capacity(records.len());
    for (record, fault) in records.into_iter().zip(faults) {
        match fault {
            None => kept.push(record),
            Some(code) => rejects.push(Reject { row: row(record.row), code: code.into() }),
        }
    }
    rejects.sort_by_key(|reject| reject.row);
    Ok((pack(&kept, policy), rejects))
}

fn fits(records: &[Record], policy: &JobPolicy) -> bool {
    let bytes: usize = records.iter().map(|record| record.payload.len()).sum();
    records.len() <= policy.unit_records as usize && bytes <= policy.unit_bytes as usize
}

/// Why a record cannot be taken.
fn fault(record: &Record, policy: &JobPolicy) -> Option<&'static str> {
    if record.key.is_empty() {
        return Some("missing_key");
    }
    if record.payload.len() > policy.unit_bytes as usize || record.key.len() > MAX_KEY_BYTES {
        return Some("too_large");
    }
    let one_line = !record.payload.contains(&b'\n') && record.payload.first() == Some(&b'{');
    // Text once, then JSON: the parser would check every string by itself.
    let json = |text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if one_line && std::str::from_utf8(&record.payload).is_ok_and(json) { None } else { Some("syntax") }
}

fn row(row: u64) -> i64 {
    i64::try_from(row).unwrap_or(i64::MAX)
}
