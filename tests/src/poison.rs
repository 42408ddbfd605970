//! A worker whose validator does what a record tells it to: kill the process, panic, never end, wait for a file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use emend_worker::{JobContext, Manifest, Outcome, Record, Validator, WorkerConfig};
use tokio_util::sync::CancellationToken;

use crate::bench::PACK;

/// How long a record may take.
pub const RECORD_TIMEOUT: Duration = Duration::from_millis(400);

struct Obedient(Manifest);

impl Validator for Obedient {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn validate(&self, _: &JobContext, records: &[Record<'_>]) -> Vec<Outcome> {
        let obey = |record: &Record<'_>| {
            match record.get("do").unwrap_or_default().split_once(' ') {
                Some(("kill", _)) => std::process::abort(),
                Some(("panic", _)) => panic!("as told"),
                Some(("hang", _)) => loop {
                    std::thread::park();
                },
                Some(("wait", path)) => wait(Path::new(path)),
                _ => {}
            }
            Outcome::default()
        };
        records.iter().map(obey).collect()
    }
}

/// Says that it is here, and goes on when the test says so.
fn wait(path: &Path) {
    let _begun = std::fs::write(path.with_extension("begun"), "");
    while !path.with_extension("go").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Works until it is killed, on one unit at a time of those that `slots` let it hold.
///
/// # Errors
/// When the worker ends by itself.
pub async fn work(scheduler: String, slots: usize) -> Result<()> {
    let (name, version) = PACK.split_once('@').unwrap_or_default();
    let manifest =
        Manifest { name: name.into(), version: version.into(), key_field: "n".into(), ..Manifest::default() };
    let config = WorkerConfig {
        schedulers: vec![scheduler],
        slots,
        threads: 1,
        record_timeout: RECORD_TIMEOUT,
        ..WorkerConfig::default()
    };
    emend_worker::run(config, vec![Arc::new(Obedient(manifest))], CancellationToken::new()).await?;
    Ok(())
}
