//! Units whose attempts are used up: halved, until the poison is alone.

use std::collections::HashMap;
use std::ops::Range;

use emend_proto::v1::{Apart, Record, RecordResult, Verdict};
use emend_proto::{BlockWriter, decode, encode};

use super::commits;
use super::db::{Sql, Tx, params};
use super::units::{self, NewUnit, read_unit};
use super::{Lane, Outbox, Store, StoreError, revisions};
use crate::domain::commit::Content;
use crate::domain::cut::{Split, split};
use crate::domain::job::JobPolicy;
use crate::domain::results::Results;
use crate::domain::time::Timestamp;
use crate::domain::unit::{Receipt, Unit, UnitId, UnitState};

/// What became of a unit whose attempts were used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitOutcome {
    /// It was halved.
    Halved(UnitId),
    /// Its lone record is a person's now.
    Failed(UnitId),
    /// It is damaged.
    SetAside(UnitId),
    /// It was to be run again, and keeps the results it had.
    Abandoned(UnitId),
}

/// Who committed a unit that no worker could.
pub(super) const SCHEDULER: &str = "scheduler";

const EXHAUSTED: Sql = Sql::pair(
    "SELECT u.*, j.state AS job_state, j.deleted, j.ruleset AS job_ruleset, j.dry_run, j.unit_records, j.unit_bytes, j.attempts
     FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.state = 'ready' AND u.attempts_left <= 0 AND j.state IN ('importing', 'running') AND NOT j.deleted
     ORDER BY u.id LIMIT 1 FOR UPDATE OF u SKIP LOCKED",
    "SELECT u.*, j.state AS job_state, j.deleted, j.ruleset AS job_ruleset, j.dry_run, j.unit_records, j.unit_bytes, j.attempts
     FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.state = 'ready' AND u.attempts_left <= 0 AND j.state IN ('importing', 'running') AND NOT j.deleted
     ORDER BY u.id LIMIT 1",
);
/// A grant to the scheduler itself: the epoch moves on, so whoever held the unit has lost it.
const GRANT: Sql = Sql::same(
    "UPDATE units SET epoch = epoch + 1, token_hash = NULL, state = $3 WHERE id = $1 AND epoch = $2",
);

impl Store {
    /// Splits one unit whose attempts are used up, if there is one. `commit_id` is for a lone record's receipt.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn split_one(
        &self,
        commit_id: String,
        now: Timestamp,
    ) -> Result<Option<SplitOutcome>, StoreError> {
        let outbox = self.outbox;
        let split = self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let Some(row) = tx.row(EXHAUSTED, params![]).await? else { return Ok(None) };
                let small = |column| {
                    let value = row.int(column)?;
                    u32::try_from(value)
                        .map_err(|_| StoreError::Internal(format!("{column} is out of range")))
                };
                let policy = JobPolicy {
                    unit_records: small("unit_records")?,
                    unit_bytes: small("unit_bytes")?,
                    attempts: small("attempts")?,
                };
                let unit = read_unit(&row)?;
                split_locked(tx, unit, &policy, commit_id, now, outbox).await.map(Some)
            })
        });
        let split = split.await?;
        if split.is_some() {
            self.ready_from.forget();
        }
        Ok(split)
    }
}

async fn split_locked(
    tx: &mut Tx,
    unit: Unit,
    policy: &JobPolicy,
    commit_id: String,
    now: Timestamp,
    outbox: Outbox,
) -> Result<SplitOutcome, StoreError> {
    if unit.rules.results > 0 {
        return revisions::abandon(tx, &unit).await.map(SplitOutcome::Abandoned);
    }
    let block = units::block(tx, unit.id, 0).await?;
    let block = block.ok_or_else(|| StoreError::Internal("a ready unit has no block".into()))?;
    let records = decode::<Record>(&block).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Ok(records) = records else {
        units::set_aside(tx, vec![unit.id]).await?;
        return Ok(SplitOutcome::SetAside(unit.id));
    };
    let groups: Vec<u64> = records.iter().map(|record| record.group).collect();
    match split(&groups, policy) {
        Split::Halves { first, attempts, apart } => {
            let mut records = records;
            for record in records.iter_mut().filter(|_| apart) {
                (record.group, record.apart) = (0, Apart::Failed.into());
            }
            let pieces = [(0..first, attempts.0), (first..records.len(), attempts.1)];
            let parent =
                Parent { id: unit.id, epoch: unit.epoch, job_id: unit.job_id, first_seq: unit.first_seq };
            replace(tx, parent, &records, pieces, now).await?;
            Ok(SplitOutcome::Halved(unit.id))
        }
        Split::Failed => {
            tx.execute_exactly(1, GRANT, params![unit.id, unit.epoch, "ready"]).await?;
            let receipt = Receipt { commit_id, unit_id: unit.id, epoch: unit.epoch + 1, digest: Vec::new() };
            let (id, failed) = (unit.id, vec![failed(&unit, receipt)?]);
            commits::write(tx, SCHEDULER, &HashMap::from([(id, unit)]), failed, now, outbox).await?;
            Ok(SplitOutcome::Failed(id))
        }
    }
}

/// A unit whose place others take.
pub(super) struct Parent {
    pub(super) id: UnitId,
    pub(super) epoch: i64,
    pub(super) job_id: i64,
    pub(super) first_seq: i64,
}

/// Puts pieces of a unit, each with its attempts, in its place. Whoever holds it has lost it.
pub(super) async fn replace(
    tx: &mut Tx,
    parent: Parent,
    records: &[Record],
    pieces: impl IntoIterator<Item = (Range<usize>, u32)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_exactly(1, GRANT, params![parent.id, parent.epoch, "split"]).await?;
    let mut writer = BlockWriter::default();
    let mut unit = |(piece, attempts): (Range<usize>, u32)| {
        let first_seq = parent.first_seq + i64::try_from(piece.start).unwrap_or(i64::MAX);
        records[piece].iter().for_each(|record| writer.push(record));
        NewUnit { first_seq, attempts, state: UnitState::Ready, block: writer.finish() }
    };
    let units: Vec<_> = pieces.into_iter().map(&mut unit).collect();
    units::insert(tx, parent.job_id, units, now).await
}

fn failed(unit: &Unit, receipt: Receipt) -> Result<(Receipt, Results), StoreError> {
    let result = RecordResult {
        seq: unit.first_seq.unsigned_abs(),
        verdict: Verdict::Failed.into(),
        failure: "attempts".into(),
        ..RecordResult::default()
    };
    match Results::read(encode([&result])) {
        Content::Sound(results) => Ok((Receipt { digest: results.digest.clone(), ..receipt }, results)),
        Content::Unsound(_) | Content::Corrupt => {
            Err(StoreError::Internal("our own result is unsound".into()))
        }
    }
}
