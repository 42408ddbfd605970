//! `JobService`: what operators and programs call.

use emend_proto::v1::job_service_server::JobService;
use emend_proto::v1::{self};
use prost::Message as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::accounts::who;
use super::work::duration;
use super::{App, guard, job_ref, page_after, page_size, schedule, status, views};
use crate::domain::fold::Normaliser;
use crate::domain::grouping::GroupField;
use crate::domain::job::{JobPolicy, JobSpec, ReviewPolicy};
use crate::store::Job;
use crate::trace;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl JobService for App {
    type WatchJobStream = ReceiverStream<Result<v1::WatchJobResponse, Status>>;
    type ExportRecordsStream = ReceiverStream<Result<v1::ExportRecordsResponse, Status>>;

    async fn create_job(&self, request: Request<v1::CreateJobRequest>) -> Answer<v1::CreateJobResponse> {
        let (request, now) = (request.into_inner(), self.clock.now());
        let schedule = schedule::read(request.schedule.unwrap_or_default(), now)?;
        let created = self.store.create_job(read_spec(request)?, schedule, now).await;
        let (job, created) = created.map_err(status::from_store)?;
        if created {
            tracing::info!(job_id = job.id, job = %job.spec.name, "job created");
        }
        Ok(Response::new(v1::CreateJobResponse { job: Some(self.view(job).await?), created }))
    }

    async fn import_records(
        &self,
        request: Request<Streaming<v1::ImportRecordsRequest>>,
    ) -> Answer<v1::ImportRecordsResponse> {
        let import = self.import(request.into_inner()).await?;
        Ok(Response::new(v1::ImportRecordsResponse { import: Some(views::import(import)) }))
    }

    async fn list_rejects(
        &self,
        request: Request<v1::ListRejectsRequest>,
    ) -> Answer<v1::ListRejectsResponse> {
        let request = request.into_inner();
        let job = self.find(&request.job).await?;
        let (after, limit) = (page_after(&request.page_token)?, page_size(request.page_size, 1_000, 10_000));
        let rejects =
            self.store.rejects(job.id, request.import_id, after, limit).await.map_err(status::from_store)?;
        let next =
            rejects.last().filter(|_| rejects.len() == limit as usize).map(|(number, _)| number.to_string());
        let rejects = rejects
            .into_iter()
            .map(|(_, reject)| v1::Reject { row: reject.row.unsigned_abs(), code: reject.code });
        Ok(Response::new(v1::ListRejectsResponse {
            rejects: rejects.collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn seal_job(&self, request: Request<v1::SealJobRequest>) -> Answer<v1::SealJobResponse> {
        let job = job_ref(&request.into_inner().job)?;
        let job = self.store.seal_job(job, self.clock.now()).await.map_err(status::from_store)?;
        Ok(Response::new(v1::SealJobResponse { job: Some(self.view(job).await?) }))
    }

    async fn get_job(&self, request: Request<v1::GetJobRequest>) -> Answer<v1::GetJobResponse> {
        let request = request.into_inner();
        let job = self.find(&request.job).await?;
        let (id, paused) = (job.id, job.paused_rules.clone());
        let mut job = self.view(job).await?;
        if request.with_tallies {
            views::add_tallies(&mut job, self.store.tallies(id).await.map_err(status::from_store)?);
            let quality = self.store.rule_quality(id).await.map_err(status::from_store)?;
            views::add_quality(&mut job, quality, &paused);
        }
        Ok(Response::new(v1::GetJobResponse { job: Some(job) }))
    }

    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Answer<v1::ListJobsResponse> {
        let request = request.into_inner();
        let before = match page_after(&request.page_token)? {
            0 => i64::MAX,
            before => before,
        };
        let limit = page_size(request.page_size, 50, 500);
        let found = self.store.jobs(before, limit).await.map_err(status::from_store)?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|job| job.id.to_string());
        let mut jobs = Vec::with_capacity(found.len());
        for job in found {
            jobs.push(self.view(job).await?);
        }
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token: next.unwrap_or_default() }))
    }

    async fn watch_job(&self, request: Request<v1::WatchJobRequest>) -> Answer<Self::WatchJobStream> {
        self.watch(request.into_inner()).await.map(Response::new)
    }

    async fn pause_job(&self, request: Request<v1::PauseJobRequest>) -> Answer<v1::PauseJobResponse> {
        let job = self.pause(&request.into_inner().job, true).await?;
        Ok(Response::new(v1::PauseJobResponse { job: Some(job) }))
    }

    async fn resume_job(&self, request: Request<v1::ResumeJobRequest>) -> Answer<v1::ResumeJobResponse> {
        let job = self.pause(&request.into_inner().job, false).await?;
        self.ready.ring();
        Ok(Response::new(v1::ResumeJobResponse { job: Some(job) }))
    }

    async fn update_job(&self, request: Request<v1::UpdateJobRequest>) -> Answer<v1::UpdateJobResponse> {
        let (request, now) = (request.into_inner(), self.clock.now());
        let change = schedule::read_change(request.schedule.unwrap_or_default(), now)?;
        let job = self.store.update_job(job_ref(&request.job)?, change, now).await;
        let job = job.map_err(status::from_store)?;
        let (priority, weight) = (job.schedule.priority, job.schedule.weight);
        tracing::info!(job_id = job.id, priority, weight, "job rescheduled");
        Ok(Response::new(v1::UpdateJobResponse { job: Some(self.view(job).await?) }))
    }

    async fn cancel_job(&self, request: Request<v1::CancelJobRequest>) -> Answer<v1::CancelJobResponse> {
        let job = job_ref(&request.into_inner().job)?;
        let job = self.store.cancel_job(job, self.clock.now()).await.map_err(status::from_store)?;
        tracing::info!(job_id = job.id, "job cancelled");
        Ok(Response::new(v1::CancelJobResponse { job: Some(self.view(job).await?) }))
    }

    async fn delete_job(&self, request: Request<v1::DeleteJobRequest>) -> Answer<v1::DeleteJobResponse> {
        let job = request.into_inner().job;
        self.store.delete_job(job_ref(&job)?).await.map_err(status::from_store)?;
        tracing::info!(job, "job deleted");
        Ok(Response::new(v1::DeleteJobResponse {}))
    }

    async fn export_records(
        &self,
        request: Request<v1::ExportRecordsRequest>,
    ) -> Answer<Self::ExportRecordsStream> {
        let who = who(&request);
        self.export(who, request.into_inner()).await.map(Response::new)
    }

    async fn get_record(&self, request: Request<v1::GetRecordRequest>) -> Answer<v1::GetRecordResponse> {
        let who = who(&request);
        self.record(who, request.into_inner()).await.map(Response::new)
    }

    async fn list_records(
        &self,
        request: Request<v1::ListRecordsRequest>,
    ) -> Answer<v1::ListRecordsResponse> {
        let who = who(&request);
        self.records(who, request.into_inner()).await.map(Response::new)
    }

    async fn list_units(&self, request: Request<v1::ListUnitsRequest>) -> Answer<v1::ListUnitsResponse> {
        let request = request.into_inner();
        let job = self.find(&request.job).await?;
        let state = views::read_unit_state(request.state());
        let (after, limit) = (page_after(&request.page_token)?, page_size(request.page_size, 100, 1_000));
        let units = self.store.units(job.id, state, after, limit).await.map_err(status::from_store)?;
        let next = units
            .last()
            .filter(|_| units.len() == limit as usize)
            .map(|unit| unit.unit.first_seq.to_string());
        let now = self.clock.now();
        Ok(Response::new(v1::ListUnitsResponse {
            units: units.into_iter().map(|unit| views::unit(unit, now)).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn list_workers(
        &self,
        request: Request<v1::ListWorkersRequest>,
    ) -> Answer<v1::ListWorkersResponse> {
        let request = request.into_inner();
        let limit = page_size(request.page_size, 100, 1_000);
        let workers = self.store.workers(request.page_token, limit).await.map_err(status::from_store)?;
        let next = workers.last().filter(|_| workers.len() == limit as usize);
        let next_page_token = next.map(|worker| worker.worker.clone()).unwrap_or_default();
        let now = self.clock.now();
        let workers = workers.into_iter().map(|worker| views::worker(worker, now)).collect();
        Ok(Response::new(v1::ListWorkersResponse { workers, next_page_token }))
    }

    async fn get_shift(&self, request: Request<v1::GetShiftRequest>) -> Answer<v1::GetShiftResponse> {
        self.people(&request.into_inner().job).await.map(Response::new)
    }

    async fn get_pace(&self, request: Request<v1::GetPaceRequest>) -> Answer<v1::GetPaceResponse> {
        self.pace(&request.into_inner().job).await.map(Response::new)
    }

    async fn retry_units(&self, request: Request<v1::RetryUnitsRequest>) -> Answer<v1::RetryUnitsResponse> {
        let request = request.into_inner();
        let units = request.unit_ids.into_iter().map(i64::try_from).collect::<Result<Vec<_>, _>>();
        let units = units.map_err(|_| status::invalid("unit_ids", "one is out of range"))?;
        let retried =
            self.store.retry_units(job_ref(&request.job)?, units).await.map_err(status::from_store)?;
        self.ready.ring();
        Ok(Response::new(v1::RetryUnitsResponse { retried }))
    }

    async fn approve_job(&self, request: Request<v1::ApproveJobRequest>) -> Answer<v1::ApproveJobResponse> {
        let job = self.approve(&request.into_inner().job).await?;
        Ok(Response::new(v1::ApproveJobResponse { job: Some(job) }))
    }

    async fn list_samples(
        &self,
        request: Request<v1::ListSamplesRequest>,
    ) -> Answer<v1::ListSamplesResponse> {
        let who = who(&request);
        let samples = self.samples(who, request.into_inner()).await?;
        Ok(Response::new(v1::ListSamplesResponse { samples }))
    }

    async fn revise_job(&self, request: Request<v1::ReviseJobRequest>) -> Answer<v1::ReviseJobResponse> {
        self.revise(request.into_inner()).await.map(Response::new)
    }

    async fn list_revisions(
        &self,
        request: Request<v1::ListRevisionsRequest>,
    ) -> Answer<v1::ListRevisionsResponse> {
        let revisions = self.revisions(&request.into_inner().job).await?;
        Ok(Response::new(v1::ListRevisionsResponse { revisions }))
    }

    async fn withdraw_version(
        &self,
        request: Request<v1::WithdrawVersionRequest>,
    ) -> Answer<v1::WithdrawVersionResponse> {
        let jobs = self.withdraw(request.into_inner().version).await?;
        Ok(Response::new(v1::WithdrawVersionResponse { jobs }))
    }
}

impl App {
    /// A job with its progress and imports.
    pub(super) async fn view(&self, job: Job) -> Result<v1::Job, Status> {
        let progress = self.progress(&job).await?;
        let imports = self.store.imports(job.id).await.map_err(status::from_store)?;
        let (id, open) = (job.id, job.units_done_at.is_none() && !job.state.has_ended());
        // Only a paused job can run what was withdrawn.
        let withdrawn = if job.paused { self.store.withdrawn(&job.spec).await } else { Ok(Vec::new()) };
        let withdrawn = withdrawn.map_err(status::from_store)?;
        let (by, state) = (job.spec.group_by.clone(), job.state);
        let grouping = if by.is_empty() { Ok(None) } else { self.store.grouping(id).await };
        let grouping = grouping.map_err(status::from_store)?;
        let mut view = views::job(job, &progress, imports, self.clock.now(), self.config.retention());
        view.grouping = grouping.map(|grouping| views::grouping(by, state, &grouping));
        view.withdrawn = withdrawn.iter().map(|version| views::pack_ref(version)).collect();
        if let Some(progress) = view.progress.as_mut().filter(|_| open) {
            self.look_ahead(id, progress).await.map_err(status::from_store)?;
        }
        Ok(view)
    }

    async fn pause(&self, job: &str, paused: bool) -> Result<v1::Job, Status> {
        let job = self.store.pause_job(job_ref(job)?, paused).await.map_err(status::from_store)?;
        tracing::info!(job_id = job.id, paused, "job steered");
        self.view(job).await
    }
}

/// Zeros of a policy are its defaults.
fn read_spec(request: v1::CreateJobRequest) -> Result<JobSpec, Status> {
    let group_by = read_grouping(&request)?;
    let default = JobPolicy::default();
    let asked = request.policy.unwrap_or_default();
    let reviews = read_reviews(asked.reviews.clone().unwrap_or_default(), request.manifest.as_ref());
    let or = |asked, default| if asked == 0 { default } else { asked };
    let pack = request.pack.unwrap_or_default();
    Ok(JobSpec {
        name: request.name,
        pack: pack.name,
        pack_version: pack.version,
        validators: request.validators.iter().map(|link| format!("{}@{}", link.name, link.version)).collect(),
        manifest: request.manifest.unwrap_or_default().encode_to_vec(),
        as_of: request.as_of,
        policy: JobPolicy {
            unit_records: or(asked.unit_records, default.unit_records),
            unit_bytes: or(asked.unit_bytes, default.unit_bytes),
            attempts: or(asked.attempts, default.attempts),
        },
        reviews,
        guard: guard::read(&asked),
        rules_off: request.rules_off,
        group_by,
        traceparent: trace::current(),
    })
}

/// Where the request names no normaliser, the manifest does.
fn read_grouping(request: &v1::CreateJobRequest) -> Result<Vec<GroupField>, Status> {
    let fields = request.manifest.iter().flat_map(|manifest| &manifest.fields);
    let read = |asked: &v1::GroupField| {
        let told =
            fields.clone().find(|field| field.name == asked.field).map(|field| field.normaliser.as_str());
        let word = if asked.normaliser.is_empty() { told.unwrap_or_default() } else { &asked.normaliser };
        let normaliser = if word.is_empty() { Some(Normaliser::default()) } else { Normaliser::parse(word) };
        let normaliser = normaliser.ok_or_else(|| {
            status::invalid("group_by.normaliser", "must be \"exact\", \"text\", \"digits\" or \"date\"")
        })?;
        Ok(GroupField { field: asked.field.clone(), normaliser })
    };
    request.group_by.iter().map(read).collect()
}

/// Millionths of a share; what is none is too much, and is refused as that.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
pub(super) fn ppm(share: f64) -> u32 {
    if (0.0..=1.0).contains(&share) { (share * 1e6).round() as u32 } else { u32::MAX }
}

/// Where the request names nothing that people must agree on, the manifest does.
fn read_reviews(asked: v1::ReviewPolicy, manifest: Option<&v1::Manifest>) -> ReviewPolicy {
    let default = ReviewPolicy::default();
    let undo = asked.undo.map_or(default.undo, |undo| duration(Some(undo)));
    let mut agree = asked.agree;
    if agree.is_empty() {
        let told = manifest.into_iter().flat_map(|manifest| &manifest.findings);
        agree = told.filter(|finding| finding.agree).map(|finding| finding.code.clone()).collect();
    }
    agree.sort();
    agree.dedup();
    let ppm = |share: f64, default| if share == 0.0 { default } else { ppm(share) };
    ReviewPolicy {
        undo,
        agree,
        sample_ppm: ppm(asked.sample, default.sample_ppm),
        error_limit_ppm: ppm(asked.error_limit, default.error_limit_ppm),
    }
}
