//! What a malicious member, or whoever has the join secret, puts into a log.
#![no_main]

use std::sync::LazyLock;

use alcyon_fuzz::rows;
use alcyon_mls::{CommitData, Entry, Group, GroupId, GroupRules, MemoryRows, Payload, unpad};
use alcyon_wire::{EntryId, EntryKind, HeaderFacts, SeatChanges, payload_hash};

static ROWS: LazyLock<MemoryRows> = LazyLock::new(|| rows(include_bytes!("../world/joined.rows")));
static GROUP: LazyLock<GroupId> = LazyLock::new(|| GroupId::from_bytes(include_bytes!("../world/group.id")));

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, message)) = data.split_first() else { return };
    let kind = match kind {
        0 => {
            let _ = (Payload::decode(message), CommitData::decode(message), GroupRules::decode(message), unpad(message));
            return;
        }
        1 => EntryKind::Application,
        _ => EntryKind::Commit,
    };
    let header = HeaderFacts {
        sequence: 1,
        kind,
        entry_id: EntryId::from([5; 16]),
        time_ms: 1_700_000_000_000,
        commit_count: 0,
        changes: SeatChanges::default(),
        door: None,
        lane: None,
    };
    let rows = ROWS.clone();
    let mut group = Group::load(&rows, &GROUP).expect("the rows are whole").expect("the group is there");
    let _ = group.process(&rows, message, &Entry { header: &header, payload_hash: payload_hash(message) });
    let again = Group::load(&rows, &GROUP).expect("whatever came, the rows are whole").expect("and the group is there");
    assert!(again.epoch() <= 2);
});
