use std::{
    sync::atomic::{AtomicU8, Ordering},
    task::Context,
};

use futures::task::AtomicWaker;

use crate::edge::lifecycle::{Phase, PhaseListener};

/// Tells a session of the server's phase.
#[derive(Debug, Default)]
pub(super) struct Signal {
    phase: AtomicU8,
    waker: AtomicWaker,
}

impl Signal {
    /// The phase now; the task is woken when it changes.
    pub(super) fn phase(&self, cx: &Context<'_>) -> Phase {
        self.waker.register(cx.waker());
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Ended,
        }
    }
}

impl PhaseListener for Signal {
    fn phase(&self, phase: Phase) {
        let number = match phase {
            Phase::Running => 0,
            Phase::Draining => 1,
            Phase::Ended => 2,
        };
        self.phase.fetch_max(number, Ordering::AcqRel);
        self.waker.wake();
    }
}
