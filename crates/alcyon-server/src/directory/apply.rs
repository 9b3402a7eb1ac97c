//! The directory's rules, as the writer applies them: staged together with the logs, so that a sign-up and its inbox are
//! one transaction.

use alcyon_identity::Manifest;
use alcyon_wire::{AccountId, DeviceId, HandleName, RefusalCode, Seat, limits};
use bytes::Bytes;
use prost::Message;

use super::{
    ClaimedKeyPackage, DirectoryError, DirectoryJob, KeyPackageCount, Moderation,
    records::{
        AccountRecord, ClaimedRecord, HandleRecord, KeyPackageKind, KeyPackageRecord, account_key, claimed_key, handle_key,
        key_package_key, key_packages_prefix,
    },
};
use crate::{
    Refusal,
    logs::{
        DAY_MS,
        engine::{Engine, read_failed},
        records::decode,
    },
    sign_up::{InviteHash, InviteRecord, Proven},
    stamps::{Allowance, AllowanceRecord},
    store::{RowKey, Store, StoreError, Table},
};

/// Seats of an inbox: every device may be replaced once before the old seats are dropped.
const INBOX_SEATS: usize = 2 * limits::DEVICES;
/// How long the directory remembers that it handed a KeyPackage out.
const CLAIMED_MS: u64 = 90 * 24 * 60 * 60 * 1000;
/// Rows looked at in one step of a sweep.
const CLAIMED_A_STEP: usize = 1024;

type Result<T, E = DirectoryError> = std::result::Result<T, E>;

impl<S: Store> Engine<S> {
    /// Carries out a request of the directory.
    pub fn directory(&mut self, job: DirectoryJob) {
        match job {
            DirectoryJob::SignUp { name, manifest, inbox, proven, reply } => {
                let result = self.sign_up(&name, &manifest, inbox, proven);
                self.settle(reply, result);
            }
            DirectoryJob::PutInvite { hash, invite, reply } => {
                match invite {
                    Some(invite) => self.put_row(Table::Invites, &hash, &invite),
                    None => self.remove_row(Table::Invites, &hash),
                }
                self.settle(reply, Ok(()));
            }
            DirectoryJob::PutReport { id, report, reply } => {
                let result = match report {
                    Some(report) => self.room_on_disk().map_err(Into::into).map(|()| self.put_row(Table::Reports, &id, &report)),
                    None => {
                        self.remove_row(Table::Reports, &id);
                        Ok(())
                    }
                };
                self.settle(reply, result);
            }
            DirectoryJob::PutManifest { handles, manifest, inbox, reply } => {
                let result = self.put_manifest(&handles, &manifest, inbox);
                self.settle(reply, result);
            }
            DirectoryJob::PutKeyPackages { account, device, last_resort, one_time, reply } => {
                let result = self.put_key_packages(account, device, last_resort, one_time);
                self.settle(reply, result);
            }
            DirectoryJob::Moderate { account, act, reply } => {
                let result = self.moderate(account, act);
                self.settle(reply, result);
            }
            DirectoryJob::ClaimKeyPackages { account, reply } => {
                let result = self.claim_key_packages(account);
                self.settle(reply, result);
            }
            DirectoryJob::TakeStamps { account, device, allowance, reply } => {
                let result = self.take_stamps(account, device, allowance);
                self.settle(reply, result);
            }
        }
    }

    fn sign_up(&mut self, name: &HandleName, manifest: &Manifest, inbox: Option<Vec<Seat>>, proven: Proven) -> Result<()> {
        let account = manifest.account();
        let handle = handle_key(name);
        if let Some(record) = self.account(account)? {
            let known = Manifest::decode(&record.manifest).map_err(|_| read_failed(&corrupt_account()))?;
            let same = record.handle == *handle && known.inbox().log == manifest.inbox().log;
            return if same { Ok(()) } else { Err(DirectoryError::AccountExists) };
        }
        if self.row(Table::Handles, &handle)?.is_some() {
            return Err(DirectoryError::HandleTaken);
        }
        self.room_on_disk()?;
        let Proven { invite, unverified } = proven;
        let used = invite.map(|invite| self.use_of(invite)).transpose()?;
        if let Some(seats) = inbox {
            self.begin_inbox(manifest, seats)?;
        }
        match used {
            Some((key, InviteRecord { left: 0, .. })) => self.remove_row(Table::Invites, &key),
            Some((key, record)) => self.put_row(Table::Invites, &key, &record),
            None => {}
        }
        let signed_up_ms = self.now_ms;
        let (manifest, handle_bytes) = (Bytes::copy_from_slice(manifest.to_bytes()), Bytes::copy_from_slice(&handle));
        let record = AccountRecord { manifest, handle: handle_bytes, signed_up_ms, unverified, suspended_ms: 0 };
        self.put_row(Table::Accounts, &account_key(account), &record);
        self.put_row(Table::Handles, &handle, &HandleRecord { account: account.to_field() });
        Ok(())
    }

