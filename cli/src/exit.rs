//! How the program ends, for scripts to act on.

use std::process::ExitCode;

use anyhow::Error;

/// The exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Done = 0,
    /// It failed; what was done is kept and it may be run again.
    Failed = 1,
    /// The command line or the configuration is at fault.
    Usage = 2,
    /// Done, but rows were rejected.
    Rejects = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The caller asked for something that cannot be: exit code 2, no use in trying again.
#[derive(Debug)]
pub struct Usage(String);

impl Usage {
    /// An error that names the flag or field at fault, and the fix.
    #[expect(clippy::new_ret_no_self, reason = "it is only ever raised")]
    pub fn new(message: impl Into<String>) -> Error {
        Error::new(Self(message.into()))
    }
}

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Says on stderr why, and gives the code that goes with it.
pub fn report(error: &Error) -> Exit {
    eprintln!("emend: {error:#}");
    if error.is::<Usage>() || error.chain().any(<dyn std::error::Error>::is::<Usage>) {
        Exit::Usage
    } else {
        Exit::Failed
    }
}
