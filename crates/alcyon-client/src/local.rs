use alcyon_identity::{Chain, DeviceKey, Era, EraKey, Manifest, http_signature};
use alcyon_mls::{InboxKey, LocalDevice};
use alcyon_store::AccountRecord;
use alcyon_wire::{AccountId, DropSecret, EntryId, Handle, LogId, SeatKey, SeatSecret, ServerUrl};

use crate::{ClientError, HttpMethod, HttpRequest};

/// This profile's account and device, checked and ready for use.
pub(crate) struct Local {
    pub(crate) account: AccountId,
    pub(crate) handle: Handle,
    pub(crate) server: ServerUrl,
    pub(crate) manifest: Manifest,
    pub(crate) chain: Chain,
    pub(crate) era: Era,
    pub(crate) device: DeviceKey,
    pub(crate) inbox: SeatKey,
    pub(crate) inbox_drop: DropSecret,
    pub(crate) inbox_key: InboxKey,
    pub(crate) registered: bool,
}

impl Local {
    pub(crate) fn of_record(record: &AccountRecord) -> Result<Self, ClientError> {
        let manifest = Manifest::decode(&record.manifest)?;
        let device = DeviceKey::from_bytes(record.device_key.as_slice())?;
        let chain = manifest.chain_of(device.id()).ok_or(ClientError::Unbelievable("the stored manifest does not name this device"))?;
        let era = Era::new(manifest.era_certificate().clone(), EraKey::from_bytes(record.era_key.as_slice())?)?;
        Ok(Self {
            era,
            account: record.account,
            handle: record.handle.clone(),
            server: record.server.clone(),
            chain,
            manifest,
            device,
            inbox: SeatKey { log: record.inbox_log, secret: record.inbox_seat.clone() },
            inbox_drop: record.inbox_drop.clone(),
            inbox_key: InboxKey::from_bytes(&record.inbox_secret),
            registered: record.registered,
        })
    }

    /// As MLS sees it.
    pub(crate) fn mls(&self) -> Result<LocalDevice<'_>, ClientError> {
        Ok(LocalDevice::new(&self.chain, &self.device)?)
    }

    /// The secret of the seat that an own commit puts in the place of the old one. It derives from the device key and
    /// the commit's entry id, so that a profile restored from an older copy finds it again when it sees its own commit.
    pub(crate) fn replaced_seat(&self, log: LogId, commit: EntryId) -> SeatSecret {
        let context = [log.as_bytes().as_slice(), commit.as_bytes()].concat();
        SeatSecret::from(*self.device.derive("alcyon seat secret v1", &context))
    }

    /// The drop secret of this account's seats at a log. All its devices can derive it, so that each can take a sibling's seat
    /// back; nobody else can.
    pub(crate) fn drop_secret(&self, log: LogId) -> DropSecret {
        DropSecret::from(*self.era.key().derive("alcyon drop secret v1", log.as_bytes()))
    }

    /// A request of the control plane, signed by this device. `server_time_ms` is the server's clock, not this device's.
    pub(crate) fn signed(
        &self,
        server: &ServerUrl,
        method: HttpMethod,
        path: String,
        body: Vec<u8>,
        server_time_ms: u64,
    ) -> Result<HttpRequest, ClientError> {
        let request = http_signature::Request::new(method.as_str(), server.authority(), &path, &body)?;
        let headers = http_signature::sign(&request, &self.device, server_time_ms / 1000).into_pairs();
        Ok(HttpRequest { server: server.clone(), method, headers: headers.into(), path, body })
    }
}
