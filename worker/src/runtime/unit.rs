//! One leased unit while it is worked on.
//!
//! Whoever works on it owns it; what an owner brings after it has lost the unit is not taken. So a thread that was
//! given up and comes back hours later can do no harm.

mod source;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use emend_proto::v1::{Block, Lease, LeaseRef, PackRef, Record, RecordResult};
use emend_proto::{BlockError, BlockWriter, MAX_BLOCK_BYTES};

use tracing::Span;

use super::chain::{Chain, Rules, context};
use super::check::Failure;
use super::leaser::Packs;
use super::report::Tally;
use crate::JobContext;
use crate::trace::unit_span;
use source::Source;

/// Names a thread of the pool. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SeatId(pub(crate) u64);

/// What an owner does next.
pub(crate) enum Step {
    /// Validate this slice: one record, or all of a group. Their results come back in the same order.
    Validate { first_seq: u64, records: Vec<Record> },
    /// All records have a result: finish the block.
    Finish { writer: BlockWriter, tally: Tally },
    /// The unit cannot be worked on: report it.
    Report { category: &'static str, retryable: bool },
    /// The unit is no longer this owner's.
    Leave,
}

/// Whether to go on with a unit, asked before each slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    Go,
    /// The lease may soon be another's: no new slice until it is extended.
    Hold,
    /// The lease is lost.
    Drop,
}

/// A leased unit: its records, and its results so far.
pub(crate) struct Unit {
    pub(crate) lease: LeaseRef,
    pub(crate) job_id: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// Size of its block as it came.
    pub(crate) bytes: usize,
    /// Absent when this worker does not have the unit's pack.
    pub(crate) chain: Option<Chain>,
    /// What comes behind it, in order: a validator that has to be called, and whatever follows that.
    pub(crate) links: Vec<PackRef>,
    /// Its records as they came; empty when no validator needs them.
    pub(crate) records: Block,
    /// What validators may know of its job. The rules in it are named as the chain names them.
    pub(crate) job: JobContext,
    pub(crate) rules: Rules,
    /// From here to its end.
    pub(crate) span: Span,
    order: AtomicU8,
    started: AtomicBool,
    done: AtomicU32,
    served: AtomicU32,
    run: Mutex<Run>,
}

/// The name of a lease.
pub(crate) fn lease_ref(lease: Lease) -> LeaseRef {
    LeaseRef { unit_id: lease.unit_id, epoch: lease.epoch, token: lease.token }
}

#[derive(Default)]
struct Run {
    owner: Option<SeatId>,
    /// Its owner left it on `Order::Hold`; nobody will look at it until it is resumed.
    parked: bool,
    /// Records that the owner has and that have no result yet.
    in_hand: u32,
    source: Source,
    writer: Option<BlockWriter>,
    tally: Tally,
}

impl fmt::Debug for Unit {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit")
            .field("unit", &self.id())
            .field("epoch", &self.lease.epoch)
            .finish_non_exhaustive()
    }
}

