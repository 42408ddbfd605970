//! What may befall a server: a backend is killed, all of it is killed, it stands still.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sqlx::{Connection as _, PgConnection};

use super::Postgres;
use crate::process::eventually;

/// Far longer than a server of ours takes to end, or to recover.
const LIMIT: Duration = Duration::from_secs(60);

impl Postgres {
    /// Kills one backend that serves a scheduler with -9; the server then ends all others, and recovers. Answers
    /// whether there was one.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn kill_backend(&self) -> Result<bool> {
        let mut connection = PgConnection::connect(&self.url("postgres")).await?;
        let serving =
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'emend' ORDER BY random() LIMIT 1";
        let serving: Option<i32> = sqlx::query_scalar(serving).fetch_optional(&mut connection).await?;
        let Some(id) = serving else { return Ok(false) };
        signal("-KILL", &[id.unsigned_abs()])?;
        Ok(true)
    }

    /// Kills the postmaster with -9, and starts the server again once its backends have noticed.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn crash(&self) -> Result<()> {
        let (postmaster, backends) = self.processes()?;
        signal("-KILL", &[postmaster])?;
        let all = [backends, vec![postmaster]].concat();
        eventually("the end of all backends", LIMIT, async || {
            all.iter()
                .all(|id| state(Path::new(&format!("/proc/{id}"))).is_none_or(|it| it == 'Z'))
                .then_some(())
        })
        .await?;
        let mut lifeline = self.lifeline.as_ref().context("it runs")?;
        lifeline.write_all(b"\n")?;
        self.answers().await
    }

    /// Waits until the server takes connections.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn answers(&self) -> Result<()> {
        let url = self.url("postgres");
        eventually("a server that answers", LIMIT, async || {
            let connection = tokio::time::timeout(LIMIT / 10, PgConnection::connect(&url)).await;
            connection.ok()?.ok()?.close().await.ok()
        })
        .await
    }

    /// Freezes all its processes where they are. Nothing of what they had begun goes on afterwards.
    ///
    /// # Errors
    /// When one goes on all the same.
    pub async fn freeze(&self) -> Result<Frozen> {
        let (postmaster, _) = self.processes()?;
        signal("-STOP", &[postmaster])?;
        // Frozen, it starts no more.
        let (_, backends) = self.processes()?;
        let frozen = Frozen([vec![postmaster], backends].concat());
        let _gone = signal("-STOP", &frozen.0);
        frozen.stands_still().await?;
        Ok(frozen)
    }

    fn processes(&self) -> Result<(u32, Vec<u32>)> {
        let path = self.folder.join("data/postmaster.pid");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let postmaster: u32 = text.lines().next().unwrap_or_default().trim().parse()?;
        let tasks = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))?;
        Ok((postmaster, tasks.split_whitespace().map(str::parse).collect::<Result<_, _>>()?))
    }
}

/// Processes that stand still until this is dropped.
#[derive(Debug)]
pub struct Frozen(Vec<u32>);

impl Frozen {
    /// Freezes a process.
    ///
    /// # Errors
    /// When it goes on all the same.
    pub async fn process(id: u32) -> Result<Self> {
        let frozen = Self(vec![id]);
        signal("-STOP", &frozen.0)?;
        frozen.stands_still().await?;
        Ok(frozen)
    }

    /// A signal takes effect when a system call has returned.
    async fn stands_still(&self) -> Result<()> {
        let stopped = |id: &u32| {
            let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
            tasks.into_iter().all(|task| state(&task.path()).is_none_or(|state| "TtZX".contains(state)))
        };
        eventually("processes that stand still", LIMIT, async || self.0.iter().all(stopped).then_some(()))
            .await
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _gone = signal("-CONT", &self.0);
    }
}

/// The letter that the kernel gives for a process or a thread.
fn state(folder: &Path) -> Option<char> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn signal(name: &str, ids: &[u32]) -> Result<()> {
    let ids = ids.iter().map(u32::to_string);
    let status = Command::new("kill").arg(name).args(ids).status().context("kill (Debian: procps)")?;
    ensure!(status.success(), "kill {name} failed");
    Ok(())
}
