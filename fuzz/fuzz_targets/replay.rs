//! A stored tree with its GroupInfo and a commit after it, as somebody outside follows a group.
#![no_main]

use alcyon_fuzz::part;
use alcyon_mls::{Entry, Replay, StoredTree, Suite};
use alcyon_wire::{EntryId, EntryKind, HeaderFacts, SeatChanges, payload_hash};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((tree, rest)) = part(data) else { return };
    let Some((group_info, commit)) = part(rest) else { return };
    let stored = StoredTree { tree: tree.to_vec(), group_info: group_info.to_vec() };
    let Ok(mut replay) = Replay::from_tree(Suite::PRODUCT, &stored) else { return };
    let header = HeaderFacts {
        sequence: 1,
        kind: EntryKind::Commit,
        entry_id: EntryId::from([5; 16]),
        time_ms: 1_700_000_000_000,
        commit_count: 0,
        changes: SeatChanges::default(),
        door: None,
        lane: None,
    };
    let _ = replay.advance(commit, &Entry { header: &header, payload_hash: payload_hash(commit) });
    let _ = replay.ground(group_info);
});
