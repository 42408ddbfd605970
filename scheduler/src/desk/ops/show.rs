//! What the operator's pages are answered, from the messages of job.proto to JSON.

use std::collections::HashMap;

use emend_proto::v1::threshold::{Action, Of};
use emend_proto::v1::{self, FindingText, JobState, UnitState, Verdict};
use serde_json::{Value, json};

use crate::desk::json::{Object, list, seconds};

/// A job as a line of the list, and as the head of its page.
pub(super) fn job(job: &v1::Job) -> Value {
    let schedule = job.schedule.unwrap_or_default();
    let pack = job.pack.clone().unwrap_or_default();
    let grouping = job.grouping.clone().unwrap_or_default();
    let policy = job.policy.clone().unwrap_or_default();
    let (dry_run, reviews) = (policy.dry_run, policy.reviews.unwrap_or_default());
    Object::default()
        .with("id", job.id)
        .with("name", job.name.as_str())
        .with("state", job_state(job.state()))
        .with("paused", job.paused)
        .with("pack", format!("{} {}", pack.name, pack.version))
        .with("priority", schedule.priority)
        .with("weight", schedule.weight)
        .with("awaits_approval", job.awaits_approval)
        .with("revising", job.revising)
        .with("gathering", grouping.state() == v1::grouping::State::Gathering)
        .maybe("damaged_unit", Some(grouping.damaged_unit).filter(|unit| *unit != 0))
        .with("dry_run", dry_run)
        .with("waiting", job.progress.as_ref().map_or(0, |progress| progress.records_waiting))
        .with("trips", list(job.trips.clone(), trip))
        .with("withdrawn", list(job.withdrawn.clone(), |of| json!(format!("{}@{}", of.name, of.version))))
        .with("rules_off", job.rules_off.clone())
        .with("sample", reviews.sample)
        .with("error_limit", reviews.error_limit)
        .maybe("deadline_in", schedule.deadline_in.map(seconds))
        .maybe("age", job.age.map(seconds))
        .with("progress", progress(job.progress.clone().unwrap_or_default()))
        .done()
}

/// A threshold that was exceeded.
fn trip(trip: v1::Trip) -> Value {
    let threshold = trip.threshold.unwrap_or_default();
    let (kind, name) = match &threshold.of {
        Some(Of::Rule(rule)) => ("rule", rule.as_str()),
        Some(Of::Finding(code)) => ("finding", code.as_str()),
        Some(Of::Validator(name)) => ("validator", name.as_str()),
        Some(Of::Verdict(verdict)) if *verdict == i32::from(Verdict::Failed) => ("verdict", "failed"),
        Some(Of::Verdict(_)) | None => ("verdict", "routed"),
    };
    json!({
        "kind": kind,
        "name": name,
        "count": trip.count,
        "records": trip.records,
        "over": threshold.over,
        "routes": threshold.action() == Action::Route,
    })
}

fn progress(progress: v1::Progress) -> Value {
    Object::default()
        .with("records", progress.records)
        .with("pending", progress.pending)
        .with("valid", progress.valid)
        .with("corrected", progress.corrected)
        .with("routed", progress.routed)
        .with("failed", progress.failed)
        .with("units_ready", progress.units_ready)
        .with("units_leased", progress.units_leased)
        .with("units_done", progress.units_done)
        .with("units_set_aside", progress.units_set_aside)
        .with("records_per_second", progress.records_per_second)
        .maybe("elapsed", progress.elapsed.map(seconds))
        .maybe("left", progress.left.map(seconds))
        .with("workers", progress.workers)
        .with("workers_wanted", progress.workers_wanted)
        .with("reviews_open", progress.reviews_open)
        .with("reviews_decided", progress.reviews_decided)
        .with("reviews_rejected", progress.reviews_rejected)
        .done()
}

