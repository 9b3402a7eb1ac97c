//! WebP (RFC 9649).

use std::io::{Read, Seek};

use crate::{
    ImageError,
    error::damaged,
    exif::{self, UPRIGHT},
    look::Found,
    walk::Walk,
};

/// Flags of the extended header.
const HAS_EXIF: u8 = 0x08;
const HAS_XMP: u8 = 0x04;
/// An EXIF chunk above this has no orientation for us.
const EXIF_LIMIT: u32 = 60_000;
/// Bytes of an animation's frame before its chunks.
const FRAME: u64 = 16;

/// Goes through a file that begins with `RIFF....WEBP`.
pub(crate) fn walk<R: Read + Seek>(walk: &mut Walk<R>) -> Result<Found, ImageError> {
    walk.take::<4>()?;
    let end = 8 + u64::from(u32::from_le_bytes(walk.take()?));
    walk.take::<4>()?;
    let header = walk.write(b"RIFF\0\0\0\0WEBP".to_vec())?;
    let (mut size, mut extended, mut orientation) = (None, None, UPRIGHT);
    while walk.at() < end {
        let begin = walk.at();
        let (kind, length) = chunk(walk)?;
        match &kind {
            b"VP8X" => {
                if length != 10 || size.is_some() {
                    return Err(damaged("its header has another length"));
                }
                let content: [u8; 10] = walk.take()?;
                let [flags, _, _, _, w0, w1, w2, h0, h1, h2] = content;
                size = Some((1 + u32::from_le_bytes([w0, w1, w2, 0]), 1 + u32::from_le_bytes([h0, h1, h2, 0])));
                let mut whole = b"VP8X\x0a\0\0\0".to_vec();
                whole.push(flags & !(HAS_EXIF | HAS_XMP));
                whole.extend_from_slice(&content[1..]);
                extended = Some(walk.write(whole)?);
            }
            b"VP8 " | b"VP8L" => {
                let (found, read) = if &kind == b"VP8 " { lossy(walk)? } else { lossless(walk)? };
                size = size.or(Some(found));
                let rest = padded(length).checked_sub(read).ok_or_else(|| damaged("an image shorter than its header"))?;
                walk.skip(rest)?;
                walk.keep_from(begin)?;
            }
            b"ICCP" | b"ALPH" | b"ANIM" => {
                walk.skip(padded(length))?;
                walk.keep_from(begin)?;
            }
            b"ANMF" => frame(walk, length)?,
            b"EXIF" if orientation == UPRIGHT && length <= EXIF_LIMIT => {
                let content = walk.read(u16::try_from(length).map_err(|_| damaged("its EXIF"))?)?;
                walk.skip(padded(length) - u64::from(length))?;
                // Some writers put the name before it that it has in a JPEG.
                orientation = exif::orientation(content.strip_prefix(b"Exif\0\0").unwrap_or(&content));
            }
            // XMP, and whatever else somebody has put there.
            _ => walk.skip(padded(length))?,
        }
    }
    if walk.at() > end {
        return Err(damaged("a chunk beyond its end"));
    }
    if let Some(extended) = extended
        && orientation != UPRIGHT
    {
        walk.rewrite(extended, |bytes| bytes[8] |= HAS_EXIF);
        let tiff = exif::of_orientation(orientation);
        let mut whole = b"EXIF".to_vec();
        whole.extend(u32::try_from(tiff.len()).unwrap_or_default().to_le_bytes());
        whole.extend(tiff);
        walk.write(whole)?;
    }
    let length = u32::try_from(walk.size_from(header) - 8).map_err(|_| damaged("it is longer than it can be"))?;
    walk.rewrite(header, |bytes| bytes[4..8].copy_from_slice(&length.to_le_bytes()));
    let (width, height) = size.ok_or_else(|| damaged("it has no image"))?;
    Ok(Found { width, height, orientation, passes: 1 })
}

fn chunk<R: Read + Seek>(walk: &mut Walk<R>) -> Result<([u8; 4], u32), ImageError> {
    let kind = walk.take()?;
    Ok((kind, u32::from_le_bytes(walk.take()?)))
}

/// With the byte that makes it even.
fn padded(length: u32) -> u64 {
    u64::from(length) + u64::from(length & 1)
}

/// A frame of an animation: its own chunks, of which those stay that are known.
fn frame<R: Read + Seek>(walk: &mut Walk<R>, length: u32) -> Result<(), ImageError> {
    let end = walk.at() + padded(length);
    let header = walk.write(b"ANMF\0\0\0\0".to_vec())?;
    let begin = walk.at();
    walk.skip(FRAME)?;
    walk.keep_from(begin)?;
    while walk.at() < end {
        let begin = walk.at();
        let (kind, length) = chunk(walk)?;
        walk.skip(padded(length))?;
        if matches!(&kind, b"ALPH" | b"VP8 " | b"VP8L") {
            walk.keep_from(begin)?;
        }
    }
    if walk.at() != end {
        return Err(damaged("a frame beyond its end"));
    }
    let length = u32::try_from(walk.size_from(header) - 8).map_err(|_| damaged("a frame longer than it can be"))?;
    walk.rewrite(header, |bytes| bytes[4..8].copy_from_slice(&length.to_le_bytes()));
    Ok(())
}

/// Size of a VP8 key frame (RFC 6386, 9.1), and how many bytes were read for it.
fn lossy<R: Read + Seek>(walk: &mut Walk<R>) -> Result<((u32, u32), u64), ImageError> {
    let [_, _, _, s0, s1, s2, w0, w1, h0, h1] = walk.take::<10>()?;
    if [s0, s1, s2] != [0x9d, 0x01, 0x2a] {
        return Err(damaged("an image without its beginning"));
    }
    let number = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Ok(((number(w0, w1), number(h0, h1)), 10))
}

/// Size of a lossless image (RFC 9649, 3.4).
fn lossless<R: Read + Seek>(walk: &mut Walk<R>) -> Result<((u32, u32), u64), ImageError> {
    let [signature, b0, b1, b2, b3] = walk.take::<5>()?;
    if signature != 0x2f {
        return Err(damaged("an image without its beginning"));
    }
    let bits = u32::from_le_bytes([b0, b1, b2, b3]);
    Ok((((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1), 5))
}
