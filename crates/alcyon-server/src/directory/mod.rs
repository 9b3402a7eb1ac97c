//! The directory: handles, accounts with their manifests, and KeyPackages to hand out.
//!
//! It lies in the same store as the logs and is written by the same writer, in the same groups, so that a sign-up and its
//! inbox are one transaction. Whoever calls has checked the signature of the device that asks.

mod apply;
mod error;
mod jobs;
mod records;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use alcyon_identity::Manifest;
use alcyon_wire::{AccountId, DeviceId, Handle, HandleName, Seat, ServerUrl, limits};
use bytes::Bytes;

use self::records::{AccountRecord, HandleRecord, KeyPackageKind, account_key, handle_key, key_packages_prefix};
use crate::{
    logs::{
        Answer, Logs,
        engine::read_failed,
        records::{corrupt, decode},
        requests::Job,
    },
    reports::ReportRecord,
    sign_up::{InviteRecord, Proven},
    stamps::Allowance,
    store::{RowKey, Store, StoreError, Table},
};

pub use error::DirectoryError;
pub(crate) use jobs::{DirectoryJob, Overlay};

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

/// What an operator may see of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFacts {
    /// Devices in its manifest.
    pub devices: usize,
    /// Unix milliseconds.
    pub signed_up_ms: u64,
    /// Unix milliseconds, if it is suspended.
    pub suspended_ms: Option<u64>,
}

/// What an operator may do with an account. Its conversations go on in any case: the server does not know which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moderation {
    /// It is found no more, nobody new can begin a conversation with it, it can't change its manifest or KeyPackages.
    Suspend,
    /// Takes that back.
    Restore,
    /// Manifest, KeyPackages and inbox go; its name stays taken.
    Delete,
}

impl<S: Store> Directory<S> {
    /// The directory that lies in the same store as the logs and is written in the same groups.
    #[must_use]
    pub fn new(logs: Logs<S>, settings: DirectorySettings) -> Self {
        Self { logs, settings: Arc::new(settings) }
    }

    /// Signs up: binds the name to the account, and makes its inbox with `inbox_seats` (if the manifest says that it is
    /// here), all at once. The same again gets the same answer.
    pub fn sign_up(&self, name: &HandleName, manifest: Manifest, device: DeviceId, inbox_seats: Vec<Seat>) -> Answer<(), DirectoryError> {
        self.sign_up_with(name, manifest, device, inbox_seats, Proven::default())
    }

    /// The same with what was shown for it: an invite is used in the same transaction.
    pub(crate) fn sign_up_with(
        &self,
        name: &HandleName,
        manifest: Manifest,
        device: DeviceId,
        inbox_seats: Vec<Seat>,
        proven: Proven,
    ) -> Answer<(), DirectoryError> {
        let handle = match Handle::new(name.clone(), &self.settings.server_name) {
            Ok(handle) if self.is_home(&manifest, &handle) => handle,
            _ => return Answer::known(Err(DirectoryError::NotHome)),
        };
        if !manifest.has_device(device) {
            return Answer::known(Err(DirectoryError::UnknownDevice));
        }
        let (name, inbox, manifest) = (handle.name().clone(), self.inbox(&manifest, inbox_seats), Box::new(manifest));
        self.logs.for_connection().ask(|reply| Job::Directory(Box::new(DirectoryJob::SignUp { name, manifest, inbox, proven, reply })))
    }

    /// The bytes of the signed manifest behind a handle here.
    pub fn manifest_by_handle(&self, name: &HandleName) -> Result<Option<Bytes>, DirectoryError> {
        match self.account_of_name(name)? {
            Some(account) => self.manifest_by_account(account),
            None => Ok(None),
        }
    }

