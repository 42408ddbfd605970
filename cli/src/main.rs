//! The `emend` program.

use std::process::ExitCode;

use clap::Parser as _;
use emend::args::Cli;
use emend::exit::{Exit, report};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("emend: cannot start: {error}");
            return Exit::Failed.into();
        }
    };
    let done = runtime.block_on(emend::command::run(cli));
    emend::logs::finish();
    // What is still being read or written on a thread is of no use any more.
    runtime.shutdown_background();
    done.unwrap_or_else(|error| report(&error)).into()
}
