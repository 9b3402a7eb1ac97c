use alcyon_wire::GLANCE;
use bytes::Bytes;

use super::CloseCode;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A binary message is whole: [`Decoder::message`], [`Decoder::take_message`].
    Binary,
    /// A binary message over the limit begins; its bytes are skipped.
    TooLarge,
    /// A text message; it was skipped.
    Text,
    /// To be answered with the same bytes.
    Ping(Bytes),
    /// An answer to a ping, or a sign of life.
    Pong,
    /// The client closes.
    Close,
}

/// The stream is no WebSocket any more: say why, and end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProtocolError(pub(crate) CloseCode);

const PROTOCOL: ProtocolError = ProtocolError(CloseCode::Protocol);

/// A message over the limit is skipped up to this length; beyond, the connection ends.
const SKIPPED_AT_MOST: u64 = 16 * 1024 * 1024;
/// Room made for a message before its bytes are there, so that a header alone can't claim memory.
const RESERVED_AT_MOST: usize = 16 * 1024;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Turns bytes into messages, however they are cut.
#[derive(Debug)]
pub(crate) struct Decoder {
    limit: usize,
    header: [u8; 14],
    header_filled: u8,
    frame: Option<Frame>,
    message: Message,
    payload: Vec<u8>,
    control: Vec<u8>,
    message_bytes: u64,
}

/// The frame whose payload is being read.
#[derive(Debug)]
struct Frame {
    opcode: u8,
    last: bool,
    mask: [u8; 4],
    left: u64,
}

/// The message that the frames so far belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    None,
    Binary,
    Text,
    TooLarge,
}

/// The beginning of a message that lies whole in what was read.
pub(crate) struct Ahead {
    beginning: [u8; GLANCE],
    shown: usize,
    /// Bytes of the input that it takes, with its header.
    pub(crate) bytes: usize,
}

impl Ahead {
    /// Its first bytes, at most [`GLANCE`].
    pub(crate) fn beginning(&self) -> &[u8] {
        &self.beginning[..self.shown]
    }
}

