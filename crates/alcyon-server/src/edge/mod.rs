//! Where the network ends: connections, TLS, HTTP and WebSocket, and the way from start to stop.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod http;
pub(crate) mod lifecycle;
pub(crate) mod tls;
pub(crate) mod websocket;

use crate::jitter;

/// When a client that is sent away by a stopping server may come back: spread over some seconds, so that thousands don't
/// come at once.
pub(crate) fn retry_after_drain_ms() -> u64 {
    jitter::between(1_000, 10_000)
}
