//! Heartbeats.

use std::time::Duration;

#[cfg(feature = "test-hooks")]
use super::Mutant;
use super::db::{Column, Sql, params};
use super::handbacks::{self, Back};
use super::{Lane, Store, StoreError, units};
use crate::domain::beat::{Beat, Decision, decide_beat};
use crate::domain::lease::Refusal;
use crate::domain::time::Timestamp;
use crate::domain::unit::UnitState;

const EXTEND: Sql = Sql::pair(
    "UPDATE units u SET expires_at = $1, progress = t.progress, idle_beats = t.idle_beats
     FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS t (id, epoch, progress, idle_beats)
     WHERE u.id = t.id AND u.epoch = t.epoch AND u.state = 'leased'",
    "UPDATE units SET expires_at = $1, progress = value ->> 2, idle_beats = value ->> 3
     FROM json_each($2)
     WHERE units.id = value ->> 0 AND epoch = value ->> 1 AND state = 'leased'",
);

impl Store {
    /// Extends leases to `now + ttl`, each with an outcome of its own. A unit that hangs loses its lease here.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn beat(
        &self,
        beats: Vec<Beat>,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Vec<Result<(), Refusal>>, StoreError> {
        #[cfg(feature = "test-hooks")]
        match self.mutant {
            Some(Mutant::BeatRevives) => return self.beat_anything(beats, ttl, now).await,
            Some(Mutant::BeatsSuffice) => self.uncount(&beats).await?,
            _ => {}
        }
        self.write(Lane::Urgent, move |tx| {
            Box::pin(async move {
                let mut units =
                    units::lock(tx, beats.iter().map(|beat| beat.lease.unit_id).collect()).await?;
                let mut outcomes = Vec::with_capacity(beats.len());
                let (mut extended, mut ended) = (Vec::new(), Vec::new());
                for beat in beats {
                    let unit = units.get_mut(&beat.lease.unit_id);
                    outcomes.push(match (decide_beat(unit.as_deref(), &beat), unit) {
                        (Decision::Extend { progress, idle_beats }, Some(unit)) => {
                            extended.push((unit.id, unit.epoch, progress, idle_beats));
                            Ok(())
                        }
                        (Decision::End, Some(unit)) => {
                            let attempts_left = (unit.attempts_left - 1).max(0);
                            ended.push(Back { unit_id: unit.id, epoch: unit.epoch, attempts_left });
                            (unit.state, unit.token_hash) = (UnitState::Ready, None);
                            Err(Refusal::LeaseLost)
                        }
                        (Decision::Refuse(refusal), _) => Err(refusal),
                        (_, None) => Err(Refusal::UnitNotFound),
                    });
                }
                // The same unit may stand in the call twice, and only its last word counts.
                extended.reverse();
                extended.sort_by_key(|(id, ..)| *id);
                extended.dedup_by_key(|(id, ..)| *id);
                extended.retain(|(id, ..)| !ended.iter().any(|back| back.unit_id == *id));
                if !extended.is_empty() {
                    let count = extended.len();
                    let table = vec![
                        Column::Ints(extended.iter().map(|(id, ..)| *id).collect()),
                        Column::Ints(extended.iter().map(|(_, epoch, ..)| *epoch).collect()),
                        Column::MaybeInts(extended.iter().map(|(_, _, progress, _)| *progress).collect()),
                        Column::Ints(extended.iter().map(|(.., idle_beats)| *idle_beats).collect()),
                    ];
                    tx.execute_exactly(count, EXTEND, params![now + ttl, table]).await?;
                }
                handbacks::give_back(tx, ended).await?;
                Ok(outcomes)
            })
        })
        .await
    }
}
