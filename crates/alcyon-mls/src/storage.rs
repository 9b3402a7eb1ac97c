//! OpenMLS's storage trait over `Rows`.

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    RowKind, RowsError, codec,
    rows::{Slot, Watched},
};

const V: u16 = CURRENT_VERSION;

/// What OpenMLS gets to see of a failure; the store's own error is kept by [`Watched`].
#[derive(Debug, Error)]
pub(crate) enum StorageError {
    #[error(transparent)]
    Rows(#[from] RowsError),
    #[error("a value can't be encoded")]
    Encode(#[from] rmp_serde::encode::Error),
    #[error("a stored value can't be read")]
    Decode(#[from] codec::ReadError),
}

/// Rows of one slot.
pub(crate) struct Storage<'a> {
    pub(crate) watched: &'a Watched<'a>,
    pub(crate) slot: Slot,
}

/// The key of a row that belongs to a group: slot, group id, and what tells it from others of its kind.
pub(crate) fn group_key(slot: Slot, group: &impl Serialize, rest: &impl Serialize) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    let mut bytes = vec![slot as u8];
    bytes.extend(codec::key(group)?);
    bytes.extend(codec::key(rest)?);
    Ok(bytes)
}

impl Storage<'_> {
    fn of_group(&self, group: &impl Serialize) -> Result<Vec<u8>, StorageError> {
        Ok(group_key(self.slot, group, &())?)
    }

    fn epoch_keys(&self, group: &impl Serialize, epoch: &impl Serialize, leaf: u32) -> Result<Vec<u8>, StorageError> {
        Ok(group_key(self.slot, group, &(epoch, leaf))?)
    }

    fn get<T: DeserializeOwned>(&self, kind: RowKind, key: &[u8]) -> Result<Option<T>, StorageError> {
        let bytes = self.watched.note(self.watched.rows.read(kind, key))?;
        Ok(bytes.map(|bytes| codec::read(&bytes)).transpose()?)
    }

    fn put(&self, kind: RowKind, key: &[u8], value: &impl Serialize) -> Result<(), StorageError> {
        Ok(self.watched.note(self.watched.rows.write(kind, key, &codec::value(value)?))?)
    }

    fn drop_row(&self, kind: RowKind, key: &[u8]) -> Result<(), StorageError> {
        Ok(self.watched.note(self.watched.rows.delete(kind, key))?)
    }

    fn list<T: DeserializeOwned>(&self, kind: RowKind, group: &impl Serialize) -> Result<Vec<T>, StorageError> {
        Ok(self.get(kind, &self.of_group(group)?)?.unwrap_or_default())
    }
}

/// One row a group: write, read, delete.
macro_rules! of_group {
    ($kind:ident, $value:ident, $write:ident, $read:ident $(, $delete:ident)?) => {
        fn $write<G: traits::GroupId<V>, T: traits::$value<V>>(&self, group: &G, value: &T) -> Result<(), Self::Error> {
            self.put(RowKind::$kind, &self.of_group(group)?, value)
        }

        fn $read<G: traits::GroupId<V>, T: traits::$value<V>>(&self, group: &G) -> Result<Option<T>, Self::Error> {
            self.get(RowKind::$kind, &self.of_group(group)?)
        }

        $(fn $delete<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), Self::Error> {
            self.drop_row(RowKind::$kind, &self.of_group(group)?)
        })?
    };
}

/// One row a key outside groups: write, delete. Readers differ in the order of their type parameters.
macro_rules! of_key {
    ($kind:ident, $key:ident, $value:ident, $write:ident, $delete:ident) => {
        fn $write<K: traits::$key<V>, T: traits::$value<V>>(&self, key: &K, value: &T) -> Result<(), Self::Error> {
            self.put(RowKind::$kind, &codec::key(key)?, value)
        }

        fn $delete<K: traits::$key<V>>(&self, key: &K) -> Result<(), Self::Error> {
            self.drop_row(RowKind::$kind, &codec::key(key)?)
        }
    };
}

