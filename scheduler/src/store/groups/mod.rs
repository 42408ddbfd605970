//! Puts the records of a job together by its groups: reads the units as they are imported, sorts what tells their groups outside
//! the database, and makes new units once the job is sealed, in which no group is cut in two.
//!
//! One scheduler does it for a job, fenced by the epoch of the job's row in `groupings`. First it writes down what becomes of
//! each record: the plan. One transaction then takes what was imported out of the way, and
//! the new units are made in order, each leased at once. Whoever begins again goes on behind the last of them by the same plan, or,
//! before it was complete, with the first record. What the old units hold goes afterwards, in small steps.

mod content;
mod fresh;
mod roles;
mod rows;
mod shuffle;
mod sorter;
mod spool;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use emend_proto::messages;
use futures::stream::{StreamExt as _, TryStreamExt as _, try_unfold};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;

pub(super) use content::find_places;
use content::{Content, Ready, UngroupedUnit};
use fresh::Following;
pub(super) use fresh::Fresh;
use roles::Written;
use rows::Claim;
pub(super) use rows::{not_found, open, retry};
use shuffle::{Made, Planned, SORT_BYTES, Scanned, Shuffle};

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
    /// again while it goes on, and `ready` told whenever there are more units to lease.
    ///
    /// # Errors
    /// [`StoreError`]: the database or the folder fails, the job has ended, or another scheduler is at it by now. What was
    /// begun is begun again later.
    pub async fn gather(
        &self,
        scratch: &Path,
        now: impl Fn() -> Timestamp + Sync,
        ready: impl Fn() + Sync,
    ) -> Result<Option<Gathered>, StoreError> {
        let Some(claim) = self.claim_grouping(now(), now() + HOLDS).await? else { return Ok(None) };
        let done = Done { placed: claim.made_to.into(), ..Done::default() };
        let beat = async {
            loop {
                self.beat_grouping(&claim, &done, now() + HOLDS).await?;
                tokio::time::sleep(BEAT).await;
            }
        };
        let work = async {
            self.clear(&claim).await?;
            self.put_together(&claim, scratch, &done, &ready).await
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
        Ok(Some(Gathered { job_id: claim.job_id, counts: counts? }))
    }

    async fn put_together(
        &self,
        claim: &Claim,
        scratch: &Path,
        done: &Done,
        ready: &(impl Fn() + Sync),
    ) -> Result<GroupCounts, StoreError> {
        let failed = |error: std::io::Error| scratch_failed(scratch, &error);
        let (scanned, records) = mpsc::channel(AT_ONCE);
        let empty = Shuffle::new(scratch, SORT_BYTES).map_err(failed)?;
        let sort = blocking(move || fill(records, empty));
        let sort = async { sort.await.map_err(|why| why.told(scratch)) };
        let ((), shuffle) = futures::try_join!(self.read_units(claim, scanned, done), sort)?;
        tracing::debug!(job_id = claim.job_id, "all records are read");
        let (planned, counts) = match claim.planned {
            Some(counts) => {
                let plan = self.read_plan(claim, scratch, Written::new(shuffle.sorter())).await?.finish();
                (plan.and_then(|plan| shuffle.go_by(plan)).map_err(failed)?, counts)
            }
            None => self.plan(claim, scratch, done, shuffle).await?,
        };
        tracing::debug!(job_id = claim.job_id, "units are made");
        let (policy, made_to) = (claim.spec.policy, claim.made_to.unsigned_abs());
        let made = self.write_made(claim, scratch, done, ready, move |sink| {
            planned.make(policy, made_to, |made| sink.take(made))
        });
        made.await?;
        self.end_replacing(claim, done).await?;
        Ok(counts)
    }

    /// Says what becomes of each record, and writes it down.
    async fn plan(
        &self,
        claim: &Claim,
        scratch: &Path,
        done: &Done,
        shuffle: Shuffle,
    ) -> Result<(Planned, GroupCounts), StoreError> {
        let planned = blocking(move || shuffle.plan().map_err(Stopped::from));
        let (mut planned, counts) = planned.await.map_err(|why| why.told(scratch))?;
        let written = self.write_made(claim, scratch, done, &|| (), move |sink| {
            planned.plan.rows(|number, data| sink.take(Made::Plan { number, data }))?;
            Ok(planned)
        });
        let planned = written.await?;
        self.begin_replacing(claim, done, counts).await?;
        self.ready_from.forget();
        Ok((planned, counts))
    }

    /// Reads what was written down.
    async fn read_plan(
        &self,
        claim: &Claim,
        scratch: &Path,
        mut written: Written,
    ) -> Result<Written, StoreError> {
        let mut after = 0;
        loop {
            let rows = self.plan_rows(claim, after, READ_UNITS).await?;
            let Some((last, _)) = rows.last() else { return Ok(written) };
            after = *last;
            let read = blocking(move || {
                rows.iter().try_for_each(|(_, row)| written.read(row))?;
                Ok(written)
            });
            written = read.await.map_err(|why| why.told(scratch))?;
        }
    }

    /// Reads the units as they are imported, in order, until the job is sealed.
    async fn read_units(
        &self,
        claim: &Claim,
        scanned: mpsc::Sender<Page>,
        done: &Done,
    ) -> Result<(), StoreError> {
        let by = if claim.planned.is_some() { &[] } else { claim.spec.group_by.as_slice() };
        let by: Arc<[GroupField]> = by.into();
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
        let mut scans = pin!(scans.try_buffered(AT_ONCE));
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

    /// Compresses what is made, and writes it.
    async fn write_made<T: Send + 'static>(
        &self,
        claim: &Claim,
        scratch: &Path,
        done: &Done,
        ready: &(impl Fn() + Sync),
        make: impl FnOnce(Sink) -> Result<T, Stopped> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (hand_on, made) = mpsc::channel(AT_ONCE);
        let (packed, to_write) = mpsc::channel(WRITE_UNITS);
        let make = blocking(move || make(Sink(hand_on)));
        let make = async { make.await.map_err(|why| why.told(scratch)) };
        // By itself, so that it goes on while what is written waits for the disk.
        let pack = async move {
            let pack = |made| blocking(move || Ok(Ready::from(made)));
            let mut all = pin!(ReceiverStream::new(made).map(pack).buffered(AT_ONCE));
            while let Some(one) = all.next().await {
                let one = one.map_err(|why| why.told(scratch))?;
                packed.send(one).await.map_err(|_| stopped())?;
            }
            Ok(())
        };
        // In order: what is there says where to go on.
        let write = async {
            let mut all = pin!(ReceiverStream::new(to_write).ready_chunks(WRITE_UNITS));
            while let Some(some) = all.next().await {
                self.write_grouped(claim, some, done).await?;
                ready();
            }
            Ok(())
        };
        let (made, (), ()) = futures::try_join!(make, pack, write)?;
        Ok(made)
    }

    /// How far a job is; `None` when it is not grouped.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn grouping(&self, job_id: i64) -> Result<Option<Grouping>, StoreError> {
        self.read(move |tx| Box::pin(async move { rows::find(tx, job_id).await })).await
    }
}

