use alcyon_identity::Chain;
use openmls::prelude::{ExtensionType, KeyPackage, KeyPackageBuilder, KeyPackageIn, Lifetime, ProposalType, ProtocolVersion};
use openmls_traits::{OpenMlsProvider, storage::StorageProvider};
use tls_codec::{DeserializeBytes, Serialize, VLBytes};

use crate::{
    KeyPackageFault, LocalDevice, MlsError, Rows, Suite,
    device::CREDENTIAL,
    extension::{GROUP_RULES, LEAF_SEAT},
    member::read_leaf,
    provider::with_rows,
    rows::Slot,
};

/// The widest lifetime there is. OpenMLS judges lifetimes by the local clock, here and at whoever replays a commit; the
/// age of a package is judged by the time of the header that carries it.
pub(crate) fn widest() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

/// How often a KeyPackage may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPackageUse {
    /// Once: its keys go with the first Welcome.
    OneTime,
    /// As long as it is not replaced.
    LastResort,
}

/// A KeyPackage of this device.
#[derive(Debug, Clone)]
pub struct NewKeyPackage {
    /// What is published: a TLS-encoded KeyPackage (RFC 9420 section 10), about 2.9 kB.
    pub bytes: Vec<u8>,
    /// By what it is forgotten.
    pub reference: KeyPackageRef,
}

/// The reference of a KeyPackage (RFC 9420 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPackageRef(Vec<u8>);

impl KeyPackageRef {
    /// Its bytes, as many as the suite's hash has.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the form of [`Self::as_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// Makes a KeyPackage and stores its private keys.
pub fn key_package(rows: &dyn Rows, device: &LocalDevice<'_>, usage: KeyPackageUse) -> Result<NewKeyPackage, MlsError> {
    with_rows(rows, Slot::Live, |provider| {
        let builder = KeyPackageBuilder::new().key_package_lifetime(widest()).leaf_node_capabilities(device.capabilities_of_package());
        let builder = match usage {
            KeyPackageUse::OneTime => builder,
            KeyPackageUse::LastResort => builder.mark_as_last_resort(),
        };
        let bundle = builder
            .build(device.suite().cipher(), provider, device, device.credential())
            .map_err(provider.defect("making a KeyPackage"))?;
        let package = bundle.key_package();
        let reference = package.hash_ref(provider.crypto()).map_err(provider.defect("hashing a KeyPackage"))?;
        Ok(NewKeyPackage {
            bytes: package.tls_serialize_detached().map_err(provider.defect("encoding a KeyPackage"))?,
            reference: KeyPackageRef(reference.as_slice().to_vec()),
        })
    })
}

/// Forgets the private keys of a KeyPackage: a last-resort one that was replaced, or any that was given back. A Welcome
/// for it can't be opened any more.
pub fn forget_key_package(rows: &dyn Rows, reference: &KeyPackageRef) -> Result<(), MlsError> {
    with_rows(rows, Slot::Live, |provider| {
        // OpenMLS makes a reference from bytes by its TLS form alone.
        let bytes =
            VLBytes::from(reference.as_bytes().to_vec()).tls_serialize_detached().map_err(provider.defect("naming a KeyPackage"))?;
        let reference =
            openmls::prelude::KeyPackageRef::tls_deserialize_exact_bytes(&bytes).map_err(provider.defect("naming a KeyPackage"))?;
        provider.storage().delete_key_package(&reference).map_err(provider.defect("forgetting a KeyPackage"))
    })
}

/// Somebody's KeyPackage, found to be sound: signatures hold, the chain is verified, and the device can take part.
#[derive(Debug, Clone)]
pub struct JudgedKeyPackage {
    pub(crate) package: KeyPackage,
    chain: Chain,
    usage: KeyPackageUse,
}

impl JudgedKeyPackage {
    /// Whose it is. That this is the account one wants to talk to is for the caller to check.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Whether its device can be in a group. Packages of before terms went on can't.
    #[must_use]
    pub fn fits_groups(&self) -> bool {
        let capabilities = self.package.leaf_node().capabilities();
        capabilities.extensions().contains(&ExtensionType::AppDataDictionary)
            && capabilities.proposals().contains(&ProposalType::AppDataUpdate)
    }

    /// How often it may be used.
    #[must_use]
    pub fn usage(&self) -> KeyPackageUse {
        self.usage
    }
}

/// Judges a KeyPackage from outside, by no clock.
pub fn judge_key_package(suite: Suite, bytes: &[u8]) -> Result<JudgedKeyPackage, MlsError> {
    let fault = |fault| Err(MlsError::KeyPackage(fault));
    let package = KeyPackageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| MlsError::Malformed { what: "KeyPackage" })?;
    let crypto = openmls_rust_crypto::RustCrypto::default();
    let Ok(package) = package.validate(&crypto, ProtocolVersion::Mls10) else { return fault(KeyPackageFault::Invalid) };
    suite.check(package.ciphersuite())?;
    let leaf = package.leaf_node();
    if *package.life_time() != widest() {
        return fault(KeyPackageFault::Lifetime);
    }
    let capabilities = leaf.capabilities();
    let able = [LEAF_SEAT, GROUP_RULES].into_iter().all(|number| capabilities.extensions().contains(&ExtensionType::Unknown(number)))
        && capabilities.credentials().contains(&CREDENTIAL)
        && capabilities.ciphersuites().contains(&suite.cipher().into());
    if !able {
        return fault(KeyPackageFault::Capabilities);
    }
    let (chain, seat) = read_leaf(leaf)?;
    if seat.is_some() {
        return fault(KeyPackageFault::Seat);
    }
    let usage = if package.last_resort() { KeyPackageUse::LastResort } else { KeyPackageUse::OneTime };
    Ok(JudgedKeyPackage { package, chain, usage })
}
