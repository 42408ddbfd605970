//! Logs, to stderr.

use std::io::IsTerminal as _;

use anyhow::Result;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::exit::Usage;
use crate::settings::LogFormat;

/// Begins to log what `level` lets through.
///
/// # Errors
/// [`Usage`], when the filter cannot be read.
pub fn start(level: &str, format: LogFormat) -> Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|error| {
        Usage::new(format!("--log-level `{level}`: {error}; write info, or info,emend_worker=debug"))
    })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Human => logs.finish().try_init(),
        LogFormat::Json => logs.json().flatten_event(true).finish().try_init(),
    };
    // Tests start it more than once in a process.
    drop(started);
    Ok(())
}
