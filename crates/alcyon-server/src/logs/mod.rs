//! The logs: append-only sequences of sealed entries, their seats and doors, and inboxes.

mod clock;
mod settings;

use std::{future::Future, sync::Arc};

use alcyon_wire::{
    Authority, DropSecret, EntryId, LogId, Pass, PassHash, RunningHash, Seat, SeatChanges, SeatId, SeatKey, Subscription, proto,
};
use bytes::Bytes;

use crate::{
    Refusal,
    store::{Store, StoreError},
};

pub use clock::{AddressBand, ManualClock, ServerClock, SystemClock};
pub use settings::{LogSettings, Rate, WriterMode};

/// What was accepted is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Its place in the log; 0 for a new log.
    pub sequence: u64,
    /// Server time of the entry, Unix milliseconds.
    pub time_ms: u64,
}

impl From<Receipt> for proto::Receipt {
    fn from(Receipt { sequence, time_ms }: Receipt) -> Self {
        Self { sequence, time_ms }
    }
}

/// A seat may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribed {
    /// The log.
    pub log: LogId,
    /// Who reads.
    pub seat: SeatId,
    /// The last sequence this seat may read now.
    pub head: u64,
    /// The seat was dropped by the entry of this sequence: it reads up to that and no further.
    pub readable_until: Option<u64>,
}

/// Entries of one log in order, without a hole but for `gap`, which comes before them.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Entries that were trimmed away before those of this page.
    pub gap: Option<proto::Gap>,
    /// The entries.
    pub entries: Vec<proto::Entry>,
    /// The last sequence this seat may read now.
    pub head: u64,
    /// The running hash after the last entry here (or after the gap, if there is none).
    pub running_hash: RunningHash,
    /// Set once the seat is dropped: the last sequence it may read.
    pub readable_until: Option<u64>,
}

/// One chunk of a tree, as in `PutTree`.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields are those of `log.proto`, which describes them
pub struct TreeChunk {
    pub entry_id: EntryId,
    pub commit_count: u64,
    pub chunk: u32,
    pub chunks: u32,
    pub payload: Bytes,
    pub group_info: Bytes,
}

/// All logs of a server. Clones are handles to the same.
pub struct Logs<S> {
    store: Arc<S>,
}

impl<S> Clone for Logs<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone() }
    }
}

/// Reads a stored tree chunk by chunk.
pub struct TreeReader<S> {
    store: Arc<S>,
}

impl<S: Store> TreeReader<S> {
    /// How many chunks there are, at least one.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        0
    }

    /// One chunk, ready to send. Refused `later` when a newer tree took its place meanwhile: begin again.
    pub fn chunk(&self, _chunk: u32) -> Result<proto::Tree, Refusal> {
        let _ = &self.store;
        Err(Refusal::internal())
    }
}

/// What one connection is told about the logs it follows. Clones share one list.
#[derive(Clone)]
pub struct Follower {}

/// News of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// There are entries after what was read, or the seat was dropped: [`Logs::read`] again.
    Entries(LogId),
    /// Somebody published this.
    Published(LogId, Bytes),
}

impl Follower {
    /// Waits for news; several may be told in one go. Cancel safe.
    pub async fn news(&self) -> Vec<News> {
        Vec::new()
    }
}

/// The answer to a request, a future. The request took its place in the writer's queue when the method was called, unless
/// that was full; then it does when this is polled and there is room.
#[must_use = "the answer says whether it was accepted"]
pub struct Answer<T, E = Refusal> {
    refused: Option<E>,
    _receipt: std::marker::PhantomData<fn() -> T>,
}

impl<T, E> Answer<T, E> {
    pub(crate) fn refused(error: E) -> Self {
        Self { refused: Some(error), _receipt: std::marker::PhantomData }
    }
}

impl<T, E: From<Refusal> + Unpin> Future for Answer<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::task::Poll::Ready(Err(self.refused.take().unwrap_or_else(|| Refusal::internal().into())))
    }
}