/// Takes what is made.
struct Sink(mpsc::Sender<Made>);

impl Sink {
    fn take(&self, made: Made) -> Result<(), Stopped> {
        self.0.blocking_send(made).map_err(|_| Stopped::Here)
    }
}

/// Why what is done beside does not go on.
enum Stopped {
    /// The scratch folder.
    Failed(std::io::Error),
    /// Nobody gives what it needs, or takes what it makes: the reason is said elsewhere.
    Here,
    Panicked,
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Stopped {
    fn told(self, scratch: &Path) -> StoreError {
        match self {
            Self::Failed(error) => scratch_failed(scratch, &error),
            Self::Here => stopped(),
            Self::Panicked => StoreError::Internal("putting records together panicked".into()),
        }
    }
}

/// Does what takes a processor, or a file, for long.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Stopped> + Send + 'static,
) -> Result<T, Stopped> {
    spawn_blocking(work).await.unwrap_or(Err(Stopped::Panicked))
}

fn stopped() -> StoreError {
    StoreError::Internal("putting records together has stopped".into())
}

fn scratch_failed(folder: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Internal(format!("cannot sort records in {} (scheduler.scratch): {error}", folder.display()))
}

/// Takes all records.
fn fill(mut pages: mpsc::Receiver<Page>, mut shuffle: Shuffle) -> Result<Shuffle, Stopped> {
    while let Some(page) = pages.blocking_recv() {
        if page.is_last {
            return Ok(shuffle);
        }
        page.units.iter().flatten().try_for_each(|record| shuffle.take(record))?;
    }
    // Whoever reads has stopped before the last one.
    Err(Stopped::Here)
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
