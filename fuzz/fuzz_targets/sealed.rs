//! Everything that travels sealed: a malicious member, or a stranger who knocks, writes these bytes.
#![no_main]

use alcyon_wire::proto;
use prost::Message;

/// What is read is written and read again as the same.
fn again<M: Message + Default + PartialEq>(data: &[u8]) {
    if let Ok(message) = M::decode(data) {
        assert!(M::decode(message.encode_to_vec().as_slice()).is_ok_and(|again| again == message));
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 10 {
        0 => again::<proto::Payload>(data),
        1 => again::<proto::Handshake>(data),
        2 => again::<proto::CommitData>(data),
        3 => again::<proto::LeafSeat>(data),
        4 => again::<proto::GroupRules>(data),
        5 => again::<proto::Content>(data),
        6 => again::<proto::SealedKnock>(data),
        7 => again::<proto::KnockContent>(data),
        8 => again::<proto::KnockBody>(data),
        _ => again::<proto::KeyPackages>(data),
    }
});
