//! `emend generate`.

use anyhow::Result;

use super::{plural, print, print_json, settings};
use crate::args::{Common, GenerateArgs};
use crate::exit::Exit;
use crate::generate::generate;

pub(super) fn run(args: &GenerateArgs, common: &Common) -> Result<Exit> {
    settings(common, "warn", Vec::new())?;
    let made = generate(args.records, args.seed, args.crowd, &args.out)?;
    if args.json {
        print_json(&made)?;
    } else {
        let (records, file, truth) =
            (plural(made.records, "record"), made.file.display(), made.truth.display());
        print(&format!("{records} in {file}, their truth in {truth}"))?;
    }
    Ok(Exit::Done)
}
