//! Server addresses from manifests, configuration and people.
#![no_main]

use alcyon_wire::ServerUrl;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(url) = text.parse::<ServerUrl>() {
        assert_eq!(url.to_text().parse(), Ok(url.clone()));
        assert!(!url.host().is_empty() && url.to_websocket().starts_with("ws"));
        let _ = url.is_loopback();
    }
    if let Ok(url) = ServerUrl::of_handle_server(text) {
        assert_eq!(url.is_tls(), !url.is_loopback());
    }
});
