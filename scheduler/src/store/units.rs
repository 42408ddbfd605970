//! Units: inserting them with their blocks, and locking them for a decision.

use std::collections::HashMap;

use emend_proto::v1::{Block, Encoding};

use super::StoreError;
use super::db::{Column, Row, Sql, Tx, params};
use super::jobs::read_state;
use crate::domain::time::Timestamp;
use crate::domain::unit::{Receipt, Rules, Unit, UnitId, UnitState};

/// A unit to be made.
#[derive(Debug, Clone)]
pub(super) struct NewUnit {
    pub(super) first_seq: i64,
    pub(super) attempts: u32,
    /// `Ready`, or `Waiting` until the canary is approved.
    pub(super) state: UnitState,
    /// Its records, compressed.
    pub(super) block: Block,
}

const INSERT: Sql = Sql::pair(
    "INSERT INTO units (job_id, first_seq, last_seq, plain_bytes, attempts_left, state, epoch, idle_beats, valid,
         corrected, routed, failed, made_at)
     SELECT $1, t.first_seq, t.last_seq, t.plain_bytes, t.attempts, t.state, 0, 0, 0, 0, 0, 0, $2
     FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
         AS t (first_seq, last_seq, plain_bytes, attempts, state)
     ORDER BY t.first_seq
     RETURNING id, first_seq",
    "INSERT INTO units (job_id, first_seq, last_seq, plain_bytes, attempts_left, state, epoch, idle_beats, valid,
         corrected, routed, failed, made_at)
     SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, 0, 0, 0, 0, 0, 0, $2
     FROM json_each($3)
     ORDER BY value ->> 0
     RETURNING id, first_seq",
);
const INSERT_BLOCKS: Sql = Sql::pair(
    "INSERT INTO blocks (unit_id, revision, count, plain_bytes, checksum, data)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[])",
    "INSERT INTO blocks (unit_id, revision, count, plain_bytes, checksum, data)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, substr($2, value ->> 5, value ->> 6) FROM json_each($1)",
);
/// In id order, so that two callers never wait for each other in a circle.
const LOCK: Sql = Sql::pair(
    "SELECT u.*, j.state AS job_state, j.deleted, j.ruleset AS job_ruleset, j.dry_run FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.id = ANY($1) ORDER BY u.id FOR UPDATE OF u",
    "SELECT u.*, j.state AS job_state, j.deleted, j.ruleset AS job_ruleset, j.dry_run FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.id IN (SELECT value FROM json_each($1)) ORDER BY u.id",
);
const BLOCK: Sql = Sql::same("SELECT * FROM blocks WHERE unit_id = $1 AND revision = $2");
const SET_ASIDE: Sql = Sql::pair(
    "UPDATE units SET state = 'set_aside', token_hash = NULL, holder = NULL, lease_request = NULL, expires_at = NULL,
         progress = NULL, idle_beats = 0
     WHERE id = ANY($1) AND state IN ('ready', 'leased')",
    "UPDATE units SET state = 'set_aside', token_hash = NULL, holder = NULL, lease_request = NULL, expires_at = NULL,
         progress = NULL, idle_beats = 0
     WHERE id IN (SELECT value FROM json_each($1)) AND state IN ('ready', 'leased')",
);

/// Makes units with their records.
pub(super) async fn insert(
    tx: &mut Tx,
    job_id: i64,
    units: Vec<NewUnit>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let column = |value: fn(&NewUnit) -> i64| Column::Ints(units.iter().map(value).collect());
    let table = vec![
        column(|unit| unit.first_seq),
        column(|unit| unit.first_seq + i64::from(unit.block.count) - 1),
        column(|unit| i64::from(unit.block.plain_bytes)),
        column(|unit| i64::from(unit.attempts)),
        Column::Texts(units.iter().map(|unit| unit.state.as_str().to_owned()).collect()),
    ];
    let rows = tx.rows(INSERT, params![job_id, now, table]).await?;
    let ids = rows.iter().map(|row| Ok((row.int("first_seq")?, row.int("id")?)));
    let ids: HashMap<i64, UnitId> = ids.collect::<Result<_, StoreError>>()?;
    let blocks = units.into_iter().map(|unit| match ids.get(&unit.first_seq) {
        Some(id) => Ok((*id, 0, unit.block)),
        None => Err(StoreError::Internal("a unit was not inserted".into())),
    });
    insert_blocks(tx, blocks.collect::<Result<_, _>>()?).await
}