impl Decoder {
    /// For messages of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            header: [0; 14],
            header_filled: 0,
            frame: None,
            message: Message::None,
            payload: Vec::new(),
            control: Vec::new(),
            message_bytes: 0,
        }
    }

    /// Bytes of memory, for messages that are not whole yet.
    pub(crate) fn held(&self) -> usize {
        self.payload.capacity() + self.control.capacity()
    }

    /// The message that is whole.
    pub(crate) fn message(&self) -> &[u8] {
        &self.payload
    }

    /// The message that is whole, to be kept.
    pub(crate) fn take_message(&mut self) -> Bytes {
        let message = std::mem::take(&mut self.payload);
        // Where others were dropped before it, it may lie in a place that is far too large for it.
        if message.len() == message.capacity() { message.into() } else { Bytes::copy_from_slice(&message) }
    }

    /// Nobody needs the message that is whole. Its place is kept for the next one of this input.
    pub(crate) fn drop_message(&mut self) {
        self.payload.clear();
    }

    /// The binary message that comes next, if it lies whole at the front of `input` and in one frame. Nothing is taken: it can be stepped
    /// over, which costs less than to read it, or decoded.
    pub(crate) fn peek(&self, input: &[u8]) -> Option<Ahead> {
        if self.frame.is_some() || self.header_filled > 0 || self.message != Message::None {
            return None;
        }
        let mut header = [0; 14];
        let known = input.len().min(header.len());
        header[..known].copy_from_slice(&input[..known]);
        let begin = header_length(&header, known);
        if known < begin || header[0] != 0x80 | BINARY || header[1] & 0x80 == 0 {
            return None;
        }
        let (length, mask) = length_and_mask(&header, begin);
        let length = usize::try_from(length).ok().filter(|length| *length <= self.limit)?;
        let masked = input[begin..].get(..length)?;
        let (mut beginning, shown) = ([0; GLANCE], length.min(GLANCE));
        beginning[..shown].copy_from_slice(&masked[..shown]);
        unmask(&mut beginning[..shown], mask);
        Some(Ahead { beginning, shown, bytes: begin + length })
    }

    /// In the middle of a message of which nothing is kept.
    pub(crate) fn is_skipping(&self) -> bool {
        matches!(self.message, Message::TooLarge | Message::Text)
    }

    /// Takes bytes off the front of `input` until there is something to say, or nothing left.
    pub(crate) fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Incoming>, ProtocolError> {
        loop {
            if self.frame.is_none() {
                if !self.read_header(input) {
                    if self.message == Message::None {
                        self.payload = Vec::new();
                    }
                    return Ok(None);
                }
                if let Some(event) = self.begin_frame()? {
                    return Ok(Some(event));
                }
            }
            if let Some(event) = self.read_payload(input) {
                return Ok(Some(event));
            }
            if self.frame.is_some() {
                return Ok(None);
            }
        }
    }

    /// True once the header is whole.
    fn read_header(&mut self, input: &mut &[u8]) -> bool {
        loop {
            let filled = usize::from(self.header_filled);
            let needed = header_length(&self.header, filled);
            if filled == needed {
                return true;
            }
            let count = (needed - filled).min(input.len());
            if count == 0 {
                return false;
            }
            let (now, rest) = input.split_at(count);
            self.header[filled..filled + count].copy_from_slice(now);
            self.header_filled += u8::try_from(count).expect("a header has at most 14 bytes");
            *input = rest;
        }
    }

    fn begin_frame(&mut self) -> Result<Option<Incoming>, ProtocolError> {
        let length = usize::from(std::mem::take(&mut self.header_filled));
        let [first, second, ..] = self.header;
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let masked = second & 0x80 != 0;
        // Bits of extensions that nobody agreed on; and a client must mask.
        if first & 0x70 != 0 || !masked {
            return Err(PROTOCOL);
        }
        let (left, mask) = length_and_mask(&self.header, length);
        match opcode {
            CLOSE | PING | PONG if !last || left > 125 => return Err(PROTOCOL),
            CLOSE | PING | PONG => {
                self.frame = Some(Frame { opcode, last, mask, left });
                return Ok(None);
            }
            CONTINUATION if self.message == Message::None => return Err(PROTOCOL),
            TEXT | BINARY if self.message != Message::None => return Err(PROTOCOL),
            CONTINUATION => {}
            TEXT => self.message = Message::Text,
            BINARY => self.message = Message::Binary,
            _ => return Err(PROTOCOL),
        }
        self.frame = Some(Frame { opcode, last, mask, left });
        self.message_bytes = self.message_bytes.saturating_add(left);
        if self.message_bytes > SKIPPED_AT_MOST {
            return Err(ProtocolError(CloseCode::TooBig));
        }
        if self.message == Message::Binary {
            if self.message_bytes > self.limit as u64 {
                self.message = Message::TooLarge;
                self.payload = Vec::new();
                return Ok(Some(Incoming::TooLarge));
            }
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.payload.reserve_exact(left.min(RESERVED_AT_MOST));
        }
        Ok(None)
    }

    fn read_payload(&mut self, input: &mut &[u8]) -> Option<Incoming> {
        let frame = self.frame.as_mut()?;
        let count = usize::try_from(frame.left).map_or(input.len(), |left| left.min(input.len()));
        let (now, rest) = input.split_at(count);
        *input = rest;
        frame.left -= count as u64;
        let control = frame.opcode >= CLOSE;
        if control {
            append_unmasked(&mut self.control, now, &mut frame.mask);
        } else if self.message == Message::Binary {
            append_unmasked(&mut self.payload, now, &mut frame.mask);
        }
        if frame.left > 0 {
            return None;
        }
        let Frame { opcode, last, mask: _, left: _ } = self.frame.take()?;
        match opcode {
            CLOSE => {
                self.control = Vec::new();
                Some(Incoming::Close)
            }
            PING => Some(Incoming::Ping(std::mem::take(&mut self.control).into())),
            PONG => {
                self.control = Vec::new();
                Some(Incoming::Pong)
            }
            _ if !last => None,
            _ => {
                self.message_bytes = 0;
                match std::mem::replace(&mut self.message, Message::None) {
                    Message::Binary => Some(Incoming::Binary),
                    Message::Text => Some(Incoming::Text),
                    Message::TooLarge | Message::None => None,
                }
            }
        }
    }
}

