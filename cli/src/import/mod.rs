//! Brings a file into a job: as often as it takes, and never twice.

mod cutter;
mod digest;
mod gather;
mod job;
mod rejects;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::{
    GetJobRequest, Import, ImportHeader, ImportRecordsRequest, Job, JobState, SealJobRequest,
    import_records_request::Part,
};

pub use cutter::Limits;
pub(crate) use job::grouping;
pub use job::{Trial, Wanted};

use crate::client::{Broken, Client, Patience, call, explain};
use crate::input::{FieldNames, Format, Source};
use crate::pack;
use crate::term::Bar;
use stream::Break;

/// What to import, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// The file.
    pub file: PathBuf,
    /// What it is.
    pub format: Format,
    /// Its encoding when one was named.
    pub encoding: Option<&'static encoding_rs::Encoding>,
    /// The job it goes into.
    pub job: Wanted,
    /// More files follow: do not seal.
    pub keep_open: bool,
    /// Where the rejects go; beside the file unless told otherwise.
    pub rejects: Option<PathBuf>,
}

/// How it went.
#[derive(Debug, serde::Serialize)]
pub struct Summary {
    /// The job's name.
    pub job: String,
    /// Its id.
    pub job_id: u64,
    /// Whether the job was made for this file.
    pub created: bool,
    /// The file's digest.
    pub import_id: String,
    /// Rows in the file, without blank lines.
    pub rows: u64,
    /// Rows that are records of the job now.
    pub accepted: u64,
    /// Rows that were in the job before, with the same values.
    pub already_there: u64,
    /// Rows that were not taken.
    pub rejected: u64,
    /// Where they are listed.
    pub rejects_file: Option<PathBuf>,
    /// Rows that an earlier run had brought in.
    pub resumed_at: u64,
    /// Whether the file had been imported wholly before: nothing was sent.
    pub nothing_new: bool,
    /// Whether the job takes more records.
    pub sealed: bool,
}

/// Imports a file.
///
/// # Errors
/// When the file cannot be read or the scheduler does not take it. What it took, it keeps: the same call goes on.
pub async fn run(client: &Client, order: &Order) -> Result<Summary> {
    let file = &order.file;
    let size = std::fs::metadata(file).with_context(|| file.display().to_string())?.len();
    let found = job::find(client, &order.job).await?;
    let created = found.is_none();
    let manifest = match &found {
        Some(job) => job::from_wire(job),
        None => pack::find(&order.job.pack)?.manifest().clone(),
    };
    let mut source = Source {
        path: file.clone(),
        format: order.format,
        encoding: order.encoding,
        names: FieldNames::of(&manifest),
        max_payload: 0,
    };
    // A file that cannot be read makes no job.
    let checked = source.clone();
    tokio::task::spawn_blocking(move || checked.open(Arc::default()).map(drop)).await??;
    let job = match found {
        Some(job) => job,
        None => job::create(client, &order.job, manifest).await?,
    };
    let client = &client.clone().patient();
    let limits = Limits::of(job.policy.as_ref());
    source.max_payload = limits.bytes;
    let hashed = source.clone();
    let import_id = tokio::task::spawn_blocking(move || digest::import_id(&hashed)).await??;
    let header = ImportHeader { job: job.id.to_string(), import_id: import_id.clone() };

    let name = order.job.name.as_str();
    let begun = where_to_go_on(client, name, &header).await?;
    let import = match begun.finished {
        true => begun.clone(),
        false => send_all(client, name, &source, limits, &header, size).await?,
    };
    let sealed = seal(client, &job, order).await?;
    let rejects_file = match import.rejected {
        0 => None,
        _ => {
            let path = order.rejects.clone().unwrap_or_else(|| rejects::default_path(file));
            rejects::write(client, name, &import_id, &path).await?;
            Some(path)
        }
    };
    if sealed {
        gather::wait(client, &job).await?;
    }
    Ok(Summary {
        job: job.name,
        job_id: job.id,
        created,
        import_id,
        rows: import.next_offset,
        accepted: import.accepted,
        already_there: import.already_there,
        rejected: import.rejected,
        rejects_file,
        resumed_at: if begun.finished { 0 } else { begun.next_offset },
        nothing_new: begun.finished,
        sealed,
    })
}

/// Sends until everything is there, taking a broken stream up again.
async fn send_all(
    client: &Client,
    name: &str,
    source: &Source,
    limits: Limits,
    header: &ImportHeader,
    size: u64,
) -> Result<Import> {
    let (mut patience, bar) = (Patience::default(), Bar::over_file("importing", size));
    let mut reached = 0;
    loop {
        let import = where_to_go_on(client, name, header).await?;
        if import.finished {
            bar.finish();
            return Ok(import);
        }
        if import.next_offset > reached {
            reached = import.next_offset;
            patience.progress();
        }
        let sent = stream::send(client, header.clone(), source, limits, import.next_offset, &bar).await;
        match sent {
            Ok(import) if import.finished => {
                bar.finish();
                return Ok(import);
            }
            Ok(_) => bail!("the scheduler says that the import is not finished; run it again"),
            Err(Break::File(error)) => return Err(error),
            Err(Break::Scheduler(status)) => match patience.broke(&status) {
                Broken::Over => return Err(explain(&status, name)),
                Broken::Again(wait) => {
                    client.move_on();
                    tokio::time::sleep(wait).await;
                }
            },
        }
    }
}

/// Asks with a header alone how many rows are there.
async fn where_to_go_on(client: &Client, name: &str, header: &ImportHeader) -> Result<Import> {
    let request = ImportRecordsRequest { part: Some(Part::Header(header.clone())) };
    let answer = client.call(request, |mut jobs, request| async move {
        jobs.import_records(tokio_stream::once(request)).await
    });
    let answer = answer.await.map_err(|status| explain(&status, name))?;
    answer.import.context("the scheduler answered without totals")
}

/// Seals the job unless it is to stay open; whether it is sealed.
async fn seal(client: &Client, job: &Job, order: &Order) -> Result<bool> {
    let name = order.job.name.as_str();
    let request = GetJobRequest { job: job.id.to_string(), with_tallies: false };
    let now = call!(client, get_job(request)).map_err(|status| explain(&status, name))?;
    if now.job.unwrap_or_default().state() != JobState::Importing {
        return Ok(true);
    }
    if order.keep_open {
        return Ok(false);
    }
    let request = SealJobRequest { job: job.id.to_string() };
    call!(client, seal_job(request)).map_err(|status| explain(&status, name))?;
    Ok(true)
}
