//! Records as they lie in the store. They are protobuf, so that fields can be added; numbers are never used twice.
//! Snapshot tests hold every one of them.

use alcyon_wire::{DoorId, DoorSecretHash, DropHash, EntryId, LogId, PassHash, RunningHash, SeatId};
use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use super::DAY_MS;
use crate::store::{RowKey, StoreError, Table};

/// Milliseconds in a week: application entries are kept in tables of one week.
const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Milliseconds in the span of one table of entry ids.
const PERIOD_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// The head of a log: all that an append needs, in one row. It is not written with every entry: entries after it in the
/// last week are read with it (`state`).
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HeadRecord {
    /// The last sequence.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// h(sequence).
    #[prost(bytes = "bytes", tag = "2")]
    pub running_hash: Bytes,
    #[prost(uint64, tag = "3")]
    pub commit_count: u64,
    /// Time of the last entry.
    #[prost(uint64, tag = "4")]
    pub time_ms: u64,
    #[prost(uint64, tag = "5")]
    pub created_ms: u64,
    /// Digest of the first seats: the same request again gets the same answer.
    #[prost(bytes = "bytes", tag = "6")]
    pub created_as: Bytes,
    #[prost(bool, tag = "7")]
    pub closed: bool,
    #[prost(bool, tag = "8")]
    pub inbox: bool,
    /// Entries in `Kept`.
    #[prost(uint64, tag = "9")]
    pub kept: u64,
    /// Their bytes.
    #[prost(uint64, tag = "10")]
    pub kept_bytes: u64,
    /// The last sequence among them.
    #[prost(uint64, tag = "11")]
    pub kept_last: u64,
    /// Weeks that hold entries of this log.
    #[prost(message, repeated, tag = "12")]
    pub weeks: Vec<WeekRecord>,
    /// GroupInfos stored so far; the last ones are kept.
    #[prost(uint64, tag = "13")]
    pub group_infos: u64,
}

/// What a log has in one week's table.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct WeekRecord {
    #[prost(uint32, tag = "1")]
    pub week: u32,
    /// The first sequence there.
    #[prost(uint64, tag = "2")]
    pub first: u64,
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SeatRecord {
    /// Empty once the seat is dropped.
    #[prost(bytes = "bytes", tag = "1")]
    pub drop_hash: Bytes,
    #[prost(bool, tag = "2")]
    pub keep: bool,
    #[prost(bool, tag = "3")]
    pub invite: bool,
    /// The entry that added it, 0 for the first seats.
    #[prost(uint64, tag = "4")]
    pub added_at: u64,
    /// The entry that dropped it; 0 while it lives.
    #[prost(uint64, tag = "5")]
    pub dropped_at: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct DoorRecord {
    #[prost(bytes = "bytes", tag = "1")]
    pub secret_hash: Bytes,
    /// A `DoorKind`.
    #[prost(int32, tag = "2")]
    pub kind: i32,
    #[prost(uint64, tag = "3")]
    pub added_at: u64,
    /// The entry that used or dropped it; 0 while it is open. Kept so that who came in by it can ask again.
    #[prost(uint64, tag = "4")]
    pub gone_at: u64,
    /// Rights that a seat may have which comes in by it.
    #[prost(bool, tag = "5")]
    pub keep: bool,
    #[prost(bool, tag = "6")]
    pub invite: bool,
}

/// An entry. Written by [`encode_entry`], field by field, because it is the hot path.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EntryRecord {
    /// An `EntryHeader`, as it was hashed and travels.
    #[prost(bytes = "bytes", tag = "1")]
    pub header: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
    /// The running hash before this entry: whatever is trimmed, the next entry that is left says where the chain stood.
    #[prost(bytes = "bytes", tag = "3")]
    pub previous: Bytes,
}

