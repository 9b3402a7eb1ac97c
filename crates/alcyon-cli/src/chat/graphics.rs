//! Images that the terminal itself draws: the graphics protocol of kitty, and sixels. Everywhere else there are half blocks.
//!
//! A terminal is known by what the environment says of it; ALCYON_IMAGES (`kitty`, `sixel`, `blocks`) says otherwise. Inside tmux
//! and screen there are half blocks, since what they do with the rest is not known.

use std::fmt::Write as _;

use alcyon_image::Pixels;
use data_encoding::BASE64;
use ratatui::layout::Rect;

use crate::picture::{colour_of, indexed};

/// How images get on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Graphics {
    /// As text.
    Blocks,
    /// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// DEC's, as in the VT340.
    Sixel,
}

/// Bytes of base64 in a piece, as kitty asks for.
const PIECE: usize = 4096;

impl Graphics {
    pub(super) fn of_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        match variable("ALCYON_IMAGES").as_deref() {
            Some("kitty") => return Self::Kitty,
            Some("sixel") => return Self::Sixel,
            Some("blocks") => return Self::Blocks,
            _ => {}
        }
        let (terminal, program) = (variable("TERM").unwrap_or_default(), variable("TERM_PROGRAM").unwrap_or_default());
        if variable("TMUX").is_some() || terminal.starts_with("screen") || terminal.starts_with("tmux") {
            return Self::Blocks;
        }
        if terminal.contains("kitty") || terminal.contains("ghostty") || program == "ghostty" || program == "WezTerm" {
            return Self::Kitty;
        }
        let sixel = ["foot", "mlterm", "contour", "yaft"].iter().any(|known| terminal.starts_with(known));
        if sixel { Self::Sixel } else { Self::Blocks }
    }

    /// What draws an image over these cells, the cursor standing in the first.
    pub(super) fn show(self, pixels: &Pixels, place: Rect, cell: (u16, u16)) -> String {
        match self {
            Self::Blocks => String::new(),
            Self::Kitty => kitty(pixels, place),
            Self::Sixel => sixel(pixels, u32::from(place.width) * u32::from(cell.0), u32::from(place.height) * u32::from(cell.1)),
        }
    }

    /// What takes all of them away that do not go with the text.
    pub(super) fn clear(self) -> &'static str {
        match self {
            Self::Kitty => "\u{1b}_Ga=d,q=2\u{1b}\\",
            Self::Blocks | Self::Sixel => "",
        }
    }
}

fn kitty(pixels: &Pixels, place: Rect) -> String {
    let text = BASE64.encode(pixels.rgba());
    let mut pieces = text.as_bytes().chunks(PIECE).peekable();
    let mut out = String::new();
    let mut first = true;
    while let Some(piece) = pieces.next() {
        let more = u8::from(pieces.peek().is_some());
        // Nothing answers, and the cursor stays where it is.
        let head = if std::mem::take(&mut first) {
            format!("a=T,f=32,q=2,C=1,s={},v={},c={},r={},", pixels.width(), pixels.height(), place.width, place.height)
        } else {
            String::new()
        };
        let _ = write!(out, "\u{1b}_G{head}m={more};{}\u{1b}\\", String::from_utf8_lossy(piece));
    }
    out
}

/// The image in so many pixels, in the 256 colours; a row of sixels is six pixels high.
fn sixel(pixels: &Pixels, width: u32, height: u32) -> String {
    let (width, height) = (width.max(1), height.max(1));
    let at = |x: u32, y: u32| {
        let (from_x, from_y) =
            (u64::from(x) * u64::from(pixels.width()) / u64::from(width), u64::from(y) * u64::from(pixels.height()) / u64::from(height));
        let start = usize::try_from((from_y * u64::from(pixels.width()) + from_x) * 4).unwrap_or(usize::MAX);
        let found = pixels.rgba().get(start..).and_then(|rest| rest.first_chunk::<4>());
        found.filter(|[.., opacity]| *opacity >= 128).map(|[red, green, blue, _]| indexed([*red, *green, *blue]))
    };
    let mut out = format!("\u{1b}P0;1;0q\"1;1;{width};{height}");
    for colour in 16..=255 {
        let [red, green, blue] = colour_of(colour).map(|value| u32::from(value) * 100 / 255);
        let _ = write!(out, "#{colour};2;{red};{green};{blue}");
    }
    for top in (0..height).step_by(6) {
        let rows: Vec<Vec<Option<u8>>> = (top..(top + 6).min(height)).map(|y| (0..width).map(|x| at(x, y)).collect()).collect();
        let mut colours: Vec<u8> = rows.iter().flatten().flatten().copied().collect();
        colours.sort_unstable();
        colours.dedup();
        for colour in colours {
            let _ = write!(out, "#{colour}");
            let bits = (0..width).map(|x| {
                let column = usize::try_from(x).unwrap_or(usize::MAX);
                let set = rows.iter().enumerate().filter(|(_, row)| row.get(column) == Some(&Some(colour)));
                set.map(|(row, _)| 1_u8 << row).sum::<u8>()
            });
            let mut run: (u8, u32) = (0, 0);
            for bit in bits {
                if bit == run.0 {
                    run.1 += 1;
                } else {
                    repeated(&mut out, run);
                    run = (bit, 1);
                }
            }
            repeated(&mut out, run);
            out.push('$');
        }
        out.push('-');
    }
    out.push_str("\u{1b}\\");
    out
}

fn repeated(out: &mut String, (bits, count): (u8, u32)) {
    let sixel = char::from(63 + bits);
    match count {
        0 => {}
        1..4 => (0..count).for_each(|_| out.push(sixel)),
        _ => {
            let _ = write!(out, "!{count}{sixel}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn of(variables: &[(&str, &str)]) -> Graphics {
        Graphics::of(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn terminals_are_known_and_multiplexers_get_blocks() {
        assert_eq!(of(&[("TERM", "xterm-256color")]), Graphics::Blocks);
        assert_eq!(of(&[("TERM", "xterm-kitty")]), Graphics::Kitty);
        assert_eq!(of(&[("TERM", "foot")]), Graphics::Sixel);
        assert_eq!(of(&[("TERM", "xterm-kitty"), ("TMUX", "x")]), Graphics::Blocks);
        assert_eq!(of(&[("TERM", "tmux-256color"), ("ALCYON_IMAGES", "sixel")]), Graphics::Sixel);
    }

    fn some() -> Pixels {
        Pixels::of_rgba(2, 1, vec![255, 0, 0, 255, 0, 0, 255, 255]).unwrap()
    }

    #[test]
    fn an_image_in_the_two_protocols() {
        let place = Rect::new(0, 0, 4, 2);
        let kitty = Graphics::Kitty.show(&some(), place, (1, 3));
        assert_eq!(kitty, "\u{1b}_Ga=T,f=32,q=2,C=1,s=2,v=1,c=4,r=2,m=0;/wAA/wAA//8=\u{1b}\\");
        let sixel = Graphics::Sixel.show(&some(), place, (1, 3));
        assert!(sixel.starts_with("\u{1b}P0;1;0q\"1;1;4;6#16;2;0;0;0#17;2;0;0;37"), "{sixel}");
        assert!(sixel.ends_with("#21??~~$#196~~$-\u{1b}\\") || sixel.ends_with("#21??~~$#196~~??$-\u{1b}\\"), "{sixel}");
    }
}
