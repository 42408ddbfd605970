//! What the fault tests run as processes of their own, to be killed, stopped, or cut off.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use emend_scheduler::{Config, serve};
use emend_tests::{mutants, poison, writer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the fault tests run as processes of their own.
#[derive(Debug, Parser)]
enum Part {
    /// Writes to a store, and notes what it was told.
    Writer {
        /// The store.
        #[arg(long)]
        store: String,
        /// Where to note it.
        #[arg(long)]
        notes: PathBuf,
        /// A weaker `synchronous` for SQLite.
        #[arg(long)]
        synchronous: Option<String>,
    },
    /// A scheduler with a guard taken out.
    Scheduler {
        /// The store.
        #[arg(long)]
        store: String,
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// Which guard is missing.
        #[arg(long)]
        mutant: String,
        /// How long a lease lasts, in seconds.
        #[arg(long, env = "EMEND__SCHEDULER__LEASE_TTL", default_value_t = 60.0)]
        lease_ttl: f64,
        /// Connections to PostgreSQL.
        #[arg(long, env = "EMEND__SCHEDULER__CONNECTIONS", default_value_t = 10)]
        connections: u32,
    },
    /// A worker whose validator does what the records say.
    Worker {
        /// The scheduler.
        #[arg(long)]
        scheduler: String,
        /// Units to have in work at once. One thread works on them, one after another.
        #[arg(long, default_value_t = 1)]
        slots: usize,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Part::parse() {
        Part::Writer { store, notes, synchronous } => writer::write(&store, &notes, synchronous).await,
        Part::Scheduler { store, listen, mutant, lease_ttl, connections } => {
            schedule(Config { store, listen, lease_ttl, connections, ..Config::default() }, &mutant).await
        }
        Part::Worker { scheduler, slots } => poison::work(scheduler, slots).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn schedule(config: Config, mutant: &str) -> Result<()> {
    let mutant = mutants::named(mutant).with_context(|| format!("there is no mutant {mutant}"))?;
    let listener = TcpListener::bind(config.listen).await?;
    serve(Config { mutant: Some(mutant), ..config }, listener, CancellationToken::new()).await?;
    Ok(())
}
