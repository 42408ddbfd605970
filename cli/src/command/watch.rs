//! Follows a job, whatever happens to the connection.

use anyhow::{Context as _, Result};
use emend_proto::v1::{GetJobRequest, Job, JobState, WatchJobRequest};

use crate::client::{Broken, Client, Patience, call, explain};

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    Stay,
    Leave,
}

/// Calls `each` with the job as it changes, until `each` leaves or the job has ended; the job as seen last.
pub(super) async fn watch(
    client: &Client,
    job: &str,
    mut each: impl FnMut(&Job) -> Result<Watch>,
) -> Result<Job> {
    // A wrong name, or a scheduler that was never there, is said soon; one that goes away is waited for.
    let request = GetJobRequest { job: job.to_owned(), with_tallies: false };
    call!(client, get_job(request)).map_err(|status| explain(&status, job))?;
    let (mut patience, mut resume_token) = (Patience::default(), String::new());
    let mut last = None;
    loop {
        let request = WatchJobRequest { job: job.to_owned(), resume_token: resume_token.clone() };
        let status = match client.jobs().watch_job(request).await {
            Err(status) => status,
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Err(status) => break status,
                        // The end comes with the job's; a stream that ends before was cut by a scheduler that stops.
                        Ok(None) if last.as_ref().is_some_and(has_ended) => {
                            return last.context("seen above");
                        }
                        Ok(None) => break tonic::Status::unavailable("the stream ended"),
                        Ok(Some(answer)) => {
                            patience.progress();
                            resume_token = answer.resume_token;
                            let Some(job) = answer.job else { continue };
                            let watch = each(&job)?;
                            if watch == Watch::Leave || has_ended(&job) {
                                return Ok(job);
                            }
                            last = Some(job);
                        }
                    }
                }
            }
        };
        match patience.broke(&status) {
            Broken::Over => return Err(explain(&status, job)),
            Broken::Again(wait) => {
                client.move_on();
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Whether nothing more happens to it.
pub(super) fn has_ended(job: &Job) -> bool {
    matches!(job.state(), JobState::Completed | JobState::Cancelled)
}
