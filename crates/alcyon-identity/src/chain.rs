use std::fmt;

use alcyon_wire::{AccountId, DeviceId, WireError, proto};
use prost::Message;

use crate::{EraCertificate, IdentityError, signing::array};

/// A device's credential, root to era to device. Every one that exists has been verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Chain {
    pub(crate) era: EraCertificate,
    pub(crate) device: DeviceId,
    pub(crate) device_signature: [u8; 64],
}

impl Chain {
    /// Checks both signatures.
    pub fn verify(chain: proto::Chain) -> Result<Self, IdentityError> {
        let proto::Chain { root, era, era_key, era_signature, device_key, device_signature } = chain;
        let era = EraCertificate {
            root: array(&root, "root")?,
            number: era,
            key: array(&era_key, "era_key")?,
            signature: array(&era_signature, "era_signature")?,
        };
        let device = DeviceId::parse(&device_key, "device_key")?;
        let device_signature = array(&device_signature, "device_signature")?;
        era.check()?;
        era.check_device(device, &device_signature)?;
        Ok(Self { era, device, device_signature })
    }

    /// Reads and checks the form of [`Self::encode`], and no other: equal chains have equal bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let chain = proto::Chain::decode(bytes).map_err(|_| WireError::Malformed { what: "Chain" })?;
        if chain.encode_to_vec() != bytes {
            return Err(IdentityError::NotCanonical { what: "Chain" });
        }
        Self::verify(chain)
    }

    /// The bytes of an MLS credential, about 300.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.to_field().encode_to_vec()
    }

    /// The field of a message.
    #[must_use]
    pub fn to_field(&self) -> proto::Chain {
        let Self { era: EraCertificate { root, number, key, signature }, device, device_signature } = self;
        proto::Chain {
            root: root.to_vec().into(),
            era: *number,
            era_key: key.to_vec().into(),
            era_signature: signature.to_vec().into(),
            device_key: device.to_field(),
            device_signature: device_signature.to_vec().into(),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.era.account()
    }

    /// The era's number: 1, 2, ...
    #[must_use]
    pub fn era(&self) -> u32 {
        self.era.number
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The account's root public key, for a safety number.
    #[must_use]
    pub fn root(&self) -> &[u8; 32] {
        &self.era.root
    }

    /// The root's word for the era.
    #[must_use]
    pub fn era_certificate(&self) -> &EraCertificate {
        &self.era
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain(..)")
    }
}
