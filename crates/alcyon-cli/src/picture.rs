//! Small pictures in cells of a terminal: two pixels a cell, one above the other, in the 256 colours that every terminal of these
//! days has.

use alcyon_image::Pixels;

/// Foreground and background of a cell with an upper half block in it: numbers of colours.
pub(crate) type Cell = (u8, u8);
/// What is drawn in each cell.
pub(crate) const HALF: char = '▀';

/// Scales a picture to at most so many columns and rows, its sides in proportion, and never enlarges it.
pub(crate) fn cells(pixels: &Pixels, columns: u32, rows: u32) -> Vec<Vec<Cell>> {
    let (width, height) = (pixels.width(), pixels.height());
    let (columns, lines) = scaled(pixels, columns.min(width), rows);
    let colour = |x: u32, y: u32| if y < lines { average(pixels, span(x, columns, width), span(y, lines, height)) } else { 0 };
    (0..lines.div_ceil(2)).map(|row| (0..columns).map(|x| (colour(x, row * 2), colour(x, row * 2 + 1))).collect()).collect()
}

/// Columns, and rows of half a cell.
fn scaled(pixels: &Pixels, columns: u32, rows: u32) -> (u32, u32) {
    let (width, height) = (pixels.width(), pixels.height());
    let columns = columns.min((rows * 2 * width).checked_div(height).unwrap_or(1)).max(1);
    (columns, (columns * height).checked_div(width).unwrap_or(1).clamp(1, rows.max(1) * 2))
}

/// Columns and rows that a picture takes where it fills what there is.
pub(crate) fn fitted(pixels: &Pixels, columns: u32, rows: u32) -> (u32, u32) {
    let (columns, lines) = scaled(pixels, columns, rows);
    (columns, lines.div_ceil(2))
}

/// Which of `from` pixels fall into the place `at` of `to`.
fn span(at: u32, to: u32, from: u32) -> std::ops::Range<u32> {
    let begin = at * from / to;
    begin..((at + 1) * from / to).max(begin + 1)
}

/// The mean of some pixels as one of the 256 colours; what is transparent is dark.
fn average(pixels: &Pixels, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> u8 {
    let (mut sums, mut count) = ([0_u64; 3], 0);
    for y in rows {
        for x in columns.clone() {
            let at = usize::try_from((u64::from(y) * u64::from(pixels.width()) + u64::from(x)) * 4).unwrap_or(usize::MAX);
            let Some([red, green, blue, opacity]) = pixels.rgba().get(at..).and_then(|rest| rest.first_chunk::<4>()) else { continue };
            for (sum, value) in sums.iter_mut().zip([red, green, blue]) {
                *sum += u64::from(*value) * u64::from(*opacity) / 255;
            }
            count += 1;
        }
    }
    indexed(sums.map(|sum| sum.checked_div(count).and_then(|mean| u8::try_from(mean).ok()).unwrap_or_default()))
}

/// The steps of the cube of 216 colours.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of the cube and the greys.
pub(crate) fn indexed(colour: [u8; 3]) -> u8 {
    let nearest = |value: u8| {
        let steps = (0_u8..).zip(STEPS).min_by_key(|(_, step)| step.abs_diff(value));
        steps.unwrap_or_default()
    };
    let [red, green, blue] = colour.map(nearest);
    let distance = |other: [u8; 3]| -> u32 { colour.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    let mean = colour.iter().map(|value| u32::from(*value)).sum::<u32>() / 3;
    // Greys run from 8 in steps of 10.
    let grey = u8::try_from((mean.saturating_sub(3) / 10).min(23)).unwrap_or(23);
    let of_grey = 8 + 10 * grey;
    if distance([of_grey; 3]) < distance([red.1, green.1, blue.1]) { 232 + grey } else { 16 + 36 * red.0 + 6 * green.0 + blue.0 }
}

/// Red, green and blue of a colour from 16 on.
pub(crate) fn colour_of(index: u8) -> [u8; 3] {
    match index {
        232.. => [8 + 10 * (index - 232); 3],
        _ => {
            let cube = index.saturating_sub(16);
            [cube / 36, cube / 6 % 6, cube % 6].map(|step| STEPS[usize::from(step)])
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn colours_are_the_nearest_there_are() {
        assert_eq!(indexed([0, 0, 0]), 16);
        assert_eq!(indexed([255, 255, 255]), 231);
        assert_eq!(indexed([255, 0, 0]), 196);
        assert_eq!(indexed([120, 121, 119]), 243);
    }

    #[test]
    fn colours_have_the_numbers_that_terminals_give_them() {
        for index in 16..=255 {
            assert_eq!(colour_of(indexed(colour_of(index))), colour_of(index), "{index}");
        }
    }

    #[test]
    fn pictures_keep_their_proportions_and_are_not_enlarged() {
        let pixels = Pixels::of_rgba(32, 24, vec![200; 32 * 24 * 4]).unwrap();
        for ((columns, rows), expected) in [((40, 20), (32, 12)), ((10, 20), (10, 4)), ((40, 3), (8, 3)), ((1, 1), (1, 1))] {
            let cells = cells(&pixels, columns, rows);
            assert_eq!((cells[0].len(), cells.len()), expected, "{columns} {rows}");
            assert!(cells.iter().all(|row| row.len() == cells[0].len()));
        }
        assert_eq!(fitted(&pixels, 64, 100), (64, 24), "a terminal that draws by itself enlarges");
    }
}
