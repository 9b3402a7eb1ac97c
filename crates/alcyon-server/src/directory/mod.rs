//! The directory: handles, accounts with their manifests, and KeyPackages to hand out.

mod error;

use std::sync::Arc;

use alcyon_identity::Manifest;
use alcyon_wire::{AccountId, DeviceId, HandleName, Seat, ServerUrl};
use bytes::Bytes;

use crate::{
    logs::{Answer, Logs},
    store::Store,
};

pub use error::DirectoryError;

/// Who this server is, for manifests that name it.
#[derive(Debug, Clone)]
pub struct DirectorySettings {
    /// The part after the `@` of the handles here.
    pub server_name: String,
    /// The URL that manifests name as home.
    pub server_url: ServerUrl,
}

/// Handles, manifests and KeyPackages. Clones are handles to the same.
pub struct Directory<S> {
    logs: Logs<S>,
    settings: Arc<DirectorySettings>,
}

impl<S> Clone for Directory<S> {
    fn clone(&self) -> Self {
        Self { logs: self.logs.clone(), settings: self.settings.clone() }
    }
}

/// KeyPackages that are left of one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPackageCount {
    /// Whether there is a last resort.
    pub last_resort: bool,
    /// One-time ones.
    pub one_time: usize,
}

/// A KeyPackage that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedKeyPackage {
    /// Whose it is.
    pub device: DeviceId,
    /// An MLS KeyPackage, TLS-encoded.
    pub key_package: Bytes,
}

#[allow(clippy::needless_pass_by_value, unused_variables)]
impl<S: Store> Directory<S> {
    /// The directory that lies in the same store as the logs and is written in the same groups.
    #[must_use]
    pub fn new(logs: Logs<S>, settings: DirectorySettings) -> Self {
        Self { logs, settings: Arc::new(settings) }
    }

    /// Signs up: binds the name to the account, and makes its inbox (if the manifest says that it is here), all at once.
    /// The caller has checked that `device` asks. The same again gets the same answer.
    pub fn sign_up(&self, name: &HandleName, manifest: Manifest, device: DeviceId, inbox_seats: Vec<Seat>) -> Answer<(), DirectoryError> {
        Answer::refused(crate::Refusal::internal().into())
    }

    /// The bytes of the signed manifest behind a handle here.
    pub fn manifest_by_handle(&self, name: &HandleName) -> Result<Option<Bytes>, DirectoryError> {
        Err(crate::Refusal::internal().into())
    }

    /// The bytes of the signed manifest of an account that has its home here.
    pub fn manifest_by_account(&self, account: AccountId) -> Result<Option<Bytes>, DirectoryError> {
        Err(crate::Refusal::internal().into())
    }

    /// A newer manifest. `inbox_seats` are the seats for devices that came with it.
    pub fn put_manifest(&self, manifest: Manifest, inbox_seats: Vec<Seat>) -> Answer<(), DirectoryError> {
        Answer::refused(crate::Refusal::internal().into())
    }

    /// Stores KeyPackages of a device; those it has already are not stored twice. An empty `last_resort` leaves the old one.
    pub fn put_key_packages(
        &self,
        account: AccountId,
        device: DeviceId,
        last_resort: Bytes,
        one_time: Vec<Bytes>,
    ) -> Answer<KeyPackageCount, DirectoryError> {
        Answer::refused(crate::Refusal::internal().into())
    }

    /// One KeyPackage of each device: a one-time one, which is gone then, else the last resort.
    pub fn claim_key_packages(&self, account: AccountId) -> Answer<Vec<ClaimedKeyPackage>, DirectoryError> {
        Answer::refused(crate::Refusal::internal().into())
    }

    /// What is left of a device's KeyPackages.
    pub fn key_package_count(&self, account: AccountId, device: DeviceId) -> Result<KeyPackageCount, DirectoryError> {
        Err(crate::Refusal::internal().into())
    }
}
