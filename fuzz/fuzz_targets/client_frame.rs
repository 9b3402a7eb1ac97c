//! What a server reads from anybody who connects.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = alcyon_wire::decode_client_frame(data.to_vec().into());
});
