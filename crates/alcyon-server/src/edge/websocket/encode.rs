use prost::Message;

use super::CloseCode;

/// Appends a binary message.
pub(crate) fn put_message(target: &mut Vec<u8>, message: &impl Message) {
    put_message_header(target, message.encoded_len());
    message.encode_raw(target);
}

/// Appends what stands before a binary message of `length` bytes, and makes room for it.
pub(crate) fn put_message_header(target: &mut Vec<u8>, length: usize) {
    target.reserve(length + 10);
    put_header(target, 0x82, length);
}

/// Appends the answer to a ping.
pub(crate) fn put_pong(target: &mut Vec<u8>, payload: &[u8]) {
    put_header(target, 0x8a, payload.len());
    target.extend_from_slice(payload);
}

/// Appends a ping.
pub(crate) fn put_ping(target: &mut Vec<u8>) {
    put_header(target, 0x89, 0);
}

/// Appends the last frame of a connection.
pub(crate) fn put_close(target: &mut Vec<u8>, code: CloseCode) {
    put_header(target, 0x88, 2);
    target.extend_from_slice(&(code as u16).to_be_bytes());
}

fn put_header(target: &mut Vec<u8>, first: u8, length: usize) {
    target.push(first);
    if let Ok(short @ 0..=125) = u8::try_from(length) {
        target.push(short);
    } else if let Ok(medium) = u16::try_from(length) {
        target.push(126);
        target.extend_from_slice(&medium.to_be_bytes());
    } else {
        target.push(127);
        target.extend_from_slice(&(length as u64).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_shortest_form() {
        for (length, header) in [(0_usize, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut bytes = Vec::new();
            put_header(&mut bytes, 0x82, length);
            assert_eq!(bytes.len(), header, "{length}");
        }
        let mut bytes = Vec::new();
        put_header(&mut bytes, 0x82, 65_536);
        assert_eq!(bytes, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_close_carries_its_code() {
        let mut bytes = Vec::new();
        put_close(&mut bytes, CloseCode::GoingAway);
        assert_eq!(bytes, [0x88, 2, 0x03, 0xe9]);
    }
}
