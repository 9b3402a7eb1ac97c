//! A KeyPackage, as any server hands it out.
#![no_main]

use alcyon_mls::{Suite, judge_key_package};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = judge_key_package(Suite::PRODUCT, data);
});
