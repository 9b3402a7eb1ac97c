//! QR codes in half blocks: one character is two modules high.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code; four by the standard, two are enough for cameras and small windows.
const QUIET: usize = 2;

/// Rows of ` `, `▀`, `▄` and `█`, where ink is *light*: dark terminals show it right as it is. `None` if the text is too long for a code.
pub(crate) fn half_blocks(text: &str) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let modules = code.to_colors();
    let light = |x: usize, y: usize| {
        let inside = (QUIET..width + QUIET).contains(&x) && (QUIET..width + QUIET).contains(&y);
        !inside || modules.get((y - QUIET) * width + (x - QUIET)) != Some(&Color::Dark)
    };
    let side = width + 2 * QUIET;
    let rows = (0..side).step_by(2).map(|y| {
        (0..side)
            .map(|x| match (light(x, y), y + 1 < side && light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect()
    });
    Some(rows.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_code_has_a_light_frame_and_three_corners() {
        let rows = half_blocks("alcyon").unwrap();
        // Version 1 has 21 modules; with the frame 25, in 13 rows.
        assert_eq!(rows.len(), 13);
        assert!(rows.iter().all(|row| row.chars().count() == 25));
        assert!(rows[0].chars().all(|c| c == '█'));
        // The dark ring of the finder pattern: seven modules in the first row below the frame.
        assert!(rows[1].starts_with("██ ▄▄▄▄▄ █"), "{}", rows[1]);
    }

    #[test]
    fn too_much_is_no_code() {
        assert_eq!(half_blocks(&"x".repeat(4000)), None);
    }
}
