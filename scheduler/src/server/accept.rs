//! Connections, from the listener to the first byte of HTTP/2. Until then a peer costs little and has little time.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, Line, PREFACE, Peer};
use super::limits::{CONNECTIONS, HANDSHAKE_TIMEOUT, HANDSHAKES};
use super::tls::Tls;

/// How long a peer that is refused may take to hear why.
const HEARING: Duration = Duration::from_millis(500);

/// How long to wait when the system gives no more sockets.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections, many handshakes at a time.
pub(super) struct Incoming {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    handshakes: JoinSet<Result<Connection, &'static str>>,
    /// The handshakes under way, the oldest in front, and some that have ended.
    order: VecDeque<AbortHandle>,
    places: Arc<Semaphore>,
}

impl Incoming {
    pub(super) fn new(listener: TcpListener, tls: Option<Arc<Tls>>) -> Self {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        Self { listener, tls, handshakes: JoinSet::new(), order: VecDeque::new(), places }
    }

    /// The next connection that speaks HTTP/2. Those that do not are closed, and nothing is told them. May be dropped and
    /// called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Connection {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.begin(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(done) = self.handshakes.join_next() => match done {
                    Ok(Ok(connection)) => return connection,
                    Ok(Err(reason)) => refused(reason),
                    // It was the oldest when another one needed its place.
                    Err(_) => refused("crowded_out"),
                },
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            tracing::debug!(%peer, "no place for one more connection");
            return refused("no_place");
        };
        if self.order.len() >= HANDSHAKES {
            self.order.retain(|handshake| !handshake.is_finished());
        }
        // A peer that is there is done in milliseconds, so the oldest is the one to give up.
        if self.order.len() >= HANDSHAKES
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        let tls = self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current()));
        self.order.push_back(self.handshakes.spawn(async move {
            let opened = tokio::time::timeout(HANDSHAKE_TIMEOUT, open(stream, tls, place)).await;
            let opened = opened.unwrap_or(Err(("too_slow", None)));
            opened.map_err(|(reason, error)| {
                let error = error.map(|error| error.to_string()).unwrap_or_default();
                tracing::debug!(%peer, reason, error, "a connection came to nothing");
                reason
            })
        }));
    }
}

fn refused(reason: &'static str) {
    metrics::counter!("emend_connections_refused_total", "reason" => reason).increment(1);
}

type Fault = (&'static str, Option<io::Error>);

/// Goes as far as the first bytes of HTTP/2.
async fn open(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    place: OwnedSemaphorePermit,
) -> Result<Connection, Fault> {
    stream.set_nodelay(true).map_err(|error| ("gone", Some(error)))?;
    let (mut line, peer) = match tls {
        None => (Line::Plain(stream), Peer::default()),
        Some(acceptor) => {
            let stream = match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => stream,
                Err((error, stream)) => {
                    let_hear(stream).await;
                    return Err(("tls", Some(error)));
                }
            };
            let peer = Peer::of(stream.get_ref().1.peer_certificates());
            (Line::Tls(Box::new(stream)), peer)
        }
    };
    let mut preface = [0; PREFACE.len()];
    line.read_exact(&mut preface).await.map_err(|error| ("gone", Some(error)))?;
    if preface != PREFACE {
        return Err(("not_http2", None));
    }
    Ok(Connection::new(line, peer, place))
}

/// Lets the peer read the alert that says why it is refused. A connection that is closed with bytes unread is reset,
/// and a reset takes the alert with it.
async fn let_hear(mut stream: TcpStream) {
    let heard = async {
        stream.shutdown().await?;
        let mut bytes = [0; 4096];
        for _ in 0..16 {
            if stream.read(&mut bytes).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    let _gone = tokio::time::timeout(HEARING, heard).await;
}
