//! Removing a sibling that is in hand: the manifest without it, then its leaf and its seat in every conversation.
//!
//! Whoever removes commits onto a new seat of its own in the same commit, and whoever has lent the removed device a seat takes
//! another: what the removed device knows opens nothing any more.

use alcyon_mls::{CommitSummary, HandshakeKey, Payload, Seen};
use alcyon_store::{DeviceNoteKind, NewOutboxItem, OutboxItem, OutboxKind, Standing, TermRecord, TermState, Tx};
use alcyon_wire::{
    DeviceId, EntryId, Seat, SeatChanges, SeatId, SeatKey, payload_hash,
    proto::{self, client_frame::Body},
};
use bytes::Bytes;

use super::share;
use crate::{
    Client, ClientError, Clock, Transport,
    contacts::tell_manifest,
    core::handshake_key,
    entry::load_group,
    inbox::has_begun,
    local::Local,
    outbox::{add, encode, own_rights},
    random::random,
};

/// Whoever has not removed the device itself waits so long before it takes leaves out: mostly they are out by then.
const OTHERS_MS: u64 = 10 * 60 * 1000;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Removes another device of this account. What is accepted after that it can't read. The one in use is not removed: another
    /// one does that.
    pub async fn remove_device(&self, which: &str) -> Result<DeviceId, ClientError> {
        let device = self.find_device(which)?;
        if device == self.core.local()?.device.id() {
            return Err(ClientError::Unknown { field: "device", what: which.to_owned() });
        }
        let seat = self.core.store.transaction(|tx| {
            tx.put_device_note(DeviceNoteKind::Removal, device.as_bytes(), &[])?;
            Ok::<_, ClientError>(tx.device(device)?.and_then(|known| known.inbox_seat))
        })?;
        self.publish_manifest(&[], |devices: &mut Vec<DeviceId>| devices.retain(|one| *one != device)).await?;
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        self.core.store.transaction(|tx| {
            tx.remove_device(device)?;
            if let Some(seat) = seat {
                drop_inbox_seat(tx, &local, seat)?;
            }
            take_out_removed(tx, &local, now_ms)?;
            tell_everybody(tx, &local, now_ms)?;
            share::tell_devices(tx, &local, now_ms)
        })?;
        self.core.work.poke();
        self.drive_until(|_| Ok(false)).await?;
        Ok(device)
    }
}

/// Takes the removed device's seat at the inbox away.
fn drop_inbox_seat(tx: &Tx<'_>, local: &Local, seat: SeatId) -> Result<(), ClientError> {
    let entry_id: EntryId = random();
    let frame = encode(Body::Leave(proto::Leave {
        seat: Some(local.inbox.to_field()),
        entry_id: entry_id.to_field(),
        payload: Bytes::new(),
        seats_dropped: vec![seat.to_field()],
        drop_secrets: vec![local.inbox_drop.to_field()],
        commit_count: None,
        keeper_stays: false,
    }));
    tx.add_outbox(&NewOutboxItem {
        kind: OutboxKind::SetPasses,
        conversation: None,
        server: &local.manifest.inbox().server,
        log: local.inbox.log,
        entry_id,
        after: 0,
        content: None,
        frame: Some(&frame),
    })?;
    Ok(())
}

/// Those one talks with learn which devices are left.
fn tell_everybody(tx: &Tx<'_>, local: &Local, now_ms: u64) -> Result<(), ClientError> {
    let own = tx.own_conversation()?;
    for record in tx.conversations()?.into_iter().filter(|record| record.standing == Standing::Open) {
        let Some(term) = tx.term_of(record.conversation)?.filter(|term| Some(term.conversation) != own) else { continue };
        tell_manifest(tx, local, &term, now_ms)?;
    }
    Ok(())
}

