//! The headers of a signed request, and its parts: four lines, the last one the path.
#![no_main]

use alcyon_identity::http_signature::{Headers, Request, verify};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut lines = text.splitn(4, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let headers = Headers { signature_input: line(), signature: line(), content_digest: line() };
    if let Ok(request) = Request::new("PUT", "sea.example", line(), b"") {
        let _ = verify(&request, &headers, 1_700_000_000);
    }
});
