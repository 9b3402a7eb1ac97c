use std::fmt;

use sha2::{Digest, Sha256};

use crate::{LogId, WireError};

/// SHA-256 of an entry's payload; it stands for the payload once that is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PayloadHash([u8; 32]);

/// Hashes a payload.
#[must_use]
pub fn payload_hash(payload: &[u8]) -> PayloadHash {
    PayloadHash(Sha256::digest(payload).into())
}

impl PayloadHash {
    /// Reads it from a field; the error names `field`.
    pub fn parse(bytes: &[u8], field: &'static str) -> Result<Self, WireError> {
        bytes.try_into().map(Self).map_err(|_| WireError::Length { field, expected: 32, actual: bytes.len() })
    }

    /// The bytes as they travel.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadHash(..)")
    }
}

/// The hash over everything a log holds up to an entry: equal for two readers only if the log showed both the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunningHash([u8; 32]);

impl RunningHash {
    /// h(0), before the first entry.
    #[must_use]
    pub fn start(log: LogId) -> Self {
        Self(Sha256::new().chain_update("alcyon log v1").chain_update(log.as_bytes()).finalize().into())
    }

    /// h(p) from h(p-1), the header as the bytes that travelled, and the payload's hash.
    #[must_use]
    pub fn next(&self, header: &[u8], payload: &PayloadHash) -> Self {
        let header: [u8; 32] = Sha256::digest(header).into();
        Self(
            Sha256::new()
                .chain_update("alcyon entry v1")
                .chain_update(self.0)
                .chain_update(header)
                .chain_update(payload.0)
                .finalize()
                .into(),
        )
    }

    /// Reads it from a field; the error names `field`.
    pub fn parse(bytes: &[u8], field: &'static str) -> Result<Self, WireError> {
        bytes.try_into().map(Self).map_err(|_| WireError::Length { field, expected: 32, actual: bytes.len() })
    }

    /// The bytes as they travel.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The bytes as a protobuf field.
    #[must_use]
    pub fn to_field(self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(&self.0)
    }
}

impl fmt::Debug for RunningHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningHash(..)")
    }
}
