//! Seals, padding and the inbox.

use alcyon_mls::{
    HandshakeKey, INBOX_PUBLIC_KEY, InboxKey, KNOCK_CONTENT, MlsError, Payload, SMALLEST_CLASS, pad, seal_knock, size_class, unpad,
};
use alcyon_wire::{JoinSecret, LogId, limits};
use proptest::prelude::*;

fn key() -> HandshakeKey {
    HandshakeKey::derive(&JoinSecret::from([1; 32]), LogId::from([2; 16])).unwrap()
}

#[test]
fn size_classes_are_few_and_cost_little() {
    let classes: Vec<_> = [0, 1, 256, 257, 300, 512, 513, 1000, 1024, 1025, 10_000, 65_536, 65_537, 1_000_000].map(size_class).into();
    assert_eq!(classes, [256, 256, 256, 272, 304, 512, 544, 1024, 1024, 1088, 10_240, 65_536, 67_584, 1_015_808]);
    let distinct: std::collections::BTreeSet<_> = (0..100_000).map(size_class).collect();
    assert!(distinct.len() < 160, "{}", distinct.len());
}

proptest! {
    #[test]
    fn padding_is_taken_off_exactly(content in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let padded = pad(&content);
        prop_assert_eq!(padded.len(), size_class(content.len() + 1));
        prop_assert!(padded.len() >= SMALLEST_CLASS);
        prop_assert_eq!(unpad(&padded).unwrap(), &content[..]);
    }

    #[test]
    fn a_class_holds_what_is_in_it(length in 0usize..50_000_000) {
        let class = size_class(length);
        prop_assert!(class >= length);
        prop_assert!(class <= SMALLEST_CLASS || class as f64 <= length as f64 * 1.13);
        prop_assert_eq!(size_class(class), class);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = unpad(&bytes);
        if let Ok(Payload::Handshake(sealed)) = Payload::decode(&bytes) {
            prop_assert!(key().open_handshake(&sealed).is_err());
        }
        prop_assert!(key().open_group_info(&bytes).is_err());
        prop_assert!(key().open_tree(&[&bytes], 0).is_err());
        let _ = alcyon_mls::CommitData::decode(&bytes);
        let _ = alcyon_mls::GroupRules::decode(&bytes);
        let _ = alcyon_mls::judge_key_package(alcyon_mls::Suite::PRODUCT, &bytes);
    }
}

#[test]
fn unpadding_what_was_never_padded_is_an_error() {
    for wrong in [&b""[..], &[0; 256], b"text"] {
        assert!(matches!(unpad(wrong), Err(MlsError::Malformed { what: "padding" })));
    }
}

#[test]
fn a_handshake_opens_with_its_key_alone_and_hides_its_length() {
    let short = key().seal_handshake(b"short").unwrap();
    let long = key().seal_handshake(&[7; 200]).unwrap();
    assert_eq!(key().open_handshake(&short).unwrap(), b"short");
    let lengths = [&short, &long].map(|sealed| Payload::Handshake(sealed.clone()).encode().len());
    assert_eq!(lengths[0], lengths[1]);
    assert_ne!(key().seal_handshake(b"short").unwrap(), short, "a nonce of its own each time");
    for (secret, log) in [([9; 32], [2; 16]), ([1; 32], [9; 16])] {
        let other = HandshakeKey::derive(&JoinSecret::from(secret), LogId::from(log)).unwrap();
        assert!(matches!(other.open_handshake(&short), Err(MlsError::Sealed { what: "handshake" })));
    }
}

#[test]
fn a_payload_is_read_as_what_it_was() {
    for payload in [Payload::Application(vec![1, 2, 3]), Payload::Handshake(key().seal_handshake(b"x").unwrap())] {
        assert_eq!(Payload::decode(&payload.encode()).unwrap(), payload);
    }
    assert!(matches!(Payload::decode(b""), Err(MlsError::Malformed { what: "Payload" })));
    assert!(matches!(Payload::decode(b"\xff"), Err(MlsError::Malformed { what: "Payload" })));
}

#[test]
fn a_group_info_is_no_handshake() {
    let sealed = key().seal_group_info(b"info").unwrap();
    assert_eq!(key().open_group_info(&sealed).unwrap(), b"info");
    let tree = key().seal_tree(b"info", 0).unwrap();
    assert!(key().open_group_info(&tree[0]).is_err(), "every purpose has a key of its own");
    assert!(matches!(key().seal_group_info(&vec![1; limits::GROUP_INFO]), Err(MlsError::TooLarge { .. })));
}

#[test]
fn a_tree_travels_in_chunks_that_have_a_place() {
    let tree: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
    let chunks = key().seal_tree(&tree, 41).unwrap();
    assert!(chunks.len() > 2 && chunks.iter().all(|chunk| chunk.len() <= limits::TREE_CHUNK));
    assert_eq!(key().open_tree(&chunks, 41).unwrap(), tree);
    let mut swapped = chunks.clone();
    swapped.swap(0, 1);
    assert!(key().open_tree(&swapped, 41).is_err());
    assert!(key().open_tree(&chunks, 42).is_err());
    assert!(key().open_tree(&chunks[..2], 41).is_err());
    assert!(key().open_tree(&Vec::<Vec<u8>>::new(), 41).is_err());
}

#[test]
fn a_knock_opens_in_its_inbox_alone() {
    let (secret, public) = InboxKey::generate().unwrap();
    assert_eq!(public.len(), INBOX_PUBLIC_KEY);
    let inbox = LogId::from([4; 16]);
    let knock = seal_knock(&public, inbox, b"knock knock").unwrap().0;
    assert_eq!(secret.open_knock(inbox, &knock).unwrap(), b"knock knock");
    assert_eq!(InboxKey::from_bytes(&secret.to_bytes()).open_knock(inbox, &knock).unwrap(), b"knock knock");
    assert!(matches!(secret.open_knock(LogId::from([5; 16]), &knock), Err(MlsError::Sealed { what: "knock" })));
    let (other, _) = InboxKey::generate().unwrap();
    assert!(matches!(other.open_knock(inbox, &knock), Err(MlsError::Sealed { what: "knock" })));
    for wrong in [&b""[..], b"\xff", &knock[..knock.len() - 1]] {
        assert!(secret.open_knock(inbox, wrong).is_err());
    }
    assert!(matches!(seal_knock(b"short", inbox, b""), Err(MlsError::Malformed { what: "sealing key" })));
}

#[test]
fn the_largest_knock_fits_the_limit_and_one_byte_more_does_not() {
    let (secret, public) = InboxKey::generate().unwrap();
    let inbox = LogId::from([4; 16]);
    for length in [KNOCK_CONTENT, KNOCK_CONTENT - 1, 30_000] {
        let knock = seal_knock(&public, inbox, &vec![1; length]).unwrap().0;
        assert!(knock.len() <= limits::KNOCK, "{}", knock.len());
        assert_eq!(secret.open_knock(inbox, &knock).unwrap().len(), length);
    }
    let over = seal_knock(&public, inbox, &vec![1; KNOCK_CONTENT + 1]);
    assert!(matches!(over, Err(MlsError::TooLarge { limit: KNOCK_CONTENT, .. })), "{over:?}");
}
