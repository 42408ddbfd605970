//! Jobs whose work takes as long as a test wants, on whatever machine: the workers that do it are `slow-worker`.

use anyhow::Result;
use emend_proto::v1::{
    CreateJobRequest, ImportChunk, ImportHeader, ImportRecordsRequest, JobPolicy, PackRef, Record,
    RecordList, SealJobRequest, import_chunk, import_records_request,
};

use crate::process::Deployment;

/// Makes a sealed job of `records` for slow workers, in units of `unit_records`.
///
/// # Errors
/// When the scheduler refuses it.
pub async fn import(deployment: &Deployment, name: &str, records: u64, unit_records: u32) -> Result<()> {
    let mut jobs = deployment.jobs(0).await?;
    let pack = Some(PackRef { name: "slow".into(), version: "1".into() });
    let policy = Some(JobPolicy { unit_records, ..JobPolicy::default() });
    jobs.create_job(CreateJobRequest { name: name.into(), pack, policy, ..CreateJobRequest::default() })
        .await?;
    let record = |row: u64| Record {
        key: format!("r{row:06}"),
        payload: b"{}".as_slice().into(),
        row,
        ..Record::default()
    };
    let rows: Vec<u64> = (1..=records).collect();
    let header = ImportHeader { job: name.into(), import_id: "file".into() };
    let mut parts = vec![import_records_request::Part::Header(header)];
    for rows in rows.chunks(1_000) {
        parts.push(import_records_request::Part::Chunk(ImportChunk {
            offset: rows[0] - 1,
            body: Some(import_chunk::Body::Records(RecordList {
                records: rows.iter().map(|row| record(*row)).collect(),
            })),
            last: rows.last() == Some(&records),
            ..ImportChunk::default()
        }));
    }
    let parts = parts.into_iter().map(|part| ImportRecordsRequest { part: Some(part) });
    jobs.import_records(tokio_stream::iter(parts.collect::<Vec<_>>())).await?;
    jobs.seal_job(SealJobRequest { job: name.into() }).await?;
    Ok(())
}
