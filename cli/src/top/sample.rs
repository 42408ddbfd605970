//! One look at the schedulers.

use emend_proto::v1::{GetJobRequest, Job, ListJobsRequest, ListWorkersRequest, WorkerStatus};
use tonic::Status;

use crate::client::{Client, call};

/// Far more than any screen shows.
const JOBS: u32 = 200;
const WORKERS: u32 = 1000;

/// What there is at a moment.
#[derive(Debug, Default)]
pub(super) struct Sample {
    /// The newest jobs.
    pub(super) jobs: Vec<Job>,
    /// Workers that hold units.
    pub(super) workers: Vec<WorkerStatus>,
    /// The job that is looked at closely, with its rules and findings.
    pub(super) opened: Option<Job>,
}

impl Sample {
    pub(super) async fn take(client: &Client, opened: Option<u64>) -> Result<Self, Status> {
        let request = ListJobsRequest { page_size: JOBS, ..Default::default() };
        let jobs = call!(client, list_jobs(request))?.jobs;
        let request = ListWorkersRequest { page_size: WORKERS, ..Default::default() };
        let workers = call!(client, list_workers(request))?.workers;
        let opened = match opened.filter(|id| jobs.iter().any(|job| job.id == *id)) {
            Some(id) => {
                let request = GetJobRequest { job: id.to_string(), with_tallies: true };
                call!(client, get_job(request))?.job
            }
            None => None,
        };
        Ok(Self { jobs, workers, opened })
    }
}
