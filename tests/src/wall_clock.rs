//! Processes whose wall clock is wrong: libfaketime stands between them and the machine's. Monotonic time stays true.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// Wrong clocks for processes.
#[derive(Debug, Clone)]
pub struct WallClock {
    library: PathBuf,
}

impl WallClock {
    /// Needs libfaketime.
    ///
    /// # Errors
    /// When it is missing; says what to install.
    pub fn new() -> Result<Self> {
        let folders = std::fs::read_dir("/usr/lib").context("/usr/lib")?;
        let mut files = folders
            .flatten()
            .map(|folder| folder.path().join("faketime/libfaketime.so.1"))
            .filter(|it| it.is_file());
        let library = files.next();
        let library = library
            .context("libfaketime is not installed, and this test needs it: apt-get install faketime")?;
        Ok(Self { library })
    }

    /// `command` with a clock that is off by `offset`, such as `-10y`.
    pub fn off_by(&self, offset: &str, command: &mut Command) {
        self.wear(command).env("FAKETIME", offset);
    }

    /// `command` with a clock that is off by what `file` holds whenever it is read, so that it can be made to jump.
    pub fn off_by_file(&self, file: &Path, command: &mut Command) {
        self.wear(command).env("FAKETIME_TIMESTAMP_FILE", file).env("FAKETIME_NO_CACHE", "1");
    }

    fn wear<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1")
    }
}
