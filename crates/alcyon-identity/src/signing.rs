//! Ed25519 behind two functions, so that all verify alike.

use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use alcyon_wire::WireError;

use crate::IdentityError;

/// Checks `signature` strictly; errors name `key_field` or `signature_field`.
pub(crate) fn verify(
    key: &[u8; 32],
    key_field: &'static str,
    message: &[u8],
    signature: &[u8; 64],
    signature_field: &'static str,
) -> Result<(), IdentityError> {
    VerifyingKey::from_bytes(key)
        .map_err(|_| IdentityError::Key { field: key_field })?
        .verify_strict(message, &Signature::from_bytes(signature))
        .map_err(|_| IdentityError::Signature { field: signature_field })
}

/// A new key from the system's randomness.
pub(crate) fn generate() -> SigningKey {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).expect("the system gives randomness");
    SigningKey::from_bytes(&seed)
}

/// A field of fixed length.
pub(crate) fn array<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], IdentityError> {
    bytes.try_into().map_err(|_| WireError::Length { field, expected: N, actual: bytes.len() }.into())
}
