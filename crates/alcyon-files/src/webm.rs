//! Out of one container into the other: browsers record Opus in WebM, and a voice note is Opus in Ogg.

/// Elements that hold others and are gone into (RFC 9559): segment, tracks, track entry, cluster, block group.
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const CLUSTER: u32 = 0x1f43_b675;
const BLOCK_GROUP: u32 = 0xa0;
const TRACK_NUMBER: u32 = 0xd7;
const CODEC_ID: u32 = 0x86;
const CODEC_PRIVATE: u32 = 0x63a2;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK: u32 = 0xa1;
/// What a file begins with.
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
/// Of a block's flags: several packets share it, which no recorder of Opus does.
const LACING: u8 = 0x06;
/// The most that one packet may last, samples (RFC 6716, 3.1).
const LONGEST_PACKET: u64 = 5_760;
/// A page of Ogg is closed when it lasts as long, samples.
const PAGE: u64 = 48_000;
/// Parts of at most 255 bytes in a page.
const PARTS: usize = 255;
const BEGINS: u8 = 2;
const ENDS: u8 = 4;

/// Opus in Ogg (RFC 7845) of the first track of Opus in a WebM file: its packets as they are, nothing else. `None` if there is no
/// such track, no sound in it, or anything that is not as it should be. The cost is a copy.
#[must_use]
pub fn opus_in_ogg(webm: &[u8]) -> Option<Vec<u8>> {
    if !webm.starts_with(&EBML) {
        return None;
    }
    let (head, packets) = sound(webm)?;
    let mut ogg = Ogg::default();
    ogg.page(BEGINS, 0, &[head]);
    ogg.page(0, 0, &[b"OpusTags\x06\0\0\0alcyon\0\0\0\0"]);
    let (mut position, mut open, mut begun) = (0_u64, Vec::new(), 0);
    for (number, packet) in packets.iter().enumerate() {
        position += samples(packet)?;
        open.push(*packet);
        let last = number + 1 == packets.len();
        let next = packets.get(number + 1).map_or(0, |next| parts(next));
        if last || position - begun >= PAGE || open.iter().map(|packet| parts(packet)).sum::<usize>() + next > PARTS {
            if open.iter().map(|packet| parts(packet)).sum::<usize>() > PARTS {
                return None;
            }
            ogg.page(if last { ENDS } else { 0 }, position, &open);
            open.clear();
            begun = position;
        }
    }
    (position > 0).then_some(ogg.bytes)
}

/// A track, as far as it is known.
#[derive(Default, Clone, Copy)]
struct Track<'a> {
    number: Option<u64>,
    is_opus: bool,
    head: Option<&'a [u8]>,
}

/// The header and the packets of the first track of Opus.
fn sound(webm: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let mut rest = webm;
    let (mut track, mut chosen) = (Track::default(), None);
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (id, size) = (take_id(&mut rest)?, take_number(&mut rest)?);
        match id {
            // What is in them comes next. Recorders do not say how long they are.
            SEGMENT | TRACKS | CLUSTER | BLOCK_GROUP => continue,
            TRACK_ENTRY => {
                track = Track::default();
                continue;
            }
            _ => {}
        }
        let content = rest.split_off(..usize::try_from(size?).ok()?)?;
        match id {
            TRACK_NUMBER => track.number = Some(content.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte))),
            CODEC_ID => track.is_opus = content == b"A_OPUS",
            CODEC_PRIVATE => track.head = Some(content),
            SIMPLE_BLOCK | BLOCK => {
                let mut block = content;
                let of = take_number(&mut block)??;
                let flags = *block.get(2)?;
                let packet = block.get(3..)?;
                if chosen.is_some_and(|(number, _)| number == of) {
                    if flags & LACING != 0 || packet.is_empty() {
                        return None;
                    }
                    packets.push(packet);
                }
            }
            _ => {}
        }
        if let Track { number: Some(number), is_opus: true, head: Some(head) } = track
            && chosen.is_none()
        {
            chosen = Some((number, head));
        }
    }
    let (_, head) = chosen?;
    let sound = head.starts_with(b"OpusHead") && (19..=255).contains(&head.len()) && head[8] & 0xf0 == 0 && head[9] > 0;
    sound.then_some((head, packets))
}

