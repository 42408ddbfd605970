//! Files that are read again when they change. Kubernetes swaps a symlink when it rotates a secret, and a person may
//! write over a file: so their content is looked at, every few seconds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::time::Timestamp;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// No certificate, key or token file is larger, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// A file's bytes, and the setting that names it.
pub(super) struct Content {
    pub(super) setting: &'static str,
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

/// What some files held when they were read, together.
pub(super) struct Files(Vec<Option<Content>>);

impl Files {
    /// Reads files by their settings; those without a path are left out.
    ///
    /// # Errors
    /// The first that cannot be read, by its setting.
    pub(super) fn read<'a>(
        paths: impl IntoIterator<Item = (&'static str, Option<&'a Path>)>,
    ) -> Result<Self, String> {
        let read = |(setting, path): (&'static str, Option<&Path>)| {
            let Some(path) = path else { return Ok(None) };
            let fault =
                |what: &dyn std::fmt::Display| format!("cannot read {setting} {}: {what}", path.display());
            if std::fs::metadata(path).map_err(|error| fault(&error))?.len() > MAX_FILE {
                return Err(fault(&format_args!("it is larger than {MAX_FILE} bytes")));
            }
            let bytes = std::fs::read(path).map_err(|error| fault(&error))?;
            Ok(Some(Content { setting, path: path.to_owned(), bytes }))
        };
        paths.into_iter().map(read).collect::<Result<_, String>>().map(Self)
    }

    /// What each holds, in the order they were named in.
    pub(super) fn contents<const N: usize>(&self) -> [Option<&Content>; N] {
        std::array::from_fn(|at| self.0.get(at).and_then(Option::as_ref))
    }

    fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        for content in &self.0 {
            let bytes = content.as_ref().map_or(&[][..], |content| content.bytes.as_slice());
            hasher.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
        }
        hasher.finalize()
    }
}

/// What is made of files, and made anew when they change.
pub(super) trait Watched: Send + Sync {
    /// What it is, for the log and the metrics.
    fn what(&self) -> &'static str;

    /// Reads the files.
    fn files(&self) -> Result<Files, String>;

    /// Tells the metrics how it stands, at every look.
    fn measure(&self, _now: Timestamp) {}

    /// Takes what was read from now on. What cannot be used changes nothing.
    fn take(&self, files: &Files, now: Timestamp) -> Result<(), String>;
}

/// Looks at the files of `watched` until `stop`, and takes them when they have changed since they were `seen`. What
/// cannot be used is said once, and what was there before stays in use.
pub(super) async fn keep_current(
    watched: &dyn Watched,
    seen: Files,
    clock: &Clock,
    stop: &CancellationToken,
) {
    let what = watched.what();
    let mut last = Ok(seen.digest());
    drop(seen);
    loop {
        watched.measure(clock.now());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let read = watched.files();
        let now = read.as_ref().map(Files::digest).map_err(Clone::clone);
        if now == last {
            continue;
        }
        let taken = read.and_then(|files| watched.take(&files, clock.now()));
        match &taken {
            Ok(()) => tracing::info!(what, "files have changed and are in use"),
            Err(error) => tracing::error!(
                what, %error, "files have changed and cannot be used; what they held before stays in use"
            ),
        }
        let result = if taken.is_ok() { "ok" } else { "failed" };
        metrics::counter!("emend_reloads_total", "what" => what, "result" => result).increment(1);
        last = now;
    }
}
