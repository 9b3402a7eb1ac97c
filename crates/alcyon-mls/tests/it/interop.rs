//! A peer on another implementation (mls-rs): what this crate makes is RFC 9420, and no dialect.

use std::{sync::atomic::Ordering, time::Duration};

use alcyon_identity::{Chain, DeviceKey};
use alcyon_mls::{
    CommitData, Group, GroupRules, Invalid, LastValid, MlsError, Processed, RULES_PAIR, RejoinReason, Replay, Suite, Verdict,
    judge_key_package,
};
use alcyon_wire::{ConversationId, JoinSecret, SeatId, proto};
use mls_rs::{
    CipherSuite, Client, CryptoProvider, Extension, ExtensionList, IdentityProvider, MlsMessage,
    client_builder::{MlsConfig, PaddingMode},
    crypto::SignatureSecretKey,
    error::IntoAnyError,
    extension::ExtensionType,
    group::{ExportedTree, ReceivedMessage},
    identity::{Credential, CredentialType, CustomCredential, SigningIdentity},
    mls_rules::{CommitOptions, DefaultMlsRules, EncryptionOptions},
    time::MlsTime,
};
use mls_rs_core::identity::MemberValidationContext;
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use prost::Message;

use crate::{
    bridge::Bridge,
    cast::{Device, Person, is_valid, seat, seen_nothing, text},
    log::{Changes, Log},
};

const CREDENTIAL: u16 = 0xF0A3;
const LEAF_SEAT: u16 = 0xF0A1;
const GROUP_RULES: u16 = 0xF0A2;

/// Takes every chain: what is tested here is the protocol.
#[derive(Clone)]
struct AnyChain;

#[derive(Debug)]
struct Never;

impl IntoAnyError for Never {}

impl IdentityProvider for AnyChain {
    type Error = Never;

    fn validate_member(&self, _: &SigningIdentity, _: Option<MlsTime>, _: MemberValidationContext<'_>) -> Result<(), Never> {
        Ok(())
    }

    fn validate_external_sender(&self, _: &SigningIdentity, _: Option<MlsTime>, _: Option<&ExtensionList>) -> Result<(), Never> {
        Ok(())
    }

    fn identity(&self, identity: &SigningIdentity, _: &ExtensionList) -> Result<Vec<u8>, Never> {
        Ok(identity.credential.as_custom().map(|custom| custom.data().to_vec()).unwrap_or_default())
    }

    fn valid_successor(&self, _: &SigningIdentity, _: &SigningIdentity, _: &ExtensionList) -> Result<bool, Never> {
        Ok(true)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::new(CREDENTIAL)]
    }
}

fn peer(crypto: impl CryptoProvider + Clone, suite: Suite, chain: &Chain, key: &DeviceKey) -> Client<impl MlsConfig> {
    let credential = Credential::Custom(CustomCredential::new(CredentialType::new(CREDENTIAL), chain.encode()));
    let identity = SigningIdentity::new(credential, key.id().as_bytes().to_vec().into());
    let secret = SignatureSecretKey::from([&key.to_bytes()[..], key.id().as_bytes()].concat());
    let rules = DefaultMlsRules::new()
        .with_commit_options(
            CommitOptions::new().with_path_required(true).with_ratchet_tree_extension(false).with_allow_external_commit(true),
        )
        .with_encryption_options(EncryptionOptions::new(false, PaddingMode::None));
    Client::builder()
        .identity_provider(AnyChain)
        .crypto_provider(crypto)
        .extension_types([ExtensionType::new(LEAF_SEAT), ExtensionType::new(GROUP_RULES)])
        .key_package_lifetime(Duration::from_secs(u64::MAX))
        .mls_rules(rules)
        .signing_identity(identity, secret, CipherSuite::from(suite.number()))
        .build()
}

fn on_seat(seat: SeatId) -> ExtensionList {
    let leaf = proto::LeafSeat { seat: seat.to_field() }.encode_to_vec();
    let mut list = ExtensionList::new();
    list.set(Extension::new(ExtensionType::new(LEAF_SEAT), leaf));
    list
}

fn data(log: &Log, last_valid: Option<LastValid>, rejoin: Option<RejoinReason>) -> Vec<u8> {
    let mut seen = seen_nothing(log);
    if log.head() > 0 {
        seen = alcyon_mls::Seen { sequence: log.head(), running_hash: log.running_hash(log.head()) };
    }
    CommitData { rules: RULES_PAIR, seen, last_valid, rejoin, door: None, leaves: Vec::new() }.encode()
}

