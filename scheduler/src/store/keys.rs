//! Which keys a job has, and where their records are.
//!
//! Keys that come in ascending order, as ids mostly do, cost one row for a whole run of them. Keys that fall between
//! those of a run, or come in no order, cost a row each, and a run that is touched is opened up into such rows,
//! once. Runs never overlap and no listed key lies within one, so uniqueness is two look-ups for a batch in order.

use std::collections::HashMap;

use emend_proto::v1::Record;

use super::db::{Column, Sql, Tx, params};
use super::imports::Run;
use super::{StoreError, groups, records};
use crate::domain::key::KeyCode;

const LISTED_WITHIN: Sql =
    Sql::same("SELECT seq FROM keys WHERE job_id = $1 AND code >= $2 AND code <= $3 LIMIT 1");
/// Runs do not overlap, so the first that ends at `$2` or later is the one that can hold it.
const RUN_FROM: Sql = Sql::same(
    "SELECT key_min, key_max, first_seq, last_seq FROM key_runs
     WHERE job_id = $1 AND key_max >= $2 ORDER BY key_max LIMIT 1",
);
const RUNS_WITHIN: Sql = Sql::same(
    "SELECT key_min, key_max, first_seq, last_seq FROM key_runs
     WHERE job_id = $1 AND key_max >= $2 AND key_min <= $3 ORDER BY key_max",
);
const INSERT_RUNS: Sql = Sql::pair(
    "INSERT INTO key_runs (job_id, key_min, key_max, first_seq, last_seq)
     SELECT $1, t.key_min, t.key_max, t.first_seq, t.last_seq
     FROM unnest($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[]) AS t (key_min, key_max, first_seq, last_seq)",
    "INSERT INTO key_runs (job_id, key_min, key_max, first_seq, last_seq)
     SELECT $1, unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3 FROM json_each($2)",
);
const DELETE_RUN: Sql = Sql::same("DELETE FROM key_runs WHERE job_id = $1 AND key_max = $2");
/// Sorted, so that a batch of keys in no order still touches each page of the index once.
const INSERT_KEYS: Sql = Sql::pair(
    "INSERT INTO keys (job_id, code, seq)
     SELECT $1, t.code, $2 + t.n - 1 FROM unnest($3::uuid[]) WITH ORDINALITY AS t (code, n) ORDER BY t.code",
    "INSERT INTO keys (job_id, code, seq) SELECT $1, unhex(value), $2 + key FROM json_each($3) ORDER BY 2",
);
const LISTED: Sql = Sql::pair(
    "SELECT code, seq FROM keys WHERE job_id = $1 AND code = ANY($2)",
    "SELECT code, seq FROM keys WHERE job_id = $1 AND code IN (SELECT unhex(value) FROM json_each($2))",
);

/// Whether the keys of `runs` ascend, and lie beside all that the job has: then none of them can be known.
pub(super) async fn in_order(tx: &mut Tx, job_id: i64, runs: &[Run]) -> Result<bool, StoreError> {
    let mut codes = runs.iter().flat_map(|run| &run.codes);
    let Some(first) = codes.next() else { return Ok(true) };
    let mut last = first;
    for code in codes {
        if code <= last {
            return Ok(false);
        }
        last = code;
    }
    let (first, last) = (*first.as_bytes(), *last.as_bytes());
    if tx.row(LISTED_WITHIN, params![job_id, first, last]).await?.is_some() {
        return Ok(false);
    }
    match tx.row(RUN_FROM, params![job_id, first]).await? {
        Some(row) => Ok(row.code("key_min")? > last),
        None => Ok(true),
    }
}

