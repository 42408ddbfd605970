//! Commits: results in, receipts out, whole units at a time.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::db::{Column, Sql, Tx, params};
use super::handbacks::{self, Back};
use super::{Lane, Outbox, Store, StoreError, records, reviews, revisions, units};
use crate::domain::commit::{Content, Decision, decide_commit};
use crate::domain::lease::{LeaseRef, Refusal};
use crate::domain::results::Results;
use crate::domain::time::Timestamp;
use crate::domain::unit::{Receipt, Unit, UnitId, UnitState};

/// One unit's commit.
#[derive(Debug, Clone)]
pub struct Commit {
    /// By which lease.
    pub lease: LeaseRef,
    /// What was sent.
    pub content: Content,
    /// The id of the receipt, if it is applied.
    pub commit_id: String,
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the store.
    Accepted {
        /// The proof.
        receipt: Receipt,
        /// It was there before.
        replayed: bool,
        /// The lease had run out.
        late: bool,
    },
    /// It is not.
    Refused(Refusal),
}

impl Outcome {
    /// Whether the unit is ready again.
    pub fn gives_back(&self) -> bool {
        matches!(self, Self::Refused(Refusal::ResultsDoNotFit(_) | Refusal::RulesetChanged))
    }
}

/// The row is locked and decided on; that the epoch stands here once more costs nothing and guards the guard.
const DONE: Sql = Sql::pair(
    "UPDATE units u SET state = 'done', commit_id = t.commit_id, digest = t.digest, holder = $1, done_at = $2,
         expires_at = NULL, reviewed = TRUE, revision = u.ruleset, valid = t.valid, corrected = t.corrected, routed = t.routed, failed = t.failed,
         tallies = t.tallies
     FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
         $10::text[], $11::bytea[])
         AS t (id, epoch, commit_id, valid, corrected, routed, failed, tallies, digest)
     WHERE u.id = t.id AND u.epoch = t.epoch AND u.state IN ('ready', 'leased')",
    "UPDATE units SET state = 'done', commit_id = value ->> 2, digest = substr($4, value ->> 8, value ->> 9), holder = $1,
         done_at = $2, expires_at = NULL, reviewed = TRUE, revision = ruleset, valid = value ->> 3, corrected = value ->> 4, routed = value ->> 5,
         failed = value ->> 6, tallies = value ->> 7
     FROM json_each($3)
     WHERE units.id = value ->> 0 AND epoch = value ->> 1 AND state IN ('ready', 'leased')",
);

impl Store {
    /// Applies commits of one worker, each with an outcome of its own, all in one transaction: once this
    /// answers, what was accepted is on disk.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails; [`StoreError::Unavailable`] then means that the outcome is unknown.
    pub async fn commit(
        &self,
        worker: String,
        commits: Vec<Commit>,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        #[cfg(feature = "test-hooks")]
        if let Some(mutant) = self.mutant {
            return self.commit_mutated(mutant, worker, commits, now).await;
        }
        let outbox = self.outbox;
        self.told_at.store(now.0, Ordering::Relaxed);
        let outcomes = self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let units =
                    units::lock(tx, commits.iter().map(|commit| commit.lease.unit_id).collect()).await?;
                commit_locked(tx, &worker, commits, units, now, outbox).await
            })
        });
        let outcomes = outcomes.await?;
        if outcomes.iter().any(Outcome::gives_back) {
            self.ready_from.forget();
        }
        Ok(outcomes)
    }
}

