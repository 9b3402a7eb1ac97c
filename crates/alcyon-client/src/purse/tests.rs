#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use alcyon_store::{NewOutboxItem, Store, StoreKey};
use proptest::prelude::*;

use super::*;

const NOW_MS: u64 = 1_767_225_600_000;
const LATER_MS: u64 = NOW_MS + 14 * 24 * 60 * 60 * 1000;

fn store(directory: &tempfile::TempDir) -> Store {
    Store::open(directory.path(), &StoreKey::from([7; 32])).unwrap()
}

fn server(n: usize) -> ServerUrl {
    format!("https://{n}.example").parse().unwrap()
}

fn stamp(n: u8, key: u8) -> Stamp {
    Stamp { nonce: [n; 32], challenge: [0; 32], key: StampKeyId([key; 32]), authenticator: [n; 64] }
}

fn create(log: u8, payment: Option<proto::Payment>) -> proto::ClientFrame {
    proto::ClientFrame { request: 0, body: Some(Body::Create(proto::Create { log: vec![log; 16].into(), seats: Vec::new(), payment })) }
}

fn queue(tx: &Tx<'_>, kind: OutboxKind, at: &ServerUrl, log: u8, frame: &proto::ClientFrame) -> OutboxItem {
    let frame = frame.encode_to_vec();
    let number = tx
        .add_outbox(&NewOutboxItem {
            kind,
            conversation: None,
            server: at,
            log: [log; 16].into(),
            entry_id: [log; 16].into(),
            after: 0,
            content: None,
            frame: Some(&frame),
        })
        .unwrap();
    tx.outbox_item(number).unwrap().unwrap()
}

/// What an item's frame shows, as it lies in the outbox.
fn shown(tx: &Tx<'_>, number: u64) -> Option<proto::Payment> {
    let item = tx.outbox_item(number).unwrap().unwrap();
    let mut frame = decode(&item.frame.unwrap()).unwrap();
    payment_of(&mut frame).unwrap().clone()
}

