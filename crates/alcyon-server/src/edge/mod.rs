//! Where the network ends: connections, TLS, HTTP and WebSocket, and the way from start to stop.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod http;
pub(crate) mod lifecycle;
pub(crate) mod tls;
pub(crate) mod websocket;

/// When a client that is sent away by a stopping server may come back: spread over some seconds, so that thousands don't
/// come at once.
pub(crate) fn retry_after_drain_ms() -> u64 {
    let mut random = [0; 4];
    // Without randomness everybody gets the middle.
    let share = getrandom::fill(&mut random).map_or(u32::MAX / 2, |()| u32::from_ne_bytes(random));
    1_000 + u64::from(share) * 9_000 / u64::from(u32::MAX)
}
