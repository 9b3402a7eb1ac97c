//! Several devices of one account: how a new one is linked, what devices tell each other, how they come in everywhere by
//! themselves, and how one is removed.
//!
//! No device is above the others. What they share they share in a conversation of their own (*note to self*), which is a group
//! of one account; a device that is in it hears of everything else there.

mod add;
mod code;
pub(crate) mod come_in;
mod history;
mod link;
mod manifest;
mod marks;
mod meeting;
pub(crate) mod own;
pub(crate) mod remove;
pub(crate) mod share;
pub(crate) mod take;

use alcyon_store::{DeviceNoteKind, DeviceRecord, Tx};
use alcyon_wire::DeviceId;

use crate::{Client, ClientError, Clock, Transport, local::Local};

pub use add::DeviceToAdd;
pub use code::DeviceCode;
pub use link::LinkNumber;
pub(crate) use marks::{tell as tell_marks, tell_read, tell_seen_once};

/// Bytes of a device's name at most.
pub(crate) const NAME: usize = 64;

/// A device of this account, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    /// The device.
    pub device: DeviceId,
    /// As the person calls it; empty if it was never named.
    pub name: String,
    /// When it came into the account, Unix milliseconds; 0 where that is not known here.
    pub added_ms: u64,
    /// The one that this program runs on.
    pub this: bool,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// The devices of this account, the oldest first.
    pub fn devices(&self) -> Result<Vec<DeviceView>, ClientError> {
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let known = tx.devices()?;
            let mut devices: Vec<_> = local
                .manifest
                .devices()
                .map(|device| {
                    let record = known.iter().find(|record| record.device == device);
                    DeviceView {
                        device,
                        name: record.map(|record| record.name.clone()).unwrap_or_default(),
                        added_ms: record.map_or(0, |record| record.added_ms),
                        this: device == local.device.id(),
                    }
                })
                .collect();
            devices.sort_by_key(|device| device.added_ms);
            Ok(devices)
        })
    }

    /// Names a device of this account; its siblings learn of it.
    pub async fn name_device(&self, which: &str, name: &str) -> Result<(), ClientError> {
        check_name(name)?;
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let device = self.find_device(which)?;
        self.core.store.transaction(|tx| {
            let known = tx.device(device)?;
            tx.put_device(&DeviceRecord {
                device,
                name: name.to_owned(),
                added_ms: known.as_ref().map_or(0, |known| known.added_ms),
                inbox_seat: known.as_ref().and_then(|known| known.inbox_seat),
                added_here: known.is_some_and(|known| known.added_here),
            })?;
            share::tell_devices(tx, &local, now_ms)
        })?;
        self.core.work.poke();
        self.drive_until(|_| Ok(false)).await
    }

    /// A device by its name, or by the beginning of its id.
    pub fn find_device(&self, which: &str) -> Result<DeviceId, ClientError> {
        let unknown = || ClientError::Unknown { field: "device", what: which.to_owned() };
        let devices = self.devices()?;
        let named: Vec<_> = devices.iter().filter(|device| device.name == which).collect();
        let found = if named.is_empty() && which.len() >= 4 {
            devices.iter().filter(|device| device.device.to_text().starts_with(which)).collect()
        } else {
            named
        };
        match found.as_slice() {
            [one] => Ok(one.device),
            _ => Err(unknown()),
        }
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), ClientError> {
    if name.trim().is_empty() {
        return Err(ClientError::EmptyText);
    }
    if name.len() > NAME {
        return Err(ClientError::TextTooLong { limit: NAME, actual: name.len() });
    }
    Ok(())
}

/// Whether this device was removed from its account.
pub(crate) fn was_removed(tx: &Tx<'_>) -> Result<bool, ClientError> {
    Ok(tx.device_note(DeviceNoteKind::Removed, &[])?.is_some())
}

/// Whether this account has more than one device.
pub(crate) fn has_siblings(local: &Local) -> bool {
    local.manifest.devices().len() > 1
}
