//! A store, schedulers on free ports, workers and clients that know them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use emend_proto::MAX_MESSAGE_BYTES;
use emend_proto::v1::job_service_client::JobServiceClient;
use emend_proto::v1::{GetJobRequest, Job};
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Process, binary, eventually, fault_binary, free_port};
use crate::mutants;

/// How long a scheduler may take to start.
const START: Duration = Duration::from_secs(30);

/// How long a client command may take that is not given a limit of its own.
const COMMAND: Duration = Duration::from_secs(120);

/// A store and the processes around it, with their files in a folder that goes at the end.
#[derive(Debug)]
pub struct Deployment {
    program: PathBuf,
    folder: TempDir,
    store: String,
    settings: Vec<(String, String)>,
    ports: Vec<u16>,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Output {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// All it printed.
    pub stdout: String,
    /// All it complained of.
    pub stderr: String,
}

impl Output {
    /// Itself, when the exit code is 0.
    ///
    /// # Errors
    /// With all that the command said.
    pub fn ok(self) -> Result<Self> {
        if self.code != Some(0) {
            bail!("exit code {:?}\n{}\n{}", self.code, self.stdout, self.stderr);
        }
        Ok(self)
    }

    /// What it printed, read as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {}{}", self.stdout, self.stderr))
    }
}

impl Deployment {
    /// On a store of its own: a SQLite file.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn on_sqlite() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = format!("sqlite://{}", folder.path().join("emend.db").display());
        Self::with(folder, store)
    }

    /// On the store of this URL.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn on(store: &str) -> Result<Self> {
        Self::with(tempfile::tempdir()?, store.to_owned())
    }

    fn with(folder: TempDir, store: String) -> Result<Self> {
        Ok(Self { program: binary()?, folder, store, settings: Vec::new(), ports: vec![free_port()] })
    }

    /// With this many schedulers.
    #[must_use]
    pub fn schedulers(mut self, count: usize) -> Self {
        self.ports = (0..count).map(|_| free_port()).collect();
        self
    }

    /// With a setting in the environment of every process: `EMEND__SCHEDULER__LEASE_TTL`.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Its store.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The URL of a scheduler.
    pub fn url(&self, scheduler: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[scheduler])
    }

    /// `emend` with these arguments. It finds the schedulers, and no settings but ours.
    pub fn command<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.command_of(&self.program, arguments)
    }

    /// As [`Deployment::command`], of another program: an older one, or a mutant.
    pub fn command_of<A: AsRef<std::ffi::OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("EMEND_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        let urls: Vec<String> = (0..self.ports.len()).map(|scheduler| self.url(scheduler)).collect();
        command.env("EMEND_SCHEDULER", urls.join(","));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts any `emend` command as a process; its log is `NAME.log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start<A: AsRef<std::ffi::OsStr>>(
        &self,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Process> {
        Process::start(name, &mut self.command(arguments), &self.path(&format!("{name}.log")))
    }

    /// The command of a scheduler. In a test that runs on a mutant it is that mutant, which `emend` itself is never.
    ///
    /// # Errors
    /// When the program was not built.
    pub fn scheduler_command(&self, scheduler: usize) -> Result<Command> {
        let listen = format!("127.0.0.1:{}", self.ports[scheduler]);
        let line = ["scheduler", "--store", &self.store, "--listen", &listen];
        let Some(mutant) = mutants::current() else { return Ok(self.command(line)) };
        let mut command = self.command_of(&fault_binary()?, line);
        command.args(["--mutant", &format!("{mutant:?}")]);
        Ok(command)
    }

    /// Starts a scheduler without waiting for it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_scheduler(&self, scheduler: usize) -> Result<Process> {
        let name = format!("scheduler-{scheduler}");
        Process::start(&name, &mut self.scheduler_command(scheduler)?, &self.path(&format!("{name}.log")))
    }

    /// Starts a scheduler, and waits until its health says SERVING.
    ///
    /// # Errors
    /// When it does not start; with its log.
    pub async fn scheduler(&self, scheduler: usize) -> Result<Process> {
        let mut process = self.start_scheduler(scheduler)?;
        let url = self.url(scheduler);
        let ready = eventually("a scheduler's health", START, async || match process.has_ended() {
            true => Some(false),
            false => is_serving(&url).await.then_some(true),
        });
        match ready.await {
            Ok(true) => Ok(process),
            Ok(false) => bail!("{} ended at once:\n{}", process.name(), process.log()),
            Err(error) => Err(error.context(process.log())),
        }
    }

    /// Waits until a scheduler's health says SERVING.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn serving(&self, scheduler: usize) -> Result<()> {
        let url = self.url(scheduler);
        eventually("a scheduler's health", START, async || is_serving(&url).await.then_some(())).await
    }

    /// Starts a worker.
    ///
    /// # Errors
    /// When it does not start.
    pub fn worker(&self, worker: usize) -> Result<Process> {
        self.start(&format!("worker-{worker}"), ["worker"])
    }

    /// Runs a client command to its end.
    ///
    /// # Errors
    /// When it does not start or does not end.
    pub async fn run<A: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Output> {
        run(self.command(arguments), COMMAND).await
    }

    /// A client of a scheduler.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn jobs(&self, scheduler: usize) -> Result<JobServiceClient<Channel>> {
        let client = JobServiceClient::connect(self.url(scheduler)).await?;
        Ok(client.max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// A job as the first scheduler sees it.
    ///
    /// # Errors
    /// When there is none, or no scheduler.
    pub async fn job(&self, name: &str) -> Result<Job> {
        let request = GetJobRequest { job: name.to_owned(), with_tallies: false };
        let answer = self.jobs(0).await?.get_job(request).await?;
        answer.into_inner().job.context("an answer has a job")
    }

    /// Writes `count` synthetic records; the folder with `records.csv`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn generate(&self, count: u64) -> Result<PathBuf> {
        let folder = self.path("generated");
        generate(&self.program, count, &folder, &[]).await?;
        Ok(folder)
    }
}

/// Writes `count` synthetic records into `folder`, the same at every call; more flags say of which kind.
///
/// # Errors
/// When they cannot be written.
pub async fn generate(program: &Path, count: u64, folder: &Path, flags: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command
        .args(["generate", "--seed", "1", "--records", &count.to_string(), "--out"])
        .arg(folder)
        .args(flags);
    run(command, Duration::from_secs(600)).await?.ok().map(drop)
}

/// Runs a command to its end.
///
/// # Errors
/// When it does not start, or does not end within `limit`; then it is killed.
pub async fn run(command: Command, limit: Duration) -> Result<Output> {
    let what = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(limit, output).await;
    let output = output.with_context(|| format!("{what}: not within {limit:?}"))?.context(what)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) })
}

async fn is_serving(url: &str) -> bool {
    let Ok(endpoint) = Channel::from_shared(url.to_owned()) else { return false };
    let Ok(channel) = endpoint.connect().await else { return false };
    let mut client = HealthClient::new(channel);
    let request = HealthCheckRequest { service: "emend.v1.JobService".to_owned() };
    let answer = tokio::time::timeout(Duration::from_secs(2), client.check(request)).await;
    matches!(answer, Ok(Ok(answer)) if answer.get_ref().status() == ServingStatus::Serving)
}
