use openmls::prelude::{MlsMessageBodyIn, MlsMessageIn, RatchetTreeIn, StagedWelcome, WelcomeError};
use tls_codec::DeserializeBytes;

use crate::{
    Group, GroupRules, LocalDevice, MlsError, RULES_GROUP, Rows, group::join_config, provider::with_rows, rows::Slot, slim::split_tree,
    validity,
};

/// A Welcome leads into the term's first epoch alone: later one comes in by an external commit.
const FIRST_EPOCH: u64 = 1;

impl Group {
    /// Joins by a Welcome and the tree of the term's first epoch, as [`crate::StoredTree`] has it. Verifies every leaf's chain and the group's numbers
    /// ([`MlsError::UnknownRules`]: pause). **Who** is in it is for the caller to judge by [`Self::members`], and
    /// what it is bound to by [`Self::rules`]; to only look, roll the transaction back.
    ///
    /// It consumes a one-time KeyPackage.
    pub fn join(rows: &dyn Rows, device: &LocalDevice<'_>, welcome: &[u8], tree: &[u8]) -> Result<Self, MlsError> {
        let welcome = match MlsMessageIn::tls_deserialize_exact_bytes(welcome).map(MlsMessageIn::extract) {
            Ok(MlsMessageBodyIn::Welcome(welcome)) => welcome,
            _ => return Err(MlsError::Malformed { what: "Welcome" }),
        };
        device.suite().check(welcome.ciphersuite())?;
        with_rows(rows, Slot::Live, |provider| {
            let untrue = |error: &WelcomeError<_>| match error {
                WelcomeError::NoMatchingKeyPackage | WelcomeError::JoinerSecretNotFound => MlsError::NoKeyPackage,
                other => provider.blame(other, |fault| MlsError::Untrue { what: "Welcome", fault }),
            };
            let builder = StagedWelcome::build_from_welcome(provider, &join_config(), welcome).map_err(|error| untrue(&error))?;
            let info = builder.processed_welcome().unverified_group_info();
            if info.extensions().ratchet_tree().is_some() {
                return Err(MlsError::TreeInside);
            }
            if info.epoch().as_u64() != FIRST_EPOCH {
                return Err(MlsError::OtherState("the Welcome is not of the term's first epoch"));
            }
            // The numbers come first: what follows is by rules that are known.
            let rules = GroupRules::of_context(info.group_context())?;
            let tree = if rules.rules == RULES_GROUP { read_tree(&split_tree(tree)?.0)? } else { read_tree(tree)? };
            let staged = builder.with_ratchet_tree(tree).skip_lifetime_validation().build().map_err(|error| untrue(&error))?;
            let mls = staged.into_group(provider).map_err(|error| untrue(&error))?;
            provider.check()?;
            let group = Self::adopt(mls, None)?;
            if group.roster.get(group.own_leaf()).is_none_or(|own| own.chain.device() != device.chain().device()) {
                return Err(MlsError::NotTheDevice);
            }
            validity::check_state(&group.state()).map_err(|_| MlsError::OtherState("it breaks its rules"))?;
            Ok(group)
        })
    }
}

pub(crate) fn read_tree(bytes: &[u8]) -> Result<RatchetTreeIn, MlsError> {
    RatchetTreeIn::tls_deserialize_exact_bytes(bytes).map_err(|_| MlsError::Malformed { what: "ratchet tree" })
}
