//! What one connection may take.

use std::time::Duration;

use tonic::transport::Server;

/// Calls under way on one connection.
const STREAMS: u32 = 1024;
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
}
