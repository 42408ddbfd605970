//! Notices validators that do not come back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::WorkerError;
use super::pool::{Pool, Sighting};
use super::report::Counters;
use super::unit::SeatId;

/// Looks in a record's time. A thread seen at one record in this many looks after the first has overrun it; at a group, in
/// as many for each of its records.
///
/// Looks are counted, not time: while the whole process stands still, nobody overruns anything.
const LOOKS: u32 = 4;

/// Stuck threads for each thread of the pool at which the worker gives up on itself.
const STUCK_PER_THREAD: usize = 2;

/// Replaces threads that stay at a slice for longer than `record_timeout` for each of its records, until `end`.
pub(crate) async fn watch(
    pool: Arc<Pool>,
    counters: Arc<Counters>,
    record_timeout: Duration,
    threads: usize,
    end: CancellationToken,
) -> Result<(), WorkerError> {
    let mut ticks = tokio::time::interval(record_timeout / LOOKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: HashMap<SeatId, (Sighting, u32)> = HashMap::new();
    loop {
        tokio::select! {
            () = end.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        last = look(&pool, &counters, &last).map_err(WorkerError::Threads)?;
        let stuck = pool.stuck();
        if stuck > threads * STUCK_PER_THREAD {
            return Err(WorkerError::Stuck { threads: stuck });
        }
    }
}

/// Looks once; answers what was seen, and in how many looks before.
fn look(
    pool: &Arc<Pool>,
    counters: &Counters,
    last: &HashMap<SeatId, (Sighting, u32)>,
) -> std::io::Result<HashMap<SeatId, (Sighting, u32)>> {
    let mut seen = HashMap::new();
    for (seat, sighting) in pool.sightings() {
        let looks =
            last.get(&seat).filter(|(before, _)| *before == sighting).map_or(0, |(_, looks)| looks + 1);
        if looks >= LOOKS.saturating_mul(sighting.records.max(1)) && pool.replace(seat, sighting)? {
            counters.add(|report| report.threads_abandoned += 1);
        } else {
            seen.insert(seat, (sighting, looks));
        }
    }
    Ok(seen)
}
