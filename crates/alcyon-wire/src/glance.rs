//! A look at the beginning of a frame that may be refused: who asks, and nothing else of it is taken apart, copied or kept.

use prost::encoding::{WireType, decode_varint};

use crate::{RequestId, SeatSecret};

/// So many bytes of a frame are enough for [`glance_at_append`] to say all that it could say of the whole: the number of the request, three
/// lengths, the id of a log and the secret of a seat, each at its longest, with their tags.
pub const GLANCE: usize = 96;

/// Fields of `ClientFrame`, `Append` and `SeatKey`.
const REQUEST: u32 = 1;
const APPEND: u32 = 4;
const SEAT: u32 = 1;
const LOG: u32 = 1;
const SECRET: u32 = 2;

/// An append, as far as it matters to whoever refuses it: the number of the request and the secret of the seat. `frame` is a frame or the
/// first bytes of it ([`GLANCE`]). None if it is anything else, if it is not well formed that far, or if its fields don't stand in the order of
/// their numbers; [`decode_client_frame`](crate::decode_client_frame) says what it is.
///
/// Where ten times too much is asked, nine of ten frames are refused on the core that serves the tenth.
#[must_use]
pub fn glance_at_append(frame: &[u8]) -> Option<(RequestId, SeatSecret)> {
    let mut rest = frame;
    tag(&mut rest, REQUEST, WireType::Varint)?;
    let request = varint(&mut rest).filter(|request| *request != 0)?;
    length(&mut rest, APPEND)?;
    length(&mut rest, SEAT)?;
    bytes(&mut rest, LOG)?;
    let secret = bytes(&mut rest, SECRET)?;
    Some((RequestId(request), SeatSecret::parse(secret, "append.seat").ok()?))
}

/// What stands before a field: one byte, as all of these have low numbers and nobody writes it longer than it is.
#[inline]
fn tag(rest: &mut &[u8], field: u32, wire: WireType) -> Option<()> {
    (u32::from(*rest.split_off_first()?) == field << 3 | wire as u32).then_some(())
}

/// Steps into a field that has a length.
#[inline]
fn length(rest: &mut &[u8], field: u32) -> Option<usize> {
    tag(rest, field, WireType::LengthDelimited)?;
    usize::try_from(varint(rest)?).ok()
}

#[inline]
fn varint(rest: &mut &[u8]) -> Option<u64> {
    match *rest.first()? {
        // Most lengths are short.
        short @ 0..=0x7f => {
            *rest = &rest[1..];
            Some(short.into())
        }
        _ => decode_varint(rest).ok(),
    }
}

#[inline]
fn bytes<'a>(rest: &mut &'a [u8], field: u32) -> Option<&'a [u8]> {
    let (found, after) = length(rest, field).and_then(|length| rest.split_at_checked(length))?;
    *rest = after;
    Some(found)
}
