//! A look at a frame that may be refused: who asks, and nothing else of it is taken apart, copied or kept.

use prost::Message;

use crate::{RequestId, SeatSecret, limits};

/// An append, as far as it matters to whoever refuses it: the number of the request and the secret of the seat. None if the frame is
/// anything else or is not well formed that far; [`decode_client_frame`](crate::decode_client_frame) says what it is.
///
/// Where ten times too much is asked, nine of ten frames are refused on the core that serves the tenth.
#[must_use]
pub fn glance_at_append(frame: &[u8]) -> Option<(RequestId, SeatSecret)> {
    if frame.len() > limits::FRAME {
        return None;
    }
    let Glance { request, append } = Glance::decode(frame).ok()?;
    let secret = append?.seat?.secret;
    Some((RequestId(request), SeatSecret::parse(&secret, "append.seat").ok()?)).filter(|_| request != 0)
}

/// `ClientFrame`, less all other fields.
#[derive(Message)]
struct Glance {
    #[prost(uint64, tag = "1")]
    request: u64,
    #[prost(message, optional, tag = "4")]
    append: Option<AppendBy>,
}

/// `Append`, the same way.
#[derive(Message)]
struct AppendBy {
    #[prost(message, optional, tag = "1")]
    seat: Option<Secret>,
}

/// `SeatKey`, the same way.
#[derive(Message)]
struct Secret {
    #[prost(bytes = "vec", tag = "2")]
    secret: Vec<u8>,
}
