use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

/// A voice note: one stream of Opus in Ogg (RFC 3533, RFC 7845), how long it lasts, and its waveform.
///
/// The headers and the length of every page and packet are looked at; the sound itself is not decoded. So the waveform is drawn
/// from the packets' lengths: an encoder with a variable bit rate, as recorders of notes are, spends few bytes on silence and many
/// on speech. One with a constant rate gives a flat line, which is not wrong, and says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceNote {
    ms: u32,
    waveform: Vec<u8>,
}

/// Bars of a waveform, at most.
pub const WAVEFORM_BARS: usize = 64;

/// Packets that are counted apart before two of them count as one, so that a day of them takes no room.
const FINEST: usize = 4096;

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
    pub fn ms(&self) -> u32 {
        self.ms
    }

    /// How much there is to hear, evenly spread over its length: 1 to 64 bars, of which the highest is 255.
    #[must_use]
    pub fn waveform(&self) -> &[u8] {
        &self.waveform
    }

    fn walk(file: &mut (impl Read + Seek)) -> io::Result<Option<Self>> {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(0))?;
        let Some(first) = page(file)? else { return Ok(None) };
        let mut head = [0; 19];
        if first.flags & BEGINS == 0 || first.length() < head.len() as u64 {
            return Ok(None);
        }
        file.read_exact(&mut head)?;
        // Version and channels, at least one of which there is.
        if &head[..8] != b"OpusHead" || head[8] & 0xf0 != 0 || head[9] == 0 {
            return Ok(None);
        }
        let skipped = u64::from(u16::from_le_bytes([head[10], head[11]]));
        let mut at = HEADER as u64 + first.table.len() as u64 + first.length();
        let (mut number, mut last) = (first.number, 0);
        let mut packets = Packets::default();
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
            } else if last > 0 || next.position > 0 {
                // Tags of more than a page end on one whose position is 0.
                packets.follow(&next.table);
            }
            // No packet ends on a page without a position.
            if next.position != u64::MAX {
                if next.position < last {
                    return Ok(None);
                }
                last = next.position;
            }
            at += HEADER as u64 + next.table.len() as u64 + next.length();
            if next.flags & ENDS != 0 && at != end {
                return Ok(None);
            }
        }
        let ms = last.saturating_sub(skipped).checked_mul(1000).map_or(u64::MAX, |samples| samples / RATE);
        let fits = at == end && (1..=LONGEST_MS).contains(&ms);
        Ok(fits.then(|| Self { ms: u32::try_from(ms).unwrap_or(u32::MAX), waveform: packets.bars() }))
    }
}

/// The lengths of packets, one after the other; of so many in a row the mean, once there are many.
struct Packets {
    means: Vec<u32>,
    /// Packets in each mean.
    each: u32,
    /// Of the mean that is not whole yet: bytes and packets.
    open: (u32, u32),
    /// Bytes of a packet that goes on.
    begun: u32,
}

impl Default for Packets {
    fn default() -> Self {
        Self { means: Vec::new(), each: 1, open: (0, 0), begun: 0 }
    }
}

impl Packets {
    /// The table of a page: a packet ends with the first length below 255 (RFC 3533, section 5).
    fn follow(&mut self, table: &[u8]) {
        for length in table {
            self.begun = self.begun.saturating_add(u32::from(*length));
            if *length < u8::MAX {
                let packet = std::mem::take(&mut self.begun);
                self.add(packet);
            }
        }
    }

    fn add(&mut self, packet: u32) {
        let (bytes, packets) = (self.open.0.saturating_add(packet), self.open.1 + 1);
        if packets < self.each {
            self.open = (bytes, packets);
            return;
        }
        self.means.push(bytes / packets);
        self.open = (0, 0);
        if self.means.len() == FINEST {
            self.means = self.means.chunks(2).map(|two| two.iter().sum::<u32>() / 2).collect();
            self.each = self.each.saturating_mul(2);
        }
    }

    fn bars(self) -> Vec<u8> {
        let Self { mut means, each: _, open: (bytes, packets), begun: _ } = self;
        if let Some(mean) = bytes.checked_div(packets) {
            means.push(mean);
        }
        let count = means.len().min(WAVEFORM_BARS);
        let bar = |number: usize| {
            let part = &means[number * means.len() / count..(number + 1) * means.len() / count];
            part.iter().map(|mean| u64::from(*mean)).sum::<u64>() / part.len() as u64
        };
        let bars: Vec<u64> = (0..count).map(bar).collect();
        let highest = bars.iter().copied().max().unwrap_or(0).max(1);
        bars.into_iter().map(|bar| u8::try_from(bar * 255 / highest).unwrap_or(u8::MAX)).collect()
    }
}

struct Page {
    flags: u8,
    position: u64,
    serial: u32,
    number: u32,
    /// Lengths of what is in it, in parts of at most 255 bytes.
    table: Vec<u8>,
}

impl Page {
    /// Bytes after the table.
    fn length(&self) -> u64 {
        self.table.iter().map(|length| u64::from(*length)).sum()
    }
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
        table,
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
        VoiceNote::look(&mut Cursor::new(bytes)).unwrap().map(|note| note.ms())
    }

    #[test]
    fn a_note_says_how_long_it_lasts() {
        assert_eq!(look(&note()), Some(2_500));
    }

    #[test]
    fn a_note_has_a_waveform() {
        let note = VoiceNote::look(&mut Cursor::new(note())).unwrap().unwrap();
        assert_eq!(note.waveform(), [80 * 255 / 90, 255].map(|bar: u32| u8::try_from(bar).unwrap()), "two packets, of 80 and 90 bytes");
    }

    /// Silence, then speech: an hour of it, in packets of 20 ms.
    #[test]
    fn a_long_note_has_a_waveform_of_64_bars() {
        let mut packets = Packets::default();
        for number in 0..180_000_u32 {
            packets.follow(&[if number < 90_000 { 3 } else { 150 }]);
        }
        assert!(packets.means.len() < FINEST);
        let bars = packets.bars();
        assert_eq!(bars.len(), WAVEFORM_BARS);
        assert!(bars[..31].iter().all(|bar| *bar == 5) && bars[33..].iter().all(|bar| *bar > 250), "{bars:?}");
    }

    /// A packet of 300 bytes that goes on over two pages, and one of 255 and nothing.
    #[test]
    fn packets_go_on_over_parts_and_pages() {
        let mut packets = Packets::default();
        packets.follow(&[255]);
        packets.follow(&[45, 255, 0]);
        assert_eq!(packets.means, [300, 255]);
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
            if let Some(note) = VoiceNote::look(&mut Cursor::new(note)).unwrap() {
                prop_assert!((1..=WAVEFORM_BARS).contains(&note.waveform().len()));
            }
        }
    }
}
