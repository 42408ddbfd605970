//! Probes, metrics, the scaler, and what is made of them: alert rules and the dashboard.

mod alerts;
mod probes;
mod scaler;
mod table;

use std::path::{Path, PathBuf};

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}
