#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use alcyon_wire::{Stamp, limits, token_challenge};
use proptest::prelude::*;

use super::*;

fn issue(key: &IssuerKey, asked: &Asked) -> Issued {
    key.issue(&Hidden::parse(&asked.hidden()).unwrap()).unwrap()
}

fn batch(key: &IssuerKey, at: [u8; 32]) -> Vec<Stamp> {
    let asked = Asked::draw(&key.public_key(), at).unwrap();
    let issued = issue(key, &asked);
    asked.finish(&issued).unwrap()
}

#[test]
fn a_batch_is_genuine_here_and_nowhere_else() {
    let key = IssuerKey::derive(&[1; 32], b"1").unwrap();
    let at = token_challenge("sea.example");
    let stamps = batch(&key, at);
    assert_eq!(stamps.len(), limits::STAMP_BATCH);
    assert_eq!(stamps.iter().map(|stamp| stamp.nonce).collect::<BTreeSet<_>>().len(), limits::STAMP_BATCH);
    let later = IssuerKey::derive(&[1; 32], b"2").unwrap();
    for stamp in &stamps {
        assert!(key.is_genuine(stamp, &at));
        assert!(!key.is_genuine(stamp, &token_challenge("bay.example")), "another server's");
        assert!(!later.is_genuine(stamp, &at), "another epoch's");
        assert!(!later.is_genuine(&Stamp { key: later.id(), ..stamp.clone() }, &at), "renamed for it");
    }
    assert_eq!(IssuerKey::derive(&[1; 32], b"1").unwrap().id(), key.id(), "the same key again after a restart");
}

#[test]
fn the_issuer_sees_nothing_that_comes_back() {
    let key = IssuerKey::derive(&[1; 32], b"1").unwrap();
    let asked = Asked::draw(&key.public_key(), [2; 32]).unwrap();
    let (hidden, issued) = (asked.hidden(), issue(&key, &asked));
    let seen: BTreeSet<_> = hidden.iter().chain(&issued.points).copied().collect();
    for stamp in asked.finish(&issued).unwrap() {
        let bytes = stamp.to_bytes();
        assert!(bytes.windows(32).all(|window| !seen.contains(window)));
    }
}

#[test]
fn stamps_of_a_key_for_one_person_are_not_taken() {
    let (key, marked) = (IssuerKey::derive(&[1; 32], b"1").unwrap(), IssuerKey::derive(&[9; 32], b"1").unwrap());
    let asked = Asked::draw(&key.public_key(), [2; 32]).unwrap();
    let issued = issue(&marked, &asked);
    assert_eq!(asked.finish(&issued), Err(StampError::Proof));
}

#[test]
fn an_answer_that_is_changed_or_short_gives_no_stamp_at_all() {
    let key = IssuerKey::derive(&[1; 32], b"1").unwrap();
    let change = |change: &dyn Fn(&mut Issued)| {
        let asked = Asked::draw(&key.public_key(), [2; 32]).unwrap();
        let mut issued = issue(&key, &asked);
        change(&mut issued);
        asked.finish(&issued).unwrap_err()
    };
    assert_eq!(change(&|issued| issued.points.swap(0, 1)), StampError::Proof);
    assert_eq!(change(&|issued| issued.proof[0] ^= 1), StampError::Proof);
    assert_eq!(change(&|issued| issued.points.truncate(3)), StampError::Count);
    assert_eq!(change(&|issued| issued.points[0] = [0xFF; 32]), StampError::NotAnElement("what was issued"));
}

#[test]
fn what_is_no_element_is_refused() {
    let key = IssuerKey::derive(&[1; 32], b"1").unwrap();
    let good = Asked::draw(&key.public_key(), [2; 32]).unwrap().hidden();
    assert!(Hidden::parse(&[]).is_err());
    for bad in [[0xFF; 32], [0; 32]] {
        assert!(Hidden::parse(&[good[0], bad]).is_err());
        assert!(Asked::draw(&bad, [2; 32]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// No bit of a stamp can be changed.
    #[test]
    fn a_stamp_that_is_changed_anywhere_is_not_genuine(byte in 2..Stamp::BYTES, bit in 0..8_u32) {
        let key = IssuerKey::derive(&[1; 32], b"1").unwrap();
        let at = token_challenge("sea.example");
        let mut bytes = batch(&key, at)[0].to_bytes();
        bytes[byte] ^= 1 << bit;
        prop_assert!(!key.is_genuine(&Stamp::parse(&bytes, "stamp").unwrap(), &at));
    }
}
