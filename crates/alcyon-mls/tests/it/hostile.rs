//! What members, door holders and servers may try.

use alcyon_identity::DeviceKey;
use alcyon_mls::{Entry, Group, GroupRules, Invalid, KeyPackageUse, MlsError, Processed, RejoinReason, Replay, StoredTree, Suite, Verdict};
use alcyon_wire::{ConversationId, EntryKind};
use tls_codec::{DeserializeBytes, Serialize, VLBytes};

use crate::{
    cast::{Person, is_valid, pair, request, seat, text},
    log::{Changes, Log},
    rejoin::replay,
};

/// The parts of a GroupInfo in an MLSMessage (RFC 9420 section 12.4.3).
struct Info {
    context_and_extensions: Vec<u8>,
    tag: Vec<u8>,
    signer: [u8; 4],
}

impl Info {
    fn read(bytes: &[u8]) -> Self {
        let context = &bytes[4..];
        // GroupContext: version, suite, group id, epoch, tree hash, transcript hash, extensions; then extensions.
        let rest = skip_vector(&context[4..]);
        let rest = skip_vector(skip_vector(skip_vector(&rest[8..])));
        let rest = skip_vector(rest);
        let (tag, rest) = VLBytes::tls_deserialize_bytes(rest).unwrap();
        Self {
            context_and_extensions: context[..context.len() - rest.len() - tag.tls_serialize_detached().unwrap().len()].to_vec(),
            tag: tag.as_slice().to_vec(),
            signer: rest[..4].try_into().unwrap(),
        }
    }

    fn sign(&self, key: &DeviceKey) -> Vec<u8> {
        let signed = [&self.context_and_extensions[..], &vector(&self.tag), &self.signer].concat();
        let labelled = [vector(b"MLS 1.0 GroupInfoTBS"), vector(&signed)].concat();
        // MLSMessage: version 1, wire format 4.
        [&[0, 1, 0, 4][..], &signed, &vector(&key.sign(&labelled))].concat()
    }
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    VLBytes::from(bytes.to_vec()).tls_serialize_detached().unwrap()
}

fn skip_vector(bytes: &[u8]) -> &[u8] {
    VLBytes::tls_deserialize_bytes(bytes).unwrap().1
}

#[test]
fn a_group_info_signed_by_a_member_with_a_wrong_tag_is_refused() {
    let (ann, ..) = pair();
    let stored = ann.stored_tree();
    let replay = Replay::from_tree(Suite::PRODUCT, &stored).unwrap();
    let mut info = Info::read(&stored.group_info);
    assert_eq!(info.sign(&ann.key), stored.group_info, "taken apart and put together it is the same");
    info.tag[0] ^= 1;
    let refused = replay.ground(&info.sign(&ann.key)).map(|_| ());
    assert!(matches!(refused, Err(MlsError::OtherState("another confirmation tag"))), "{refused:?}");
    let refused = replay.ground(&info.sign(&Person::new().device().key)).map(|_| ());
    assert!(matches!(refused, Err(MlsError::Untrue { what: "GroupInfo", .. })), "{refused:?}");
}

#[test]
fn a_group_info_with_a_tree_inside_is_refused() {
    let (ann, bob, _) = pair();
    let stored = ann.stored_tree();
    let replay = Replay::from_tree(Suite::PRODUCT, &stored).unwrap();
    let mut info = Info::read(&stored.group_info);
    // The extensions are the last vector of this part: put a ratchet_tree extension (type 2) in front of them.
    let extensions_at = {
        let rest = skip_vector(&info.context_and_extensions[4..]);
        let rest = skip_vector(skip_vector(skip_vector(&rest[8..])));
        info.context_and_extensions.len() - rest.len()
    };
    let (others, _) = VLBytes::tls_deserialize_bytes(&info.context_and_extensions[extensions_at..]).unwrap();
    let tree = [&[0, 2][..], &vector(&stored.tree), others.as_slice()].concat();
    info.context_and_extensions.truncate(extensions_at);
    info.context_and_extensions.extend(vector(&tree));
    let poisoned = info.sign(&ann.key);
    assert!(matches!(replay.ground(&poisoned).map(|_| ()), Err(MlsError::TreeInside)));
    let stored = StoredTree { tree: stored.tree, group_info: poisoned };
    assert!(matches!(Replay::from_tree(Suite::PRODUCT, &stored), Err(MlsError::TreeInside)));
    drop(bob);
}

