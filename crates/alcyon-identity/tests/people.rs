//! Recovery words, eras, chains and manifests: what holds is accepted, one bit that differs is not.
#![allow(clippy::unwrap_used)]

use alcyon_identity::{
    Chain, DeviceKey, Era, EraKey, Home, IdentityError, Inbox, Manifest, ManifestDraft, ManifestOrder, RecoveryWords, Root, SafetyNumber,
    verify_device,
};
use alcyon_wire::{DeviceId, LogId, WireError, limits, proto};
use data_encoding::HEXLOWER;
use proptest::prelude::*;
use prost::Message;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn root() -> Root {
    RecoveryWords::parse(WORDS).unwrap().root()
}

fn era(number: u32) -> Era {
    let key = EraKey::from_bytes(&[1; 32]).unwrap();
    Era::new(root().sign_era(number, &key), key).unwrap()
}

fn device(seed: u8) -> DeviceKey {
    DeviceKey::from_bytes(&[seed; 32]).unwrap()
}

fn draft(version: u64, devices: Vec<DeviceId>) -> ManifestDraft {
    let server: alcyon_wire::ServerUrl = "https://sea.example".parse().unwrap();
    ManifestDraft {
        version,
        devices,
        inbox: Inbox { server: server.clone(), log: LogId::from([7; 16]), sealing_key: vec![9; 1216] },
        homes: vec![
            Home { server, handle: "ann@sea.example".parse().unwrap() },
            Home { server: "https://bay.example:8443".parse().unwrap(), handle: "ann_2@bay.example:8443".parse().unwrap() },
        ],
    }
}

fn chain() -> Chain {
    era(3).certify(device(2).id()).unwrap()
}

fn manifest() -> Manifest {
    era(3).sign_manifest(draft(4, vec![device(2).id(), device(3).id()])).unwrap()
}

fn hex_lines(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|chunk| HEXLOWER.encode(chunk)).collect::<Vec<_>>().join("\n")
}

#[test]
fn golden_words_give_the_root_that_rfc_5869_says() {
    // Computed apart from this code: HKDF-SHA-512 of sixteen zero bytes, info "alcyon root v1".
    let seed = HEXLOWER.decode(b"92d68989dfe2ebc7c96fce8cea2fd8821a36fe1808d6d8c9f4d8756fe031f7ca").unwrap();
    let expected = ed25519_dalek::SigningKey::from_bytes(&seed.try_into().unwrap()).verifying_key().to_bytes();
    assert_eq!(root().public(), expected);
    insta::assert_snapshot!("root", format!("root {}\naccount {}", HEXLOWER.encode(&root().public()), root().account().to_text()));
}

#[test]
fn golden_chain() {
    insta::assert_snapshot!("chain", hex_lines(&chain().encode()));
}

#[test]
fn golden_manifest() {
    insta::assert_snapshot!("manifest", hex_lines(manifest().to_bytes()));
}

#[test]
fn golden_safety_number() {
    // Computed apart from this code.
    let number = SafetyNumber::of(&[1; 32], &[2; 32]);
    assert_eq!(number.digits(), "587732065892807537045923257615871756220984248096441423532199");
    assert_eq!(
        number.qr_text(),
        "alcyon:safety:v1:c355pfkuqo3ipxrfzokx554bwfl36pf2jgib77tah7noo6wpgpiq:tzolv2bfrcqaamcbylbfasi5x5buxazgsmq2byi7k6o5amotjqeq"
    );
    assert_eq!(number.groups().collect::<String>(), number.digits());
    assert_eq!(number.groups().len(), 12);
}

#[test]
fn golden_derived_secret() {
    // Computed apart from this code: HKDF-SHA-512, the label as salt, the context as info.
    assert_eq!(
        HEXLOWER.encode(&*device(2).derive("alcyon seat secret v1", b"context")),
        "e90c0df334c0a26c434e093ea54fffeda653548cf5bcb854778578495083a3b6"
    );
    assert_ne!(*device(2).derive("a", b"b"), *device(2).derive("b", b"a"));
    assert_ne!(*device(2).derive("a", b"b"), *device(3).derive("a", b"b"));
}

#[test]
fn wrong_words_are_named() {
    let swap = |word: &str| WORDS.replacen("abandon about", &format!("{word} about"), 1);
    assert_eq!(RecoveryWords::parse(&swap("abandom")).unwrap_err(), IdentityError::UnknownWord { position: 11 });
    assert_eq!(RecoveryWords::parse(&swap("zoo")).unwrap_err(), IdentityError::WordChecksum);
    assert_eq!(RecoveryWords::parse("abandon about").unwrap_err(), IdentityError::WordCount { actual: 2 });
    let typed = format!("  {}\n", WORDS.to_uppercase().replace(' ', "  \t"));
    assert_eq!(*RecoveryWords::parse(&typed).unwrap().to_text(), WORDS);
}

