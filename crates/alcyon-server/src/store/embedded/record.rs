//! The form of the journal: what stands at the front of a file, and one record for each batch.
//!
//! All numbers are little-endian. A checksum (XXH3, 64 bits) covers everything behind it in its head or record. A file is written over
//! and over, so every record carries the mark of the generation it belongs to: a random number, which nobody who sends an entry
//! can know and put into it.

use bytes::Bytes;
use memchr::memmem;
use xxhash_rust::xxh3::xxh3_64;

use crate::store::{Batch, Change, RowKey, Table};

/// Where records begin in a file.
pub(super) const HEAD_BYTES: u64 = 4096;
/// What stands before a record's changes: checksum, mark, number, length.
pub(super) const RECORD_HEAD_BYTES: usize = 28;
const FILE_MAGIC: [u8; 8] = *b"alcyonJ1";
const REMOVED: u32 = u32::MAX;

/// What stands at the front of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHead {
    /// Files are read in the order of their generations.
    pub generation: u64,
    pub mark: u64,
    /// How many records the generation before has at least: these were flushed before this one began.
    pub records_before: u64,
    /// Its rows do not lie in the tables yet.
    pub in_use: bool,
}

impl FileHead {
    const BYTES: usize = 48;

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { generation, mark, records_before, in_use } = *self;
        let mut bytes = vec![0; 8];
        bytes.extend_from_slice(&FILE_MAGIC);
        for number in [generation, mark, records_before, u64::from(in_use)] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        seal(&mut bytes);
        bytes
    }

    /// None where there is none, or a broken one.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..Self::BYTES)?;
        if !is_sealed(bytes) || bytes[8..16] != FILE_MAGIC {
            return None;
        }
        let (generation, mark, records_before) = (number(&bytes[16..])?, number(&bytes[24..])?, number(&bytes[32..])?);
        Some(Self { generation, mark, records_before, in_use: number(&bytes[40..])? == 1 })
    }
}

/// A row that is set, or removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RowChange {
    pub table: Table,
    pub key: RowKey,
    pub value: Option<Bytes>,
}

/// The whole record of a batch, or none of one that a record can't hold (4 GiB).
pub(super) fn encode(mark: u64, number: u64, batch: &Batch) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(RECORD_HEAD_BYTES + batch.bytes() + batch.len() * 10);
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&mark.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for Change { table, key, value } in batch.changes() {
        let (code, span) = table.code();
        bytes.push(code);
        bytes.extend_from_slice(&span.to_le_bytes());
        bytes.push(u8::try_from(key.len()).ok()?);
        let length = value.map_or(Some(REMOVED), |value| u32::try_from(value.len()).ok().filter(|length| *length != REMOVED))?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.unwrap_or_default());
    }
    let length = u32::try_from(bytes.len() - RECORD_HEAD_BYTES).ok()?;
    bytes[24..28].copy_from_slice(&length.to_le_bytes());
    seal(&mut bytes);
    Some(bytes.into())
}

/// The record that begins here: its number, and all of it. None where there is none, or a broken one.
pub(super) fn record_at(mark: u64, bytes: &Bytes) -> Option<(u64, Bytes)> {
    if number(bytes.get(8..)?)? != mark {
        return None;
    }
    let length = u32::from_le_bytes(bytes.get(24..28)?.try_into().ok()?);
    let whole = RECORD_HEAD_BYTES.checked_add(usize::try_from(length).ok()?)?;
    if !is_sealed(bytes.get(..whole)?) {
        return None;
    }
    Some((number(&bytes[16..])?, bytes.slice(..whole)))
}

/// Whether a record that comes after `number` stands anywhere here.
pub(super) fn has_later(mark: u64, number: u64, bytes: &Bytes) -> bool {
    let wanted = mark.to_le_bytes();
    let mut places = memmem::find_iter(bytes, &wanted).filter_map(|at| at.checked_sub(8));
    places.any(|at| record_at(mark, &bytes.slice(at..)).is_some_and(|(found, _)| found > number))
}

/// The changes of a whole record; they share its memory. None if it says something that no batch says.
pub(super) fn changes(record: &Bytes) -> Option<Vec<RowChange>> {
    let mut at = RECORD_HEAD_BYTES;
    let mut found = Vec::new();
    while at < record.len() {
        let head = record.get(at..at + 10)?;
        let table = Table::from_code((head[0], u32::from_le_bytes(head[1..5].try_into().ok()?)))?;
        let length = u32::from_le_bytes(head[6..10].try_into().ok()?);
        let key_from = at + 10;
        let value_from = key_from + usize::from(head[5]);
        let key = record.get(key_from..value_from).filter(|key| key.len() <= RowKey::MAX)?;
        let until = if length == REMOVED { value_from } else { value_from.checked_add(usize::try_from(length).ok()?)? };
        record.get(value_from..until)?;
        let value = (length != REMOVED).then(|| record.slice(value_from..until));
        found.push(RowChange { table, key: RowKey::of(&[key]), value });
        at = until;
    }
    Some(found)
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}

fn seal(bytes: &mut [u8]) {
    let checksum = xxh3_64(&bytes[8..]);
    bytes[..8].copy_from_slice(&checksum.to_le_bytes());
}

fn is_sealed(bytes: &[u8]) -> bool {
    number(bytes) == bytes.get(8..).map(xxh3_64)
}
