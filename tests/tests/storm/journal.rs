//! What was granted, what was sent, and what was answered; and whether it goes together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use emend_proto::v1::RecordResult;
use emend_scheduler::domain::commit::Content;
use emend_scheduler::domain::lease::{LeaseRef, Refusal};
use emend_scheduler::domain::unit::{Receipt, Unit, UnitId, UnitState};
use emend_scheduler::store::{Commit, Outcome};
use emend_tests::records::content;

/// A promise that was broken.
#[derive(Debug)]
#[expect(dead_code, reason = "printed when a test fails")]
pub(crate) enum Violation {
    /// One epoch of a unit was granted twice.
    GrantedTwice(UnitId, i64),
    /// A commit was taken from a lease that was not the newest.
    OldEpoch { unit: UnitId, taken: i64, newest: i64 },
    /// A unit has more than one effect, or the same commit more than one receipt.
    TwoCommits { unit: UnitId, receipts: usize },
    /// An answer says something else than was sent.
    OtherContent(UnitId),
    /// A refusal that nothing here can earn, or an error.
    Unexpected(UnitId, String),
    /// An acknowledged commit is not what the store holds.
    NotThere(UnitId, String),
    /// Counts do not add up.
    Sums(String),
}

/// One unit's commit as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) lease: LeaseRef,
    pub(crate) results: Vec<RecordResult>,
    pub(crate) commit_id: String,
    receipt: Option<Receipt>,
}

#[derive(Debug, Default)]
struct Entries {
    granted: Vec<(UnitId, i64)>,
    /// What was taken, with its worker.
    taken: BTreeMap<UnitId, Vec<(String, Sent)>>,
    violations: Vec<Violation>,
}

/// Written by all workers.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Entries>);

impl Sent {
    pub(crate) fn new(lease: LeaseRef, results: Vec<RecordResult>, commit_id: String) -> Self {
        Self { lease, results, commit_id, receipt: None }
    }

    pub(crate) fn commit(&self) -> Commit {
        let (lease, content) = (self.lease.clone(), content(&self.results));
        Commit { lease, content, commit_id: self.commit_id.clone() }
    }

    /// `None` when the outcome is this commit's receipt again.
    pub(crate) fn is_replayed_by(&self, outcome: &Outcome) -> Option<Violation> {
        let same = |receipt: &Receipt| Some(receipt) == self.receipt.as_ref();
        if matches!(outcome, Outcome::Accepted { receipt, replayed: true, .. } if same(receipt)) {
            return None;
        }
        Some(Violation::NotThere(self.lease.unit_id, format!("{outcome:?}")))
    }
}

impl Journal {
    pub(crate) fn granted(&self, lease: &LeaseRef) {
        self.write(|entries| entries.granted.push((lease.unit_id, lease.epoch)));
    }

    pub(crate) fn answered(&self, worker: &str, sent: Sent, outcome: Outcome) {
        self.write(|entries| match outcome {
            Outcome::Accepted { receipt, .. } => {
                let unit = sent.lease.unit_id;
                let same =
                    matches!(content(&sent.results), Content::Sound(sound) if sound.digest == receipt.digest);
                if !same || (receipt.unit_id, receipt.epoch) != (unit, sent.lease.epoch) {
                    entries.violations.push(Violation::OtherContent(unit));
                }
                let sent = Sent { receipt: Some(receipt), ..sent };
                entries.taken.entry(unit).or_default().push((worker.to_owned(), sent));
            }
            Outcome::Refused(Refusal::LeaseLost | Refusal::Superseded | Refusal::IdempotencyMismatch) => {}
            Outcome::Refused(other) => {
                entries.violations.push(Violation::Unexpected(sent.lease.unit_id, format!("{other:?}")));
            }
        });
    }

    pub(crate) fn failed(&self, unit: UnitId, error: &dyn std::fmt::Display) {
        self.write(|entries| entries.violations.push(Violation::Unexpected(unit, error.to_string())));
    }

    /// What breaks a promise by itself, whatever the store holds. Empties the list of those seen on the way.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        self.write(|entries| {
            let mut violations = std::mem::take(&mut entries.violations);
            let mut newest: HashMap<UnitId, i64> = HashMap::new();
            let mut seen = HashSet::new();
            for (unit, epoch) in &entries.granted {
                if !seen.insert((unit, epoch)) {
                    violations.push(Violation::GrantedTwice(*unit, *epoch));
                }
                let newest = newest.entry(*unit).or_default();
                *newest = (*newest).max(*epoch);
            }
            for (unit, taken) in &entries.taken {
                let receipts: HashSet<_> = taken
                    .iter()
                    .filter_map(|(_, sent)| sent.receipt.as_ref())
                    .map(|it| &it.commit_id)
                    .collect();
                if receipts.len() > 1 {
                    violations.push(Violation::TwoCommits { unit: *unit, receipts: receipts.len() });
                }
                // Done is the end: whatever was granted after a commit was taken is as wrong as what was before.
                let newest = newest.get(unit).copied().unwrap_or_default();
                let old = taken.iter().find(|(_, sent)| sent.lease.epoch != newest);
                if let Some((_, sent)) = old {
                    violations.push(Violation::OldEpoch { unit: *unit, taken: sent.lease.epoch, newest });
                }
            }
            violations
        })
    }

    /// Whether the store holds what was acknowledged for a unit, and nothing else.
    pub(crate) fn compare(&self, unit: &Unit, results: &[RecordResult]) -> Option<Violation> {
        self.write(|entries| {
            let missing = |what: &str| Some(Violation::NotThere(unit.id, what.to_owned()));
            let Some((_, sent)) = entries.taken.get(&unit.id).and_then(|taken| taken.first()) else {
                return missing("it is done, and nobody was told");
            };
            if unit.state != UnitState::Done || unit.receipt != sent.receipt {
                return missing(&format!(
                    "{:?} with {:?}, told {:?}",
                    unit.state, unit.receipt, sent.receipt
                ));
            }
            if results != sent.results {
                return missing("its results are another's");
            }
            None
        })
    }

    /// Every acknowledged commit once, by its worker.
    pub(crate) fn acknowledged(&self) -> BTreeMap<String, Vec<Sent>> {
        self.write(|entries| {
            let mut by_worker: BTreeMap<String, Vec<Sent>> = BTreeMap::new();
            for (worker, sent) in entries.taken.values().filter_map(|taken| taken.first()) {
                by_worker.entry(worker.clone()).or_default().push(sent.clone());
            }
            by_worker
        })
    }

    fn write<T>(&self, step: impl FnOnce(&mut Entries) -> T) -> T {
        step(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
