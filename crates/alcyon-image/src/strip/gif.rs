//! GIF (version 89a).

use std::io::{Read, Seek};

use crate::{ImageError, error::damaged, exif::UPRIGHT, look::Found, walk::Walk};

/// Application extensions that are of the image: loops and the colour profile.
const KEPT: [&[u8; 11]; 3] = [b"NETSCAPE2.0", b"ANIMEXTS1.0", b"ICCRGBG1012"];

/// Goes through a file that begins with `GIF87a` or `GIF89a`.
pub(crate) fn walk<R: Read + Seek>(walk: &mut Walk<R>) -> Result<Found, ImageError> {
    let [.., w0, w1, h0, h1, flags, _, _] = walk.take::<13>()?;
    walk.skip(colours(flags))?;
    walk.keep_from(0)?;
    loop {
        let begin = walk.at();
        match walk.byte()? {
            0x2c => {
                let [.., flags] = walk.take::<9>()?;
                walk.skip(colours(flags) + 1)?;
                blocks(walk)?;
                walk.keep_from(begin)?;
            }
            0x21 => {
                let kept = match walk.byte()? {
                    // Timing and transparency of what comes next, and text to be drawn.
                    0xf9 | 0x01 => true,
                    0xff => {
                        let length = walk.byte()?;
                        let name = walk.read(length.into())?;
                        KEPT.iter().any(|kept| name == **kept)
                    }
                    // Comments, and what nobody knows.
                    _ => false,
                };
                blocks(walk)?;
                if kept {
                    walk.keep_from(begin)?;
                }
            }
            0x3b => {
                walk.keep_from(begin)?;
                break;
            }
            _ => return Err(damaged("a block that is none")),
        }
    }
    let number = |low, high| u32::from(u16::from_le_bytes([low, high]));
    Ok(Found { width: number(w0, w1), height: number(h0, h1), orientation: UPRIGHT, passes: 1 })
}

/// Bytes of the colour table that the flags speak of.
fn colours(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

fn blocks<R: Read + Seek>(walk: &mut Walk<R>) -> Result<(), ImageError> {
    loop {
        match walk.byte()? {
            0 => return Ok(()),
            length => walk.skip(length.into())?,
        }
    }
}
