//! A log in memory: orders, seals, counts commits and keeps the running hash.

use alcyon_mls::{GroupHandshake, HandshakeKey, Payload};
use alcyon_wire::{
    Door, DoorId, DropHash, EntryId, EntryKind, HeaderFacts, JoinSecret, LogId, PayloadHash, RunningHash, Seat, SeatChanges, SeatId,
    payload_hash,
};

pub struct Log {
    pub id: LogId,
    pub key: HandshakeKey,
    entries: Vec<(HeaderFacts, Vec<u8>)>,
    hashes: Vec<RunningHash>,
    /// Header time of the start, milliseconds; each entry is one later.
    pub time_ms: u64,
}

#[derive(Clone, Default)]
pub struct Changes {
    pub added: Vec<SeatId>,
    pub dropped: Vec<SeatId>,
    pub doors: Vec<Door>,
    pub doors_dropped: Vec<DoorId>,
    pub by_door: Option<DoorId>,
}

impl Changes {
    pub fn none() -> Self {
        Self::default()
    }
}

#[derive(Debug, PartialEq)]
pub struct Stale;

impl Log {
    pub fn new(secret: JoinSecret) -> Self {
        let id = LogId::from([5; 16]);
        let key = HandshakeKey::derive(&secret, id).unwrap();
        Self { id, key, entries: Vec::new(), hashes: vec![RunningHash::start(id)], time_ms: 1_700_000_000_000 }
    }

    pub fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn commits(&self) -> u64 {
        self.entries.iter().filter(|(header, _)| header.kind == EntryKind::Commit).count() as u64
    }

    pub fn running_hash(&self, sequence: u64) -> RunningHash {
        self.hashes[usize::try_from(sequence).unwrap()]
    }

    /// Header, opened message and payload hash of an entry.
    pub fn entry(&self, sequence: u64) -> (HeaderFacts, Vec<u8>, PayloadHash) {
        let (header, payload) = &self.entries[usize::try_from(sequence).unwrap() - 1];
        let message = match Payload::decode(payload).unwrap() {
            Payload::Application(message) => message,
            Payload::Handshake(sealed) => self.key.open_handshake(&sealed).unwrap(),
            Payload::Tree(part) => part.sealed,
        };
        (header.clone(), message, payload_hash(payload))
    }

    pub fn append(&mut self, message: &[u8]) {
        self.put(EntryKind::Application, Payload::Application(message.to_vec()).encode(), Changes::none());
    }

    /// Takes it whatever is in it, as a server does.
    pub fn commit(&mut self, message: &[u8], changes: Changes) -> Result<(), Stale> {
        self.commit_at(message, changes, self.commits())
    }

    pub fn commit_at(&mut self, message: &[u8], changes: Changes, count: u64) -> Result<(), Stale> {
        if count != self.commits() {
            return Err(Stale);
        }
        let payload = Payload::Handshake(self.key.seal_handshake(message).unwrap()).encode();
        self.put(EntryKind::Commit, payload, changes);
        Ok(())
    }

    /// A commit of a group, with its join secrets. The log's key stays: here it is for the tests to read.
    pub fn commit_handshake(&mut self, handshake: &GroupHandshake, changes: Changes) {
        let payload = Payload::Handshake(self.key.seal_group_handshake(handshake).unwrap()).encode();
        self.put(EntryKind::Commit, payload, changes);
    }

    /// Bytes of an entry's payload.
    pub fn payload(&self, sequence: u64) -> usize {
        self.entries[usize::try_from(sequence).unwrap() - 1].1.len()
    }

    pub fn handshake(&self, sequence: u64) -> GroupHandshake {
        let (_, payload) = &self.entries[usize::try_from(sequence).unwrap() - 1];
        let Payload::Handshake(sealed) = Payload::decode(payload).unwrap() else { panic!("no handshake") };
        self.key.open_group_handshake(&sealed).unwrap()
    }

    fn put(&mut self, kind: EntryKind, payload: Vec<u8>, changes: Changes) {
        let Changes { added, dropped, doors, doors_dropped, by_door } = changes;
        let sequence = self.head() + 1;
        let seats_added =
            added.into_iter().map(|id| Seat { id, drop_hash: DropHash::from([0; 32]), keep: by_door.is_none(), invite: false });
        let header = HeaderFacts {
            sequence,
            kind,
            entry_id: EntryId::from(u128::from(sequence).to_be_bytes()),
            time_ms: self.time_ms + sequence,
            commit_count: self.commits(),
            changes: SeatChanges { seats_added: seats_added.collect(), seats_dropped: dropped, doors_added: doors, doors_dropped },
            door: by_door,
            lane: None,
        };
        let hash = self.hashes.last().unwrap().next(&header.encode(), &payload_hash(&payload));
        self.hashes.push(hash);
        self.entries.push((header, payload));
    }
}
