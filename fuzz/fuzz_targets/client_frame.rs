//! What a server reads from anybody who connects.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let seen = alcyon_wire::glance_at_append(data);
    if let Ok((id, alcyon_wire::Request::Append { seat, .. })) = alcyon_wire::decode_client_frame(data.to_vec().into()) {
        assert_eq!(seen, Some((id, seat.secret)), "a glance sees what the whole look sees");
    }
});
