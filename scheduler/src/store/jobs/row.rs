//! A job's row: made from a spec, and read back.

use std::time::Duration;

use super::super::db::{Row, Sql, Tx, params};
use super::super::{Outbox, StoreError, groups, withdrawn};
use super::{Job, find, read_state};
use crate::domain::guard::Guard;
use crate::domain::job::{JobPolicy, JobRef, JobSpec, JobState, ReviewPolicy};
use crate::domain::same_job::difference;
use crate::domain::schedule::Schedule;
use crate::domain::time::Timestamp;

const INSERT: Sql = Sql::same(
    "INSERT INTO jobs (name, state, paused, deleted, pack, pack_version, manifest, as_of, unit_records, unit_bytes,
         attempts, next_seq, columns, created_at, blocks_gone, traceparent, priority, weight, deadline_at,
         undo_millis, agree, sample_ppm, error_limit_ppm, validators, rules_off, canary_ppm, approved, dry_run, thresholds,
         group_by)
     VALUES ($1, 'importing', FALSE, FALSE, $2, $3, $4, $5, $6, $7, $8, 1, '[]', $9, FALSE, $10, $11, $12, $13, $14, $15, $16, $17,
         $18, $19, $20, $21, $22, $23, $24)
     ON CONFLICT (name) DO NOTHING",
);

pub(super) async fn create(
    tx: &mut Tx,
    spec: JobSpec,
    schedule: Schedule,
    now: Timestamp,
    outbox: Outbox,
) -> Result<(Job, bool), StoreError> {
    let JobPolicy { unit_records, unit_bytes, attempts } = spec.policy;
    let values = params![
        spec.name.clone(),
        spec.pack.clone(),
        spec.pack_version.clone(),
        spec.manifest.clone(),
        spec.as_of.clone(),
        unit_records,
        unit_bytes,
        attempts,
        now,
        spec.traceparent.clone(),
        i64::from(schedule.priority),
        schedule.weight,
        schedule.deadline.map(|at| at.0),
        i64::try_from(spec.reviews.undo.as_millis()).unwrap_or(i64::MAX),
        json(&spec.reviews.agree),
        spec.reviews.sample_ppm,
        spec.reviews.error_limit_ppm,
        json(&spec.validators),
        json(&spec.rules_off),
        spec.guard.canary_ppm,
        spec.guard.canary_ppm == 0,
        spec.guard.dry_run,
        json(&spec.guard.thresholds),
        json(&spec.group_by),
    ];
    let created = tx.execute(INSERT, values).await? == 1;
    let job = find(tx, &JobRef::Name(spec.name.clone())).await?;
    if created {
        withdrawn::refuse(tx, &spec).await?;
        if !spec.group_by.is_empty() {
            groups::open(tx, job.id).await?;
        }
        outbox.job(tx, job.id, JobState::Importing, now).await?;
    }
    match difference(&job.spec, &spec) {
        Some(field) => Err(StoreError::JobDiffers(field)),
        None => Ok((job, created)),
    }
}

/// What is a list in one column.
pub(in crate::store) fn json(list: &impl serde::Serialize) -> String {
    serde_json::to_string(list).expect("lists of texts and numbers are always JSON")
}

pub(super) fn read(row: &Row) -> Result<Job, StoreError> {
    let small = |column| {
        u32::try_from(row.int(column)?).map_err(|_| StoreError::Internal(format!("{column} is out of range")))
    };
    Ok(Job {
        id: row.int("id")?,
        spec: JobSpec {
            name: row.text("name")?,
            pack: row.text("pack")?,
            pack_version: row.text("pack_version")?,
            validators: row.json("validators")?,
            rules_off: row.json("rules_off")?,
            group_by: row.json("group_by")?,
            manifest: row.bytes("manifest")?,
            as_of: row.text("as_of")?,
            policy: JobPolicy {
                unit_records: small("unit_records")?,
                unit_bytes: small("unit_bytes")?,
                attempts: small("attempts")?,
            },
            reviews: ReviewPolicy {
                undo: Duration::from_millis(row.int("undo_millis")?.unsigned_abs()),
                agree: row.json("agree")?,
                sample_ppm: small("sample_ppm")?,
                error_limit_ppm: small("error_limit_ppm")?,
            },
            guard: Guard {
                canary_ppm: small("canary_ppm")?,
                dry_run: row.bool("dry_run")?,
                thresholds: row.json("thresholds")?,
            },
            traceparent: row.text("traceparent")?,
        },
        schedule: Schedule {
            priority: i32::try_from(row.int("priority")?)
                .map_err(|_| StoreError::Internal("priority is out of range".into()))?,
            weight: small("weight")?,
            deadline: row.maybe_int("deadline_at")?.map(Timestamp),
        },
        state: read_state(&row.text("state")?)?,
        paused: row.bool("paused")?,
        columns: row.json("columns")?,
        created_at: Timestamp(row.int("created_at")?),
        units_done_at: row.maybe_int("units_done_at")?.map(Timestamp),
        ended_at: row.maybe_int("ended_at")?.map(Timestamp),
        blocks_gone: row.bool("blocks_gone")?,
        paused_rules: row.json("paused_rules")?,
        approved: row.bool("approved")?,
        awaits_since: row.maybe_int("awaits_since")?.map(Timestamp),
        trips: row.json("trips")?,
        ruleset: row.int("ruleset")?,
        revising: row.bool("revising")?,
        next_seq: row.int("next_seq")?,
    })
}
