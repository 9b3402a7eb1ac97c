//! Recovery words as people type them.
#![no_main]

use alcyon_identity::RecoveryWords;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(words) = RecoveryWords::parse(text) {
        assert_eq!(RecoveryWords::parse(&words.to_text()), Ok(words));
    }
});
