//! Taking a decision back, with all its members.

use std::time::Duration;

use serde_json::json;

use super::super::audit::{self, Note};
use super::super::db::{Sql, Tx, params};
use super::super::{Lane, Outbox, ReviewConflict, Store, StoreError};
use super::{hands, lock};
use crate::domain::time::Timestamp;

const DECISION: Sql = Sql::same(
    "SELECT d.job_id, d.undo_until, u.id AS undo_id FROM decisions d LEFT JOIN decisions u ON u.undoes = d.id
     WHERE d.id = $1 AND d.reviewer = $2 AND d.kind <> 'undo'",
);
const MEMBERS: Sql = Sql::same("SELECT seq FROM decision_members WHERE decision_id = $1 ORDER BY seq");
const INSERT: Sql = Sql::same(
    "INSERT INTO decisions (reviewer, request_id, job_id, kind, undoes, reason, pack_version, at, undo_until, size)
     SELECT reviewer, 'undo-' || CAST(id AS TEXT), job_id, 'undo', id, '', pack_version, $2, $2, -size FROM decisions
     WHERE id = $1",
);
/// As it was before the decision, in the hands of its reviewer. Nobody can have had it meanwhile: until the decision is
/// final it is due to nobody.
const REOPEN: Sql = Sql::pair(
    "UPDATE reviews r SET state = 'open', round = m.round, lane = m.lane, due_at = 0, decision_id = NULL, rejected = FALSE,
         holder = $2, expires_at = $3, opened = $4
     FROM decision_members m
     WHERE m.decision_id = $1 AND r.job_id = m.job_id AND r.seq = m.seq AND r.due_at > $5 AND r.holder IS NULL",
    "UPDATE reviews SET state = 'open', round = m.round, lane = m.lane, due_at = 0, decision_id = NULL, rejected = FALSE,
         holder = $2, expires_at = $3, opened = $4
     FROM decision_members m
     WHERE m.decision_id = $1 AND reviews.job_id = m.job_id AND reviews.seq = m.seq AND reviews.due_at > $5
       AND reviews.holder IS NULL",
);

impl Store {
    /// Takes a reviewer's decision back; its reviews are the reviewer's again, a cluster's unseen. Answers how many there
    /// are; none when it was taken back before.
    ///
    /// # Errors
    /// [`ReviewConflict::NoDecision`]; [`ReviewConflict::UndoTooLate`].
    pub async fn undo_decision(
        &self,
        decision_id: i64,
        reviewer: String,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let outbox = self.outbox;
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move { undo(tx, decision_id, &reviewer, now + ttl, now, outbox).await })
        })
        .await
    }
}

async fn undo(
    tx: &mut Tx,
    decision_id: i64,
    reviewer: &str,
    expires_at: Timestamp,
    now: Timestamp,
    outbox: Outbox,
) -> Result<usize, StoreError> {
    let row = tx.row(DECISION, params![decision_id, reviewer]).await?;
    let row = row.ok_or(StoreError::Review(ReviewConflict::NoDecision))?;
    if row.maybe_int("undo_id")?.is_some() {
        return Ok(0);
    }
    if now.0 >= row.int("undo_until")? {
        return Err(StoreError::Review(ReviewConflict::UndoTooLate));
    }
    let job_id = row.int("job_id")?;
    let members = tx.rows(MEMBERS, params![decision_id]).await?;
    let seqs = members.iter().map(|member| member.int("seq")).collect::<Result<Vec<_>, _>>()?;
    lock(tx, job_id, seqs.clone()).await?;
    // Two calls at once: the second finds that there is an undo already, and fails on its key; asked again, it is told.
    tx.execute_exactly(1, INSERT, params![decision_id, now]).await?;
    let undone = Note::new(reviewer, "undo", json!({ "decision": decision_id }));
    let first = seqs.first().copied().unwrap_or_default();
    audit::note(tx, &undone.of_record(job_id, first), now).await?;
    let opened = seqs.len() == 1;
    let reopen = params![decision_id, reviewer, expires_at, opened, now];
    tx.execute_exactly(seqs.len(), REOPEN, reopen).await?;
    hands::take_back(tx, job_id, reviewer, seqs.clone()).await?;
    outbox.not_decided(tx, job_id, seqs.clone()).await?;
    Ok(seqs.len())
}
