//! What was routed before this router's queue was there, or while the broker had lost it: asked of the schedulers. The
//! database is the truth, events only save looking.

use anyhow::{Context as _, Result};
use emend_proto::v1::{JobState, ListJobsRequest, ListRecordsRequest, Verdict};
use emend_worker::endpoints::Endpoints;

use crate::event::Routed;
use crate::inbox::Inbox;
use crate::route::{jobs, patience};

/// Puts all routed records of jobs that are not over into the inbox.
pub(crate) async fn run(schedulers: &Endpoints, inbox: &Inbox) -> Result<()> {
    let mut page_token = String::new();
    loop {
        let request = ListJobsRequest { page_token, ..ListJobsRequest::default() };
        let call = |line| {
            let (mut jobs, request) = (jobs(line), request.clone());
            async move { jobs.list_jobs(request).await }
        };
        let page = schedulers.call(&patience(), call).await.context("listing jobs")?.into_inner();
        for job in page.jobs {
            if !matches!(job.state(), JobState::Completed | JobState::Cancelled) {
                of_job(schedulers, inbox, job.id).await.context("listing records")?;
            }
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn of_job(schedulers: &Endpoints, inbox: &Inbox, job: u64) -> Result<()> {
    let mut page_token = String::new();
    loop {
        inbox.room().await;
        let request = ListRecordsRequest {
            job: job.to_string(),
            verdict: Verdict::Routed.into(),
            page_token,
            ..ListRecordsRequest::default()
        };
        let call = |line| {
            let (mut jobs, request) = (jobs(line), request.clone());
            async move { jobs.list_records(request).await }
        };
        let page = schedulers.call(&patience(), call).await?.into_inner();
        let found = page.records.iter();
        let found =
            found.map(|record| Routed { id: format!("found-{job}-{}", record.seq), job, seq: record.seq });
        inbox.take(found.collect())?;
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}
