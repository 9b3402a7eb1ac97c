//! The MLS working group's test vectors, over our storage, codec and primitives.
//!
//! They use basic credentials and another suite, which [`crate::Group`] refuses; so they run against OpenMLS as this
//! crate sets it up underneath.
#![allow(clippy::unwrap_used)]

use alcyon_identity::DeviceKey;
use openmls::{
    prelude::{
        Ciphersuite, KeyPackage, KeyPackageIn, MIXED_PLAINTEXT_WIRE_FORMAT_POLICY, MlsGroup, MlsGroupJoinConfig, MlsMessageBodyIn,
        MlsMessageIn, ProcessedMessageContent, RatchetTreeIn, StagedWelcome,
    },
    schedule::PreSharedKeyId,
};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{
    OpenMlsProvider,
    crypto::OpenMlsCrypto,
    types::{HpkeCiphertext, HpkePrivateKey},
};
use serde_json::Value;
use tls_codec::{DeserializeBytes, Serialize, VLBytes};

use crate::{
    MemoryRows, RowKind, Rows, codec,
    provider::{Provider, with_rows},
    rows::Slot,
};

const SUITE: Ciphersuite = Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().unwrap();
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn cases(file: &str) -> Vec<Value> {
    serde_json::from_str(file).unwrap()
}

/// What OpenMLS stores of an own KeyPackage; it has no constructor outside its own tests.
#[derive(serde::Serialize)]
struct Bundle {
    key_package: KeyPackage,
    private_init_key: HpkePrivateKey,
    private_encryption_key: EncryptionKey,
}

#[derive(serde::Serialize)]
struct EncryptionKey {
    key: HpkePrivateKey,
}

fn message(value: &Value) -> MlsMessageBodyIn {
    MlsMessageIn::tls_deserialize_exact_bytes(&bytes(value)).unwrap().extract()
}

/// Puts the passive client's KeyPackage and PSKs into the rows.
fn prepare(rows: &MemoryRows, provider: &Provider<'_>, case: &Value) {
    // Its lifetime is over, for which `validate` would refuse it; both types are stored in the same form.
    let raw = bytes(&case["key_package"]);
    let package = KeyPackageIn::tls_deserialize_exact_bytes(&raw[4..]).unwrap();
    let package: KeyPackage = codec::read(&codec::value(&package).unwrap()).unwrap();
    let reference = package.hash_ref(provider.crypto()).unwrap();
    let bundle = Bundle {
        key_package: package,
        private_init_key: bytes(&case["init_priv"]).into(),
        private_encryption_key: EncryptionKey { key: bytes(&case["encryption_priv"]).into() },
    };
    rows.write(RowKind::KeyPackage, &codec::key(&reference).unwrap(), &codec::value(&bundle).unwrap()).unwrap();
    for psk in case["external_psks"].as_array().unwrap() {
        PreSharedKeyId::external(bytes(&psk["psk_id"]), Vec::new()).store(provider, &bytes(&psk["psk"])).unwrap();
    }
}

fn passive_client(case: &Value) {
    let rows = MemoryRows::new();
    let id = with_rows(&rows, Slot::Live, |provider| {
        prepare(&rows, provider, case);
        let MlsMessageBodyIn::Welcome(welcome) = message(&case["welcome"]) else { panic!("no Welcome") };
        let config = MlsGroupJoinConfig::builder().wire_format_policy(MIXED_PLAINTEXT_WIRE_FORMAT_POLICY).build();
        let mut builder = StagedWelcome::build_from_welcome(provider, &config, welcome).unwrap().skip_lifetime_validation();
        if !case["ratchet_tree"].is_null() {
            builder = builder.with_ratchet_tree(RatchetTreeIn::tls_deserialize_exact_bytes(&bytes(&case["ratchet_tree"])).unwrap());
        }
        let group = builder.build().unwrap().into_group(provider).unwrap();
        assert_eq!(group.epoch_authenticator().as_slice(), bytes(&case["initial_epoch_authenticator"]));
        group.group_id().clone()
    });
    for epoch in case["epochs"].as_array().unwrap() {
        let proposals = epoch["proposals"].as_array().unwrap();
        for value in proposals.iter().chain([&epoch["commit"]]) {
            // Loaded for every message: what is stored is all there is.
            with_rows(&rows, Slot::Live, |provider| {
                let mut group = MlsGroup::load(provider.storage(), &id).unwrap().unwrap();
                let processed = match message(value) {
                    MlsMessageBodyIn::PublicMessage(message) => group.process_message(provider, message),
                    MlsMessageBodyIn::PrivateMessage(message) => group.process_message(provider, message),
                    _ => panic!("no protocol message"),
                };
                match processed.unwrap().into_content() {
                    ProcessedMessageContent::ProposalMessage(proposal) => {
                        group.store_pending_proposal(provider.storage(), *proposal).unwrap()
                    }
                    ProcessedMessageContent::StagedCommitMessage(staged) => group.merge_staged_commit(provider, *staged).unwrap(),
                    other => panic!("{other:?}"),
                }
            });
        }
        with_rows(&rows, Slot::Live, |provider| {
            let group = MlsGroup::load(provider.storage(), &id).unwrap().unwrap();
            assert_eq!(group.epoch_authenticator().as_slice(), bytes(&epoch["epoch_authenticator"]));
        });
    }
}

