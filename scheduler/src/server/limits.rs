//! What connections may take, each and together. `docs/SECURITY.md` shows the same values.

use std::time::Duration;

use tonic::transport::Server;

/// Handshakes under way; one more takes the place of the oldest.
pub(super) const HANDSHAKES: usize = 512;
/// The time from a connection's beginning to its first bytes of HTTP/2.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections in all, those in a handshake among them; one more is closed at once.
pub(super) const CONNECTIONS: usize = 4096;

/// Calls under way on one connection.
const STREAMS: u32 = 1024;
/// A call's headers together, in bytes.
const HEADER_LIST: u32 = 16 * 1024;
/// Calls that a client may have reset before the server has looked at them; more end the connection.
const RESETS_PENDING: usize = 20;
/// Calls that the server may have to reset for a client's faults; more end the connection.
const RESETS_FOR_FAULTS: usize = 1024;
/// Flow-control window of one call, in bytes.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// Flow-control window of a connection, in bytes; its calls share it.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// How often a silent connection is probed, and how long the answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// A server with these limits and no services.
pub(super) fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADER_LIST)
        .http2_max_pending_accept_reset_streams(Some(RESETS_PENDING))
        .http2_max_local_error_reset_streams(Some(RESETS_FOR_FAULTS))
}