#[test]
fn a_poisoned_tree_or_an_old_or_foreign_group_info_is_refused() {
    let (mut ann, mut bob, mut log) = pair();
    let old = ann.stored_tree();
    ann.renew(&mut log, seat(1));
    bob.catch_up(&log);
    let new = bob.stored_tree();
    // Tree and GroupInfo of two states.
    let mixed = Replay::from_tree(Suite::PRODUCT, &StoredTree { tree: old.tree.clone(), group_info: new.group_info.clone() });
    assert!(matches!(mixed, Err(MlsError::Untrue { .. })), "{mixed:?}");
    let mut damaged = new.clone();
    let middle = damaged.tree.len() / 2;
    damaged.tree[middle] ^= 1;
    assert!(Replay::from_tree(Suite::PRODUCT, &damaged).is_err());
    // A stranger's group.
    let (eve, ..) = pair();
    let replay = Replay::from_tree(Suite::PRODUCT, &new).unwrap();
    let refused = replay.ground(&eve.stored_tree().group_info).map(|_| ());
    assert!(matches!(refused, Err(MlsError::OtherState("another group context"))), "{refused:?}");
    // One of an epoch before the replay began.
    let refused = replay.ground(&old.group_info).map(|_| ());
    assert!(matches!(refused, Err(MlsError::OtherState("another group context"))), "{refused:?}");
}

#[test]
fn a_commit_with_a_wrong_tag_is_invalid_for_members_and_a_step_back_for_replayers() {
    let (mut ann, mut bob, mut log) = pair();
    let stored = ann.stored_tree();
    let start = log.head();
    let commit = ann.update(&log, seat(1)).unwrap();
    let mut forged = commit.message.clone();
    *forged.last_mut().unwrap() ^= 1; // the membership tag: only members can check it
    log.commit(&forged, Changes::none()).unwrap();
    assert_eq!(bob.catch_up(&log), [Processed::Commit(Verdict::Invalid(Invalid::Mls))]);
    assert_eq!(ann.catch_up(&log), [Processed::Commit(Verdict::Invalid(Invalid::Mls))]);
    assert!(ann.group().pending(), "the true one may still be sent");
    log.commit(&commit.message, Changes::none()).unwrap();
    assert!(is_valid(&bob.catch_up(&log)[0]));
    assert!(is_valid(&ann.catch_up(&log)[0]));
    bob.renew(&mut log, seat(2));
    ann.catch_up(&log);

    // From outside the forged one looks valid; the true ones name their ground, and find it.
    let replay = replay(&log, &stored, start);
    assert_eq!(replay.last_valid(), ann.group().last_valid());
    let info = bob.stored_tree().group_info;
    assert_eq!(replay.ground(&info).unwrap().commits_after(), 0);
    let rejoin = bob.prepare_rejoin(&log, &replay, &info, seat(2), RejoinReason::LostState).unwrap();
    log.commit(&rejoin.message, Changes::none()).unwrap();
    assert!(matches!(bob.adopt(&log), Verdict::Valid(_)));
    assert!(is_valid(&ann.catch_up(&log)[0]));
}

#[test]
fn a_replayer_that_followed_a_forged_newest_commit_steps_back_to_what_a_member_confirms() {
    let (mut ann, mut bob, mut log) = pair();
    let stored = ann.stored_tree();
    let start = log.head();
    let mut forged = ann.update(&log, seat(1)).unwrap().message;
    *forged.last_mut().unwrap() ^= 1;
    log.commit(&forged, Changes::none()).unwrap();
    ann.catch_up(&log);
    let replay = replay(&log, &stored, start);
    assert_ne!(replay.last_valid(), ann.group().last_valid());
    let ground = replay.ground(&stored.group_info).unwrap();
    assert_eq!(ground.commits_after(), 1);
    drop(ground);
    let rejoin = bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(2), RejoinReason::LostState).unwrap();
    log.commit(&rejoin.message, Changes::none()).unwrap();
    bob.read = log.head() - 1;
    assert!(matches!(bob.adopt(&log), Verdict::Valid(_)));
    assert!(is_valid(ann.catch_up(&log).last().unwrap()));
}

