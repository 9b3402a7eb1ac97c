//! The side of a device that is in: it answers a code, asks the person, and takes the new device in.

use std::time::Duration;

use alcyon_identity::Manifest;
use alcyon_mls::seal_link;
use alcyon_store::{DeviceNoteKind, DeviceRecord, StoreError, Tx};
use alcyon_wire::{DeviceId, EntryId, LogId, Seat, SeatSecret, limits, proto};
use prost::Message;
use proto::device_meeting::Body;
use sha2::{Digest, Sha256};

use super::{
    DeviceCode, NAME,
    link::{nonce_hash, signed_link},
    meeting::{Meeting, Said, number},
    own, share,
};
use crate::{Client, ClientError, Clock, Transport, group::queue_tree, local::Local, random::random};

/// How long the new device has to answer an offer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A code is answered within an hour, by the server's time.
const CODE_MS: u64 = 60 * 60 * 1000;

/// A device that asks to come in, and the number to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceToAdd {
    /// As it calls itself.
    pub name: String,
    /// The device.
    pub device: DeviceId,
    /// Six digits: the new device shows the same, or this is another device.
    pub number: String,
}

/// A device that the person has confirmed.
#[derive(Clone, PartialEq, Message)]
struct Adding {
    #[prost(string, tag = "1")]
    code: String,
    /// A DeviceHello.
    #[prost(bytes = "vec", tag = "2")]
    hello: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    inbox_seat: Vec<u8>,
    #[prost(uint64, tag = "4")]
    at_ms: u64,
}

/// A hello, checked.
struct Hello {
    field: proto::DeviceHello,
    device: DeviceId,
}

fn own_entry(local: &Local, log: LogId, what: &str) -> EntryId {
    let secret = local.device.derive("alcyon link entry v1", &[log.as_bytes().as_slice(), what.as_bytes()].concat());
    let mut id = [0; 16];
    id.copy_from_slice(&secret[..16]);
    EntryId::from(id)
}

/// What was said where the devices meet, as far as it matters to one that is in.
struct Talk {
    hello: Hello,
    hello_ms: u64,
    /// The own offer, sealed, and when it was said.
    offer: Option<(Vec<u8>, u64)>,
}

/// Reads what was said. Somebody else's answer before the own one, or an end of it all, means that the code was used.
fn read(local: &Local, code: &DeviceCode, said: &[Said]) -> Result<Talk, ClientError> {
    let mut hello = None;
    let mut offer = None;
    for said in said {
        match &said.body {
            Body::Hello(field) if hello.is_none() => {
                let bytes = field.encode_to_vec();
                if Sha256::digest(&bytes).as_slice() == code.hello_hash {
                    let device = DeviceId::parse(&field.device_key, "hello.device_key")?;
                    hello = Some((Hello { field: field.clone(), device }, said.time_ms));
                }
            }
            Body::Offer(sealed) if offer.is_none() => {
                if said.entry_id != own_entry(local, code.log, "offer") {
                    return Err(ClientError::CodeUsed);
                }
                offer = Some((sealed.to_vec(), said.time_ms));
            }
            Body::Refused(_) => return Err(ClientError::CodeUsed),
            Body::Grant(_) if said.entry_id != own_entry(local, code.log, "grant") => return Err(ClientError::CodeUsed),
            Body::Hello(_) | Body::Offer(_) | Body::Nonce(_) | Body::Grant(_) => {}
        }
    }
    let (hello, hello_ms) = hello.ok_or(ClientError::CodeOver)?;
    Ok(Talk { hello, hello_ms, offer })
}

