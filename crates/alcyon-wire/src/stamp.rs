//! Stamps and work: what a new log and a stranger's knock are paid with.
//!
//! A stamp is a Privacy Pass token (RFC 9577, section 2.2): a number that its holder has drawn, and what only the issuer can
//! compute from it. This is the form alone; what makes one genuine is not known here.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{EntryId, LogId, WireError, limits, proto};

/// VOPRF (ristretto255, SHA-512), of the Privacy Pass token types.
const TOKEN_TYPE: [u8; 2] = [0x00, 0x05];

/// Names the issuer's key: SHA-256 of its public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StampKeyId(pub [u8; 32]);

impl StampKeyId {
    /// That of a public key.
    #[must_use]
    pub fn of(public_key: &[u8; 32]) -> Self {
        Self(Sha256::digest(public_key).into())
    }
}

impl fmt::Debug for StampKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StampKeyId(..)")
    }
}

/// A stamp, in its form. Whoever shows it first has paid.
#[derive(Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Drawn by its holder.
    pub nonce: [u8; 32],
    /// At whose server it pays: [`token_challenge`].
    pub challenge: [u8; 32],
    /// The key it was made with.
    pub key: StampKeyId,
    /// What the issuer's key makes of all that.
    pub authenticator: [u8; 64],
}

impl Stamp {
    /// Its length.
    pub const BYTES: usize = Self::INPUT + 64;
    const INPUT: usize = 2 + 32 + 32 + 32;

    /// Reads it from a field; the error names `field`.
    pub fn parse(bytes: &[u8], field: &'static str) -> Result<Self, WireError> {
        let bytes: &[u8; Self::BYTES] =
            bytes.try_into().map_err(|_| WireError::Length { field, expected: Self::BYTES, actual: bytes.len() })?;
        if bytes[..2] != TOKEN_TYPE {
            return Err(WireError::Missing { field });
        }
        let part = |from: usize| -> [u8; 32] { bytes[from..from + 32].try_into().expect("the length was checked") };
        let mut authenticator = [0; 64];
        authenticator.copy_from_slice(&bytes[Self::INPUT..]);
        Ok(Self { nonce: part(2), challenge: part(34), key: StampKeyId(part(66)), authenticator })
    }

    /// The bytes as they travel.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..Self::INPUT].copy_from_slice(&self.input());
        bytes[Self::INPUT..].copy_from_slice(&self.authenticator);
        bytes
    }

    /// What the issuer's key is applied to: all but the last field.
    #[must_use]
    pub fn input(&self) -> [u8; Self::INPUT] {
        let Self { nonce, challenge, key, authenticator: _ } = self;
        Self::input_of(nonce, challenge, *key)
    }

    /// The same before there is an authenticator.
    #[must_use]
    pub fn input_of(nonce: &[u8; 32], challenge: &[u8; 32], key: StampKeyId) -> [u8; Self::INPUT] {
        let mut input = [0; Self::INPUT];
        input[..2].copy_from_slice(&TOKEN_TYPE);
        input[2..34].copy_from_slice(nonce);
        input[34..66].copy_from_slice(challenge);
        input[66..].copy_from_slice(&key.0);
        input
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamp(..)")
    }
}

/// Hash of the `TokenChallenge` (RFC 9577, section 2.1) for stamps of a server: its name as issuer and as origin, no
/// redemption context. The same for all of its stamps, so that it tells none of them from another.
#[must_use]
pub fn token_challenge(server_name: &str) -> [u8; 32] {
    let name = &server_name.as_bytes()[..server_name.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(name.len()).expect("it was cut to that").to_be_bytes();
    let (issuer, context, origin) = ((length, name), [0_u8], (length, name));
    let hash = Sha256::new().chain_update(TOKEN_TYPE).chain_update(issuer.0).chain_update(issuer.1).chain_update(context);
    hash.chain_update(origin.0).chain_update(origin.1).finalize().into()
}

/// What is shown for a new log or a stranger's knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payment {
    /// A stamp.
    Stamp(Stamp),
    /// Work on a challenge for this very log or knock.
    Work {
        /// The server's.
        challenge: Bytes,
        /// What was found.
        nonce: u64,
    },
}

