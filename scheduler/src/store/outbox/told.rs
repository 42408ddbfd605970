//! What rows of the outbox speak of, looked up when they are taken.

use std::collections::HashMap;

use emend_proto::v1::Block;

use super::super::StoreError;
use super::super::db::{Column, Row, Sql, Tx, params};
use super::super::jobs::read_state;
use super::super::units::read_block;
use super::claim::{Claim, Key, OutboxRow};
use super::{AGAIN, DECIDED, Outbox, RESULTS, again};
use crate::domain::job::JobState;
use crate::domain::review::AnswerKind;
use crate::domain::time::Timestamp;
use crate::domain::unit::UnitId;

/// What a row of the outbox speaks of.
#[derive(Debug, Clone)]
pub enum Told {
    /// A job entered a state.
    Job {
        /// When the job was made: with its id, it is this job in whichever store.
        created_at: Timestamp,
        /// The state.
        state: JobState,
        /// How often what the job runs has changed: it may enter a state again for that.
        ruleset: i64,
    },
    /// An operator should look at a job.
    Alert {
        /// When the job was made.
        created_at: Timestamp,
        /// Tells alerts of one kind apart.
        number: i64,
        /// Why, a code.
        what: &'static str,
    },
    /// A unit's results were committed.
    Results {
        /// The unit.
        unit_id: UnitId,
        /// The commit.
        commit_id: String,
        /// The results, unchecked.
        results: Block,
    },
    /// People have decided on a record, for good.
    Decided {
        /// When the job was made.
        created_at: Timestamp,
        /// The record's place.
        seq: i64,
        /// The decision that stands.
        decision_id: i64,
        /// What was said.
        kind: AnswerKind,
    },
    /// What it spoke of is gone: deleted by retention or with its job.
    Nothing,
}

const ALERTS: [&str; 3] = [Outbox::AWAITS_APPROVAL, Outbox::TRIPPED, Outbox::RULES_PAUSED];

const OF_UNITS: Sql = Sql::pair(
    "SELECT u.id, u.commit_id, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN blocks b ON b.unit_id = u.id AND b.revision = CASE u.revision WHEN 0 THEN 1 ELSE u.revision END
     WHERE u.id = ANY($1) AND u.commit_id IS NOT NULL",
    "SELECT u.id, u.commit_id, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN blocks b ON b.unit_id = u.id AND b.revision = CASE u.revision WHEN 0 THEN 1 ELSE u.revision END
     WHERE u.id IN (SELECT value FROM json_each($1)) AND u.commit_id IS NOT NULL",
);
const OF_JOBS: Sql = Sql::pair(
    "SELECT id, created_at, ruleset FROM jobs WHERE id = ANY($1)",
    "SELECT id, created_at, ruleset FROM jobs WHERE id IN (SELECT value FROM json_each($1))",
);
/// As it stands now. A decision that was taken back has no row any more; should one be left, it says nothing.
const OF_DECISIONS: Sql = Sql::pair(
    "SELECT r.job_id, r.seq, r.decision_id, r.rejected, j.created_at
     FROM unnest($2::bigint[], $3::bigint[]) AS t (job_id, seq)
     JOIN reviews r ON r.job_id = t.job_id AND r.seq = t.seq JOIN jobs j ON j.id = r.job_id
     WHERE r.state = 'decided' AND r.due_at <= $1",
    "SELECT r.job_id, r.seq, r.decision_id, r.rejected, j.created_at
     FROM json_each($2) t JOIN reviews r ON r.job_id = t.value ->> 0 AND r.seq = t.value ->> 1
     JOIN jobs j ON j.id = r.job_id
     WHERE r.state = 'decided' AND r.due_at <= $1",
);

/// What the rows speak of; one that asks for everything again is done right here.
pub(super) async fn read(
    tx: &mut Tx,
    rows: &[Row],
    until: Timestamp,
    now: Timestamp,
) -> Result<Claim, StoreError> {
    let mut taken: Vec<(Key, Timestamp)> = Vec::with_capacity(rows.len());
    for row in rows {
        let key: Key = (row.int("job_id")?, row.int("unit_id")?, row.text("what")?);
        if key.2 == AGAIN {
            again::say(tx, now).await?;
        } else {
            taken.push((key, Timestamp(row.int("at")?)));
        }
    }
    let of = |what: fn(&str) -> bool| taken.iter().map(|(key, _)| key).filter(move |key| what(&key.2));
    let units = of(|what| what == RESULTS).map(|key| key.1).collect();
    let mut units = results_of(tx, units).await?;
    let decided = of(|what| what == DECIDED).map(|key| (key.0, key.1)).unzip();
    let mut decided = decided_of(tx, decided, now).await?;
    let jobs = of(|what| what != RESULTS && what != DECIDED).map(|key| key.0).collect();
    let made = made_at(tx, jobs).await?;
    let mut claimed = Vec::with_capacity(taken.len());
    for (key, at) in taken {
        let told = match key.2.as_str() {
            RESULTS => units.remove(&key.1),
            DECIDED => decided.remove(&(key.0, key.1)),
            state => {
                let made = made.get(&key.0).copied();
                let alert = ALERTS.into_iter().find(|alert| *alert == state);
                match (made, alert) {
                    (None, _) => None,
                    (Some((created_at, _)), Some(what)) => {
                        Some(Told::Alert { created_at, number: key.1, what })
                    }
                    (Some((created_at, ruleset)), None) => {
                        Some(Told::Job { created_at, state: read_state(state)?, ruleset })
                    }
                }
            }
        };
        claimed.push(OutboxRow { job_id: key.0, at, told: told.unwrap_or(Told::Nothing), key });
    }
    Ok(Claim { rows: claimed, until })
}

async fn results_of(tx: &mut Tx, units: Vec<UnitId>) -> Result<HashMap<UnitId, Told>, StoreError> {
    if units.is_empty() {
        return Ok(HashMap::new());
    }
    let read = |row: &Row| {
        let unit_id = row.int("id")?;
        let (commit_id, results) = (row.text("commit_id")?, read_block(row)?);
        Ok((unit_id, Told::Results { unit_id, commit_id, results }))
    };
    tx.rows(OF_UNITS, params![units]).await?.iter().map(read).collect()
}

async fn decided_of(
    tx: &mut Tx,
    (jobs, seqs): (Vec<i64>, Vec<i64>),
    now: Timestamp,
) -> Result<HashMap<(i64, i64), Told>, StoreError> {
    if seqs.is_empty() {
        return Ok(HashMap::new());
    }
    let read = |row: &Row| {
        let seq = row.int("seq")?;
        let told = Told::Decided {
            created_at: Timestamp(row.int("created_at")?),
            seq,
            decision_id: row.int("decision_id")?,
            // A reviewer who cannot decide has not decided.
            kind: if row.bool("rejected")? { AnswerKind::Rejected } else { AnswerKind::Values },
        };
        Ok(((row.int("job_id")?, seq), told))
    };
    let table = vec![Column::Ints(jobs), Column::Ints(seqs)];
    tx.rows(OF_DECISIONS, params![now, table]).await?.iter().map(read).collect()
}

async fn made_at(tx: &mut Tx, jobs: Vec<i64>) -> Result<HashMap<i64, (Timestamp, i64)>, StoreError> {
    if jobs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = tx.rows(OF_JOBS, params![jobs]).await?;
    let made = |row: &Row| Ok((row.int("id")?, (Timestamp(row.int("created_at")?), row.int("ruleset")?)));
    rows.iter().map(made).collect()
}
