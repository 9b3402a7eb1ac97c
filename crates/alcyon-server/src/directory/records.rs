//! Records of the directory. An account's record is the only place where an account and a log (its inbox, inside the
//! manifest) stand together.

use alcyon_wire::{AccountId, DeviceId, HandleName};
use bytes::Bytes;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::store::RowKey;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AccountRecord {
    /// A SignedManifest, as it was signed.
    #[prost(bytes = "bytes", tag = "1")]
    pub manifest: Bytes,
    /// Key of the handle here.
    #[prost(bytes = "bytes", tag = "2")]
    pub handle: Bytes,
    #[prost(uint64, tag = "3")]
    pub signed_up_ms: u64,
    /// It came in while nobody could send the code that it should have shown.
    #[prost(bool, tag = "4")]
    pub unverified: bool,
    /// When the operator has suspended it; 0: not.
    #[prost(uint64, tag = "8")]
    pub suspended_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HandleRecord {
    #[prost(bytes = "bytes", tag = "1")]
    pub account: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyPackageRecord {
    /// An MLS KeyPackage, TLS-encoded.
    #[prost(bytes = "bytes", tag = "1")]
    pub key_package: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct ClaimedRecord {
    #[prost(uint64, tag = "1")]
    pub claimed_ms: u64,
}

/// What kind of KeyPackage a key holds; the last resort sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPackageKind {
    LastResort = 0,
    OneTime = 1,
}

pub(crate) fn account_key(account: AccountId) -> RowKey {
    RowKey::of(&[account.as_bytes()])
}

/// The name itself is not stored; only the manifest, which its owner signed to be shown, has it.
pub(crate) fn handle_key(name: &HandleName) -> RowKey {
    RowKey::of(&[&Sha256::new().chain_update("alcyon handle v1").chain_update(name.as_str()).finalize()])
}

/// Under the hash of the KeyPackage, so that none is stored twice; the last resort has a fixed place.
pub(crate) fn key_package_key(account: AccountId, device: DeviceId, kind: KeyPackageKind, key_package: &[u8]) -> RowKey {
    let prefix = key_packages_prefix(account, device, kind);
    match kind {
        KeyPackageKind::LastResort => prefix,
        KeyPackageKind::OneTime => RowKey::of(&[&prefix, &Sha256::digest(key_package)]),
    }
}

pub(crate) fn key_packages_prefix(account: AccountId, device: DeviceId, kind: KeyPackageKind) -> RowKey {
    RowKey::of(&[account.as_bytes(), device.as_bytes(), &[kind as u8]])
}

pub(crate) fn claimed_key(account: AccountId, device: DeviceId, key_package: &[u8]) -> RowKey {
    RowKey::of(&[account.as_bytes(), device.as_bytes(), &Sha256::digest(key_package)])
}
