//! The desk's listener: connections of browsers, from the handshake to their end. HTTP/1.1 and HTTP/2, within limits of
//! their own, and never a client's certificate.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::Request;
use tower::ServiceExt as _;

use super::connection::Line;
use super::limits::{
    DESK_CONNECTIONS, DESK_HEAD_BYTES, DESK_HEAD_TIMEOUT, DESK_STREAMS, HANDSHAKE_TIMEOUT,
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT,
};
use super::tls::Tls;
use crate::desk::{self, Visitor};
use crate::service::App;

/// How long to wait when the system gives no more sockets.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Serves the desk until `stop`, then waits for the requests under way. Dropped, it cuts them off.
pub(super) async fn serve(app: &App, listener: TcpListener, tls: Option<Arc<Tls>>, stop: CancellationToken) {
    let (router, places) = (desk::router(app), Arc::new(Semaphore::new(DESK_CONNECTIONS)));
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the desk cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
            Some(_ended) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::debug!(%peer, "no place for one more connection to the desk");
            metrics::counter!("emend_connections_refused_total", "reason" => "no_place").increment(1);
            continue;
        };
        let acceptor = tls.as_ref().map(|tls| TlsAcceptor::from(tls.current()));
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            let _place = place;
            let opened = tokio::time::timeout(HANDSHAKE_TIMEOUT, open(stream, acceptor)).await;
            match opened {
                Ok(Ok((line, secure))) => carry(line, peer, secure, router, stop).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection to the desk came to nothing"),
                Err(_) => tracing::debug!(%peer, "a connection to the desk was too slow"),
            }
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn open(stream: TcpStream, acceptor: Option<TlsAcceptor>) -> std::io::Result<(Line, bool)> {
    stream.set_nodelay(true)?;
    Ok(match acceptor {
        Some(acceptor) => (Line::Tls(Box::new(acceptor.accept(stream).await?)), true),
        None => (Line::Plain(stream), false),
    })
}

async fn carry(line: Line, peer: SocketAddr, secure: bool, router: Router, stop: CancellationToken) {
    let visitor = Visitor { address: peer.ip(), secure };
    let begun = Arc::new(AtomicBool::new(false));
    let asked = begun.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(visitor);
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let builder = builder();
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(line), service));
    // Until the first bytes say which HTTP it is, no limit of either counts.
    let silent = async {
        tokio::time::sleep(DESK_HEAD_TIMEOUT).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return tracing::debug!(%peer, "a connection to the desk asked for nothing"),
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the desk broke off");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(DESK_HEAD_TIMEOUT)
        .max_buf_size(DESK_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .max_concurrent_streams(DESK_STREAMS)
        .max_header_list_size(DESK_HEAD_BYTES as u32);
    builder
}
