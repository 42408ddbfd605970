//! The units that this worker holds, from the lease to the answer of their commit. The one place that says what
//! state each of them is in; the pool, the beats and the commits all speak to it.

mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use emend_proto::v1::{Beat, Block, LeaseRef, UnitCommit, UnitFailure};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::report::Tally;
use super::unit::Unit;
use table::{Entry, Inner, Stage};

/// Bytes of blocks to hold at most, however many slots there are.
const HELD_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of blocks to ask for in one call, and to commit in one; half of what a message may hold.
const CALL_BYTES: usize = emend_proto::MAX_MESSAGE_BYTES / 2;

/// What a unit is taken to weigh before any was seen, and after a message turned out too large.
const UNKNOWN_BYTES: usize = 2 * 1024 * 1024;

/// Units that take less are done before a call has come back: as many then wait, or are on their way, as are worked on.
const SHORT_UNIT: Duration = Duration::from_millis(250);

/// Units in one commit: enough that calls do not matter, few enough that the first do not wait for the last.
const COMMIT_UNITS: usize = 500;

/// A finished unit on its way to the scheduler.
pub(crate) struct Finished {
    pub(crate) unit: Arc<Unit>,
    pub(crate) commit: UnitCommit,
    pub(crate) tally: Tally,
}

/// A unit that its pack is through with, on its way to the validators behind it.
pub(crate) struct Waiting {
    pub(crate) unit: Arc<Unit>,
    pub(crate) results: Block,
    pub(crate) begun: Instant,
}

/// Which units this worker holds.
pub(crate) struct Held {
    slots: usize,
    inner: Mutex<Inner>,
    /// There may be places for more units.
    pub(crate) room: Notify,
    /// Units were added, so that beats are due at other times.
    pub(crate) admitted: Notify,
    /// Units wait for the validators behind their pack.
    pub(crate) waiting: Notify,
    /// Results wait to be committed.
    pub(crate) results: Notify,
    /// Failures wait to be reported.
    pub(crate) reports: Notify,
    /// Nothing is held any more.
    pub(crate) emptied: Notify,
}

/// When to do something next about the leases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) beat_at: Option<Instant>,
    pub(crate) let_go_at: Option<Instant>,
}

