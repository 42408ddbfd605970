//! The operator's pages: jobs, and one job with its lanes, rules, workers and people. They show counts, codes, keys and
//! names of reviewers, and no value of a record.

mod show;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use emend_proto::v1::job_service_server::JobService as _;
use emend_proto::v1::{self, UnitState, Verdict};
use futures::FutureExt as _;
use serde_json::{Value, json};

use super::call::Call;
use super::fault::Fault;
use super::files;
use super::routes::{Handler, Kind, Method, OPERATORS, Route, page};
use crate::domain::caller::Caller;
use crate::service::desk;
use crate::store::Session;

/// Jobs on the page that lists them.
const JOBS: u32 = 100;
/// Workers, and units of one state, on a job's page.
const ROWS: u32 = 100;
/// Failed records on a job's page.
const FAILED: u32 = 20;

/// The routes.
pub(super) const ROUTES: &[Route] = &[
    page("/ops", OPERATORS, |_| async { files::html("ops.html", &[]) }.boxed()),
    look("/ops/api/jobs", |call| async move { answer(jobs(&call).await) }.boxed()),
    look("/ops/api/job", |call| async move { answer(job(&call).await) }.boxed()),
    look("/ops/api/failed", |call| async move { answer(failed(&call).await) }.boxed()),
];

/// A call that changes nothing: pages poll it.
const fn look(path: &'static str, handler: Handler) -> Route {
    Route { method: Method::Get, path, rule: OPERATORS, kind: Kind::Api, handler }
}

fn answer(made: Result<Value, Fault>) -> Result<Response, Fault> {
    Ok(Json(made?).into_response())
}

/// Makes a call of `JobService` as whoever has signed in.
macro_rules! ask {
    ($call:ident, $method:ident, $message:expr) => {
        desk::call(caller($call)?, $message, |request| $call.app().$method(request))
    };
}

fn caller(call: &Call) -> Result<Caller, Fault> {
    let Session { account, grant, .. } = &call.session()?.session;
    Ok(Caller {
        name: Some(account.as_str().into()),
        roles: grant.roles,
        skills: grant.skills.clone().into(),
    })
}

/// The job that is asked for, by its id or name.
fn asked(call: &Call) -> Result<String, Fault> {
    let query = call.uri.query().unwrap_or_default().as_bytes();
    let id = form_urlencoded::parse(query).find(|(name, _)| name == "id");
    id.map(|(_, id)| id.into_owned()).ok_or_else(|| Fault::invalid("id must name a job"))
}

async fn jobs(call: &Call) -> Result<Value, Fault> {
    let request = v1::ListJobsRequest { page_size: JOBS, page_token: String::new() };
    let jobs = ask!(call, list_jobs, request).await?;
    Ok(json!({ "jobs": super::json::list(jobs.jobs, |job| show::job(&job)) }))
}

async fn job(call: &Call) -> Result<Value, Fault> {
    let name = asked(call)?;
    let request = v1::GetJobRequest { job: name.clone(), with_tallies: true };
    let found = ask!(call, get_job, request).await?.job.unwrap_or_default();
    let shift = ask!(call, get_shift, v1::GetShiftRequest { job: name.clone() }).await?;
    let pace = ask!(call, get_pace, v1::GetPaceRequest { job: name.clone() }).await?;
    let workers = v1::ListWorkersRequest { page_size: ROWS, page_token: String::new() };
    let workers = ask!(call, list_workers, workers).await?;
    let progress = found.progress.clone().unwrap_or_default();
    let mut units = Vec::new();
    for (state, count) in
        [(UnitState::SetAside, progress.units_set_aside), (UnitState::Leased, progress.units_leased)]
    {
        if count > 0 {
            let request = v1::ListUnitsRequest {
                job: name.clone(),
                state: state.into(),
                page_size: ROWS,
                page_token: String::new(),
            };
            units.extend(ask!(call, list_units, request).await?.units);
        }
    }
    Ok(show::whole(&found, shift, pace, workers, units))
}

/// Keys of records on which the rules gave up. A call of its own: it reads blocks, and changes seldom.
async fn failed(call: &Call) -> Result<Value, Fault> {
    let request = v1::GetJobRequest { job: asked(call)?, with_tallies: false };
    let found = ask!(call, get_job, request).await?.job.unwrap_or_default();
    if found.policy.is_some_and(|policy| policy.dry_run) {
        return Ok(json!({ "more": false, "records": [] }));
    }
    let request = v1::ListRecordsRequest {
        job: asked(call)?,
        verdict: Verdict::Failed.into(),
        page_size: FAILED,
        ..v1::ListRecordsRequest::default()
    };
    let found = ask!(call, list_records, request).await?;
    let record = |record: v1::RecordView| json!({ "key": record.key, "seq": record.seq, "row": record.row });
    Ok(json!({
        "more": !found.next_page_token.is_empty(),
        "records": super::json::list(found.records, record),
    }))
}
