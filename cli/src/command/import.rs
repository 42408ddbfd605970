//! `emend import`.

use anyhow::Result;
use emend_worker::Validator as _;
use tracing::Instrument as _;

use super::{client, one, plural, print, print_json, samples, set, wait};
use crate::args::{Common, ImportArgs, Until};
use crate::client::Client;
use crate::exit::Exit;
use crate::import::{self, Order, Summary, Trial, Wanted};
use crate::input::{Format, encoding};
use crate::logs::command_span;
use crate::rules;

/// Of each rule and each finding, after a dry run.
const EXAMPLES: u32 = 3;

pub(super) async fn run(args: ImportArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let files = args.rules.iter().map(|path| rules::read(path)).collect::<Result<Vec<_>>>()?;
    let findings = files.iter().flat_map(|file| file.manifest().findings.clone()).collect();
    let order = Order {
        format: args.format.map_or_else(|| Format::of(&args.file), Ok)?,
        encoding: args.encoding.as_deref().map(encoding).transpose()?,
        file: args.file,
        job: Wanted {
            name: args.job,
            pack: args.pack,
            validators: files.iter().map(rules::link).chain(args.validator).collect(),
            as_of: args.as_of,
            unit_records: args.unit_size,
            group_by: args.group_by,
            schedule: set::change(&args.schedule),
            reviews: args.reviews.policy(),
            trial: Trial {
                dry_run: args.guard.dry_run,
                canary: args.guard.canary,
                thresholds: args.guard.threshold,
                rules_off: args.guard.without_rule,
            },
            findings,
        },
        keep_open: args.keep_open,
        rejects: args.rejects,
    };
    let summary = import::run(&client, &order).instrument(command_span("emend import")).await?;
    if order.job.trial.dry_run {
        tried(&client, &summary, &order, args.remote.json).await?;
    } else if args.remote.json {
        print_json(&summary)?;
    } else {
        print(&text(&summary, &order))?;
    }
    Ok(if summary.rejected > 0 { Exit::Rejects } else { Exit::Done })
}

/// Waits for a dry run, and shows what it would have done.
async fn tried(client: &Client, summary: &Summary, order: &Order, as_json: bool) -> Result<()> {
    let job = &summary.job;
    wait(client, job, Until::Reviewing).await?;
    let report = one(client, job).await?;
    let examples = samples::list(client, job, String::new(), EXAMPLES).await?;
    if as_json {
        return print_json(&serde_json::json!({"import": summary, "report": report, "samples": examples}));
    }
    let text = text(summary, order);
    print(&format!("{text}\n{}\n{}\nno result was kept but this", report.text(), samples::table(&examples)))
}

fn text(summary: &Summary, order: &Order) -> String {
    let file = order.file.display();
    let mut text = match (summary.nothing_new, summary.resumed_at) {
        (true, _) => format!("{file} was imported into job {} before: nothing new\n", summary.job),
        (false, 0) => format!("imported {file} into job {}\n", summary.job),
        (false, at) => {
            format!(
                "imported {file} into job {}, going on after {} rows of an earlier run\n",
                summary.job, at
            )
        }
    };
    text += &format!(
        "{}: {} taken, {} there already, {} rejected",
        plural(summary.rows, "row"),
        crate::term::grouped(summary.accepted),
        crate::term::grouped(summary.already_there),
        crate::term::grouped(summary.rejected),
    );
    if let Some(path) = &summary.rejects_file {
        text += &format!(" (see {})", path.display());
    }
    if !summary.sealed {
        text += "\nthe job stays open for more files";
    }
    text
}