/// Queues a commit wherever a leaf of this account is in whose device is not one of it any more.
pub(crate) fn take_out_removed(tx: &Tx<'_>, local: &Local, now_ms: u64) -> Result<(), ClientError> {
    let version = local.manifest.order().version;
    if version == 1 {
        return Ok(());
    }
    for term in tx.open_terms(None)? {
        if term.state != TermState::Live || term.rejoin != 0 || !has_begun(tx, term.log)? {
            continue;
        }
        // Noted: for which manifest it was looked at, and since when others are waited for.
        let note = tx.device_note(DeviceNoteKind::Removal, term.log.as_bytes())?;
        let note = note.and_then(|note| <[u8; 16]>::try_from(note).ok()).map(u128::from_be_bytes).unwrap_or_default();
        let (done, since_ms) = ((note >> 64) as u64, note as u64);
        if done == version {
            continue;
        }
        let Some(group) = load_group(tx, &term)? else { continue };
        let mut mine = false;
        let mut astray = false;
        for member in group.members().filter(|member| member.chain.account() == local.account) {
            let device = member.chain.device();
            if !local.manifest.has_device(device) {
                astray = true;
                mine |= tx.device_note(DeviceNoteKind::Removal, device.as_bytes())?.is_some();
            }
        }
        let queued = tx.outbox_of_log(term.log)?.iter().any(|item| item.kind == OutboxKind::TakeOut);
        let noted = |done: u64, since_ms: u64| {
            let note = (u128::from(done) << 64) | u128::from(since_ms);
            tx.put_device_note(DeviceNoteKind::Removal, term.log.as_bytes(), &note.to_be_bytes())
        };
        if !astray {
            noted(version, 0)?;
        } else if queued {
            continue;
        } else if mine || (since_ms > 0 && now_ms >= since_ms.saturating_add(OTHERS_MS)) {
            add(tx, OutboxKind::TakeOut, &term, random(), None, None)?;
        } else if since_ms == 0 {
            noted(0, now_ms)?;
        }
    }
    Ok(())
}

/// Makes the commit that takes out the leaves of devices that are not this account's any more. `None`: there are none.
pub(crate) fn make_frame(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, item: &OutboxItem) -> Result<Option<Vec<u8>>, ClientError> {
    let Some(mut group) = load_group(tx, term)? else { return Ok(None) };
    let astray =
        group.members().filter(|member| member.chain.account() == local.account && !local.manifest.has_device(member.chain.device()));
    let gone: Vec<_> = astray.map(|member| member.leaf).collect();
    if gone.is_empty() {
        tx.remove_outbox(item.number)?;
        return Ok(None);
    }
    let seat = local.replaced_seat(term.log, item.entry_id);
    let seen = Seen { sequence: term.cursor, running_hash: term.running_hash };
    let prepared = group.prepare_removal(tx, &local.mls()?, seat.seat_id(term.log), seen, &gone)?;
    let key = handshake_key(term)?;
    let sealed = if group.state_of_group().is_some() {
        key.seal_group_handshake(&prepared.handshake())?
    } else {
        key.seal_handshake(&prepared.message)?
    };
    let payload: Bytes = Payload::Handshake(sealed).encode().into();
    tx.put_own_entry(term.log, item.entry_id, &payload_hash(&payload))?;
    let next = match &prepared.new_join_secret {
        Some(secret) => HandshakeKey::derive(secret, term.log)?,
        None => key,
    };
    let (keep, invite) = own_rights(tx, term)?;
    let drop_secret = local.drop_secret(term.log);
    let added = Seat { id: seat.seat_id(term.log), drop_hash: drop_secret.hash(term.log), keep, invite };
    let changes = SeatChanges { seats_added: vec![added], seats_dropped: prepared.seats_dropped.clone(), ..SeatChanges::default() };
    let shown = SeatKey { log: term.log, secret: term.seat.clone() }.to_field();
    term.next_seat = Some(seat);
    tx.put_term(term)?;
    Ok(Some(encode(Body::Commit(proto::Commit {
        authority: Some(proto::commit::Authority::Seat(shown)),
        entry_id: item.entry_id.to_field(),
        payload,
        commit_count: term.commit_count,
        changes: changes.to_field(),
        drop_secrets: vec![drop_secret.to_field()],
        group_info: next.seal_group_info(&prepared.group_info)?.into(),
    }))))
}

/// A sibling has taken another one's leaf out. If this device has lent that one its seat, it takes another.
pub(crate) fn followed(tx: &Tx<'_>, local: &Local, term: &TermRecord, summary: &CommitSummary) -> Result<(), ClientError> {
    let gone = summary.removed.iter().any(|member| member.chain.account() == local.account);
    if gone && !summary.own && !summary.evicted && share::has_lent(tx, term)? {
        add(tx, OutboxKind::TakeSeat, term, random(), None, None)?;
    }
    Ok(())
}