#[test]
fn passive_client_welcome() {
    cases(include_str!("../tests/vectors/passive-client-welcome.json")).iter().for_each(passive_client);
}

#[test]
fn passive_client_handling_commit() {
    cases(include_str!("../tests/vectors/passive-client-handling-commit.json")).iter().for_each(passive_client);
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    VLBytes::from(bytes.to_vec()).tls_serialize_detached().unwrap()
}

fn labelled(label: &Value, content: &[u8]) -> Vec<u8> {
    let label = format!("MLS 1.0 {}", label.as_str().unwrap());
    [vector(label.as_bytes()), vector(content)].concat()
}

fn expand(crypto: &RustCrypto, secret: &Value, label: &Value, context: &[u8], length: u16) -> Vec<u8> {
    let info = [&length.to_be_bytes()[..], &labelled(label, context)].concat();
    crypto.hkdf_expand(SUITE.hash_algorithm(), &bytes(secret), &info, length.into()).unwrap().as_slice().to_vec()
}

fn length(value: &Value) -> u16 {
    u16::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn crypto_basics() {
    let crypto = RustCrypto::default();
    for case in cases(include_str!("../tests/vectors/crypto-basics.json")) {
        let it = &case["expand_with_label"];
        let out = expand(&crypto, &it["secret"], &it["label"], &bytes(&it["context"]), length(&it["length"]));
        assert_eq!(out, bytes(&it["out"]));

        let it = &case["derive_secret"];
        assert_eq!(expand(&crypto, &it["secret"], &it["label"], &[], 32), bytes(&it["out"]));

        let it = &case["derive_tree_secret"];
        let generation = u32::try_from(it["generation"].as_u64().unwrap()).unwrap().to_be_bytes();
        assert_eq!(expand(&crypto, &it["secret"], &it["label"], &generation, length(&it["length"])), bytes(&it["out"]));

        let it = &case["ref_hash"];
        let input = [vector(it["label"].as_str().unwrap().as_bytes()), vector(&bytes(&it["value"]))].concat();
        assert_eq!(crypto.hash(SUITE.hash_algorithm(), &input).unwrap(), bytes(&it["out"]));

        let it = &case["sign_with_label"];
        let key = DeviceKey::from_bytes(&bytes(&it["priv"])).unwrap();
        let signed = labelled(&it["label"], &bytes(&it["content"]));
        assert_eq!(key.id().as_bytes()[..], bytes(&it["pub"]));
        assert_eq!(key.sign(&signed)[..], bytes(&it["signature"]));
        crypto.verify_signature(SUITE.signature_algorithm(), &signed, &bytes(&it["pub"]), &bytes(&it["signature"])).unwrap();

        let it = &case["encrypt_with_label"];
        let sealed = HpkeCiphertext { kem_output: bytes(&it["kem_output"]).into(), ciphertext: bytes(&it["ciphertext"]).into() };
        let info = labelled(&it["label"], &bytes(&it["context"]));
        let opened = crypto.hpke_open(SUITE.hpke_config(), &sealed, &bytes(&it["priv"]), &info, &[]).unwrap();
        assert_eq!(opened, bytes(&it["plaintext"]));
    }
}
