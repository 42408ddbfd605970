//! `emend worker`.

use anyhow::Result;
use emend_worker::{Vitals, WorkerError};
use tokio_util::sync::CancellationToken;

use super::{print_json, settings};
use crate::args::{Common, WorkerArgs};
use crate::exit::{Exit, Usage};
use crate::lifecycle::until_stopped;
use crate::settings::Flag;
use crate::{pack, probes, rules};

/// What cannot work is a matter of usage.
fn fault(error: WorkerError) -> anyhow::Error {
    match error {
        WorkerError::Config(said) => Usage::new(said),
        other => other.into(),
    }
}

pub(super) async fn run(args: WorkerArgs, common: &Common) -> Result<Exit> {
    let mut flags: Vec<Flag> = Vec::new();
    if !args.scheduler.is_empty() {
        flags.push(("worker.schedulers", args.scheduler.into()));
    }
    if !args.validator.is_empty() {
        flags.push(("worker.validators", args.validator.into()));
    }
    if !args.rules.is_empty() {
        let paths = args.rules.iter().map(|path| path.display().to_string());
        flags.push(("worker.rules", paths.collect::<Vec<_>>().into()));
    }
    flags.extend(args.slots.map(|slots| ("worker.slots", slots.into())));
    let security = args.security;
    let files = [
        ("worker.tls.ca", security.ca),
        ("worker.tls.certificate", security.certificate),
        ("worker.tls.key", security.key),
        ("worker.token_file", security.token_file),
    ];
    for (setting, path) in files {
        flags.extend(path.map(|path| (setting, path.display().to_string().into())));
    }
    let config = settings(common, "info", flags)?.worker;
    let (shutdown, vitals) = (CancellationToken::new(), Vitals::default());
    let _probes = probes::serve(config.probes, "worker.probes", vitals.clone()).await?;
    let validators = pack::all().into_iter().chain(rules::all(&config.rules)?).collect();
    let work = emend_worker::run_with(config, validators, shutdown.clone(), &vitals);
    let report = until_stopped(&shutdown, async { work.await.map_err(fault) }).await?;
    tracing::info!(units = report.units, records = report.records, lost = report.lost, "worker stopped");
    if args.json {
        print_json(&report)?;
    }
    Ok(Exit::Done)
}