/// Everything of a job's page.
pub(super) fn whole(
    found: &v1::Job,
    shift: v1::GetShiftResponse,
    pace: v1::GetPaceResponse,
    workers: v1::ListWorkersResponse,
    units: Vec<v1::UnitStatus>,
) -> Value {
    let progress = found.progress.clone().unwrap_or_default();
    let manifest = found.manifest.clone().unwrap_or_default();
    let more = !workers.next_page_token.is_empty();
    json!({
        "job": job(found),
        "texts": texts(manifest.findings),
        "rules": counts(progress.rules),
        "findings": counts(progress.findings),
        "quality": list(progress.rule_quality, quality),
        "workers": list(workers.workers, worker),
        "more_workers": more,
        "units": list(units, unit),
        "open_by_finding": counts(shift.open_by_finding),
        "for_leads": shift.for_leads,
        "reviewers": list(shift.reviewers, reviewer),
        "people": people(&shift.people.unwrap_or_default()),
        "pace": {
            "step": pace.step.map(seconds),
            "records": pace.steps.iter().map(|step| step.records).collect::<Vec<_>>(),
            "answers": pace.steps.iter().map(|step| step.answers).collect::<Vec<_>>(),
        },
    })
}

/// The largest first; of equals by name, so that lines do not jump.
fn counts(counts: HashMap<String, u64>) -> Value {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    list(counts, |(name, count)| json!({ "name": name, "count": count }))
}

/// What findings are called, by code.
fn texts(findings: Vec<FindingText>) -> Value {
    let text = |finding: FindingText| (finding.code, json!({ "vi": finding.text_vi, "en": finding.text_en }));
    Value::Object(findings.into_iter().map(text).collect())
}

fn quality(rule: v1::RuleQuality) -> Value {
    json!({
        "rule": rule.rule, "sampled": rule.sampled, "wrong": rule.wrong, "low": rule.low, "high": rule.high,
        "paused": rule.paused,
    })
}

fn worker(worker: v1::WorkerStatus) -> Value {
    Object::default()
        .with("worker", worker.worker_id)
        .with("units", worker.units)
        .with("records", worker.records)
        .with("progress", worker.progress)
        .maybe("expires_in", worker.expires_in.map(seconds))
        .done()
}

fn unit(unit: v1::UnitStatus) -> Value {
    Object::default()
        .with("unit", unit.unit_id)
        .with("state", if unit.state() == UnitState::SetAside { "set_aside" } else { "leased" })
        .with("first_seq", unit.first_seq)
        .with("last_seq", unit.last_seq)
        .with("epoch", unit.epoch)
        .with("attempts_left", unit.attempts_left)
        .with("worker", unit.worker_id)
        .with("progress", unit.progress)
        .maybe("expires_in", unit.expires_in.map(seconds))
        .done()
}

fn reviewer(person: v1::ReviewerStatus) -> Value {
    Object::default()
        .with("reviewer", person.reviewer)
        .with("hour", person.answered_hour)
        .with("day", person.answered_day)
        .with("held", person.held)
        .maybe("idle", person.idle.map(seconds))
        .with("judged", person.judged)
        .with("overruled", person.overruled)
        .with("known", person.known)
        .with("known_wrong", person.known_wrong)
        .with("paused", person.paused)
        .done()
}

fn people(lane: &v1::HumanLane) -> Value {
    Object::default()
        .with("open", lane.open)
        .with("to_come", lane.to_come)
        .with("answers_left", lane.answers_left)
        .with("answers_per_second", lane.answers_per_second)
        .with("reviewers", lane.reviewers)
        .maybe("left", lane.left.map(seconds))
        .maybe("reviewers_wanted", lane.reviewers_wanted)
        .maybe("automatic", lane.automatic)
        .maybe("automatic_wanted", lane.automatic_wanted)
        .done()
}

fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Unspecified => "unspecified",
        JobState::Importing => "importing",
        JobState::Running => "running",
        JobState::Reviewing => "reviewing",
        JobState::Completed => "completed",
        JobState::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_comes_first_and_equals_do_not_jump() {
        let shown = counts([("b".into(), 2), ("c".into(), 3), ("a".into(), 2)].into());
        let names: Vec<_> = shown.as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        assert_eq!(names, ["c", "a", "b"]);
    }

    #[test]
    fn a_job_without_anything_is_shown_too() {
        let shown = whole(
            &v1::Job::default(),
            v1::GetShiftResponse::default(),
            v1::GetPaceResponse::default(),
            v1::ListWorkersResponse::default(),
            vec![],
        );
        assert_eq!(shown["job"]["state"], "unspecified");
        assert!(shown["people"].get("left").is_none() && shown["job"].get("deadline_in").is_none());
    }
}
