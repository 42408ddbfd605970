//! What a reviewer has to do with a review: the last lease's token, a draft, and whether it may come again.

use std::collections::HashMap;

use super::super::db::{Column, Row, Sql, Tx, params};
use super::super::{Lane, ReviewConflict, Store, StoreError};
use super::{Held, lease, read_ref};
use crate::domain::review::ReviewRef;
use crate::domain::time::Timestamp;

/// A reviewer's hand in a review.
#[derive(Debug, Clone, Default)]
pub(super) struct Hand {
    pub(super) token_hash: Option<Vec<u8>>,
}

const GRANT: Sql = Sql::pair(
    "INSERT INTO review_hands (job_id, seq, reviewer, token_hash, passed)
     SELECT t.job_id, t.seq, $1, $2, FALSE FROM unnest($3::bigint[], $4::bigint[]) AS t (job_id, seq)
     ON CONFLICT (job_id, seq, reviewer) DO UPDATE SET token_hash = excluded.token_hash
     RETURNING job_id, seq, draft",
    "INSERT INTO review_hands (job_id, seq, reviewer, token_hash, passed)
     SELECT value ->> 0, value ->> 1, $1, $2, FALSE FROM json_each($3) WHERE TRUE
     ON CONFLICT (job_id, seq, reviewer) DO UPDATE SET token_hash = excluded.token_hash
     RETURNING job_id, seq, draft",
);
/// SQLite writes no two tables in one statement: there the notes follow.
const SHOW: Sql = Sql::pair(
    "WITH shown AS (SELECT * FROM unnest($4::bigint[], $5::bigint[], $6::text[]) AS t (job_id, seq, detail)),
     noted AS (
         INSERT INTO audit_pending (at, who, what, job_id, seq, detail)
         SELECT $3::bigint, $1, 'view', job_id, seq, detail FROM shown)
     INSERT INTO review_hands (job_id, seq, reviewer, token_hash, passed)
     SELECT job_id, seq, $1, $2, FALSE FROM shown
     ON CONFLICT (job_id, seq, reviewer) DO UPDATE SET token_hash = excluded.token_hash
     RETURNING job_id, seq, draft",
    "INSERT INTO review_hands (job_id, seq, reviewer, token_hash, passed)
     SELECT value ->> 0, value ->> 1, $1, $2, FALSE FROM json_each($4) WHERE TRUE
     ON CONFLICT (job_id, seq, reviewer) DO UPDATE SET token_hash = excluded.token_hash
     RETURNING job_id, seq, draft",
);
const PASS: Sql = Sql::pair(
    "INSERT INTO review_hands (job_id, seq, reviewer, passed)
     SELECT t.job_id, t.seq, $1, TRUE FROM unnest($3::bigint[], $4::bigint[]) AS t (job_id, seq)
     ON CONFLICT (job_id, seq, reviewer) DO UPDATE SET passed = TRUE,
         draft = CASE WHEN $2 THEN NULL ELSE review_hands.draft END",
    "INSERT INTO review_hands (job_id, seq, reviewer, passed)
     SELECT value ->> 0, value ->> 1, $1, TRUE FROM json_each($3) WHERE TRUE
     ON CONFLICT (job_id, seq, reviewer) DO UPDATE SET passed = TRUE,
         draft = CASE WHEN $2 THEN NULL ELSE draft END",
);
const TAKE_BACK: Sql = Sql::pair(
    "UPDATE review_hands SET passed = FALSE WHERE job_id = $1 AND reviewer = $2 AND seq = ANY($3)",
    "UPDATE review_hands SET passed = FALSE
     WHERE job_id = $1 AND reviewer = $2 AND seq IN (SELECT value FROM json_each($3))",
);
const DRAFT: Sql = Sql::same(
    "INSERT INTO review_hands (job_id, seq, reviewer, passed, draft)
     SELECT job_id, seq, $3, FALSE, $4 FROM reviews WHERE job_id = $1 AND seq = $2
     ON CONFLICT (job_id, seq, reviewer) DO UPDATE SET draft = excluded.draft",
);
const HANDS: Sql = Sql::pair(
    "SELECT seq, token_hash FROM review_hands WHERE job_id = $1 AND reviewer = $2 AND seq = ANY($3)",
    "SELECT seq, token_hash FROM review_hands
     WHERE job_id = $1 AND reviewer = $2 AND seq IN (SELECT value FROM json_each($3))",
);

