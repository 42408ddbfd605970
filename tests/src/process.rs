//! Real `emend` processes: started with their output in a file, signalled, measured, and killed at the end.

mod deployment;
mod usage;

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

pub use deployment::{Deployment, Output, generate, run};
pub use usage::{Usage, machine_cpu, tree_cpu};

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The program under test: it stands beside the one that runs this.
///
/// # Errors
/// When it was not built; says how.
pub fn binary() -> Result<PathBuf> {
    beside("emend", "emend")
}

/// What the fault tests run as processes of their own.
///
/// # Errors
/// When it was not built; says how.
fn fault_binary() -> Result<PathBuf> {
    beside("emend-fault", "emend-tests")
}

fn beside(name: &str, package: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("where is this program?")?;
    let mut folder = this.parent().context("a program stands in a folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps/ stands in a folder")?;
    }
    let path = folder.join(name);
    if !path.is_file() {
        let flag = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => String::new(),
            Some(profile) => format!(" --profile {profile}"),
        };
        bail!("{} is missing; build it first: cargo build -p {package}{flag}", path.display());
    }
    Ok(path)
}

/// A port of the loopback that nobody listens on. It lies below those that the kernel gives to outgoing
/// connections, so that a server that was killed finds it free when it comes again.
pub fn free_port() -> u16 {
    const FIRST: u16 = 15_000;
    const PORTS: u16 = 17_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(PORTS)) as u16;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % PORTS;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Looks until `look` finds something, at most for `limit`.
///
/// # Errors
/// When the time is over; `what` says what was waited for.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if begun.elapsed() > limit {
            bail!("{what}: not within {limit:?}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What to do to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends it at once.
    Kill,
    /// Freezes it.
    Stop,
    /// Lets it go on.
    Continue,
    /// Asks it to end.
    Terminate,
}

/// A child process. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    begun: Instant,
    usage: Usage,
    ended: Option<ExitStatus>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// From its start to its end.
    pub took: Duration,
    /// What it used.
    pub usage: Usage,
}

impl Process {
    /// Starts `command`; what it says is added to `log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| log.display().to_string())?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            begun: Instant::now(),
            usage: Usage::default(),
            ended: None,
        })
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.look();
        self.ended.is_some()
    }

    /// All that it, and those that ran under its name, said.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it has used so far.
    pub fn usage(&mut self) -> Usage {
        self.look();
        self.usage
    }

    /// Sends a signal. A process that has ended hears nothing.
    ///
    /// # Errors
    /// When `kill` cannot be run.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Only `look` reaps, so the id cannot belong to another process.
        self.look();
        if self.ended.is_some() {
            return Ok(());
        }
        let name = match signal {
            Signal::Kill => "-KILL",
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
            Signal::Terminate => "-TERM",
        };
        let id = self.id().to_string();
        let status = Command::new("kill").args([name, &id]).status().context("kill (Debian: procps)")?;
        anyhow::ensure!(status.success(), "kill {name} {id} ({}) failed", self.name);
        Ok(())
    }

    /// Kills it with -9 and waits for its end.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::Kill)?;
        if self.ended.is_none() {
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended within `limit`.
    pub async fn end(&mut self, limit: Duration) -> Result<Ended> {
        let what = format!("the end of {}", self.name);
        eventually(&what, limit, async || {
            self.look();
            self.ended.map(|status| Ended {
                code: status.code(),
                took: self.begun.elapsed(),
                usage: self.usage,
            })
        })
        .await
    }

    /// Waits for its end, which must be a good one.
    ///
    /// # Errors
    /// When it has not ended within `limit`, or with another code than 0.
    pub async fn done(&mut self, limit: Duration) -> Result<Ended> {
        let ended = self.end(limit).await?;
        if ended.code != Some(0) {
            bail!("{} ended with {:?}:\n{}", self.name, ended.code, self.log());
        }
        Ok(ended)
    }

    /// Takes what /proc knows of it, and reaps it once it has ended: a dead process keeps its CPU time until then.
    fn look(&mut self) {
        if self.ended.is_some() {
            return;
        }
        self.usage.look(self.id());
        if usage::is_dead(self.id()) {
            self.usage.look(self.id());
            self.ended = self.child.try_wait().ok().flatten();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_measured_and_reaped() {
        let dir = tempfile::tempdir().unwrap();
        let mut burn = Command::new("sh");
        burn.args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo burnt"]);
        let mut process = Process::start("burn", &mut burn, &dir.path().join("log")).unwrap();
        let ended = process.done(Duration::from_secs(60)).await.unwrap();
        assert!(ended.usage.cpu_seconds > 0.0 && ended.usage.peak_rss > 0, "{ended:?}");
        assert_eq!(process.log(), "burnt\n");
    }

    #[tokio::test]
    async fn a_stopped_process_waits_and_a_killed_one_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut cat = Command::new("sleep");
        let mut process = Process::start("sleep", cat.arg("600"), &dir.path().join("log")).unwrap();
        process.signal(Signal::Stop).unwrap();
        assert!(!process.has_ended());
        process.signal(Signal::Continue).unwrap();
        process.kill().unwrap();
        assert!(process.has_ended());
        process.signal(Signal::Terminate).unwrap();
    }
}
