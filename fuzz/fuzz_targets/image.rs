//! An image from anywhere: looked at, stripped, decoded. What is left of it stays the same when it is stripped again.
#![no_main]

use std::io::{Cursor, Read};

use alcyon_image::{Look, Pixels, Preview};

fn stripped(look: &Look, bytes: &[u8]) -> Vec<u8> {
    let mut left = Vec::new();
    look.stripped().reader(Cursor::new(bytes)).read_to_end(&mut left).expect("all that is kept is there");
    assert_eq!(left.len() as u64, look.stripped().size());
    left
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(Some(look)) = Look::at(Cursor::new(data)) {
        let left = stripped(&look, data);
        let again = Look::at(Cursor::new(&left)).expect("what is kept of an image is one").expect("of the same kind");
        assert_eq!(again.kind(), look.kind());
        assert_eq!(stripped(&again, &left), left);
        // Small ones, so that there is time for many.
        if u64::from(look.width()) * u64::from(look.height()) < 1 << 16 {
            let _ = Preview::of(&look, Cursor::new(data));
        }
    }
    let _ = Pixels::of_thumbnail(data);
    let _ = Pixels::of_placeholder(data);
});
