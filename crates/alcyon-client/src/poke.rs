use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Poll, Waker},
};

/// Wakes whoever waits for something new to do. One thread; nothing is lost between looking and waiting, because the
/// waiter says up to which poke it has looked.
#[derive(Default)]
pub(crate) struct Poke {
    count: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Poke {
    /// Pokes so far.
    pub(crate) fn count(&self) -> u64 {
        self.count.get()
    }

    /// There is something new.
    pub(crate) fn poke(&self) {
        self.count.set(self.count.get() + 1);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits for a poke after the first `seen`.
    pub(crate) async fn after(&self, seen: u64) {
        poll_fn(|context| {
            if self.count.get() > seen {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