/// Takes keys that are [`in_order`]; their records begin at `first_seq`.
pub(super) async fn insert_runs(
    tx: &mut Tx,
    job_id: i64,
    mut first_seq: i64,
    runs: &[Run],
) -> Result<(), StoreError> {
    let (mut min, mut max, mut first, mut last) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in runs {
        if let (Some(lowest), Some(highest)) = (run.codes.first(), run.codes.last()) {
            let next_seq = first_seq + i64::try_from(run.codes.len()).unwrap_or(i64::MAX);
            min.push(*lowest.as_bytes());
            max.push(*highest.as_bytes());
            first.push(first_seq);
            last.push(next_seq - 1);
            first_seq = next_seq;
        }
    }
    let count = min.len();
    let table = vec![Column::Codes(min), Column::Codes(max), Column::Ints(first), Column::Ints(last)];
    tx.execute_exactly(count, INSERT_RUNS, params![job_id, table]).await
}

/// Takes keys in any order, one by one; their records begin at `first_seq`. Runs in which one of them might lie have
/// been opened up before.
///
/// # Errors
/// [`StoreError::Clash`] when one is known, or stands in `runs` twice.
pub(super) async fn insert_listed(
    tx: &mut Tx,
    job_id: i64,
    first_seq: i64,
    runs: &[Run],
) -> Result<(), StoreError> {
    let codes = codes(runs);
    tx.execute_exactly(codes.len(), INSERT_KEYS, params![job_id, first_seq, codes]).await
}

/// Turns every run that one of these keys might lie in into listed keys.
pub(super) async fn open_up(tx: &mut Tx, job_id: i64, runs: &[Run]) -> Result<(), StoreError> {
    let mut codes = codes(runs);
    codes.sort_unstable();
    let (Some(first), Some(last)) = (codes.first(), codes.last()) else { return Ok(()) };
    for row in tx.rows(RUNS_WITHIN, params![job_id, *first, *last]).await? {
        let (min, max) = (row.code("key_min")?, row.code("key_max")?);
        let next = codes.partition_point(|code| *code < min);
        if codes.get(next).is_none_or(|code| *code > max) {
            continue;
        }
        let (first_seq, last_seq) = (row.int("first_seq")?, row.int("last_seq")?);
        let records = records::between(tx, job_id, first_seq, last_seq).await?;
        let keys: Vec<_> = records.iter().map(|(_, record)| *KeyCode::of(&record.key).as_bytes()).collect();
        tx.execute_exactly(1, DELETE_RUN, params![job_id, max]).await?;
        tx.execute_exactly(keys.len(), INSERT_KEYS, params![job_id, first_seq, keys]).await?;
    }
    Ok(())
}

/// Which keys of `runs` the job has, and their records' places. The runs that they might lie in are open.
pub(super) async fn known(
    tx: &mut Tx,
    job_id: i64,
    runs: &[Run],
) -> Result<HashMap<[u8; 16], i64>, StoreError> {
    let rows = tx.rows(LISTED, params![job_id, codes(runs)]).await?;
    rows.iter().map(|row| Ok((row.code("code")?, row.int("seq")?))).collect()
}

/// The place of the record with this key, and the record itself.
pub(super) async fn find(tx: &mut Tx, job_id: i64, key: &str) -> Result<Option<(i64, Record)>, StoreError> {
    let code = *KeyCode::of(key).as_bytes();
    let (first, last) = match tx.row(LISTED, params![job_id, vec![code]]).await? {
        Some(row) => (row.int("seq")?, row.int("seq")?),
        None => match tx.row(RUN_FROM, params![job_id, code]).await? {
            Some(row) if row.code("key_min")? <= code => (row.int("first_seq")?, row.int("last_seq")?),
            _ => return Ok(None),
        },
    };
    let records = match groups::find_places(tx, job_id, first, last, KeyCode::of(key)).await? {
        Some(seqs) => records::by_seqs(tx, job_id, seqs.into_iter().collect()).await?,
        None => records::between(tx, job_id, first, last).await?,
    };
    // Hashes may agree by chance, keys do not.
    Ok(records.into_iter().find(|(_, record)| record.key == key))
}

fn codes(runs: &[Run]) -> Vec<[u8; 16]> {
    runs.iter().flat_map(|run| &run.codes).map(|code| *code.as_bytes()).collect()
}
