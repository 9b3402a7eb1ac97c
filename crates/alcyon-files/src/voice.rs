use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// A voice note: one stream of Opus in Ogg (RFC 3533, RFC 7845), and how long it lasts.
///
/// The headers and the length of every page are looked at; the sound itself is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoiceNote {
    ms: u32,
}

/// Samples a second, whatever was recorded.
const RATE: u64 = 48_000;
/// Longer than a day is no note.
const LONGEST_MS: u64 = 24 * 60 * 60 * 1000;
/// A page's header before its table.
const HEADER: usize = 27;
/// Flags of a page: the stream begins, the stream ends.
const BEGINS: u8 = 2;
const ENDS: u8 = 4;

impl VoiceNote {
    /// Looks at a file from its beginning to its end; `None` if it is no Opus in Ogg, or holds more than that, or no sound.
    pub fn look(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        match Self::walk(file) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            walked => walked,
        }
    }

    /// How long it lasts, milliseconds, at least 1.
    #[must_use]
    pub fn ms(self) -> u32 {
        self.ms
    }

    fn walk(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let Some(first) = page(file)? else { return Ok(None) };
        let mut head = [0; 19];
        if first.flags & BEGINS == 0 || first.length < head.len() as u64 {
            return Ok(None);
        }
        file.read_exact(&mut head)?;
        // Version and channels, at least one of which there is.
        if &head[..8] != b"OpusHead" || head[8] & 0xf0 != 0 || head[9] == 0 {
            return Ok(None);
        }
        let skipped = u64::from(u16::from_le_bytes([head[10], head[11]]));
        let mut at = HEADER as u64 + first.table + first.length;
        let (mut number, mut last) = (first.number, 0);
        while at < end {
            file.seek(SeekFrom::Start(at))?;
            let Some(next) = page(file)? else { return Ok(None) };
            number = number.wrapping_add(1);
            if next.serial != first.serial || next.number != number || next.flags & BEGINS != 0 {
                return Ok(None);
            }
            if number == first.number.wrapping_add(1) {
                let mut tags = [0; 8];
                file.read_exact(&mut tags)?;
                if &tags != b"OpusTags" {
                    return Ok(None);
                }
            }
            // No packet ends on a page without a position.
            if next.position != u64::MAX {
                if next.position < last {
                    return Ok(None);
                }
                last = next.position;
            }
            at += HEADER as u64 + next.table + next.length;
            if next.flags & ENDS != 0 && at != end {
                return Ok(None);
            }
        }
        let ms = last.saturating_sub(skipped).checked_mul(1000).map_or(u64::MAX, |samples| samples / RATE);
        let fits = at == end && (1..=LONGEST_MS).contains(&ms);
        Ok(fits.then(|| Self { ms: u32::try_from(ms).unwrap_or(u32::MAX) }))
    }
}

struct Page {
    flags: u8,
    position: u64,
    serial: u32,
    number: u32,
    /// Bytes of its table.
    table: u64,
    /// Bytes after that.
    length: u64,
}

/// A page's header and table; the file stands at what is in it then.
fn page(file: &mut impl Read) -> io::Result<Option<Page>> {
    let mut header = [0; HEADER];
    file.read_exact(&mut header)?;
    let [b'O', b'g', b'g', b'S', 0, flags, p0, p1, p2, p3, p4, p5, p6, p7, s0, s1, s2, s3, n0, n1, n2, n3, _, _, _, _, segments] = header
    else {
        return Ok(None);
    };
    let mut table = vec![0; usize::from(segments)];
    file.read_exact(&mut table)?;
    Ok(Some(Page {
        flags,
        position: u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
        serial: u32::from_le_bytes([s0, s1, s2, s3]),
        number: u32::from_le_bytes([n0, n1, n2, n3]),
        table: u64::from(segments),
        length: table.iter().map(|length| u64::from(*length)).sum(),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn page(flags: u8, position: u64, number: u32, content: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend(position.to_le_bytes());
        page.extend(7_u32.to_le_bytes());
        page.extend(number.to_le_bytes());
        page.extend([0; 4]);
        page.push(1);
        page.push(u8::try_from(content.len()).unwrap());
        page.extend_from_slice(content);
        page
    }

    /// 2.5 seconds.
    fn note() -> Vec<u8> {
        let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
        [page(2, 0, 0, head), page(0, 0, 1, b"OpusTags\0\0\0\0\0\0\0\0"), page(0, 48_000, 2, &[1; 80]), page(4, 120_312, 3, &[2; 90])]
            .concat()
    }

    fn look(bytes: &[u8]) -> Option<u32> {
        VoiceNote::look(&mut Cursor::new(bytes)).unwrap().map(VoiceNote::ms)
    }

    #[test]
    fn a_note_says_how_long_it_lasts() {
        assert_eq!(look(&note()), Some(2_500));
    }

    #[test]
    fn what_is_no_whole_note_is_none() {
        let note = note();
        for length in 0..note.len() {
            // Whole pages are a note that was cut by its recorder.
            let at_page = [note.len() - 118].contains(&length);
            assert_eq!(look(&note[..length]).is_some(), at_page, "{length} of {}", note.len());
        }
        assert_eq!(look(&[&note[..], b"more"].concat()), None);
        assert_eq!(look(&[&note[..], &note].concat()), None, "one stream after the other");
        assert_eq!(look(b"ID3 and so on, at some length, for nothing"), None);
        let mut silent = note.clone();
        silent.truncate(note.len() - 118 - 108);
        assert_eq!(look(&silent), None, "headers alone");
    }

    proptest! {
        #[test]
        fn damaged_notes_cost_nothing(at in any::<prop::sample::Index>(), value: u8) {
            let mut note = note();
            let at = at.index(note.len());
            note[at] = value;
            let _ = VoiceNote::look(&mut Cursor::new(note));
        }
    }
}
