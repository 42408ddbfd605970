//! When what was written to SQLite is on disk: one sync for all transactions that wait for it.
//!
//! A sync takes a thousand times as long as writing a small transaction. With `synchronous=FULL` SQLite makes one in
//! every COMMIT while everybody else waits for their turn. So it runs with `NORMAL`, in which COMMIT only writes to the log
//! (and a checkpoint still syncs the log before it touches the database), and the sync is ours: made after the turn has gone
//! to the next writer, for all that was written until it began. Nobody is answered before it: neither who wrote, nor who has
//! read what somebody else had just written.

use std::fs::OpenOptions;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, watch};

use super::StoreError;

/// The log of one database file. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Transactions that have begun to COMMIT. They are numbered from 1, and take turns.
    begun: AtomicU64,
    /// Those of them that have ended it: SQLite's log has them.
    written: watch::Sender<u64>,
    /// Those of them that are on disk.
    synced: AtomicU64,
    /// Who holds it makes the next sync.
    syncing: Mutex<()>,
    /// A sync has failed: nobody knows any more what the disk has.
    failed: AtomicBool,
    /// Answers without a sync, as a test's mutant.
    #[cfg(feature = "test-hooks")]
    never: AtomicBool,
}

impl Log {
    /// The log of the database at `path`, which is there.
    pub(super) fn of(path: &Path) -> Self {
        // SQLite keeps it beside the file itself, whatever links lead there.
        let file = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Self(Arc::new(Shared {
            path: PathBuf::from(format!("{}-wal", file.display())),
            begun: AtomicU64::new(0),
            written: watch::Sender::new(0),
            synced: AtomicU64::new(0),
            syncing: Mutex::new(()),
            failed: AtomicBool::new(false),
            #[cfg(feature = "test-hooks")]
            never: AtomicBool::new(false),
        }))
    }

    /// Whoever has the turn to write begins to COMMIT. Say [`Log::written`] afterwards, whatever came of it.
    pub(super) fn begin(&self) -> u64 {
        self.0.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The COMMIT of this number has ended.
    pub(super) fn written(&self, number: u64) {
        self.0.written.send_replace(number);
    }

    /// The number of the newest transaction that anybody can have read.
    pub(super) fn newest(&self) -> u64 {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// Waits until the transaction of this number, and all before it, are on disk.
    ///
    /// # Errors
    /// [`StoreError::Internal`]: the disk failed, now or before. What was written since the last sync may be lost, and
    /// what follows it in the log with it; only a restart, which reads the log anew, tells.
    pub(super) async fn settled(&self, number: u64) -> Result<(), StoreError> {
        let shared = &self.0;
        #[cfg(feature = "test-hooks")]
        if shared.never.load(Ordering::Relaxed) {
            return Ok(());
        }
        if shared.synced.load(Ordering::SeqCst) >= number {
            return Ok(());
        }
        // Somebody may have read what is not quite written.
        let mut written = shared.written.subscribe();
        let _never_closed = written.wait_for(|written| *written >= number).await.map(drop);
        let _next = shared.syncing.lock().await;
        if shared.synced.load(Ordering::SeqCst) >= number {
            return Ok(());
        }
        if shared.failed.load(Ordering::SeqCst) {
            return Err(failed(&Error::other("an earlier sync failed")));
        }
        let covers = *shared.written.borrow();
        let path = shared.path.clone();
        let outcome = tokio::task::spawn_blocking(move || sync(&path)).await;
        if let Err(error) = outcome.map_err(Error::other).flatten() {
            shared.failed.store(true, Ordering::SeqCst);
            return Err(failed(&error));
        }
        shared.synced.store(covers, Ordering::SeqCst);
        Ok(())
    }

    #[cfg(feature = "test-hooks")]
    pub(super) fn never_sync(&self) {
        self.0.never.store(true, Ordering::Relaxed);
    }
}

fn failed(error: &Error) -> StoreError {
    StoreError::Internal(format!(
        "the disk does not keep SQLite's log ({error}): check the disk, and restart"
    ))
}

fn sync(path: &Path) -> Result<(), Error> {
    match OpenOptions::new().write(true).open(path) {
        Ok(log) => log.sync_data(),
        // Whoever closes a database last moves all of its log into the database, syncs that, and takes the log away.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &tempfile::TempDir) -> Log {
        let path = folder.path().join("emend.db");
        std::fs::write(folder.path().join("emend.db-wal"), b"frames").unwrap();
        Log::of(&path)
    }

    #[tokio::test]
    async fn one_sync_is_for_all_that_was_written_before() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        for number in 1..=3 {
            assert_eq!(log.begin(), number);
            log.written(number);
        }
        log.settled(1).await.unwrap();
        assert_eq!(log.0.synced.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn who_has_read_what_is_being_written_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        let number = log.begin();
        let mut reader = Box::pin(log.settled(log.newest()));
        assert!(futures::poll!(&mut reader).is_pending());
        log.written(number);
        reader.await.unwrap();
        assert_eq!(log.0.synced.load(Ordering::SeqCst), number);
    }

    #[tokio::test]
    async fn after_a_sync_that_failed_nothing_is_said_to_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = log(&folder);
        log.written(log.begin());
        log.settled(1).await.unwrap();
        // A folder cannot be opened to write.
        std::fs::remove_file(&log.0.path).unwrap();
        std::fs::create_dir(&log.0.path).unwrap();
        log.written(log.begin());
        assert!(matches!(log.settled(2).await, Err(StoreError::Internal(_))));
        std::fs::remove_dir(&log.0.path).unwrap();
        log.written(log.begin());
        assert!(matches!(log.settled(3).await, Err(StoreError::Internal(_))));
        log.settled(1).await.unwrap();
    }
}