    /// What is left of an invite once somebody has come by it.
    fn use_of(&self, invite: InviteHash) -> Result<(RowKey, InviteRecord)> {
        let key = invite.key();
        let row = self.row(Table::Invites, &key)?.ok_or(DirectoryError::InviteOver)?;
        let InviteRecord { left, expires_ms } = decode(Table::Invites, row).map_err(|error| read_failed(&error))?;
        let left = left.checked_sub(1).filter(|_| self.now_ms < expires_ms).ok_or(DirectoryError::InviteOver)?;
        Ok((key, InviteRecord { left, expires_ms }))
    }

    fn begin_inbox(&mut self, manifest: &Manifest, seats: Vec<Seat>) -> Result<()> {
        let log = manifest.inbox().log;
        if seats.is_empty() {
            return Err(DirectoryError::Inbox("it needs a seat"));
        }
        check_inbox_seats(&seats)?;
        if self.find(log)?.is_some() {
            return Err(DirectoryError::Inbox("there is a log with this id"));
        }
        self.begin_log(log, &seats, true)?;
        Ok(())
    }

    fn put_manifest(&mut self, handles: &[RowKey], manifest: &Manifest, inbox: Option<Vec<Seat>>) -> Result<()> {
        let account = manifest.account();
        let record = self.active(account)?;
        let known = Manifest::decode(&record.manifest).map_err(|_| read_failed(&corrupt_account()))?;
        let newer = manifest.order() > known.order();
        if !newer && manifest.to_bytes() != known.to_bytes() {
            let order = known.order();
            return Err(DirectoryError::LowerManifest { era: order.era, version: order.version });
        }
        if !handles.iter().any(|handle| record.handle == **handle) {
            return Err(DirectoryError::NotHome);
        }
        self.room_on_disk()?;
        if let Some(seats) = inbox {
            if known.inbox().log == manifest.inbox().log && known.inbox().server == manifest.inbox().server {
                self.grow_inbox(manifest, seats)?;
            } else if newer {
                self.begin_inbox(manifest, seats)?;
            }
        }
        if newer {
            for device in known.devices().filter(|device| !manifest.has_device(*device)) {
                self.forget_device(account, device)?;
            }
            let manifest = Bytes::copy_from_slice(manifest.to_bytes());
            self.put_row(Table::Accounts, &account_key(account), &AccountRecord { manifest, ..record });
        }
        Ok(())
    }

    fn grow_inbox(&mut self, manifest: &Manifest, seats: Vec<Seat>) -> Result<()> {
        if seats.is_empty() {
            return Ok(());
        }
        check_inbox_seats(&seats)?;
        let at = self.find(manifest.inbox().log)?.ok_or(DirectoryError::Inbox("it is gone"))?;
        let state = &self.staged[at].state;
        let new = seats.iter().filter(|seat| state.seats.get(seat.id).is_none()).count();
        if state.seats.live().count() + new > INBOX_SEATS {
            return Err(DirectoryError::Inbox("it has as many seats as it may: drop some first"));
        }
        self.add_inbox_seats(at, seats);
        Ok(())
    }

    /// What an operator does with an account. The name of a deleted one stays taken: nobody else must pass for it.
    fn moderate(&mut self, account: AccountId, act: Moderation) -> Result<()> {
        let record = self.account(account)?.ok_or(DirectoryError::UnknownAccount)?;
        let suspended_ms = match act {
            Moderation::Suspend if record.suspended_ms != 0 => return Ok(()),
            Moderation::Suspend => self.now_ms.max(1),
            Moderation::Restore => 0,
            Moderation::Delete => return self.delete_account(account, &record),
        };
        self.put_row(Table::Accounts, &account_key(account), &AccountRecord { suspended_ms, ..record });
        Ok(())
    }

