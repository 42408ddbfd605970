//! What can be set about a worker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::WorkerError;
use super::span;
use crate::endpoints::{Credentials, EndpointError, Endpoints, TlsFiles};

/// Far more than any machine works on at once; a typing error above it would fill the memory.
const MAX_SLOTS: usize = 10_000;

/// What can be set about a worker. Durations are read as `"25s"`, `"500ms"`, `"2m"`, `"1h"`, or as a number of
/// seconds. Unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// The schedulers' URLs: one of them by chance, the others in turn when it fails. Default: `http://127.0.0.1:7070` alone.
    pub schedulers: Vec<String>,
    /// Certificates, for schedulers on `https`.
    pub tls: TlsFiles,
    /// A file that holds a bearer token alone, for schedulers that ask for one.
    pub token_file: Option<PathBuf>,
    /// Units to have in work at once; one more waits so that none of them idles. 0, the default: one for each core.
    pub slots: usize,
    /// Threads that validate, at most as many as slots. 0, the default: one for each core.
    pub threads: usize,
    /// Time to finish at shutdown what has been begun; what is not finished in it goes back. Default: 25 s, within
    /// the 30 s that Kubernetes gives.
    #[serde(deserialize_with = "span::deserialize")]
    pub grace: Duration,
    /// The time a validator may take for one record; it is `failed` if it takes longer. A group has it for each of its
    /// records. Keep it below two thirds of the lease time, or the scheduler takes the worker for hung. Default: 5 s.
    #[serde(deserialize_with = "span::deserialize")]
    pub record_timeout: Duration,
    /// How long the scheduler may hold a call while no unit is ready. Default: 10 s, at most 60 s.
    #[serde(deserialize_with = "span::deserialize")]
    pub lease_wait: Duration,
    /// Rule files that jobs may name, read by the program around the worker. None unless given.
    pub rules: Vec<PathBuf>,
    /// Validators of others, called behind the pack: `http://…`, `https://…` or `unix:/…`. Jobs name them by what they
    /// call themselves. None unless given.
    pub validators: Vec<String>,
    /// Calls to each of them at once. Default: 4.
    pub validator_calls: usize,
    /// Where `/livez`, `/readyz` and `/metrics` are served over plain HTTP, by the program around the worker; nowhere
    /// unless given.
    pub probes: Option<SocketAddr>,
    /// The first part of the worker's id, which shows up where units are listed. Empty, the default: the host's name.
    pub name: String,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            schedulers: vec!["http://127.0.0.1:7070".to_owned()],
            tls: TlsFiles::default(),
            token_file: None,
            slots: 0,
            threads: 0,
            grace: Duration::from_secs(25),
            record_timeout: Duration::from_secs(5),
            lease_wait: Duration::from_secs(10),
            rules: Vec::new(),
            validators: Vec::new(),
            validator_calls: 4,
            probes: None,
            name: String::new(),
        }
    }
}

impl WorkerConfig {
    /// Fills in what is left to the machine and checks the rest.
    pub(crate) fn settled(mut self) -> Result<Self, WorkerError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if self.slots > MAX_SLOTS {
            return Err(WorkerError::Config(format!("{} slots are more than {MAX_SLOTS}", self.slots)));
        }
        if self.record_timeout.is_zero() {
            return Err(WorkerError::Config(
                "a record_timeout of 0 leaves no time for any record".to_owned(),
            ));
        }
        self.slots = if self.slots == 0 { cores } else { self.slots };
        self.threads = if self.threads == 0 { cores } else { self.threads }.min(self.slots);
        self.lease_wait = self.lease_wait.min(Duration::from_secs(60));
        if self.name.is_empty() {
            self.name = host_name();
        }
        // An id is at most 128 bytes, the random part included.
        self.name = self.name.chars().filter(char::is_ascii_graphic).take(64).collect();
        Ok(self)
    }

    /// The schedulers to talk to.
    pub(crate) fn endpoints(&self) -> Result<Endpoints, WorkerError> {
        let credentials = Credentials { tls: self.tls.clone(), token_file: self.token_file.clone() };
        Ok(Endpoints::with(&self.schedulers, credentials)?)
    }
}

impl From<EndpointError> for WorkerError {
    fn from(error: EndpointError) -> Self {
        Self::Config(error.to_string())
    }
}

fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_has_its_default() {
        let config: WorkerConfig =
            serde_json::from_str(r#"{"slots": 8, "grace": "10s", "record_timeout": 2}"#).unwrap();
        let expected = WorkerConfig {
            slots: 8,
            grace: Duration::from_secs(10),
            record_timeout: Duration::from_secs(2),
            ..WorkerConfig::default()
        };
        assert_eq!(config, expected);
        assert!(serde_json::from_str::<WorkerConfig>(r#"{"slot": 8}"#).is_err());
    }

    #[test]
    fn threads_are_never_more_than_slots() {
        let config = WorkerConfig { slots: 1, threads: 8, ..WorkerConfig::default() };
        assert_eq!(config.settled().unwrap().threads, 1);
        let config = WorkerConfig::default().settled().unwrap();
        assert!(config.slots > 0 && config.threads > 0 && !config.name.is_empty());
        assert!(WorkerConfig { slots: MAX_SLOTS + 1, ..WorkerConfig::default() }.settled().is_err());
    }
}
