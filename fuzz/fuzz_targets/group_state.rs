//! What members and invites bring into a group: its state, changes of it, and the words of those who leave.
#![no_main]

use alcyon_mls::{GroupChange, GroupState, LeaveProof, Payload};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(state) = GroupState::decode(data) {
        assert_eq!(state.encode(), data, "each state has one encoding");
    }
    if let Ok(changes) = GroupChange::decode_delta(data) {
        assert_eq!(GroupChange::decode_delta(&GroupChange::encode_delta(&changes)).ok(), Some(changes));
    }
    let _ = LeaveProof::decode(data);
    let _ = Payload::decode(data);
});
