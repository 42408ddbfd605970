//! `emend demo`.

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::{print, print_json, settings};
use crate::args::{Common, DemoArgs};
use crate::demo::{self, Order};
use crate::exit::Exit;
use crate::lifecycle::until_stopped;

pub(super) async fn run(args: DemoArgs, common: &Common) -> Result<Exit> {
    // The workers' own chatter would tear the bars apart.
    settings(common, "warn", Vec::new())?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let order = Order {
        records: args.records,
        seed: args.seed,
        workers: args.workers.map_or(cores, usize::from),
        store: args.store,
        out: args.out,
        group_by: args.group_by,
        reviewers: args.with_people.then_some(args.reviewers),
    };
    let shutdown = CancellationToken::new();
    let report = until_stopped(&shutdown, Box::pin(demo::run(&order, &shutdown))).await?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&report.text(&order))?;
    }
    let all_decided = report.people.as_ref().is_none_or(|people| people.shift.left == 0);
    Ok(if report.job.reconciled && all_decided { Exit::Done } else { Exit::Failed })
}
