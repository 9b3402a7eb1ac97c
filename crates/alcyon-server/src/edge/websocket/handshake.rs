use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue, Method, header};
use sha1::{Digest, Sha1};

/// A client's wish to speak WebSocket, checked (RFC 6455 section 4.2).
#[derive(Debug)]
pub(crate) struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    pub(crate) accept: HeaderValue,
}

/// What a request lacks to become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandshakeError {
    /// The header, or `method`.
    pub(crate) field: &'static str,
}

impl Handshake {
    /// Checks the head of a request.
    pub(crate) fn check(method: &Method, headers: &HeaderMap) -> Result<Self, HandshakeError> {
        let missing = |field| HandshakeError { field };
        if method != Method::GET {
            return Err(missing("method"));
        }
        if !has_token(headers, header::CONNECTION, "upgrade") {
            return Err(missing("connection"));
        }
        if !has_token(headers, header::UPGRADE, "websocket") {
            return Err(missing("upgrade"));
        }
        if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(missing("sec-websocket-version"));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(missing("sec-websocket-key"))?;
        if BASE64.decode(key.as_bytes()).map_or(0, |key| key.len()) != 16 {
            return Err(missing("sec-websocket-key"));
        }
        let hash = Sha1::new().chain_update(key.as_bytes()).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
        let accept = HeaderValue::try_from(BASE64.encode(&hash)).expect("base64 is plain text");
        Ok(Self { accept })
    }
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name);
    values
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The example of RFC 6455, section 1.3.
    fn example() -> HeaderMap {
        let lines = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        lines.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        assert_eq!(Handshake::check(&Method::GET, &example()).unwrap().accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_missing_is_named() {
        for field in ["connection", "upgrade", "sec-websocket-version", "sec-websocket-key"] {
            let mut headers = example();
            headers.remove(field);
            assert_eq!(Handshake::check(&Method::GET, &headers).unwrap_err(), HandshakeError { field });
        }
        assert_eq!(Handshake::check(&Method::POST, &example()).unwrap_err().field, "method");
    }
}