impl Payment {
    pub(crate) fn parse(payment: Option<proto::Payment>, field: &'static str) -> Result<Option<Box<Self>>, WireError> {
        use proto::payment::By;
        let Some(proto::Payment { by }) = payment else { return Ok(None) };
        match by {
            Some(By::Stamp(stamp)) => Ok(Some(Box::new(Self::Stamp(Stamp::parse(&stamp, field)?)))),
            Some(By::Work(proto::Work { challenge, nonce })) => {
                if challenge.len() > limits::WORK_CHALLENGE {
                    return Err(WireError::TooLarge { field, limit: limits::WORK_CHALLENGE, actual: challenge.len() });
                }
                Ok(Some(Box::new(Self::Work { challenge, nonce })))
            }
            None => Err(WireError::Missing { field }),
        }
    }

    /// The field of a frame.
    #[must_use]
    pub fn to_field(&self) -> proto::Payment {
        use proto::payment::By;
        let by = match self {
            Self::Stamp(stamp) => By::Stamp(Bytes::copy_from_slice(&stamp.to_bytes())),
            Self::Work { challenge, nonce } => By::Work(proto::Work { challenge: challenge.clone(), nonce: *nonce }),
        };
        proto::Payment { by: Some(by) }
    }

    /// What work for a new log is bound to: done for one log, it is none for another.
    #[must_use]
    pub fn for_log(log: LogId) -> [u8; 32] {
        Sha256::new().chain_update("alcyon work for log v1").chain_update(log.as_bytes()).finalize().into()
    }

    /// What work for a knock is bound to.
    #[must_use]
    pub fn for_knock(inbox: LogId, entry_id: EntryId) -> [u8; 32] {
        let hash = Sha256::new().chain_update("alcyon work for knock v1").chain_update(inbox.as_bytes());
        hash.chain_update(entry_id.as_bytes()).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn stamp() -> Stamp {
        Stamp { nonce: [1; 32], challenge: [2; 32], key: StampKeyId([3; 32]), authenticator: [4; 64] }
    }

    #[test]
    fn a_stamp_is_162_bytes_and_comes_back() {
        let bytes = stamp().to_bytes();
        assert_eq!((bytes.len(), &bytes[..3], bytes[161]), (162, &[0, 5, 1][..], 4));
        assert_eq!(Stamp::parse(&bytes, "stamp").unwrap(), stamp());
        assert_eq!(stamp().input(), bytes[..98]);
        assert!(matches!(Stamp::parse(&bytes[1..], "stamp"), Err(WireError::Length { expected: 162, actual: 161, .. })));
        let mut other_type = bytes;
        other_type[1] = 2;
        assert!(Stamp::parse(&other_type, "stamp").is_err(), "tokens of other types are none of ours");
    }

    #[test]
    fn a_challenge_is_the_hash_of_the_struct_of_the_rfc() {
        let mut encoded = vec![0, 5, 0, 9];
        encoded.extend(b"a.example");
        encoded.extend([0, 0, 9]);
        encoded.extend(b"a.example");
        assert_eq!(token_challenge("a.example"), <[u8; 32]>::from(Sha256::digest(&encoded)));
        assert_ne!(token_challenge("a.example"), token_challenge("b.example"));
    }

    #[test]
    fn work_for_one_thing_is_none_for_another() {
        let (log, entry) = (LogId::from([1; 16]), EntryId::from([2; 16]));
        assert_ne!(Payment::for_log(log), Payment::for_log(LogId::from([2; 16])));
        assert_ne!(Payment::for_knock(log, entry), Payment::for_knock(log, EntryId::from([3; 16])));
        assert_ne!(Payment::for_knock(log, entry), Payment::for_log(log));
    }

    #[test]
    fn what_shows_neither_is_refused() {
        let parse = |by| Payment::parse(Some(proto::Payment { by }), "create.payment");
        assert_eq!(parse(None).unwrap_err().field(), "create.payment");
        let challenge = vec![0; limits::WORK_CHALLENGE + 1].into();
        assert!(parse(Some(proto::payment::By::Work(proto::Work { challenge, nonce: 1 }))).is_err());
        assert_eq!(Payment::parse(None, "create.payment").unwrap(), None);
    }
}
