//! `emend import`.

use anyhow::Result;
use tracing::Instrument as _;

use super::{client, plural, print, print_json, set};
use crate::args::{Common, ImportArgs};
use crate::exit::Exit;
use crate::import::{self, Order, Summary, Wanted};
use crate::input::{Format, encoding};
use crate::logs::command_span;

pub(super) async fn run(args: ImportArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let order = Order {
        format: args.format.map_or_else(|| Format::of(&args.file), Ok)?,
        encoding: args.encoding.as_deref().map(encoding).transpose()?,
        file: args.file,
        job: Wanted {
            name: args.job,
            pack: args.pack,
            validators: args.validator,
            as_of: args.as_of,
            unit_records: args.unit_size,
            schedule: set::change(&args.schedule),
            reviews: args.reviews.policy(),
        },
        keep_open: args.keep_open,
        rejects: args.rejects,
    };
    let summary = import::run(&client, &order).instrument(command_span("emend import")).await?;
    if args.remote.json {
        print_json(&summary)?;
    } else {
        print(&text(&summary, &order))?;
    }
    Ok(if summary.rejected > 0 { Exit::Rejects } else { Exit::Done })
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
