//! `emend explain`: where a record is, and why.

use std::time::Duration;

use anyhow::{Context as _, Result};
use emend_proto::v1::{
    GetJobRequest, GetRecordRequest, GetRecordResponse, Job, JobState, PackRef, ReviewStatus, UnitState,
    UnitStatus, Verdict,
};
use serde::Serialize;

use super::{client, print, print_json};
use crate::args::{Common, RecordArgs};
use crate::client::{call, explain};
use crate::exit::Exit;
use crate::report::state_name;
use crate::term::{grouped, seconds};

/// Where a record is.
#[derive(Debug, Serialize)]
struct Explained {
    job: String,
    key: String,
    seq: u64,
    /// What the rules said, and what is known of it.
    verdict: String,
    /// Its unit, and who has it.
    unit: String,
    /// What it waits for; empty when nothing.
    waits_for: Vec<String>,
}

pub(super) async fn run(args: RecordArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let fault = |status| explain(&status, &args.job);
    let request = GetJobRequest { job: args.job.clone(), with_tallies: false };
    let job = call!(client, get_job(request)).map_err(fault)?.job;
    let job = job.context("the scheduler answered without a job")?;
    let request = GetRecordRequest { job: job.id.to_string(), key: args.key.clone(), seq: 0 };
    let found = call!(client, get_record(request)).map_err(|status| match status.code() {
        tonic::Code::NotFound => anyhow::anyhow!(
            "job `{}` has no record `{}`; `emend rejects {0}` lists rows that were not taken",
            args.job,
            args.key
        ),
        _ => explain(&status, &args.job),
    })?;
    let explained = explained(&job, &found);
    if args.remote.json {
        print_json(&explained)?;
    } else {
        print(&text(&explained))?;
    }
    Ok(Exit::Done)
}

fn explained(job: &Job, found: &GetRecordResponse) -> Explained {
    let record = found.record.clone().unwrap_or_default();
    let unit = found.unit.clone().unwrap_or_default();
    let codes: Vec<&str> = record.findings.iter().map(|finding| finding.code.as_str()).collect();
    let verdict = match record.verdict() {
        Verdict::Unspecified => "pending".to_owned(),
        Verdict::Valid => "valid: nothing to change, nothing found".to_owned(),
        Verdict::Corrected => format!("corrected: {} by rule", changes(record.changes.len())),
        Verdict::Routed => format!("routed to people: {}", codes.join(", ")),
        Verdict::Failed => format!("failed ({}), so people see it as it came", record.failure),
    };
    let mut waits_for = unit_waits(job, &unit);
    waits_for.extend(found.review.as_ref().and_then(review_waits));
    Explained {
        job: format!(
            "{} is {}{}",
            job.name,
            state_name(job.state()),
            if job.paused { ", paused" } else { "" }
        ),
        key: record.key,
        seq: record.seq,
        verdict,
        unit: unit_line(&unit),
        waits_for,
    }
}

fn changes(count: usize) -> String {
    if count == 1 { "one change".to_owned() } else { format!("{count} changes") }
}

fn unit_line(unit: &UnitStatus) -> String {
    let (first, last) = (grouped(unit.first_seq), grouped(unit.last_seq));
    let state = match unit.state() {
        UnitState::Leased => {
            let left = unit.expires_in.as_ref().map(span).unwrap_or_default();
            let (done, all) = (unit.progress, unit.last_seq + 1 - unit.first_seq);
            format!(
                "worker {} holds it, {done} of {all} records done, and for {left} more without a heartbeat",
                unit.worker_id
            )
        }
        UnitState::Done => format!("committed by {}", unit.worker_id),
        UnitState::Ready => format!("ready, lease {} was the last", unit.epoch),
        UnitState::Waiting => "not of the canary".to_owned(),
        UnitState::Ungrouped => "not put together with others yet".to_owned(),
        UnitState::SetAside => "damaged, and set aside".to_owned(),
        UnitState::Split | UnitState::Unspecified => "split".to_owned(),
    };
    format!("unit {}, records {first} to {last}: {state}", unit.unit_id)
}

/// What keeps its unit from being done.
fn unit_waits(job: &Job, unit: &UnitStatus) -> Vec<String> {
    let mut waits = Vec::new();
    let name = &job.name;
    let open = matches!(unit.state(), UnitState::Ready | UnitState::Leased);
    if open && unit.valid + unit.corrected + unit.routed + unit.failed > 0 {
        waits.push(format!(
            "to be run again: what the job runs has changed (ruleset {}); meanwhile its result stands",
            job.ruleset
        ));
    }
    match unit.state() {
        UnitState::Ready => {
            let withdrawn: Vec<String> = job.withdrawn.iter().map(version).collect();
            if !withdrawn.is_empty() {
                let versions = withdrawn.join(", ");
                waits.push(format!(
                    "another version of what was withdrawn: {versions} (`emend rerun {name} --with …`)"
                ));
            } else if job.paused {
                waits.push(format!("an operator to take the pause away (`emend resume {name}`)"));
            } else if job.state() == JobState::Cancelled {
                waits.push("nothing: the job was cancelled".to_owned());
            } else if unit.attempts_left == 0 {
                waits.push("its unit to be halved: workers were lost on it".to_owned());
            } else {
                let chain: Vec<String> = job.pack.iter().chain(&job.validators).map(version).collect();
                waits.push(format!("a worker that has {}", chain.join(", ")));
            }
        }
        UnitState::Leased => waits.push(format!("worker {}", unit.worker_id)),
        UnitState::Waiting => {
            waits.push(format!("the canary to be approved (`emend approve {name}`)"));
        }
        UnitState::Ungrouped if job.state() == JobState::Importing => {
            waits.push("the job to be sealed: its last file is to be imported".to_owned());
        }
        UnitState::Ungrouped => {
            waits.push(format!(
                "its records to be put together (`emend status {name}` shows how far that is)"
            ));
        }
        UnitState::SetAside => {
            waits.push(format!("an operator to look at the damage (`emend retry {name} {}`)", unit.unit_id));
        }
        UnitState::Done | UnitState::Split | UnitState::Unspecified => {}
    }
    waits
}

