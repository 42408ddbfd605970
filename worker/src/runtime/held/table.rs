//! The table behind [`super::Held`], under its lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use emend_proto::v1::{Beat, UnitFailure, beat};
use tokio::time::Instant;

use super::{Finished, Waiting};
use crate::runtime::unit::{Order, Unit};

/// The share of a lease's time after which its unit gets no new work: clocks may differ, answers may be slow.
const LET_GO_AT: f64 = 0.8;

/// Beats in a lease's time, so that two may be lost.
const BEATS: u32 = 3;

#[derive(Default)]
pub(super) struct Inner {
    /// How long the last finished unit took.
    pub(super) took: Option<Duration>,
    pub(super) entries: HashMap<u64, Entry>,
    pub(super) bytes: usize,
    /// What the next units may weigh: the largest of the last ones.
    pub(super) typical: usize,
    pub(super) finished: Vec<Finished>,
    pub(super) failures: Vec<UnitFailure>,
    pub(super) waiting: Vec<Waiting>,
}

pub(super) struct Entry {
    pub(super) unit: Arc<Unit>,
    pub(super) stage: Stage,
    /// When the request was sent that granted or last extended the lease, and for how long that was.
    pub(super) sent: Instant,
    pub(super) ttl: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Queued, worked on, or on hold.
    Working,
    /// Its results, or its failure, are ready to be sent.
    Ready,
    /// They have been sent, at least once: only the answer decides now.
    Sent,
}

impl Inner {
    /// This very lease's entry, not that of a later lease of the same unit.
    pub(super) fn entry(&mut self, unit: &Unit) -> Option<&mut Entry> {
        self.entries.get_mut(&unit.id()).filter(|entry| entry.unit.lease.epoch == unit.lease.epoch)
    }

    pub(super) fn ready(&mut self, unit: &Unit) -> bool {
        let entry = self.entry(unit);
        entry.map(|entry| entry.stage = Stage::Ready).is_some()
    }

    pub(super) fn send(&mut self, unit: &Unit) -> bool {
        let entry = self.entry(unit);
        entry.map(|entry| entry.stage = Stage::Sent).is_some()
    }

    pub(super) fn push_failure(&mut self, unit: &Unit, category: &'static str, retryable: bool) {
        tracing::warn!(unit = unit.id(), job = unit.job_id, category, "unit failed");
        let lease = Some(unit.lease.clone());
        self.failures.push(UnitFailure { lease, category: category.to_owned(), retryable });
    }

    pub(super) fn remove(&mut self, unit_id: u64) {
        if let Some(entry) = self.entries.remove(&unit_id) {
            entry.unit.give_up();
            self.bytes -= entry.unit.bytes;
        }
    }
}

impl Entry {
    /// When to send a beat for it.
    pub(super) fn beat_at(&self) -> Instant {
        self.sent + self.ttl / BEATS
    }

    /// When to stop working on it; never when there is nothing left to stop.
    pub(super) fn let_go_at(&self) -> Option<Instant> {
        let working = self.stage == Stage::Working && self.unit.order() == Order::Go;
        working.then(|| self.sent + self.ttl.mul_f64(LET_GO_AT))
    }

    pub(super) fn beat(&self) -> Beat {
        // Only what is worked on has progress to show. A finished unit waits for its commit, and one on hold for us.
        let running = self.stage == Stage::Working && self.unit.started() && self.unit.order() == Order::Go;
        let state = if running { beat::State::Running } else { beat::State::Queued };
        Beat { lease: Some(self.unit.lease.clone()), state: state.into(), progress: self.unit.progress() }
    }
}
