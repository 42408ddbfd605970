//! Opens a case in another system for each record that Emend routes to people.
//!
//! An event is a doorbell: it names a record and says nothing about it. So there are two halves with a file between
//! them. [`consume`] moves events from the broker into the [`inbox`] and acknowledges them as soon as they are on disk;
//! [`route`] fetches each record from a scheduler and puts its case. Neither waits for the other: a scheduler that is
//! away holds no delivery at the broker, a broker that is away holds no case. Events come more than once, so every step
//! may be done twice: a case has the record's name, and putting it again changes nothing.

mod cases;
mod catch_up;
mod consume;
mod event;
mod inbox;
mod route;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use emend_worker::endpoints::Endpoints;
use tokio_util::sync::CancellationToken;

use crate::cases::FolderCases;
use crate::consume::Source;
use crate::inbox::Inbox;

/// Opens a case for each record that Emend routes to people.
#[derive(Debug, Parser)]
struct Options {
    /// Emend's broker: amqp://USER:PASSWORD@HOST. Give a password by the environment.
    #[arg(long, env = "CASE_ROUTER_BROKER", hide_env_values = true)]
    broker: String,
    /// Schedulers, tried in turn.
    #[arg(long, env = "EMEND_SCHEDULER", value_delimiter = ',', default_value = "http://127.0.0.1:7070")]
    scheduler: Vec<String>,
    /// The queue of this router at the broker.
    #[arg(long, default_value = "case-router")]
    queue: String,
    /// Where events wait for their case.
    #[arg(long, default_value = "inbox.jsonl")]
    inbox: PathBuf,
    /// The folder that stands in for a case system.
    #[arg(long, default_value = "cases")]
    cases: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let options = Options::parse();
    let schedulers = Endpoints::new(&options.scheduler).context("--scheduler")?;
    let inbox = Arc::new(Inbox::open(&options.inbox).context("--inbox")?);
    let cases = FolderCases::open(&options.cases).context("--cases")?;
    let source = Source::new(&options.broker, options.queue)?;
    let stop = CancellationToken::new();
    let consumed = consume::run(&source, &inbox, &schedulers, &stop);
    let routed = route::run(&inbox, &schedulers, &cases, &stop);
    let asked = async {
        let _asked = tokio::signal::ctrl_c().await;
        stop.cancel();
    };
    // What is in the inbox and not yet a case is taken up at the next start.
    tokio::join!(consumed, routed, asked);
    Ok(())
}
