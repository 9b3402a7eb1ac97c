//! The new device's side: it shows a code, waits for a device of the account, and becomes one.
//!
//! Everything it needs is stored before the first byte leaves. Ended in the middle, it goes on with the same code.

use std::time::Duration;

use alcyon_identity::{Chain, DeviceKey, Era, EraKey, Manifest, verify_device};
use alcyon_mls::InboxKey;
use alcyon_store::{AccountRecord, DeviceNoteKind, StoreError, Tx};
use alcyon_wire::{AccountId, DropSecret, Handle, LogId, RunningHash, SeatSecret, ServerUrl, proto};
use bytes::Bytes;
use prost::Message;
use proto::device_meeting::Body;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    DeviceCode, check_name, come_in,
    meeting::{Meeting, Said, entry_id, hash, number},
    take::adopt_devices,
};
use crate::{Client, ClientError, Clock, Me, RefusalKind, Transport, TransportError, local::Local, random::random, retry::Retry};

/// What a profile on its way into an account has.
#[derive(Clone, PartialEq, Message)]
struct Linking {
    #[prost(bytes = "vec", tag = "1")]
    device_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    sealing_secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    nonce: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    secret: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    log: Vec<u8>,
    #[prost(string, tag = "6")]
    server: String,
    /// A DeviceHello.
    #[prost(bytes = "vec", tag = "7")]
    hello: Vec<u8>,
    /// The offer that was taken, sealed; empty before.
    #[prost(bytes = "vec", tag = "8")]
    offer: Vec<u8>,
}

/// The same, read.
struct NewDevice {
    device: DeviceKey,
    sealing: InboxKey,
    nonce: [u8; 32],
    secret: Zeroizing<[u8; 32]>,
    hello: Bytes,
    offer: Vec<u8>,
    meeting: Meeting,
}

/// What a new device shows once a device of an account has answered: compare before you confirm there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkNumber {
    /// Six digits. The other device shows the same, or somebody else has answered.
    pub number: String,
    /// The account that would take this device in.
    pub handle: Handle,
    /// For certain.
    pub account: AccountId,
}

impl Linking {
    fn read(&self) -> Result<NewDevice, ClientError> {
        const DAMAGED: StoreError = StoreError::Damaged("linking");
        let array = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).map_err(|_| DAMAGED);
        let log = LogId::parse(&self.log, "log")?;
        let server: ServerUrl = self.server.parse()?;
        let secret = Zeroizing::new(array(&self.secret)?);
        Ok(NewDevice {
            device: DeviceKey::from_bytes(&self.device_key)?,
            sealing: InboxKey::from_bytes(&self.sealing_secret),
            nonce: array(&self.nonce)?,
            meeting: Meeting::new(&server, log, &secret)?,
            secret,
            hello: self.hello.clone().into(),
            offer: self.offer.clone(),
        })
    }
}

impl NewDevice {
    fn hello_hash(&self) -> [u8; 32] {
        Sha256::digest(&self.hello).into()
    }

    fn code(&self) -> DeviceCode {
        DeviceCode {
            server: self.meeting.server.clone(),
            log: self.meeting.log,
            secret: self.secret.clone(),
            hello_hash: self.hello_hash(),
        }
    }

    /// Opens what is sealed to this device, and checks who it is from.
    fn open(&self, sealed: &[u8]) -> Result<(Chain, Bytes), ClientError> {
        const WHAT: ClientError = ClientError::Unbelievable("what was said to this device is not well-formed");
        let content = self.sealing.open_link(self.meeting.log, sealed)?;
        let proto::LinkContent { signed_content, chain, signature } = proto::LinkContent::decode(content.as_slice()).map_err(|_| WHAT)?;
        let chain = Chain::verify(chain.ok_or(WHAT)?)?;
        verify_device(chain.device(), &signed_link(self.meeting.log, &self.hello_hash(), &signed_content), &signature)?;
        Ok((chain, signed_content))
    }

    fn open_offer(&self, sealed: &[u8]) -> Result<(Chain, LinkNumber), ClientError> {
        let (chain, content) = self.open(sealed)?;
        let proto::DeviceOffer { signed_manifest, handle, nonce: _ } =
            proto::DeviceOffer::decode(content).map_err(|_| ClientError::Unbelievable("an offer that is not well-formed"))?;
        let manifest = Manifest::decode(&signed_manifest)?;
        let handle: Handle = handle.parse()?;
        if manifest.account() != chain.account() || !manifest.has_device(chain.device()) || !manifest.names(&handle) {
            return Err(ClientError::Unbelievable("an offer of a device that is in no account"));
        }
        let number = number(self.meeting.log, &self.hello_hash(), sealed, &self.nonce);
        Ok((chain.clone(), LinkNumber { number, handle, account: chain.account() }))
    }
}

