//! JPEG (ITU-T T.81, annex B) with the segments of JFIF, EXIF, ICC and Adobe.

use std::io::{Read, Seek};

use crate::{
    ImageError,
    error::damaged,
    exif::{self, Orientation, UPRIGHT},
    look::Found,
    walk::Walk,
};

const EXIF: &[u8] = b"Exif\0\0";
const PROFILE: &[u8] = b"ICC_PROFILE\0";
const JFIF: &[u8] = b"JFIF\0";
/// Of its 12 bytes, after which writers put what they like.
const ADOBE: &[u8] = b"Adobe";
const ADOBE_LENGTH: usize = 12;

/// Goes through a file that begins with the two bytes of a JPEG.
pub(crate) fn walk<R: Read + Seek>(walk: &mut Walk<R>) -> Result<Found, ImageError> {
    walk.take::<2>()?;
    walk.keep_from(0)?;
    let mut seen = Seen { size: None, orientation: UPRIGHT, scans: 0, jfif: false };
    let mut marker = next_marker(walk)?;
    loop {
        match marker {
            // The end. What lies behind is no part of the image.
            0xd9 => {
                walk.keep_from(walk.at() - 2)?;
                break;
            }
            // The beginning of another image, or none.
            0x00 | 0xd8 | 0xff => return Err(damaged("a marker where none can be")),
            // Markers alone.
            0x01 | 0xd0..=0xd7 => walk.keep_from(walk.at() - 2)?,
            0xda => {
                segment(walk, marker, &mut seen)?;
                seen.scans += 1;
                match scan(walk)? {
                    Some(next) => {
                        marker = next;
                        continue;
                    }
                    // Cut off in the middle of a picture; it is still one.
                    None => break,
                }
            }
            _ => segment(walk, marker, &mut seen)?,
        }
        marker = next_marker(walk)?;
    }
    let (width, height) = seen.size.ok_or_else(|| damaged("it has no frame"))?;
    Ok(Found { width, height, orientation: seen.orientation, passes: seen.scans })
}

struct Seen {
    size: Option<(u32, u32)>,
    orientation: Orientation,
    scans: u32,
    jfif: bool,
}

fn next_marker<R: Read + Seek>(walk: &mut Walk<R>) -> Result<u8, ImageError> {
    if walk.byte()? != 0xff {
        return Err(damaged("a segment without its marker"));
    }
    // Any number of them may stand before the one that counts.
    loop {
        match walk.byte()? {
            0xff => {}
            marker => return Ok(marker),
        }
    }
}

/// One segment after its marker: its length, and what is in it.
fn segment<R: Read + Seek>(walk: &mut Walk<R>, marker: u8, seen: &mut Seen) -> Result<(), ImageError> {
    // Right after the marker, whatever padding stands before that.
    let begin = walk.at();
    let length = u16::from_be_bytes(walk.take()?).checked_sub(2).ok_or_else(|| damaged("a segment shorter than its length"))?;
    let content = walk.read(length)?;
    match marker {
        // Frames: what has their numbers and is none are tables (C4, CC) and a reserved one (C8).
        0xc0..=0xcf => {
            if !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                let [_, h0, h1, w0, w1, ..] = content[..] else { return Err(damaged("a frame without its size")) };
                if seen.size.replace((u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into())).is_some() {
                    return Err(damaged("two frames"));
                }
            }
            walk.keep_from(begin - 2)
        }
        // Scans, tables, numbers of lines, restarts, hierarchies.
        0xda..=0xdf => walk.keep_from(begin - 2),
        0xe0 if content.starts_with(JFIF) && content.len() >= 14 && !seen.jfif => {
            seen.jfif = true;
            let mut whole = vec![0xff, marker, 0, 16];
            whole.extend_from_slice(&content[..12]);
            // No thumbnail.
            whole.extend([0, 0]);
            walk.write(whole).map(|_| ())
        }
        0xe1 if content.starts_with(EXIF) && seen.orientation == UPRIGHT => {
            seen.orientation = exif::orientation(&content[EXIF.len()..]);
            if seen.orientation == UPRIGHT {
                return Ok(());
            }
            let tiff = exif::of_orientation(seen.orientation);
            let length = u16::try_from(2 + EXIF.len() + tiff.len()).map_err(|_| damaged("its orientation"))?;
            let mut whole = vec![0xff, marker];
            whole.extend(length.to_be_bytes());
            whole.extend_from_slice(EXIF);
            whole.extend(tiff);
            walk.write(whole).map(|_| ())
        }
        0xe2 if content.starts_with(PROFILE) => walk.keep_from(begin - 2),
        0xee if content.starts_with(ADOBE) && content.len() >= ADOBE_LENGTH => {
            let mut whole = vec![0xff, marker, 0, 14];
            whole.extend_from_slice(&content[..ADOBE_LENGTH]);
            walk.write(whole).map(|_| ())
        }
        // Comments, and everything that applications put there.
        _ => Ok(()),
    }
}

/// The bytes of a scan, up to the marker that ends it; `None` if the file ends first.
fn scan<R: Read + Seek>(walk: &mut Walk<R>) -> Result<Option<u8>, ImageError> {
    let begin = walk.at();
    loop {
        if !walk.pass(0xff)? {
            walk.keep_from(begin)?;
            return Ok(None);
        }
        // Stuffing and restarts are of the scan; padding may be.
        let marker = loop {
            match walk.maybe_byte()? {
                Some(0xff) => {}
                Some(byte) => break byte,
                None => {
                    walk.keep_from(begin)?;
                    return Ok(None);
                }
            }
        };
        if !matches!(marker, 0x00 | 0xd0..=0xd7) {
            walk.keep(begin..walk.at() - 2)?;
            return Ok(Some(marker));
        }
    }
}
