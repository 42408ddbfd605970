//! Errors as callers see them: code, stable reason, and the field at fault.

use emend_proto::encode;
use emend_proto::v1::{
    Block, CreateJobRequest, DeleteJobRequest, ExportRecordsRequest, GetJobRequest, GetRecordRequest,
    ImportChunk, ImportRecordsRequest, JobPolicy, LeaseUnitsRequest, ListJobsRequest, PackRef,
    PauseJobRequest, SealJobRequest, import_chunk, import_records_request::Part,
};
use emend_tests::database::Backend;
use emend_tests::records::records;
use emend_tests::scheduler::{Scheduler, jobs, work};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::support::{chunk, header, job_request, lease_request, make_job};

super::on_both_backends!(
    what_is_not_there_or_does_not_go_has_a_reason,
    a_field_at_fault_is_named,
    imports_that_do_not_go_on_have_a_reason,
);

/// Checks an error's code and reason, in our domain.
fn told(error: &Status, code: Code, reason: &str) {
    assert_eq!(error.code(), code, "{error:?}");
    let info = error.get_details_error_info().expect("an error carries its reason");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "emend"));
    assert!(!error.message().is_empty());
}

fn named(error: &Status, fields: &[&str]) {
    told(error, Code::InvalidArgument, "INVALID_REQUEST");
    let request = error.get_details_bad_request().expect("it says which field");
    let found: Vec<_> = request.field_violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(found, fields);
}

async fn what_is_not_there_or_does_not_go_has_a_reason(backend: Backend) {
    let scheduler = Scheduler::start(backend).await;
    let channel = scheduler.channel();
    make_job(&channel, "j", 4).await;
    let mut jobs = jobs(&channel);
    let unknown = jobs.get_job(GetJobRequest { job: "none".into(), with_tallies: false }).await.unwrap_err();
    told(&unknown, Code::NotFound, "JOB_NOT_FOUND");
    let differs = CreateJobRequest { as_of: "2021-09-20".into(), ..job_request("j") };
    told(&jobs.create_job(differs).await.unwrap_err(), Code::AlreadyExists, "JOB_DIFFERS");
    let record = GetRecordRequest { job: "j".into(), key: "none".into(), seq: 0 };
    told(&jobs.get_record(record).await.unwrap_err(), Code::NotFound, "RECORD_NOT_FOUND");
    let export = ExportRecordsRequest { job: "j".into(), ..ExportRecordsRequest::default() };
    told(&jobs.export_records(export).await.unwrap_err(), Code::FailedPrecondition, "JOB_UNFINISHED");
    let delete = DeleteJobRequest { job: "j".into() };
    told(&jobs.delete_job(delete).await.unwrap_err(), Code::FailedPrecondition, "JOB_NOT_ENDED");
    jobs.cancel_job(emend_proto::v1::CancelJobRequest { job: "j".into() }).await.unwrap();
    let pause = PauseJobRequest { job: "j".into() };
    told(&jobs.pause_job(pause).await.unwrap_err(), Code::FailedPrecondition, "JOB_ENDED");
    scheduler.stop().await;
}

async fn a_field_at_fault_is_named(backend: Backend) {
    let scheduler = Scheduler::start(backend).await;
    let channel = scheduler.channel();
    let wrong = CreateJobRequest {
        name: "a b".into(),
        pack: Some(PackRef { name: String::new(), version: "1".into() }),
        as_of: "20/09/2021".into(),
        policy: Some(JobPolicy { unit_records: 10_001, ..JobPolicy::default() }),
        ..CreateJobRequest::default()
    };
    let error = jobs(&channel).create_job(wrong).await.unwrap_err();
    named(&error, &["name", "pack.name", "as_of", "policy.unit_records"]);
    let page = ListJobsRequest { page_token: "x".into(), ..ListJobsRequest::default() };
    named(&jobs(&channel).list_jobs(page).await.unwrap_err(), &["page_token"]);
    let lease = async |request: LeaseUnitsRequest| work(&channel).lease_units(request).await.unwrap_err();
    named(
        &lease(LeaseUnitsRequest { worker_id: String::new(), ..lease_request("r", 1) }).await,
        &["worker_id"],
    );
    named(&lease(lease_request("", 1)).await, &["request_id"]);
    named(&lease(lease_request("r", 1_000)).await, &["max_units"]);
    named(&lease(lease_request("r", 0)).await, &["max_units"]);
    scheduler.stop().await;
}

async fn import(channel: &Channel, parts: Vec<ImportRecordsRequest>) -> Result<u64, Status> {
    let answer = jobs(channel).import_records(tokio_stream::iter(parts)).await?;
    Ok(answer.into_inner().import.unwrap_or_default().next_offset)
}

async fn imports_that_do_not_go_on_have_a_reason(backend: Backend) {
    let scheduler = Scheduler::start(backend).await;
    let channel = scheduler.channel();
    jobs(&channel).create_job(job_request("j")).await.unwrap();
    named(&import(&channel, vec![chunk(0, 1, 2, true)]).await.unwrap_err(), &["header"]);
    named(&import(&channel, vec![header("j", "")]).await.unwrap_err(), &["header.import_id"]);
    assert_eq!(import(&channel, vec![header("j", "file"), chunk(0, 1, 4, false)]).await.unwrap(), 4);
    // A header alone asks where to go on.
    assert_eq!(import(&channel, vec![header("j", "file")]).await.unwrap(), 4);
    let gap = import(&channel, vec![header("j", "file"), chunk(6, 7, 8, true)]).await.unwrap_err();
    told(&gap, Code::OutOfRange, "OFFSET_GAP");
    let block = encode(&records(5, 6));
    let damaged = Block { checksum: block.checksum ^ 1, ..block };
    let body = Some(import_chunk::Body::Block(damaged));
    let part = Part::Chunk(ImportChunk { offset: 4, body, ..ImportChunk::default() });
    let torn = import(&channel, vec![header("j", "file"), ImportRecordsRequest { part: Some(part) }]).await;
    told(&torn.unwrap_err(), Code::DataLoss, "CHECKSUM_MISMATCH");
    let seal = SealJobRequest { job: "j".into() };
    let open = jobs(&channel).seal_job(seal.clone()).await.unwrap_err();
    told(&open, Code::FailedPrecondition, "IMPORT_UNFINISHED");
    assert_eq!(import(&channel, vec![header("j", "file"), chunk(4, 5, 6, true)]).await.unwrap(), 6);
    jobs(&channel).seal_job(seal).await.unwrap();
    let sealed = import(&channel, vec![header("j", "other"), chunk(0, 7, 8, true)]).await.unwrap_err();
    told(&sealed, Code::FailedPrecondition, "JOB_SEALED");
    assert_eq!(import(&channel, vec![header("j", "file"), chunk(0, 1, 6, true)]).await.unwrap(), 6);
    scheduler.stop().await;
}
