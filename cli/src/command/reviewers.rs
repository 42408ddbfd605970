//! `emend reviewers`: known answers, and reviewers who were paused for theirs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};

use anyhow::{Context as _, Result};
use emend_proto::v1::{AddKnownAnswersRequest, FieldValue, KnownAnswer, ResumeReviewerRequest};
use serde::Deserialize;

use super::{client, print, print_json};
use crate::args::{Common, KnownArgs, ResumeReviewerArgs, ReviewersArgs, ReviewersCommand};
use crate::client::{Client, explain, review};
use crate::exit::Exit;

/// Known answers in one call.
const BATCH: usize = 500;

pub(super) async fn run(args: ReviewersArgs, common: &Common) -> Result<Exit> {
    match args.command {
        ReviewersCommand::Known(args) => known(args, common).await,
        ReviewersCommand::Resume(args) => resume(args, common).await,
    }
}

/// What is right for one record, as it stands in a file.
#[derive(Debug, Deserialize)]
struct Line {
    key: String,
    fields: BTreeMap<String, String>,
}

/// How many known answers were taken.
#[derive(Debug, Default)]
struct Counts {
    added: u32,
    passed_over: u32,
}

async fn known(args: KnownArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let at = || args.file.display().to_string();
    let reader = BufReader::new(File::open(&args.file).with_context(at)?);
    let (mut counts, mut batch) = (Counts::default(), Vec::new());
    // Evenly: a line is taken whenever the share of those so far calls for one more.
    let mut owed = 0.0;
    for (number, line) in (1..).zip(reader.lines()) {
        owed += args.share;
        if owed < 1.0 {
            continue;
        }
        owed -= 1.0;
        // The parser's own message would hold a piece of the record.
        let line: Option<Line> = serde_json::from_str(&line.with_context(at)?).ok();
        let line = line.with_context(|| {
            format!("{}, line {number}: not an object with a `key` and `fields`, all texts", at())
        })?;
        let values = line.fields.into_iter().map(|(field, value)| FieldValue { field, value }).collect();
        batch.push(KnownAnswer { key: line.key, values });
        if batch.len() == BATCH {
            send(&client, &args.job, std::mem::take(&mut batch), &mut counts).await?;
        }
    }
    send(&client, &args.job, batch, &mut counts).await?;
    let Counts { added, passed_over } = counts;
    if args.remote.json {
        print_json(&serde_json::json!({ "added": added, "passed_over": passed_over }))?;
    } else {
        print(&format!(
            "{added} known answers added; {passed_over} records passed over, which wait for nobody or are not there"
        ))?;
    }
    Ok(Exit::Done)
}

async fn send(client: &Client, job: &str, answers: Vec<KnownAnswer>, counts: &mut Counts) -> Result<()> {
    let request = AddKnownAnswersRequest { job: job.to_owned(), answers };
    let answer = review!(client, add_known_answers(request)).map_err(|status| explain(&status, job))?;
    counts.added += answer.added;
    counts.passed_over += answer.passed_over;
    Ok(())
}

async fn resume(args: ResumeReviewerArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let request = ResumeReviewerRequest { reviewer: args.name.clone() };
    let answer = review!(client, resume_reviewer(request)).map_err(|status| explain(&status, &args.name))?;
    if args.remote.json {
        print_json(&serde_json::json!({ "reviewer": args.name, "resumed": answer.resumed }))?;
    } else {
        let what =
            if answer.resumed { "goes on; only answers from now on are rated" } else { "was not paused" };
        print(&format!("reviewer {} {what}", args.name))?;
    }
    Ok(Exit::Done)
}
