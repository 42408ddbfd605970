//! Commits without their guards.

use super::Mutant;
use crate::domain::commit::{Content, Decision, decide_commit};
use crate::domain::lease::Refusal;
use crate::domain::results::Results;
use crate::domain::time::Timestamp;
use crate::domain::unit::{Receipt, Unit, UnitId, UnitState};
use crate::store::commits::{Commit, Outcome, done_table};
use crate::store::db::{Sql, Tx, params};
use crate::store::{Lane, Outbox, Store, StoreError, units};

/// As the true statement, without the epoch.
const DONE: Sql = Sql::pair(
    "UPDATE units u SET state = 'done', commit_id = t.commit_id, digest = t.digest, holder = $1, done_at = $2,
         expires_at = NULL, epoch = t.epoch, revision = u.ruleset, valid = t.valid, corrected = t.corrected, routed = t.routed, failed = t.failed,
         tallies = t.tallies
     FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
         $10::text[], $11::bytea[])
         AS t (id, epoch, commit_id, valid, corrected, routed, failed, tallies, digest)
     WHERE u.id = t.id",
    "UPDATE units SET state = 'done', commit_id = value ->> 2, digest = substr($4, value ->> 8, value ->> 9), holder = $1,
         done_at = $2, expires_at = NULL, epoch = value ->> 1, revision = ruleset, valid = value ->> 3, corrected = value ->> 4, routed = value ->> 5,
         failed = value ->> 6, tallies = value ->> 7
     FROM json_each($3) WHERE units.id = value ->> 0",
);
const PEEK: Sql = Sql::same(
    "SELECT u.*, j.state AS job_state, j.deleted, j.ruleset AS job_ruleset, j.dry_run FROM units u JOIN jobs j ON j.id = u.job_id WHERE u.id = $1",
);
const FORGET: Sql = Sql::same("DELETE FROM blocks WHERE unit_id = $1 AND revision = 1");

impl Store {
    pub(in crate::store) async fn commit_mutated(
        &self,
        mutant: Mutant,
        worker: String,
        commits: Vec<Commit>,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        match mutant {
            Mutant::StateOnly
            | Mutant::NoFence
            | Mutant::FenceOutsideWrite
            | Mutant::IgnoresRuleset
            | Mutant::AnswersFirst => {}
            Mutant::OutboxOutsideEffect => return self.commit_then_tell(worker, commits, now).await,
            Mutant::ForgetsCommits => {
                let mut outcomes = Box::pin(self.without_mutant().commit(worker, commits, now)).await?;
                forget(&mut outcomes);
                return Ok(outcomes);
            }
            // Their guards are others'.
            _ => return Box::pin(self.without_mutant().commit(worker, commits, now)).await,
        }
        let mut outcomes = Vec::new();
        for commit in commits {
            outcomes.push(self.commit_unguarded(mutant, worker.clone(), commit, now).await?);
        }
        Ok(outcomes)
    }

    fn without_mutant(&self) -> Self {
        Self { mutant: None, ..self.clone() }
    }

    async fn commit_then_tell(
        &self,
        worker: String,
        commits: Vec<Commit>,
        now: Timestamp,
    ) -> Result<Vec<Outcome>, StoreError> {
        let contents: Vec<Content> = commits.iter().map(|commit| commit.content.clone()).collect();
        let untold = Self { outbox: Outbox::default(), ..self.without_mutant() };
        let outcomes = Box::pin(untold.commit(worker, commits, now)).await?;
        let accepted =
            outcomes.iter().zip(contents).filter_map(|(outcome, content)| match (outcome, content) {
                (Outcome::Accepted { receipt, replayed: false, .. }, Content::Sound(results)) => {
                    Some((receipt.clone(), results))
                }
                _ => None,
            });
        let (outbox, accepted) = (self.outbox, accepted.collect::<Vec<_>>());
        // Here the effect stands and nobody will hear of it.
        self.write(Lane::Urgent, move |tx| Box::pin(async move { outbox.units(tx, &accepted, now).await }))
            .await?;
        Ok(outcomes)
    }

