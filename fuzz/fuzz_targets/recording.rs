//! A recording from anywhere, WebM or Ogg: what becomes of it is looked at as a voice note.
#![no_main]

use std::io::Cursor;

use alcyon_files::{VoiceNote, opus_in_ogg};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = VoiceNote::look(&mut Cursor::new(data)).expect("memory can be read");
    if let Some(ogg) = opus_in_ogg(data) {
        let _ = VoiceNote::look(&mut Cursor::new(&ogg)).expect("memory can be read");
        assert_eq!(opus_in_ogg(&ogg), None, "Ogg is no WebM");
    }
});
