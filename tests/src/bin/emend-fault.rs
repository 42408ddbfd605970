//! What the fault tests run as processes of their own, to be killed, stopped, or cut off.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use emend_tests::{poison, writer};

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
    /// A worker whose validator does what the records say.
    Worker {
        /// The scheduler.
        #[arg(long)]
        scheduler: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Part::parse() {
        Part::Writer { store, notes, synchronous } => writer::write(&store, &notes, synchronous).await,
        Part::Worker { scheduler } => poison::work(scheduler).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
