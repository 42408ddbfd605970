//! `emend export`.

use anyhow::Result;
use tracing::Instrument as _;

use super::{client, plural, print_json};
use crate::args::{Common, ExportArgs};
use crate::exit::Exit;
use crate::export::{self, Only, Order};
use crate::input::Format;
use crate::logs::command_span;

pub(super) async fn run(args: ExportArgs, common: &Common) -> Result<Exit> {
    let client = client(&args.remote, common)?;
    let to_stdout = args.out.as_os_str() == "-";
    let format = match args.format {
        Some(format) => format,
        None if to_stdout => Format::Csv,
        None => Format::of(&args.out)?,
    };
    let only = Only::these(args.only.into_iter().map(Into::into));
    let order = Order {
        job: args.job,
        out: args.out,
        format,
        only,
        provenance: args.with_provenance,
        partial: args.partial,
    };
    let summary = export::run(&client, &order).instrument(command_span("emend export")).await?;
    // Stdout may be the file itself.
    match (to_stdout, args.remote.json) {
        (true, _) => {}
        (false, true) => print_json(&summary)?,
        (false, false) => {
            eprintln!(
                "{} of job {} in {}",
                plural(summary.records, "record"),
                summary.job,
                summary.out.display()
            );
        }
    }
    Ok(Exit::Done)
}
