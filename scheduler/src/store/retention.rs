//! Retention: blocks of jobs that ended long ago, and everything of jobs that were deleted. In small steps, since
//! others write too.

use super::db::{Sql, params};
use super::{Lane, Store, StoreError};
use crate::domain::time::Timestamp;

/// Rows deleted in one step.
const STEP: i64 = 5_000;

const OLD_JOB: Sql = Sql::same(
    "SELECT id FROM jobs WHERE NOT blocks_gone AND NOT deleted AND ended_at IS NOT NULL AND ended_at <= $1
     ORDER BY id LIMIT 1",
);
const DELETED_JOB: Sql = Sql::same("SELECT id FROM jobs WHERE deleted ORDER BY id LIMIT 1");
const BLOCKS_GONE: Sql = Sql::same("UPDATE jobs SET blocks_gone = TRUE WHERE id = $1");
const DELETE_BLOCKS: Sql = Sql::same(
    "DELETE FROM blocks WHERE unit_id IN (
         SELECT u.id FROM units u WHERE u.job_id IN ($1, -$1) AND EXISTS (SELECT 1 FROM blocks b WHERE b.unit_id = u.id)
         ORDER BY u.id LIMIT $2)",
);
const DELETE_KEYS: Sql = Sql::same(
    "DELETE FROM keys WHERE job_id = $1 AND code IN (SELECT code FROM keys WHERE job_id = $1 LIMIT $2)",
);
const DELETE_KEY_RUNS: Sql = Sql::same("DELETE FROM key_runs WHERE job_id = $1");
const DELETE_UNITS: Sql = Sql::same(
    "DELETE FROM units WHERE id IN (SELECT id FROM units WHERE job_id IN ($1, -$1) LIMIT $2) RETURNING id",
);
/// A commit that was under way when the job was deleted holds its unit: the unit goes after it, and only then is
/// the block that it wrote there to be seen.
const DELETE_LATE_BLOCKS: Sql = Sql::pair(
    "DELETE FROM blocks WHERE unit_id = ANY($1)",
    "DELETE FROM blocks WHERE unit_id IN (SELECT value FROM json_each($1))",
);
const DELETE_PLACES: Sql = Sql::same("DELETE FROM places WHERE job_id IN ($1, -$1)");
const DELETE_PLAN: Sql = Sql::same("DELETE FROM plans WHERE job_id = $1");
const DELETE_GROUPING: Sql = Sql::same("DELETE FROM groupings WHERE job_id = $1");
const DELETE_REJECTS: Sql = Sql::same("DELETE FROM rejects WHERE job_id = $1");
const DELETE_IMPORTS: Sql = Sql::same("DELETE FROM imports WHERE job_id = $1");
const DELETE_OUTBOX: Sql = Sql::same("DELETE FROM outbox WHERE job_id = $1");
const DELETE_MEMBERS: Sql = Sql::same("DELETE FROM decision_members WHERE job_id = $1");
const DELETE_DECISIONS: Sql = Sql::same("DELETE FROM decisions WHERE job_id = $1");
const DELETE_HANDS: Sql = Sql::same("DELETE FROM review_hands WHERE job_id = $1");
const DELETE_KNOWN: Sql = Sql::same("DELETE FROM known_answers WHERE job_id = $1");
const DELETE_REVISIONS: Sql = Sql::same("DELETE FROM revisions WHERE job_id = $1");
const DELETE_REVISED: Sql = Sql::same("DELETE FROM revised_units WHERE job_id = $1");
const DELETE_REVIEWS: Sql = Sql::same("DELETE FROM reviews WHERE job_id = $1");
const DELETE_JOB: Sql = Sql::same("DELETE FROM jobs WHERE id = $1 AND deleted");

impl Store {
    /// One step of retention: jobs that ended at `before` or earlier lose their blocks (their row and their
    /// counts stay), deleted jobs lose everything. Answers whether there was anything to do.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn retain(&self, before: Option<Timestamp>) -> Result<bool, StoreError> {
        self.write(Lane::Idle, move |tx| {
            Box::pin(async move {
                if let Some(before) = before
                    && let Some(row) = tx.row(OLD_JOB, params![before]).await?
                {
                    let id = row.int("id")?;
                    let deleted = tx.execute(DELETE_BLOCKS, params![id, STEP]).await?
                        + tx.execute(DELETE_KEYS, params![id, STEP]).await?;
                    if deleted == 0 {
                        // Decisions, drafts and known answers hold values of records; that somebody decided stays, in the
                        // reviews.
                        for last in [
                            DELETE_KEY_RUNS,
                            DELETE_PLACES,
                            DELETE_MEMBERS,
                            DELETE_DECISIONS,
                            DELETE_HANDS,
                            DELETE_KNOWN,
                        ] {
                            tx.execute(last, params![id]).await?;
                        }
                        tx.execute_exactly(1, BLOCKS_GONE, params![id]).await?;
                    }
                    return Ok(true);
                }
                let Some(row) = tx.row(DELETED_JOB, params![]).await? else { return Ok(false) };
                let id = row.int("id")?;
                for step in [DELETE_BLOCKS, DELETE_KEYS] {
                    if tx.execute(step, params![id, STEP]).await? > 0 {
                        return Ok(true);
                    }
                }
                let units = tx.rows(DELETE_UNITS, params![id, STEP]).await?;
                if !units.is_empty() {
                    let ids = units.iter().map(|unit| unit.int("id")).collect::<Result<Vec<_>, _>>()?;
                    tx.execute(DELETE_LATE_BLOCKS, params![ids]).await?;
                    return Ok(true);
                }
                let last = [
                    DELETE_KEY_RUNS,
                    DELETE_PLACES,
                    DELETE_PLAN,
                    DELETE_GROUPING,
                    DELETE_MEMBERS,
                    DELETE_DECISIONS,
                    DELETE_HANDS,
                    DELETE_KNOWN,
                    DELETE_REVIEWS,
                    DELETE_REVISIONS,
                    DELETE_REVISED,
                    DELETE_REJECTS,
                    DELETE_IMPORTS,
                    DELETE_OUTBOX,
                    DELETE_JOB,
                ];
                for table in last {
                    tx.execute(table, params![id]).await?;
                }
                Ok(true)
            })
        })
        .await
    }
}