impl Held {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            inner: Mutex::new(Inner { typical: UNKNOWN_BYTES, ..Inner::default() }),
            room: Notify::new(),
            admitted: Notify::new(),
            waiting: Notify::new(),
            results: Notify::new(),
            reports: Notify::new(),
            emptied: Notify::new(),
        }
    }

    /// How many units to ask for, so that no slot idles and no unit waits here that another worker could do: one more
    /// than slots in all, twice that while units are short, as far as the memory allows.
    pub(crate) fn places(&self) -> usize {
        let inner = self.inner();
        let short = inner.took.is_some_and(|took| took < SHORT_UNIT);
        let limit = if short { 2 * (self.slots + 1) } else { self.slots + 1 };
        let places = limit.saturating_sub(inner.entries.len());
        let weight = inner.typical.max(1);
        let fitting = HELD_BYTES.saturating_sub(inner.bytes) / weight;
        let least = usize::from(inner.entries.is_empty());
        places.min(fitting).min((CALL_BYTES / weight).max(1)).max(least)
    }

    /// The last answer was too large: ask for less.
    pub(crate) fn expect_large_units(&self) {
        self.inner().typical = UNKNOWN_BYTES;
    }

    /// Takes leased units in. A lease that is held already in an older epoch is lost with that.
    pub(crate) fn admit(&self, units: &[Arc<Unit>], sent: Instant, ttl: Duration) {
        let mut inner = self.inner();
        for unit in units {
            inner.typical = unit.bytes.max(inner.typical - inner.typical / 8);
            inner.remove(unit.id());
            inner.bytes += unit.bytes;
            let entry = Entry { unit: Arc::clone(unit), stage: Stage::Working, sent, ttl };
            inner.entries.insert(unit.id(), entry);
        }
        self.admitted.notify_one();
    }

    /// Takes the results of a unit that has been worked on for so long, to be committed; unless its lease is lost.
    pub(crate) fn finish(&self, unit: &Arc<Unit>, results: Block, tally: Tally, took: Duration) {
        let mut inner = self.inner();
        inner.took = Some(took);
        if inner.ready(unit) {
            let commit = UnitCommit { lease: Some(unit.lease.clone()), results: Some(results) };
            inner.finished.push(Finished { unit: Arc::clone(unit), commit, tally });
            self.results.notify_one();
        }
    }

    /// Takes a unit that its pack is through with; unless its lease is lost.
    pub(crate) fn wait_for_validators(&self, unit: &Arc<Unit>, results: Block, begun: Instant) {
        let mut inner = self.inner();
        if inner.entry(unit).is_some() {
            inner.waiting.push(Waiting { unit: Arc::clone(unit), results, begun });
            self.waiting.notify_one();
        }
    }

    /// Units for the validators behind their pack.
    pub(crate) fn take_waiting(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.inner().waiting)
    }

    /// Takes a unit that cannot be worked on, to be reported; unless its lease is lost.
    pub(crate) fn fail(&self, unit: &Unit, category: &'static str, retryable: bool) {
        let mut inner = self.inner();
        if inner.ready(unit) {
            inner.push_failure(unit, category, retryable);
            self.reports.notify_one();
        }
    }

    /// As [`Held::fail`], for a unit whose results the scheduler does not take.
    pub(crate) fn fail_commit(&self, unit: &Unit) {
        let mut inner = self.inner();
        if inner.entry(unit).is_some() {
            inner.push_failure(unit, "commit_refused", true);
            self.reports.notify_one();
        }
    }

    /// Results to commit in one call.
    pub(crate) fn take_finished(&self) -> Vec<Finished> {
        let mut inner = self.inner();
        let mut bytes = 0;
        let size = |finished: &Finished| finished.commit.results.as_ref().map_or(0, |block| block.data.len());
        let fitting = inner.finished.iter().take(COMMIT_UNITS).take_while(|finished| {
            bytes += size(finished);
            bytes <= CALL_BYTES
        });
        // One result is sent whatever its size.
        let count = fitting.count().max(1).min(inner.finished.len());
        let mut batch: Vec<_> = inner.finished.drain(..count).collect();
        batch.retain(|finished| inner.send(&finished.unit));
        batch
    }

    /// Failures to report in one call.
    pub(crate) fn take_failures(&self) -> Vec<UnitFailure> {
        std::mem::take(&mut self.inner().failures)
    }

    /// The scheduler has answered, or never will: these units are held no more.
    pub(crate) fn settle<'a>(&self, leases: impl IntoIterator<Item = &'a LeaseRef>) {
        let mut inner = self.inner();
        for lease in leases {
            if inner.entries.get(&lease.unit_id).is_some_and(|entry| entry.unit.lease.epoch == lease.epoch) {
                inner.remove(lease.unit_id);
            }
        }
        self.after_removal(&inner);
    }

    /// A beat for every lease.
    pub(crate) fn beats(&self) -> Vec<Beat> {
        self.inner().entries.values().map(Entry::beat).collect()
    }

    /// The lease lives on. True when its unit must be queued again.
    pub(crate) fn extend(
        &self,
        leases: &[&LeaseRef],
        sent: Instant,
        ttl: Option<Duration>,
    ) -> Vec<Arc<Unit>> {
        let mut inner = self.inner();
        let mut resumed = Vec::new();
        for lease in leases {
            let Some(entry) = inner.entries.get_mut(&lease.unit_id) else { continue };
            if entry.unit.lease.epoch == lease.epoch {
                entry.sent = sent;
                entry.ttl = ttl.unwrap_or(entry.ttl);
                if entry.unit.resume() {
                    resumed.push(Arc::clone(&entry.unit));
                }
            }
        }
        resumed
    }

    /// The lease is lost. True when that costs a unit which was not sent yet: about one that was, the answer decides.
    pub(crate) fn lose(&self, lease: &LeaseRef) -> bool {
        let mut inner = self.inner();
        let Some(entry) = inner.entries.get(&lease.unit_id) else { return false };
        if entry.unit.lease.epoch != lease.epoch || entry.stage == Stage::Sent {
            return false;
        }
        inner.remove(lease.unit_id);
        self.after_removal(&inner);
        true
    }

    /// Gives no new work to units whose lease may soon be another's.
    pub(crate) fn let_go(&self, now: Instant) -> usize {
        let inner = self.inner();
        let over = inner.entries.values().filter(|entry| entry.let_go_at().is_some_and(|at| at <= now));
        over.map(|entry| entry.unit.hold()).count()
    }

    pub(crate) fn shortest_ttl(&self) -> Option<Duration> {
        self.inner().entries.values().map(|entry| entry.ttl).min()
    }

    pub(crate) fn schedule(&self) -> Schedule {
        let inner = self.inner();
        let beat_at = inner.entries.values().map(Entry::beat_at).min();
        let let_go_at = inner.entries.values().filter_map(Entry::let_go_at).min();
        Schedule { beat_at, let_go_at }
    }

    /// Gives up the units that `choose` picks among those without results, and names their leases.
    pub(crate) fn take_back(&self, choose: impl Fn(&Unit) -> bool) -> Vec<LeaseRef> {
        self.take_leases(|entry| entry.stage == Stage::Working && choose(&entry.unit))
    }

    /// Gives up everything.
    pub(crate) fn take_back_all(&self) -> Vec<LeaseRef> {
        self.take_leases(|_| true)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inner().entries.is_empty()
    }

    /// How many units are held.
    pub(crate) fn count(&self) -> usize {
        self.inner().entries.len()
    }

    fn take_leases(&self, choose: impl Fn(&Entry) -> bool) -> Vec<LeaseRef> {
        let mut inner = self.inner();
        let chosen = inner.entries.values().filter(|entry| choose(entry));
        let leases: Vec<LeaseRef> = chosen.map(|entry| entry.unit.lease.clone()).collect();
        leases.iter().for_each(|lease| inner.remove(lease.unit_id));
        self.after_removal(&inner);
        leases
    }

    fn after_removal(&self, inner: &Inner) {
        self.room.notify_one();
        if inner.entries.is_empty() {
            self.emptied.notify_one();
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
