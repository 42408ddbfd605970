//! Records that need a person become reviews in the transaction of their commit.

use emend_proto::decode;
use emend_proto::v1::{Block, RecordResult};

use super::super::db::{Column, Sql, Tx, params};
use super::super::records::damaged;
use super::super::units::read_block;
use super::super::{Lane, Store, StoreError};
use crate::domain::results::{Results, Sample, ToReview};
use crate::domain::unit::{Receipt, UnitId};

const INSERT: Sql = Sql::pair(
    "INSERT INTO reviews (job_id, seq, kind, alike, state, lane, round, due_at, opened)
     SELECT u.job_id, t.seq, t.kind, t.alike, 'open', 'reviewer', 1, 0, FALSE
     FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[]) AS t (unit_id, seq, kind, alike)
     JOIN units u ON u.id = t.unit_id",
    "INSERT INTO reviews (job_id, seq, kind, alike, state, lane, round, due_at, opened)
     SELECT u.job_id, value ->> 1, value ->> 2, value ->> 3, 'open', 'reviewer', 1, 0, FALSE
     FROM json_each($1) JOIN units u ON u.id = value ->> 0",
);
/// How many of them are looked into is the job's to say.
const INSERT_SAMPLES: Sql = Sql::pair(
    "INSERT INTO reviews (job_id, seq, kind, sampled, state, lane, round, due_at, opened)
     SELECT u.job_id, t.seq, t.kind, t.rules, 'open', 'reviewer', 1, 0, FALSE
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
         AS t (unit_id, seq, draw, kind, rules)
     JOIN units u ON u.id = t.unit_id JOIN jobs j ON j.id = u.job_id WHERE t.draw < j.sample_ppm",
    "INSERT INTO reviews (job_id, seq, kind, sampled, state, lane, round, due_at, opened)
     SELECT u.job_id, value ->> 1, value ->> 3, value ->> 4, 'open', 'reviewer', 1, 0, FALSE
     FROM json_each($1) JOIN units u ON u.id = value ->> 0 JOIN jobs j ON j.id = u.job_id
     WHERE value ->> 2 < j.sample_ppm",
);
/// Done by a scheduler that knew no reviews.
const MISSING: Sql = Sql::pair(
    "SELECT u.id, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN jobs j ON j.id = u.job_id JOIN blocks b ON b.unit_id = u.id AND b.revision = CASE u.revision WHEN 0 THEN 1 ELSE u.revision END
     WHERE u.state = 'done' AND NOT u.reviewed AND u.routed + u.failed > 0 AND j.ended_at IS NULL
     ORDER BY u.job_id, u.id LIMIT $1 FOR UPDATE OF u SKIP LOCKED",
    "SELECT u.id, b.count, b.plain_bytes, b.checksum, b.data
     FROM units u JOIN jobs j ON j.id = u.job_id JOIN blocks b ON b.unit_id = u.id AND b.revision = CASE u.revision WHEN 0 THEN 1 ELSE u.revision END
     WHERE u.state = 'done' AND NOT u.reviewed AND u.routed + u.failed > 0 AND j.ended_at IS NULL
     ORDER BY u.job_id, u.id LIMIT $1",
);
const REVIEWED: Sql = Sql::pair(
    "UPDATE units SET reviewed = TRUE WHERE id = ANY($1)",
    "UPDATE units SET reviewed = TRUE WHERE id IN (SELECT value FROM json_each($1))",
);
/// SQLite keeps no statistics, and its planner takes the key.
const ANALYZE: Sql = Sql::pair("ANALYZE reviews", "SELECT 1");
/// Units in one run of the loop.
const BATCH: i64 = 20;

/// Opens the reviews of units that were just committed.
pub(in crate::store) async fn open(tx: &mut Tx, accepted: &[(Receipt, Results)]) -> Result<(), StoreError> {
    let of = |(receipt, results): &(Receipt, Results)| (receipt.unit_id, results.reviews.clone());
    insert(tx, accepted.iter().map(of).collect()).await?;
    insert_samples(tx, accepted).await
}

async fn insert_samples(tx: &mut Tx, accepted: &[(Receipt, Results)]) -> Result<(), StoreError> {
    let all = || {
        accepted
            .iter()
            .flat_map(|(receipt, results)| results.samples.iter().map(|sample| (receipt.unit_id, sample)))
    };
    if all().next().is_none() {
        return Ok(());
    }
    let json = |sample: &Sample| serde_json::to_string(&sample.rules).expect("texts are always JSON");
    let table = vec![
        Column::Ints(all().map(|(unit_id, _)| unit_id).collect()),
        Column::Ints(all().map(|(_, sample)| sample.seq).collect()),
        Column::Ints(all().map(|(_, sample)| i64::from(sample.draw)).collect()),
        Column::Texts(all().map(|(_, sample)| sample.kind.clone()).collect()),
        Column::Texts(all().map(|(_, sample)| json(sample)).collect()),
    ];
    tx.execute(INSERT_SAMPLES, params![table]).await.map(drop)
}

async fn insert(tx: &mut Tx, units: Vec<(UnitId, Vec<ToReview>)>) -> Result<(), StoreError> {
    let (mut ids, mut seqs, mut kinds, mut alike) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (unit_id, reviews) in units {
        for review in reviews {
            ids.push(unit_id);
            seqs.push(review.seq);
            kinds.push(review.kind);
            alike.push(review.alike);
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let count = ids.len();
    let table = vec![Column::Ints(ids), Column::Ints(seqs), Column::Texts(kinds), Column::MaybeInts(alike)];
    tx.execute_exactly(count, INSERT, params![table]).await
}

impl Store {
    /// Tells the planner how many reviews there are. PostgreSQL looks by itself a minute later, and until then finds a review
    /// by walking through those of the job.
    ///
    /// # Errors
    /// [`StoreError`] when the database fails.
    pub async fn count_reviews_for_planner(&self) -> Result<(), StoreError> {
        self.write(Lane::Idle, |tx| Box::pin(async move { tx.execute(ANALYZE, params![]).await.map(drop) }))
            .await
    }

    /// Opens the reviews of a few units that were done by a scheduler of an earlier version; answers whether there were
    /// any.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a unit's results cannot be read.
    pub async fn open_missing_reviews(&self) -> Result<bool, StoreError> {
        let outbox = self.outbox;
        self.write(Lane::Idle, move |tx| {
            Box::pin(async move {
                let mut units = Vec::new();
                for row in tx.rows(MISSING, params![BATCH]).await? {
                    let unit_id = row.int("id")?;
                    units.push((unit_id, to_review(unit_id, &read_block(&row)?)?));
                }
                if units.is_empty() {
                    return Ok(false);
                }
                let ids: Vec<_> = units.iter().map(|(unit_id, _)| *unit_id).collect();
                insert(tx, units).await?;
                tx.execute_exactly(ids.len(), REVIEWED, params![ids.clone()]).await?;
                outbox.reviewed(tx, ids).await?;
                Ok(true)
            })
        })
        .await
    }
}

fn to_review(unit_id: UnitId, results: &Block) -> Result<Vec<ToReview>, StoreError> {
    let mut found = Vec::new();
    for result in decode::<RecordResult>(results).map_err(|error| damaged(unit_id, &error))? {
        let result = result.map_err(|error| damaged(unit_id, &error))?;
        found.extend(ToReview::of(result.seq.cast_signed(), &result));
    }
    Ok(found)
}
