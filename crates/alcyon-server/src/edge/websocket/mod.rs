//! WebSocket (RFC 6455), the server's side of it and no more than this server needs: binary messages up to a limit, no
//! extensions. Ours rather than a library's for three reasons: a message over the limit is skipped and refused while the
//! connection lives on, answers are encoded once into the buffer that is written, and an idle connection keeps no buffer.

mod decode;
mod encode;
mod handshake;

pub(crate) use decode::{Decoder, Incoming};
pub(crate) use encode::{put_close, put_message, put_message_header, put_ping, put_pong};
pub(crate) use handshake::Handshake;

/// Close codes (RFC 6455 section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum CloseCode {
    /// Done.
    Normal = 1000,
    /// The server stops.
    GoingAway = 1001,
    /// What came is no WebSocket frame, or no frame the server takes.
    Protocol = 1002,
    /// A frame so large that it isn't even skipped.
    TooBig = 1009,
    /// No protocol version in common, or none agreed on in time (ours).
    NoVersion = 4000,
    /// Silent for too long (ours).
    Idle = 4001,
}