/// Where the entry of an id is. The entry itself says what was asked and answered.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct EntryIdRecord {
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct GroupInfoRecord {
    #[prost(uint64, tag = "1")]
    pub commit_count: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub payload: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TreeRecord {
    /// Names its chunks.
    #[prost(bytes = "bytes", tag = "1")]
    pub upload: Bytes,
    #[prost(uint32, tag = "2")]
    pub chunks: u32,
    #[prost(uint64, tag = "3")]
    pub commit_count: u64,
    /// The head when the upload began: what it shows, plus the commits after this, is the group.
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct AckRecord {
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
}

/// Appends an [`EntryRecord`] to a buffer without building one.
pub(crate) fn encode_entry(buffer: &mut Vec<u8>, header: &[u8], payload: &[u8], previous: &RunningHash) {
    for (tag, bytes) in [(1_u8, header), (2, payload), (3, previous.as_bytes())] {
        if !bytes.is_empty() {
            buffer.push(tag << 3 | 2);
            prost::encoding::encode_varint(bytes.len() as u64, buffer);
            buffer.extend_from_slice(bytes);
        }
    }
}

/// Reads a record; `table` goes into the error.
pub(crate) fn decode<M: Message + Default>(table: Table, bytes: Bytes) -> Result<M, StoreError> {
    M::decode(bytes).map_err(|_| corrupt(table))
}

pub(crate) fn corrupt(table: Table) -> StoreError {
    StoreError::Corrupt { table: table.kind() }
}

/// The week a time lies in.
pub(crate) fn week_of(time_ms: u64) -> u32 {
    u32::try_from(time_ms / WEEK_MS).unwrap_or(u32::MAX)
}

/// The period of entry ids a time lies in.
pub(crate) fn period_of(time_ms: u64) -> u32 {
    u32::try_from(time_ms / PERIOD_MS).unwrap_or(u32::MAX)
}

/// When the span of a dated table has ended, Unix milliseconds; none for the other tables.
pub(crate) fn end_of(table: Table) -> Option<u64> {
    match table {
        Table::Entries(week) => Some((u64::from(week) + 1) * WEEK_MS),
        Table::EntryIds(period) => Some((u64::from(period) + 1) * PERIOD_MS),
        Table::SpentStamps(day) => Some((u64::from(day) + 1) * DAY_MS),
        _ => None,
    }
}

pub(crate) fn head_key(log: LogId) -> RowKey {
    RowKey::of(&[log.as_bytes()])
}

pub(crate) fn entry_key(log: LogId, sequence: u64) -> RowKey {
    RowKey::of(&[log.as_bytes(), &sequence.to_be_bytes()])
}

/// A hash, cut to what the engine keeps without an allocation. Two that fall together, which nobody can bring about, would
/// make one of them forgotten: the entry it leads to is compared.
pub(crate) fn entry_id_key(log: LogId, entry: EntryId) -> RowKey {
    let hash = Sha256::new().chain_update(log.as_bytes()).chain_update(entry.as_bytes()).finalize();
    RowKey::of(&[&hash[..20]])
}

pub(crate) fn seat_key(log: LogId, seat: SeatId) -> RowKey {
    RowKey::of(&[log.as_bytes(), seat.as_bytes()])
}

pub(crate) fn door_key(log: LogId, door: DoorId) -> RowKey {
    RowKey::of(&[log.as_bytes(), door.as_bytes()])
}

pub(crate) fn pass_key(log: LogId, pass: PassHash) -> RowKey {
    RowKey::of(&[log.as_bytes(), pass.as_bytes()])
}

pub(crate) fn chunk_key(log: LogId, upload: EntryId, chunk: u32) -> RowKey {
    RowKey::of(&[log.as_bytes(), upload.as_bytes(), &chunk.to_be_bytes()])
}

/// The sequence or number at the end of a key that begins with a log id.
pub(crate) fn number_of(table: Table, key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.get(LogId::LENGTH..).and_then(|rest| <[u8; 8]>::try_from(rest).ok());
    bytes.map(u64::from_be_bytes).ok_or_else(|| corrupt(table))
}

impl HeadRecord {
    /// A new log without entries.
    pub fn new(log: LogId, created_ms: u64, created_as: Bytes, inbox: bool) -> Self {
        Self {
            sequence: 0,
            running_hash: RunningHash::start(log).to_field(),
            commit_count: 0,
            time_ms: created_ms,
            created_ms,
            created_as,
            closed: false,
            inbox,
            kept: 0,
            kept_bytes: 0,
            kept_last: 0,
            weeks: Vec::new(),
            group_infos: 0,
        }
    }
}

/// Lengths are checked where records are read, so that what is in memory is right.
pub(crate) fn parse_drop_hash(bytes: &[u8]) -> Result<DropHash, StoreError> {
    DropHash::parse(bytes, "seat").map_err(|_| corrupt(Table::Seats))
}

pub(crate) fn parse_door_hash(bytes: &[u8]) -> Result<DoorSecretHash, StoreError> {
    DoorSecretHash::parse(bytes, "door").map_err(|_| corrupt(Table::Doors))
}