type PeerGroup<C> = mls_rs::Group<C>;

fn receive<C: MlsConfig>(group: &mut PeerGroup<C>, message: &[u8]) -> ReceivedMessage {
    group.process_incoming_message(MlsMessage::from_bytes(message).unwrap()).unwrap()
}

fn hear<C: MlsConfig>(group: &mut PeerGroup<C>, message: &[u8]) -> String {
    match receive(group, message) {
        ReceivedMessage::ApplicationMessage(message) => String::from_utf8(alcyon_mls::unpad(message.data()).unwrap().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn say<C: MlsConfig>(group: &mut PeerGroup<C>, log: &mut Log, text: &str) {
    let message = group.encrypt_application_message(&alcyon_mls::pad(text.as_bytes()), Vec::new()).unwrap();
    log.append(&message.to_bytes().unwrap());
}

/// Ann, on this crate, begins with Bob, on mls-rs.
fn begin<C: MlsConfig>(suite: Suite, bob: &Client<C>) -> (Device, PeerGroup<C>, Log) {
    let mut ann = Person::new().device();
    ann.suite = suite;
    let log = Log::new(JoinSecret::from([7; 32]));
    let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, log.id);
    let package = bob.generate_key_package_message(ExtensionList::new(), ExtensionList::new(), Some(MlsTime::from(0))).unwrap();
    let package = package.to_bytes().unwrap();
    let package = judge_key_package(suite, &package[4..]).unwrap();
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[package]).unwrap();
    ann.group = Some(created.group);
    let tree = ExportedTree::from_bytes(&created.stored.tree).unwrap();
    let (group, _) = bob.join_group(Some(tree), &MlsMessage::from_bytes(&created.welcome.unwrap()).unwrap(), None).unwrap();
    (ann, group, log)
}

/// The peer commits an update onto `to`.
fn renew<C: MlsConfig>(group: &mut PeerGroup<C>, log: &mut Log, last_valid: Option<LastValid>, to: SeatId, changes: Changes) {
    let commit =
        group.commit_builder().authenticated_data(data(log, last_valid, None)).set_leaf_node_extensions(on_seat(to)).build().unwrap();
    log.commit(&commit.commit_message.to_bytes().unwrap(), changes).unwrap();
    group.apply_pending_commit().unwrap();
}

fn whole_life(suite: Suite, crypto: impl CryptoProvider + Clone) {
    let person = Person::new();
    let device = person.device();
    let client = peer(crypto, suite, &device.chain, &device.key);
    let (mut ann, mut bob, mut log) = begin(suite, &client);
    let agree = |ann: &Device, bob: &PeerGroup<_>| {
        assert_eq!(ann.epoch(), bob.current_epoch());
        let theirs = bob.export_secret(b"interop", b"context", 32).unwrap();
        assert_eq!(ann.group().export("interop", b"context").unwrap()[..], theirs.as_bytes()[..]);
        assert_eq!(ann.stored_tree().tree, bob.export_tree().to_bytes().unwrap());
    };
    agree(&ann, &bob);

    // Both talk in the first epoch.
    assert_eq!(hear(&mut bob, &ann.encrypt("from OpenMLS")), "from OpenMLS");
    say(&mut bob, &mut log, "from mls-rs");
    assert_eq!(text(&ann.catch_up(&log)[0]), "from mls-rs");

    // The peer accepts: a commit with path, data and seat.
    renew(&mut bob, &mut log, None, seat(2), Changes { added: vec![seat(2)], dropped: vec![seat(9)], ..Changes::none() });
    let read = ann.catch_up(&log);
    let Processed::Commit(Verdict::Valid(summary)) = &read[0] else { panic!("{read:?}") };
    assert_eq!((summary.by.chain.device(), summary.by.seat), (device.key.id(), Some(seat(2))));
    agree(&ann, &bob);

    // This side commits.
    ann.renew(&mut log, seat(1));
    let (_, message, _) = log.entry(log.head());
    assert!(matches!(receive(&mut bob, &message), ReceivedMessage::Commit(_)));
    agree(&ann, &bob);
    assert_eq!(hear(&mut bob, &ann.encrypt("new epoch")), "new epoch");

    // The peer lost its state and comes in again by an external commit.
    let stored = ann.stored_tree();
    let (mut bob, commit) = client
        .external_commit_builder()
        .unwrap()
        .commit_time(MlsTime::from(0))
        .with_tree_data(ExportedTree::from_bytes(&stored.tree).unwrap())
        .with_removal(bob.current_member_index())
        .with_authenticated_data(data(&log, ann.group().last_valid(), Some(RejoinReason::LostState)))
        .with_leaf_node_extensions(on_seat(seat(2)))
        .build(MlsMessage::from_bytes(&stored.group_info).unwrap())
        .unwrap();
    log.commit(&commit.to_bytes().unwrap(), Changes::none()).unwrap();
    let read = ann.catch_up(&log);
    let Processed::Commit(Verdict::Valid(summary)) = &read[0] else { panic!("{read:?}") };
    assert_eq!(summary.data.rejoin, Some(RejoinReason::LostState));
    agree(&ann, &bob);

    // And so does this side, replaying from its own state.
    let replay = Replay::from_group(&ann.rows, &ann.id()).unwrap();
    let info = bob.group_info_message_allowing_ext_commit(false).unwrap().to_bytes().unwrap();
    let rejoin = ann.prepare_rejoin(&log, &replay, &info, seat(1), RejoinReason::RolledBack).unwrap();
    log.commit(&rejoin.message, Changes::none()).unwrap();
    assert!(matches!(ann.adopt(&log), Verdict::Valid(_)));
    assert!(matches!(receive(&mut bob, &rejoin.message), ReceivedMessage::Commit(_)));
    agree(&ann, &bob);
    say(&mut bob, &mut log, "still here");
    assert_eq!(text(&ann.catch_up(&log)[0]), "still here");
    assert_eq!(hear(&mut bob, &ann.encrypt("so am I")), "so am I");
}

#[test]
fn a_peer_on_mls_rs_with_its_own_cryptography() {
    whole_life(Suite::MANDATORY, RustCryptoProvider::default());
}

#[test]
fn a_peer_on_mls_rs_in_the_product_s_suite() {
    whole_life(Suite::PRODUCT, Bridge::default());
}

#[test]
fn what_the_rules_forbid_is_invalid_though_it_is_sound_mls() {
    let suite = Suite::PRODUCT;
    let device = Person::new().device();
    let client = peer(Bridge::default(), suite, &device.chain, &device.key);
    let stranger = Person::new().device();
    let eve = peer(Bridge::default(), suite, &stranger.chain, &stranger.key);
    let (mut ann, mut bob, mut log) = begin(suite, &client);
    let package = eve.generate_key_package_message(ExtensionList::new(), ExtensionList::new(), Some(MlsTime::from(0))).unwrap();
    let rules = ann.group().rules().encode();
    let context = |rules: &[u8]| {
        let mut list = bob.context().extensions.clone();
        list.set(Extension::new(ExtensionType::new(GROUP_RULES), rules.to_vec()));
        list
    };
    let (mut other_rules, same_rules) = (rules.clone(), context(&rules));
    *other_rules.last_mut().unwrap() ^= 1;
    let other_rules = context(&other_rules);

    let mut attempt = |build: &mut dyn FnMut(&mut PeerGroup<_>, Vec<u8>) -> MlsMessage, expected: Invalid| {
        let authenticated = data(&log, None, None);
        let message = build(&mut bob, authenticated).to_bytes().unwrap();
        bob.clear_pending_commit();
        log.commit(&message, Changes { added: vec![seat(2)], dropped: vec![seat(9)], ..Changes::none() }).unwrap();
        assert_eq!(ann.catch_up(&log), [Processed::Commit(Verdict::Invalid(expected))]);
        assert_eq!(ann.epoch(), 1);
    };
    attempt(
        &mut |bob, data| {
            let builder = bob.commit_builder().authenticated_data(data).set_leaf_node_extensions(on_seat(seat(2)));
            builder.add_member(package.clone()).unwrap().build().unwrap().commit_message
        },
        Invalid::Proposals,
    );
    for extensions in [&same_rules, &other_rules] {
        attempt(
            &mut |bob, data| {
                let builder = bob.commit_builder().authenticated_data(data).set_leaf_node_extensions(on_seat(seat(2)));
                builder.set_group_context_ext(extensions.clone()).unwrap().build().unwrap().commit_message
            },
            Invalid::Proposals,
        );
    }
    attempt(
        &mut |bob, data| {
            let builder = bob.commit_builder().authenticated_data(data).set_leaf_node_extensions(on_seat(seat(2)));
            builder.remove_member(0).unwrap().build().unwrap().commit_message
        },
        Invalid::Removal,
    );
    attempt(&mut |bob, data| bob.commit_builder().authenticated_data(data).build().unwrap().commit_message, Invalid::Seats);
    attempt(&mut |bob, _| bob.commit_builder().set_leaf_node_extensions(on_seat(seat(2))).build().unwrap().commit_message, Invalid::Data);
    attempt(
        &mut |bob, data| {
            // Somebody else's chain over the own key.
            let credential = Credential::Custom(CustomCredential::new(CredentialType::new(CREDENTIAL), stranger.chain.encode()));
            let identity = SigningIdentity::new(credential, device.key.id().as_bytes().to_vec().into());
            let secret = SignatureSecretKey::from([&device.key.to_bytes()[..], device.key.id().as_bytes()].concat());
            let builder = bob.commit_builder().authenticated_data(data).set_leaf_node_extensions(on_seat(seat(2)));
            builder.set_new_signing_identity(secret, identity).build().unwrap().commit_message
        },
        Invalid::Credential,
    );
    attempt(
        &mut |bob, data| {
            // A whole other account in the own leaf.
            let credential = Credential::Custom(CustomCredential::new(CredentialType::new(CREDENTIAL), stranger.chain.encode()));
            let identity = SigningIdentity::new(credential, stranger.key.id().as_bytes().to_vec().into());
            let secret = SignatureSecretKey::from([&stranger.key.to_bytes()[..], stranger.key.id().as_bytes()].concat());
            let builder = bob.commit_builder().authenticated_data(data).set_leaf_node_extensions(on_seat(seat(2)));
            builder.set_new_signing_identity(secret, identity).build().unwrap().commit_message
        },
        Invalid::Author,
    );

    // A stranger who has the handshake key can not come in, nor put somebody else out.
    let stored = ann.stored_tree();
    for removal in [None, Some(0), Some(1)] {
        let builder = eve
            .external_commit_builder()
            .unwrap()
            .commit_time(MlsTime::from(0))
            .with_tree_data(ExportedTree::from_bytes(&stored.tree).unwrap());
        let builder = match removal {
            None => builder,
            Some(index) => builder.with_removal(index),
        };
        let reason = removal.map(|_| RejoinReason::LostState);
        let (_, commit) = builder
            .with_authenticated_data(data(&log, None, reason))
            .with_leaf_node_extensions(on_seat(seat(6)))
            .build(MlsMessage::from_bytes(&stored.group_info).unwrap())
            .unwrap();
        log.commit(&commit.to_bytes().unwrap(), Changes { added: vec![seat(6)], ..Changes::none() }).unwrap();
        let expected = if removal.is_some() { Invalid::Removal } else { Invalid::Backing };
        assert_eq!(ann.catch_up(&log), [Processed::Commit(Verdict::Invalid(expected))]);
    }

    // After all that the group goes on.
    renew(&mut bob, &mut log, None, seat(2), Changes { added: vec![seat(2)], dropped: vec![seat(9)], ..Changes::none() });
    assert!(is_valid(&ann.catch_up(&log)[0]));
}

#[test]
fn a_committer_who_spoils_a_path_is_named_and_his_victim_comes_back() {
    let suite = Suite::PRODUCT;
    let device = Person::new().device();
    let crypto = Bridge::default();
    let client = peer(crypto.clone(), suite, &device.chain, &device.key);
    let (mut ann, mut bob, mut log) = begin(suite, &client);
    crypto.spoil.store(true, Ordering::Relaxed);
    renew(&mut bob, &mut log, None, seat(2), Changes { added: vec![seat(2)], dropped: vec![seat(9)], ..Changes::none() });
    crypto.spoil.store(false, Ordering::Relaxed);
    let refused = ann.read_one(&log);
    let Err(MlsError::CantOpenPath { by }) = refused else { panic!("{refused:?}") };
    assert_eq!(by.chain.device(), device.key.id());

    let mut replay = Replay::from_group(&ann.rows, &ann.id()).unwrap();
    let (header, message, payload_hash) = log.entry(log.head());
    replay.advance(&message, &alcyon_mls::Entry { header: &header, payload_hash }).unwrap();
    let info = bob.group_info_message_allowing_ext_commit(false).unwrap().to_bytes().unwrap();
    let rejoin = ann.prepare_rejoin(&log, &replay, &info, seat(1), RejoinReason::PathNotOpened).unwrap();
    log.commit(&rejoin.message, Changes::none()).unwrap();
    assert!(matches!(ann.adopt(&log), Verdict::Valid(_)));
    assert!(matches!(receive(&mut bob, &rejoin.message), ReceivedMessage::Commit(_)));
    assert_eq!(hear(&mut bob, &ann.encrypt("nice try")), "nice try");
}
