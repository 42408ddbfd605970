//! Canaries, thresholds, examples and revisions: what stops a job, and what takes back what it did.

use std::collections::{HashMap, HashSet};

use emend_proto::v1::threshold::{Action as ActionView, Of as OfView};
use emend_proto::v1::{self, PackRef, RecordResult, Verdict};
use emend_proto::{BlockError, decode};
use serde_json::json;
use tonic::Status;

use super::jobs::ppm;
use super::records::refuse_gone;
use super::work::proto_duration;
use super::{App, compute, job_ref, status, views};
use crate::domain::fields;
use crate::domain::guard::{Action, Guard, Of, Threshold, Trip};
use crate::domain::job::is_version;
use crate::domain::samples::{self, Picked, choose};
use crate::domain::time::Timestamp;
use crate::store::{Note, Revise, RevisionStatus, StoreError};

/// Records that a threshold waits for, when nobody says.
const AFTER: u64 = 1_000;
/// Units that examples are taken from.
const SPREAD: u32 = 2_000;
const DEFAULT_EACH: u32 = 5;
const MOST_EACH: u32 = 1_000;

impl App {
    pub(super) async fn approve(&self, job: &str) -> Result<v1::Job, Status> {
        let job = self.store.approve_job(job_ref(job)?).await.map_err(status::from_store)?;
        tracing::info!(job_id = job.id, "the canary is approved");
        self.ready.ring();
        self.view(job).await
    }

    pub(super) async fn samples(
        &self,
        who: String,
        request: v1::ListSamplesRequest,
    ) -> Result<Vec<v1::Sample>, Status> {
        let job = self.find(&request.job).await?;
        refuse_gone(job.blocks_gone)?;
        let each = if request.each == 0 { DEFAULT_EACH } else { request.each };
        if each > MOST_EACH {
            return Err(status::invalid("each", "must be at most 1,000"));
        }
        let rule: String = request.rule.chars().take(200).collect();
        let looked = Note::new(who, "list_samples", json!({ "rule": rule, "each": each })).of_job(job.id);
        self.looked(looked).await?;
        let units = self.store.spread_units(job.id, SPREAD).await.map_err(status::from_store)?;
        let thin = job.spec.guard.dry_run;
        let chosen = choose(&units, &request.rule, u64::from(each), thin);
        let mut picked = Picked::new(&request.rule, each as usize);
        let mut records = Vec::new();
        for (unit_id, first_seq) in chosen {
            let blocks = self.store.blocks_of(unit_id).await.map_err(status::from_store)?;
            let Some((of_records, results)) = blocks else { continue };
            let damaged = move |error: BlockError| StoreError::Damaged(unit_id, error.to_string());
            let look = compute(move || {
                for result in decode::<RecordResult>(&results)? {
                    picked.look(&result?);
                }
                Ok(picked)
            });
            picked = look.await?.map_err(damaged).map_err(status::from_store)?;
            records.push((unit_id, first_seq, of_records));
        }
        compute(move || show(picked, records)).await?.map_err(status::from_store)
    }

    pub(super) async fn revise(
        &self,
        request: v1::ReviseJobRequest,
    ) -> Result<v1::ReviseJobResponse, Status> {
        let replacement = request.replacement.map(|of| format!("{}@{}", of.name, of.version));
        let ask =
            Revise { rule: request.rule, undo: request.undo, replacement: replacement.unwrap_or_default() };
        let now = self.clock.now();
        let revised = self.store.revise_job(job_ref(&request.job)?, ask, now).await;
        let (job, revision, created) = revised.map_err(status::from_store)?;
        if created {
            let (rule, undo, replacement) = (&revision.rule, revision.undo, &revision.replacement);
            tracing::info!(
                job_id = job.id,
                ruleset = revision.ruleset,
                rule,
                undo,
                replacement,
                "job revised"
            );
        }
        let known = self.store.revisions(job.id).await.map_err(status::from_store)?;
        let of = known.into_iter().find(|of| of.revision.ruleset == revision.ruleset);
        let revision = of.map(|of| view(of, now));
        Ok(v1::ReviseJobResponse { job: Some(self.view(job).await?), revision, created })
    }

    pub(super) async fn revisions(&self, job: &str) -> Result<Vec<v1::Revision>, Status> {
        let job = self.find(job).await?;
        let (now, known) = (self.clock.now(), self.store.revisions(job.id).await);
        Ok(known.map_err(status::from_store)?.into_iter().map(|of| view(of, now)).collect())
    }

    pub(super) async fn withdraw(&self, version: Option<PackRef>) -> Result<u64, Status> {
        let version = version.unwrap_or_default();
        let version = format!("{}@{}", version.name, version.version);
        if !is_version(&version) {
            return Err(status::invalid("version", "must have a name and a version, such as register 1.2"));
        }
        let jobs = self.store.withdraw(version.clone(), self.clock.now()).await;
        let jobs = jobs.map_err(status::from_store)?;
        tracing::warn!(version, ?jobs, "a version is withdrawn; jobs that run it are paused");
        Ok(jobs.len() as u64)
    }
}

