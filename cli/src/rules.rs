//! Rule files, read from disk.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use emend_proto::v1::PackRef;
use emend_rules::{LONGEST_FILE, RuleFile};
use emend_worker::Validator;

use crate::exit::Usage;

/// Reads a rule file.
///
/// # Errors
/// [`Usage`] with all that is wrong with it, each problem with its line and column.
pub(crate) fn read(path: &Path) -> Result<RuleFile> {
    let what = || format!("cannot read rule file {}", path.display());
    let size = std::fs::metadata(path).with_context(what)?.len();
    if size > LONGEST_FILE as u64 {
        return Err(Usage::new(format!("{} is larger than {LONGEST_FILE} bytes", path.display())));
    }
    let text = std::fs::read_to_string(path).with_context(what)?;
    RuleFile::parse(&text).map_err(|problems| {
        let lines = problems.iter().map(|problem| format!("{}: {problem}", path.display()));
        Usage::new(lines.collect::<Vec<_>>().join("\n"))
    })
}

/// Reads rule files for a worker.
///
/// # Errors
/// As [`read`].
pub(crate) fn all(paths: &[std::path::PathBuf]) -> Result<Vec<Arc<dyn Validator>>> {
    let mut files: Vec<Arc<dyn Validator>> = Vec::new();
    for path in paths {
        let file = read(path)?;
        let PackRef { name, version } = link(&file);
        tracing::info!(path = %path.display(), name, version, "rule file read");
        files.push(Arc::new(file));
    }
    Ok(files)
}

/// What a job names it by.
pub(crate) fn link(file: &RuleFile) -> PackRef {
    let manifest = file.manifest();
    PackRef { name: manifest.name.clone(), version: manifest.version.clone() }
}
