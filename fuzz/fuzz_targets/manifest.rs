//! A manifest, as it comes, and signed anew so that what lies behind the signatures is reached too.
#![no_main]

use alcyon_identity::{DeviceKey, EraKey, Manifest, RecoveryWords};
use alcyon_wire::proto;
use prost::Message;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
const SEED: [u8; 32] = [1; 32];

fn sign(mut manifest: proto::Manifest) -> Vec<u8> {
    let root = RecoveryWords::parse(WORDS).expect("twelve good words").root();
    let certificate = root.sign_era(manifest.era, &EraKey::from_bytes(&SEED).expect("32 bytes"));
    // An era key signs a manifest as a device key of the same seed signs a message.
    let signer = DeviceKey::from_bytes(&SEED).expect("32 bytes");
    manifest.root = certificate.root().to_vec().into();
    manifest.era_key = certificate.key().to_vec().into();
    manifest.era_signature = certificate.signature().to_vec().into();
    for device in &mut manifest.devices {
        let era = manifest.era.to_be_bytes();
        let message = [b"alcyon device v1".as_slice(), certificate.account().as_bytes(), &era, &device.device_key].concat();
        device.device_signature = signer.sign(&message).to_vec().into();
    }
    let manifest = manifest.encode_to_vec();
    let signature = signer.sign(&[b"alcyon manifest v1".as_slice(), &manifest].concat()).to_vec().into();
    proto::SignedManifest { manifest: manifest.into(), signature }.encode_to_vec()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = Manifest::decode(data) {
        assert_eq!(manifest.to_bytes(), data);
    }
    let Ok(signed) = proto::SignedManifest::decode(data) else { return };
    let Ok(inner) = proto::Manifest::decode(signed.manifest) else { return };
    if let Ok(manifest) = Manifest::decode(&sign(inner)) {
        assert!(manifest.devices().all(|device| manifest.chain_of(device).is_some()));
        assert_eq!(Manifest::decode(manifest.to_bytes()).as_ref(), Ok(&manifest));
    }
});
