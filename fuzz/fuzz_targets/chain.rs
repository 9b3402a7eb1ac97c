//! A device's credential, as it comes, and signed anew so that what lies behind the signatures is reached too.
#![no_main]

use alcyon_identity::{Chain, Era, EraKey, RecoveryWords};
use alcyon_wire::{DeviceId, proto};
use prost::Message;

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(chain) = Chain::decode(data) {
        assert_eq!(chain.encode(), data);
    }
    let Ok(proto::Chain { era, device_key, .. }) = proto::Chain::decode(data) else { return };
    let Ok(device) = DeviceId::parse(&device_key, "device_key") else { return };
    let root = RecoveryWords::parse(WORDS).expect("twelve good words").root();
    let key = EraKey::from_bytes(&[1; 32]).expect("32 bytes");
    let Ok(era) = Era::new(root.sign_era(era, &key), key) else { return };
    if let Ok(chain) = era.certify(device) {
        assert_eq!(Chain::decode(&chain.encode()), Ok(chain));
    }
});
