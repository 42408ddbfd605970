//! Saying everything again, to a broker that has lost what it knew.

use std::time::Duration;

use super::super::db::{Sql, Tx, params};
use super::super::{Lane, Store, StoreError};
use super::{AGAIN, INSERT};
use crate::domain::time::Timestamp;

/// How long after its end a job's events are still said again.
const ENDED_LATELY: Duration = Duration::from_secs(60 * 60);

const AGAIN_UNITS: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT u.job_id, u.id, 'results', COALESCE(u.done_at, j.created_at), 0 FROM units u JOIN jobs j ON j.id = u.job_id
     WHERE u.state = 'done' AND u.routed + u.failed > 0 AND NOT j.deleted AND NOT j.blocks_gone AND NOT j.dry_run
       AND (j.ended_at IS NULL OR j.ended_at >= $1)
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET due_at = 0",
);
const AGAIN_JOBS: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT j.id, 0, j.state, COALESCE(j.ended_at, j.created_at), 0 FROM jobs j
     WHERE NOT j.deleted AND (j.ended_at IS NULL OR j.ended_at >= $1)
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET due_at = 0",
);
/// Final decisions at once, the others when they are: for those the row may be there already.
const AGAIN_DECIDED: Sql = Sql::same(
    "INSERT INTO outbox (job_id, unit_id, what, at, due_at)
     SELECT r.job_id, r.seq, 'decided', r.due_at, r.due_at FROM reviews r JOIN jobs j ON j.id = r.job_id
     WHERE r.state = 'decided' AND NOT j.deleted AND NOT j.blocks_gone
       AND (j.ended_at IS NULL OR j.ended_at >= $1)
     ON CONFLICT (job_id, unit_id, what) DO UPDATE SET due_at = excluded.due_at",
);
const DELETE_AGAIN: Sql = Sql::same("DELETE FROM outbox WHERE job_id = 0 AND unit_id = 0 AND what = 'again'");

impl Store {
    /// All events of jobs that have not ended, or only just, are to be said again from `due_at` on: the broker has
    /// lost what it knew. Said before then once more, it moves nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn say_again(&self, now: Timestamp, due_at: Timestamp) -> Result<(), StoreError> {
        self.write(Lane::Normal, move |tx| {
            Box::pin(async move {
                tx.execute(INSERT, params![0_i64, AGAIN, now, due_at]).await?;
                Ok(())
            })
        })
        .await
    }
}

/// Does it, in the transaction of the relay that has taken the row which asks for it.
pub(super) async fn say(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(DELETE_AGAIN, params![]).await?;
    let after = now - ENDED_LATELY;
    for all in [AGAIN_JOBS, AGAIN_UNITS, AGAIN_DECIDED] {
        tx.execute(all, params![after]).await?;
    }
    Ok(())
}
