//! The audit log. What happens is noted in the transaction of its effect ([`note`]), and chained soon after by whichever
//! scheduler comes first (`seal`): the notes of many transactions need no order among each other, the chain does.

mod seal;

pub use seal::{AuditState, Sealed};

use serde_json::Value;

use super::db::{Column, Sql, Tx, params};
use super::lanes::Lane;
use super::{Store, StoreError};
use crate::domain::time::Timestamp;

/// Something that happened, for the audit log.
#[derive(Debug, Clone)]
pub struct Note {
    /// Who did it: an account's or a caller's name.
    pub who: String,
    /// What they did, in a word.
    pub what: &'static str,
    /// The job, where there is one.
    pub job_id: Option<i64>,
    /// The record's place in it, where there is one.
    pub seq: Option<i64>,
    /// Ids, names of fields, codes, reasons. Never a record's value.
    pub detail: Value,
}

impl Note {
    /// Something that is about no record.
    pub fn new(who: impl Into<String>, what: &'static str, detail: Value) -> Self {
        Self { who: who.into(), what, job_id: None, seq: None, detail }
    }

    /// It is about this job.
    #[must_use]
    pub fn of_job(self, job_id: i64) -> Self {
        Self { job_id: Some(job_id), ..self }
    }

    /// It is about this record.
    #[must_use]
    pub fn of_record(self, job_id: i64, seq: i64) -> Self {
        Self { job_id: Some(job_id), seq: Some(seq), ..self }
    }
}

const INSERT: Sql = Sql::pair(
    "INSERT INTO audit_pending (at, who, what, job_id, seq, detail)
     SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])",
    "INSERT INTO audit_pending (at, who, what, job_id, seq, detail)
     SELECT $1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each($2)",
);

impl Store {
    /// Notes something that changes nothing in the store, such as a look at a value. Do it before: what cannot be noted is
    /// not to be shown.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn note(&self, what: Note, now: Timestamp) -> Result<(), StoreError> {
        self.write(Lane::Urgent, move |tx| Box::pin(async move { note(tx, &what, now).await })).await
    }
}

/// Notes what this transaction does: it is in the log if, and only if, the transaction finishes.
pub(super) async fn note(tx: &mut Tx, note: &Note, now: Timestamp) -> Result<(), StoreError> {
    notes(tx, std::slice::from_ref(note), now).await
}

/// The same of several things.
pub(super) async fn notes(tx: &mut Tx, notes: &[Note], now: Timestamp) -> Result<(), StoreError> {
    if notes.is_empty() {
        return Ok(());
    }
    let table = vec![
        Column::Texts(notes.iter().map(|note| note.who.clone()).collect()),
        Column::Texts(notes.iter().map(|note| note.what.to_owned()).collect()),
        Column::MaybeInts(notes.iter().map(|note| note.job_id).collect()),
        Column::MaybeInts(notes.iter().map(|note| note.seq).collect()),
        Column::Texts(notes.iter().map(|note| note.detail.to_string()).collect()),
    ];
    tx.execute_exactly(notes.len(), INSERT, params![now, table]).await
}
