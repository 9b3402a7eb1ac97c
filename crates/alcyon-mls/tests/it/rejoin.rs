//! Coming in by replay.

use alcyon_mls::{
    Entry, Group, Invalid, LocalDevice, Lost, MlsError, PreparedRejoin, Processed, RejoinReason, Replay, StoredTree, Suite, Verdict,
    adopt_rejoin, discard_rejoin, prepare_rejoin, rejoin_pending,
};
use alcyon_wire::{DoorId, SeatId};

use crate::{
    cast::{Device, is_valid, pair, seat, seen_nothing, text},
    log::{Changes, Log},
};

/// Replays what stands in the log after `from`.
pub fn replay(log: &Log, stored: &StoredTree, from: u64) -> Replay {
    let mut replay = Replay::from_tree(Suite::PRODUCT, stored).unwrap();
    for sequence in from + 1..=log.head() {
        let (header, message, payload_hash) = log.entry(sequence);
        if header.kind == alcyon_wire::EntryKind::Commit {
            replay.advance(&message, &Entry { header: &header, payload_hash }).unwrap();
        }
    }
    replay
}

impl Device {
    pub fn stored_tree(&self) -> StoredTree {
        self.group().stored_tree(&self.local()).unwrap()
    }

    pub fn prepare_rejoin(
        &self,
        log: &Log,
        replay: &Replay,
        group_info: &[u8],
        to: SeatId,
        reason: RejoinReason,
    ) -> Result<PreparedRejoin, MlsError> {
        let mut seen = seen_nothing(log);
        if log.head() > 0 {
            seen = alcyon_mls::Seen { sequence: log.head(), running_hash: log.running_hash(log.head()) };
        }
        prepare_rejoin(&self.rows, &self.local(), replay.ground(group_info)?, to, seen, reason)
    }

    /// Other private keys than the tree's: for this device alone every path is wrong.
    pub fn lose_keys(&mut self) {
        for (kind, key, mut value) in self.rows.dump() {
            if kind == alcyon_mls::RowKind::EpochKeyPairs {
                // A MessagePack byte string of 32 is a private key (an X-Wing seed). Public keys, which are longer ones, stay as they are.
                let mut at = 0;
                while at < value.len() {
                    let (head, length) = match value[at] {
                        0xC4 => (2, usize::from(value[at + 1])),
                        0xC5 => (3, usize::from(u16::from_be_bytes([value[at + 1], value[at + 2]]))),
                        _ => (1, 0),
                    };
                    let content = at + head..at + head + length;
                    if length == 32 {
                        value[content.clone()].fill(0x55);
                    }
                    at = content.end;
                }
                alcyon_mls::Rows::write(&self.rows, kind, &key, &value).unwrap();
            }
        }
        self.reload();
    }

    /// Reads the entry that holds its own rejoin.
    pub fn adopt(&mut self, log: &Log) -> Verdict {
        let id = self.group().id();
        let (header, message, payload_hash) = log.entry(log.head());
        let (group, verdict) = adopt_rejoin(&self.rows, &id, &message, &Entry { header: &header, payload_hash }).unwrap();
        if let Some(group) = group {
            self.group = Some(group);
            self.read = log.head();
        }
        verdict
    }
}

#[test]
fn a_restored_database_is_noticed_and_the_device_comes_back_in() {
    let (mut ann, mut bob, mut log) = pair();
    let copy = bob.rows.clone();
    let (copy_read, stored, stored_at) = (bob.read, ann.stored_tree(), log.head());

    bob.send(&mut log, "before the copy was restored");
    bob.renew(&mut log, seat(2));
    ann.catch_up(&log);
    ann.renew(&mut log, seat(1));
    ann.send(&mut log, "more");

    bob.rows = copy;
    bob.read = copy_read;
    bob.reload();
    assert_eq!(bob.read_one(&log).unwrap(), Processed::OwnApplication);
    assert_eq!(bob.read_one(&log).unwrap(), Processed::OwnCommitUnknown);

    let replay = replay(&log, &stored, stored_at);
    let info = ann.stored_tree().group_info;
    assert_eq!(replay.ground(&info).unwrap().commits_after(), 0);
    let rejoin = bob.prepare_rejoin(&log, &replay, &info, seat(2), RejoinReason::RolledBack).unwrap();
    assert!(rejoin_pending(&bob.rows, &bob.id()).unwrap());
    log.commit(&rejoin.message, Changes::none()).unwrap();
    let Verdict::Valid(summary) = bob.adopt(&log) else { panic!("refused") };
    assert!(summary.own && summary.joined);
    assert!(!rejoin_pending(&bob.rows, &bob.id()).unwrap());

    let read = ann.catch_up(&log);
    let Processed::Commit(Verdict::Valid(summary)) = read.last().unwrap() else { panic!("{read:?}") };
    assert_eq!(summary.data.rejoin, Some(RejoinReason::RolledBack));
    assert!(summary.joined && !summary.own && summary.removed.is_empty());
    assert_eq!(ann.group().members().count(), 2, "the old leaf is replaced");
    assert_eq!(ann.group().last_valid(), bob.group().last_valid());

    bob.reload();
    bob.send(&mut log, "back again");
    assert_eq!(text(&ann.catch_up(&log)[0]), "back again");
    ann.renew(&mut log, seat(1));
    assert!(is_valid(bob.catch_up(&log).last().unwrap()));
    ann.send(&mut log, "welcome back");
    assert_eq!(text(bob.catch_up(&log).last().unwrap()), "welcome back");
}