impl Unit {
    pub(crate) fn new(lease: Lease, packs: &Packs) -> Self {
        let (chain, links) = Chain::of(&lease, packs);
        let mut block = lease.records.clone().unwrap_or_default();
        // One answer holds many units; a slice of it would keep all of it in memory until the last of them is done.
        block.data = bytes::Bytes::copy_from_slice(&block.data);
        Self {
            job_id: lease.job_id,
            first_seq: lease.first_seq,
            last_seq: lease.last_seq,
            bytes: block.data.len(),
            chain,
            records: if links.is_empty() { Block::default() } else { block.clone() },
            links,
            job: context(&lease),
            rules: Rules::of(&lease),
            span: unit_span(lease.unit_id, lease.job_id, lease.epoch, &lease.traceparent),
            lease: lease_ref(lease),
            order: AtomicU8::new(Order::Go as u8),
            started: AtomicBool::new(false),
            done: AtomicU32::new(0),
            served: AtomicU32::new(0),
            run: Mutex::new(Run { source: Source::of(block), ..Run::default() }),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.lease.unit_id
    }

    /// Records that have a result.
    pub(crate) fn done(&self) -> u32 {
        self.done.load(Ordering::Relaxed)
    }

    /// What its owner is at: how many records have a result, and how many behind them it may take its time for. That is
    /// no more than one once the lease is lost.
    pub(crate) fn at(&self) -> (u32, u32) {
        let run = self.run();
        let lost = self.order() == Order::Drop;
        (self.done(), if lost { run.in_hand.min(1) } else { run.in_hand })
    }

    /// A validator has answered about so many.
    pub(crate) fn add_served(&self, records: usize) {
        self.served.fetch_add(u32::try_from(records).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// What a beat tells: it grows with every record that the pack or a validator has settled.
    pub(crate) fn progress(&self) -> u32 {
        self.done().saturating_add(self.served.load(Ordering::Relaxed))
    }

    pub(crate) fn started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Go,
            1 => Order::Hold,
            _ => Order::Drop,
        }
    }

    /// No new slice until [`Unit::resume`].
    pub(crate) fn hold(&self) {
        self.reorder(Order::Go, Order::Hold);
    }

    /// Takes a hold back. True when the unit must be queued again.
    pub(crate) fn resume(&self) -> bool {
        self.reorder(Order::Hold, Order::Go) && std::mem::take(&mut self.run().parked)
    }

    /// No new slice ever.
    pub(crate) fn give_up(&self) {
        self.order.store(Order::Drop as u8, Ordering::Release);
    }

    fn reorder(&self, from: Order, to: Order) -> bool {
        self.order.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Makes `seat` the owner, unless there is nothing to do now. A unit that has no writer yet takes `spare`.
    pub(crate) fn claim(&self, seat: SeatId, spare: &mut BlockWriter) -> bool {
        let mut run = self.run();
        if !run.may_go_on(self.order()) {
            return false;
        }
        run.owner = Some(seat);
        run.writer.get_or_insert_with(|| std::mem::take(spare));
        self.started.store(true, Ordering::Relaxed);
        true
    }

    /// Takes the results of the slice in hand, and says what to do next.
    pub(crate) fn step(&self, seat: SeatId, results: &[RecordResult]) -> Step {
        let mut run = self.run();
        if run.owner != Some(seat) {
            return Step::Leave;
        }
        self.take(&mut run, results);
        if run.writer.as_ref().is_some_and(|writer| writer.plain_bytes() > MAX_BLOCK_BYTES) {
            return run.report("results_too_large", false);
        }
        // A unit whose last record is done is finished even on hold: the scheduler decides about its results.
        let finished = u64::from(self.done()) == self.count();
        if self.order() == Order::Drop || !finished && !run.may_go_on(self.order()) {
            run.owner = None;
            return Step::Leave;
        }
        match run.source.next(self.count()) {
            Ok(records) if records.is_empty() => {
                run.owner = None;
                Step::Finish { writer: run.writer.take().unwrap_or_default(), tally: run.tally }
            }
            Ok(records) => {
                run.in_hand = count(&records);
                Step::Validate { first_seq: self.first_seq + u64::from(self.done()), records }
            }
            // What arrived may have been damaged on its way; what is malformed will be so again.
            Err(BlockError::Checksum) => run.report("block_corrupt", true),
            Err(BlockError::TooLarge | BlockError::Malformed(_)) => run.report("block_malformed", false),
        }
    }

    /// What is written for a record of which nothing can be said.
    pub(crate) fn failed(&self, seq: u64, failure: Failure) -> RecordResult {
        tracing::debug!(unit = self.id(), job = self.job_id, seq, reason = %failure, "record failed");
        failure.into_result(seq)
    }

    /// Takes the unit away from an owner that does not come back from its slice, the one after `done` records. All of its
    /// records are `failed`. False when the owner has come back meanwhile.
    pub(crate) fn take_away(&self, seat: SeatId, done: u32) -> bool {
        let mut run = self.run();
        if run.owner != Some(seat) || run.in_hand == 0 || self.done() != done {
            return false;
        }
        let (seq, records) = (self.first_seq + u64::from(done), run.in_hand);
        let failed = (seq..).take(records as usize).map(|seq| Failure::Timeout.into_result(seq));
        self.take(&mut run, &failed.collect::<Vec<_>>());
        run.owner = None;
        tracing::warn!(unit = self.id(), job = self.job_id, seq, records, "the validator did not come back");
        true
    }

    /// Takes the unit away from an owner that broke down. False when it was another's already.
    pub(crate) fn disown(&self, seat: SeatId) -> bool {
        let mut run = self.run();
        let owned = run.owner == Some(seat);
        run.owner = run.owner.filter(|owner| *owner != seat);
        owned
    }

    fn take(&self, run: &mut Run, results: &[RecordResult]) {
        run.in_hand = 0;
        let writer = run.writer.get_or_insert_default();
        for result in results {
            run.tally.count(result);
            writer.push(result);
        }
        self.done.fetch_add(count(results), Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.last_seq.checked_sub(self.first_seq).map_or(0, |more| more.saturating_add(1))
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    /// Parks the unit on hold. Read under the lock, so that a hold that is taken back finds it parked or going on.
    fn may_go_on(&mut self, order: Order) -> bool {
        self.parked = order == Order::Hold;
        order == Order::Go
    }

    fn report(&mut self, category: &'static str, retryable: bool) -> Step {
        (self.owner, self.source, self.writer) = (None, Source::default(), None);
        Step::Report { category, retryable }
    }
}

fn count<T>(all: &[T]) -> u32 {
    u32::try_from(all.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
