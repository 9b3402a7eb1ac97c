//! Making an account, and keeping what others need to reach it.

use alcyon_identity::{DeviceKey, Era, EraKey, Home, Inbox, ManifestDraft, RecoveryWords};
use alcyon_mls::{InboxKey, KeyPackageRef, KeyPackageUse, forget_key_package, key_package};
use alcyon_store::{AccountRecord, DeviceNoteKind, RequestState, StoreError, Tx};
use alcyon_wire::{DropSecret, Handle, HandleName, LogId, RunningHash, Seat, SeatSecret, ServerUrl};
use zeroize::Zeroizing;

use crate::{
    Client, ClientError, Clock, Registered, Transport,
    contacts::{mark_changed_handles, remember_manifest},
    directory,
    random::random,
    sign_up::{Newcomer, Patient},
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// The last resort is renewed weekly; its private keys stay long enough for a knock made with it to be read.
const RENEW_MS: u64 = 7 * DAY_MS;
const KEEP_MS: u64 = 60 * DAY_MS;
/// One-time KeyPackages put up at a time.
const ONE_TIME: usize = 20;

/// A ticket, and the codes that were sent, are for one account at one server.
fn forget_line(tx: &Tx<'_>) -> Result<(), StoreError> {
    for about in [b"".as_slice(), b"email", b"phone"] {
        tx.remove_device_note(DeviceNoteKind::Ticket, about)?;
    }
    Ok(())
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Makes an account and its handle on `server`. If an earlier call for the same handle was cut off, this one completes it.
    /// The words are handed out until [`Self::words_confirmed`] is called. Where many sign up at once it waits in line; dropped
    /// meanwhile, the next call goes on from the same place.
    pub async fn register(&self, name: &HandleName, server: &ServerUrl) -> Result<Registered, ClientError> {
        self.register_as(name, server, &mut Patient).await
    }

    /// The same, telling `newcomer` how it goes.
    pub async fn register_as(
        &self,
        name: &HandleName,
        server: &ServerUrl,
        newcomer: &mut impl Newcomer,
    ) -> Result<Registered, ClientError> {
        let info = directory::server_info(&self.transport, server).await?;
        let handle = Handle::new(name.clone(), &info.name)?;
        let half_done = self.core.store.transaction(|tx| tx.account())?;
        match half_done {
            Some(record) if record.handle == handle && record.words.is_some() => {}
            Some(record) if record.registered => return Err(ClientError::HasAccount),
            _ => self.make_account(&handle, server)?,
        }
        let local = self.core.unconfirmed().ok_or(ClientError::NoAccount)?;
        let seats = [Seat { id: local.inbox.seat_id(), drop_hash: local.inbox_drop.hash(local.inbox.log), keep: true, invite: false }];
        if !local.registered
            && let Err(error) = self.sign_up(&local, name, &seats, &info, newcomer).await
        {
            if matches!(error, ClientError::HandleTaken(_)) {
                self.core.store.transaction(|tx| {
                    forget_line(tx)?;
                    tx.remove_account()
                })?;
                self.core.reload()?;
            }
            return Err(error);
        }
        let words = self.core.store.transaction(|tx| {
            let mut record = tx.account()?.ok_or(ClientError::NoAccount)?;
            record.registered = true;
            tx.put_account(&record)?;
            forget_line(tx)?;
            record.words.take().ok_or(ClientError::HasAccount)
        })?;
        self.core.reload()?;
        // Not on the sign-up path: if it fails now, the next connection does it.
        self.renew_key_packages().await?;
        self.refill_purse().await?;
        Ok(Registered { handle, account: local.account, words })
    }

    /// The words are written down: from here on no device has them.
    pub fn words_confirmed(&self) -> Result<(), ClientError> {
        self.core.store.transaction(|tx| {
            let mut record = tx.account()?.ok_or(ClientError::NoAccount)?;
            record.words = None;
            Ok::<_, ClientError>(tx.put_account(&record)?)
        })?;
        Ok(self.core.store.checkpoint()?)
    }

    fn make_account(&self, handle: &Handle, server: &ServerUrl) -> Result<(), ClientError> {
        let words = RecoveryWords::generate();
        let root = words.root();
        let era_key = EraKey::generate();
        let era_bytes = era_key.to_bytes();
        let era = Era::new(root.sign_era(1, &era_key), era_key)?;
        let device = DeviceKey::generate();
        let (inbox_key, sealing_key) = InboxKey::generate()?;
        let inbox_log: LogId = random();
        let manifest = era.sign_manifest(ManifestDraft {
            version: 1,
            devices: vec![device.id()],
            inbox: Inbox { server: server.clone(), log: inbox_log, sealing_key },
            homes: vec![Home { server: server.clone(), handle: handle.clone() }],
        })?;
        let record = AccountRecord {
            account: root.account(),
            handle: handle.clone(),
            server: server.clone(),
            words: Some(Zeroizing::new(words.to_text().to_string())),
            era_key: era_bytes,
            device_key: device.to_bytes(),
            manifest: manifest.to_bytes().to_vec(),
            inbox_log,
            inbox_seat: random::<32, SeatSecret>(),
            inbox_drop: random::<32, DropSecret>(),
            inbox_secret: inbox_key.to_bytes(),
            inbox_cursor: 0,
            inbox_hash: RunningHash::start(inbox_log),
            registered: false,
            key_packages_ms: 0,
        };
        self.core.store.transaction(|tx| {
            forget_line(tx)?;
            tx.put_account(&record)
        })?;
        self.core.reload()
    }

    /// Puts up new KeyPackages when the last resort is a week old. `false`: the server could not be reached or said no.
    pub(crate) async fn renew_key_packages(&self) -> Result<bool, ClientError> {
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let made = self.core.store.transaction(|tx| {
            let record = tx.account()?.ok_or(ClientError::NoAccount)?;
            if record.key_packages_ms > 0 && now_ms.saturating_sub(record.key_packages_ms) < RENEW_MS {
                return Ok(None);
            }
            for last_resort in [true, false] {
                for old in tx.key_packages_before(last_resort, now_ms.saturating_sub(KEEP_MS))? {
                    forget_key_package(tx, &KeyPackageRef::from_bytes(&old))?;
                    tx.remove_key_package(&old)?;
                }
            }
            let device = local.mls()?;
            let last_resort = key_package(tx, &device, KeyPackageUse::LastResort)?;
            tx.put_key_package(last_resort.reference.as_bytes(), true, now_ms)?;
            let mut one_time = Vec::with_capacity(ONE_TIME);
            for _ in 0..ONE_TIME {
                let package = key_package(tx, &device, KeyPackageUse::OneTime)?;
                tx.put_key_package(package.reference.as_bytes(), false, now_ms)?;
                one_time.push(package.bytes);
            }
            Ok::<_, ClientError>(Some((last_resort.bytes, one_time)))
        })?;
        let Some((last_resort, one_time)) = made else { return Ok(true) };
        match directory::put_key_packages(&self.transport, &local, &last_resort, &one_time).await {
            Ok(()) => {
                self.core.store.transaction(|tx| {
                    let mut record = tx.account()?.ok_or(ClientError::NoAccount)?;
                    record.key_packages_ms = now_ms.max(1);
                    Ok::<_, ClientError>(tx.put_account(&record)?)
                })?;
                Ok(true)
            }
            Err(error @ ClientError::Store(_)) => Err(error),
            Err(error) => {
                if matches!(error, ClientError::Refused { kind: crate::RefusalKind::Never, .. }) {
                    // Only devices of the account may.
                    self.core.in_doubt.set(true);
                }
                tracing::debug!(code = error.code(), "the KeyPackages could not be put up");
                Ok(false)
            }
        }
    }

    /// Asks the own server whether the handles of those who knock from there name them. Who claims another's handle is dropped
    /// unseen. Other servers are asked once the request is accepted: before that they would learn that, and from where, it was read.
    pub(crate) async fn confirm_requests(&self) -> Result<usize, ClientError> {
        let local = self.core.local()?;
        let mut unreachable = 0;
        for request in self.core.store.transaction(|tx| tx.open_requests())? {
            if request.confirmed || request.handle.server() != local.handle.server() {
                continue;
            }
            let now_ms = self.clock.now_ms();
            let true_one = match directory::manifest_of(&self.transport, &request.handle).await {
                Ok(manifest) if manifest.account() == request.account => Some(manifest),
                Ok(_) | Err(ClientError::NoSuchHandle(_)) => None,
                Err(_) => {
                    unreachable += 1;
                    continue;
                }
            };
            let events = self.core.store.transaction(|tx| {
                let mut record = tx.request(request.conversation)?.unwrap_or(request);
                let mut events = Vec::new();
                match true_one {
                    Some(manifest) => {
                        record.confirmed = true;
                        events = mark_changed_handles(tx, &record.handle, Some(record.account), now_ms)?;
                        remember_manifest(tx, &manifest, Some(&record.handle), now_ms)?;
                    }
                    None => record.state = RequestState::Superseded,
                }
                tx.put_request(&record)?;
                Ok::<_, ClientError>(events)
            })?;
            self.core.emit(events);
        }
        Ok(unreachable)
    }
}
