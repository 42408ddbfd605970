//! Heartbeats without their guards.

use std::time::Duration;

use crate::domain::beat::Beat;
use crate::domain::lease::Refusal;
use crate::domain::time::Timestamp;
use crate::store::db::{Sql, params};
use crate::store::{Lane, Store, StoreError};

/// As the true statement, without epoch, token and state.
const REVIVE: Sql = Sql::same(
    "UPDATE units SET state = 'leased', expires_at = $2, progress = $3, idle_beats = 0
     WHERE id = $1 AND state IN ('ready', 'leased')",
);
/// What makes the next beat look like the first one.
const UNCOUNT: Sql = Sql::same("UPDATE units SET idle_beats = 0 WHERE id = $1");

impl Store {
    pub(in crate::store) async fn beat_anything(
        &self,
        beats: Vec<Beat>,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<Result<(), Refusal>>, StoreError> {
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let mut outcomes = Vec::with_capacity(beats.len());
                for beat in beats {
                    let values = params![beat.lease.unit_id, now + ttl, beat.progress];
                    let touched = tx.execute(REVIVE, values).await?;
                    outcomes.push(if touched == 1 { Ok(()) } else { Err(Refusal::LeaseLost) });
                }
                Ok(outcomes)
            })
        })
        .await
    }

    pub(in crate::store) async fn uncount(&self, beats: &[Beat]) -> Result<(), StoreError> {
        let ids: Vec<_> = beats.iter().map(|beat| beat.lease.unit_id).collect();
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                for id in ids {
                    tx.execute(UNCOUNT, params![id]).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
