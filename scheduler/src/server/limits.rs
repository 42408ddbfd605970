//! What connections may take, each and together. `docs/SECURITY.md` shows the same values.

use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Handshakes under way; one more takes the place of the oldest.
pub(super) const HANDSHAKES: usize = 512;
/// The time from a connection's beginning to its first bytes of HTTP/2.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections in all, those in a handshake among them; one more is closed at once.
pub(super) const CONNECTIONS: usize = 4096;

/// Connections of browsers to the desk; one more is closed at once.
pub(super) const DESK_CONNECTIONS: usize = 2048;
/// The time from a request's first byte, or from a connection's, to the end of its headers.
pub(super) const DESK_HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// A request's headers together, in bytes.
pub(super) const DESK_HEAD_BYTES: usize = 32 * 1024;
/// Requests under way on one connection of a browser.
pub(super) const DESK_STREAMS: u32 = 64;

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
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
pub(super) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// HTTP/2 within these limits.
pub(super) fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADER_LIST)
        .max_pending_accept_reset_streams(RESETS_PENDING)
        .max_local_error_reset_streams(RESETS_FOR_FAULTS);
    builder
}
