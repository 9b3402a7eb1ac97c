use std::{collections::BTreeSet, fmt};

use alcyon_wire::{AccountId, DeviceId, Handle, LogId, ServerUrl, WireError, limits, proto};
use bytes::Bytes;
use prost::Message;

use crate::{
    Chain, Era, EraCertificate, IdentityError,
    signing::{array, verify},
};

/// Bytes of an X-Wing public key.
const SEALING_KEY: usize = 1216;

/// Where an account is to be found: devices, inbox, home servers. Every one that exists has been verified, with the
/// certificate of every device in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    bytes: Vec<u8>,
    era: EraCertificate,
    version: u64,
    devices: Vec<(DeviceId, [u8; 64])>,
    inbox: Inbox,
    homes: Vec<Home>,
}

/// Which of two manifests is newer: by era, then by version. A reader keeps the highest it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManifestOrder {
    /// 1, 2, ...
    pub era: u32,
    /// 1, 2, ... within an era.
    pub version: u64,
}

/// Where strangers and friends knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// The server that holds it.
    pub server: ServerUrl,
    /// Its log there.
    pub log: LogId,
    /// X-Wing public key that knocks are sealed to, 1,216 bytes.
    pub sealing_key: Vec<u8>,
}

/// A server that has this account in its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Where it is.
    pub server: ServerUrl,
    /// The account's handle there.
    pub handle: Handle,
}

/// A manifest before it is signed. The limits are those of [`alcyon_wire::limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestDraft {
    /// 1, 2, ... within an era; higher than the last.
    pub version: u64,
    /// One to ten devices, each once; all get certified.
    pub devices: Vec<DeviceId>,
    /// Where to knock.
    pub inbox: Inbox,
    /// One to eight; the first is the inbox's server.
    pub homes: Vec<Home>,
}

impl Era {
    /// Certifies the devices of `draft` and signs it. Refused if it breaks a rule that readers check.
    pub fn sign_manifest(&self, draft: ManifestDraft) -> Result<Manifest, IdentityError> {
        let ManifestDraft { version, devices, inbox: Inbox { server, log, sealing_key }, homes } = draft;
        let EraCertificate { root, number, key, signature } = self.certificate();
        let devices = devices.into_iter().map(|device| proto::ManifestDevice {
            device_key: device.to_field(),
            device_signature: self.sign_device(device).to_vec().into(),
        });
        let homes = homes.into_iter().map(|Home { server, handle }| proto::Home { server: server.to_text(), handle: handle.to_text() });
        let manifest = proto::Manifest {
            root: root.to_vec().into(),
            era: *number,
            era_key: key.to_vec().into(),
            era_signature: signature.to_vec().into(),
            version,
            devices: devices.collect(),
            inbox: Some(proto::Inbox { server: server.to_text(), log: log.to_field(), sealing_key: sealing_key.into() }),
            homes: homes.collect(),
        }
        .encode_to_vec();
        let signature = self.key().sign(&manifest_message(&manifest)).to_vec().into();
        Manifest::decode(&proto::SignedManifest { manifest: manifest.into(), signature }.encode_to_vec())
    }
}

impl Manifest {
    /// Reads the bytes of a SignedManifest and checks every signature and limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        within("manifest", limits::MANIFEST, bytes.len())?;
        let signed = proto::SignedManifest::decode(bytes).map_err(|_| WireError::Malformed { what: "SignedManifest" })?;
        if signed.encode_to_vec() != bytes {
            return Err(IdentityError::NotCanonical { what: "SignedManifest" });
        }
        let proto::SignedManifest { manifest: inner, signature } = signed;
        let proto::Manifest { root, era, era_key, era_signature, version, devices, inbox, homes } =
            proto::Manifest::decode(inner.clone()).map_err(|_| WireError::Malformed { what: "Manifest" })?;

        let era = EraCertificate {
            root: array(&root, "manifest.root")?,
            number: era,
            key: array(&era_key, "manifest.era_key")?,
            signature: array(&era_signature, "manifest.era_signature")?,
        };
        era.check()?;
        let signature = array(&signature, "manifest.signature")?;
        verify(&era.key, "manifest.era_key", &manifest_message(&inner), &signature, "manifest.signature")?;

