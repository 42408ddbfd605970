//! One job from file to file through separate processes.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::data::Data;
use super::server::{Server, settle};
use crate::process::{Deployment, Usage};

/// Far above what any run takes.
const LIMIT: Duration = Duration::from_secs(3 * 3600);

/// The job's name.
pub(super) const JOB: &str = "bench";

/// Where Emend keeps the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Postgres,
    Sqlite,
}

impl Store {
    /// What it is called in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "Emend on PostgreSQL",
            Self::Sqlite => "Emend on SQLite",
        }
    }
}

/// How long each part of a run took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Phases {
    /// The file into the store. Emend's workers work meanwhile.
    pub(super) import: Duration,
    /// From there until the last record has its result.
    pub(super) process: Duration,
    /// From the store into a file.
    pub(super) export: Duration,
}

impl Phases {
    pub(super) fn total(&self) -> Duration {
        self.import + self.process + self.export
    }
}

/// One measured run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) name: &'static str,
    pub(super) phases: Phases,
    /// What each process used.
    pub(super) used: Vec<(&'static str, Usage)>,
    /// Names the exported file's content.
    pub(super) export_digest: Option<blake3::Hash>,
    /// What a broker was told of it.
    pub(super) told: Option<Told>,
}

/// The events of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// How many it had to tell; all of them arrived.
    pub(super) events: usize,
    /// How many messages were another copy of one.
    pub(super) again: usize,
    /// From the last unit until nothing was left to tell.
    pub(super) after: Duration,
    /// From the import's start until then.
    pub(super) total: Duration,
}

/// A deployment on a fresh store, with the PostgreSQL database that must go at the end.
pub(super) async fn deploy(store: Store, server: &Server) -> Result<(Deployment, Option<String>)> {
    match store {
        Store::Sqlite => {
            settle()?;
            Ok((Deployment::on_sqlite()?, None))
        }
        Store::Postgres => {
            let database = server.fresh_database().await?;
            Ok((Deployment::on(&server.url(&database))?, Some(database)))
        }
    }
}

/// Import, wait, export: with one scheduler and one worker that were there before.
pub(super) async fn run(data: &Data, store: Store, server: &Server) -> Result<Run> {
    run_grouped(data, store, server, None).await
}

/// As [`run`], with the records put together by these fields.
pub(super) async fn run_grouped(
    data: &Data,
    store: Store,
    server: &Server,
    group_by: Option<&str>,
) -> Result<Run> {
    let (deployment, database) = deploy(store, server).await?;
    let cpu = server.cpu();
    let mut scheduler = deployment.scheduler(0).await?;
    let mut worker = deployment.worker(0)?;
    let mut run = file_to_file(data, &deployment, group_by).await?;
    run.name = store.name();
    run.used.insert(0, ("worker", worker.usage()));
    run.used.insert(0, ("scheduler", scheduler.usage()));
    drop((worker, scheduler));
    if let Some(database) = database {
        run.used.push(("postgres", Usage { cpu_seconds: server.cpu() - cpu, peak_rss: 0 }));
        server.drop_database(&database).await;
    }
    Ok(run)
}

/// The client commands of a whole job; the deployment's servers must run.
pub(super) async fn file_to_file(
    data: &Data,
    deployment: &Deployment,
    group_by: Option<&str>,
) -> Result<Run> {
    let out = deployment.path("out.csv");
    let (csv, out_text) = (data.csv().display().to_string(), out.display().to_string());
    let mut import = vec!["import", &csv, "--job", JOB, "--pack", "vaccination", "--as-of", "2021-09-20"];
    import.extend(group_by.into_iter().flat_map(|fields| ["--group-by", fields]));
    let import = deployment.start("import", import)?.done(LIMIT).await?;
    let wait = deployment.start("wait", ["wait", JOB, "--until", "reviewing"])?.done(LIMIT).await?;
    let export = deployment.start("export", ["export", JOB, "--out", &out_text])?.done(LIMIT).await?;
    let progress = deployment.job(JOB).await?.progress.unwrap_or_default();
    let settled = progress.valid + progress.corrected + progress.routed + progress.failed;
    ensure!(settled == data.records, "{settled} of {} records have a verdict", data.records);
    let mut digest = blake3::Hasher::new();
    digest.update_reader(std::fs::File::open(&out)?)?;
    Ok(Run {
        name: "",
        phases: Phases { import: import.took, process: wait.took, export: export.took },
        used: vec![("import", import.usage), ("export", export.usage)],
        export_digest: Some(digest.finalize()),
        told: None,
    })
}
