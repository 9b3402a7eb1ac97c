//! What the fuzz targets of `alcyon-mls` share: Ben, his device, and his rows as they lie in `world/`. Fixed, so that an
//! input that finds something finds it again.

use alcyon_identity::{Chain, DeviceKey, Era, EraKey, RecoveryWords};
use alcyon_mls::{GroupRules, MemoryRows, RowKind, Rows};
use alcyon_wire::{ConversationId, LogId};

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// The log of the one term.
pub const LOG: [u8; 16] = [7; 16];

/// A device and its chain; all devices here are of one account's first era.
pub fn device(seed: u8) -> (DeviceKey, Chain) {
    let root = RecoveryWords::parse(WORDS).expect("twelve good words").root();
    let key = EraKey::from_bytes(&[1; 32]).expect("32 bytes");
    let era = Era::new(root.sign_era(1, &key), key).expect("they belong together");
    let device = DeviceKey::from_bytes(&[seed; 32]).expect("32 bytes");
    let chain = era.certify(device.id()).expect("a device id is a key");
    (device, chain)
}

/// What the group is bound to.
pub fn rules() -> GroupRules {
    GroupRules::pair(ConversationId::from([8; 16]), 0, LogId::from(LOG))
}

/// Splits off a part that has its length before it, in two bytes.
pub fn part(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Puts a part before `rest` as [`part`] reads it.
pub fn join(part: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(part.len()).expect("seeds are small");
    [&length.to_be_bytes(), part, rest].concat()
}

/// Reads rows as `examples/seeds.rs` writes them.
pub fn rows(mut bytes: &[u8]) -> MemoryRows {
    let rows = MemoryRows::new();
    while let Some((kind, rest)) = bytes.split_first_chunk::<2>() {
        let kind = RowKind::from_number(u16::from_be_bytes(*kind)).expect("a kind of row");
        let (key, rest) = part(rest).expect("a key");
        let (value, rest) = part(rest).expect("a value");
        rows.write(kind, key, value).expect("memory takes it");
        bytes = rest;
    }
    rows
}
