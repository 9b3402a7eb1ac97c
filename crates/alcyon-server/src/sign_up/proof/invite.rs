//! Invites: codes that the operator makes and gives away. The server keeps a hash, a count and an end, and not who came by it.

use std::{fmt, str::FromStr};

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::store::RowKey;

/// Characters of a code: 80 bits.
const CHARACTERS: usize = 16;

/// The code of an invite, as it is given away: `ABCD-EFGH-IJKL-MNOP`.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteCode([u8; 10]);

impl InviteCode {
    /// A new one.
    ///
    /// # Panics
    ///
    /// Without randomness from the system.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 10];
        getrandom::fill(&mut bytes).expect("the system's randomness never fails once the program runs");
        Self(bytes)
    }

    pub(crate) fn hash(&self) -> InviteHash {
        InviteHash(Sha256::new().chain_update("alcyon invite v1").chain_update(self.0).finalize().into())
    }
}

impl fmt::Display for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = BASE32_NOPAD.encode(&self.0);
        for (n, part) in text.as_bytes().chunks(4).enumerate() {
            let part = std::str::from_utf8(part).map_err(|_| fmt::Error)?;
            write!(f, "{}{part}", if n > 0 { "-" } else { "" })?;
        }
        Ok(())
    }
}

/// Forgiving: case, spaces and dashes don't matter.
impl FromStr for InviteCode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let letters: String =
            text.chars().filter(|letter| !matches!(letter, '-' | ' ')).map(|letter| letter.to_ascii_uppercase()).collect();
        if letters.len() != CHARACTERS {
            return Err(());
        }
        let bytes = BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| ())?;
        bytes.try_into().map(Self).map_err(|_| ())
    }
}

impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(..)")
    }
}

/// What is kept of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InviteHash([u8; 32]);

impl InviteHash {
    pub fn key(&self) -> RowKey {
        RowKey::of(&[&self.0])
    }

    /// Reads the form of [`Invite::id`], or more of it.
    pub fn id_of(key: &[u8]) -> String {
        HEXLOWER.encode(&key[..key.len().min(8)])
    }
}

/// An invite, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The beginning of its hash, to name it by. The code itself is shown once, when it is made.
    pub id: String,
    /// How many may still come by it.
    pub left: u32,
    /// Unix milliseconds.
    pub expires_ms: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct InviteRecord {
    #[prost(uint32, tag = "1")]
    pub left: u32,
    #[prost(uint64, tag = "2")]
    pub expires_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        let code = InviteCode([7; 10]);
        let text = code.to_string();
        assert_eq!(text.len(), 19);
        for written in [text.clone(), text.to_lowercase(), text.replace('-', ""), text.replace('-', " ")] {
            assert_eq!(written.parse(), Ok(code.clone()));
        }
        for wrong in ["", "ABCD", &format!("{text}A"), "ABCD-EFGH-IJKL-MNO1", "ÄBCD-EFGH-IJKL-MNOP"] {
            assert_eq!(wrong.parse::<InviteCode>(), Err(()), "{wrong}");
        }
        assert_ne!(InviteCode::random(), InviteCode::random());
    }
}
