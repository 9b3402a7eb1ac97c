use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use alcyon_wire::proto::{Done, server_frame::Body};
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    Refusal,
    admission::Permit,
    logs::{Answer, Receipt},
};

/// Requests that wait for the store.
#[derive(Default)]
pub(super) struct Answers {
    waiting: FuturesUnordered<Waiting>,
    /// The writer's queue was full: this one waits for its place there, and nothing of this connection may overtake it.
    queueing: Option<Waiting>,
    /// Of all of them.
    bytes: usize,
}

/// A request is answered.
pub(super) struct Answered {
    pub(super) request: u64,
    /// When it was taken.
    pub(super) since: Instant,
    pub(super) result: Result<Body, Refusal>,
    /// Dropped with the answer, which is when the work counts as done.
    pub(super) permit: Permit,
    bytes: usize,
}

pub(super) enum Kind {
    Receipt(Answer<Receipt>),
    Done(Answer<()>),
}

struct Waiting {
    request: u64,
    since: Instant,
    kind: Kind,
    permit: Option<Permit>,
    /// Of the frame.
    bytes: usize,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + usize::from(self.queueing.is_some())
    }

    /// The last request has its place in the writer's queue: another one may be made.
    pub(super) fn are_in_order(&self) -> bool {
        self.queueing.is_none()
    }

    /// Bytes of the frames that wait.
    pub(super) fn held(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, request: u64, kind: Kind, permit: Permit, bytes: usize) {
        self.bytes += bytes;
        let waiting = Waiting { request, since: Instant::now(), kind, permit: Some(permit), bytes };
        if waiting.is_queueing() && self.queueing.is_none() {
            self.queueing = Some(waiting);
        } else {
            self.waiting.push(waiting);
        }
    }

    /// The next one that is answered.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Option<Answered> {
        let answered = self.poll_any(cx)?;
        self.bytes -= answered.bytes;
        Some(answered)
    }

    fn poll_any(&mut self, cx: &mut Context<'_>) -> Option<Answered> {
        if let Some(mut queueing) = self.queueing.take() {
            if let Poll::Ready(answered) = Pin::new(&mut queueing).poll(cx) {
                return Some(answered);
            }
            if queueing.is_queueing() {
                self.queueing = Some(queueing);
            } else {
                self.waiting.push(queueing);
            }
        }
        match self.waiting.poll_next_unpin(cx) {
            Poll::Ready(answered) => answered,
            Poll::Pending => None,
        }
    }
}

impl Waiting {
    fn is_queueing(&self) -> bool {
        match &self.kind {
            Kind::Receipt(answer) => answer.is_queueing(),
            Kind::Done(answer) => answer.is_queueing(),
        }
    }
}

impl Future for Waiting {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        let result = match &mut self.kind {
            Kind::Receipt(answer) => Pin::new(answer).poll(cx).map_ok(|receipt| Body::Receipt(receipt.into())),
            Kind::Done(answer) => Pin::new(answer).poll(cx).map_ok(|()| Body::Done(Done {})),
        };
        result.map(|result| {
            let permit = self.permit.take().expect("an answer is given once");
            Answered { request: self.request, since: self.since, result, permit, bytes: self.bytes }
        })
    }
}
