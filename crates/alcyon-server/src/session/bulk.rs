//! Those to whom much is sent take turns with each other, and everybody else goes between them.
//!
//! A pass over all sessions that have something to do takes as long as all their turns together. When hundreds come back to a long log each
//! turn is a hundred microseconds, and a message of somebody else would wait for all of them: of the long turns a few are in each pass.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Who has been sent so many bytes in one pass waits for its turn from then on, until all is out.
const MUCH: usize = 64 * 1024;

/// Long turns in one pass, for each core.
const TURNS: usize = 2;

/// The long turns of a server.
pub(crate) fn turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(TURNS * std::thread::available_parallelism().map_or(1, usize::from)))
}

type Waiting = Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>;

/// Where one session stands.
#[derive(Default)]
pub(super) enum Bulk {
    /// What it is sent is little.
    #[default]
    Little,
    /// It was sent much: for more it needs a turn.
    Much,
    /// It stands in line for one.
    Waiting(Waiting),
    /// It has one until its next pass: by then everybody else has had a pass.
    Turn { _permit: OwnedSemaphorePermit },
}

impl Bulk {
    /// Everybody else has had a pass: its turn is over, and the next one's begins.
    pub(super) fn pass_begins(&mut self) {
        if matches!(self, Self::Turn { .. }) {
            *self = Self::Much;
        }
    }

    /// Whether anything may be sent in this pass; if not, the session is woken when it is its turn.
    pub(super) fn may_send(&mut self, cx: &mut Context<'_>, turns: &Arc<Semaphore>) -> bool {
        if matches!(self, Self::Much) {
            *self = Self::Waiting(Box::pin(turns.clone().acquire_owned()));
        }
        let Self::Waiting(waiting) = self else { return true };
        match waiting.as_mut().poll(cx) {
            Poll::Ready(Ok(permit)) => *self = Self::Turn { _permit: permit },
            // Nobody closes it; if somebody did, there would be no more turns to wait for.
            Poll::Ready(Err(_closed)) => *self = Self::Little,
            Poll::Pending => return false,
        }
        true
    }

    /// Nothing can be sent now, turn or not: one that is given to whoever does not take it would be nobody's.
    pub(super) fn leave_the_line(&mut self) {
        if matches!(self, Self::Waiting(_)) {
            *self = Self::Much;
        }
    }

    /// With so many bytes sent, whether that is all for this pass.
    pub(super) fn is_enough(bytes: usize) -> bool {
        bytes >= MUCH
    }

    /// The pass is over. True: so much was sent that there may be more, and this session has to be polled again.
    pub(super) fn pass_is_over(&mut self, bytes: usize) -> bool {
        let more = Self::is_enough(bytes);
        match self {
            Self::Waiting(_) => {}
            Self::Turn { .. } if more => {}
            Self::Little | Self::Much | Self::Turn { .. } => *self = if more { Self::Much } else { Self::Little },
        }
        more
    }
}
