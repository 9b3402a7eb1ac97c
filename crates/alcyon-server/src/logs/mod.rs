//! The logs: append-only sequences of sealed entries, their seats and doors, and inboxes.
//!
//! Readers look at what one writer has made durable. The writer takes whatever requests wait, applies the rules to the
//! logs in memory, writes one batch, flushes it once, and only then answers and wakes those who listen; so nothing is
//! acknowledged or seen before it is on stable storage. What is written names no sender.
//!
//! ```
//! use std::{net::Ipv4Addr, sync::Arc};
//! use alcyon_server::{logs::{AddressBand, LogSettings, Logs, ManualClock, WriterMode}, store::MemoryStore};
//! use alcyon_wire::{DropSecret, EntryId, LogId, Seat, SeatKey, SeatSecret};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
//! # runtime.block_on(async {
//! let settings = LogSettings { writer: WriterMode::Inline, ..LogSettings::default() };
//! let logs = Logs::open(Arc::new(MemoryStore::default()), settings, Arc::new(ManualClock::new(1)))?;
//! let (log, secret) = (LogId::from([1; 16]), SeatSecret::from([2; 32]));
//! let seat = Seat { id: secret.seat_id(log), drop_hash: DropSecret::from([3; 32]).hash(log), keep: true, invite: true };
//! let key = SeatKey { log, secret };
//!
//! logs.create(log, vec![seat.clone()], AddressBand::of(Ipv4Addr::LOCALHOST.into())).await.expect("accepted");
//! let receipt = logs.append(&key, EntryId::from([4; 16]), "sealed".into(), 0).await.expect("accepted");
//! assert_eq!(receipt.sequence, 1);
//! let page = logs.read(log, seat.id, 0, 256, 1 << 20).expect("may read");
//! assert_eq!(page.entries[0].payload, "sealed");
//! # Ok::<_, alcyon_server::store::StoreError>(())
//! # }).expect("opened");
//! ```

mod accept;
mod cells;
mod clock;
pub(crate) mod engine;
mod follow;
mod inbox;
mod pages;
mod quota;
mod read;
pub(crate) mod records;
pub(crate) mod requests;
mod results;
mod rules;
mod settings;
mod state;
mod sweep;
mod tree;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
};

use alcyon_wire::{
    Authority, DoorKey, DropSecret, EntryId, EntryKind, LogId, Pass, PassHash, RefusalCode, RunningHash, Seat, SeatChanges, SeatId,
    SeatKey, Subscription, payload_hash, proto,
};
use bytes::Bytes;

use self::{
    cells::{Cell, Cells},
    engine::{Shared, read_failed, unknown_log},
    pages::Pages,
    read::{Window, readable_until},
    requests::{Append, By, CreateRequest, EntryRequest, Job, PassesRequest, Reply, TreeRequest},
    sweep::SweepStep,
    writer::Writer,
};
use crate::{
    Refusal,
    admission::{Gate, queue::Lane},
    stamps::Paid,
    store::{Store, StoreError},
};

pub(crate) use clock::DAY_MS;
pub use clock::{AddressBand, ManualClock, ServerClock, SystemClock};
pub use engine::Health;
pub use follow::{Follower, News};
pub(crate) use quota::Bucket;
pub use requests::{Answer, LeaveOnly};
pub use settings::{LogSettings, Rate, WriterMode};
pub use tree::TreeReader;

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
    inner: Arc<Inner<S>>,
    lane: Lane,
}

struct Inner<S> {
    /// Before `shared`: its thread ends first.
    writer: Writer<S>,
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Logs<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), lane: self.lane }
    }
}

impl<S: Store> Logs<S> {
    /// Opens the logs that lie in a store.
    ///
    /// # Errors
    ///
    /// When the writer's thread can't be started.
    pub fn open(store: Arc<S>, settings: LogSettings, clock: Arc<dyn ServerClock>) -> Result<Self, StoreError> {
        Self::open_behind(store, settings, clock, None)
    }

