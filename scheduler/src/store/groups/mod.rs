//! Puts the records of a job together by its groups: reads the units as they are imported, sorts the records outside the
//! database, and writes new units once the job is sealed, in which no group is cut in two.
//!
//! One scheduler does it for a job, fenced by the epoch of the job's row in `groupings`; whoever begins again deletes what
//! came of the attempt before. Everything new stands under the job's negative id until one transaction puts it in the place of
//! the old. What the old units hold goes afterwards, in small steps.

mod fresh;
mod roles;
mod rows;
mod shuffle;
mod sorter;
mod spool;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use emend_proto::messages;
use futures::stream::{StreamExt as _, TryStreamExt as _, try_unfold};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;

use fresh::Following;
pub(super) use fresh::Fresh;
use rows::{Claim, Content, Ready, UngroupedUnit};
pub(super) use rows::{find_places, open, retry};
use shuffle::{Made, SORT_BYTES, Scanned, Shuffle};

use super::records::damaged;
use super::{JobConflict, Store, StoreError};
use crate::domain::grouping::{GroupCounts, GroupField, Grouping};
use crate::domain::job::{JobRef, JobState};
use crate::domain::time::Timestamp;

/// How often whoever is at it says so, and how long that holds.
const BEAT: Duration = Duration::from_secs(2);
const HOLDS: Duration = Duration::from_secs(15);
/// Units read in one transaction, and written in one.
const READ_UNITS: u32 = 16;
const WRITE_UNITS: usize = 64;
/// Transactions that write at once.
const WRITES: usize = 2;
/// Pages of units, and units, that are worked on at once.
const AT_ONCE: usize = 3;
/// How long to wait for more units of a job that is still imported, and how long at most.
const MORE: Duration = Duration::from_millis(20);
const STANDS_STILL: Duration = Duration::from_secs(1);

/// Records of a job that were put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathered {
    /// The job.
    pub job_id: i64,
    /// What came of it.
    pub counts: GroupCounts,
}

/// How far it is.
#[derive(Debug, Default)]
struct Done {
    read: AtomicI64,
    placed: AtomicI64,
}

/// Records as they come out of a page of units.
#[derive(Debug, Default)]
struct Page {
    // Each unit's by themselves: small enough that their memory is used again.
    units: Vec<Vec<Scanned>>,
    /// Nothing comes after it.
    is_last: bool,
}

impl Store {
    /// Puts the records of one job together, if one waits for it: one that is sealed, or else one that is imported right
    /// now, for which it is begun. `scratch` is a folder for what does not fit into the memory; `now` is asked again and
    /// again while it goes on.
    ///
    /// # Errors
    /// [`StoreError`]: the database or the folder fails, the job has ended, or another scheduler is at it by now. What was
    /// begun is begun again later.
    pub async fn gather(
        &self,
        scratch: &Path,
        now: impl Fn() -> Timestamp + Sync,
    ) -> Result<Option<Gathered>, StoreError> {
        let Some(claim) = self.claim_grouping(now(), now() + HOLDS).await? else { return Ok(None) };
        let done = Arc::new(Done::default());
        let beat = async {
            loop {
                self.beat_grouping(&claim, &done, now() + HOLDS).await?;
                tokio::time::sleep(BEAT).await;
            }
        };
        let work = async {
            while self.clear_shadow(&claim).await? {}
            self.put_together(&claim, scratch, &done).await
        };
        let counts = tokio::select! {
            biased;
            lost = beat => lost,
            counts = work => counts,
        };
        match &counts {
            Err(StoreError::Damaged(unit, why)) => {
                let job_id = claim.job_id;
                tracing::error!(job_id, unit, why, "records cannot be put together: a unit is damaged");
                self.note_damage(&claim, *unit).await?;
            }
            Err(StoreError::JobState(JobConflict::ImportUnfinished)) => {
                self.leave_alone(&claim, &done).await?;
                return Ok(None);
            }
            _ => {}
        }
        let counts = counts?;
        self.switch(&claim, &done, counts).await?;
        self.ready_from.forget();
        Ok(Some(Gathered { job_id: claim.job_id, counts }))
    }

    async fn put_together(
        &self,
        claim: &Claim,
        scratch: &Path,
        done: &Done,
    ) -> Result<GroupCounts, StoreError> {
        let (scanned, records) = mpsc::channel(AT_ONCE);
        let (made, units) = mpsc::channel(AT_ONCE);
        let (folder, policy, job_id) = (scratch.to_owned(), claim.spec.policy, claim.job_id);
        let sort = spawn_blocking(move || {
            let failed = |error: std::io::Error| scratch_failed(&folder, &error);
            let shuffle = Shuffle::new(&folder, SORT_BYTES).and_then(|empty| fill(records, empty));
            let shuffle = shuffle.map_err(failed)?;
            let Some(shuffle) = shuffle else { return Err(stopped()) };
            tracing::debug!(job_id, "all records are read; their groups are told");
            shuffle.finish(policy, |new| made.blocking_send(new).map_err(|_| Stopped::Here)).map_err(|why| {
                match why {
                    Stopped::Failed(error) => failed(error),
                    Stopped::Here => stopped(),
                }
            })
        });
        let sort = async { sort.await.map_err(|_| StoreError::Internal("sorting records panicked".into()))? };
        let ((), (), counts) = futures::try_join!(
            self.read_units(claim, scanned, done),
            self.write_units(claim, units, done),
            sort
        )?;
        tracing::debug!(job_id, "all units are written");
        Ok(counts)
    }