/// What a device signs that speaks to a new one.
pub(crate) fn signed_link(log: LogId, hello_hash: &[u8; 32], content: &[u8]) -> Vec<u8> {
    [b"alcyon link v1".as_slice(), log.as_bytes(), hello_hash, content].concat()
}

/// Of a nonce, in a hello.
pub(crate) fn nonce_hash(nonce: &[u8]) -> [u8; 32] {
    hash("alcyon link nonce v1", &[nonce])
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Makes this profile ready to become a device of an account that it has nothing of yet, and returns the code to show to a
    /// device that is in. `server` is where the two meet: best the account's own, but any will do. Called again, it goes on with
    /// the code there is, unless the server is another.
    pub async fn link_code(&self, server: &ServerUrl, name: &str) -> Result<DeviceCode, ClientError> {
        check_name(name)?;
        if self.core.unconfirmed().is_some() {
            return Err(ClientError::HasAccount);
        }
        let known = self.core.store.transaction(linking)?.filter(|known| known.server == server.to_text());
        let linking = match known {
            Some(known) => known,
            None => self.core.store.transaction(|tx| begin(tx, server, name))?,
        };
        let new = linking.read()?;
        let mut room = self.enter(&new.meeting, true).await?;
        if !room.said.iter().any(|said| matches!(said.body, Body::Hello(_))) {
            let hello = proto::DeviceHello::decode(new.hello.clone()).map_err(|_| ClientError::from(StoreError::Damaged("linking")))?;
            room.say(entry_id(&new.nonce, "hello"), Body::Hello(hello)).await?;
        }
        Ok(new.code())
    }

    /// Waits until a device of an account has answered the code. Connections that break are opened anew.
    pub async fn link_number(&self) -> Result<LinkNumber, ClientError> {
        let (sealed, number) = self
            .meet(|new, said| {
                if !new.offer.is_empty() {
                    return Ok(Some((new.offer.clone(), new.open_offer(&new.offer)?.1)));
                }
                let offers = said.iter().filter_map(|said| if let Body::Offer(sealed) = &said.body { Some(sealed) } else { None });
                // The first that holds: who comes later comes too late.
                Ok(offers.filter_map(|sealed| Some((sealed.to_vec(), new.open_offer(sealed).ok()?.1))).next())
            })
            .await?;
        let new = self.core.store.transaction(|tx| {
            let mut known = linking(tx)?.ok_or(ClientError::CodeOver)?;
            known.offer = sealed;
            put(tx, &known)?;
            known.read()
        })?;
        self.patiently(async || {
            let mut room = self.enter(&new.meeting, false).await?;
            room.say(entry_id(&new.nonce, "nonce"), Body::Nonce(new.nonce.to_vec().into())).await
        })
        .await?;
        Ok(number)
    }

    /// Waits until the person has confirmed on the other device, and becomes a device of the account.
    pub async fn link_finish(&self) -> Result<Me, ClientError> {
        let now_ms = self.clock.now_ms();
        let granted = self
            .meet(|new, said| {
                let (offerer, _) = new.open_offer(&new.offer)?;
                for said in said {
                    match &said.body {
                        Body::Refused(true) => return Err(ClientError::LinkRefused),
                        Body::Grant(sealed) => match new.open(sealed) {
                            Ok((chain, content)) if chain == offerer => return Ok(Some(content)),
                            // Of somebody who was not asked.
                            Ok(_) | Err(_) => {}
                        },
                        _ => {}
                    }
                }
                Ok(None)
            })
            .await;
        let granted = match granted {
            Err(error @ ClientError::LinkRefused) => {
                self.core.store.transaction(|tx| tx.remove_device_note(DeviceNoteKind::Linking, &[]))?;
                return Err(error);
            }
            granted => granted?,
        };
        let new = self.core.store.transaction(|tx| {
            let new = linking(tx)?.ok_or(ClientError::CodeOver)?.read()?;
            become_device(tx, &new, granted, now_ms)?;
            tx.remove_device_note(DeviceNoteKind::Linking, &[])?;
            Ok::<_, ClientError>(new)
        })?;
        self.core.reload()?;
        self.core.store.checkpoint()?;
        // The place where they met is not needed any more. If it can't be given up now, it goes by itself.
        if let Ok(mut room) = self.enter(&new.meeting, false).await {
            let _ = room.leave().await;
        }
        self.core.work.poke();
        self.me()
    }

    /// Drops a link that has begun and not ended: the code is good for nothing any more.
    pub fn link_drop(&self) -> Result<(), ClientError> {
        Ok(self.core.store.transaction(|tx| tx.remove_device_note(DeviceNoteKind::Linking, &[]))?)
    }

    /// Waits for something at the place where the devices meet.
    async fn meet<R>(&self, wanted: impl Fn(&NewDevice, &[Said]) -> Result<Option<R>, ClientError>) -> Result<R, ClientError> {
        let new = self.core.store.transaction(linking)?.ok_or(ClientError::CodeOver)?.read()?;
        self.patiently(async || {
            let mut room = self.enter(&new.meeting, false).await?;
            room.until(None, |said| wanted(&new, said)).await?.ok_or(ClientError::CodeOver)
        })
        .await
    }

    /// Tries again for as long as the network is the cause.
    async fn patiently<R>(&self, work: impl AsyncFn() -> Result<R, ClientError>) -> Result<R, ClientError> {
        let mut retry = Retry::default();
        loop {
            let after_ms = match work().await {
                Err(ClientError::Transport(TransportError::Later { after_ms })) => after_ms,
                Err(ClientError::Transport(_)) => 0,
                Err(ClientError::Refused { kind: RefusalKind::Later { after_ms }, .. }) => after_ms,
                done => return done,
            };
            self.clock.sleep(Duration::from_millis(retry.failed(after_ms, u64::from_le_bytes(random())))).await;
        }
    }
}

