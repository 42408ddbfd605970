//! Imports: rows in, chunk by chunk, each in one transaction with the place where the import goes on.

use std::collections::{HashMap, HashSet};

use emend_proto::v1::{Block, Record};
use emend_proto::{BlockWriter, Messages, decode};

use super::db::{Column, Row, Sql, Tx, params};
use super::units::{self, NewUnit};
use super::{JobConflict, Lane, Store, StoreError, jobs, keys, records};
use crate::domain::cut;
use crate::domain::job::{JobRef, JobState};
use crate::domain::key::KeyCode;
use crate::domain::time::Timestamp;
use crate::domain::unit::UnitState;

/// How far an import is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// Names the source.
    pub import_id: String,
    /// Rows seen: taken, already there, and rejected.
    pub next_offset: i64,
    /// Rows that became records.
    pub accepted: i64,
    /// Rows whose key and payload were there before.
    pub already_there: i64,
    /// Rows that were not taken.
    pub rejected: i64,
    /// The source has ended.
    pub finished: bool,
}

/// A row that was not taken: where it stood, and a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Line of the file, or row of the sheet.
    pub row: i64,
    /// Why, a stable code.
    pub code: String,
}

/// A run of records that fits the job's policy: it becomes a unit as it is.
#[derive(Debug, Clone)]
pub struct Run {
    /// The records, compressed.
    pub block: Block,
    /// Their keys, in order.
    pub codes: Vec<KeyCode>,
    /// The same records as they were unpacked, where they are in memory anyway.
    pub plain: Option<Messages>,
}

/// Consecutive rows of a source.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Names the source.
    pub import_id: String,
    /// Rows of the source before these.
    pub offset: i64,
    /// The records.
    pub runs: Vec<Run>,
    /// Rows that could not be read.
    pub rejects: Vec<Reject>,
    /// Columns that the rows have, in order.
    pub columns: Vec<String>,
    /// The source ends here.
    pub last: bool,
    /// When it came.
    pub at: Timestamp,
}

impl Batch {
    /// How many rows it holds.
    pub fn rows(&self) -> i64 {
        let records: usize = self.runs.iter().map(|run| run.codes.len()).sum();
        i64::try_from(records + self.rejects.len()).unwrap_or(i64::MAX)
    }
}

const BEGIN: Sql = Sql::same(
    "INSERT INTO imports (job_id, import_id, next_offset, accepted, already_there, rejected, finished)
     VALUES ($1, $2, 0, 0, 0, 0, FALSE) ON CONFLICT (job_id, import_id) DO NOTHING",
);
const ONE: Sql = Sql::same("SELECT * FROM imports WHERE job_id = $1 AND import_id = $2");
const ALL: Sql = Sql::same("SELECT * FROM imports WHERE job_id = $1 ORDER BY import_id");
const ADD: Sql = Sql::same(
    "UPDATE imports SET next_offset = next_offset + $3, accepted = accepted + $4, already_there = already_there + $5,
         rejected = rejected + $6, finished = finished OR $7
     WHERE job_id = $1 AND import_id = $2",
);
const GROW_JOB: Sql = Sql::same("UPDATE jobs SET next_seq = $2, columns = $3 WHERE id = $1");
const INSERT_REJECTS: Sql = Sql::pair(
    "INSERT INTO rejects (job_id, import_id, number, file_row, code)
     SELECT $1, $2, t.number, t.file_row, t.code
     FROM unnest($3::bigint[], $4::bigint[], $5::text[]) AS t (number, file_row, code)",
    "INSERT INTO rejects (job_id, import_id, number, file_row, code)
     SELECT $1, $2, value ->> 0, value ->> 1, value ->> 2 FROM json_each($3)",
);
const REJECTS: Sql = Sql::same(
    "SELECT number, file_row, code FROM rejects
     WHERE job_id = $1 AND import_id = $2 AND number > $3 ORDER BY number LIMIT $4",
);
const SAVEPOINT: Sql = Sql::same("SAVEPOINT keys");
const ROLL_BACK: Sql = Sql::same("ROLLBACK TO SAVEPOINT keys");

