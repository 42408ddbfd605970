//! A worker with a validator of its own: writes country codes in upper case, and asks a person about unknown ones.
//!
//! ```text
//! cargo run -p emend-worker --example uppercase -- http://127.0.0.1:7070
//! ```
//!
//! It works on the units of jobs that were created with the pack `country`, version `1`. Any number of such workers
//! may run at once, and be stopped with Ctrl-C at any time.

use std::process::ExitCode;
use std::sync::Arc;

use emend_worker::{Change, Field, Finding, JobContext, Manifest, Outcome, Record, Validator, WorkerConfig};
use tokio_util::sync::CancellationToken;

const FIELD: &str = "country";
const KNOWN: [&str; 5] = ["KH", "LA", "SG", "TH", "VN"];

struct Country(Manifest);

impl Country {
    fn new() -> Self {
        let field = Field {
            name: FIELD.into(),
            label_vi: "Quốc gia".into(),
            label_en: "Country".into(),
            aliases: vec!["nation".into()],
            sensitive: false,
            related: vec![],
            normaliser: String::new(),
        };
        Self(Manifest {
            name: "country".into(),
            version: "1".into(),
            key_field: "id".into(),
            fields: vec![field],
            ..Manifest::default()
        })
    }
}

impl Validator for Country {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        records.iter().map(|record| check(record.get(FIELD).unwrap_or_default())).collect()
    }
}

fn check(country: &str) -> Outcome {
    // Each rule starts from what the one before it left, and says so in a change of its own.
    let mut outcome = Outcome::default();
    let mut value = country.to_owned();
    let mut apply = |rule: &'static str, after: String| {
        if after != value {
            let before = std::mem::replace(&mut value, after.clone());
            outcome.changes.push(Change { field: FIELD.into(), before, after, rule: rule.into() });
        }
    };
    apply("country.trim", country.trim().to_owned());
    apply("country.uppercase", country.trim().to_uppercase());
    if !KNOWN.contains(&value.as_str()) {
        // A person decides about this field, so no rule may touch it: what would have been changed is a proposal.
        let proposals = KNOWN.iter().filter(|known| known.starts_with(value.get(..1).unwrap_or_default()));
        let proposals = if value.is_empty() { vec![] } else { proposals.map(ToString::to_string).collect() };
        outcome.changes.clear();
        outcome.findings.push(Finding {
            code: "country.unknown".into(),
            field: FIELD.into(),
            proposals,
            ..Finding::default()
        });
    }
    outcome
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    let mut config = WorkerConfig::default();
    let schedulers: Vec<String> = std::env::args().skip(1).collect();
    if !schedulers.is_empty() {
        config.schedulers = schedulers;
    }
    let shutdown = CancellationToken::new();
    let worker = emend_worker::run(config, vec![Arc::new(Country::new())], shutdown.clone());
    let on_signal = async {
        if tokio::signal::ctrl_c().await.is_ok() {
            shutdown.cancel();
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = worker => ended,
        never = on_signal => never,
    };
    match ended {
        Ok(report) => {
            println!("{} records in {} units", report.records, report.units);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
