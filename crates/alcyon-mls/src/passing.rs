//! The seal around what passes and is kept nowhere.

use alcyon_wire::{LogId, proto};
use prost::Message;
use tls_codec::SecretVLBytes;

use crate::{
    Group, MlsError,
    keys::{open, seal},
};

/// The exporter's label (RFC 9420 section 8.5); the context is the log id.
const LABEL: &str = "alcyon passing v1";

/// The key of one epoch of a group for what members publish: everybody who is in the epoch has it.
pub struct PassingKey {
    key: SecretVLBytes,
    log: LogId,
}

impl PassingKey {
    /// The key of the epoch that the group is in.
    pub fn of_epoch(group: &Group, log: LogId) -> Result<Self, MlsError> {
        Ok(Self { key: group.export(LABEL, log.as_bytes())?.to_vec().into(), log })
    }

    /// Pads and seals.
    pub fn seal(&self, content: &[u8]) -> Result<Vec<u8>, MlsError> {
        let proto::SealedBox { nonce, ciphertext } = seal(&self.key, self.log.as_bytes(), content)?;
        Ok(proto::SealedPassing { nonce, ciphertext }.encode_to_vec())
    }

    /// Opens the form of [`Self::seal`]. Of another epoch it does not open.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, MlsError> {
        let proto::SealedPassing { nonce, ciphertext } =
            proto::SealedPassing::decode(sealed).map_err(|_| MlsError::Malformed { what: "SealedPassing" })?;
        open(&self.key, self.log.as_bytes(), &proto::SealedBox { nonce, ciphertext }, "passing")
    }
}