#[test]
fn a_welcome_with_another_tree_or_another_term_is_refused() {
    let (ann, bob) = (Person::new().device(), Person::new().device());
    let (other, ..) = request(Suite::PRODUCT);
    let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, alcyon_wire::LogId::from([5; 16]));
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[bob.package(KeyPackageUse::LastResort)]).unwrap();
    let welcome = created.welcome.unwrap();
    let refused = Group::join(&bob.rows, &bob.local(), &welcome, &other.stored_tree().tree);
    assert!(matches!(refused, Err(MlsError::Untrue { what: "Welcome", .. })), "{refused:?}");
    let mut damaged = welcome.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(Group::join(&bob.rows, &bob.local(), &damaged, &created.stored.tree).is_err());
    assert!(matches!(Group::join(&bob.rows, &bob.local(), b"", &created.stored.tree), Err(MlsError::Malformed { .. })));
    assert!(matches!(Group::join(&bob.rows, &bob.local(), &welcome, b"\xff"), Err(MlsError::Malformed { .. })));
    Group::join(&bob.rows, &bob.local(), &welcome, &created.stored.tree).unwrap();
}

#[test]
fn numbers_that_are_not_known_pause() {
    let bytes = GroupRules { rules: 3, ..GroupRules::pair(ConversationId::from([3; 16]), 0, alcyon_wire::LogId::from([5; 16])) }.encode();
    assert!(matches!(GroupRules::decode(&bytes), Err(MlsError::UnknownRules { protocol: 1, rules: 3 })));

    let (ann, bob) = (Person::new().device(), Person::new().device());
    let mut rules = GroupRules::pair(ConversationId::from([3; 16]), 0, alcyon_wire::LogId::from([5; 16]));
    rules.protocol = 9;
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[bob.package(KeyPackageUse::OneTime)]);
    assert!(matches!(created, Err(MlsError::UnknownRules { protocol: 9, rules: 1 })), "{created:?}");
}

#[test]
fn any_flipped_bit_of_a_commit_makes_it_invalid_and_changes_nothing() {
    let (mut ann, mut bob, log) = pair();
    let commit = ann.update(&log, seat(1)).unwrap();
    let mut header = log.entry(log.head()).0;
    header.sequence += 1;
    header.kind = EntryKind::Commit;
    header.changes = alcyon_wire::SeatChanges::default();
    let payload_hash = alcyon_wire::payload_hash(b"");
    let entry = Entry { header: &header, payload_hash };
    let before = bob.rows.dump();
    for at in (0..commit.message.len()).step_by(37).chain(commit.message.len() - 140..commit.message.len()) {
        let mut damaged = commit.message.clone();
        damaged[at] ^= 0x10;
        let read = bob.group.as_mut().unwrap().process(&bob.rows, &damaged, &entry).unwrap();
        assert!(matches!(read, Processed::Commit(Verdict::Invalid(_))), "byte {at}: {read:?}");
    }
    assert_eq!(bob.rows.dump(), before);
    let read = bob.group.as_mut().unwrap().process(&bob.rows, &commit.message, &entry).unwrap();
    assert!(is_valid(&read), "{read:?}");
}

#[test]
fn somebody_else_s_commit_that_claims_to_be_mine_is_no_alarm() {
    let (mut ann, mut bob, mut log) = pair();
    let mut commit = ann.update(&log, seat(1)).unwrap().message;
    // The sender's leaf index stands after version, format, group id, epoch and sender type.
    let at = 4 + 1 + 32 + 8 + 1 + 3;
    assert_eq!(commit[at], u8::try_from(ann.group().own_leaf().0).unwrap());
    commit[at] = u8::try_from(bob.group().own_leaf().0).unwrap();
    log.commit(&commit, Changes::none()).unwrap();
    assert_eq!(bob.catch_up(&log), [Processed::Commit(Verdict::Invalid(Invalid::Mls))]);
    bob.send(&mut log, "not impressed");
    assert_eq!(text(ann.catch_up(&log).last().unwrap()), "not impressed");
}

#[test]
fn a_wrong_key_opens_nothing() {
    let (_, _, log) = pair();
    let sealed = log.key.seal_handshake(b"handshake").unwrap();
    let other = Log::new(alcyon_wire::JoinSecret::from([8; 32]));
    assert!(matches!(other.key.open_handshake(&sealed), Err(MlsError::Sealed { .. })));
}
