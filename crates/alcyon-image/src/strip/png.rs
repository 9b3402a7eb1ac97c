//! PNG (W3C, third edition), and its animations.

use std::io::{Read, Seek};

use crate::{
    ImageError,
    error::damaged,
    exif::{self, UPRIGHT},
    look::Found,
    walk::Walk,
};

pub(crate) const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Chunks that the image needs, or that say how its pixels are to be shown.
const KEPT: [&[u8; 4]; 20] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"hIST", b"sPLT", b"cICP",
    b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
];
/// An EXIF chunk above this has no orientation for us.
const EXIF_LIMIT: u32 = 60_000;

/// Goes through a file that begins with the signature.
pub(crate) fn walk<R: Read + Seek>(walk: &mut Walk<R>) -> Result<Found, ImageError> {
    walk.take::<8>()?;
    walk.keep_from(0)?;
    let (mut size, mut orientation) = (None, UPRIGHT);
    loop {
        let begin = walk.at();
        let length = u32::from_be_bytes(walk.take()?);
        let kind: [u8; 4] = walk.take()?;
        if length > i32::MAX as u32 || !kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(damaged("a chunk that is none"));
        }
        if (size.is_none()) != (&kind == b"IHDR") {
            return Err(damaged("its first chunk is not the header"));
        }
        match &kind {
            b"IHDR" => {
                if length != 13 {
                    return Err(damaged("its header has another length"));
                }
                let [w0, w1, w2, w3, h0, h1, h2, h3, ..] = walk.take::<13>()?;
                size = Some((u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3])));
                walk.take::<4>()?;
                walk.keep_from(begin)?;
            }
            b"eXIf" if orientation == UPRIGHT && length <= EXIF_LIMIT => {
                orientation = exif::orientation(&walk.read(u16::try_from(length).map_err(|_| damaged("its EXIF"))?)?);
                walk.take::<4>()?;
                if orientation != UPRIGHT {
                    walk.write(chunk(*b"eXIf", &exif::of_orientation(orientation)))?;
                }
            }
            _ => {
                walk.skip(u64::from(length) + 4)?;
                // A critical chunk that is not known: nobody can show the image without it.
                let kept = KEPT.contains(&&kind) || kind[0].is_ascii_uppercase();
                if kept {
                    walk.keep_from(begin)?;
                }
                if &kind == b"IEND" {
                    break;
                }
            }
        }
    }
    let (width, height) = size.ok_or_else(|| damaged("it has no header"))?;
    Ok(Found { width, height, orientation, passes: 1 })
}

fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut whole = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    whole.extend(kind);
    whole.extend_from_slice(content);
    let checksum = crc(&whole[4..]);
    whole.extend(checksum.to_be_bytes());
    whole
}

/// CRC-32 as PNG has it (annex D), for a few bytes.
fn crc(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_as_others_write_it() {
        // The last chunk of every PNG.
        assert_eq!(chunk(*b"IEND", b""), b"\0\0\0\0IEND\xae\x42\x60\x82");
    }
}
