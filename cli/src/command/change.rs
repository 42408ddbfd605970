//! `emend pause`, `resume`, `cancel`, `delete`, `retry`.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use emend_proto::v1::{
    CancelJobRequest, DeleteJobRequest, Job, PauseJobRequest, ResumeJobRequest, RetryUnitsRequest,
};

use super::{client, plural, print, print_json};
use crate::args::{Common, DeleteArgs, JobArgs, Remote, RetryArgs};
use crate::client::{call, explain};
use crate::exit::{Exit, Usage};
use crate::report::Report;

pub(super) async fn pause(args: JobArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = PauseJobRequest { job: args.job.clone() };
    let answer = call!(client, pause_job(request)).map_err(|status| explain(&status, &args.job))?;
    show(answer.job, "paused; leases that live may still commit", &args.remote)
}

pub(super) async fn resume(args: JobArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = ResumeJobRequest { job: args.job.clone() };
    let answer = call!(client, resume_job(request)).map_err(|status| explain(&status, &args.job))?;
    show(answer.job, "goes on", &args.remote)
}

pub(super) async fn cancel(args: JobArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = CancelJobRequest { job: args.job.clone() };
    let answer = call!(client, cancel_job(request)).map_err(|status| explain(&status, &args.job))?;
    show(answer.job, "cancelled; what was committed stays", &args.remote)
}

pub(super) async fn delete(args: DeleteArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    if !args.yes && !confirmed(&args.job)? {
        return Ok(Exit::Failed);
    }
    let request = DeleteJobRequest { job: args.job.clone() };
    call!(client, delete_job(request)).map_err(|status| explain(&status, &args.job))?;
    if args.remote.json {
        print_json(&serde_json::json!({"job": args.job, "deleted": true}))?;
    } else {
        print(&format!("job {} deleted", args.job))?;
    }
    Ok(Exit::Done)
}

pub(super) async fn retry(args: RetryArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = RetryUnitsRequest { job: args.job.clone(), unit_ids: args.units };
    let answer = call!(client, retry_units(request)).map_err(|status| explain(&status, &args.job))?;
    if args.remote.json {
        print_json(&serde_json::json!({"job": args.job, "retried": answer.retried}))?;
    } else {
        print(&format!("{} ready again", plural(answer.retried, "unit")))?;
    }
    Ok(Exit::Done)
}

pub(super) fn show(job: Option<Job>, what: &str, remote: &Remote) -> Result<Exit> {
    let report = Report::of(&job.unwrap_or_default());
    if remote.json {
        print_json(&report)?;
    } else {
        print(&format!("job {} {what}", report.job))?;
    }
    Ok(Exit::Done)
}

/// Asks on a terminal. A script has to say --yes.
fn confirmed(job: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Usage::new("deleting cannot be taken back; say --yes where nobody can be asked"));
    }
    eprint!("Delete job {job} with all its records and results? This cannot be taken back. [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
