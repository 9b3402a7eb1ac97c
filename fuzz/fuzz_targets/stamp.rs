//! Stamps as they come in frames: read, written again, and looked at by an issuer's key, as the server does.
#![no_main]

use std::sync::OnceLock;

use alcyon_stamps::{Hidden, IssuerKey};
use alcyon_wire::{Stamp, token_challenge};

fn key() -> &'static IssuerKey {
    static KEY: OnceLock<IssuerKey> = OnceLock::new();
    KEY.get_or_init(|| IssuerKey::derive(&[7; 32], b"fuzz").expect("a key follows from every seed"))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(stamp) = Stamp::parse(data, "stamp") {
        assert_eq!(stamp.to_bytes(), data);
        assert!(!key().is_genuine(&stamp, &token_challenge("sea.example")), "nobody guesses one");
        // Nor one that names this very key.
        let named = Stamp { key: key().id(), challenge: token_challenge("sea.example"), ..stamp };
        assert!(!key().is_genuine(&named, &token_challenge("sea.example")));
    }
    let points: Vec<[u8; 32]> = data.chunks_exact(32).take(4).map(|chunk| chunk.try_into().expect("32 bytes")).collect();
    if let Ok(hidden) = Hidden::parse(&points) {
        assert_eq!(key().issue(&hidden).map(|issued| issued.points.len()), Ok(points.len()));
    }
});
