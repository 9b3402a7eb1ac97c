use std::fmt;

use alcyon_wire::{AccountId, DeviceId};
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::{
    Chain, IdentityError,
    signing::{array, generate, verify},
};

/// The account's own key. It derives from the recovery words, is kept nowhere, and is wiped when dropped.
pub struct Root(pub(crate) SigningKey);

impl Root {
    /// The Ed25519 public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The account this root stands for.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::of_root(&self.public())
    }

    /// Certifies an era key. Eras count from 1; a higher one shuts out all devices of the lower. No reader takes
    /// a certificate with the number 0.
    #[must_use]
    pub fn sign_era(&self, number: u32, key: &EraKey) -> EraCertificate {
        let key = key.public();
        let signature = self.0.sign(&era_message(self.account(), number, &key)).to_bytes();
        EraCertificate { root: self.public(), number, key, signature }
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(..)")
    }
}

/// What the devices of an account share during an era, to certify devices and sign manifests. Wiped when dropped.
#[derive(Clone)]
pub struct EraKey(SigningKey);

impl EraKey {
    /// A new one from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(generate())
    }

    /// The secret, for sealed storage and for a sibling device.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Reads the form of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        Ok(Self(SigningKey::from_bytes(&Zeroizing::new(array(bytes, "era_key")?))))
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// A secret that all devices of the account can derive, and nobody else: HKDF-SHA-512 over the private key. `label` says what
    /// it is for.
    #[must_use]
    pub fn derive(&self, label: &str, context: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut secret = Zeroizing::new([0; 32]);
        Hkdf::<Sha512>::new(Some(label.as_bytes()), self.0.as_bytes())
            .expand(context, secret.as_mut_slice())
            .expect("32 bytes are within what HKDF-SHA-512 gives");
        secret
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for EraKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EraKey(..)")
    }
}

/// The root's signature over an era's number and key.
#[derive(Clone, PartialEq, Eq)]
pub struct EraCertificate {
    pub(crate) root: [u8; 32],
    pub(crate) number: u32,
    pub(crate) key: [u8; 32],
    pub(crate) signature: [u8; 64],
}

impl EraCertificate {
    /// The account's root public key.
    #[must_use]
    pub fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        AccountId::of_root(&self.root)
    }

    /// 1, 2, ...
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The era's public key.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// By the root.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    pub(crate) fn check(&self) -> Result<(), IdentityError> {
        if self.number == 0 {
            return Err(alcyon_wire::WireError::Missing { field: "era" }.into());
        }
        let message = era_message(self.account(), self.number, &self.key);
        verify(&self.root, "root", &message, &self.signature, "era_signature")
    }

    /// Checks that the era key certified `device`.
    pub(crate) fn check_device(&self, device: DeviceId, signature: &[u8; 64]) -> Result<(), IdentityError> {
        // A device id that is no key could never sign; refused here, it can't take a place in a manifest.
        ed25519_dalek::VerifyingKey::from_bytes(device.as_bytes()).map_err(|_| IdentityError::Key { field: "device_key" })?;
        let message = device_message(self.account(), self.number, device);
        verify(&self.key, "era_key", &message, signature, "device_signature")
    }
}

impl fmt::Debug for EraCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EraCertificate(..)")
    }
}

/// An era whose key one holds: what a device needs to certify siblings and sign manifests.
#[derive(Debug, Clone)]
pub struct Era {
    certificate: EraCertificate,
    key: EraKey,
}

impl Era {
    /// Ties a certificate to its key; refused if the signature does not hold or the key is another.
    pub fn new(certificate: EraCertificate, key: EraKey) -> Result<Self, IdentityError> {
        certificate.check()?;
        if certificate.key != key.public() {
            return Err(IdentityError::ForeignEraKey);
        }
        Ok(Self { certificate, key })
    }

    /// The root's word for this era.
    #[must_use]
    pub fn certificate(&self) -> &EraCertificate {
        &self.certificate
    }

    /// The secret key, for sealed storage and for a sibling device.
    #[must_use]
    pub fn key(&self) -> &EraKey {
        &self.key
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.certificate.account()
    }

    /// Certifies a device: its credential from now on. Refused if the id is no Ed25519 public key.
    pub fn certify(&self, device: DeviceId) -> Result<Chain, IdentityError> {
        let signature = self.sign_device(device);
        self.certificate.check_device(device, &signature)?;
        Ok(Chain { era: self.certificate.clone(), device, device_signature: signature })
    }

    pub(crate) fn sign_device(&self, device: DeviceId) -> [u8; 64] {
        self.key.sign(&device_message(self.account(), self.certificate.number, device))
    }
}

fn era_message(account: AccountId, number: u32, key: &[u8; 32]) -> Vec<u8> {
    [b"alcyon era v1".as_slice(), account.as_bytes(), &number.to_be_bytes(), key].concat()
}

fn device_message(account: AccountId, era: u32, device: DeviceId) -> Vec<u8> {
    [b"alcyon device v1".as_slice(), account.as_bytes(), &era.to_be_bytes(), device.as_bytes()].concat()
}
