//! What callers see of jobs, units and records.

use std::time::Duration;

use emend_proto::v1::{self, Record, RecordResult};
use prost::Message as _;

use super::guard;
use super::work::proto_duration;
use crate::domain::fields::apply_changes;
use crate::domain::grouping::{GroupField, Grouping};
use crate::domain::job::JobState;
use crate::domain::quality::RuleQuality;
use crate::domain::results::Tallies;
use crate::domain::review::AnswerKind;
use crate::domain::time::Timestamp;
use crate::domain::unit::{Receipt, UnitState};
use crate::store::{Import, Job, Progress, Standing, StoreError, UnitStatus, WorkerStatus};

pub(super) fn job(
    job: Job,
    progress: &Progress,
    imports: Vec<Import>,
    now: Timestamp,
    retention: Option<Duration>,
) -> v1::Job {
    let blocks_go_in = match (job.ended_at, retention) {
        (Some(ended_at), Some(retention)) if !job.blocks_gone => {
            Some(proto_duration((ended_at + retention).since(now)))
        }
        _ => None,
    };
    let policy = job.spec.policy;
    let ended_at = job.units_done_at.or(job.ended_at).unwrap_or(now);
    v1::Job {
        schedule: Some(super::schedule::view(job.schedule, ended_at)),
        progress: Some(self::progress(&job, progress, now)),
        id: job.id.unsigned_abs(),
        name: job.spec.name,
        state: job_state(job.state).into(),
        paused: job.paused,
        pack: Some(v1::PackRef { name: job.spec.pack, version: job.spec.pack_version }),
        as_of: job.spec.as_of,
        policy: Some(v1::JobPolicy {
            unit_records: policy.unit_records,
            unit_bytes: policy.unit_bytes,
            attempts: policy.attempts,
            canary: f64::from(job.spec.guard.canary_ppm) / 1e6,
            dry_run: job.spec.guard.dry_run,
            thresholds: job.spec.guard.thresholds.into_iter().map(guard::threshold).collect(),
            reviews: Some(v1::ReviewPolicy {
                undo: Some(proto_duration(job.spec.reviews.undo)),
                agree: job.spec.reviews.agree,
                sample: f64::from(job.spec.reviews.sample_ppm) / 1e6,
                error_limit: f64::from(job.spec.reviews.error_limit_ppm) / 1e6,
            }),
        }),
        manifest: v1::Manifest::decode(job.spec.manifest.as_slice()).ok(),
        columns: job.columns,
        age: Some(proto_duration(now.since(job.created_at))),
        blocks_go_in,
        blocks_gone: job.blocks_gone,
        imports: imports.into_iter().map(import).collect(),
        validators: job.spec.validators.iter().map(|link| pack_ref(link)).collect(),
        rules_off: job.spec.rules_off,
        trips: job.trips.into_iter().map(|trip| guard::trip(trip, now)).collect(),
        awaits_approval: job.awaits_since.is_some(),
        ruleset: job.ruleset.unsigned_abs(),
        revising: job.revising,
        withdrawn: Vec::new(),
        grouping: None,
    }
}

/// How the records of a grouped job are put together.
pub(super) fn grouping(by: Vec<GroupField>, state: JobState, grouping: &Grouping) -> v1::Grouping {
    use v1::grouping::State;
    let by = by
        .into_iter()
        .map(|field| v1::GroupField { field: field.field, normaliser: field.normaliser.as_str().to_owned() });
    let state = match state {
        _ if grouping.is_done => State::Done,
        JobState::Importing => State::Importing,
        _ => State::Gathering,
    };
    v1::Grouping {
        by: by.collect(),
        state: state.into(),
        records_read: grouping.records_read.unsigned_abs(),
        records_placed: grouping.records_placed.unsigned_abs(),
        groups: grouping.counts.groups.unsigned_abs(),
        records_grouped: grouping.counts.grouped.unsigned_abs(),
        records_apart: grouping.counts.apart.unsigned_abs(),
        damaged_unit: grouping.damaged_unit.map_or(0, i64::unsigned_abs),
    }
}