#[test]
fn the_prepared_state_lies_beside_the_live_group_and_goes_without_a_trace() {
    let (ann, mut bob, mut log) = pair();
    let before = bob.rows.dump();
    let stored = ann.stored_tree();
    let replay = replay(&log, &stored, log.head());
    let rejoin = bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(2), RejoinReason::LostState).unwrap();
    // A second one in its place leaves no more rows than the first.
    let rows = bob.rows.dump().len();
    bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(2), RejoinReason::LostState).unwrap();
    assert_eq!(bob.rows.dump().len(), rows);
    bob.reload();
    bob.send(&mut log, "the old leaf still speaks");
    let id = bob.id();
    let (header, _, payload_hash) = log.entry(1);
    assert!(matches!(
        adopt_rejoin(&bob.rows, &id, &rejoin.message, &Entry { header: &header, payload_hash }),
        Err(MlsError::NothingPending)
    ));
    discard_rejoin(&bob.rows, &id, Lost::refused(alcyon_wire::Verdict::Never).unwrap()).unwrap();
    let kept = |dump: Vec<(alcyon_mls::RowKind, Vec<u8>, Vec<u8>)>| dump.into_iter().map(|(kind, key, _)| (kind, key)).collect::<Vec<_>>();
    assert_eq!(kept(bob.rows.dump()), kept(before));
}

#[test]
fn adopting_leaves_the_rows_of_one_group() {
    let (ann, mut bob, mut log) = pair();
    let rows = bob.rows.dump().len();
    let stored = ann.stored_tree();
    let replay = replay(&log, &stored, log.head());
    let rejoin = bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(2), RejoinReason::LostState).unwrap();
    log.commit(&rejoin.message, Changes::none()).unwrap();
    assert!(matches!(bob.adopt(&log), Verdict::Valid(_)));
    assert_eq!(bob.rows.dump().len(), rows);
}

#[test]
fn the_old_leaf_knows_its_own_rejoin() {
    let (ann, mut bob, mut log) = pair();
    let stored = ann.stored_tree();
    let replay = replay(&log, &stored, log.head());
    let rejoin = bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(2), RejoinReason::LostState).unwrap();
    log.commit(&rejoin.message, Changes::none()).unwrap();
    assert_eq!(bob.read_one(&log).unwrap(), Processed::OwnRejoin);
    bob.read -= 1;
    // Without the row it was another life of this device.
    discard_rejoin(&bob.rows, &bob.id(), Lost::refused(alcyon_wire::Verdict::Never).unwrap()).unwrap();
    assert_eq!(bob.read_one(&log).unwrap(), Processed::OwnCommitUnknown);
}

#[test]
fn a_rejoin_that_the_header_makes_invalid_leaves_the_live_group() {
    let (mut ann, mut bob, mut log) = pair();
    let stored = ann.stored_tree();
    let replay = replay(&log, &stored, log.head());
    let rejoin = bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(2), RejoinReason::LostState).unwrap();
    log.commit(&rejoin.message, Changes { dropped: vec![seat(1)], ..Changes::none() }).unwrap();
    assert_eq!(bob.adopt(&log), Verdict::Invalid(Invalid::Seats));
    assert_eq!(ann.catch_up(&log), [Processed::Commit(Verdict::Invalid(Invalid::Seats))]);
    bob.read = log.head();
    bob.reload();
    bob.send(&mut log, "as before");
    assert_eq!(text(&ann.catch_up(&log)[0]), "as before");
}

#[test]
fn a_new_seat_by_a_door_comes_without_rights() {
    let (mut ann, mut bob, mut log) = pair();
    let stored = ann.stored_tree();
    let replay = replay(&log, &stored, log.head());
    let rejoin = bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(3), RejoinReason::LostState).unwrap();
    let door = Some(DoorId::from([1; 16]));
    log.commit(&rejoin.message, Changes { added: vec![seat(3)], by_door: door, ..Changes::none() }).unwrap();
    assert!(matches!(bob.adopt(&log), Verdict::Valid(_)));
    assert!(is_valid(&ann.catch_up(&log)[0]));
    assert_eq!(ann.group().members().last().unwrap().seat, Some(seat(3)));
}