/// Writes blocks: unit, revision, and the block itself, compressed.
pub(super) async fn insert_blocks(tx: &mut Tx, blocks: Vec<(UnitId, i64, Block)>) -> Result<(), StoreError> {
    let column = |value: fn(&(UnitId, i64, Block)) -> i64| Column::Ints(blocks.iter().map(value).collect());
    let table = vec![
        column(|(unit, _, _)| *unit),
        column(|(_, revision, _)| *revision),
        column(|(_, _, block)| i64::from(block.count)),
        column(|(_, _, block)| i64::from(block.plain_bytes)),
        column(|(_, _, block)| i64::from(block.checksum)),
        Column::Blobs(blocks.iter().map(|(_, _, block)| block.data.to_vec()).collect()),
    ];
    tx.execute_exactly(blocks.len(), INSERT_BLOCKS, params![table]).await
}

/// Locks units for a decision. Those that do not exist are missing in the answer.
pub(super) async fn lock(tx: &mut Tx, ids: Vec<UnitId>) -> Result<HashMap<UnitId, Unit>, StoreError> {
    let rows = tx.rows(LOCK, params![ids]).await?;
    rows.iter().map(|row| read_unit(row).map(|unit| (unit.id, unit))).collect()
}

/// One block of a unit, if it is there.
pub(super) async fn block(tx: &mut Tx, unit: UnitId, revision: i64) -> Result<Option<Block>, StoreError> {
    tx.row(BLOCK, params![unit, revision]).await?.as_ref().map(read_block).transpose()
}

/// Takes damaged units out until an operator has looked at them.
pub(super) async fn set_aside(tx: &mut Tx, units: Vec<UnitId>) -> Result<(), StoreError> {
    tracing::error!(?units, "units are set aside: a block does not match its checksum");
    tx.execute(SET_ASIDE, params![units]).await.map(|_| ())
}

/// A block from columns named as in its table.
pub(super) fn read_block(row: &Row) -> Result<Block, StoreError> {
    let number = |column| {
        u32::try_from(row.int(column)?).map_err(|_| StoreError::Internal(format!("{column} is out of range")))
    };
    Ok(Block {
        encoding: Encoding::Zstd.into(),
        count: number("count")?,
        plain_bytes: number("plain_bytes")?,
        checksum: number("checksum")?,
        data: row.bytes("data")?.into(),
    })
}

pub(super) fn read_unit(row: &Row) -> Result<Unit, StoreError> {
    let deleted = row.bool("deleted")?;
    let job_state = if deleted { None } else { Some(read_state(&row.text("job_state")?)?) };
    let (id, epoch) = (row.int("id")?, row.int("epoch")?);
    let receipt = match (row.maybe_text("commit_id")?, row.maybe_bytes("digest")?) {
        (Some(commit_id), Some(digest)) => Some(Receipt { commit_id, unit_id: id, epoch, digest }),
        _ => None,
    };
    let state = read_unit_state(&row.text("state")?)?;
    let results = match (row.int("revision")?, state) {
        // A scheduler of an earlier version has committed it.
        (0, UnitState::Done) => 1,
        (revision, _) => revision,
    };
    Ok(Unit {
        id,
        job_id: row.int("job_id")?,
        job_state,
        state,
        first_seq: row.int("first_seq")?,
        last_seq: row.int("last_seq")?,
        epoch,
        attempts_left: row.int("attempts_left")?,
        token_hash: row.maybe_bytes("token_hash")?,
        expires_at: row.maybe_int("expires_at")?.map(Timestamp),
        progress: row.maybe_int("progress")?,
        idle_beats: row.int("idle_beats")?,
        receipt,
        rules: Rules {
            leased: row.int("ruleset")?,
            job: row.int("job_ruleset")?,
            results,
            dry_run: row.bool("dry_run")?,
        },
    })
}

pub(super) fn read_unit_state(word: &str) -> Result<UnitState, StoreError> {
    UnitState::parse(word).ok_or_else(|| StoreError::Internal(format!("unknown unit state `{word}`")))
}