    fn delete_account(&mut self, account: AccountId, record: &AccountRecord) -> Result<()> {
        let manifest = Manifest::decode(&record.manifest).map_err(|_| read_failed(&corrupt_account()))?;
        for device in manifest.devices() {
            self.forget_device(account, device)?;
        }
        // A log of this id that is no inbox was made by somebody else, while the account's own inbox is on another server.
        if let Some(at) = self.find(manifest.inbox().log)?
            && self.staged[at].state.head.inbox
        {
            self.remove_log(at).map_err(|error| read_failed(&error))?;
        }
        self.remove_row(Table::Accounts, &account_key(account));
        self.remove_row(Table::Allowances, &account_key(account));
        Ok(())
    }

    fn forget_device(&mut self, account: AccountId, device: DeviceId) -> Result<()> {
        let prefix = RowKey::of(&[account.as_bytes(), device.as_bytes()]);
        for table in [Table::KeyPackages, Table::ClaimedPackages] {
            for key in self.keys(table, &prefix)? {
                self.remove_row(table, &key);
            }
        }
        Ok(())
    }

    fn put_key_packages(
        &mut self,
        account: AccountId,
        device: DeviceId,
        last_resort: Bytes,
        one_time: Vec<Bytes>,
    ) -> Result<KeyPackageCount> {
        self.active_device(account, device)?;
        self.room_on_disk()?;
        let mut count = self.keys(Table::KeyPackages, &key_packages_prefix(account, device, KeyPackageKind::OneTime))?.len();
        let mut new = Vec::new();
        for key_package in one_time {
            let key = key_package_key(account, device, KeyPackageKind::OneTime, &key_package);
            let known = self.row(Table::KeyPackages, &key)?.is_some()
                // Handed out before: a second time would break its promise.
                || self.row(Table::ClaimedPackages, &claimed_key(account, device, &key_package))?.is_some()
                || new.iter().any(|(other, _): &(RowKey, Bytes)| **other == *key);
            if !known {
                new.push((key, key_package));
            }
        }
        count += new.len();
        if count > limits::ONE_TIME_KEY_PACKAGES {
            return Err(DirectoryError::TooManyKeyPackages { limit: limits::ONE_TIME_KEY_PACKAGES });
        }
        for (key, key_package) in new {
            self.put_row(Table::KeyPackages, &key, &KeyPackageRecord { key_package });
        }
        let last_resort_key = key_package_key(account, device, KeyPackageKind::LastResort, &[]);
        if !last_resort.is_empty() {
            self.put_row(Table::KeyPackages, &last_resort_key, &KeyPackageRecord { key_package: last_resort });
        }
        Ok(KeyPackageCount { last_resort: self.row(Table::KeyPackages, &last_resort_key)?.is_some(), one_time: count })
    }

    fn claim_key_packages(&mut self, account: AccountId) -> Result<Vec<ClaimedKeyPackage>> {
        let record = self.active(account)?;
        let manifest = Manifest::decode(&record.manifest).map_err(|_| read_failed(&corrupt_account()))?;
        let mut claimed = Vec::new();
        for device in manifest.devices() {
            let prefix = key_packages_prefix(account, device, KeyPackageKind::OneTime);
            let one_time = self.keys(Table::KeyPackages, &prefix)?.first().copied();
            let key = one_time.unwrap_or_else(|| key_package_key(account, device, KeyPackageKind::LastResort, &[]));
            let Some(row) = self.row(Table::KeyPackages, &key)? else {
                continue;
            };
            let KeyPackageRecord { key_package } = decode(Table::KeyPackages, row).map_err(|error| read_failed(&error))?;
            if one_time.is_some() {
                self.remove_row(Table::KeyPackages, &key);
                let claimed_ms = self.now_ms;
                self.put_row(Table::ClaimedPackages, &claimed_key(account, device, &key_package), &ClaimedRecord { claimed_ms });
            }
            claimed.push(ClaimedKeyPackage { device, key_package });
        }
        Ok(claimed)
    }

