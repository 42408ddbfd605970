//! The power goes: the disk is copied at a random moment, with what the database had made it write and nothing else.
//! On the copy, after recovery, every commit is there that was acknowledged before.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use emend_scheduler::store::Store;
use emend_tests::database::{Backend, Database};
use emend_tests::invariants;
use emend_tests::mounts::{Disk, Mount};
use emend_tests::postgres::{Frozen, Postgres};
use emend_tests::process::{Process, eventually};
use emend_tests::writer::noted;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{LIMIT, amount};

const DISK: u64 = 400 * 1024 * 1024;
/// Small segments, so that a copy is quick.
const POSTGRES: [&str; 3] = ["max_wal_size=64MB", "min_wal_size=32MB", "wal_writer_delay=10s"];
/// Commits before the first loss.
const WARM: usize = 100;

/// What is written to, and what is weakened of it.
struct Rig {
    backend: Backend,
    weak: Option<&'static str>,
    disk: Disk,
    postgres: Option<Postgres>,
    /// Outside the disk: what was said was said.
    notes: tempfile::TempDir,
}

impl Rig {
    async fn new(backend: Backend, weak: Option<&'static str>) -> Result<Self> {
        let disk = Disk::new(DISK)?;
        let mut rig = Self { backend, weak, disk, postgres: None, notes: tempfile::tempdir()? };
        if backend == Backend::Postgres {
            let folder = rig.disk.mount.path().join("server");
            std::fs::create_dir(&folder)?;
            open_to_all(rig.disk.mount.path())?;
            let server = Postgres::start_in(&folder, &POSTGRES).map_err(anyhow::Error::msg)?;
            server.create_database().await;
            rig.postgres = Some(server);
        }
        Store::open(&rig.url(), 2).await?.close().await;
        rig.disk.mount.sync()?;
        Ok(rig)
    }

    /// A scheduler refuses a weakened PostgreSQL when it starts, so that is done behind its back.
    async fn weaken(&self) {
        if let (Some(server), Some(weak)) = (&self.postgres, self.weak) {
            server.admin(&format!("ALTER SYSTEM SET {weak} = off")).await;
            server.admin("SELECT pg_reload_conf()").await;
        }
    }

    fn url(&self) -> String {
        match &self.postgres {
            Some(server) => server.url("emend_0"),
            None => format!("sqlite://{}", self.disk.mount.path().join("emend.db").display()),
        }
    }

    fn writer(&self) -> Result<Process> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_emend-fault"));
        command.args(["writer", "--store", &self.url(), "--notes"]).arg(self.notes.path().join("notes"));
        if let (Backend::Sqlite, Some(weak)) = (self.backend, self.weak) {
            command.args(["--synchronous", weak]);
        }
        Process::start("writer", &mut command, &self.notes.path().join("log"))
    }

    fn noted(&self) -> Result<Vec<invariants::Acknowledged>> {
        noted(&self.notes.path().join("notes"))
    }

    /// Everything that writes stands still, in the middle of whatever it does.
    async fn freeze(&self, writer: &Process) -> Result<Frozen> {
        match &self.postgres {
            Some(server) => server.freeze().await,
            None => Frozen::process(writer.id()).await,
        }
    }

    /// Loses the power once: how many commits had been acknowledged, and what is broken after recovery.
    async fn lose(&self, writer: &mut Process) -> Result<(usize, Vec<String>)> {
        ensure!(!writer.has_ended(), "the writer has ended: {}", writer.log());
        let frozen = self.freeze(writer).await?;
        let acknowledged = self.noted()?;
        let (copy, _image) = self.disk.copy().await?;
        drop(frozen);
        Ok((acknowledged.len(), recover(self.backend, &copy, &acknowledged).await))
    }
}

/// A database on a disk as the power loss left it.
async fn recover(backend: Backend, disk: &Mount, acknowledged: &[invariants::Acknowledged]) -> Vec<String> {
    match backend {
        Backend::Sqlite => {
            let path = disk.path().join("emend.db");
            check(Database::file(&path), acknowledged).await
        }
        Backend::Postgres => {
            let folder = disk.path().join("server");
            // After a power loss nobody has its number; here the server that was frozen has it still.
            let _none = std::fs::remove_file(folder.join("data/postmaster.pid"));
            match Postgres::start_in(&folder, &POSTGRES) {
                Ok(server) => check(Database::on(&server, "emend_0".into()), acknowledged).await,
                Err(said) => vec![format!("it does not recover: {said}")],
            }
        }
    }
}

async fn check(database: Database, acknowledged: &[invariants::Acknowledged]) -> Vec<String> {
    match Store::open(&database.url, 2).await {
        Ok(store) => {
            let broken = invariants::broken(&store, &database, acknowledged).await;
            store.close().await;
            broken
        }
        Err(error) => vec![format!("it does not open: {error}")],
    }
}

fn open_to_all(folder: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?)
}

/// Loses the power so many times, or until something is broken.
async fn losses(backend: Backend, weak: Option<&'static str>, times: u64) -> Result<Vec<String>> {
    let rig = Rig::new(backend, weak).await?;
    let mut writer = rig.writer()?;
    let mut random = ChaCha8Rng::seed_from_u64(amount("POWER_LOSS_SEED", 1));
    eventually("commits", LIMIT, async || {
        (writer.has_ended() || rig.noted().ok()?.len() >= WARM).then_some(())
    })
    .await
    .with_context(|| writer.log())?;
    rig.weaken().await;
    let mut acknowledged = 0;
    for time in 1..=times {
        // Not to get an order: the moment is what is drawn.
        tokio::time::sleep(Duration::from_millis(random.random_range(10..300))).await;
        let (commits, broken) = rig.lose(&mut writer).await?;
        acknowledged = commits;
        if !broken.is_empty() {
            println!(
                "{backend:?} {weak:?}: power loss {time} after {commits} commits: {} violations",
                broken.len()
            );
            return Ok(broken);
        }
    }
    println!("{backend:?} {weak:?}: {times} power losses, {acknowledged} acknowledged commits, 0 lost");
    Ok(Vec::new())
}

async fn holds(backend: Backend, short: u64) -> Result<()> {
    let broken = losses(backend, None, amount("POWER_LOSSES", short)).await?;
    ensure!(broken.is_empty(), "{} violations, such as {:#?}", broken.len(), &broken[..broken.len().min(5)]);
    Ok(())
}

/// The same on a database that acknowledges what it has not synced.
async fn is_noticed(backend: Backend, weak: &'static str) -> Result<()> {
    let broken = losses(backend, Some(weak), 12).await?;
    let expected =
        |what: &&String| what.starts_with("acknowledged and not there") || what.starts_with("it does not");
    ensure!(broken.iter().find(expected).is_some(), "{weak} is not noticed: {broken:?}");
    Ok(())
}

mod sqlite {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn acknowledged_commits_survive_a_power_loss() -> Result<()> {
        holds(Backend::Sqlite, 12).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn synchronous_normal_and_off_are_noticed() -> Result<()> {
        is_noticed(Backend::Sqlite, "NORMAL").await?;
        is_noticed(Backend::Sqlite, "OFF").await
    }
}

mod postgres {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn acknowledged_commits_survive_a_power_loss() -> Result<()> {
        holds(Backend::Postgres, 6).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn asynchronous_commits_and_no_fsync_are_noticed() -> Result<()> {
        is_noticed(Backend::Postgres, "synchronous_commit").await?;
        is_noticed(Backend::Postgres, "fsync").await
    }
}
