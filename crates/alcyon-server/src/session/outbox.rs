use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use alcyon_wire::proto::{self, server_frame::Body};
use tokio::io::AsyncWrite;

use crate::{
    Refusal,
    edge::websocket::{CloseCode, put_close, put_message, put_ping, put_pong},
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

    /// Appends the refusal of a request for which there is no room now, as [`Refusal::overloaded`] has it.
    pub(super) fn later(&mut self, request: u64, retry_after_ms: u64) {
        thread_local! {
            /// Made once a thread: where too much is asked nearly every answer is this one.
            static LATER: RefCell<proto::ServerFrame> =
                RefCell::new(proto::ServerFrame { request: 0, body: Some(Body::Refusal(Refusal::overloaded(1).into())) });
        }
        LATER.with_borrow_mut(|frame| {
            frame.request = request;
            if let Some(Body::Refusal(refusal)) = &mut frame.body {
                refusal.retry_after_ms = retry_after_ms;
            }
            put_message(&mut self.bytes, frame);
        });
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