/// How long the header is, as far as its first `filled` bytes tell.
fn header_length(header: &[u8; 14], filled: usize) -> usize {
    if filled < 2 {
        return 2;
    }
    let extended = match header[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if header[1] & 0x80 != 0 { 4 } else { 0 };
    2 + extended + mask
}

/// How long the payload is and what it is masked with, by a header of `length` bytes that is whole and says that there is a mask.
fn length_and_mask(header: &[u8; 14], length: usize) -> (u64, [u8; 4]) {
    let mut mask = [0; 4];
    mask.copy_from_slice(&header[length - 4..length]);
    let payload = match header[1] & 0x7f {
        126 => u64::from(u16::from_be_bytes([header[2], header[3]])),
        127 => u64::from_be_bytes(header[2..10].try_into().expect("eight bytes")),
        short => u64::from(short),
    };
    (payload, mask)
}

/// Appends `masked` without its mask, and turns the mask so that it fits the bytes that come next.
fn append_unmasked(target: &mut Vec<u8>, masked: &[u8], mask: &mut [u8; 4]) {
    let start = target.len();
    target.extend_from_slice(masked);
    unmask(&mut target[start..], *mask);
    mask.rotate_left(masked.len() % 4);
}

fn unmask(masked: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (eights, rest) = masked.as_chunks_mut::<8>();
    for eight in eights {
        *eight = (u64::from_ne_bytes(*eight) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
            medium @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// What comes of these bytes; binary messages with what is in them. Every other one is looked at and dropped, not taken.
    fn decode_all(decoder: &mut Decoder, mut input: &[u8]) -> Result<Vec<(Incoming, Vec<u8>)>, ProtocolError> {
        let mut events = Vec::new();
        while let Some(event) = decoder.decode(&mut input)? {
            let message = match event {
                Incoming::Binary if events.len() % 2 == 0 => decoder.take_message().to_vec(),
                Incoming::Binary => {
                    let message = decoder.message().to_vec();
                    decoder.drop_message();
                    message
                }
                _ => Vec::new(),
            };
            events.push((event, message));
        }
        assert!(input.is_empty());
        Ok(events)
    }

    /// What is seen of a message ahead is what is read then.
    fn decode_with_peeks(mut input: &[u8]) -> Vec<Vec<u8>> {
        let mut decoder = Decoder::new(1000);
        let mut messages: Vec<Vec<u8>> = Vec::new();
        loop {
            let before = input;
            let ahead = decoder.peek(input);
            let Some(event) = decoder.decode(&mut input).unwrap() else { return messages };
            assert_eq!(event, Incoming::Binary);
            messages.push(decoder.take_message().to_vec());
            let read = messages.last().unwrap();
            if let Some(ahead) = ahead {
                assert_eq!(ahead.beginning(), &read[..read.len().min(GLANCE)]);
                assert_eq!(ahead.bytes, before.len() - input.len());
            }
        }
    }

    #[test]
    fn only_a_message_that_lies_there_whole_and_alone_is_seen_ahead() {
        let whole = frame(0x82, &[7; 200], [1, 2, 3, 4]);
        let decoder = Decoder::new(200);
        let ahead = decoder.peek(&[whole.as_slice(), b"more"].concat()).unwrap();
        assert_eq!((ahead.beginning(), ahead.bytes), ([7; GLANCE].as_slice(), whole.len()));
        for length in 0..whole.len() {
            assert!(decoder.peek(&whole[..length]).is_none(), "{length} bytes of it");
        }
        let unmasked = [&[0x82, 2][..], b"no"].concat();
        let others = [frame(0x81, b"text", [1; 4]), frame(0x02, b"first part", [1; 4]), frame(0x89, b"ping", [1; 4]), unmasked];
        for other in others {
            assert!(decoder.peek(&other).is_none(), "{other:?}");
        }
        assert!(decoder.peek(&frame(0x82, &[7; 201], [1; 4])).is_none(), "over the limit");
        let mut endless = vec![0x82, 0x80 | 127];
        endless.extend(u64::MAX.to_be_bytes());
        endless.extend([0; 100]);
        assert!(decoder.peek(&endless).is_none());
        let mut begun = Decoder::new(200);
        assert_eq!(begun.decode(&mut whole[..3].as_ref()), Ok(None));
        assert!(begun.peek(&whole).is_none(), "in the middle of another");
        let mut parts = Decoder::new(200);
        assert_eq!(parts.decode(&mut frame(0x02, b"first part", [1; 4]).as_slice()), Ok(None));
        assert!(parts.peek(&whole).is_none(), "another is not over");
    }

    #[test]
    fn a_message_one_byte_over_the_limit_is_told_and_skipped_and_the_next_is_read() {
        let mut decoder = Decoder::new(1000);
        let mut bytes = frame(0x82, &[7; 1000], [1, 2, 3, 4]);
        bytes.extend(frame(0x82, &[8; 1001], [1, 2, 3, 4]));
        bytes.extend(frame(0x82, b"next", [9; 4]));
        let events = decode_all(&mut decoder, &bytes).unwrap();
        let expected = [(Incoming::Binary, vec![7; 1000]), (Incoming::TooLarge, Vec::new()), (Incoming::Binary, b"next".to_vec())];
        assert_eq!(events, expected);
    }

    #[test]
    fn the_limit_covers_a_message_in_pieces() {
        let mut decoder = Decoder::new(10);
        let mut bytes = frame(0x02, &[1; 6], [5; 4]);
        bytes.extend(frame(0x89, b"ping", [6; 4]));
        bytes.extend(frame(0x00, &[2; 6], [7; 4]));
        bytes.extend(frame(0x80, &[3; 6], [8; 4]));
        bytes.extend(frame(0x82, b"next", [9; 4]));
        let events = decode_all(&mut decoder, &bytes).unwrap();
        let ping = Incoming::Ping(Bytes::from_static(b"ping"));
        assert_eq!(events, [(ping, Vec::new()), (Incoming::TooLarge, Vec::new()), (Incoming::Binary, b"next".to_vec())]);
    }

    #[test]
    fn what_is_no_websocket_ends_the_connection_with_the_right_code() {
        let unmasked = [0x82, 0x01, 0x00];
        let reserved_bit = frame(0xc2, b"x", [0; 4]);
        let unknown_opcode = frame(0x83, b"x", [0; 4]);
        let stray_continuation = frame(0x80, b"x", [0; 4]);
        let long_ping = frame(0x89, &[0; 126], [0; 4]);
        let split_ping = frame(0x09, b"x", [0; 4]);
        let nested: Vec<u8> = [frame(0x02, b"x", [0; 4]), frame(0x82, b"y", [0; 4])].concat();
        for bytes in [unmasked.to_vec(), reserved_bit, unknown_opcode, stray_continuation, long_ping, split_ping, nested] {
            let mut input = bytes.as_slice();
            let mut decoder = Decoder::new(1000);
            let error = loop {
                match decoder.decode(&mut input) {
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("accepted {bytes:?}"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, PROTOCOL);
        }
        let mut endless = vec![0x82, 0x80 | 127];
        endless.extend(u64::MAX.to_be_bytes());
        endless.extend([0; 4]);
        assert_eq!(Decoder::new(1000).decode(&mut endless.as_slice()), Err(ProtocolError(CloseCode::TooBig)));
    }

    #[test]
    fn a_header_alone_claims_little_memory() {
        let mut decoder = Decoder::new(1024 * 1024);
        let mut header = vec![0x82, 0x80 | 127];
        header.extend((1024 * 1024_u64).to_be_bytes());
        header.extend([0; 4]);
        assert_eq!(decode_all(&mut decoder, &header).unwrap(), []);
        assert!(decoder.payload.capacity() <= RESERVED_AT_MOST);
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<[u8; 4]>(), 1..4_usize), 1..6),
            cut in 1..40_usize,
        ) {
            let mut bytes = Vec::new();
            for (payload, mask, pieces) in &messages {
                let piece = payload.len().div_ceil(*pieces).max(1);
                let mut parts: Vec<&[u8]> = payload.chunks(piece).collect();
                if parts.is_empty() {
                    parts.push(&[]);
                }
                let last = parts.len() - 1;
                for (index, part) in parts.iter().enumerate() {
                    let first = if index == 0 { BINARY } else { CONTINUATION } | if index == last { 0x80 } else { 0 };
                    bytes.extend(frame(first, part, *mask));
                }
            }
            let mut decoder = Decoder::new(1000);
            let mut events = Vec::new();
            for part in bytes.chunks(cut) {
                events.extend(decode_all(&mut decoder, part).unwrap());
            }
            prop_assert_eq!(decode_with_peeks(&bytes), messages.iter().map(|(payload, _, _)| payload.clone()).collect::<Vec<_>>());
            let expected: Vec<(Incoming, Vec<u8>)> = messages.into_iter().map(|(payload, _, _)| (Incoming::Binary, payload)).collect();
            prop_assert_eq!(events, expected);
            prop_assert_eq!(decoder.held(), 0, "nothing is kept of what is over");
        }

        #[test]
        fn any_bytes_are_taken_without_panic_or_endless_loop(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::new(64);
            let mut input = bytes.as_slice();
            for _ in 0..=bytes.len() {
                match decoder.decode(&mut input) {
                    Ok(Some(Incoming::Binary)) => decoder.drop_message(),
                    Ok(Some(_)) => {}
                    Ok(None) => { prop_assert!(input.is_empty()); break; }
                    Err(_) => break,
                }
            }
        }
    }
}