#[test]
fn a_stamp_moves_from_the_purse_into_the_frame_and_stays_there() {
    let directory = tempfile::tempdir().unwrap();
    let at = server(1);
    let number = {
        let store = store(&directory);
        store
            .transaction(|tx| {
                put(tx, &at, LATER_MS, &[stamp(1, 1), stamp(2, 1)])?;
                let item = queue(tx, OutboxKind::Create, &at, 1, &create(1, None));
                pay(tx, &item, &mut create(1, None), NOW_MS)?;
                Ok::<_, StoreError>(item.number)
            })
            .unwrap()
    };
    // The program ends before there was an answer.
    let store = store(&directory);
    store
        .transaction(|tx| {
            let first = Payment::Stamp(stamp(1, 1)).to_field();
            assert_eq!(shown(tx, number), Some(first.clone()));
            let item = tx.outbox_item(number)?.unwrap();
            let mut frame = decode(item.frame.as_deref().unwrap())?;
            pay(tx, &item, &mut frame, NOW_MS)?;
            assert_eq!(shown(tx, number), Some(first), "the same create with the same stamp");
            assert_eq!(good(tx, &at, NOW_MS)?, [stamp(2, 1)]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_transaction_that_fails_leaves_the_stamp_in_the_purse() {
    let directory = tempfile::tempdir().unwrap();
    let (store, at) = (store(&directory), server(1));
    store.transaction(|tx| put(tx, &at, LATER_MS, &[stamp(1, 1)])).unwrap();
    let failed = store.transaction(|tx| {
        let item = queue(tx, OutboxKind::Create, &at, 1, &create(1, None));
        pay(tx, &item, &mut create(1, None), NOW_MS)?;
        Err::<(), _>(StoreError::Damaged("as if"))
    });
    assert!(failed.is_err());
    let left = store.transaction(|tx| good(tx, &at, NOW_MS)).unwrap();
    assert_eq!(left, [stamp(1, 1)]);
}

#[test]
fn acquaintances_and_other_servers_get_no_stamp() {
    let directory = tempfile::tempdir().unwrap();
    let (store, at) = (store(&directory), server(1));
    store
        .transaction(|tx| {
            put(tx, &at, LATER_MS, &[stamp(1, 1)])?;
            let knock = |pass: Vec<u8>| proto::ClientFrame {
                request: 0,
                body: Some(Body::Knock(proto::Knock { pass: pass.into(), ..proto::Knock::default() })),
            };
            let item = queue(tx, OutboxKind::Knock, &at, 1, &knock(vec![1; 32]));
            pay(tx, &item, &mut knock(vec![1; 32]), NOW_MS)?;
            let item = queue(tx, OutboxKind::Create, &server(2), 2, &create(2, None));
            pay(tx, &item, &mut create(2, None), NOW_MS)?;
            assert_eq!(shown(tx, item.number), None);
            assert_eq!(good(tx, &at, NOW_MS)?.len(), 1);
            let item = queue(tx, OutboxKind::Knock, &at, 3, &knock(Vec::new()));
            pay(tx, &item, &mut knock(Vec::new()), NOW_MS)?;
            assert!(shown(tx, item.number).is_some(), "a stranger");
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn what_is_not_taken_is_shown_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let (store, at) = (store(&directory), server(1));
    store
        .transaction(|tx| {
            let pays = |tx: &Tx<'_>, number| {
                let item = tx.outbox_item(number)?.unwrap();
                let mut frame = decode(item.frame.as_deref().unwrap())?;
                pay(tx, &item, &mut frame, NOW_MS)?;
                Ok::<_, StoreError>(tx.outbox_item(number)?.unwrap())
            };
            put(tx, &at, LATER_MS, &[stamp(1, 1), stamp(2, 1), stamp(3, 1), stamp(4, 2)])?;
            let number = queue(tx, OutboxKind::Create, &at, 1, &create(1, None)).number;
            let item = pays(tx, number)?;
            assert!(not_taken(tx, &item, RefusalCode::StampSpent, NOW_MS)?, "there are others");
            let item = pays(tx, number)?;
            assert_eq!(shown(tx, number), Some(Payment::Stamp(stamp(2, 1)).to_field()));
            assert!(not_taken(tx, &item, RefusalCode::StampUnknown, NOW_MS)?);
            assert_eq!(good(tx, &at, NOW_MS)?, [stamp(4, 2)], "those of that key are good for nothing");
            let item = pays(tx, number)?;
            assert!(!not_taken(tx, &item, RefusalCode::StampUnknown, NOW_MS)?, "and that was the last");
            assert_eq!(shown(tx, number), None);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Fetch { server: usize, count: u8, lasts_ms: u64 },
    Take { server: usize },
    Forget { server: usize, key: u8 },
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let day_ms = 24 * 60 * 60 * 1000_u64;
    prop_oneof![
        2 => (0..3_usize, 1..5_u8, 0..20 * day_ms).prop_map(|(server, count, lasts_ms)| Step::Fetch { server, count, lasts_ms }),
        5 => (0..3_usize).prop_map(|server| Step::Take { server }),
        1 => (0..3_usize, 0..4_u8).prop_map(|(server, key)| Step::Forget { server, key }),
        1 => (0..5 * day_ms).prop_map(|ms| Step::Wait { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// No stamp is had twice, none at another server, none after its time, none of a key that was forgotten; and none that
    /// is good is lost.
    #[test]
    fn a_purse_gives_each_stamp_once(steps in proptest::collection::vec(step(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&directory);
        let (mut now_ms, mut next) = (NOW_MS, 0_u8);
        // Number, server, key, end.
        let mut model: Vec<(u8, usize, u8, u64)> = Vec::new();
        let mut had = BTreeSet::new();
        for step in steps {
            store.transaction(|tx| {
                match step {
                    Step::Fetch { server: n, count, lasts_ms } => {
                        for _ in 0..count {
                            next += 1;
                            put(tx, &server(n), now_ms + lasts_ms, &[stamp(next, next % 4)])?;
                            model.push((next, n, next % 4, now_ms + lasts_ms));
                        }
                    }
                    Step::Take { server: n } => {
                        model.retain(|(_, _, _, until_ms)| *until_ms > now_ms + MARGIN_MS);
                        let taken = take(tx, &server(n), now_ms)?.map(|stamp| stamp.nonce[0]);
                        let at = model.iter().position(|(number, at, ..)| Some(*number) == taken && *at == n);
                        match at {
                            Some(at) => {
                                let (number, ..) = model.remove(at);
                                assert!(had.insert(number));
                            }
                            None => assert!(taken.is_none() && model.iter().all(|(_, at, ..)| *at != n)),
                        }
                    }
                    Step::Forget { server: n, key } => {
                        forget(tx, &server(n), StampKeyId([key; 32]), now_ms)?;
                        model.retain(|(_, at, of, _)| (*at, *of) != (n, key));
                    }
                    Step::Wait { ms } => now_ms += ms,
                }
                Ok::<_, StoreError>(())
            }).unwrap();
        }
    }
}

#[test]
fn a_stored_stamp_stays_as_it_is() {
    let note = StampNote { server: "https://sea.example".to_owned(), until_ms: 300, stamp: vec![1, 2] };
    let hex = data_encoding::HEXLOWER.encode(&note.encode_to_vec());
    assert_eq!(hex, "0a1368747470733a2f2f7365612e6578616d706c6510ac021a020102");
}
