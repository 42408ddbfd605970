//! What a unit's new results make of the ones before.

use std::collections::{HashMap, HashSet};

use emend_proto::v1::{Block, RecordResult};
use emend_proto::{BlockError, BlockWriter, decode};

use super::super::db::{Sql, Tx, params};
use super::super::jobs::json;
use super::super::records::damaged;
use super::super::{StoreError, reviews, units};
use super::after;
use crate::domain::commit::Content;
use crate::domain::results::Results;
use crate::domain::revise::{differing, is_peoples};
use crate::domain::time::Timestamp;
use crate::domain::unit::Unit;

const NOTE: Sql = Sql::same(
    "INSERT INTO revised_units (job_id, ruleset, unit_id, replaced, kept, abandoned) VALUES ($1, $2, $3, $4, $5, FALSE)",
);

/// Takes of `new` what the changes since the unit's results touched, except where people are at it, and notes how much that
/// was. Reviews of what is replaced are gone; the new results open theirs: of what is kept, nothing is to be reviewed anew.
pub(in crate::store) async fn merge(
    tx: &mut Tx,
    unit: &Unit,
    new: &Results,
    now: Timestamp,
) -> Result<Results, StoreError> {
    let revisions = after(tx, unit.job_id, unit.rules.results).await?;
    let old = units::block(tx, unit.id, unit.rules.results).await?;
    let old = old.ok_or_else(|| StoreError::Internal("a unit's results are not there".into()))?;
    let broken = |error: BlockError| damaged(unit.id, &error);
    let (old, new) = (read(&old).map_err(broken)?, read(&new.block).map_err(broken)?);
    if old.len() != new.len() {
        return Err(broken(BlockError::Malformed("it holds other results than its unit")));
    }
    let differ = differing(&revisions, &old, &new);
    let known = reviews::lock(tx, unit.job_id, differ.clone()).await?;
    let peoples: HashSet<i64> =
        known.iter().filter(|review| is_peoples(review, now)).map(|review| review.at.seq).collect();
    let (kept, replaced): (Vec<i64>, Vec<i64>) = differ.into_iter().partition(|seq| peoples.contains(seq));
    reviews::withdraw(tx, unit.job_id, replaced.clone()).await?;
    let count = i64::try_from(replaced.len()).unwrap_or(i64::MAX);
    let note = params![unit.job_id, unit.rules.leased, unit.id, count, json(&kept)];
    tx.execute_exactly(1, NOTE, note).await?;
    let replaced: HashSet<i64> = replaced.into_iter().collect();
    let mut new: HashMap<i64, RecordResult> =
        new.into_iter().map(|result| (result.seq.cast_signed(), result)).collect();
    let mut writer = BlockWriter::default();
    for result in old {
        let seq = result.seq.cast_signed();
        let fresh = if replaced.contains(&seq) { new.remove(&seq) } else { None };
        writer.push(&fresh.unwrap_or(result));
    }
    match Results::read(writer.finish()) {
        Content::Sound(mut results) => {
            results.reviews.retain(|review| replaced.contains(&review.seq));
            results.samples.retain(|sample| replaced.contains(&sample.seq));
            Ok(results)
        }
        Content::Unsound(_) | Content::Corrupt => {
            Err(StoreError::Internal("results that were sound apart are unsound together".into()))
        }
    }
}

fn read(block: &Block) -> Result<Vec<RecordResult>, BlockError> {
    decode::<RecordResult>(block)?.collect()
}