fn review_waits(review: &ReviewStatus) -> Option<String> {
    if review.decided {
        let left = review.final_in.as_ref()?;
        return Some(format!("the time to be over in which the decision may be taken back: {}", span(left)));
    }
    let who = if review.for_lead { "a lead" } else { "a reviewer" };
    let answer = match review.round {
        0 | 1 => String::new(),
        2 => ", the second answer".to_owned(),
        _ => ", the last word".to_owned(),
    };
    let held = match (&review.holder, &review.expires_in) {
        (holder, Some(left)) if !holder.is_empty() => format!("; {holder} holds it for {} more", span(left)),
        _ => "; nobody holds it".to_owned(),
    };
    Some(format!("{who} ({}){answer}{held}", review.kind))
}

fn version(of: &PackRef) -> String {
    format!("{}@{}", of.name, of.version)
}

fn span(duration: &prost_types::Duration) -> String {
    seconds(Duration::try_from(*duration).unwrap_or_default())
}

fn text(explained: &Explained) -> String {
    let Explained { job, key, seq, verdict, unit, waits_for } = explained;
    let waits = match &waits_for[..] {
        [] => "nothing".to_owned(),
        waits => waits.join("\n           "),
    };
    format!("record {key} (seq {seq}): {verdict}\njob:       {job}\nunit:      {unit}\nwaits for: {waits}\n")
}

#[cfg(test)]
mod tests {
    use emend_proto::v1::{Progress, RecordView};

    use super::*;

    fn job() -> Job {
        Job {
            name: "hcm".into(),
            state: JobState::Running.into(),
            pack: Some(PackRef { name: "p".into(), version: "1".into() }),
            validators: vec![PackRef { name: "register".into(), version: "2".into() }],
            progress: Some(Progress::default()),
            ruleset: 3,
            ..Job::default()
        }
    }

    fn unit(state: UnitState) -> UnitStatus {
        UnitStatus {
            unit_id: 4,
            state: state.into(),
            first_seq: 1,
            last_seq: 500,
            worker_id: "w-1".into(),
            attempts_left: 3,
            ..UnitStatus::default()
        }
    }

    fn waits(job: &Job, unit: UnitStatus) -> String {
        let found = GetRecordResponse {
            record: Some(RecordView { key: "k".into(), seq: 7, ..RecordView::default() }),
            unit: Some(unit),
            ..GetRecordResponse::default()
        };
        text(&explained(job, &found))
    }

    #[test]
    fn a_record_waits_for_what_its_unit_waits_for() {
        assert!(waits(&job(), unit(UnitState::Ready)).contains("a worker that has p@1, register@2"));
        assert!(waits(&job(), unit(UnitState::Leased)).contains("waits for: worker w-1"));
        assert!(waits(&job(), unit(UnitState::Waiting)).contains("emend approve hcm"));
        assert!(waits(&job(), unit(UnitState::Ungrouped)).contains("emend status hcm"));
        let open = Job { state: JobState::Importing.into(), ..job() };
        assert!(waits(&open, unit(UnitState::Ungrouped)).contains("to be sealed"));
        assert!(waits(&job(), unit(UnitState::SetAside)).contains("emend retry hcm 4"));
        assert!(waits(&job(), unit(UnitState::Done)).contains("waits for: nothing"));
        let paused = Job { paused: true, ..job() };
        assert!(waits(&paused, unit(UnitState::Ready)).contains("emend resume hcm"));
        let withdrawn = Job { withdrawn: job().validators, ..paused };
        assert!(waits(&withdrawn, unit(UnitState::Ready)).contains("register@2 (`emend rerun hcm"));
        let lost = UnitStatus { attempts_left: 0, ..unit(UnitState::Ready) };
        assert!(waits(&job(), lost).contains("halved"));
        let again = UnitStatus { valid: 500, ..unit(UnitState::Ready) };
        assert!(waits(&job(), again).contains("ruleset 3"));
    }

    #[test]
    fn and_for_people() {
        let left = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
        let open = ReviewStatus { kind: "a.b".into(), round: 1, ..ReviewStatus::default() };
        assert_eq!(review_waits(&open).unwrap(), "a reviewer (a.b); nobody holds it");
        let held = ReviewStatus { holder: "r-1".into(), expires_in: left(90), round: 2, ..open.clone() };
        let said = review_waits(&held).unwrap();
        assert!(said.contains("second answer") && said.contains("r-1 holds it"), "{said}");
        let lead = ReviewStatus { for_lead: true, round: 3, ..open.clone() };
        assert!(review_waits(&lead).unwrap().starts_with("a lead (a.b), the last word"));
        let decided = ReviewStatus { decided: true, ..open };
        assert_eq!(review_waits(&decided), None);
        assert!(review_waits(&ReviewStatus { final_in: left(60), ..decided }).is_some());
    }
}
