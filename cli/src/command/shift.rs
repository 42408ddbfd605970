//! `emend simulate-shift`.

use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::{client, print, print_json};
use crate::args::{Common, SimulateShiftArgs};
use crate::exit::{Exit, Usage};
use crate::lifecycle::until_stopped;
use crate::shift::{self, Order};

pub(super) async fn run(args: SimulateShiftArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    if args.leads.is_some_and(|leads| leads > args.reviewers) {
        return Err(Usage::new(
            "--leads: leads are some of the --reviewers, so there cannot be more of them",
        ));
    }
    let order = Order {
        job: args.job,
        truth: args.truth,
        reviewers: args.reviewers,
        leads: args.leads,
        pace: Duration::from_secs_f64(args.seconds_per_record),
        errors: args.errors,
        seed: args.seed,
    };
    let shutdown = CancellationToken::new();
    let report = until_stopped(&shutdown, shift::run(&client, &order, &shutdown)).await?;
    if args.remote.json {
        print_json(&report)?;
    } else {
        print(&report.text())?;
    }
    Ok(if report.left == 0 { Exit::Done } else { Exit::Failed })
}
