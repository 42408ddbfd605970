//! Calls that the tests share.

use std::time::Duration;

use emend_proto::encode;
use emend_proto::v1::{
    CreateJobRequest, ImportChunk, ImportHeader, ImportRecordsRequest, JobPolicy, Lease, LeaseRef,
    LeaseUnitsRequest, LeaseUnitsResponse, ListUnitsRequest, PackRef, RecordList, SealJobRequest, UnitCommit,
    UnitStatus, import_chunk, import_records_request::Part,
};
use emend_tests::records::{all_valid, records};
use emend_tests::scheduler::{jobs, work};
use tonic::Status;
use tonic::transport::Channel;

/// Far longer than anything takes; a test that waits for it has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn pack() -> PackRef {
    PackRef { name: "suite".into(), version: "1.0.0".into() }
}

/// A job with units of two records.
pub(crate) fn job_request(name: &str) -> CreateJobRequest {
    CreateJobRequest {
        name: name.into(),
        pack: Some(pack()),
        policy: Some(JobPolicy { unit_records: 2, ..JobPolicy::default() }),
        ..CreateJobRequest::default()
    }
}

pub(crate) fn header(job: &str, import_id: &str) -> ImportRecordsRequest {
    let header = ImportHeader { job: job.into(), import_id: import_id.into() };
    ImportRecordsRequest { part: Some(Part::Header(header)) }
}

/// Records `first..=last` of a file, after `offset` rows.
pub(crate) fn chunk(offset: u64, first: i64, last: i64, ends: bool) -> ImportRecordsRequest {
    let records = RecordList { records: records(first, last) };
    let body = Some(import_chunk::Body::Records(records));
    ImportRecordsRequest {
        part: Some(Part::Chunk(ImportChunk { offset, body, last: ends, ..ImportChunk::default() })),
    }
}

/// Makes a sealed job of so many records.
pub(crate) async fn make_job(channel: &Channel, name: &str, records: i64) {
    let mut jobs = jobs(channel);
    jobs.create_job(job_request(name)).await.unwrap();
    let parts = vec![header(name, "file"), chunk(0, 1, records, true)];
    jobs.import_records(tokio_stream::iter(parts)).await.unwrap();
    jobs.seal_job(SealJobRequest { job: name.into() }).await.unwrap();
}

pub(crate) fn lease_request(request_id: &str, units: u32) -> LeaseUnitsRequest {
    LeaseUnitsRequest {
        worker_id: "w".into(),
        request_id: request_id.into(),
        capabilities: vec![pack()],
        slots: 16,
        max_units: units,
        wait: None,
        accept_zstd: true,
        ..LeaseUnitsRequest::default()
    }
}

pub(crate) async fn lease(
    channel: &Channel,
    request_id: &str,
    units: u32,
) -> Result<LeaseUnitsResponse, Status> {
    work(channel).lease_units(lease_request(request_id, units)).await.map(tonic::Response::into_inner)
}

pub(crate) fn reference(lease: &Lease) -> LeaseRef {
    LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token.clone() }
}

pub(crate) fn commit(lease: &Lease) -> UnitCommit {
    let (first, last) = (lease.first_seq.cast_signed(), lease.last_seq.cast_signed());
    UnitCommit { lease: Some(reference(lease)), results: Some(encode(&all_valid(first, last))) }
}

/// All units of a job.
pub(crate) async fn units(channel: &Channel, job: &str) -> Vec<UnitStatus> {
    let request = ListUnitsRequest { job: job.into(), page_size: 1000, ..ListUnitsRequest::default() };
    jobs(channel).list_units(request).await.unwrap().into_inner().units
}