/// Examples with their records' keys, and the values that findings are about.
fn show(picked: Picked, units: Vec<(i64, i64, v1::Block)>) -> Result<Vec<v1::Sample>, StoreError> {
    let examples = picked.into_examples();
    let mut records = HashMap::new();
    let wanted: HashSet<i64> = examples.iter().map(|example| example.seq).collect();
    for (unit_id, first_seq, block) in units {
        let damaged = |error: BlockError| StoreError::Damaged(unit_id, error.to_string());
        for (seq, record) in (first_seq..).zip(decode::<v1::Record>(&block).map_err(damaged)?) {
            if wanted.contains(&seq) {
                records.insert(seq, record.map_err(damaged)?);
            }
        }
    }
    let sample = |example: samples::Example| {
        let record = records.get(&example.seq)?;
        let mut sample =
            v1::Sample { key: record.key.clone(), seq: example.seq.unsigned_abs(), ..v1::Sample::default() };
        match example.of {
            samples::Of::Change(change) => sample.change = Some(change),
            samples::Of::Finding(finding) => {
                let fields = fields::texts(&record.payload, &[]).unwrap_or_default();
                let value = fields.into_iter().find(|(name, _)| *name == finding.field);
                sample.value = value.map(|(_, value)| value).unwrap_or_default();
                sample.finding = Some(finding);
            }
        }
        Some(sample)
    };
    Ok(examples.into_iter().filter_map(sample).collect())
}

fn view(of: RevisionStatus, now: Timestamp) -> v1::Revision {
    let RevisionStatus { revision, units, replaced, kept, kept_seqs, abandoned } = of;
    v1::Revision {
        ruleset: revision.ruleset.unsigned_abs(),
        rule: revision.rule,
        undo: revision.undo,
        replacement: Some(revision.replacement)
            .filter(|one| !one.is_empty())
            .map(|one| views::pack_ref(&one)),
        age: Some(proto_duration(now.since(revision.at))),
        units: units.unsigned_abs(),
        replaced: replaced.unsigned_abs(),
        kept: kept.unsigned_abs(),
        kept_seqs: kept_seqs.into_iter().map(i64::unsigned_abs).collect(),
        abandoned: abandoned.unsigned_abs(),
    }
}

/// What a request says of canary, thresholds and dry run.
pub(super) fn read(policy: &v1::JobPolicy) -> Guard {
    Guard {
        canary_ppm: ppm(policy.canary),
        dry_run: policy.dry_run,
        thresholds: policy.thresholds.iter().map(read_threshold).collect(),
    }
}

fn read_threshold(threshold: &v1::Threshold) -> Threshold {
    let of = match &threshold.of {
        Some(OfView::Rule(rule)) => Of::Rule(rule.clone()),
        Some(OfView::Finding(code)) => Of::Finding(code.clone()),
        Some(OfView::Validator(name)) => Of::Validator(name.clone()),
        Some(OfView::Verdict(verdict)) if *verdict == Verdict::Routed as i32 => Of::Routed,
        Some(OfView::Verdict(verdict)) if *verdict == Verdict::Failed as i32 => Of::Failed,
        // What names nothing is refused as that.
        Some(OfView::Verdict(_)) | None => Of::Rule(String::new()),
    };
    Threshold {
        of,
        over_ppm: ppm(threshold.over),
        after: if threshold.after == 0 { AFTER } else { threshold.after },
        action: match threshold.action() {
            ActionView::Unspecified | ActionView::Pause => Action::Pause,
            ActionView::Route => Action::Route,
        },
    }
}

pub(super) fn threshold(threshold: Threshold) -> v1::Threshold {
    let verdict = threshold.of.verdict();
    let of = match threshold.of {
        Of::Rule(rule) => OfView::Rule(rule),
        Of::Finding(code) => OfView::Finding(code),
        Of::Validator(name) => OfView::Validator(name),
        Of::Routed | Of::Failed => OfView::Verdict(verdict.unwrap_or_default().into()),
    };
    let action = match threshold.action {
        Action::Pause => ActionView::Pause,
        Action::Route => ActionView::Route,
    };
    v1::Threshold {
        of: Some(of),
        over: f64::from(threshold.over_ppm) / 1e6,
        after: threshold.after,
        action: action.into(),
    }
}

pub(super) fn trip(trip: Trip, now: Timestamp) -> v1::Trip {
    v1::Trip {
        threshold: Some(threshold(trip.threshold)),
        count: trip.count,
        records: trip.records,
        age: Some(proto_duration(now.since(Timestamp(trip.at)))),
    }
}