#[test]
fn new_words_come_back_and_differ() {
    let words = RecoveryWords::generate();
    assert!(RecoveryWords::parse(&words.to_text()).unwrap() == words);
    assert!(RecoveryWords::generate() != words);
    assert_eq!(words.to_text().split(' ').count(), 12);
}

#[test]
fn a_chain_says_who_it_is() {
    let chain = Chain::decode(&chain().encode()).unwrap();
    assert_eq!((chain.account(), chain.era(), chain.device()), (root().account(), 3, device(2).id()));
    assert_eq!(chain.root(), &root().public());
    verify_device(chain.device(), b"words", &device(2).sign(b"words")).unwrap();
    let foreign = verify_device(chain.device(), b"words", &device(3).sign(b"words")).unwrap_err();
    assert_eq!(foreign, IdentityError::Signature { field: "signature" });
}

#[test]
fn an_era_needs_its_own_key_and_a_number() {
    let (key, other) = (EraKey::generate(), EraKey::generate());
    assert_eq!(Era::new(root().sign_era(1, &key), other).unwrap_err(), IdentityError::ForeignEraKey);
    let zero = Era::new(root().sign_era(0, &key), key).unwrap_err();
    assert_eq!(zero, IdentityError::Wire(WireError::Missing { field: "era" }));
}

#[test]
fn a_device_of_another_era_or_account_is_refused() {
    let other_root = RecoveryWords::generate().root();
    let other_era = Era::new(other_root.sign_era(3, era(3).key()), era(3).key().clone()).unwrap();
    for foreign in [era(4).certify(device(2).id()).unwrap(), other_era.certify(device(2).id()).unwrap()] {
        let mut mixed = chain().to_field();
        mixed.device_signature = foreign.to_field().device_signature;
        assert_eq!(Chain::verify(mixed).unwrap_err(), IdentityError::Signature { field: "device_signature" });
    }
}

#[test]
fn keys_of_small_order_are_refused() {
    // The neutral element: with it as key, some signatures hold for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(verify_device(DeviceId::from(neutral), b"anything", &signature).is_err());
}

#[test]
fn a_manifest_says_what_was_signed() {
    let manifest = Manifest::decode(manifest().to_bytes()).unwrap();
    assert_eq!(manifest.account(), root().account());
    assert_eq!(manifest.order(), ManifestOrder { era: 3, version: 4 });
    assert_eq!(manifest.devices().collect::<Vec<_>>(), [device(2).id(), device(3).id()]);
    assert_eq!(manifest.inbox(), &draft(4, vec![]).inbox);
    assert_eq!(manifest.homes(), draft(4, vec![]).homes);
    assert!(manifest.names(&"ann_2@bay.example:8443".parse().unwrap()));
    assert!(!manifest.names(&"bob@sea.example".parse().unwrap()));
    let chain = manifest.chain_of(device(3).id()).unwrap();
    assert_eq!(Chain::decode(&chain.encode()).unwrap(), chain);
    assert!(manifest.chain_of(device(4).id()).is_none());
}

#[test]
fn newer_is_by_era_then_version() {
    let order = |era, version| ManifestOrder { era, version };
    assert!(order(2, 1) > order(1, 9) && order(1, 9) > order(1, 8));
}

#[test]
fn a_manifest_over_a_limit_is_refused_by_name() {
    let sign = |change: &dyn Fn(&mut ManifestDraft)| {
        let mut draft = draft(1, vec![device(2).id()]);
        change(&mut draft);
        era(1).sign_manifest(draft).unwrap_err()
    };
    let eleven = |draft: &mut ManifestDraft| draft.devices = (1..=11).map(|seed| device(seed).id()).collect();
    let too_many = WireError::TooLarge { field: "manifest.devices", limit: limits::DEVICES, actual: 11 };
    assert_eq!(sign(&eleven), IdentityError::Wire(too_many));
    assert_eq!(sign(&|draft| draft.devices.clear()).field(), "manifest.devices");
    assert_eq!(sign(&|draft| draft.devices.push(device(2).id())), IdentityError::DeviceTwice);
    assert_eq!(sign(&|draft| draft.devices.push(DeviceId::from([2; 32]))), IdentityError::Key { field: "device_key" });
    assert_eq!(sign(&|draft| draft.version = 0).field(), "manifest.version");
    assert_eq!(sign(&|draft| draft.inbox.sealing_key.truncate(1215)).field(), "manifest.inbox.sealing_key");
    assert_eq!(sign(&|draft| draft.homes.reverse()), IdentityError::InboxElsewhere);
    assert_eq!(sign(&|draft| draft.homes.clear()), IdentityError::InboxElsewhere);
    assert_eq!(sign(&|draft| draft.homes = vec![draft.homes[0].clone(); 9]).field(), "manifest.homes");
    assert_eq!(Manifest::decode(&vec![0; limits::MANIFEST + 1]).unwrap_err().field(), "manifest");
}