#[allow(clippy::needless_pass_by_value, clippy::too_many_arguments, unused_variables)]
impl<S: Store> Logs<S> {
    /// Opens the logs that lie in a store.
    pub fn open(store: Arc<S>, settings: LogSettings, clock: Arc<dyn ServerClock>) -> Result<Self, StoreError> {
        Ok(Self { store })
    }

    /// An empty log with its first seats. The same again gets the first answer.
    pub fn create(&self, log: LogId, seats: Vec<Seat>, client: AddressBand) -> Answer<Receipt> {
        Answer::refused(Refusal::internal())
    }

    /// Appends an application entry.
    pub fn append(&self, seat: &SeatKey, entry_id: EntryId, payload: Bytes, commit_count: u64) -> Answer<Receipt> {
        Answer::refused(Refusal::internal())
    }

    /// Appends a commit and changes seats and doors with it.
    pub fn commit(
        &self,
        authority: &Authority,
        entry_id: EntryId,
        payload: Bytes,
        commit_count: u64,
        changes: SeatChanges,
        drop_secrets: &[DropSecret],
        group_info: Bytes,
    ) -> Answer<Receipt> {
        Answer::refused(Refusal::internal())
    }

    /// Appends the last entry of the log.
    pub fn close(&self, seat: &SeatKey, entry_id: EntryId, payload: Bytes, commit_count: u64) -> Answer<Receipt> {
        Answer::refused(Refusal::internal())
    }

    /// Drops seats without a commit.
    pub fn leave(
        &self,
        seat: &SeatKey,
        entry_id: EntryId,
        payload: Bytes,
        seats_dropped: Vec<SeatId>,
        drop_secrets: &[DropSecret],
    ) -> Answer<Receipt> {
        Answer::refused(Refusal::internal())
    }

    /// Knocks at an inbox.
    pub fn knock(&self, inbox: LogId, entry_id: EntryId, payload: Bytes, pass: Option<&Pass>) -> Answer<Receipt> {
        Answer::refused(Refusal::internal())
    }

    /// Says which passes are good at an inbox.
    pub fn set_passes(&self, seat: &SeatKey, added: Vec<PassHash>, dropped: Vec<PassHash>) -> Answer<()> {
        Answer::refused(Refusal::internal())
    }

    /// Stores a chunk of a tree; the last one makes the tree stand.
    pub fn put_tree(&self, seat: &SeatKey, chunk: TreeChunk) -> Answer<()> {
        Answer::refused(Refusal::internal())
    }

    /// The tree that stands.
    pub fn tree(&self, authority: &Authority) -> Result<TreeReader<S>, Refusal> {
        Err(Refusal::internal())
    }

    /// Tells those who follow the log now; stores nothing.
    pub fn publish(&self, seat: &SeatKey, payload: Bytes) -> Result<(), Refusal> {
        Err(Refusal::internal())
    }

    /// Says how far a seat has read, as a hint.
    pub fn ack(&self, seat: &SeatKey, sequence: u64) -> Result<(), Refusal> {
        Err(Refusal::internal())
    }

    /// Checks that a seat may read from where it says.
    pub fn subscribe(&self, subscription: &Subscription) -> Result<Subscribed, Refusal> {
        Err(Refusal::internal())
    }

    /// Entries after a sequence, as far as the seat may read: at least one, whatever its size, if there is any.
    pub fn read(&self, log: LogId, seat: SeatId, after: u64, max_entries: usize, max_bytes: usize) -> Result<Page, Refusal> {
        Err(Refusal::internal())
    }

    /// A follower for one connection.
    pub fn follower(&self) -> Follower {
        Follower {}
    }

    /// From now on `follower` is told the news of this log. Follow first, then read: so nothing falls between.
    pub fn follow(&self, follower: &Follower, log: LogId, seat: SeatId) -> Result<(), Refusal> {
        Err(Refusal::internal())
    }

    /// No more news of this log.
    pub fn unfollow(&self, follower: &Follower, log: LogId) {}

    /// Drops what is past its time and writes what was put off. To be called every minute or so.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Refuses new requests and waits until all that were accepted are durable.
    pub async fn drain(&self) {}
}
