//! The logs in memory: one cell a log, with what is durable, the newest entries, and who follows.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use alcyon_wire::{LogId, RunningHash, SeatId};
use bytes::Bytes;

use super::{
    follow::Registrations,
    quota::Usage,
    state::{Loaded, LogState},
};
use crate::store::{Store, StoreError};

const SHARDS: usize = 64;

/// A log in memory. What is published here is durable.
pub(crate) struct Cell {
    pub log: LogId,
    published: Mutex<Published>,
    pub followers: Registrations,
    acks: Mutex<Acks>,
    /// Locked by the writer alone.
    usage: Mutex<Usage>,
}

pub(crate) struct Published {
    pub state: LogState,
    pub tail: VecDeque<TailEntry>,
    /// Set when a sweep has deleted the log.
    pub removed: bool,
}

/// A recent entry, so that live delivery does not read the store.
#[derive(Debug, Clone)]
pub(crate) struct TailEntry {
    pub sequence: u64,
    pub header: Bytes,
    pub payload: Bytes,
    pub previous: RunningHash,
}

#[derive(Default)]
struct Acks {
    seats: HashMap<SeatId, u64>,
    unwritten: HashSet<SeatId>,
}

impl TailEntry {
    pub fn bytes(&self) -> usize {
        self.header.len() + self.payload.len()
    }
}

impl Cell {
    pub fn new(log: LogId, loaded: Loaded) -> Self {
        let Loaded { state, acks, pending } = loaded;
        Self {
            log,
            published: Mutex::new(Published { state, tail: VecDeque::new(), removed: false }),
            followers: Registrations::default(),
            acks: Mutex::new(Acks { seats: acks, unwritten: HashSet::new() }),
            usage: Mutex::new(Usage::new(pending)),
        }
    }

    pub fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is durable now.
    pub fn state(&self) -> LogState {
        self.published().state.clone()
    }

    /// Takes up what the store has, after a write of which nobody knows whether it is there.
    pub fn reload(&self, loaded: Option<Loaded>) {
        let mut published = self.published();
        published.tail.clear();
        let Some(Loaded { state, acks: _, pending }) = loaded else {
            published.removed = true;
            return;
        };
        published.state = state;
        drop(published);
        self.usage().strangers_pending = pending;
    }

    /// Remembers how far a seat has read; never back.
    pub fn ack(&self, seat: SeatId, sequence: u64) {
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        let Acks { seats, unwritten } = &mut *acks;
        let known = seats.entry(seat).or_insert(0);
        if *known < sequence {
            *known = sequence;
            unwritten.insert(seat);
        }
    }

    /// How far any seat has read.
    pub fn highest_ack(&self) -> u64 {
        let acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        acks.seats.values().copied().max().unwrap_or(0)
    }

    /// How far this seat has read.
    pub fn ack_of(&self, seat: SeatId) -> u64 {
        let acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        acks.seats.get(&seat).copied().unwrap_or(0)
    }

    /// Acknowledgements that are not in the store yet; they count as written from now on.
    pub fn take_unwritten_acks(&self) -> Vec<(SeatId, u64)> {
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritten = std::mem::take(&mut acks.unwritten);
        unwritten.into_iter().filter_map(|seat| acks.seats.get(&seat).map(|sequence| (seat, *sequence))).collect()
    }
}

/// All logs that are in memory.
pub(crate) struct Cells {
    shards: Vec<Shard>,
}

#[derive(Default)]
struct Shard {
    cells: RwLock<HashMap<LogId, Arc<Cell>>>,
    /// Counts what was taken out: a load that ran meanwhile may be old.
    removals: AtomicU64,
}

impl Default for Cells {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

impl Cells {
    /// The cell of a log, loaded if need be; none if there is no such log.
    pub fn get<S: Store>(&self, store: &S, log: LogId) -> Result<Option<Arc<Cell>>, StoreError> {
        let shard = self.shard(log);
        loop {
            if let Some(cell) = shard.cells.read().unwrap_or_else(PoisonError::into_inner).get(&log) {
                return Ok(Some(cell.clone()));
            }
            let removals = shard.removals.load(Ordering::Acquire);
            let Some(loaded) = LogState::load(store, log)? else {
                return Ok(None);
            };
            let mut cells = shard.cells.write().unwrap_or_else(PoisonError::into_inner);
            if shard.removals.load(Ordering::Acquire) == removals {
                return Ok(Some(cells.entry(log).or_insert_with(|| Arc::new(Cell::new(log, loaded))).clone()));
            }
        }
    }

    /// Shows a new log. A reader may have found it in the store just before: then that one's cell is the one that counts.
    pub fn insert(&self, cell: Arc<Cell>) -> Arc<Cell> {
        let mut cells = self.shard(cell.log).cells.write().unwrap_or_else(PoisonError::into_inner);
        cells.entry(cell.log).or_insert(cell).clone()
    }

    /// Forgets a log that was deleted.
    pub fn remove(&self, log: LogId) {
        let shard = self.shard(log);
        let mut cells = shard.cells.write().unwrap_or_else(PoisonError::into_inner);
        shard.removals.fetch_add(1, Ordering::AcqRel);
        cells.remove(&log);
    }

    /// Lets logs go that nobody uses, until at most `limit` are left or all are in use.
    pub fn shrink(&self, limit: usize) {
        let mut surplus = self.len().saturating_sub(limit);
        for shard in &self.shards {
            if surplus == 0 {
                return;
            }
            let mut cells = shard.cells.write().unwrap_or_else(PoisonError::into_inner);
            let before = cells.len();
            cells.retain(|_, cell| {
                let in_use = surplus == 0 || Arc::strong_count(cell) > 1 || !cell.followers.is_empty() || cell.has_unwritten_acks();
                if !in_use {
                    surplus -= 1;
                }
                in_use
            });
            if cells.len() < before {
                shard.removals.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    /// Every cell, for what is done now and then.
    pub fn all(&self) -> Vec<Arc<Cell>> {
        self.shards
            .iter()
            .flat_map(|shard| shard.cells.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect::<Vec<_>>())
            .collect()
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.cells.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, log: LogId) -> &Shard {
        // Ids are random: any byte will do.
        &self.shards[usize::from(log.as_bytes()[15]) % SHARDS]
    }
}

impl Cell {
    fn has_unwritten_acks(&self) -> bool {
        !self.acks.lock().unwrap_or_else(PoisonError::into_inner).unwritten.is_empty()
    }
}