    /// The bytes of the signed manifest of an account that has signed up here.
    pub fn manifest_by_account(&self, account: AccountId) -> Result<Option<Bytes>, DirectoryError> {
        let failed = |error: StoreError| read_failed(&error);
        let Some(row) = self.logs.store().get(Table::Accounts, &account_key(account)).map_err(failed)? else {
            return Ok(None);
        };
        let AccountRecord { manifest, handle: _, signed_up_ms: _, unverified: _, suspended_ms } =
            decode(Table::Accounts, row).map_err(failed)?;
        if suspended_ms == 0 { Ok(Some(manifest)) } else { Err(DirectoryError::Suspended) }
    }

    /// What an operator may see of an account: nothing that the directory does not show to everybody, and its times.
    pub fn account(&self, account: AccountId) -> Result<Option<AccountFacts>, DirectoryError> {
        let failed = |error: StoreError| read_failed(&error);
        let Some(row) = self.logs.store().get(Table::Accounts, &account_key(account)).map_err(failed)? else {
            return Ok(None);
        };
        let AccountRecord { manifest, handle: _, signed_up_ms, unverified: _, suspended_ms } =
            decode(Table::Accounts, row).map_err(failed)?;
        let manifest = Manifest::decode(&manifest).map_err(|_| failed(corrupt(Table::Accounts)))?;
        let devices = manifest.devices().count();
        Ok(Some(AccountFacts { devices, signed_up_ms, suspended_ms: (suspended_ms != 0).then_some(suspended_ms) }))
    }

    /// The account behind a name, suspended or not.
    pub fn account_of_name(&self, name: &HandleName) -> Result<Option<AccountId>, DirectoryError> {
        let failed = |error: StoreError| read_failed(&error);
        let Some(row) = self.logs.store().get(Table::Handles, &handle_key(name)).map_err(failed)? else {
            return Ok(None);
        };
        let HandleRecord { account } = decode(Table::Handles, row).map_err(failed)?;
        Ok(Some(AccountId::parse(&account, "handle").map_err(|_| failed(corrupt(Table::Handles)))?))
    }

    /// Accounts in all, and how many of them are suspended. Reads every record.
    pub fn count_accounts(&self) -> Result<(u64, u64), DirectoryError> {
        let failed = |error: StoreError| read_failed(&error);
        let (from, to) = (RowKey::of(&[]), RowKey::after_prefix(&[0xFF; AccountId::LENGTH]));
        let (mut all, mut suspended) = (0, 0);
        for row in self.logs.store().range(Table::Accounts, &from, &to).map_err(failed)? {
            let record: AccountRecord = decode(Table::Accounts, row.map_err(failed)?.1).map_err(failed)?;
            all += 1;
            suspended += u64::from(record.suspended_ms != 0);
        }
        Ok((all, suspended))
    }

    /// An operator's act. The same again changes nothing more.
    pub fn moderate(&self, account: AccountId, act: Moderation) -> Answer<(), DirectoryError> {
        self.logs.ask(|reply| Job::Directory(Box::new(DirectoryJob::Moderate { account, act, reply })))
    }

    /// A newer manifest; the same again is fine. `inbox_seats` are the seats for devices that came with it, or all of them
    /// when the inbox moves here. The seats of devices that went are dropped at the inbox, with their drop secret.
    pub fn put_manifest(&self, manifest: Manifest, inbox_seats: Vec<Seat>) -> Answer<(), DirectoryError> {
        let (server_name, server_url) = (&self.settings.server_name, &self.settings.server_url);
        let here = manifest.homes().iter().filter(|home| home.handle.server() == server_name && home.server == *server_url);
        let handles = here.map(|home| handle_key(home.handle.name())).collect();
        let (inbox, manifest) = (self.inbox(&manifest, inbox_seats), Box::new(manifest));
        self.logs.for_connection().ask(|reply| Job::Directory(Box::new(DirectoryJob::PutManifest { handles, manifest, inbox, reply })))
    }

