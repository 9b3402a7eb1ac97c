//! Tests of the logs over the memory store, with a clock that is turned by hand.

mod entries;
mod faults;
mod inboxes;
mod model;
mod reading;
mod records;
mod retention;
mod seats;
mod trees;

use std::net::Ipv4Addr;

use alcyon_wire::{Door, DoorId, DoorKey, DoorKind, DoorSecret, HeaderFacts, SeatSecret};

use super::*;
use crate::store::{FaultyStore, MemoryStore};

/// The first of January 2026, a Thursday, on which weeks since the Unix epoch begin.
pub const START_MS: u64 = 1_767_225_600_000;

pub type TestStore = FaultyStore<MemoryStore>;

/// A server in miniature.
pub struct Server {
    pub disk: Arc<MemoryStore>,
    pub store: Arc<TestStore>,
    pub clock: Arc<ManualClock>,
    pub logs: Logs<TestStore>,
}

impl Server {
    pub fn new() -> Self {
        Self::with(inline())
    }

    pub fn with(settings: LogSettings) -> Self {
        Self::over(Arc::new(MemoryStore::default()), Arc::new(ManualClock::new(START_MS)), settings)
    }

    pub fn over(disk: Arc<MemoryStore>, clock: Arc<ManualClock>, settings: LogSettings) -> Self {
        let store = Arc::new(FaultyStore::harmless(disk.clone()));
        let logs = Logs::open(store.clone(), settings, clock.clone()).unwrap();
        Self { disk, store, clock, logs }
    }

    /// The process ends and another one opens the same disk.
    pub fn restart(self) -> Self {
        let settings = self.logs.inner.shared.settings.clone();
        let Self { disk, store: _, clock, logs } = self;
        drop(logs);
        Self::over(disk, clock, settings)
    }

    /// A log with seats 1, which keeps and invites, and 2, which has no rights.
    pub async fn log_of_two(&self) -> (SeatKey, SeatKey) {
        let log = log_id(7);
        let seats = vec![seat(log, 1, true, true), seat(log, 2, false, false)];
        self.logs.create(log, seats, band()).await.unwrap();
        (key(log, 1), key(log, 2))
    }

    pub async fn append(&self, seat: &SeatKey, n: u64, commit_count: u64) -> Result<Receipt, Refusal> {
        self.logs.append(seat, entry_id(n), payload(n), commit_count).await
    }

    pub async fn commit(&self, seat: &SeatKey, n: u64, commit_count: u64, changes: SeatChanges) -> Result<Receipt, Refusal> {
        self.commit_by(&Authority::Seat(seat.clone()), n, commit_count, changes, &[]).await
    }

    pub async fn commit_by(
        &self,
        authority: &Authority,
        n: u64,
        commit_count: u64,
        changes: SeatChanges,
        shown: &[DropSecret],
    ) -> Result<Receipt, Refusal> {
        self.logs.commit(authority, entry_id(n), payload(n), commit_count, changes, shown, Bytes::new()).await
    }

    /// Reads everything a seat may read and checks the chain on the way.
    pub fn read_all(&self, key: &SeatKey) -> Vec<(HeaderFacts, Bytes)> {
        let mut read = Vec::new();
        let (mut after, mut hash) = (0, RunningHash::start(key.log));
        loop {
            let page = match self.logs.read(key.log, key.seat_id(), after, 3, 1 << 20) {
                Err(refusal) if refusal.code == RefusalCode::SeatDropped => return read,
                page => page.unwrap(),
            };
            if let Some(gap) = &page.gap {
                assert_eq!(gap.first, after + 1);
                assert!(gap.last >= gap.first);
                after = gap.last;
                hash = RunningHash::parse(&gap.running_hash, "gap").unwrap();
            }
            for entry in &page.entries {
                let facts = HeaderFacts::parse(&entry.header).unwrap();
                assert_eq!(facts.sequence, after + 1);
                after += 1;
                hash = hash.next(&entry.header, &payload_hash(&entry.payload));
                read.push((facts, entry.payload.clone()));
            }
            assert_eq!(page.running_hash, hash, "after {after}");
            if after == page.head {
                return read;
            }
        }
    }

    pub fn head(&self, key: &SeatKey) -> u64 {
        self.logs.subscribe(&Subscription { seat: key.clone(), after: 0 }).unwrap().head
    }
}

pub fn inline() -> LogSettings {
    LogSettings { writer: WriterMode::Inline, ..LogSettings::default() }
}

pub fn log_id(n: u8) -> LogId {
    LogId::from([n; 16])
}

pub fn entry_id(n: u64) -> EntryId {
    let mut id = [0xE0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    EntryId::from(id)
}

pub fn payload(n: u64) -> Bytes {
    Bytes::from(format!("payload {n}"))
}

pub fn band() -> AddressBand {
    AddressBand::of(Ipv4Addr::LOCALHOST.into())
}

pub fn key(log: LogId, n: u8) -> SeatKey {
    SeatKey { log, secret: SeatSecret::from([n; 32]) }
}

pub fn drop_secret(n: u8) -> DropSecret {
    DropSecret::from([n ^ 0xFF; 32])
}

pub fn seat(log: LogId, n: u8, keep: bool, invite: bool) -> Seat {
    Seat { id: key(log, n).seat_id(), drop_hash: drop_secret(n).hash(log), keep, invite }
}

pub fn door_shown(log: LogId, n: u8) -> DoorKey {
    DoorKey { log, id: DoorId::from([n; 16]), secret: DoorSecret::from([n; 32]) }
}

pub fn door(log: LogId, n: u8, kind: DoorKind) -> Door {
    Door { id: DoorId::from([n; 16]), secret_hash: DoorSecret::from([n; 32]).hash(log), kind, keep: false, invite: false }
}

pub fn adding(seats: Vec<Seat>) -> SeatChanges {
    SeatChanges { seats_added: seats, ..SeatChanges::default() }
}

pub fn dropping(seats: Vec<SeatId>) -> SeatChanges {
    SeatChanges { seats_dropped: seats, ..SeatChanges::default() }
}

pub fn opening(doors: Vec<Door>) -> SeatChanges {
    SeatChanges { doors_added: doors, ..SeatChanges::default() }
}

pub fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> RefusalCode {
    result.unwrap_err().code
}