impl Store {
    /// Begins an import, or finds it: the answer says where it goes on.
    ///
    /// # Errors
    /// [`JobConflict::Sealed`] and [`JobConflict::Ended`], unless it is an import that has finished.
    pub async fn begin_import(
        &self,
        job: JobRef,
        import_id: String,
    ) -> Result<(jobs::Job, Import), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let job = jobs::lock(tx, &job).await?;
                if let Some(import) = one(tx, job.id, &import_id).await?
                    && import.finished
                {
                    return Ok((job, import));
                }
                check_open(&job)?;
                tx.execute(BEGIN, params![job.id, import_id.as_str()]).await?;
                let import = one(tx, job.id, &import_id).await?;
                let import =
                    import.ok_or_else(|| StoreError::Internal("an import was not inserted".into()))?;
                Ok((job, import))
            })
        })
        .await
    }

    /// Takes a batch of rows: units with their records, keys, rejects, and the offset, all or nothing. Rows
    /// that are there already are passed over.
    ///
    /// # Errors
    /// [`StoreError::OffsetGap`], [`StoreError::JobState`].
    pub async fn import(&self, job_id: i64, batch: Batch) -> Result<Import, StoreError> {
        let taken =
            self.write(Lane::Normal, move |tx| Box::pin(async move { import(tx, job_id, batch).await }));
        let (import, fresh) = taken.await?;
        self.fresh.offer(job_id, fresh);
        Ok(import)
    }

    /// All imports of a job.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn imports(&self, job_id: i64) -> Result<Vec<Import>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move { tx.rows(ALL, params![job_id]).await?.iter().map(read_import).collect() })
        })
        .await
    }

    /// Rows of an import that were not taken, with their numbers, after number `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn rejects(
        &self,
        job_id: i64,
        import_id: String,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, Reject)>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let rows = tx.rows(REJECTS, params![job_id, import_id, after, limit]).await?;
                let reject = |row: &Row| {
                    Ok::<_, StoreError>(Reject { row: row.int("file_row")?, code: row.text("code")? })
                };
                rows.iter().map(|row| Ok((row.int("number")?, reject(row)?))).collect()
            })
        })
        .await
    }
}

fn check_open(job: &jobs::Job) -> Result<(), StoreError> {
    match job.state {
        JobState::Importing => Ok(()),
        JobState::Running | JobState::Reviewing => Err(StoreError::JobState(JobConflict::Sealed)),
        JobState::Completed | JobState::Cancelled => Err(StoreError::JobState(JobConflict::Ended)),
    }
}

async fn one(tx: &mut Tx, job_id: i64, import_id: &str) -> Result<Option<Import>, StoreError> {
    tx.row(ONE, params![job_id, import_id]).await?.as_ref().map(read_import).transpose()
}

/// Also gives the units that are new, as far as their records are in memory.
async fn import(
    tx: &mut Tx,
    job_id: i64,
    mut batch: Batch,
) -> Result<(Import, Vec<(i64, Messages)>), StoreError> {
    let job = jobs::lock(tx, &JobRef::Id(job_id)).await?;
    let import = one(tx, job_id, &batch.import_id).await?;
    let import = import.ok_or_else(|| StoreError::Internal("an import that was not begun".into()))?;
    let rows = batch.rows();
    let ends = batch.offset + rows;
    if import.finished || (ends <= import.next_offset && !(batch.last && ends == import.next_offset)) {
        return Ok((import, Vec::new()));
    }
    check_open(&job)?;
    // The last chunk may come again with nothing new but its end.
    let known = ends == import.next_offset;
    if batch.offset != import.next_offset && !known {
        return Err(StoreError::OffsetGap { next_offset: import.next_offset, offset: batch.offset });
    }
    let mut added = Added::default();
    if !known {
        added = add(tx, &job, &mut batch).await?;
        reject(tx, job_id, &batch.import_id, import.rejected, &batch.rejects).await?;
    }
    let mut columns = job.columns;
    let new: Vec<_> = batch.columns.iter().filter(|column| !columns.contains(column)).cloned().collect();
    if !new.is_empty() || added.accepted > 0 {
        columns.extend(new);
        let columns = serde_json::to_string(&columns).expect("strings are always JSON");
        tx.execute_exactly(1, GROW_JOB, params![job_id, job.next_seq + added.accepted, columns]).await?;
    }
    let rejected = if known { 0 } else { i64::try_from(batch.rejects.len()).unwrap_or(i64::MAX) };
    let rows = if known { 0 } else { rows };
    let id = batch.import_id.as_str();
    let sums = params![job_id, id, rows, added.accepted, added.already_there, rejected, batch.last];
    tx.execute_exactly(1, ADD, sums).await?;
    let import = one(tx, job_id, id).await?;
    let import = import.ok_or_else(|| StoreError::Internal("an import vanished".into()))?;
    Ok((import, added.fresh))
}

#[derive(Debug, Default)]
struct Added {
    accepted: i64,
    already_there: i64,
    /// The new units whose records are in memory, by the place of their first.
    fresh: Vec<(i64, Messages)>,
}

