//! `emend status`.

use anyhow::{Context as _, Result};
use emend_proto::v1::{GetJobRequest, ListJobsRequest};

use super::watch::{Watch, watch};
use super::{client, print, print_json};
use crate::args::{Common, StatusArgs};
use crate::client::{Client, call, explain};
use crate::exit::Exit;
use crate::report::{Decisions, Report};
use crate::term::{Bar, Table, grouped, right, share};

const PAGE: u32 = 500;

pub(super) async fn run(args: StatusArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let json = args.remote.json;
    let Some(job) = args.job else {
        all(&client, json).await?;
        return Ok(Exit::Done);
    };
    if args.watch {
        follow(&client, &job, json).await?;
        return Ok(Exit::Done);
    }
    let report = one(&client, &job).await?;
    if json {
        print_json(&report)?;
    } else {
        print(&report.text())?;
    }
    Ok(Exit::Done)
}

/// A job in numbers, rules and findings counted.
pub(crate) async fn one(client: &Client, job: &str) -> Result<Report> {
    let request = GetJobRequest { job: job.to_owned(), with_tallies: true };
    let answer = call!(client, get_job(request)).map_err(|status| explain(&status, job))?;
    Ok(Report::of(&answer.job.context("the scheduler answered without a job")?))
}

async fn all(client: &Client, json: bool) -> Result<()> {
    let (mut reports, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListJobsRequest { page_size: PAGE, page_token };
        let page = call!(client, list_jobs(request)).map_err(|status| explain(&status, ""))?;
        reports.extend(page.jobs.iter().map(Report::of));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if json {
        return print_json(&reports);
    }
    if reports.is_empty() {
        return print("no jobs; `emend import FILE --job NAME …` makes one");
    }
    let mut table = Table::new([
        "job",
        "id",
        "state",
        "priority",
        "records",
        "done",
        "corrected",
        "routed",
        "failed",
        "for people",
        "a second",
    ]);
    for report in reports {
        let state = if report.paused { format!("{}, paused", report.state) } else { report.state.to_owned() };
        table.row([
            report.job.as_str().into(),
            right(report.id),
            state.into(),
            right(report.priority),
            right(grouped(report.records)),
            right(share(report.decided(), report.records)),
            right(grouped(report.verdicts.corrected)),
            right(grouped(report.verdicts.routed)),
            right(grouped(report.verdicts.failed)),
            right(grouped(report.decisions.open)),
            right(grouped(report.records_per_second as u64)),
        ]);
    }
    print(&table.to_string())
}

/// Shows each change until the job has ended: a line of JSON for programs, a bar on a terminal, a line elsewhere.
async fn follow(client: &Client, job: &str, json: bool) -> Result<()> {
    let bar = Bar::new("correcting", 0);
    let watched = watch(client, job, |job| {
        let report = Report::of(job);
        let Decisions { open, decided, .. } = report.decisions;
        bar.set(report.decided(), report.records);
        let people =
            if open + decided == 0 { String::new() } else { format!(", {} wait for people", grouped(open)) };
        bar.say(format!(" · {}{people}", report.state));
        if json {
            print_json(&report)?;
        } else if bar.is_hidden() {
            let (done, all) = (grouped(report.decided()), grouped(report.records));
            print(&format!("{}: {done} of {all} records{people}", report.state))?;
        }
        Ok(Watch::Stay)
    });
    watched.await?;
    bar.finish();
    if !json {
        print(&one(client, job).await?.text())?;
    }
    Ok(())
}