/// What is stored as `name@version`.
pub(super) fn pack_ref(link: &str) -> v1::PackRef {
    let (name, version) = link.split_once('@').unwrap_or((link, ""));
    v1::PackRef { name: name.to_owned(), version: version.to_owned() }
}

fn progress(job: &Job, progress: &Progress, now: Timestamp) -> v1::Progress {
    let verdicts = progress.verdicts;
    let settled = verdicts.valid + verdicts.corrected + verdicts.routed + verdicts.failed;
    let elapsed = job.units_done_at.or(job.ended_at).unwrap_or(now).since(job.created_at);
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = if elapsed.is_zero() { 0.0 } else { settled as f64 / elapsed.as_secs_f64() };
    v1::Progress {
        records: progress.records.unsigned_abs(),
        pending: (progress.records - settled).unsigned_abs(),
        valid: verdicts.valid.unsigned_abs(),
        corrected: verdicts.corrected.unsigned_abs(),
        routed: verdicts.routed.unsigned_abs(),
        failed: verdicts.failed.unsigned_abs(),
        units_ready: progress.ready.unsigned_abs(),
        units_leased: progress.leased.unsigned_abs(),
        units_done: progress.done.unsigned_abs(),
        units_set_aside: progress.set_aside.unsigned_abs(),
        units_waiting: progress.waiting.unsigned_abs(),
        records_waiting: progress.records_waiting.unsigned_abs(),
        elapsed: Some(proto_duration(elapsed)),
        records_per_second: rate,
        reviews_open: progress.reviews_open.unsigned_abs(),
        reviews_decided: progress.reviews_decided.unsigned_abs(),
        reviews_rejected: progress.reviews_rejected.unsigned_abs(),
        ..v1::Progress::default()
    }
}

pub(super) fn add_tallies(job: &mut v1::Job, tallies: Tallies) {
    if let Some(progress) = &mut job.progress {
        progress.rules = tallies.rules.into_iter().collect();
        progress.findings = tallies.findings.into_iter().collect();
    }
}

pub(super) fn add_quality(job: &mut v1::Job, quality: Vec<RuleQuality>, paused: &[String]) {
    let Some(progress) = &mut job.progress else { return };
    let view = |quality: RuleQuality| {
        let error = quality.error();
        v1::RuleQuality {
            paused: paused.contains(&quality.rule),
            rule: quality.rule,
            sampled: quality.sampled,
            wrong: quality.wrong,
            low: error.map_or(0.0, |error| error.low),
            high: error.map_or(1.0, |error| error.high),
        }
    };
    progress.rule_quality = quality.into_iter().map(view).collect();
}

pub(super) fn import(import: Import) -> v1::Import {
    v1::Import {
        import_id: import.import_id,
        next_offset: import.next_offset.unsigned_abs(),
        accepted: import.accepted.unsigned_abs(),
        already_there: import.already_there.unsigned_abs(),
        rejected: import.rejected.unsigned_abs(),
        finished: import.finished,
    }
}

pub(super) fn receipt(receipt: Receipt) -> v1::Receipt {
    v1::Receipt {
        commit_id: receipt.commit_id,
        unit_id: receipt.unit_id.unsigned_abs(),
        epoch: receipt.epoch.unsigned_abs(),
        digest: receipt.digest,
    }
}

pub(super) fn worker(worker: WorkerStatus, now: Timestamp) -> v1::WorkerStatus {
    v1::WorkerStatus {
        worker_id: worker.worker,
        units: u32::try_from(worker.units).unwrap_or(u32::MAX),
        records: worker.records.unsigned_abs(),
        progress: worker.progress.unsigned_abs(),
        expires_in: Some(proto_duration(worker.expires_at.since(now))),
    }
}

