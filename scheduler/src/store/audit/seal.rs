//! Chains what was noted, and reads the chain.

use crate::domain::audit::{AuditKey, Entry, Head, Mac};
use crate::domain::time::Timestamp;
use crate::store::db::{Column, Row, Sql, Tx, params};
use crate::store::lanes::Lane;
use crate::store::{Store, StoreError};

/// An entry as it stands in the store, with its MAC: none when what stands there is no MAC.
pub type Sealed = (Entry, Option<Mac>);

/// How the log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditState {
    /// The newest entry as the store has it; none when that was damaged.
    pub head: Option<Head>,
    /// Entries that wait to be chained.
    pub unsealed: i64,
}

/// Entries chained in one transaction, at most.
const BATCH: u32 = 500;

const ANY: Sql = Sql::same("SELECT 1 AS one FROM audit_pending LIMIT 1");
/// Whoever holds this row adds entries, and nobody else. SQLite has one writer.
const LOCK_HEAD: Sql = Sql::pair(
    "SELECT number, mac FROM audit_head WHERE one = 1 FOR UPDATE",
    "SELECT number, mac FROM audit_head WHERE one = 1",
);
const PENDING: Sql =
    Sql::same("SELECT id, at, who, what, job_id, seq, detail FROM audit_pending ORDER BY id LIMIT $1");
const INSERT: Sql = Sql::pair(
    "INSERT INTO audit (number, at, who, what, job_id, seq, detail, mac)
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[],
         $8::text[])",
    "INSERT INTO audit (number, at, who, what, job_id, seq, detail, mac)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7
     FROM json_each($1)",
);
const DELETE: Sql = Sql::pair(
    "DELETE FROM audit_pending WHERE id = ANY($1)",
    "DELETE FROM audit_pending WHERE id IN (SELECT value FROM json_each($1))",
);
const MOVE_HEAD: Sql = Sql::same("UPDATE audit_head SET number = $1, mac = $2 WHERE one = 1");
const STATE: Sql = Sql::same(
    "SELECT number, mac, (SELECT COUNT(*) FROM audit_pending) AS unsealed FROM audit_head WHERE one = 1",
);
const UNSEALED: Sql = Sql::same("SELECT COUNT(*) AS unsealed FROM audit_pending");
const PAGE: Sql = Sql::same(
    "SELECT number, at, who, what, job_id, seq, detail, mac FROM audit WHERE number > $1 ORDER BY number LIMIT $2",
);

impl Store {
    /// Chains what waits, the oldest first and not all of a great many; the new head, or none when nothing waits.
    ///
    /// # Errors
    /// [`StoreError`]: the database fails, or the head in it is damaged, in which case nothing is added.
    pub async fn seal_audit(&self, key: AuditKey) -> Result<Option<Head>, StoreError> {
        let any = self.read(|tx| Box::pin(async move { tx.row(ANY, params![]).await })).await?;
        if any.is_none() {
            return Ok(None);
        }
        self.write(Lane::Normal, move |tx| Box::pin(async move { seal(tx, &key).await })).await
    }

    /// How the log stands.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_state(&self) -> Result<AuditState, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                if let Some(row) = tx.row(STATE, params![]).await? {
                    return Ok(AuditState { head: read_head(&row)?, unsealed: row.int("unsealed")? });
                }
                let row = tx.row(UNSEALED, params![]).await?;
                let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
                Ok(AuditState { head: None, unsealed: row.int("unsealed")? })
            })
        })
        .await
    }

    /// Up to `limit` entries after the one of number `after`, in order.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn audit_page(&self, after: i64, limit: u32) -> Result<Vec<Sealed>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let rows = tx.rows(PAGE, params![after, limit]).await?;
                rows.iter()
                    .map(|row| Ok((read_entry(row, row.int("number")?)?, Mac::parse(&row.text("mac")?))))
                    .collect()
            })
        })
        .await
    }
}

async fn seal(tx: &mut Tx, key: &AuditKey) -> Result<Option<Head>, StoreError> {
    let row = tx.row(LOCK_HEAD, params![]).await?;
    let head = row.as_ref().map(read_head).transpose()?.flatten();
    let damaged =
        || StoreError::Internal("the audit log's head is damaged: `emend audit verify` says more".into());
    let mut head = head.ok_or_else(damaged)?;
    let rows = tx.rows(PENDING, params![BATCH]).await?;
    if rows.is_empty() {
        // Another scheduler was first.
        return Ok(None);
    }
    let (mut entries, mut macs) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for row in &rows {
        let entry = read_entry(row, head.number + 1)?;
        head = Head { number: entry.number, mac: entry.mac(key, head.mac) };
        macs.push(head.mac.to_string());
        entries.push(entry);
    }
    let ids = rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()?;
    tx.execute_exactly(ids.len(), INSERT, params![columns(entries, macs)]).await?;
    tx.execute_exactly(ids.len(), DELETE, params![ids]).await?;
    tx.execute_exactly(1, MOVE_HEAD, params![head.number, head.mac.to_string()]).await?;
    Ok(Some(head))
}

fn columns(entries: Vec<Entry>, macs: Vec<String>) -> Vec<Column> {
    let ints = |part: fn(&Entry) -> i64| Column::Ints(entries.iter().map(part).collect());
    let maybe = |part: fn(&Entry) -> Option<i64>| Column::MaybeInts(entries.iter().map(part).collect());
    let texts = |part: fn(&Entry) -> &String| Column::Texts(entries.iter().map(part).cloned().collect());
    vec![
        ints(|entry| entry.number),
        ints(|entry| entry.at.0),
        texts(|entry| &entry.who),
        texts(|entry| &entry.what),
        maybe(|entry| entry.job_id),
        maybe(|entry| entry.seq),
        texts(|entry| &entry.detail),
        Column::Texts(macs),
    ]
}

fn read_head(row: &Row) -> Result<Option<Head>, StoreError> {
    let number = row.int("number")?;
    Ok(Mac::parse(&row.text("mac")?).map(|mac| Head { number, mac }))
}

fn read_entry(row: &Row, number: i64) -> Result<Entry, StoreError> {
    Ok(Entry {
        number,
        at: Timestamp(row.int("at")?),
        who: row.text("who")?,
        what: row.text("what")?,
        job_id: row.maybe_int("job_id")?,
        seq: row.maybe_int("seq")?,
        detail: row.text("detail")?,
    })
}