    /// Reads the units as they are imported, in order, until the job is sealed.
    async fn read_units(
        &self,
        claim: &Claim,
        scanned: mpsc::Sender<Page>,
        done: &Done,
    ) -> Result<(), StoreError> {
        let by: Arc<[GroupField]> = claim.spec.group_by.as_slice().into();
        let job_id = claim.job_id;
        let begin = (self.clone(), self.fresh.follow(job_id), 0);
        let pages = try_unfold(begin, move |(store, following, after)| async move {
            let page = store.next_units(&following, job_id, after).await?;
            let last = page.last().map(|unit| unit.head.last_seq);
            Ok::<_, StoreError>(last.map(|last| (page, (store, following, last))))
        });
        let scans = pages.map_ok(|page| {
            let by = Arc::clone(&by);
            async move {
                let scan = spawn_blocking(move || scan_page(&by, page)).await;
                scan.map_err(|_| StoreError::Internal("reading records panicked".into()))?
            }
        });
        let mut scans = std::pin::pin!(scans.try_buffered(AT_ONCE));
        while let Some(page) = scans.try_next().await? {
            let count = i64::try_from(page.units.iter().map(Vec::len).sum::<usize>()).unwrap_or(i64::MAX);
            scanned.send(page).await.map_err(|_| stopped())?;
            done.read.fetch_add(count, Ordering::Relaxed);
        }
        scanned.send(Page { is_last: true, ..Page::default() }).await.map_err(|_| stopped())
    }

    /// The next units, which may still be on their way; none once the job is sealed and all were given.
    async fn next_units(
        &self,
        following: &Following,
        job_id: i64,
        after: i64,
    ) -> Result<Vec<UngroupedUnit>, StoreError> {
        let begun = Instant::now();
        loop {
            // Asked first: what comes between is seen afterwards.
            let state = self.job(JobRef::Id(job_id)).await?.state;
            let page = self.ungrouped_units(following, job_id, after, READ_UNITS).await?;
            if !page.is_empty() || state != JobState::Importing {
                return Ok(page);
            }
            if begun.elapsed() >= STANDS_STILL {
                return Err(StoreError::JobState(JobConflict::ImportUnfinished));
            }
            tokio::time::sleep(MORE).await;
        }
    }

    /// Compresses what comes, and writes it.
    async fn write_units(
        &self,
        claim: &Claim,
        made: mpsc::Receiver<Made>,
        done: &Done,
    ) -> Result<(), StoreError> {
        let (packed, ready) = mpsc::channel(WRITE_UNITS);
        let pack = |made| async move { spawn_blocking(move || Ready::from(made)).await };
        let pack = ReceiverStream::new(made)
            .map(pack)
            .buffered(AT_ONCE)
            .map_err(|_| StoreError::Internal("packing records panicked".into()));
        // By itself, so that it goes on while all writes wait for the disk.
        let pack = pack.try_for_each(move |ready| {
            let packed = packed.clone();
            async move { packed.send(ready).await.map_err(|_| stopped()) }
        });
        // One is written while the one before waits.
        let write = ReceiverStream::new(ready)
            .ready_chunks(WRITE_UNITS)
            .map(|ready| self.write_grouped(claim, ready, done))
            .buffer_unordered(WRITES)
            .try_collect();
        futures::try_join!(pack, write).map(|((), ())| ())
    }

    /// How far a job is; `None` when it is not grouped.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn grouping(&self, job_id: i64) -> Result<Option<Grouping>, StoreError> {
        self.read(move |tx| Box::pin(async move { rows::find(tx, job_id).await })).await
    }
}

/// Why the sort does not go on.
enum Stopped {
    Failed(std::io::Error),
    /// Nobody takes what it makes: the reason is said elsewhere.
    Here,
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error)
    }
}

fn stopped() -> StoreError {
    StoreError::Internal("putting records together has stopped".into())
}

fn scratch_failed(folder: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Internal(format!("cannot sort records in {} (scheduler.scratch): {error}", folder.display()))
}

/// Takes all records. `None` when the reader has stopped before the last one.
fn fill(mut pages: mpsc::Receiver<Page>, mut shuffle: Shuffle) -> std::io::Result<Option<Shuffle>> {
    while let Some(page) = pages.blocking_recv() {
        if page.is_last {
            return Ok(Some(shuffle));
        }
        page.units.iter().flatten().try_for_each(|record| shuffle.take(record))?;
    }
    Ok(None)
}

fn scan_page(by: &[GroupField], units: Vec<UngroupedUnit>) -> Result<Page, StoreError> {
    let units = units.into_iter().map(|unit| scan_unit(by, unit)).collect::<Result<_, _>>()?;
    Ok(Page { units, is_last: false })
}

fn scan_unit(by: &[GroupField], unit: UngroupedUnit) -> Result<Vec<Scanned>, StoreError> {
    let id = unit.head.id;
    let messages = match unit.records {
        Content::Plain(messages) => messages,
        Content::Block(block) => messages(&block).map_err(|error| damaged(id, &error))?,
    };
    let places = unit.head.first_seq.unsigned_abs()..;
    let records = places.zip(messages).map(|(place, message)| {
        let message = message.map_err(|error| damaged(id, &error))?;
        Scanned::of(place, message, by).map_err(|why| StoreError::Damaged(id, why))
    });
    records.collect()
}