impl StorageProvider<V> for Storage<'_> {
    type Error = StorageError;

    of_group!(JoinConfig, MlsGroupJoinConfig, write_mls_join_config, mls_group_join_config, delete_group_config);
    of_group!(Tree, TreeSync, write_tree, tree, delete_tree);
    of_group!(
        InterimTranscriptHash,
        InterimTranscriptHash,
        write_interim_transcript_hash,
        interim_transcript_hash,
        delete_interim_transcript_hash
    );
    of_group!(Context, GroupContext, write_context, group_context, delete_context);
    of_group!(ConfirmationTag, ConfirmationTag, write_confirmation_tag, confirmation_tag, delete_confirmation_tag);
    of_group!(MessageSecrets, MessageSecrets, write_message_secrets, message_secrets, delete_message_secrets);
    of_group!(ResumptionPsks, ResumptionPskStore, write_resumption_psk_store, resumption_psk_store, delete_all_resumption_psk_secrets);
    of_group!(OwnLeafIndex, LeafNodeIndex, write_own_leaf_index, own_leaf_index, delete_own_leaf_index);
    of_group!(EpochSecrets, GroupEpochSecrets, write_group_epoch_secrets, group_epoch_secrets, delete_group_epoch_secrets);
    of_group!(ApplicationExportTree, ApplicationExportTree, write_application_export_tree, application_export_tree);

    of_key!(SignatureKeyPair, SignaturePublicKey, SignatureKeyPair, write_signature_key_pair, delete_signature_key_pair);
    of_key!(EncryptionKeyPair, EncryptionKey, HpkeKeyPair, write_encryption_key_pair, delete_encryption_key_pair);
    of_key!(KeyPackage, HashReference, KeyPackage, write_key_package, delete_key_package);
    of_key!(Psk, PskId, PskBundle, write_psk, delete_psk);

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, T: traits::SignatureKeyPair<V>>(
        &self,
        key: &K,
    ) -> Result<Option<T>, Self::Error> {
        self.get(RowKind::SignatureKeyPair, &codec::key(key)?)
    }

    fn encryption_key_pair<T: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(&self, key: &K) -> Result<Option<T>, Self::Error> {
        self.get(RowKind::EncryptionKeyPair, &codec::key(key)?)
    }

    fn key_package<K: traits::HashReference<V>, T: traits::KeyPackage<V>>(&self, key: &K) -> Result<Option<T>, Self::Error> {
        self.get(RowKind::KeyPackage, &codec::key(key)?)
    }

    fn psk<T: traits::PskBundle<V>, K: traits::PskId<V>>(&self, key: &K) -> Result<Option<T>, Self::Error> {
        self.get(RowKind::Psk, &codec::key(key)?)
    }

    fn delete_application_export_tree<G: traits::GroupId<V>, T: traits::ApplicationExportTree<V>>(
        &self,
        group: &G,
    ) -> Result<(), Self::Error> {
        self.drop_row(RowKind::ApplicationExportTree, &self.of_group(group)?)
    }

    fn write_group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G, value: &T) -> Result<(), Self::Error> {
        self.put(RowKind::GroupState, &self.of_group(group)?, value)
    }

    fn group_state<T: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group: &G) -> Result<Option<T>, Self::Error> {
        self.get(RowKind::GroupState, &self.of_group(group)?)
    }

    fn delete_group_state<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), Self::Error> {
        self.drop_row(RowKind::GroupState, &self.of_group(group)?)
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, group: &G, leaf: &T) -> Result<(), Self::Error> {
        let mut leaves: Vec<T> = self.list(RowKind::OwnLeafNodes, group)?;
        leaves.push(codec::read(&codec::value(leaf)?)?); // it is no `Clone`
        self.put(RowKind::OwnLeafNodes, &self.of_group(group)?, &leaves)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, T: traits::LeafNode<V>>(&self, group: &G) -> Result<Vec<T>, Self::Error> {
        self.list(RowKind::OwnLeafNodes, group)
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, group: &G) -> Result<(), Self::Error> {
        self.drop_row(RowKind::OwnLeafNodes, &self.of_group(group)?)
    }

    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, T: traits::QueuedProposal<V>>(
        &self,
        group: &G,
        reference: &R,
        proposal: &T,
    ) -> Result<(), Self::Error> {
        let mut references: Vec<R> = self.list(RowKind::ProposalRefs, group)?;
        let key = codec::key(reference)?;
        let mut known = false;
        for other in &references {
            known |= codec::key(other)? == key;
        }
        if !known {
            // A reference is no `Clone`: it goes through its own encoding.
            references.push(codec::read(&codec::value(reference)?)?);
        }
        self.put(RowKind::ProposalRefs, &self.of_group(group)?, &references)?;
        self.put(RowKind::Proposal, &group_key(self.slot, group, reference)?, proposal)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, group: &G) -> Result<Vec<R>, Self::Error> {
        self.list(RowKind::ProposalRefs, group)
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, T: traits::QueuedProposal<V>>(
        &self,
        group: &G,
    ) -> Result<Vec<(R, T)>, Self::Error> {
        let references: Vec<R> = self.list(RowKind::ProposalRefs, group)?;
        let mut proposals = Vec::new();
        for reference in references {
            if let Some(proposal) = self.get(RowKind::Proposal, &group_key(self.slot, group, &reference)?)? {
                proposals.push((reference, proposal));
            }
        }
        Ok(proposals)
    }

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, group: &G, reference: &R) -> Result<(), Self::Error> {
        let gone = codec::key(reference)?;
        let mut kept: Vec<R> = Vec::new();
        for other in self.list::<R>(RowKind::ProposalRefs, group)? {
            if codec::key(&other)? != gone {
                kept.push(other);
            }
        }
        self.put(RowKind::ProposalRefs, &self.of_group(group)?, &kept)?;
        self.drop_row(RowKind::Proposal, &group_key(self.slot, group, reference)?)
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, group: &G) -> Result<(), Self::Error> {
        for reference in self.list::<R>(RowKind::ProposalRefs, group)? {
            self.drop_row(RowKind::Proposal, &group_key(self.slot, group, &reference)?)?;
        }
        self.drop_row(RowKind::ProposalRefs, &self.of_group(group)?)
    }

    fn write_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
        pairs: &[T],
    ) -> Result<(), Self::Error> {
        self.put(RowKind::EpochKeyPairs, &self.epoch_keys(group, epoch, leaf)?, &pairs)
    }

    fn encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, T: traits::HpkeKeyPair<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<Vec<T>, Self::Error> {
        Ok(self.get(RowKind::EpochKeyPairs, &self.epoch_keys(group, epoch, leaf)?)?.unwrap_or_default())
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group: &G,
        epoch: &E,
        leaf: u32,
    ) -> Result<(), Self::Error> {
        self.drop_row(RowKind::EpochKeyPairs, &self.epoch_keys(group, epoch, leaf)?)
    }
}
