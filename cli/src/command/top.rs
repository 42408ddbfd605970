//! `emend top` and `emend pod-cost`: what watches the workers.

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::settings;
use crate::args::{Common, PodCostArgs, TopArgs};
use crate::client::Client;
use crate::exit::Exit;
use crate::lifecycle::until_stopped;
use crate::{pods, top};

pub(super) async fn top(args: TopArgs, common: &Common) -> Result<Exit> {
    // A log line would tear the screen.
    settings(common, "off", Vec::new())?;
    let client = Client::new(&args.remote.scheduler, args.remote.security.credentials())?;
    top::run(client, &args.remote.scheduler, args.interval).await
}

pub(super) async fn pod_cost(args: PodCostArgs, common: &Common) -> Result<Exit> {
    settings(common, "info", Vec::new())?;
    let client = Client::new(&args.remote.scheduler, args.remote.security.credentials())?.patient();
    let api = pods::Api::new(&args.api, args.account.as_deref(), &args.selector)?;
    let shutdown = CancellationToken::new();
    let work = pods::run(client, api, args.interval, shutdown.clone());
    until_stopped(&shutdown, async {
        work.await;
        Ok(())
    })
    .await?;
    Ok(Exit::Done)
}
