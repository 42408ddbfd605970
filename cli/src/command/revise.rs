//! `emend approve`, `undo`, `rerun`, `revisions`, `withdraw`: what a job runs, and taking back what it did.

use anyhow::{Context as _, Result};
use emend_proto::v1::{
    ApproveJobRequest, Job, ListRevisionsRequest, PackRef, ReviseJobRequest, Revision, WithdrawVersionRequest,
};
use serde::Serialize;

use super::change::show;
use super::{client, plural, print, print_json, wait};
use crate::args::{Common, JobArgs, Remote, RerunArgs, UndoArgs, Until, WithdrawArgs};
use crate::client::{Client, call, explain};
use crate::exit::{Exit, Usage};
use crate::rules;

/// Records named in a line.
const NAMED: usize = 10;

/// A revision as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    ruleset: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
    undo: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    replacement: String,
    units: u64,
    replaced: u64,
    kept: u64,
    /// Places of records, as `emend explain` names them.
    kept_seqs: Vec<u64>,
    abandoned: u64,
}

pub(super) async fn approve(args: JobArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = ApproveJobRequest { job: args.job.clone() };
    let answer = call!(client, approve_job(request)).map_err(|status| explain(&status, &args.job))?;
    show(answer.job, "is approved; the rest of it goes on", &args.remote)
}

pub(super) async fn undo(args: UndoArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = ReviseJobRequest { job: args.job, rule: args.rule, undo: true, replacement: None };
    revise(&client, request, args.no_wait, &args.remote).await
}

pub(super) async fn rerun(args: RerunArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let of_file = args.rules.as_deref().map(rules::read).transpose()?.map(|file| rules::link(&file));
    let replacement = of_file.or(args.with);
    if args.rule.is_empty() && replacement.is_none() {
        return Err(Usage::new("say what to run again: --rule, --rules FILE, or --with NAME@VERSION"));
    }
    let request = ReviseJobRequest { job: args.job, rule: args.rule, undo: false, replacement };
    revise(&client, request, args.no_wait, &args.remote).await
}

async fn revise(client: &Client, request: ReviseJobRequest, no_wait: bool, remote: &Remote) -> Result<Exit> {
    let name = request.job.clone();
    let answer = call!(client, revise_job(request)).map_err(|status| explain(&status, &name))?;
    let ruleset = answer.revision.context("the scheduler answered without a revision")?.ruleset;
    let job = answer.job.unwrap_or_default();
    if !no_wait && !job.paused {
        wait(client, &name, Until::Reviewing).await?;
    }
    let all = list(client, &name).await?;
    let shown = all.into_iter().find(|shown| shown.ruleset == ruleset);
    let shown = shown.context("the scheduler does not know its revision any more")?;
    if remote.json {
        print_json(&shown)?;
    } else {
        print(&text(&shown, &job, no_wait))?;
    }
    Ok(Exit::Done)
}

/// Every revision of a job, oldest first.
pub(super) async fn revisions(args: JobArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    for shown in list(&client, &args.job).await? {
        if args.remote.json {
            print_json(&shown)?;
        } else {
            print(&line(&shown))?;
        }
    }
    Ok(Exit::Done)
}

pub(super) async fn withdraw(args: WithdrawArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let version = format!("{}@{}", args.link.name, args.link.version);
    let request = WithdrawVersionRequest { version: Some(args.link) };
    let answer = call!(client, withdraw_version(request)).map_err(|status| explain(&status, &version))?;
    if args.remote.json {
        print_json(&serde_json::json!({"version": version, "jobs": answer.jobs}))?;
    } else {
        print(&format!("{version} is withdrawn; {} paused that ran it", plural(answer.jobs, "job")))?;
    }
    Ok(Exit::Done)
}

async fn list(client: &Client, job: &str) -> Result<Vec<Shown>> {
    let request = ListRevisionsRequest { job: job.to_owned() };
    let answer = call!(client, list_revisions(request)).map_err(|status| explain(&status, job))?;
    Ok(answer.revisions.into_iter().map(shown).collect())
}

fn shown(revision: Revision) -> Shown {
    let name = |PackRef { name, version }| format!("{name}@{version}");
    Shown {
        ruleset: revision.ruleset,
        rule: revision.rule,
        undo: revision.undo,
        replacement: revision.replacement.map(name).unwrap_or_default(),
        units: revision.units,
        replaced: revision.replaced,
        kept: revision.kept,
        kept_seqs: revision.kept_seqs,
        abandoned: revision.abandoned,
    }
}

fn text(shown: &Shown, job: &Job, no_wait: bool) -> String {
    let mut text = line(shown);
    if shown.undo && shown.units == 0 && !no_wait && !job.paused {
        text += &format!(
            "\nno unit has anything by that rule; `emend status {}` lists those that did something, by their names",
            job.name
        );
    }
    if job.paused {
        text += &format!("\njob {} is paused; its records are run again after `emend resume {0}`", job.name);
    } else if no_wait {
        text += &format!("\nit goes on at the scheduler; `emend revisions {}` shows how far it is", job.name);
    }
    text
}

fn line(shown: &Shown) -> String {
    let what = match (shown.undo, shown.rule.as_str(), shown.replacement.as_str()) {
        (true, rule, _) => format!("without rule {rule}"),
        (false, "", with) => format!("with {with}"),
        (false, rule, "") => format!("with rule {rule} again"),
        (false, rule, with) => format!("with rule {rule} of {with}"),
    };
    let mut text = format!(
        "ruleset {}, {what}: {} with another result, in {} that were run again",
        shown.ruleset,
        plural(shown.replaced, "record"),
        plural(shown.units, "unit"),
    );
    if shown.kept > 0 {
        let seqs = shown.kept_seqs.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let more = if shown.kept > NAMED as u64 { ", …" } else { "" };
        text += &format!("\n{} kept, since people are at them: {seqs}{more}", plural(shown.kept, "record"));
    }
    if shown.abandoned > 0 {
        text += &format!(
            "\n{} kept all results, since workers failed on them again and again",
            plural(shown.abandoned, "unit")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_did_nothing_may_be_a_typing_error() {
        let shown = || shown(Revision { rule: "a.b".into(), undo: true, ..Revision::default() });
        let job = Job { name: "hcm".into(), ..Job::default() };
        assert!(text(&shown(), &job, false).contains("`emend status hcm` lists"));
        let acted = Shown { units: 1, ..shown() };
        assert!(!text(&acted, &job, false).contains("emend status"));
        assert!(!text(&shown(), &job, true).contains("emend status"), "nothing has been looked through");
    }

    #[test]
    fn a_revision_says_what_changed_and_what_was_kept() {
        let shown = Shown {
            ruleset: 2,
            rule: "a.b".into(),
            undo: true,
            replacement: String::new(),
            units: 3,
            replaced: 40,
            kept: 2,
            kept_seqs: vec![7, 9],
            abandoned: 1,
        };
        let text = line(&shown);
        for part in ["without rule a.b", "40 records", "3 units", "2 records kept", "7, 9", "1 unit kept all"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        let with = Shown { undo: false, replacement: "x@2".into(), rule: String::new(), ..shown };
        assert!(line(&with).contains("with x@2"));
    }
}