    /// A batch of stamps for an account, while it has any left. It is durable before they are handed out.
    fn take_stamps(&mut self, account: AccountId, device: DeviceId, allowance: Allowance) -> Result<()> {
        self.active_device(account, device)?;
        self.room_on_disk()?;
        let key = account_key(account);
        let record = match self.row(Table::Allowances, &key)? {
            Some(row) => Some(decode::<AllowanceRecord>(Table::Allowances, row).map_err(|error| read_failed(&error))?),
            None => None,
        };
        let (today, batch) = (self.now_ms / DAY_MS, u32::try_from(limits::STAMP_BATCH).expect("a small number"));
        match allowance.take(record, u32::try_from(today).unwrap_or(u32::MAX), batch) {
            Ok(left) => {
                self.put_row(Table::Allowances, &key, &left);
                Ok(())
            }
            Err(day) => {
                // Where there never are any: a day is as good as any other time.
                let again_ms = day.map_or(self.now_ms.saturating_add(DAY_MS), |day| u64::from(day) * DAY_MS);
                let message = "this account has had its stamps; there are more another day";
                Err(Refusal::later(RefusalCode::Quota, message, again_ms.saturating_sub(self.now_ms)).into())
            }
        }
    }

    /// A step of a sweep: forgets KeyPackages that were handed out long ago. Returns where to go on.
    pub fn sweep_claimed(&mut self, from: Option<RowKey>) -> Result<Option<RowKey>, StoreError> {
        let store = self.shared.store.clone();
        let from = from.unwrap_or_else(|| RowKey::of(&[]));
        let mut rows = store.range(Table::ClaimedPackages, &from, &RowKey::after_prefix(&[0xFF]))?;
        for row in rows.by_ref().take(CLAIMED_A_STEP) {
            let (key, value) = row?;
            let ClaimedRecord { claimed_ms } = decode(Table::ClaimedPackages, value)?;
            if claimed_ms.saturating_add(CLAIMED_MS) <= self.now_ms {
                self.batch.remove(Table::ClaimedPackages, &key);
            }
        }
        match rows.next() {
            Some(row) => Ok(Some(row?.0)),
            None => Ok(None),
        }
    }

    /// The record of an account that may change something.
    fn active(&self, account: AccountId) -> Result<AccountRecord> {
        let record = self.account(account)?.ok_or(DirectoryError::UnknownAccount)?;
        if record.suspended_ms == 0 { Ok(record) } else { Err(DirectoryError::Suspended) }
    }

    /// The account may change something, and the device is one of its own.
    fn active_device(&self, account: AccountId, device: DeviceId) -> Result<()> {
        let record = self.active(account)?;
        let manifest = Manifest::decode(&record.manifest).map_err(|_| read_failed(&corrupt_account()))?;
        if manifest.has_device(device) { Ok(()) } else { Err(DirectoryError::UnknownDevice) }
    }

    fn account(&self, account: AccountId) -> Result<Option<AccountRecord>> {
        let Some(row) = self.row(Table::Accounts, &account_key(account))? else {
            return Ok(None);
        };
        Ok(Some(decode(Table::Accounts, row).map_err(|error| read_failed(&error))?))
    }

    /// The keys with a prefix, in order, as this group of requests sees them.
    fn keys(&self, table: Table, prefix: &RowKey) -> Result<Vec<RowKey>> {
        let failed = |error: StoreError| read_failed(&error);
        let mut keys = Vec::new();
        for row in self.shared.store.range(table, prefix, &RowKey::after_prefix(prefix)).map_err(failed)? {
            let key = row.map_err(failed)?.0;
            if !self.overlay.contains_key(&(table, key.to_vec())) {
                keys.push(key);
            }
        }
        let staged = self.overlay.iter().filter(|((of, key), row)| *of == table && row.is_some() && key.starts_with(prefix));
        keys.extend(staged.map(|((_, key), _)| RowKey::of(&[key])));
        keys.sort_unstable_by(|one, other| one[..].cmp(&other[..]));
        Ok(keys)
    }

    fn put_row(&mut self, table: Table, key: &RowKey, record: &impl Message) {
        self.put_bytes(table, key, record.encode_to_vec().into());
    }

    fn remove_row(&mut self, table: Table, key: &RowKey) {
        self.batch.remove(table, key);
        self.overlay.insert((table, key.to_vec()), None);
    }
}

fn check_inbox_seats(seats: &[Seat]) -> Result<()> {
    if seats.len() > INBOX_SEATS {
        return Err(DirectoryError::Inbox("that are too many seats"));
    }
    let mut ids: Vec<_> = seats.iter().map(|seat| seat.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(DirectoryError::Inbox("a seat is named twice"));
    }
    Ok(())
}

fn corrupt_account() -> StoreError {
    crate::logs::records::corrupt(Table::Accounts)
}
