//! QR codes, for a page to draw.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Modules on a side, and the dark ones as the `d` of an SVG path: a piece for each run in a row. `None` if the text is too long.
pub(crate) fn code(text: &str) -> Option<(u32, String)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|one, next| one == next) {
            if run[0] == Color::Dark {
                write!(path, "M{x} {y}h{length}v1h-{length}z", length = run.len()).expect("a String takes any text");
            }
            x += run.len();
        }
    }
    Some((u32::try_from(width).ok()?, path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_code_begins_with_the_ring_of_a_finder() {
        let (size, path) = code("alcyon").unwrap();
        assert_eq!(size, 21);
        assert!(path.starts_with("M0 0h7v1h-7z"), "{path}");
        assert!(path.contains("M0 1h1v1h-1z"), "{path}");
    }

    #[test]
    fn too_much_is_no_code() {
        assert_eq!(code(&"x".repeat(4000)), None);
    }
}
