//! What OpenMLS works with: cryptography, randomness, and the rows of the caller's transaction.

use openmls_rust_crypto::RustCrypto;
use openmls_traits::OpenMlsProvider;

use crate::{
    Fault, MlsError, Rows,
    rows::{Slot, Watched},
    storage::Storage,
};

/// Made anew for each call, so that its generator is always freshly seeded by the system.
pub(crate) struct Provider<'a> {
    crypto: RustCrypto,
    storage: Storage<'a>,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(watched: &'a Watched<'a>, slot: Slot) -> Self {
        Self { crypto: RustCrypto::default(), storage: Storage { watched, slot } }
    }

    /// What a failure of OpenMLS really is: a failure of the store, if there was one, else what `otherwise` makes of it.
    pub(crate) fn blame<E: std::fmt::Debug>(&self, error: &E, otherwise: impl FnOnce(Fault) -> MlsError) -> MlsError {
        match self.storage.watched.failure() {
            Some(failure) => MlsError::Rows(failure),
            None => otherwise(Fault::of(error)),
        }
    }

    /// A failure of the store that OpenMLS swallowed.
    pub(crate) fn check(&self) -> Result<(), MlsError> {
        self.storage.watched.failure().map_or(Ok(()), |failure| Err(MlsError::Rows(failure)))
    }

    /// [`Self::blame`] for what can't fail otherwise.
    pub(crate) fn defect<E: std::fmt::Debug>(&self, doing: &'static str) -> impl FnOnce(E) -> MlsError {
        move |error| self.blame(&error, |fault| MlsError::Internal { doing, fault })
    }
}

impl<'a> OpenMlsProvider for Provider<'a> {
    type CryptoProvider = RustCrypto;
    type RandProvider = RustCrypto;
    type StorageProvider = Storage<'a>;

    fn storage(&self) -> &Self::StorageProvider {
        &self.storage
    }

    fn crypto(&self) -> &Self::CryptoProvider {
        &self.crypto
    }

    fn rand(&self) -> &Self::RandProvider {
        &self.crypto
    }
}

/// Runs `f` with a provider over `rows`.
pub(crate) fn with_rows<T>(rows: &dyn Rows, slot: Slot, f: impl FnOnce(&Provider<'_>) -> T) -> T {
    let watched = Watched::new(rows);
    f(&Provider::new(&watched, slot))
}