/// Notes the token of a lease; answers what the reviewer had written before.
pub(super) async fn grant(
    tx: &mut Tx,
    reviewer: &str,
    token_hash: Vec<u8>,
    reviews: &[ReviewRef],
) -> Result<HashMap<ReviewRef, Vec<u8>>, StoreError> {
    if reviews.is_empty() {
        return Ok(HashMap::new());
    }
    drafts(&tx.rows(GRANT, params![reviewer, token_hash, table(reviews)]).await?)
}

/// Of the rows that have one.
fn drafts(rows: &[Row]) -> Result<HashMap<ReviewRef, Vec<u8>>, StoreError> {
    let draft = |row: &Row| {
        let draft = row.maybe_bytes("draft")?;
        draft.map(|draft| Ok((read_ref(row)?, draft))).transpose()
    };
    rows.iter().filter_map(|row| draft(row).transpose()).collect()
}

/// As [`grant`], and notes that the reviewer is shown the cards; on PostgreSQL in one message, since a whole shift may ask at
/// the same instant.
pub(super) async fn show(
    tx: &mut Tx,
    reviewer: &str,
    token_hash: Vec<u8>,
    held: &[Held],
    now: Timestamp,
) -> Result<HashMap<ReviewRef, Vec<u8>>, StoreError> {
    if held.is_empty() {
        return Ok(HashMap::new());
    }
    let mut table = table(&held.iter().map(|held| held.at).collect::<Vec<_>>());
    let detail = |held: &Held| lease::view(reviewer, held).detail.to_string();
    table.push(Column::Texts(held.iter().map(detail).collect()));
    let rows = tx.rows(SHOW, params![reviewer, token_hash, now, table]).await?;
    if matches!(tx, Tx::Sqlite { .. }) {
        lease::seen(tx, reviewer, held, now).await?;
    }
    drafts(&rows)
}

/// Keeps reviews from coming to this reviewer again; an answer also takes the draft.
pub(super) async fn pass(
    tx: &mut Tx,
    reviewer: &str,
    answered: bool,
    reviews: &[ReviewRef],
) -> Result<(), StoreError> {
    tx.execute_exactly(reviews.len(), PASS, params![reviewer, answered, table(reviews)]).await
}

/// Lets them come again.
pub(super) async fn take_back(
    tx: &mut Tx,
    job_id: i64,
    reviewer: &str,
    seqs: Vec<i64>,
) -> Result<(), StoreError> {
    tx.execute(TAKE_BACK, params![job_id, reviewer, seqs]).await.map(drop)
}

/// Keeps a draft; whether there is such a review.
pub(super) async fn draft(
    tx: &mut Tx,
    at: ReviewRef,
    reviewer: &str,
    draft: Vec<u8>,
) -> Result<bool, StoreError> {
    Ok(tx.execute(DRAFT, params![at.job_id, at.seq, reviewer, draft]).await? == 1)
}

/// A reviewer's hands in reviews of one job.
pub(super) async fn of(
    tx: &mut Tx,
    job_id: i64,
    reviewer: &str,
    seqs: Vec<i64>,
) -> Result<HashMap<i64, Hand>, StoreError> {
    let rows = tx.rows(HANDS, params![job_id, reviewer, seqs]).await?;
    let hand = |row: &super::super::db::Row| {
        let hand = Hand { token_hash: row.maybe_bytes("token_hash")? };
        Ok((row.int("seq")?, hand))
    };
    rows.iter().map(hand).collect()
}

pub(super) fn table(reviews: &[ReviewRef]) -> Vec<Column> {
    vec![
        Column::Ints(reviews.iter().map(|review| review.job_id).collect()),
        Column::Ints(reviews.iter().map(|review| review.seq).collect()),
    ]
}

impl Store {
    /// Keeps what a reviewer has written so far, whoever holds the review.
    ///
    /// # Errors
    /// [`ReviewConflict::NotFound`].
    pub async fn save_draft(
        &self,
        at: ReviewRef,
        reviewer: String,
        answer: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                let there = draft(tx, at, &reviewer, answer).await?;
                if there { Ok(()) } else { Err(StoreError::Review(ReviewConflict::NotFound)) }
            })
        })
        .await
    }
}