async fn commit_locked(
    tx: &mut Tx,
    worker: &str,
    commits: Vec<Commit>,
    mut units: HashMap<UnitId, Unit>,
    now: Timestamp,
    outbox: Outbox,
) -> Result<Vec<Outcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(commits.len());
    let (mut accepted, mut returned, mut damaged) = (Vec::new(), Vec::new(), Vec::new());
    let back = |unit: &Unit, attempts_left| Back { unit_id: unit.id, epoch: unit.epoch, attempts_left };
    for Commit { lease, content, commit_id } in commits {
        let unit = units.get_mut(&lease.unit_id);
        let decision = decide_commit(unit.as_deref(), &lease, &content, now);
        outcomes.push(match (decision, unit, content) {
            (Decision::Apply { late }, Some(unit), Content::Sound(results)) => {
                let digest = results.digest.clone();
                let receipt = Receipt { commit_id, unit_id: unit.id, epoch: unit.epoch, digest };
                // The same unit may stand in the call twice; the second is then judged by the first.
                (unit.state, unit.receipt) = (UnitState::Done, Some(receipt.clone()));
                accepted.push((receipt.clone(), results));
                Outcome::Accepted { receipt, replayed: false, late }
            }
            (Decision::Replay(receipt), _, _) => Outcome::Accepted { receipt, replayed: true, late: false },
            (Decision::HandBack(refusal), Some(unit), _) => {
                // The loop has counted it already when it returned the expired lease.
                let counted = i64::from(unit.state == UnitState::Leased);
                (unit.state, unit.token_hash) = (UnitState::Ready, None);
                returned.push(back(unit, (unit.attempts_left - counted).max(0)));
                Outcome::Refused(refusal)
            }
            (Decision::Again(refusal), Some(unit), _) => {
                (unit.state, unit.token_hash) = (UnitState::Ready, None);
                returned.push(back(unit, unit.attempts_left));
                Outcome::Refused(refusal)
            }
            (Decision::SetAside, Some(unit), _) => {
                (unit.state, unit.token_hash) = (UnitState::SetAside, None);
                damaged.push(unit.id);
                Outcome::Refused(Refusal::ChecksumMismatch)
            }
            (Decision::Refuse(refusal), _, _) => Outcome::Refused(refusal),
            (decision, _, _) => return Err(StoreError::Internal(format!("{decision:?} without its unit"))),
        });
    }
    write(tx, worker, &units, accepted, now, outbox).await?;
    handbacks::give_back(tx, returned).await?;
    if !damaged.is_empty() {
        units::set_aside(tx, damaged).await?;
    }
    Ok(outcomes)
}

/// Writes what was accepted: the units' rows, their result blocks, and what there is to tell of them.
pub(super) async fn write(
    tx: &mut Tx,
    worker: &str,
    units: &HashMap<UnitId, Unit>,
    mut accepted: Vec<(Receipt, Results)>,
    now: Timestamp,
    outbox: Outbox,
) -> Result<(), StoreError> {
    if accepted.is_empty() {
        return Ok(());
    }
    let rules = |receipt: &Receipt| units.get(&receipt.unit_id).map(|unit| unit.rules).unwrap_or_default();
    for (receipt, results) in &mut accepted {
        if let Some(unit) = units.get(&receipt.unit_id).filter(|unit| unit.rules.results > 0) {
            *results = revisions::merge(tx, unit, results, now).await?;
        }
        if rules(receipt).dry_run {
            results.thin().map_err(|error| records::damaged(receipt.unit_id, &error))?;
        }
    }
    let table = done_table(&accepted);
    tx.execute_exactly(accepted.len(), DONE, params![worker, now, table]).await?;
    reviews::open(tx, &accepted).await?;
    outbox.units(tx, &accepted, now).await?;
    let block = |(receipt, results): (Receipt, Results)| {
        (receipt.unit_id, rules(&receipt).leased.max(1), results.block)
    };
    let blocks = accepted.into_iter().map(block).collect();
    units::insert_blocks(tx, blocks).await
}

pub(super) fn done_table(accepted: &[(Receipt, Results)]) -> Vec<Column> {
    let column = |value: fn(&(Receipt, Results)) -> i64| Column::Ints(accepted.iter().map(value).collect());
    vec![
        column(|(receipt, _)| receipt.unit_id),
        column(|(receipt, _)| receipt.epoch),
        Column::Texts(accepted.iter().map(|(receipt, _)| receipt.commit_id.clone()).collect()),
        column(|(_, results)| results.verdicts.valid),
        column(|(_, results)| results.verdicts.corrected),
        column(|(_, results)| results.verdicts.routed),
        column(|(_, results)| results.verdicts.failed),
        Column::Texts(accepted.iter().map(|(_, results)| tallies(results)).collect()),
        Column::Blobs(accepted.iter().map(|(receipt, _)| receipt.digest.clone()).collect()),
    ]
}

fn tallies(results: &Results) -> String {
    serde_json::to_string(&results.tallies).expect("names and numbers are always JSON")
}
