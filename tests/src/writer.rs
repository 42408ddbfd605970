//! A process that writes to a store as fast as it can, and notes in a file what it was told: to be stopped, or to lose
//! its disk, at any moment.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use emend_scheduler::domain::commit::Content;
use emend_scheduler::store::{Outcome, Store};
use tokio::task::JoinSet;

use crate::bench::{T0, batch, spec};
use crate::invariants::Acknowledged;
use crate::records::{all_valid, content, records};
use crate::worker::Worker;

/// Commits under way at once.
const WORKERS: usize = 4;
/// Records imported at once, in units of `UNIT`.
const BATCH: i64 = 200;
const UNIT: u32 = 2;

/// Imports, leases and commits until it is killed, and adds a line to `notes` for each commit it is told of.
/// `synchronous` weakens a SQLite store.
///
/// # Errors
/// When the store or the file fails.
pub async fn write(url: &str, notes: &Path, synchronous: Option<String>) -> Result<()> {
    let store = Store::open(url, 8).await?;
    if let Some(level) = synchronous {
        store.set_synchronous(&level).await?;
    }
    let notes = Arc::new(Mutex::new(File::options().create(true).append(true).open(notes)?));
    let (job, _) = store
        .create_job(spec("written", UNIT), emend_scheduler::domain::schedule::Schedule::default(), T0)
        .await?;
    let (_, begun) =
        store.begin_import(emend_scheduler::domain::job::JobRef::Id(job.id), "file".into()).await?;
    let mut offset = begun.next_offset;
    loop {
        let rows = records(offset + 1, offset + BATCH);
        store.import(job.id, batch(&job, "file", offset, &rows, false)).await?;
        offset += BATCH;
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            workers.spawn(commit_all(store.clone(), number, notes.clone()));
        }
        for worker in workers.join_all().await {
            worker?;
        }
    }
}

async fn commit_all(store: Store, number: usize, notes: Arc<Mutex<File>>) -> Result<()> {
    let worker = Worker::new(&store, &format!("w{number}"));
    loop {
        let leases = worker.lease(3, T0).await;
        if leases.is_empty() {
            return Ok(());
        }
        let commit = |lease: &crate::worker::Lease| -> (_, Content) {
            (lease.lease.clone(), content(&all_valid(lease.what.first_seq, lease.what.last_seq)))
        };
        let outcomes = worker.commit_all(leases.iter().map(commit).collect(), T0).await;
        let mut lines = String::new();
        for outcome in outcomes {
            let Outcome::Accepted { receipt, .. } = outcome else { continue };
            lines.push_str(&format!("{} {} {}\n", receipt.unit_id, receipt.epoch, receipt.commit_id));
        }
        notes.lock().unwrap_or_else(PoisonError::into_inner).write_all(lines.as_bytes())?;
    }
}

/// What the writer has noted so far. A line cut short says nothing.
///
/// # Errors
/// When a line is not one of the writer's.
pub fn noted(notes: &Path) -> Result<Vec<Acknowledged>> {
    let text = std::fs::read_to_string(notes).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let read = |line: &str| {
        let [unit, epoch, commit] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        Some(Acknowledged {
            unit_id: unit.parse().ok()?,
            epoch: epoch.parse().ok()?,
            commit_id: commit.into(),
        })
    };
    whole.lines().map(|line| read(line).with_context(|| format!("no note: {line}"))).collect()
}
