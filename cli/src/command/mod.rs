//! What each command does.

mod audit;
mod change;
mod demo;
mod diff;
mod explain;
mod export;
mod generate;
mod import;
mod list;
mod migrate;
mod record;
mod rejects;
mod reviewers;
mod revise;
mod rules;
mod samples;
mod scheduler;
mod set;
mod shift;
mod status;
mod token;
mod top;
mod user;
mod wait;
mod watch;
mod worker;

pub(crate) use crate::args::Until;
pub(crate) use status::one;
pub(crate) use wait::wait;

use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::args::{Cli, Command, Common, Remote};
use crate::client::Client;
use crate::exit::Exit;
use crate::logs;
use crate::settings::{Flag, Settings, load};

/// Does what the command line says.
///
/// # Errors
/// Whatever kept it from being done, in words.
pub async fn run(cli: Cli) -> Result<Exit> {
    let common = &cli.common;
    match cli.command {
        Command::Demo(args) => demo::run(args, common).await,
        Command::Generate(args) => generate::run(&args, common),
        Command::Scheduler(args) => scheduler::run(args, common).await,
        Command::Worker(args) => worker::run(args, common).await,
        Command::Token(args) => token::run(args, common),
        Command::User(args) => user::run(args, common).await,
        Command::Audit(args) => audit::run(args, common).await,
        Command::Migrate(args) => migrate::run(args, common).await,
        Command::Import(args) => import::run(*args, common).await,
        Command::Status(args) => status::run(args, common).await,
        Command::Top(args) => top::top(args, common).await,
        Command::PodCost(args) => top::pod_cost(args, common).await,
        Command::Wait(args) => wait::run(args, common).await,
        Command::Export(args) => export::run(args, common).await,
        Command::Record(args) => record::run(args, common).await,
        Command::Explain(args) => explain::run(args, common).await,
        Command::Samples(args) => samples::run(args, common).await,
        Command::Approve(args) => revise::approve(args, common).await,
        Command::Undo(args) => revise::undo(args, common).await,
        Command::Rerun(args) => revise::rerun(args, common).await,
        Command::Revisions(args) => revise::revisions(args, common).await,
        Command::Withdraw(args) => revise::withdraw(args, common).await,
        Command::Diff(args) => diff::run(args, common).await,
        Command::Rules(args) => rules::run(args),
        Command::Units(args) => list::units(args, common).await,
        Command::Rejects(args) => rejects::run(args, common).await,
        Command::Pause(args) => change::pause(args, common).await,
        Command::Resume(args) => change::resume(args, common).await,
        Command::Set(args) => set::run(args, common).await,
        Command::Cancel(args) => change::cancel(args, common).await,
        Command::Delete(args) => change::delete(args, common).await,
        Command::SimulateShift(args) => shift::run(args, common).await,
        Command::Reviewers(args) => reviewers::run(args, common).await,
        Command::Retry(args) => change::retry(args, common).await,
    }
}

/// The settings, and the log as they want it: `quiet` is what is logged when nobody said.
fn settings(common: &Common, quiet: &str, flags: Vec<Flag>) -> Result<Settings> {
    let settings = load(common.config.as_deref(), std::env::vars().collect(), flags)?;
    let level = common.log_level.clone().or_else(|| settings.log.level.clone());
    let format = common.log_format.or(settings.log.format).unwrap_or_default();
    logs::start(level.as_deref().unwrap_or(quiet), format, &settings.traces)?;
    Ok(settings)
}

/// A client of the schedulers that the command line names.
fn client(remote: &Remote, common: &Common) -> Result<Client> {
    settings(common, "warn", Vec::new())?;
    Client::new(&remote.scheduler, remote.security.credentials())
}

/// Prints a value for a program.
fn print_json(value: &impl Serialize) -> Result<()> {
    print(&serde_json::to_string(value)?)
}

/// Prints a line; a reader that has gone away is no failure.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{}", text.trim_end_matches('\n')) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// What a count is called.
pub(crate) fn plural(count: u64, one: &str) -> String {
    let many = if count == 1 { "" } else { "s" };
    format!("{} {one}{many}", crate::term::grouped(count))
}
