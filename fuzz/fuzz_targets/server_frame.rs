//! What a client reads from a server it does not trust, with every entry header in it.
#![no_main]

use alcyon_wire::{HeaderFacts, PayloadHash, RunningHash, proto};
use prost::Message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(frame) = proto::ServerFrame::decode(data) else { return };
    assert_eq!(proto::ServerFrame::decode(frame.encode_to_vec().as_slice()).as_ref(), Ok(&frame));
    if let Some(proto::server_frame::Body::Entries(entries)) = frame.body {
        let mut running = RunningHash::parse(&entries.running_hash, "running_hash").ok();
        for proto::Entry { header, payload, payload_hash } in entries.entries {
            let _ = HeaderFacts::parse(&header);
            let hash = PayloadHash::parse(&payload_hash, "payload_hash").unwrap_or_else(|_| alcyon_wire::payload_hash(&payload));
            running = running.map(|running| running.next(&header, &hash));
        }
    }
});
