//! The code that a new device shows.

use alcyon_wire::{LogId, ServerUrl, WireError, proto};
use data_encoding::BASE64URL_NOPAD;
use prost::Message;
use zeroize::Zeroizing;

/// What a new device shows, as text or as a QR code, to one that is in.
///
/// Whoever sees it can read along at the place where the two devices meet, and speak there: what is sealed to the new device stays
/// sealed, and nothing comes of what is said until the person has compared the numbers.
#[derive(Clone)]
pub struct DeviceCode {
    pub(crate) server: ServerUrl,
    pub(crate) log: LogId,
    pub(crate) secret: Zeroizing<[u8; 32]>,
    pub(crate) hello_hash: [u8; 32],
}

impl DeviceCode {
    /// `alcyon://device/HOST#...`
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { server, log, secret, hello_hash } = self;
        let field = proto::DeviceCode {
            server: server.to_text(),
            log: log.to_field(),
            secret: secret.to_vec().into(),
            hello_hash: hello_hash.to_vec().into(),
        };
        format!("alcyon://device/{}#{}", server.authority(), BASE64URL_NOPAD.encode(&field.encode_to_vec()))
    }
}

impl std::str::FromStr for DeviceCode {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        const WHAT: WireError = WireError::Malformed { what: "code" };
        let (place, secret) = text.trim().split_once('#').ok_or(WHAT)?;
        if !place.starts_with("alcyon://device/") {
            return Err(WHAT);
        }
        let bytes = BASE64URL_NOPAD.decode(secret.as_bytes()).map_err(|_| WHAT)?;
        let proto::DeviceCode { server, log, secret, hello_hash } = proto::DeviceCode::decode(bytes.as_slice()).map_err(|_| WHAT)?;
        Ok(Self {
            server: server.parse()?,
            log: LogId::parse(&log, "code.log")?,
            secret: Zeroizing::new(secret.as_ref().try_into().map_err(|_| WHAT)?),
            hello_hash: hello_hash.as_ref().try_into().map_err(|_| WHAT)?,
        })
    }
}

impl std::fmt::Debug for DeviceCode {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceCode(at {})", self.server.authority())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_code_comes_back_and_its_secret_is_behind_the_hash() {
        let code = DeviceCode {
            server: "https://sea.example".parse().unwrap(),
            log: LogId::from([2; 16]),
            secret: Zeroizing::new([3; 32]),
            hello_hash: [4; 32],
        };
        let text = code.to_text();
        assert!(text.starts_with("alcyon://device/sea.example#"), "{text}");
        assert!(text.len() < 200, "a QR code of it stays small: {}", text.len());
        assert_eq!(text.parse::<DeviceCode>().unwrap().to_text(), text);
        assert!(!format!("{code:?}").contains('3'), "the secret is not printed");
        for wrong in ["", "alcyon://device/x", "alcyon://join/x#AAAA", "alcyon://device/x#%%", "alcyon://device/x#AAAA"] {
            assert!(wrong.parse::<DeviceCode>().is_err(), "{wrong}");
        }
    }
}