    /// Stores KeyPackages of a device; those it has already, and those handed out before, are not stored again. An empty
    /// `last_resort` leaves the old one. Answers how many there are now.
    pub fn put_key_packages(
        &self,
        account: AccountId,
        device: DeviceId,
        last_resort: Bytes,
        one_time: Vec<Bytes>,
    ) -> Answer<KeyPackageCount, DirectoryError> {
        if one_time.len() > limits::ONE_TIME_KEY_PACKAGES {
            return Answer::known(Err(DirectoryError::TooManyKeyPackages { limit: limits::ONE_TIME_KEY_PACKAGES }));
        }
        let fits = |key_package: &Bytes| (1..=limits::KEY_PACKAGE).contains(&key_package.len());
        if !one_time.iter().all(fits) || last_resort.len() > limits::KEY_PACKAGE {
            return Answer::known(Err(DirectoryError::KeyPackageSize { limit: limits::KEY_PACKAGE }));
        }
        self.logs
            .for_connection()
            .ask(|reply| Job::Directory(Box::new(DirectoryJob::PutKeyPackages { account, device, last_resort, one_time, reply })))
    }

    /// One KeyPackage of each device: a one-time one, which is gone then, else the last resort. A device that has none is
    /// left out.
    pub fn claim_key_packages(&self, account: AccountId) -> Answer<Vec<ClaimedKeyPackage>, DirectoryError> {
        self.logs.for_connection().ask(|reply| Job::Directory(Box::new(DirectoryJob::ClaimKeyPackages { account, reply })))
    }

    /// Takes a batch of stamps off an account's allowance, durably.
    pub(crate) fn take_stamps(&self, account: AccountId, device: DeviceId, allowance: Allowance) -> Answer<(), DirectoryError> {
        let job = |reply| Job::Directory(Box::new(DirectoryJob::TakeStamps { account, device, allowance, reply }));
        self.logs.for_connection().ask(job)
    }

    /// What is left of a device's KeyPackages.
    pub fn key_package_count(&self, account: AccountId, device: DeviceId) -> Result<KeyPackageCount, DirectoryError> {
        let failed = |error: StoreError| read_failed(&error);
        let store = self.logs.store();
        let last_resort = store.get(Table::KeyPackages, &key_packages_prefix(account, device, KeyPackageKind::LastResort));
        let prefix = key_packages_prefix(account, device, KeyPackageKind::OneTime);
        let one_time = store.range(Table::KeyPackages, &prefix, &RowKey::after_prefix(&prefix)).map_err(failed)?;
        Ok(KeyPackageCount { last_resort: last_resort.map_err(failed)?.is_some(), one_time: one_time.count() })
    }

    /// The part of the handles here after the `@`.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.settings.server_name
    }

    /// Keeps an invite, or removes it.
    pub(crate) fn put_invite(&self, hash: RowKey, invite: Option<InviteRecord>) -> Answer<(), DirectoryError> {
        self.logs.ask(|reply| Job::Directory(Box::new(DirectoryJob::PutInvite { hash, invite, reply })))
    }

    /// Keeps a report, or removes it.
    pub(crate) fn put_report(&self, id: RowKey, report: Option<ReportRecord>) -> Answer<(), DirectoryError> {
        self.logs.ask(|reply| Job::Directory(Box::new(DirectoryJob::PutReport { id, report, reply })))
    }

    /// The manifest of an account that may ask for something, if this device is in it.
    pub(crate) fn manifest_with(&self, account: AccountId, device: DeviceId) -> Result<Manifest, DirectoryError> {
        let bytes = self.manifest_by_account(account)?.ok_or(DirectoryError::UnknownAccount)?;
        let manifest = Manifest::decode(&bytes).map_err(|_| read_failed(&corrupt(Table::Accounts)))?;
        if manifest.has_device(device) { Ok(manifest) } else { Err(DirectoryError::UnknownDevice) }
    }

    /// The manifest names the handle, and this server with it.
    fn is_home(&self, manifest: &Manifest, handle: &Handle) -> bool {
        manifest.homes().iter().any(|home| home.handle == *handle && home.server == self.settings.server_url)
    }

    /// The inbox's seats, if the inbox is here.
    fn inbox(&self, manifest: &Manifest, seats: Vec<Seat>) -> Option<Vec<Seat>> {
        (manifest.inbox().server == self.settings.server_url).then_some(seats)
    }
}
