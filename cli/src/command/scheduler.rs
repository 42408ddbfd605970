//! `emend scheduler`.

use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use emend_scheduler::{Listeners, Vitals};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::settings;
use crate::args::{Common, SchedulerArgs};
use crate::exit::{Exit, Usage};
use crate::lifecycle::until_stopped;
use crate::probes;
use crate::settings::Flag;

pub(super) async fn run(args: SchedulerArgs, common: &Common) -> Result<Exit> {
    let mut flags: Vec<Flag> = Vec::new();
    flags.extend(args.store.map(|store| ("scheduler.store", store.into())));
    flags.extend(args.listen.map(|listen| ("scheduler.listen", listen.into())));
    flags.extend(args.broker.map(|broker| ("scheduler.broker", broker.into())));
    flags.extend(args.desk.map(|desk| ("scheduler.desk.listen", desk.into())));
    if args.insecure {
        flags.push(("scheduler.insecure", true.into()));
    }
    let config = settings(common, "info", flags)?.scheduler;
    config.check().map_err(Usage::new)?;
    let listener = bind(config.listen, "--listen").await?;
    let desk = match config.desk.listen {
        Some(address) => Some(bind(address, "--desk").await?),
        None => None,
    };
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() && config.tls.certificate.is_none() {
        tracing::warn!(%address, "listening without TLS, as --insecure asks: whoever is on the way can read and change records");
    }
    let tls = config.tls.certificate.is_some();
    tracing::info!(%address, tls, store = %without_password(&config.store), "scheduler starts");
    if let Some(desk) = &desk {
        let tls = tls || config.desk.tls.certificate.is_some();
        let scheme = if tls { "https" } else { "http" };
        tracing::info!(url = format!("{scheme}://{}/", desk.local_addr()?), "people sign in here");
    }
    let (shutdown, vitals) = (CancellationToken::new(), Vitals::default());
    let _probes = probes::serve(config.probes, "scheduler.probes", vitals.clone()).await?;
    let served =
        emend_scheduler::serve_on(config, Listeners { grpc: listener, desk }, shutdown.clone(), &vitals);
    until_stopped(&shutdown, Box::pin(async { served.await.map_err(anyhow::Error::from) })).await?;
    tracing::info!("scheduler stopped");
    Ok(Exit::Done)
}

async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow!("cannot listen on {address}: {error}; stop what listens there, or choose another {flag}")
    })
}

/// The store's URL as it may be logged.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // A query may hold a password too.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    match rest.rsplit_once('@') {
        Some((login, place)) => {
            let user = login.split_once(':').map_or(login, |(user, _)| user);
            let secret = if login.contains(':') { ":***" } else { "" };
            format!("{scheme}://{user}{secret}@{place}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_logged() {
        assert_eq!(without_password("postgres://me:s3cret@db:5432/x?a=b"), "postgres://me:***@db:5432/x");
        assert_eq!(without_password("postgres://me@db/x"), "postgres://me@db/x");
        assert_eq!(without_password("postgres://db/x?password=s3cret"), "postgres://db/x");
        assert_eq!(without_password("sqlite://a/b.db"), "sqlite://a/b.db");
    }
}