/// Adds a batch's records. Nearly always no key is known; when one is, the batch is sifted and added again.
async fn add(tx: &mut Tx, job: &jobs::Job, batch: &mut Batch) -> Result<Added, StoreError> {
    let records: usize = batch.runs.iter().map(|run| run.codes.len()).sum();
    if records == 0 {
        return Ok(Added::default());
    }
    let mut added = Added::default();
    if keys::in_order(tx, job.id, &batch.runs).await? {
        keys::insert_runs(tx, job.id, job.next_seq, &batch.runs).await?;
    } else {
        keys::open_up(tx, job.id, &batch.runs).await?;
        tx.execute(SAVEPOINT, params![]).await?;
        match keys::insert_listed(tx, job.id, job.next_seq, &batch.runs).await {
            Ok(()) => {}
            Err(StoreError::Clash) => {
                tx.execute(ROLL_BACK, params![]).await?;
                added.already_there = sift(tx, job, batch).await?;
                keys::insert_listed(tx, job.id, job.next_seq, &batch.runs).await?;
            }
            Err(error) => return Err(error),
        }
    }
    let mut first_seq = job.next_seq;
    let mut new = Vec::with_capacity(batch.runs.len());
    for run in batch.runs.drain(..) {
        let count = i64::from(run.block.count);
        added.fresh.extend(run.plain.map(|plain| (first_seq, plain)));
        let state = if job.spec.group_by.is_empty() {
            job.spec.first_state(first_seq, job.approved)
        } else {
            UnitState::Ungrouped
        };
        new.push(NewUnit { first_seq, attempts: job.spec.policy.attempts, state, block: run.block });
        first_seq += count;
        added.accepted += count;
    }
    if !new.is_empty() {
        units::insert(tx, job.id, new, batch.at).await?;
    }
    Ok(added)
}

/// Takes known keys out of a batch: with the same payload they are already there (the answer counts them), with
/// another they become rejects.
async fn sift(tx: &mut Tx, job: &jobs::Job, batch: &mut Batch) -> Result<i64, StoreError> {
    let known = keys::known(tx, job.id, &batch.runs).await?;
    let wanted: HashSet<i64> = known.values().copied().collect();
    let mut payloads: HashMap<i64, bytes::Bytes> = HashMap::new();
    for (seq, record) in records::by_seqs(tx, job.id, wanted).await? {
        payloads.insert(seq, record.payload);
    }
    let mut here: HashMap<KeyCode, bytes::Bytes> = HashMap::new();
    let mut already_there = 0;
    let mut kept: Vec<Record> = Vec::new();
    for run in &batch.runs {
        let records = decode::<Record>(&run.block).map_err(internal)?;
        for (record, code) in records.zip(&run.codes) {
            let record = record.map_err(internal)?;
            let there =
                known.get(code.as_bytes()).and_then(|seq| payloads.get(seq)).or_else(|| here.get(code));
            match there {
                None => {
                    here.insert(*code, record.payload.clone());
                    kept.push(record);
                }
                Some(payload) if same_payload(payload, &record.payload) => already_there += 1,
                Some(_) => batch.rejects.push(Reject {
                    row: i64::try_from(record.row).unwrap_or(i64::MAX),
                    code: "duplicate_key".into(),
                }),
            }
        }
    }
    batch.rejects.sort_by_key(|reject| reject.row);
    batch.runs = pack(&kept, &job.spec.policy);
    Ok(already_there)
}

/// The same JSON object, whatever the spaces and the order of fields.
fn same_payload(a: &[u8], b: &[u8]) -> bool {
    let parse = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    a == b || matches!((parse(a), parse(b)), (Some(a), Some(b)) if a == b)
}

/// Packs records into runs that fit the policy.
pub fn pack(records: &[Record], policy: &crate::domain::job::JobPolicy) -> Vec<Run> {
    let mut writer = BlockWriter::default();
    let cuts = cut::units(records.iter().map(|record| record.payload.len()), policy);
    let runs = cuts.into_iter().map(|cut| {
        records[cut.clone()].iter().for_each(|record| writer.push(record));
        let codes = records[cut].iter().map(|record| KeyCode::of(&record.key)).collect();
        Run { block: writer.finish(), codes, plain: None }
    });
    runs.collect()
}

async fn reject(
    tx: &mut Tx,
    job_id: i64,
    import_id: &str,
    before: i64,
    rejects: &[Reject],
) -> Result<(), StoreError> {
    if rejects.is_empty() {
        return Ok(());
    }
    let table = vec![
        Column::Ints((before + 1..).take(rejects.len()).collect()),
        Column::Ints(rejects.iter().map(|reject| reject.row).collect()),
        Column::Texts(rejects.iter().map(|reject| reject.code.clone()).collect()),
    ];
    tx.execute_exactly(rejects.len(), INSERT_REJECTS, params![job_id, import_id, table]).await
}

fn internal(error: emend_proto::BlockError) -> StoreError {
    StoreError::Internal(format!("a block that was checked before: {error}"))
}

fn read_import(row: &Row) -> Result<Import, StoreError> {
    Ok(Import {
        import_id: row.text("import_id")?,
        next_offset: row.int("next_offset")?,
        accepted: row.int("accepted")?,
        already_there: row.int("already_there")?,
        rejected: row.int("rejected")?,
        finished: row.bool("finished")?,
    })
}
