use alcyon_identity::{Chain, DeviceKey};
use openmls::prelude::{Capabilities, Credential, CredentialType, CredentialWithKey, ExtensionType, ProposalType};
use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};

use crate::{
    GroupRules, MlsError, Suite,
    extension::{GROUP_RULES, LEAF_SEAT, RULES_GROUP},
};

/// Our credential type (RFC 9420 section 5.3, private use): the encoded chain root, era, device.
pub(crate) const CREDENTIAL: CredentialType = CredentialType::Other(0xF0A3);

/// The device that acts: its chain and key, and the suite it takes part in.
#[derive(Clone, Copy, Debug)]
pub struct LocalDevice<'a> {
    chain: &'a Chain,
    key: &'a DeviceKey,
    suite: Suite,
}

impl<'a> LocalDevice<'a> {
    /// A device with its own chain; another's is [`MlsError::NotTheDevice`].
    pub fn new(chain: &'a Chain, key: &'a DeviceKey) -> Result<Self, MlsError> {
        if chain.device() != key.id() {
            return Err(MlsError::NotTheDevice);
        }
        Ok(Self { chain, key, suite: Suite::PRODUCT })
    }

    /// The same device in another suite, for tests against other implementations.
    #[doc(hidden)]
    #[must_use]
    pub fn with_suite(self, suite: Suite) -> Self {
        Self { suite, ..self }
    }

    /// Its chain.
    #[must_use]
    pub fn chain(&self) -> &'a Chain {
        self.chain
    }

    pub(crate) fn suite(&self) -> Suite {
        self.suite
    }

    pub(crate) fn credential(&self) -> CredentialWithKey {
        CredentialWithKey {
            credential: Credential::new(CREDENTIAL, self.chain.encode()),
            signature_key: self.chain.device().as_bytes().to_vec().into(),
        }
    }

    /// Signs bytes that begin with a label of their own.
    pub(crate) fn sign_raw(&self, signed: &[u8]) -> [u8; 64] {
        self.key.sign(signed)
    }

    /// What a leaf of ours can do in a group of these rules.
    pub(crate) fn capabilities_for(&self, rules: &GroupRules) -> Capabilities {
        if rules.rules != RULES_GROUP {
            return self.capabilities();
        }
        Capabilities::new(
            None,
            Some(&[self.suite.cipher()]),
            Some(&[ExtensionType::AppDataDictionary, ExtensionType::Unknown(LEAF_SEAT), ExtensionType::Unknown(GROUP_RULES)]),
            Some(&[ProposalType::AppDataUpdate]),
            Some(&[CREDENTIAL]),
        )
    }

    /// What a leaf can do that a KeyPackage brings into a pair or into a group's next term.
    pub(crate) fn capabilities_of_package(&self) -> Capabilities {
        Capabilities::new(
            None,
            Some(&[self.suite.cipher()]),
            Some(&[
                ExtensionType::LastResort,
                ExtensionType::AppDataDictionary,
                ExtensionType::Unknown(LEAF_SEAT),
                ExtensionType::Unknown(GROUP_RULES),
            ]),
            Some(&[ProposalType::AppDataUpdate]),
            Some(&[CREDENTIAL]),
        )
    }

    /// What a leaf of a pair can do: one version, one suite, one credential type, our two extensions and that of
    /// last-resort packages, no proposal beyond those every implementation has.
    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities::new(
            None,
            Some(&[self.suite.cipher()]),
            // OpenMLS takes a last-resort KeyPackage only from a leaf that names the extension it is marked by.
            Some(&[ExtensionType::LastResort, ExtensionType::Unknown(LEAF_SEAT), ExtensionType::Unknown(GROUP_RULES)]),
            Some(&[]),
            Some(&[CREDENTIAL]),
        )
    }
}

impl Signer for LocalDevice<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.key.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}
