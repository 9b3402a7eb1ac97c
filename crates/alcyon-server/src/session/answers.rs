use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use alcyon_wire::proto::{Done, server_frame::Body};
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    Refusal,
    logs::{Answer, Receipt},
};

/// Requests that wait for the store.
#[derive(Default)]
pub(super) struct Answers(FuturesUnordered<Waiting>);

/// A request is answered.
pub(super) struct Answered {
    pub(super) request: u64,
    /// When it was taken.
    pub(super) since: Instant,
    pub(super) result: Result<Body, Refusal>,
}

pub(super) enum Kind {
    Receipt(Answer<Receipt>),
    Done(Answer<()>),
}

struct Waiting {
    request: u64,
    since: Instant,
    kind: Kind,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn add(&mut self, request: u64, kind: Kind) {
        self.0.push(Waiting { request, since: Instant::now(), kind });
    }

    /// The next one that is answered.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Option<Answered> {
        match self.0.poll_next_unpin(cx) {
            Poll::Ready(answered) => answered,
            Poll::Pending => None,
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
        result.map(|result| Answered { request: self.request, since: self.since, result })
    }
}
