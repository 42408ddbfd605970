//! `emend token`.

use anyhow::Result;
use emend_scheduler::NewToken;

use super::{print, print_json, settings};
use crate::args::{Common, TokenArgs, TokenCommand};
use crate::exit::{Exit, Usage};

pub(super) fn run(args: TokenArgs, common: &Common) -> Result<Exit> {
    settings(common, "warn", Vec::new())?;
    let TokenCommand::New(args) = args.command;
    let NewToken { token, line } =
        NewToken::make(args.role, &args.name).map_err(|error| Usage::new(format!("--name: {error}")))?;
    if args.json {
        print_json(&serde_json::json!({ "token": token, "line": line }))?;
    } else {
        print(&format!(
            "token, shown this once:\n  {token}\nline for the file of scheduler.tokens:\n  {line}"
        ))?;
    }
    Ok(Exit::Done)
}