fn seal(local: &Local, code: &DeviceCode, hello: &Hello, content: Vec<u8>) -> Result<Vec<u8>, ClientError> {
    let signature = local.device.sign(&signed_link(code.log, &code.hello_hash, &content)).to_vec().into();
    let content = proto::LinkContent { signed_content: content.into(), chain: Some(local.chain.to_field()), signature };
    Ok(seal_link(&hello.field.sealing_key, code.log, &content.encode_to_vec())?.0)
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Answers the code of a new device. Nothing is given away yet: the person compares the number with the one on the new
    /// device's screen, and then it is [`Self::confirm_device`] or [`Self::refuse_device`]. The same again shows the same number.
    pub async fn add_device(&self, code: &DeviceCode) -> Result<DeviceToAdd, ClientError> {
        let local = self.core.local()?;
        let meeting = Meeting::new(&code.server, code.log, &code.secret)?;
        let mut room = self.enter(&meeting, false).await?;
        let mut talk = read(&local, code, &room.said)?;
        if talk.hello.device == local.device.id() {
            return Err(ClientError::CodeOver);
        }
        let full = local.manifest.devices().len() >= limits::DEVICES;
        if full && !local.manifest.has_device(talk.hello.device) {
            return Err(ClientError::TooManyDevices { limit: limits::DEVICES });
        }
        if room.said.iter().any(|said| matches!(said.body, Body::Grant(_))) {
            return Err(ClientError::CodeUsed);
        }
        if talk.offer.is_none() {
            let offer = proto::DeviceOffer {
                signed_manifest: local.manifest.to_bytes().to_vec().into(),
                handle: local.handle.to_text(),
                nonce: random::<32, [u8; 32]>().to_vec().into(),
            };
            let sealed = seal(&local, code, &talk.hello, offer.encode_to_vec())?;
            room.say(own_entry(&local, code.log, "offer"), Body::Offer(sealed.into())).await?;
        }
        let nonce = room
            .until(Some(PATIENCE), |said| {
                talk = read(&local, code, said)?;
                if talk.offer.is_none() {
                    return Ok(None);
                }
                // Who promised it in the hello has the code's other half.
                let promised = |nonce: &[u8]| nonce_hash(nonce).as_slice() == talk.hello.field.nonce_hash.as_ref();
                Ok(said.iter().find_map(|said| match &said.body {
                    Body::Nonce(nonce) if promised(nonce) => Some(nonce.to_vec()),
                    _ => None,
                }))
            })
            .await?
            .ok_or(ClientError::NoAnswer)?;
        let (sealed, offered_ms) = talk.offer.ok_or(ClientError::CodeOver)?;
        if offered_ms.saturating_sub(talk.hello_ms) > CODE_MS {
            return Err(ClientError::CodeOver);
        }
        let mut name = talk.hello.field.name.clone();
        name.truncate(name.floor_char_boundary(NAME));
        Ok(DeviceToAdd { name, device: talk.hello.device, number: number(code.log, &code.hello_hash, &sealed, &nonce) })
    }

    /// The numbers are the same: takes the device in. Cut off in the middle, it is completed by the next command that connects.
    pub async fn confirm_device(&self, code: &DeviceCode) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let meeting = Meeting::new(&code.server, code.log, &code.secret)?;
        let hello = read(&local, code, &self.enter(&meeting, false).await?.said)?.hello;
        let now_ms = self.clock.now_ms();
        self.core.store.transaction(|tx| {
            if tx.device_note(DeviceNoteKind::Adding, code.log.as_bytes())?.is_none() {
                let adding = Adding {
                    code: code.to_text(),
                    hello: hello.field.encode_to_vec(),
                    inbox_seat: random::<32, [u8; 32]>().to_vec(),
                    at_ms: now_ms,
                };
                tx.put_device_note(DeviceNoteKind::Adding, code.log.as_bytes(), &adding.encode_to_vec())?;
            }
            Ok::<_, ClientError>(())
        })?;
        self.finish_adding(code.log).await?;
        self.drive_until(|_| Ok(false)).await
    }

    /// The numbers differ, or the person has not asked for this: the new device is told, and has nothing.
    pub async fn refuse_device(&self, code: &DeviceCode) -> Result<(), ClientError> {
        let local = self.core.local()?;
        let meeting = Meeting::new(&code.server, code.log, &code.secret)?;
        self.core.store.transaction(|tx| tx.remove_device_note(DeviceNoteKind::Adding, code.log.as_bytes()))?;
        let mut room = self.enter(&meeting, false).await?;
        room.say(own_entry(&local, code.log, "refused"), Body::Refused(true)).await
    }

    /// Completes what was confirmed. Returns how many could not be completed for want of a server.
    pub(crate) async fn finish_addings(&self) -> Result<usize, ClientError> {
        let mut waiting = 0;
        for (log, _) in self.core.store.transaction(|tx| tx.device_notes(DeviceNoteKind::Adding))? {
            let log = LogId::parse(&log, "log")?;
            match self.finish_adding(log).await {
                Ok(()) => {}
                Err(error @ ClientError::Store(_)) => return Err(error),
                Err(ClientError::CodeOver | ClientError::CodeUsed | ClientError::TooManyDevices { .. }) => {
                    // The new device will never hear of it: what the manifest says of it can be taken back by `device remove`.
                    self.core.store.transaction(|tx| tx.remove_device_note(DeviceNoteKind::Adding, log.as_bytes()))?;
                }
                Err(error) => {
                    tracing::debug!(code = error.code(), "a device could not be taken in yet");
                    waiting += 1;
                }
            }
        }
        Ok(waiting)
    }

    async fn finish_adding(&self, log: LogId) -> Result<(), ClientError> {
        let damaged = || ClientError::from(StoreError::Damaged("device_notes"));
        let Some(adding) = self.core.store.transaction(|tx| tx.device_note(DeviceNoteKind::Adding, log.as_bytes()))? else {
            return Ok(());
        };
        let Adding { code, hello, inbox_seat, at_ms } = Adding::decode(adding.as_slice()).map_err(|_| damaged())?;
        let code: DeviceCode = code.parse()?;
        let field = proto::DeviceHello::decode(hello.as_slice()).map_err(|_| damaged())?;
        let hello = Hello { device: DeviceId::parse(&field.device_key, "hello.device_key")?, field };
        let inbox_seat = SeatSecret::parse(&inbox_seat, "inbox_seat")?;
        // The place where the account's devices talk has to be there before there are two.
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let own = own::ensure(tx, &local, self.clock.now_ms())?;
            // The tree that is stored there may be older than what the new device is told.
            tx.term_of(own)?.map_or(Ok(()), |term| queue_tree(tx, &term))
        })?;
        self.core.work.poke();
        self.drive_until(own::stands).await?;
        if !self.core.store.transaction(own::stands)? {
            return Err(ClientError::NotInYet);
        }
        let seat = {
            let local = self.core.local()?;
            let inbox = local.inbox.log;
            Seat { id: inbox_seat.seat_id(inbox), drop_hash: local.inbox_drop.hash(inbox), keep: true, invite: false }
        };
        self.publish_manifest(std::slice::from_ref(&seat), |devices: &mut Vec<DeviceId>| {
            if !devices.contains(&hello.device) {
                devices.push(hello.device);
            }
        })
        .await?;
        let local = self.core.local()?;
        let meeting = Meeting::new(&code.server, code.log, &code.secret)?;
        let mut room = self.enter(&meeting, false).await?;
        read(&local, &code, &room.said)?;
        let grant = self.core.store.transaction(|tx| {
            let mut name = hello.field.name.clone();
            name.truncate(name.floor_char_boundary(NAME));
            let (device, added_ms) = (hello.device, at_ms);
            if tx.device(local.device.id())?.is_none() {
                own::note_this(tx, &local, 0)?;
            }
            tx.put_device(&DeviceRecord { device, name, added_ms, inbox_seat: Some(seat.id), added_here: true })?;
            make_grant(tx, &local, &inbox_seat)
        })?;
        let sealed = seal(&local, &code, &hello, grant.encode_to_vec())?;
        room.say(own_entry(&local, code.log, "grant"), Body::Grant(sealed.into())).await?;
        self.core.store.transaction(|tx| {
            tx.remove_device_note(DeviceNoteKind::Adding, log.as_bytes())?;
            share::tell_devices(tx, &local, self.clock.now_ms())
        })?;
        self.core.work.poke();
        Ok(())
    }
}

fn make_grant(tx: &Tx<'_>, local: &Local, inbox_seat: &SeatSecret) -> Result<proto::DeviceGrant, ClientError> {
    let account = tx.account()?.ok_or(ClientError::NoAccount)?;
    let manifest = Manifest::decode(&account.manifest)?;
    let own = tx.own_conversation()?.ok_or(ClientError::NotInYet)?;
    let term = tx.term_of(own)?.ok_or(ClientError::NotInYet)?;
    let record = tx.conversation(own)?.ok_or(ClientError::NotInYet)?;
    Ok(proto::DeviceGrant {
        signed_manifest: manifest.to_bytes().to_vec().into(),
        handle: account.handle.to_text(),
        server: account.server.to_text(),
        era_key: account.era_key.to_vec().into(),
        inbox_seat: inbox_seat.to_field(),
        inbox_drop: account.inbox_drop.to_field(),
        inbox_secret: account.inbox_secret.to_vec().into(),
        inbox_sequence: account.inbox_cursor,
        inbox_hash: account.inbox_hash.to_field(),
        own: Some(share::shared_conversation(tx, &record, &term)?),
        devices: Some(share::devices_field(tx, local)?),
    })
}
