//! Units that come back: released or failed by their worker, or never heard of again.

use super::db::{Column, Sql, Tx, params};
use super::{Lane, Store, StoreError, units};
use crate::domain::expiry::{Sight, cutoff};
use crate::domain::lease::{HandBack, LeaseRef, Refusal, decide_hand_back};
use crate::domain::time::Timestamp;
use crate::domain::unit::{UnitId, UnitState};

/// A unit to be ready again, its lease closed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Back {
    pub(super) unit_id: UnitId,
    pub(super) epoch: i64,
    pub(super) attempts_left: i64,
}

const GIVE_BACK: Sql = Sql::pair(
    "UPDATE units u SET state = 'ready', attempts_left = t.attempts_left, token_hash = NULL, holder = NULL,
         lease_request = NULL, expires_at = NULL, progress = NULL, idle_beats = 0
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS t (id, epoch, attempts_left)
     WHERE u.id = t.id AND u.epoch = t.epoch AND u.state IN ('ready', 'leased')",
    "UPDATE units SET state = 'ready', attempts_left = value ->> 2, token_hash = NULL, holder = NULL,
         lease_request = NULL, expires_at = NULL, progress = NULL, idle_beats = 0
     FROM json_each($1)
     WHERE units.id = value ->> 0 AND epoch = value ->> 1 AND state IN ('ready', 'leased')",
);
/// An expiry beyond the longest that can be granted comes from a clock that ran ahead.
const CLAMP: Sql = Sql::pair(
    "WITH pick AS MATERIALIZED (
         SELECT id FROM units WHERE state = 'leased' AND expires_at > $1 ORDER BY id FOR UPDATE SKIP LOCKED)
     UPDATE units u SET expires_at = $1 FROM pick WHERE u.id = pick.id",
    "UPDATE units SET expires_at = $1 WHERE state = 'leased' AND expires_at > $1",
);
const SIGHT: Sql = Sql::same(
    "SELECT COUNT(*) AS leased, COUNT(*) FILTER (WHERE expires_at <= $1) AS expired FROM units WHERE state = 'leased'",
);
/// The expiry stands in the statement that changes the state: a beat that came first has moved it. The token
/// stays, since a late commit is taken until somebody else has the unit.
const EXPIRE: Sql = Sql::pair(
    "WITH pick AS MATERIALIZED (
         SELECT id FROM units WHERE state = 'leased' AND expires_at <= $1
         ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
     UPDATE units u SET state = 'ready', attempts_left = GREATEST(u.attempts_left - 1, 0), holder = NULL,
         lease_request = NULL, expires_at = NULL, progress = NULL, idle_beats = 0
     FROM pick WHERE u.id = pick.id AND u.state = 'leased' AND u.expires_at <= $1
     RETURNING u.id",
    "UPDATE units SET state = 'ready', attempts_left = MAX(attempts_left - 1, 0), holder = NULL,
         lease_request = NULL, expires_at = NULL, progress = NULL, idle_beats = 0
     WHERE id IN (SELECT id FROM units WHERE state = 'leased' AND expires_at <= $1 ORDER BY expires_at LIMIT $2)
     RETURNING id",
);

/// Units returned in one run of the loop.
const BATCH: i64 = 1000;

impl Store {
    /// Hands units back, each with an outcome of its own.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn hand_back(
        &self,
        leases: Vec<(LeaseRef, HandBack)>,
    ) -> Result<Vec<Result<(), Refusal>>, StoreError> {
        let outcomes = self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let mut units =
                    units::lock(tx, leases.iter().map(|(lease, _)| lease.unit_id).collect()).await?;
                let (mut outcomes, mut returned) = (Vec::with_capacity(leases.len()), Vec::new());
                for (lease, how) in leases {
                    let unit = units.get_mut(&lease.unit_id);
                    outcomes.push(decide_hand_back(unit.as_deref(), &lease, how).map(|decided| {
                        if let (Some(attempts_left), Some(unit)) = (decided, unit) {
                            returned.push(Back { unit_id: unit.id, epoch: unit.epoch, attempts_left });
                            (unit.state, unit.token_hash) = (UnitState::Ready, None);
                        }
                    }));
                }
                give_back(tx, returned).await?;
                Ok(outcomes)
            })
        });
        let outcomes = outcomes.await;
        self.ready_from.forget();
        outcomes
    }

    /// Returns leases that have run out, and answers which. See [`cutoff`] for those that are held back.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn expire(
        &self,
        now: Timestamp,
        started_at: Timestamp,
        ttl: std::time::Duration,
    ) -> Result<Vec<UnitId>, StoreError> {
        let returned = self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let row = tx.row(SIGHT, params![now]).await?;
                let row = row.ok_or_else(|| StoreError::Internal("a count gave no row".into()))?;
                let (leased, expired) = (row.int("leased")?, row.int("expired")?);
                if leased == 0 {
                    return Ok(Vec::new());
                }
                tx.execute(CLAMP, params![now + ttl]).await?;
                if expired == 0 {
                    return Ok(Vec::new());
                }
                let sight = Sight { now, started_at, ttl, leased, expired };
                let rows = tx.rows(EXPIRE, params![cutoff(sight), BATCH]).await?;
                rows.iter().map(|row| row.int("id")).collect::<Result<Vec<_>, _>>()
            })
        });
        let returned = returned.await?;
        if !returned.is_empty() {
            self.ready_from.forget();
        }
        Ok(returned)
    }
}

/// Makes units ready again whose rows are locked.
pub(super) async fn give_back(tx: &mut Tx, units: Vec<Back>) -> Result<(), StoreError> {
    if units.is_empty() {
        return Ok(());
    }
    let column = |value: fn(&Back) -> i64| Column::Ints(units.iter().map(value).collect());
    let table =
        vec![column(|unit| unit.unit_id), column(|unit| unit.epoch), column(|unit| unit.attempts_left)];
    tx.execute_exactly(units.len(), GIVE_BACK, params![table]).await
}
