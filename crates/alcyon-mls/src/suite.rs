use std::fmt;

use openmls_traits::types::{Ciphersuite, HpkeConfig};

/// A cipher suite (RFC 9420 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Suite(Ciphersuite);

impl Suite {
    /// X-Wing (ML-KEM-768 with X25519), AES-256-GCM, SHA-384, Ed25519: 0x004E of draft-ietf-mls-pq-ciphersuites.
    pub const PRODUCT: Self = Self(Ciphersuite::MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519);

    /// X25519, AES-128-GCM, SHA-256, Ed25519: the suite that every implementation has (RFC 9420 section 17.1). For
    /// tests against other implementations; the product refuses it.
    #[doc(hidden)]
    pub const MANDATORY: Self = Self(Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519);

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0.into()
    }

    /// KEM, KDF and AEAD of its HPKE.
    pub(crate) const fn hpke(self) -> HpkeConfig {
        self.0.hpke_config()
    }

    pub(crate) fn of(cipher: Ciphersuite) -> Self {
        Self(cipher)
    }

    pub(crate) fn cipher(self) -> Ciphersuite {
        self.0
    }

    /// Refuses `found` if it is another one.
    pub(crate) fn check(self, found: Ciphersuite) -> Result<(), crate::MlsError> {
        if found == self.0 { Ok(()) } else { Err(crate::MlsError::Suite(Self(found))) }
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.number())
    }
}