#[test]
fn a_new_device_is_backed_by_its_sibling_and_a_stranger_by_nobody() {
    let (ann_person, bob_person) = (crate::cast::Person::new(), crate::cast::Person::new());
    let (mut ann, mut bob) = (ann_person.device(), bob_person.device());
    let mut log = Log::new(alcyon_wire::JoinSecret::from([7; 32]));
    let rules = alcyon_mls::GroupRules::pair(alcyon_wire::ConversationId::from([3; 16]), 0, log.id);
    let package = bob.package(alcyon_mls::KeyPackageUse::OneTime);
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[package]).unwrap();
    ann.group = Some(created.group);
    bob.group = Some(Group::join(&bob.rows, &bob.local(), &created.welcome.unwrap(), &created.stored.tree).unwrap());

    let replay = replay(&log, &created.stored, 0);
    let info = &created.stored.group_info;
    let eve = crate::cast::Person::new().device();
    let refused = eve.prepare_rejoin(&log, &replay, info, seat(4), RejoinReason::LostState);
    assert!(matches!(refused, Err(MlsError::NotBacked)), "{refused:?}");

    let tablet = ann_person.device();
    let coming = tablet.prepare_rejoin(&log, &replay, info, seat(4), RejoinReason::LostState).unwrap();
    log.commit(&coming.message, Changes { added: vec![seat(4)], ..Changes::none() }).unwrap();
    for device in [&mut ann, &mut bob] {
        let read = device.catch_up(&log);
        let Processed::Commit(Verdict::Valid(summary)) = &read[0] else { panic!("{read:?}") };
        assert_eq!(summary.by.chain.device(), tablet.key.id());
        assert_eq!(summary.data.rejoin, None);
        assert_eq!(device.group().members().count(), 3);
    }
}

#[test]
fn a_new_era_shuts_the_old_devices_out_and_replaces_leaves() {
    let mut person = crate::cast::Person::new();
    let (mut ann, mut bob) = (crate::cast::Person::new().device(), person.device());
    let mut log = Log::new(alcyon_wire::JoinSecret::from([7; 32]));
    let rules = alcyon_mls::GroupRules::pair(alcyon_wire::ConversationId::from([3; 16]), 0, log.id);
    let package = bob.package(alcyon_mls::KeyPackageUse::OneTime);
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[package]).unwrap();
    ann.group = Some(created.group);
    bob.group = Some(Group::join(&bob.rows, &bob.local(), &created.welcome.unwrap(), &created.stored.tree).unwrap());
    let stolen = person.device();
    person.new_era();
    bob.chain = person.era.certify(bob.key.id()).unwrap();
    bob.renew(&mut log, seat(9));
    assert!(is_valid(&ann.catch_up(&log)[0]));
    assert_eq!(ann.group().members().last().unwrap().chain.era(), 2);

    let stored = ann.stored_tree();
    let replay = replay(&log, &stored, log.head());
    let refused = stolen.prepare_rejoin(&log, &replay, &stored.group_info, seat(4), RejoinReason::LostState);
    assert!(matches!(refused, Err(MlsError::NotBacked)), "{refused:?}");
}

#[test]
fn a_path_that_does_not_open_is_no_verdict_but_a_reason_to_rejoin() {
    let (mut ann, mut bob, mut log) = pair();
    bob.lose_keys();
    ann.renew(&mut log, seat(1));
    let before = bob.rows.dump();
    let refused = bob.read_one(&log);
    let Err(MlsError::CantOpenPath { by }) = refused else { panic!("{refused:?}") };
    assert_eq!(by.chain.device(), ann.key.id());
    assert_eq!(bob.rows.dump(), before);

    let mut replay = Replay::from_group(&bob.rows, &bob.id()).unwrap();
    let (header, message, payload_hash) = log.entry(log.head());
    assert!(matches!(replay.advance(&message, &Entry { header: &header, payload_hash }).unwrap(), Verdict::Valid(_)));
    let info = ann.stored_tree().group_info;
    let rejoin = bob.prepare_rejoin(&log, &replay, &info, seat(2), RejoinReason::PathNotOpened).unwrap();
    log.commit(&rejoin.message, Changes::none()).unwrap();
    assert!(matches!(bob.adopt(&log), Verdict::Valid(_)));
    assert!(is_valid(&ann.catch_up(&log)[0]));
    ann.send(&mut log, "you are back");
    assert_eq!(text(&bob.catch_up(&log)[0]), "you are back");
}

#[test]
fn an_invalid_commit_needs_no_rejoin_even_if_its_path_does_not_open() {
    let (mut ann, mut bob, mut log) = pair();
    let commit = ann.update(&log, seat(1)).unwrap();
    log.commit(&commit.message, Changes { dropped: vec![seat(2)], ..Changes::none() }).unwrap();
    bob.lose_keys();
    assert_eq!(bob.catch_up(&log), [Processed::Commit(Verdict::Invalid(Invalid::Seats))]);
}

#[test]
fn local_device_of_another_key_is_refused() {
    let (ann, bob, _) = pair();
    assert!(matches!(LocalDevice::new(&ann.chain, &bob.key), Err(MlsError::NotTheDevice)));
}
