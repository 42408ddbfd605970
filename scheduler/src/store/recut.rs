//! Units that would keep a worker too long: cut at the lease, since only a worker knows what its validators cost.

use std::collections::HashMap;
use std::time::Duration;

use emend_proto::decode;
use emend_proto::v1::Record;

use super::StoreError;
use super::db::Tx;
use super::leases::UnitToDo;
use super::splits::{Parent, replace};
use crate::domain::cut::{affordable, pieces};
use crate::domain::lease::Leased;
use crate::domain::time::Timestamp;

/// Cuts those of the leased units that take too long, no attempt counted; gives the others, and whether any was cut. A unit
/// that is run again stays whole: its new results are merged with those that it has.
pub(super) async fn shorten(
    tx: &mut Tx,
    costs: &HashMap<String, Duration>,
    leased: Vec<Leased<UnitToDo>>,
    ttl: Duration,
    now: Timestamp,
) -> Result<(Vec<Leased<UnitToDo>>, bool), StoreError> {
    let mut short = Vec::with_capacity(leased.len());
    let mut cut = false;
    for unit in leased {
        if cut_one(tx, costs, &unit, ttl, now).await? { cut = true } else { short.push(unit) }
    }
    Ok((short, cut))
}

async fn cut_one(
    tx: &mut Tx,
    costs: &HashMap<String, Duration>,
    unit: &Leased<UnitToDo>,
    ttl: Duration,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let UnitToDo { first_seq, last_seq, job_id, has_results, .. } = unit.what;
    if has_results {
        return Ok(false);
    }
    let pack = format!("{}@{}", unit.what.pack, unit.what.pack_version);
    let links = std::iter::once(&pack).chain(&unit.what.validators);
    let cost = links.filter_map(|link| costs.get(link)).sum();
    let Some(most) = affordable(last_seq - first_seq + 1, cost, ttl) else { return Ok(false) };
    // What cannot be read is found by whoever works on it.
    let records = decode::<Record>(&unit.what.records).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Ok(records) = records else { return Ok(false) };
    let groups: Vec<u64> = records.iter().map(|record| record.group).collect();
    let pieces = pieces(&groups, most);
    if pieces.len() < 2 {
        return Ok(false);
    }
    let attempts = u32::try_from(unit.what.attempts_left).unwrap_or(1);
    let parent = Parent { id: unit.lease.unit_id, epoch: unit.lease.epoch, job_id, first_seq };
    tracing::debug!(job_id, first_seq, records = records.len(), most, "a unit that takes too long is cut");
    replace(tx, parent, &records, pieces.into_iter().map(|piece| (piece, attempts)), now).await?;
    Ok(true)
}
