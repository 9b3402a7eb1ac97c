//! The account's manifest: published by any of its devices, the newest one wins.

use alcyon_identity::{Manifest, ManifestDraft};
use alcyon_store::{DeviceNoteKind, Tx};
use alcyon_wire::{DeviceId, Seat, limits};

use crate::{Client, ClientError, Clock, Event, Transport, directory, local::Local};

/// Siblings that publish at once: each try is on the newest there is.
const TRIES: usize = 8;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Publishes a manifest with other devices, and adds seats to the inbox. If a sibling was faster, it is made anew on theirs.
    pub(crate) async fn publish_manifest(&self, seats: &[Seat], change: impl Fn(&mut Vec<DeviceId>)) -> Result<(), ClientError> {
        for _ in 0..TRIES {
            let local = self.core.local()?;
            let known = &local.manifest;
            let mut devices: Vec<_> = known.devices().collect();
            change(&mut devices);
            if devices.len() > limits::DEVICES {
                return Err(ClientError::TooManyDevices { limit: limits::DEVICES });
            }
            let next = if known.devices().eq(devices.iter().copied()) {
                known.clone()
            } else {
                local.era.sign_manifest(ManifestDraft {
                    version: known.order().version + 1,
                    devices,
                    inbox: known.inbox().clone(),
                    homes: known.homes().to_vec(),
                })?
            };
            if directory::put_manifest(&self.transport, &local, &next, seats).await? {
                self.core.store.transaction(|tx| adopt(tx, &local, &next))?;
                self.core.reload()?;
                return Ok(());
            }
            self.fetch_own_manifest().await?;
        }
        Err(ClientError::Unbelievable("the server shows no newer manifest than the one it refuses"))
    }

    /// Looks which manifest of this account its home has. A newer one is adopted; one without this device ends it.
    pub(crate) async fn fetch_own_manifest(&self) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let manifest = directory::manifest_of_account(&self.transport, &local.server, local.account).await?;
        let removed = self.core.store.transaction(|tx| adopt(tx, &local, &manifest))?;
        self.core.reload()?;
        if removed {
            self.core.emit([Event::DeviceRemoved]);
            return Err(ClientError::DeviceRemoved);
        }
        Ok(())
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// If something looks as if this device was removed, asks whether it was. 1: the server could not be reached.
    pub(crate) async fn clear_doubt(&self) -> Result<usize, ClientError> {
        if !self.core.in_doubt.take() {
            return Ok(0);
        }
        match self.fetch_own_manifest().await {
            Ok(()) => Ok(0),
            Err(error @ (ClientError::DeviceRemoved | ClientError::Store(_))) => Err(error),
            Err(error) => {
                tracing::debug!(code = error.code(), "the own manifest could not be looked at");
                self.core.in_doubt.set(true);
                Ok(1)
            }
        }
    }
}

/// Takes over a newer manifest of the own account. True if this device is not in it: it was removed.
pub(crate) fn adopt(tx: &Tx<'_>, local: &Local, manifest: &Manifest) -> Result<bool, ClientError> {
    let mut account = tx.account()?.ok_or(ClientError::NoAccount)?;
    let known = Manifest::decode(&account.manifest)?;
    if manifest.account() != local.account || manifest.order() <= known.order() {
        return Ok(false);
    }
    if !manifest.has_device(local.device.id()) {
        tx.put_device_note(DeviceNoteKind::Removed, &[], manifest.to_bytes())?;
        return Ok(true);
    }
    if manifest.era_certificate() != local.manifest.era_certificate() {
        // A new era is taken over with its key, or not at all.
        return Ok(false);
    }
    account.manifest = manifest.to_bytes().to_vec();
    tx.put_account(&account)?;
    for device in tx.devices()? {
        if !manifest.has_device(device.device) {
            tx.remove_device(device.device)?;
        }
    }
    Ok(false)
}