    async fn commit_unguarded(
        &self,
        mutant: Mutant,
        worker: String,
        commit: Commit,
        now: Timestamp,
    ) -> Result<Outcome, StoreError> {
        let id = commit.lease.unit_id;
        let unit = self.read(move |tx| Box::pin(async move { peek(tx, id).await })).await?;
        // The window in which another lease is granted and committed.
        tokio::task::yield_now().await;
        if mutant == Mutant::AnswersFirst {
            return Ok(self.answer_first(worker, commit, unit, now));
        }
        let (asked, by) = (commit.clone(), worker.clone());
        let taken = self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let unit = match mutant {
                    Mutant::StateOnly | Mutant::NoFence | Mutant::IgnoresRuleset => peek(tx, id).await?,
                    _ => unit,
                };
                if takes(mutant, unit.as_ref(), &asked, now) {
                    write(tx, &by, asked, now).await
                } else {
                    Ok(None)
                }
            })
        });
        match taken.await? {
            Some(outcome) => Ok(outcome),
            // All else is as it should be: one guard is missing, and nothing more.
            None => {
                let outcomes = Box::pin(self.without_mutant().commit(worker, vec![commit], now)).await?;
                outcomes.into_iter().next().ok_or_else(|| StoreError::Internal("no outcome".into()))
            }
        }
    }

    /// The answer goes out, and the work follows when it can; whether it succeeds is nobody's business.
    fn answer_first(&self, worker: String, commit: Commit, unit: Option<Unit>, now: Timestamp) -> Outcome {
        let decision = decide_commit(unit.as_ref(), &commit.lease, &commit.content, now);
        let (Decision::Apply { late }, Content::Sound(results)) = (decision, &commit.content) else {
            return Outcome::Refused(Refusal::LeaseLost);
        };
        let receipt = Receipt {
            commit_id: commit.commit_id.clone(),
            unit_id: commit.lease.unit_id,
            epoch: commit.lease.epoch,
            digest: results.digest.clone(),
        };
        let store = self.without_mutant();
        self.traffic.running.spawn(async move { drop(store.commit(worker, vec![commit], now).await) });
        Outcome::Accepted { receipt, replayed: false, late }
    }
}

/// What was taken is no longer known: said again, it is as if another had come first.
fn forget(outcomes: &mut [Outcome]) {
    for outcome in outcomes {
        if matches!(outcome, Outcome::Accepted { replayed: true, .. }) {
            *outcome = Outcome::Refused(Refusal::Superseded);
        }
    }
}

/// Whether the mutant takes a commit on what it has seen.
fn takes(mutant: Mutant, unit: Option<&Unit>, commit: &Commit, now: Timestamp) -> bool {
    match (mutant, decide_commit(unit, &commit.lease, &commit.content, now)) {
        (_, Decision::Apply { .. }) | (Mutant::IgnoresRuleset, Decision::Again(Refusal::RulesetChanged)) => {
            true
        }
        (Mutant::StateOnly, Decision::Refuse(Refusal::LeaseLost | Refusal::WrongToken)) => {
            unit.is_some_and(|unit| unit.state == UnitState::Leased)
        }
        (Mutant::NoFence, Decision::Refuse(Refusal::LeaseLost | Refusal::Superseded)) => unit.is_some(),
        _ => false,
    }
}

/// Writes results, whoever else did: `None` when they are none.
async fn write(
    tx: &mut Tx,
    worker: &str,
    commit: Commit,
    now: Timestamp,
) -> Result<Option<Outcome>, StoreError> {
    let Content::Sound(results) = commit.content else { return Ok(None) };
    let lease = commit.lease;
    let digest = results.digest.clone();
    let receipt = Receipt { commit_id: commit.commit_id, unit_id: lease.unit_id, epoch: lease.epoch, digest };
    let accepted: Vec<(Receipt, Results)> = vec![(receipt.clone(), results)];
    tx.execute(DONE, params![worker, now, done_table(&accepted)]).await?;
    tx.execute(FORGET, params![lease.unit_id]).await?;
    let blocks = accepted.into_iter().map(|(receipt, results)| (receipt.unit_id, 1, results.block)).collect();
    units::insert_blocks(tx, blocks).await?;
    Ok(Some(Outcome::Accepted { receipt, replayed: false, late: false }))
}

/// A unit as it is right now, which says nothing of what it is a moment later.
async fn peek(tx: &mut Tx, id: UnitId) -> Result<Option<Unit>, StoreError> {
    tx.row(PEEK, params![id]).await?.as_ref().map(units::read_unit).transpose()
}
