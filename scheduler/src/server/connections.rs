//! Connections from their first call to their end: by the client, by age, or because the scheduler stops.
//!
//! A connection stays with the scheduler that it first reached, so a scheduler that joins later would get no work. Each
//! one therefore ends after a while: the client is told to begin no more calls on it (GOAWAY), those under way finish,
//! and its next call opens another connection, wherever that leads. The age differs from connection to connection, since
//! those that began together must not come back together.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response};
use tower::ServiceExt as _;

use super::accept::Incoming;
use super::connection::Connection;
use super::limits;
use crate::ids;

/// How far ages may lie below and above the one that is set.
const SPREAD: f64 = 0.2;

/// Serves connections until `stop`, then waits for the calls under way. Dropped, it cuts them off.
pub(super) async fn serve<S>(
    mut incoming: Incoming,
    service: S,
    age: Option<Duration>,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (http2, stopping) = (limits::http2(), CancellationToken::new());
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            connection = incoming.next() => {
                let age = age.map(|age| age.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * ids::share()));
                connections.spawn(carry(http2.clone(), connection, service.clone(), age, stopping.clone()));
            }
            Some(_ended) = connections.join_next() => {}
            () = &mut stop => break,
        }
    }
    // From now on nobody is let in.
    drop(incoming);
    stopping.cancel();
    while connections.join_next().await.is_some() {}
}

async fn carry<S>(
    http2: hyper::server::conn::http2::Builder<TokioExecutor>,
    connection: Connection,
    service: S,
    age: Option<Duration>,
    stopping: CancellationToken,
) where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let peer = connection.peer();
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        service.clone().oneshot(request)
    });
    let mut connection = pin!(http2.serve_connection(TokioIo::new(connection), service));
    let old = async {
        match age {
            Some(age) => tokio::time::sleep(age).await,
            None => std::future::pending().await,
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = old => None,
        () = stopping.cancelled() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}
