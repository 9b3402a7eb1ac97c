//! Handles as people type them, with and without an account.
#![no_main]

use alcyon_wire::Handle;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok((handle, account)) = Handle::parse_with_account(text) {
        let again = match account {
            Some(account) => format!("{}#{}", handle.to_text(), account.to_text()),
            None => handle.to_text(),
        };
        assert_eq!(Handle::parse_with_account(&again), Ok((handle, account)));
    }
});