pub(super) fn unit(status: UnitStatus, now: Timestamp) -> v1::UnitStatus {
    let UnitStatus { unit, worker, verdicts } = status;
    let leased = unit.state == UnitState::Leased;
    v1::UnitStatus {
        unit_id: unit.id.unsigned_abs(),
        state: unit_state(unit.state).into(),
        first_seq: unit.first_seq.unsigned_abs(),
        last_seq: unit.last_seq.unsigned_abs(),
        epoch: unit.epoch.unsigned_abs(),
        attempts_left: u32::try_from(unit.attempts_left).unwrap_or(0),
        worker_id: worker.unwrap_or_default(),
        progress: if leased {
            // Where validators run behind the pack a worker counts each record once more for each of them.
            let records = unit.last_seq - unit.first_seq + 1;
            unit.progress.and_then(|done| u32::try_from(done.min(records)).ok()).unwrap_or(0)
        } else {
            0
        },
        expires_in: unit.expires_at.filter(|_| leased).map(|at| proto_duration(at.since(now))),
        valid: verdicts.valid.unsigned_abs(),
        corrected: verdicts.corrected.unsigned_abs(),
        routed: verdicts.routed.unsigned_abs(),
        failed: verdicts.failed.unsigned_abs(),
    }
}

/// A record with its result applied, and over it what people decided.
pub(super) fn record(
    seq: i64,
    record: Record,
    result: Option<RecordResult>,
    standing: Option<&Standing>,
) -> Result<v1::RecordView, StoreError> {
    let mut result = result.unwrap_or_default();
    let by_hand = standing.into_iter().flat_map(|standing| standing.effect.changes.clone());
    result.changes.extend(by_hand.map(v1::Change::from));
    let fields = if result.changes.is_empty() {
        record.payload
    } else {
        let fields = apply_changes(&record.payload, &result.changes);
        fields.map_err(|error| StoreError::Internal(error.to_string()))?.into()
    };
    Ok(v1::RecordView {
        key: record.key,
        seq: seq.unsigned_abs(),
        row: record.row,
        fields,
        verdict: result.verdict,
        changes: result.changes,
        findings: result.findings,
        failure: result.failure,
        rejected: standing.is_some_and(|standing| standing.effect.kind == AnswerKind::Rejected),
        decided: standing.is_some(),
    })
}

/// What people decided on a record, for an export.
pub(super) fn standing(standing: Standing) -> v1::RecordDecision {
    v1::RecordDecision {
        seq: standing.seq.unsigned_abs(),
        kind: super::reviews::answer_kind(standing.effect.kind).into(),
        changes: standing.effect.changes.into_iter().map(Into::into).collect(),
        reason: standing.reason,
        reviewers: standing.reviewers,
    }
}

fn job_state(state: JobState) -> v1::JobState {
    match state {
        JobState::Importing => v1::JobState::Importing,
        JobState::Running => v1::JobState::Running,
        JobState::Reviewing => v1::JobState::Reviewing,
        JobState::Completed => v1::JobState::Completed,
        JobState::Cancelled => v1::JobState::Cancelled,
    }
}

fn unit_state(state: UnitState) -> v1::UnitState {
    match state {
        UnitState::Ready => v1::UnitState::Ready,
        UnitState::Leased => v1::UnitState::Leased,
        UnitState::Done => v1::UnitState::Done,
        UnitState::Split => v1::UnitState::Split,
        UnitState::SetAside => v1::UnitState::SetAside,
        UnitState::Waiting => v1::UnitState::Waiting,
        UnitState::Ungrouped => v1::UnitState::Ungrouped,
    }
}

/// The state that a filter names; `None` for all.
pub(super) fn read_unit_state(state: v1::UnitState) -> Option<UnitState> {
    match state {
        v1::UnitState::Unspecified => None,
        v1::UnitState::Ready => Some(UnitState::Ready),
        v1::UnitState::Leased => Some(UnitState::Leased),
        v1::UnitState::Done => Some(UnitState::Done),
        v1::UnitState::Split => Some(UnitState::Split),
        v1::UnitState::SetAside => Some(UnitState::SetAside),
        v1::UnitState::Waiting => Some(UnitState::Waiting),
        v1::UnitState::Ungrouped => Some(UnitState::Ungrouped),
    }
}