#[test]
fn a_manifest_signed_by_another_key_is_refused() {
    let proto::SignedManifest { manifest, .. } = proto::SignedManifest::decode(manifest().to_bytes()).unwrap();
    let signature = device(2).sign(&[b"alcyon manifest v1".as_slice(), &manifest].concat()).to_vec().into();
    let forged = proto::SignedManifest { manifest, signature }.encode_to_vec();
    assert_eq!(Manifest::decode(&forged).unwrap_err(), IdentityError::Signature { field: "manifest.signature" });
}

#[test]
fn bytes_after_the_end_are_refused() {
    // An unknown field: well-formed protobuf, but not what the signer wrote.
    let longer = |bytes: &[u8]| [bytes, &[0x78, 1]].concat();
    assert_eq!(Chain::decode(&longer(&chain().encode())).unwrap_err(), IdentityError::NotCanonical { what: "Chain" });
    assert_eq!(Manifest::decode(&longer(manifest().to_bytes())).unwrap_err(), IdentityError::NotCanonical { what: "SignedManifest" });
}

#[test]
fn debug_shows_nothing() {
    let all = format!("{:?} {:?} {:?} {:?} {:?} {:?}", RecoveryWords::generate(), root(), era(1), device(1), chain(), manifest());
    assert_eq!(
        all,
        "RecoveryWords(..) Root(..) Era { certificate: EraCertificate(..), key: EraKey(..) } DeviceKey(..) Chain(..) Manifest(..)"
    );
}

#[test]
fn one_flipped_bit_anywhere_in_a_chain_refuses() {
    let bytes = chain().encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Chain::decode(&flipped).is_err(), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn one_flipped_bit_anywhere_in_a_manifest_refuses(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = manifest().to_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Manifest::decode(&bytes).is_err());
    }

    #[test]
    fn what_was_signed_comes_back(
        root in any::<[u8; 16]>(), number in 1..=u32::MAX, version in 1..=u64::MAX, devices in prop::collection::btree_set(any::<[u8; 32]>(), 1..=10),
        log in any::<[u8; 16]>(), sealing in any::<u8>(),
    ) {
        let words = bip39::Mnemonic::from_entropy(&root).unwrap().to_string();
        let root = RecoveryWords::parse(&words).unwrap().root();
        let key = EraKey::generate();
        let era = Era::new(root.sign_era(number, &key), key).unwrap();
        let devices: Vec<_> = devices.iter().map(|seed| DeviceKey::from_bytes(seed).unwrap().id()).collect();
        let mut wanted = draft(version, devices.clone());
        wanted.inbox.log = LogId::from(log);
        wanted.inbox.sealing_key = vec![sealing; 1216];
        let manifest = era.sign_manifest(wanted.clone()).unwrap();
        let read = Manifest::decode(manifest.to_bytes()).unwrap();
        prop_assert!(read == manifest);
        prop_assert_eq!(read.inbox(), &wanted.inbox);
        prop_assert_eq!(read.order(), ManifestOrder { era: number, version });
        for device in devices {
            let chain = read.chain_of(device).unwrap();
            prop_assert!(chain == era.certify(device).unwrap() && chain.account() == root.account());
        }
    }

    #[test]
    fn keys_come_back(seed in any::<[u8; 32]>()) {
        prop_assert_eq!(*DeviceKey::from_bytes(&seed).unwrap().to_bytes(), seed);
        prop_assert_eq!(*EraKey::from_bytes(&seed).unwrap().to_bytes(), seed);
        prop_assert!(DeviceKey::from_bytes(&seed[1..]).is_err() && EraKey::from_bytes(&[]).is_err());
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(Chain::decode(&bytes).is_err() && Manifest::decode(&bytes).is_err());
    }
}

proptest! {
    // A number costs 10,400 hashes, on purpose.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_safety_number_is_symmetric_and_knows_its_code(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
        prop_assume!(a != b);
        let number = SafetyNumber::of(&a, &b);
        prop_assert!(number == SafetyNumber::of(&b, &a));
        prop_assert!(number.digits().len() == 60 && number.digits().bytes().all(|digit| digit.is_ascii_digit()));
        prop_assert!(number.matches(number.qr_text()) && number.matches(&number.groups().collect::<Vec<_>>().join(" ")));
        prop_assert!(!number.matches(SafetyNumber::of(&a, &a).qr_text()) && !number.matches(""));
    }
}
