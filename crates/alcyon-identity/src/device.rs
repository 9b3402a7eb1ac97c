use std::fmt;

use alcyon_wire::DeviceId;
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::{
    IdentityError,
    signing::{array, generate, verify},
};

/// One installation's signing key: MLS leaves, knocks and requests are signed by it. Wiped when dropped.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl DeviceKey {
    /// A new one from the system's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(generate())
    }

    /// The device: its public key.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId::from(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`. What is signed must begin with a label of its own, so that no signature means two things.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// A secret that only this device can derive: HKDF-SHA-512 over the private key. `label` says what it is for.
    #[must_use]
    pub fn derive(&self, label: &str, context: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut secret = Zeroizing::new([0; 32]);
        Hkdf::<Sha512>::new(Some(label.as_bytes()), self.0.as_bytes())
            .expand(context, secret.as_mut_slice())
            .expect("32 bytes are within what HKDF-SHA-512 gives");
        secret
    }

    /// The secret, for sealed storage.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// Reads the form of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        Ok(Self(SigningKey::from_bytes(&Zeroizing::new(array(bytes, "device_key")?))))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey(..)")
    }
}

/// Checks that `device` signed `message`. That the device is somebody's is for a [`crate::Chain`] to say.
pub fn verify_device(device: DeviceId, message: &[u8], signature: &[u8]) -> Result<(), IdentityError> {
    verify(device.as_bytes(), "device_key", message, &array(signature, "signature")?, "signature")
}