/// An element's id, its length marker and all (RFC 8794, 5).
fn take_id(rest: &mut &[u8]) -> Option<u32> {
    let length = rest.first()?.leading_zeros() as usize + 1;
    let bytes = if length <= 4 { rest.split_off(..length)? } else { return None };
    Some(bytes.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)))
}

/// A number of variable length (RFC 8794, 4). The inner `None`: all its bits are set, which of a length means that it is not known.
fn take_number(rest: &mut &[u8]) -> Option<Option<u64>> {
    let length = rest.first()?.leading_zeros() as usize + 1;
    let bytes = if length <= 8 { rest.split_off(..length)? } else { return None };
    let marked = bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    let most = (1_u64 << (7 * length)) - 1;
    Some(Some(marked & most).filter(|number| *number != most))
}

/// How long a packet lasts, samples at 48 kHz (RFC 6716, 3.1 and 3.2).
fn samples(packet: &[u8]) -> Option<u64> {
    let toc = *packet.first()?;
    let kind = usize::from(toc >> 3);
    let frame = match kind {
        0..12 => [480, 960, 1_920, 2_880][kind & 3],
        12..16 => [480, 960][kind & 1],
        _ => [120, 240, 480, 960][kind & 3],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1)? & 0x3f),
    };
    let samples = frame * frames;
    (1..=LONGEST_PACKET).contains(&samples).then_some(samples)
}

/// Parts that a packet has in a page's table.
fn parts(packet: &[u8]) -> usize {
    packet.len() / 255 + 1
}

/// One stream, page after page (RFC 3533, 6).
#[derive(Default)]
struct Ogg {
    bytes: Vec<u8>,
    pages: u32,
}

impl Ogg {
    /// Whole packets, of at most 255 parts together.
    fn page(&mut self, flags: u8, position: u64, packets: &[&[u8]]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(b"OggS\0");
        self.bytes.push(flags);
        self.bytes.extend(position.to_le_bytes());
        self.bytes.extend(1_u32.to_le_bytes());
        self.bytes.extend(self.pages.to_le_bytes());
        self.bytes.extend([0; 4]);
        self.pages += 1;
        let table: Vec<u8> = packets
            .iter()
            .flat_map(|packet| {
                let last = u8::try_from(packet.len() % 255).unwrap_or_default();
                std::iter::repeat_n(255, packet.len() / 255).chain([last])
            })
            .collect();
        self.bytes.push(u8::try_from(table.len()).unwrap_or(u8::MAX));
        self.bytes.extend(table);
        for packet in packets {
            self.bytes.extend_from_slice(packet);
        }
        let sum = checksum(&self.bytes[begin..]);
        self.bytes[begin + 22..begin + 26].copy_from_slice(&sum.to_le_bytes());
    }
}

