//! Opens a case in another system for each record that Emend routes to people, and brings the answers back.
//!
//! An event is a doorbell: it names a record and says nothing about it. So there are two halves with a file between
//! them. [`consume`] moves events from the broker into the [`inbox`] and acknowledges them as soon as they are on disk;
//! [`route`] fetches each record from a scheduler and puts its case. Neither waits for the other: a scheduler that is
//! away holds no delivery at the broker, a broker that is away holds no case. Events come more than once, so every step
//! may be done twice: a case has the record's name, and putting it again changes nothing.
//!
//! With `--decide`, [`decide`] is the way back: it takes reviews as any reviewer does, and decides what is answered.

mod cases;
mod catch_up;
mod consume;
mod decide;
mod event;
mod inbox;
mod route;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use emend_worker::endpoints::Endpoints;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::cases::FolderCases;
use crate::consume::Source;
use crate::decide::Reviewer;
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
    /// Take reviews too, and decide on them as the case system answers.
    #[arg(long)]
    decide: bool,
    /// Who decides: a name of the router's own; empty when its token is a reviewer's.
    #[arg(long, default_value = "cases")]
    reviewer: String,
    /// Findings (`phone.invalid`) or fields that the case system's people know; none: all.
    #[arg(long, value_delimiter = ',')]
    skills: Vec<String>,
    /// Seconds between two looks for answers.
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    look: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=300.0).contains(seconds));
    seconds.ok_or_else(|| "must be 0.1 to 300".into())
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let options = Options::parse();
    let schedulers = Endpoints::new(&options.scheduler).context("--scheduler")?;
    let inbox = Arc::new(Inbox::open(&options.inbox).context("--inbox")?);
    let cases = FolderCases::open(&options.cases).context("--cases")?;
    let source = Source::new(&options.broker, options.queue)?;
    let reviewer = options.decide.then(|| Reviewer {
        name: options.reviewer,
        skills: options.skills,
        look: Duration::from_secs_f64(options.look),
    });
    let stop = CancellationToken::new();
    let consumed = consume::run(&source, &inbox, &schedulers, &stop);
    let routed = route::run(&inbox, &schedulers, &cases, &stop);
    let decided = async {
        if let Some(reviewer) = &reviewer {
            decide::run(reviewer, &schedulers, &cases, &stop).await;
        }
    };
    let asked = async {
        asked_to_stop().await;
        stop.cancel();
    };
    // What is in the inbox and not yet a case is taken up at the next start.
    tokio::join!(consumed, routed, decided, asked);
    Ok(())
}

async fn asked_to_stop() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
