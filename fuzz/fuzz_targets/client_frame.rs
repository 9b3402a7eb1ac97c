//! What a server reads from anybody who connects.
#![no_main]

use alcyon_wire::{GLANCE, Request, decode_client_frame, glance_at_append, proto::ClientFrame};
use prost::Message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let seen = glance_at_append(data);
    if let Ok((id, Request::Append { seat, .. })) = decode_client_frame(data.to_vec().into())
        && ClientFrame::decode(data).is_ok_and(|frame| frame.encode_to_vec() == data)
    {
        assert_eq!(seen, Some((id, seat.secret)), "a glance sees what the whole look sees");
        assert_eq!(seen, glance_at_append(&data[..data.len().min(GLANCE)]), "and the beginning is enough for it");
    }
});
