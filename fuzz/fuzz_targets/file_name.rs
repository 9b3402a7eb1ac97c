//! File names and media types as others send them.
#![no_main]

use alcyon_files::{MediaType, SafeName};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let name = SafeName::of(text);
    assert!((1..=200).contains(&name.as_str().len()) && !name.as_str().contains(['/', '\\', '\0', '\n']) && !name.as_str().starts_with('.'));
    assert_eq!(SafeName::of(name.as_str()), name);
    let media_type = MediaType::of(text);
    assert_eq!(MediaType::of(media_type.as_str()), media_type);
});