/// CRC-32 by the polynomial of Ogg: from the highest bit on, from 0 on, turned round nowhere.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum: u32, _| if sum & 1 << 31 == 0 { sum << 1 } else { sum << 1 ^ 0x04c1_1db7 })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::VoiceNote;

    const HEAD: &[u8] = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
    const UNKNOWN: &[u8] = &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

    fn element(id: u32, content: &[u8]) -> Vec<u8> {
        let id: Vec<u8> = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        let size = (u32::try_from(content.len()).unwrap() | 1 << 28).to_be_bytes();
        [&id[..], &size, content].concat()
    }

    fn track(number: u8, codec: &[u8], private: &[u8]) -> Vec<u8> {
        element(TRACK_ENTRY, &[element(TRACK_NUMBER, &[number]), element(CODEC_ID, codec), element(CODEC_PRIVATE, private)].concat())
    }

    fn block(track: u8, packet: &[u8]) -> Vec<u8> {
        element(SIMPLE_BLOCK, &[&[0x80 | track, 0, 0, 0x80], packet].concat())
    }

    /// As browsers record: a segment and clusters of unknown length. A film beside the sound, whose blocks are no sound.
    fn recorded(packets: &[Vec<u8>]) -> Vec<u8> {
        let tracks = element(TRACKS, &[track(1, b"V_VP8", b""), track(2, b"A_OPUS", HEAD)].concat());
        let mut webm = [element(0x1a45_dfa3, b"\x42\x82\x84webm"), SEGMENT.to_be_bytes().to_vec(), UNKNOWN.to_vec(), tracks].concat();
        for some in packets.chunks(60) {
            webm.extend([&CLUSTER.to_be_bytes()[..], UNKNOWN, &element(0xe7, &[0]), &block(1, b"a picture")].concat());
            webm.extend(some.iter().flat_map(|packet| block(2, packet)));
        }
        webm
    }

    /// Of 20 ms (CELT, one frame) and so many bytes.
    fn packet(length: usize) -> Vec<u8> {
        [vec![31 << 3], vec![7; length - 1]].concat()
    }

    #[test]
    fn a_recording_becomes_a_note() {
        let packets: Vec<_> = (0..125).map(|number| packet(if number < 60 { 3 } else { 300 })).collect();
        let ogg = opus_in_ogg(&recorded(&packets)).unwrap();
        let note = VoiceNote::look(&mut Cursor::new(&ogg)).unwrap().unwrap();
        assert_eq!(note.ms(), 2_493, "without what a decoder leaves out at the beginning");
        let bars = note.waveform();
        assert!(bars[..28].iter().all(|bar| *bar < 10) && bars[36..].iter().all(|bar| *bar == 255), "{bars:?}");
        assert!(!ogg.windows(9).any(|part| part == b"a picture"));
    }

    /// `123456789` is what tables of such sums tell them apart by.
    #[test]
    fn a_page_has_the_sum_of_ogg() {
        assert_eq!(checksum(b"123456789"), 0x89a1_897f);
        let mut ogg = opus_in_ogg(&recorded(&[packet(10)])).unwrap();
        let sum = u32::from_le_bytes(ogg[22..26].try_into().unwrap());
        ogg[22..26].fill(0);
        assert_eq!(checksum(&ogg[..28 + HEAD.len()]), sum);
    }

    #[test]
    fn what_is_no_recording_of_sound_is_none() {
        let good = recorded(&[packet(10)]);
        assert!(opus_in_ogg(&good).is_some());
        for length in 0..good.len() {
            assert_eq!(opus_in_ogg(&good[..length]), None, "cut at {length}");
        }
        assert_eq!(opus_in_ogg(&recorded(&[])), None, "no packets");
        assert_eq!(opus_in_ogg(&recorded(&[vec![31 << 3 | 3, 0]])), None, "a packet of no frames");
        assert_eq!(opus_in_ogg(&recorded(&[packet(255 * 255 + 1)])), None, "a packet of more than a page");
        assert_eq!(opus_in_ogg(b"OggS\0\x02 and so on"), None);
    }

    #[test]
    fn packets_last_as_long_as_their_first_bytes_say() {
        for (packet, expected) in [
            (&[0_u8][..], Some(480)),
            (&[3 << 3], Some(2_880)),
            (&[3 << 3 | 1], Some(5_760)),
            (&[13 << 3], Some(960)),
            (&[16 << 3], Some(120)),
            (&[31 << 3 | 3, 6], Some(5_760)),
            (&[31 << 3 | 3, 7], None),
            (&[3], None),
            (&[], None),
        ] {
            assert_eq!(samples(packet), expected, "{packet:?}");
        }
    }

    proptest! {
        #[test]
        fn lengths_of_packets_stay(lengths in prop::collection::vec(1_usize..1_300, 1..200)) {
            let packets: Vec<_> = lengths.iter().map(|length| packet(*length)).collect();
            let ogg = opus_in_ogg(&recorded(&packets)).unwrap();
            let note = VoiceNote::look(&mut Cursor::new(&ogg)).unwrap().unwrap();
            prop_assert_eq!(u64::from(note.ms()), (lengths.len() as u64 * 960 - 312) * 1000 / 48_000);
        }

        #[test]
        fn damaged_recordings_cost_nothing(at in any::<prop::sample::Index>(), value: u8) {
            let mut webm = recorded(&[packet(40), packet(300)]);
            let at = at.index(webm.len());
            webm[at] = value;
            if let Some(ogg) = opus_in_ogg(&webm) {
                prop_assert!(ogg.starts_with(b"OggS"));
            }
        }
    }
}
