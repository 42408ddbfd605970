//! The PostgreSQL that both the floor and Emend are measured on.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::postgres::Postgres;
use crate::process::{Ended, Process, tree_cpu};

/// A server with the harness's settings: durable defaults, reached over TCP.
pub(super) struct Server {
    postgres: Postgres,
    id: u32,
    psql: PathBuf,
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        let postgres = Postgres::start(&[]);
        let pid = std::fs::read_to_string(postgres.folder().join("data/postmaster.pid"))?;
        let id = pid.lines().next().and_then(|line| line.trim().parse().ok());
        let id = id.context("postmaster.pid begins with a process id")?;
        // The server's own psql: the one in PATH may be Debian's wrapper, which starts Perl first.
        let program = std::fs::read_link(format!("/proc/{id}/exe"))?;
        Ok(Self { postgres, id, psql: program.with_file_name("psql") })
    }

    /// An empty database, with nothing left to write of those before it; its name.
    pub(super) async fn fresh_database(&self) -> Result<String> {
        let name = self.postgres.create_database().await;
        self.postgres.admin("CHECKPOINT").await;
        settle()?;
        Ok(name)
    }

    pub(super) async fn drop_database(&self, name: &str) {
        self.postgres.drop_database(name).await;
    }

    pub(super) fn url(&self, database: &str) -> String {
        self.postgres.url(database)
    }

    /// CPU seconds of all of its processes since it started.
    pub(super) fn cpu(&self) -> f64 {
        tree_cpu(self.id)
    }

    /// Keeps the server to the first core and this process with its children to the others, or takes that back.
    pub(super) fn apart(&self, apart: bool, cores: usize) -> Result<()> {
        let all = format!("0-{}", cores - 1);
        let (server, others) =
            if apart { ("0".to_owned(), format!("1-{}", cores - 1)) } else { (all.clone(), all) };
        for (id, cores) in [(self.id, server), (std::process::id(), others)] {
            let output = Command::new("taskset").args(["-a", "-c", "-p", &cores, &id.to_string()]).output();
            let output = output.context("taskset (Debian: util-linux)")?;
            anyhow::ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Its version, in words.
    pub(super) fn version(&self) -> Result<String> {
        let output = Command::new(&self.psql).arg("--version").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().replace("psql (PostgreSQL)", "PostgreSQL"))
    }

    /// Runs one script through psql.
    pub(super) async fn psql(&self, database: &str, script: &str) -> Result<Ended> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(&self.psql);
        command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", script]);
        command.arg(self.url(database));
        let mut psql = Process::start("psql", &mut command, &folder.path().join("log"))?;
        psql.done(Duration::from_secs(3600)).await
    }
}

/// Waits until the kernel has written what others left, so that a run pays only for its own.
pub(super) fn settle() -> Result<()> {
    let status = Command::new("sync").status().context("sync")?;
    anyhow::ensure!(status.success(), "sync failed");
    Ok(())
}
