//! A worker whose one validator, `slow 1`, takes as many milliseconds for a record as the first argument says; the
//! second may give it a name. For tests of how many workers a job wants, and of what becomes of their work when they
//! come and go: the time that it takes does not depend on the machine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use emend_worker::{JobContext, Manifest, Outcome, Record, Validator, WorkerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

struct Slow {
    manifest: Manifest,
    takes: Duration,
}

impl Validator for Slow {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        let check = |_: &Record<'_>| {
            std::thread::sleep(self.takes);
            Outcome { changes: Vec::new(), findings: Vec::new() }
        };
        records.iter().map(check).collect()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let takes = std::env::args().nth(1).context("usage: slow-worker MILLISECONDS [NAME]")?.parse()?;
    let schedulers = std::env::var("EMEND_SCHEDULER").context("EMEND_SCHEDULER names the schedulers")?;
    let config = WorkerConfig {
        schedulers: schedulers.split(',').map(str::to_owned).collect(),
        slots: 1,
        lease_wait: Duration::from_secs(2),
        name: std::env::args().nth(2).unwrap_or_else(|| "slow".to_owned()),
        ..WorkerConfig::default()
    };
    let manifest =
        Manifest { name: "slow".into(), version: "1".into(), key_field: "id".into(), ..Manifest::default() };
    let validator = Slow { manifest, takes: Duration::from_millis(takes) };
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let asked = async {
        terminate.recv().await;
        shutdown.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        report = emend_worker::run(config, vec![Arc::new(validator)], shutdown.clone()) => report.map(drop)?,
        () = asked => {}
    }
    Ok(())
}
