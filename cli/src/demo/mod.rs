//! The whole of it in one process: records are made, imported, corrected by workers over gRPC on loopback,
//! exported, and measured against their truth; with people, a simulated shift decides the rest.

mod house;
mod people;
mod report;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use emend_proto::v1::{GroupField, JobState, ReviewPolicy, ScheduleChange, Verdict};
use tokio_util::sync::CancellationToken;

pub use people::PeopleReport;
pub use report::{DemoReport, RelationsReport, ShareReport};

use crate::client::Client;
use crate::command::{Until, one, wait};
use crate::export::{self, Only};
use crate::generate::{Generated, generate};
use crate::import::{self, Trial, Wanted};
use crate::input::Format;
use crate::pack;
use house::House;

/// The share of the corrections that people look into.
const SAMPLE: f64 = 0.01;
/// The day of the synthetic data.
const AS_OF: &str = "2021-09-20";

/// What to show.
#[derive(Debug, Clone)]
pub struct Order {
    /// How many records.
    pub records: u64,
    /// What they are made from.
    pub seed: u64,
    /// How many workers, each with one slot.
    pub workers: usize,
    /// Where the job is kept; a temporary file unless given.
    pub store: Option<String>,
    /// Where the files go.
    pub out: PathBuf,
    /// By which fields records are put together; then they have to do with each other.
    pub group_by: Vec<GroupField>,
    /// How many simulated reviewers decide what is for people; none: it is left to them.
    pub reviewers: Option<u32>,
}

impl Order {
    /// The same records are the same job, so that a demo on a store that stays may be run again.
    fn job(&self) -> String {
        let fields: Vec<&str> = self.group_by.iter().map(|by| by.field.as_str()).collect();
        let by = if fields.is_empty() { String::new() } else { format!("-by-{}", fields.join("-")) };
        let people = if self.reviewers.is_some() { "-people" } else { "" };
        format!("demo-{}-{}{by}{people}", self.records, self.seed)
    }
}

/// Runs it all.
///
/// # Errors
/// Whatever went wrong first, or that it was interrupted.
pub async fn run(order: &Order, shutdown: &CancellationToken) -> Result<DemoReport> {
    import::grouping::check_names(&order.group_by, pack::find(emend_vaccination::PACK)?.manifest())?;
    let (out, crowd) = (order.out.clone(), !order.group_by.is_empty());
    let (records, seed) = (order.records, order.seed);
    let stopped = shutdown.cancelled();
    tokio::pin!(stopped);
    let made = tokio::task::spawn_blocking(move || generate(records, seed, crowd, &out));
    let made = tokio::select! {
        made = made => made.context("generating stopped")??,
        () = &mut stopped => bail!("interrupted"),
    };
    let mut house = House::open(order).await?;
    let client = house.client.clone();
    let shown = tokio::select! {
        shown = show(order, &made, &client, shutdown) => shown,
        fault = house.fault() => Err(fault),
        () = &mut stopped => Err(anyhow::anyhow!("interrupted")),
    };
    house.close().await;
    let report = shown?;
    let path = order.out.join("report.json");
    std::fs::write(&path, serde_json::to_string_pretty(&report)? + "\n")
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(report)
}

async fn show(
    order: &Order,
    made: &Generated,
    client: &Client,
    shutdown: &CancellationToken,
) -> Result<DemoReport> {
    let name = order.job();
    import::run(client, &import_order(order, made)).await?;
    let job = wait(client, &name, Until::Reviewing).await?;
    if job.state() == JobState::Cancelled {
        bail!("job `{name}` was cancelled");
    }
    write(client, &name, &order.out.join("corrected.csv"), Only::default(), false).await?;
    let routed = Only::these([Verdict::Routed, Verdict::Failed]);
    write(client, &name, &order.out.join("routed.csv"), routed, true).await?;
    let rules = export::measure(client, &name, &made.truth).await?;
    let people = match order.reviewers {
        Some(reviewers) => Some(people::decide(order, reviewers, made, client, shutdown).await?),
        None => None,
    };
    Ok(DemoReport {
        job: one(client, &name).await?,
        quality: rules.quality,
        relations: rules.relations.as_ref().map(Into::into),
        people,
        peak_memory_bytes: report::peak_memory(),
    })
}

fn import_order(order: &Order, made: &Generated) -> import::Order {
    // Nobody changes their mind, so nothing has to wait for it.
    let undo = order.reviewers.map(|_| prost_types::Duration::default());
    let sample = if order.reviewers.is_some() { SAMPLE } else { 0.0 };
    import::Order {
        file: made.file.clone(),
        format: Format::Csv,
        encoding: None,
        job: Wanted {
            name: order.job(),
            pack: emend_vaccination::PACK.to_owned(),
            validators: Vec::new(),
            as_of: Some(AS_OF.to_owned()),
            unit_records: None,
            group_by: order.group_by.clone(),
            schedule: ScheduleChange::default(),
            reviews: ReviewPolicy { undo, sample, ..ReviewPolicy::default() },
            trial: Trial::default(),
            findings: Vec::new(),
        },
        keep_open: false,
        rejects: None,
    }
}

async fn write(client: &Client, job: &str, out: &Path, only: Only, provenance: bool) -> Result<()> {
    let (job, out) = (job.to_owned(), out.to_owned());
    let order = export::Order { job, out, format: Format::Csv, only, provenance, partial: false };
    export::run(client, &order).await.map(drop)
}
