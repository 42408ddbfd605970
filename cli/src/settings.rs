//! How servers are set up: defaults, then a file, then the environment, then flags.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use config::{Config, Environment, File, FileFormat};
use emend_worker::WorkerConfig;
use serde::Deserialize;

use crate::exit::Usage;

/// The environment variable that client commands and workers find schedulers by.
pub const SCHEDULER_VARIABLE: &str = "EMEND_SCHEDULER";

/// A list in the environment is separated by commas; everything else is a single value.
const LISTS: [(&str, &str); 4] = [
    ("EMEND__WORKER__RULES", "worker.rules"),
    ("EMEND__WORKER__VALIDATORS", "worker.validators"),
    ("EMEND__WORKER__SCHEDULERS", "worker.schedulers"),
    ("EMEND__SCHEDULER__DESK__PROXIES", "scheduler.desk.proxies"),
];

/// All sections. Unknown keys are errors.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `emend scheduler`.
    pub scheduler: emend_scheduler::Config,
    /// `emend worker`.
    pub worker: WorkerConfig,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Where traces go.
    pub traces: TraceSettings,
}

/// Where traces go.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceSettings {
    /// An OTLP collector's gRPC address, such as `http://127.0.0.1:4317`. Without it nothing is traced.
    pub endpoint: Option<String>,
    /// The share of traces begun here that are recorded, 0 to 1. Who calls with a trace has decided already.
    pub share: f64,
}

impl Default for TraceSettings {
    fn default() -> Self {
        Self { endpoint: None, share: 1.0 }
    }
}

/// What is logged, and how.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// `info`, or any filter that `RUST_LOG` takes.
    pub level: Option<String>,
    /// For people or for programs.
    pub format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// A value that a flag gave, and the key it stands for.
pub type Flag = (&'static str, config::Value);

/// Puts the layers together.
///
/// # Errors
/// [`Usage`], naming the key that is unknown or the value that cannot be.
pub fn load(file: Option<&Path>, environment: HashMap<String, String>, flags: Vec<Flag>) -> Result<Settings> {
    let mut builder = Config::builder();
    if let Some(path) = file {
        if !path.is_file() {
            return Err(Usage::new(format!("--config {} is not a file", path.display())));
        }
        builder = builder.add_source(File::from(path).format(FileFormat::Toml));
    }
    let (lists, single): (HashMap<_, _>, HashMap<_, _>) = environment
        .into_iter()
        .filter(|(name, value)| name.to_uppercase().starts_with("EMEND__") && !value.is_empty())
        .partition(|(name, _)| LISTS.iter().any(|(list, _)| list.eq_ignore_ascii_case(name)));
    // No `try_parsing`: it would turn a text such as 007 into a number. Numbers are read where they are wanted.
    let source = Environment::with_prefix("EMEND").prefix_separator("__").separator("__");
    builder = builder.add_source(source.source(Some(single)));
    let fault = |error: config::ConfigError| Usage::new(format!("configuration: {error}"));
    for (name, value) in lists {
        let key = LISTS.iter().find(|(list, _)| list.eq_ignore_ascii_case(&name)).map_or("", |(_, key)| key);
        builder = builder.set_override(key, split(&value)).map_err(fault)?;
    }
    for (key, value) in flags {
        builder = builder.set_override(key, value).map_err(fault)?;
    }
    builder.build().and_then(Config::try_deserialize).map_err(fault)
}

fn split(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(file: &str, environment: &[(&str, &str)], flags: Vec<Flag>) -> Result<Settings> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("emend.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
        load(Some(&path), environment.collect(), flags)
    }

    #[test]
    fn each_layer_wins_over_the_one_before() {
        let file = "[scheduler]\nstore = 'sqlite://file.db'\nlease_ttl = 5\npoll = 1.5\n[worker]\nslots = 3\n[log]\nformat = 'json'\n";
        let environment = [
            ("EMEND__SCHEDULER__LEASE_TTL", "7.5"),
            ("EMEND__SCHEDULER__STORE", "sqlite://environment.db"),
            ("EMEND__WORKER__SLOTS", "4"),
            ("EMEND__WORKER__SCHEDULERS", "http://a:1, http://b:2"),
            ("EMEND_SCHEDULER", "http://not-ours"),
            ("OTHER", "x"),
        ];
        let settings =
            with(file, &environment, vec![("scheduler.store", "sqlite://flag.db".into())]).unwrap();
        assert_eq!(settings.scheduler.store, "sqlite://flag.db");
        assert_eq!((settings.scheduler.lease_ttl, settings.scheduler.poll), (7.5, 1.5));
        assert_eq!(settings.scheduler.connections, emend_scheduler::Config::default().connections);
        assert_eq!((settings.worker.slots, settings.worker.schedulers.len()), (4, 2));
        assert_eq!(settings.log.format, Some(LogFormat::Json));
    }

    #[test]
    fn texts_that_look_like_numbers_stay_as_they_are() {
        let settings = with("", &[("EMEND__WORKER__NAME", "007")], vec![]).unwrap();
        assert_eq!(settings.worker.name, "007");
    }

    #[test]
    fn an_unknown_key_is_named_in_every_layer() {
        for (file, environment) in [
            ("[scheduler]\nlisten_on = 'x'\n", &[][..]),
            ("", &[("EMEND__SCHEDULER__LISTEN_ON", "x")][..]),
            ("[worker]\nlisten_on = 1\n", &[]),
            ("[listen_on]\n", &[]),
        ] {
            let error = with(file, environment, vec![]).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains("listen_on"), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_said() {
        let error = load(Some(Path::new("/no/such.toml")), HashMap::new(), vec![]).unwrap_err();
        assert!(error.to_string().contains("--config /no/such.toml"), "{error}");
    }
}