    /// The same behind a limiter, which is told how long requests wait for the writer.
    pub(crate) fn open_behind(
        store: Arc<S>,
        settings: LogSettings,
        clock: Arc<dyn ServerClock>,
        gate: Option<Arc<Gate>>,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            store,
            quotas: RwLock::new(settings.clone()),
            settings,
            clock,
            cells: Cells::default(),
            pages: Pages::default(),
            oldest_week: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            health: AtomicU8::new(0),
            gate,
        });
        Ok(Self { inner: Arc::new(Inner { writer: Writer::start(&shared)?, shared }), lane: Lane::OWN })
    }

    /// A handle for one connection: what is asked by it is carried out in its order, and not at all once it is past its time.
    pub(crate) fn for_connection(&self) -> Self {
        Self { inner: self.inner.clone(), lane: Lane::next() }
    }

    /// An empty log with its first seats. The same again gets the first answer.
    pub fn create(&self, log: LogId, seats: Vec<Seat>, client: AddressBand) -> Answer<Receipt> {
        self.create_for(Paid::Free, log, seats, client)
    }

    /// The same, paid for: a stamp is spent in the transaction that makes the log, and only if it is made.
    pub(crate) fn create_for(&self, paid: Paid, log: LogId, seats: Vec<Seat>, client: AddressBand) -> Answer<Receipt> {
        self.ask(|reply| Job::Create(Box::new(CreateRequest { log, seats, band: client, paid }), reply))
    }

    /// Appends an application entry.
    pub fn append(&self, seat: &SeatKey, entry_id: EntryId, payload: Bytes, commit_count: u64) -> Answer<Receipt> {
        self.ask(|reply| Job::Append(Append::new(seat.log, seat.seat_id(), entry_id, payload, commit_count), reply))
    }

    /// Appends a commit and changes seats and doors with it. `group_info` may be empty.
    #[allow(clippy::too_many_arguments)] // the fields of the frame
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
        let log = authority.log();
        let by = match authority {
            Authority::Seat(key) => By::Seat(key.seat_id()),
            Authority::Door(key) => By::Door(key.id, key.secret.hash(log)),
        };
        let shown = drop_secrets.iter().map(|secret| secret.hash(log)).collect();
        self.ask_entry(EntryRequest {
            log,
            by,
            kind: EntryKind::Commit,
            entry_id,
            payload_hash: payload_hash(&payload),
            payload,
            commit_count: Some(commit_count),
            changes,
            shown,
            group_info,
            keeper_stays: false,
            paid: Paid::Free,
        })
    }

    /// Appends the last entry of the log.
    pub fn close(&self, seat: &SeatKey, entry_id: EntryId, payload: Bytes, commit_count: u64) -> Answer<Receipt> {
        self.ask_entry(EntryRequest {
            log: seat.log,
            by: By::Seat(seat.seat_id()),
            kind: EntryKind::Close,
            entry_id,
            payload_hash: payload_hash(&payload),
            payload,
            commit_count: Some(commit_count),
            changes: SeatChanges::default(),
            shown: Vec::new(),
            group_info: Bytes::new(),
            keeper_stays: false,
            paid: Paid::Free,
        })
    }

    /// Drops seats without a commit: the own one, and those whose drop secret is shown.
    pub fn leave(
        &self,
        seat: &SeatKey,
        entry_id: EntryId,
        payload: Bytes,
        seats_dropped: Vec<SeatId>,
        drop_secrets: &[DropSecret],
        only: LeaveOnly,
    ) -> Answer<Receipt> {
        let LeaveOnly { commit_count, keeper_stays } = only;
        self.ask_entry(EntryRequest {
            log: seat.log,
            by: By::Seat(seat.seat_id()),
            kind: EntryKind::Leave,
            entry_id,
            payload_hash: payload_hash(&payload),
            payload,
            commit_count,
            changes: SeatChanges { seats_dropped, ..SeatChanges::default() },
            shown: drop_secrets.iter().map(|secret| secret.hash(seat.log)).collect(),
            group_info: Bytes::new(),
            keeper_stays,
            paid: Paid::Free,
        })
    }

    /// Knocks at an inbox: with a pass in the lane of acquaintances, else in that of strangers.
    pub fn knock(&self, inbox: LogId, entry_id: EntryId, payload: Bytes, pass: Option<&Pass>) -> Answer<Receipt> {
        self.knock_for(Paid::Free, inbox, entry_id, payload, pass)
    }

    /// The same, paid for: a stamp is spent in the transaction that takes the knock, and only if it is taken.
    pub(crate) fn knock_for(&self, paid: Paid, inbox: LogId, entry_id: EntryId, payload: Bytes, pass: Option<&Pass>) -> Answer<Receipt> {
        self.ask_entry(EntryRequest {
            log: inbox,
            by: pass.map_or(By::Stranger, |pass| By::Pass(pass.hash(inbox))),
            kind: EntryKind::Knock,
            entry_id,
            payload_hash: payload_hash(&payload),
            payload,
            commit_count: None,
            changes: SeatChanges::default(),
            shown: Vec::new(),
            group_info: Bytes::new(),
            keeper_stays: false,
            paid,
        })
    }

    /// Says which passes are good at an inbox.
    pub fn set_passes(&self, seat: &SeatKey, added: Vec<PassHash>, dropped: Vec<PassHash>) -> Answer<()> {
        let request = PassesRequest { log: seat.log, seat: seat.seat_id(), added, dropped };
        self.ask(|reply| Job::SetPasses(Box::new(request), reply))
    }

    /// Stores a chunk of a tree, in order; the last one makes the tree stand. After a restart of the server an upload that
    /// was under way is refused `put_tree.chunk`: begin again at chunk 0.
    pub fn put_tree(&self, seat: &SeatKey, chunk: TreeChunk) -> Answer<()> {
        let request = TreeRequest { log: seat.log, seat: seat.seat_id(), chunk };
        self.ask(|reply| Job::PutTree(Box::new(request), reply))
    }

    /// The tree that stands, for a live seat or an open door.
    pub fn tree(&self, authority: &Authority) -> Result<TreeReader<S>, Refusal> {
        let log = authority.log();
        let state = self.cell(log)?.state();
        let door_opened = match authority {
            Authority::Seat(key) => rules::live(rules::known_seat(&state, key.seat_id())?).map(|()| 0)?,
            Authority::Door(key) => {
                let door = rules::known_door(&state, key.id, key.secret.hash(log))?;
                rules::open_door(door).map(|()| door.added_at)?
            }
        };
        let tree = state.tree.ok_or_else(|| Refusal::never(RefusalCode::NoTree, "no tree was stored yet"))?;
        Ok(TreeReader::new(self.clone(), log, tree, state.head.group_infos, door_opened))
    }

    /// Tells those who follow the log now; stores nothing. The sender hears it too, if it follows.
    pub fn publish(&self, seat: &SeatKey, payload: Bytes) -> Result<(), Refusal> {
        let cell = self.cell(seat.log)?;
        {
            let published = cell.published();
            rules::live(rules::known_seat(&published.state, seat.seat_id())?)?;
            rules::not_closed(&published.state)?;
        }
        cell.followers.published(seat.log, &payload);
        Ok(())
    }

    /// Says how far a seat has read, as a hint: in memory, written with the next sweep.
    pub fn ack(&self, seat: &SeatKey, sequence: u64) -> Result<(), Refusal> {
        let cell = self.cell(seat.log)?;
        let id = seat.seat_id();
        {
            let published = cell.published();
            rules::live(rules::known_seat(&published.state, id)?)?;
            if sequence > published.state.head.sequence {
                return Err(Refusal::beyond_head(published.state.head.sequence));
            }
        }
        cell.ack(id, sequence);
        Ok(())
    }

    /// Checks that a seat may read from where it says.
    pub fn subscribe(&self, subscription: &Subscription) -> Result<Subscribed, Refusal> {
        let Subscription { seat: key, after } = subscription;
        let cell = self.cell(key.log)?;
        let published = cell.published();
        let seat = key.seat_id();
        let readable_until = readable_until(rules::known_seat(&published.state, seat)?);
        let head = readable_until.unwrap_or(published.state.head.sequence);
        if *after > head {
            return Err(Refusal::beyond_head(head));
        }
        Ok(Subscribed { log: key.log, seat, head, readable_until })
    }

    /// Entries after a sequence, as far as the seat may read: at least one, whatever its size, if there is any. The seat
    /// must have been shown before ([`Self::subscribe`]).
    ///
    /// # Errors
    ///
    /// [`RefusalCode::SeatDropped`] once a dropped seat has read all it may.
    pub fn read(&self, log: LogId, seat: SeatId, after: u64, max_entries: usize, max_bytes: usize) -> Result<Page, Refusal> {
        self.inner.shared.read(log, seat, after, Window { max_entries, max_bytes })
    }

    /// Entries after a sequence for somebody who is about to come in: of commits with their payload, of all others with its
    /// hash. Whoever holds a link follows who is in the group, and gets no message, sealed as it may be.
    pub fn read_at_door(&self, door: &DoorKey, after: u64) -> Result<Page, Refusal> {
        self.inner.shared.read_at_door(door, after)
    }

    /// A follower for one connection.
    #[must_use]
    pub fn follower(&self) -> Follower {
        Follower::default()
    }

    /// From now on `follower` is told the news of this log. Follow first, then read: so nothing falls between. When the
    /// seat is dropped, it is told so once more, and then no longer; one that was dropped before may read, but has no news.
    pub fn follow(&self, follower: &Follower, log: LogId, seat: SeatId) -> Result<(), Refusal> {
        let cell = self.cell(log)?;
        let published = cell.published();
        if rules::known_seat(&published.state, seat)?.is_live() {
            cell.followers.add(follower, seat);
        }
        Ok(())
    }

    /// No more news of this log.
    pub fn unfollow(&self, follower: &Follower, log: LogId) {
        if let Ok(cell) = self.cell(log) {
            cell.followers.remove(follower);
        }
    }

    /// Drops what is past its time and writes what was put off. To be called every minute or so; it goes through all logs
    /// once an hour.
    pub async fn sweep(&self) -> Result<(), Refusal> {
        let mut step = SweepStep::Tables;
        loop {
            let next = self.inner.writer.ask(Lane::OWN, |reply: Reply<_, Refusal>| Job::Sweep(step, reply)).await?;
            match next {
                Some(next) => step = next,
                None => return Ok(()),
            }
        }
    }

    /// Refuses new requests from now on and waits until all that were accepted are durable.
    pub async fn drain(&self) {
        self.inner.shared.draining.store(true, Ordering::Release);
        // Refused only when the store has failed; then nothing waits to become durable.
        let _ = self.inner.writer.ask(Lane::OWN, |reply: Reply<(), Refusal>| Job::Barrier(reply)).await;
    }

    /// Whether the store takes writes, for readiness probes.
    #[must_use]
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// Holds every later request to these rates and counts (`seat_entries` to `strangers_pending`); the other settings stay as they were.
    pub fn set_quotas(&self, quotas: LogSettings) {
        *self.inner.shared.quotas.write().unwrap_or_else(PoisonError::into_inner) = quotas;
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &Arc<S> {
        &self.inner.shared.store
    }

    /// Sets a row of [`Table::Own`](crate::store::Table::Own), durable when it answers.
    pub(crate) fn keep_own(&self, name: &'static str, value: Bytes) -> Answer<()> {
        self.ask(|reply| Job::Own(name, value, reply))
    }

    pub(crate) fn ask<T: Send + 'static, E: From<Refusal> + Send + 'static>(&self, job: impl FnOnce(Reply<T, E>) -> Job) -> Answer<T, E> {
        if self.inner.shared.draining.load(Ordering::Acquire) {
            let refusal = Refusal::later(RefusalCode::Draining, "the server is about to stop", 5_000);
            return Answer::known(Err(refusal.into()));
        }
        self.inner.writer.ask(self.lane, job)
    }

    fn ask_entry(&self, request: EntryRequest) -> Answer<Receipt> {
        self.ask(|reply| Job::Entry(Box::new(request), reply))
    }

    fn cell(&self, log: LogId) -> Result<Arc<Cell>, Refusal> {
        let Shared { cells, store, .. } = &*self.inner.shared;
        cells.get(&**store, log).map_err(|error| read_failed(&error))?.ok_or_else(unknown_log)
    }
}
