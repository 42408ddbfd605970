//! From the inbox through a scheduler into the case system.

use std::time::Duration;

use anyhow::{Context as _, Result};
use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::job_service_client::JobServiceClient;
use emend_proto::v1::{GetRecordRequest, GetRecordResponse, Verdict};
use emend_worker::endpoints::{Endpoints, Line, RetryPolicy};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

use crate::cases::{Case, CaseSystem};
use crate::event::{Routed, name};
use crate::inbox::Inbox;

/// How long one try of a call may take, and all tries together before it is said that no scheduler answers.
const CALL: Duration = Duration::from_secs(5);
const CALLS: Duration = Duration::from_secs(30);
/// How long to wait after something went wrong that may right itself.
const PAUSE: Duration = Duration::from_secs(1);

/// Routes until `stop`. An event stays in the inbox until its case is safe.
pub(crate) async fn run(
    inbox: &Inbox,
    schedulers: &Endpoints,
    cases: &impl CaseSystem,
    stop: &CancellationToken,
) {
    let work = async {
        loop {
            let event = inbox.next().await;
            if let Err(error) = route(inbox, schedulers, cases, &event).await {
                let (case, error) = (event.case(), format!("{error:#}"));
                tracing::warn!(case, error, "a case waits");
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn route(inbox: &Inbox, schedulers: &Endpoints, cases: &impl CaseSystem, event: &Routed) -> Result<()> {
    open(schedulers, cases, event.job, event.seq).await?;
    inbox.done(event).context("the inbox")
}

/// Opens the case of a record, or finds it open; whether there is to be one.
pub(crate) async fn open(
    schedulers: &Endpoints,
    cases: &impl CaseSystem,
    job: u64,
    seq: u64,
) -> Result<bool> {
    let name = name(job, seq);
    match fetch(schedulers, job, seq).await {
        Ok(answer) => {
            let Some(case) = case_of(answer)? else { return Ok(false) };
            cases.put(&name, &case).await.context("the case system")?;
            tracing::info!(case = name, "a case is open");
            Ok(true)
        }
        // Deleted, by hand or by retention, since the event was sent: nobody is to decide on it any more.
        Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => {
            tracing::warn!(case = name, reason = status.message(), "the record is gone: no case");
            Ok(false)
        }
        Err(status) => Err(status).context("no scheduler answers"),
    }
}

/// A client of the schedulers' answers: bounded, since a record is.
pub(crate) fn jobs(line: Line) -> JobServiceClient<Line> {
    JobServiceClient::new(line).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

/// How patient calls are.
pub(crate) fn patience() -> RetryPolicy {
    RetryPolicy::within(CALL, CALLS)
}

async fn fetch(schedulers: &Endpoints, job: u64, seq: u64) -> Result<GetRecordResponse, Status> {
    let request = GetRecordRequest { job: job.to_string(), key: String::new(), seq };
    let call = |line| {
        let (mut jobs, request) = (jobs(line), request.clone());
        async move { jobs.get_record(request).await }
    };
    schedulers.call(&patience(), call).await.map(tonic::Response::into_inner)
}

/// The case of a record, if it still needs one.
fn case_of(answer: GetRecordResponse) -> Result<Option<Case>> {
    let record = answer.record.context("an answer has a record")?;
    if record.verdict() != Verdict::Routed {
        return Ok(None);
    }
    let fields = serde_json::from_slice(&record.fields).context("a record is a JSON object")?;
    let findings = record.findings.into_iter().map(|finding| finding.code).collect();
    Ok(Some(Case { key: record.key, findings, fields }))
}