fn linking(tx: &Tx<'_>) -> Result<Option<Linking>, ClientError> {
    let Some(bytes) = tx.device_note(DeviceNoteKind::Linking, &[])? else { return Ok(None) };
    Ok(Some(Linking::decode(bytes.as_slice()).map_err(|_| StoreError::Damaged("linking"))?))
}

fn put(tx: &Tx<'_>, linking: &Linking) -> Result<(), ClientError> {
    Ok(tx.put_device_note(DeviceNoteKind::Linking, &[], &linking.encode_to_vec())?)
}

fn begin(tx: &Tx<'_>, server: &ServerUrl, name: &str) -> Result<Linking, ClientError> {
    let device = DeviceKey::generate();
    let (sealing, sealing_key) = InboxKey::generate()?;
    let nonce: [u8; 32] = random();
    let hello = proto::DeviceHello {
        device_key: device.id().to_field(),
        sealing_key: sealing_key.into(),
        nonce_hash: nonce_hash(&nonce).to_vec().into(),
        name: name.to_owned(),
    };
    let linking = Linking {
        device_key: device.to_bytes().to_vec(),
        sealing_secret: sealing.to_bytes().to_vec(),
        nonce: nonce.to_vec(),
        secret: random::<32, [u8; 32]>().to_vec(),
        log: random::<16, LogId>().as_bytes().to_vec(),
        server: server.to_text(),
        hello: hello.encode_to_vec(),
        offer: Vec::new(),
    };
    put(tx, &linking)?;
    Ok(linking)
}

/// Everything that a grant says, in this profile.
fn become_device(tx: &Tx<'_>, new: &NewDevice, granted: Bytes, now_ms: u64) -> Result<(), ClientError> {
    let untrue = ClientError::Unbelievable;
    let proto::DeviceGrant {
        signed_manifest,
        handle,
        server,
        era_key,
        inbox_seat,
        inbox_drop,
        inbox_secret,
        inbox_sequence,
        inbox_hash,
        own,
        devices,
    } = proto::DeviceGrant::decode(granted).map_err(|_| untrue("a grant that is not well-formed"))?;
    let (_, offered) = new.open_offer(&new.offer)?;
    let manifest = Manifest::decode(&signed_manifest)?;
    let era_key = EraKey::from_bytes(&era_key)?;
    if manifest.account() != offered.account || !manifest.has_device(new.device.id()) {
        return Err(untrue("a grant for another account or device"));
    }
    Era::new(manifest.era_certificate().clone(), era_key.clone())?;
    let handle: Handle = handle.parse()?;
    if !manifest.names(&handle) {
        return Err(untrue("a grant with a handle that is not the account's"));
    }
    let record = AccountRecord {
        account: manifest.account(),
        handle,
        server: server.parse()?,
        words: None,
        era_key: era_key.to_bytes(),
        device_key: new.device.to_bytes(),
        manifest: manifest.to_bytes().to_vec(),
        inbox_log: manifest.inbox().log,
        inbox_seat: SeatSecret::parse(&inbox_seat, "grant.inbox_seat")?,
        inbox_drop: DropSecret::parse(&inbox_drop, "grant.inbox_drop")?,
        inbox_secret: Zeroizing::new(inbox_secret.to_vec()),
        inbox_cursor: inbox_sequence,
        inbox_hash: RunningHash::parse(&inbox_hash, "grant.inbox_hash")?,
        registered: true,
        key_packages_ms: 0,
    };
    let local = Local::of_record(&record)?;
    tx.put_account(&record)?;
    if let Some(devices) = devices {
        adopt_devices(tx, &local, devices)?;
    }
    let own = own.ok_or(untrue("a grant without a conversation of the account's devices"))?;
    come_in::begin(tx, &local, own, now_ms)
}
