//! Endpoints as they are connected to: from URLs, certificates and a token.

use std::time::Duration;

use tonic::transport::{ClientTlsConfig, Endpoint};

use super::credentials::{Bearer, Credentials};
use super::fault;

/// Flow-control window of one stream. A block fits in without waiting for updates.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;

/// Flow-control window of a connection; its streams share it. HTTP/2's default of 64 KiB would make them queue.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a connection is probed, and how long it may stay silent: a peer that vanished without a word is
/// noticed within fifteen seconds.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a set of endpoints cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// There is no URL at all.
    #[error("no scheduler is given; name at least one, such as http://127.0.0.1:7070")]
    Missing,
    /// A URL cannot be used.
    #[error(
        "{url:?} is not a scheduler's URL ({problem}); write it like http://127.0.0.1:7070 or https://emend.example:7070"
    )]
    Invalid {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of certificates, or of a token, cannot be used.
    #[error("{0}")]
    Credentials(String),
    /// Whoever listens on the way would have the token.
    #[error(
        "a token is not sent to {url} in the clear: write https://, or take the token away if this scheduler asks nobody"
    )]
    TokenInTheClear {
        /// As it was given.
        url: String,
    },
}

/// Endpoints as the files of the credentials had it when they were read.
pub(super) struct Made {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) bearer: Bearer,
    /// What the files held.
    pub(super) read: Vec<Option<Vec<u8>>>,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A key stands in `read`.
        f.debug_struct("Made").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

impl Made {
    pub(super) fn new(urls: &[String], credentials: &Credentials) -> Result<Self, EndpointError> {
        let secrets = credentials.read().map_err(EndpointError::Credentials)?;
        let endpoints: Vec<_> =
            urls.iter().map(|url| endpoint(url, &secrets.tls)).collect::<Result<_, _>>()?;
        let clear = |endpoint: &Endpoint| !is_secure(endpoint) && !is_local(endpoint);
        if secrets.bearer.is_some()
            && let Some(at) = endpoints.iter().position(clear)
        {
            return Err(EndpointError::TokenInTheClear { url: urls[at].clone() });
        }
        Ok(Self { endpoints, bearer: secrets.bearer, read: secrets.read })
    }
}

fn is_secure(endpoint: &Endpoint) -> bool {
    endpoint.uri().scheme_str() == Some("https")
}

/// Whether calls to it stay on this machine.
fn is_local(endpoint: &Endpoint) -> bool {
    let host = endpoint.uri().host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn endpoint(url: &str, tls: &ClientTlsConfig) -> Result<Endpoint, EndpointError> {
    let invalid = |problem: &str| EndpointError::Invalid { url: url.to_owned(), problem: problem.to_owned() };
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| invalid("it cannot be read"))?;
    let uri = endpoint.uri();
    let secure = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(invalid("it must begin with http:// or https://")),
    };
    if uri.host().is_none_or(str::is_empty) {
        return Err(invalid("it names no host"));
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err(invalid("nothing may follow host and port"));
    }
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(KEEPALIVE_INTERVAL))
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if !secure {
        return Ok(endpoint);
    }
    endpoint.tls_config(tls.clone()).map_err(|error| invalid(&fault::root_cause(&error)))
}