        if version == 0 {
            return Err(WireError::Missing { field: "manifest.version" }.into());
        }
        let devices = read_devices(&era, &devices)?;
        let inbox = read_inbox(inbox)?;
        let homes = read_homes(&homes)?;
        if homes.first().is_none_or(|home| home.server != inbox.server) {
            return Err(IdentityError::InboxElsewhere);
        }
        Ok(Self { bytes: bytes.to_vec(), era, version, devices, inbox, homes })
    }

    /// The bytes that were signed, with the signature: a SignedManifest.
    #[must_use]
    pub fn to_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.era.account()
    }

    /// The account's root public key, for a safety number.
    #[must_use]
    pub fn root(&self) -> &[u8; 32] {
        &self.era.root
    }

    /// The root's word for the era that signed this.
    #[must_use]
    pub fn era_certificate(&self) -> &EraCertificate {
        &self.era
    }

    /// Older or newer than another one of the same account.
    #[must_use]
    pub fn order(&self) -> ManifestOrder {
        ManifestOrder { era: self.era.number, version: self.version }
    }

    /// The devices, one to ten.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = DeviceId> + '_ {
        self.devices.iter().map(|(device, _)| *device)
    }

    /// Whether `device` is one of them.
    #[must_use]
    pub fn has_device(&self, device: DeviceId) -> bool {
        self.devices().any(|one| one == device)
    }

    /// The credential of one of the devices.
    #[must_use]
    pub fn chain_of(&self, device: DeviceId) -> Option<Chain> {
        let (device, device_signature) = *self.devices.iter().find(|(one, _)| *one == device)?;
        Some(Chain { era: self.era.clone(), device, device_signature })
    }

    /// Where to knock.
    #[must_use]
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// The home servers; the first holds the inbox.
    #[must_use]
    pub fn homes(&self) -> &[Home] {
        &self.homes
    }

    /// Whether the account itself claims this handle. A directory's word alone is not enough.
    #[must_use]
    pub fn names(&self, handle: &Handle) -> bool {
        self.homes.iter().any(|home| home.handle == *handle)
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Manifest(..)")
    }
}

fn manifest_message(manifest: &[u8]) -> Vec<u8> {
    [b"alcyon manifest v1".as_slice(), manifest].concat()
}

fn read_devices(era: &EraCertificate, devices: &[proto::ManifestDevice]) -> Result<Vec<(DeviceId, [u8; 64])>, IdentityError> {
    within("manifest.devices", limits::DEVICES, devices.len())?;
    if devices.is_empty() {
        return Err(WireError::Missing { field: "manifest.devices" }.into());
    }
    let mut seen = BTreeSet::new();
    devices
        .iter()
        .map(|proto::ManifestDevice { device_key, device_signature }| {
            let device = DeviceId::parse(device_key, "manifest.devices.device_key")?;
            let signature = array(device_signature, "manifest.devices.device_signature")?;
            era.check_device(device, &signature)?;
            if seen.insert(device) { Ok((device, signature)) } else { Err(IdentityError::DeviceTwice) }
        })
        .collect()
}

fn read_inbox(inbox: Option<proto::Inbox>) -> Result<Inbox, IdentityError> {
    let proto::Inbox { server, log, sealing_key } = inbox.ok_or(WireError::Missing { field: "manifest.inbox" })?;
    if sealing_key.len() != SEALING_KEY {
        let actual = sealing_key.len();
        return Err(WireError::Length { field: "manifest.inbox.sealing_key", expected: SEALING_KEY, actual }.into());
    }
    Ok(Inbox { server: server.parse()?, log: LogId::parse(&log, "manifest.inbox.log")?, sealing_key: Bytes::into(sealing_key) })
}

fn read_homes(homes: &[proto::Home]) -> Result<Vec<Home>, IdentityError> {
    within("manifest.homes", limits::HOMES, homes.len())?;
    homes.iter().map(|proto::Home { server, handle }| Ok(Home { server: server.parse()?, handle: handle.parse()? })).collect()
}

fn within(field: &'static str, limit: usize, actual: usize) -> Result<(), IdentityError> {
    if actual > limit { Err(WireError::TooLarge { field, limit, actual }.into()) } else { Ok(()) }
}
