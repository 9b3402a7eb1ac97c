use std::{
    io,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
};

use alcyon_wire::proto::{self, server_frame::Body};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len, uint64},
};
use tokio::io::AsyncWrite;

use crate::{
    Refusal,
    edge::websocket::{CloseCode, put_close, put_message, put_message_header, put_ping, put_pong},
};

/// Unsent bytes beyond which nothing more is taken in or delivered. One frame can be put on top: at most 1.4 MiB.
const FULL: usize = 256 * 1024;
/// Unsent bytes beyond which signals are dropped: they are of now or never.
const BEHIND: usize = 64 * 1024;

/// Frames on their way out: encoded once, written together, and no memory held when all is out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    unflushed: bool,
}

impl Outbox {
    /// Appends an answer, or with request 0 something nobody asked for.
    pub(super) fn frame(&mut self, request: u64, body: Body) {
        put_message(&mut self.bytes, &proto::ServerFrame { request, body: Some(body) });
    }

    /// Appends the refusal of a request for which there is no room now, as [`Refusal::overloaded`] has it. Where too much is asked nearly
    /// every answer is this one, and it differs from the one before in two numbers only. Neither is 0: that no request is, and no time.
    pub(super) fn later(&mut self, request: u64, retry_after_ms: u64) {
        /// Fields of `ServerFrame` and `Refusal`.
        const REQUEST: u32 = 1;
        const REFUSAL: u32 = 4;
        const RETRY_AFTER_MS: u32 = 5;
        /// All of the refusal but its time, which comes last.
        static LATER: LazyLock<Vec<u8>> =
            LazyLock::new(|| proto::Refusal { retry_after_ms: 0, ..Refusal::overloaded(1).into() }.encode_to_vec());
        let refusal = LATER.len() + uint64::encoded_len(RETRY_AFTER_MS, &retry_after_ms);
        let length = uint64::encoded_len(REQUEST, &request) + key_len(REFUSAL) + encoded_len_varint(refusal as u64) + refusal;
        put_message_header(&mut self.bytes, length);
        // Numbers go to where they have room: a vector asks whether it is to grow for each byte of them.
        let mut numbers = [0; 32];
        let mut rest = &mut numbers[..];
        uint64::encode(REQUEST, &request, &mut rest);
        encode_key(REFUSAL, WireType::LengthDelimited, &mut rest);
        encode_varint(refusal as u64, &mut rest);
        let left = rest.len();
        self.bytes.extend_from_slice(&numbers[..numbers.len() - left]);
        self.bytes.extend_from_slice(&LATER);
        let mut rest = &mut numbers[..];
        uint64::encode(RETRY_AFTER_MS, &retry_after_ms, &mut rest);
        let left = rest.len();
        self.bytes.extend_from_slice(&numbers[..numbers.len() - left]);
    }

    pub(super) fn ping(&mut self) {
        put_ping(&mut self.bytes);
    }

    pub(super) fn pong(&mut self, payload: &[u8]) {
        put_pong(&mut self.bytes, payload);
    }

    /// Appends the last frame.
    pub(super) fn close(&mut self, code: CloseCode) {
        put_close(&mut self.bytes, code);
    }

    /// Bytes of memory.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Bytes that wait to be sent.
    pub(super) fn unsent(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// The client does not read as fast as it asks.
    pub(super) fn is_full(&self) -> bool {
        self.unsent() >= FULL
    }

    /// The client reads too slowly for signals.
    pub(super) fn is_behind(&self) -> bool {
        self.unsent() >= BEHIND
    }

    /// Writes as much as goes. Ready once all is out, and whether there was anything.
    pub(super) fn poll_write(&mut self, mut io: Pin<&mut impl AsyncWrite>, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut wrote = false;
        while self.written < self.bytes.len() {
            let count = ready!(io.as_mut().poll_write(cx, &self.bytes[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            (wrote, self.unflushed) = (true, true);
        }
        if self.unflushed {
            ready!(io.poll_flush(cx))?;
            self.unflushed = false;
            self.bytes = Vec::new();
            self.written = 0;
        }
        Poll::Ready(Ok(wrote))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_refusal_that_was_made_before_is_the_one_that_would_be_made_now(
            (request, wait) in (1..=u64::MAX, 1..=u64::MAX),
            by in 0..64_u32,
        ) {
            // Short numbers as often as long ones.
            let (request, wait) = ((request >> by).max(1), (wait >> (63 - by)).max(1));
            let (mut outbox, mut other) = (Outbox::default(), Outbox::default());
            outbox.later(request, wait);
            other.frame(request, Body::Refusal(Refusal::overloaded(wait).into()));
            prop_assert_eq!(outbox.bytes, other.bytes);
        }
    }
}
