use std::collections::BTreeMap;

use alcyon_identity::Chain;
use alcyon_wire::SeatId;
use openmls::prelude::{LeafNode, LeafNodeIndex};

use crate::{GroupState, MlsError, device::CREDENTIAL, extension::leaf_seat};

/// A leaf's place in the ratchet tree, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(pub u32);

impl From<LeafNodeIndex> for LeafIndex {
    fn from(index: LeafNodeIndex) -> Self {
        Self(index.u32())
    }
}

impl From<LeafIndex> for LeafNodeIndex {
    fn from(index: LeafIndex) -> Self {
        Self::new(index.0)
    }
}

/// A leaf of the group: one device, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Where it is in the tree.
    pub leaf: LeafIndex,
    /// Who it is.
    pub chain: Chain,
    /// The seat it sits on; none before its first commit, if it came by the Welcome of a pair.
    pub seat: Option<SeatId>,
}

/// A leaf's chain, verified and that of its signature key, and its seat.
pub(crate) fn read_leaf(leaf: &LeafNode) -> Result<(Chain, Option<SeatId>), MlsError> {
    if leaf.credential().credential_type() != CREDENTIAL {
        return Err(MlsError::Credential);
    }
    let chain = Chain::decode(leaf.credential().serialized_content()).map_err(|_| MlsError::Credential)?;
    if chain.device().as_bytes() != leaf.signature_key().as_slice() {
        return Err(MlsError::Credential);
    }
    let seat = leaf_seat(leaf).map_err(|()| MlsError::Malformed { what: "LeafSeat" })?;
    Ok((chain, seat))
}

/// The members, each leaf verified once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster(BTreeMap<LeafIndex, (Vec<u8>, Member)>);

impl Roster {
    /// Follows the tree: verifies what is new, drops what is gone.
    pub(crate) fn follow<'a>(&mut self, leaves: impl Iterator<Item = (LeafNodeIndex, &'a LeafNode)>) -> Result<(), MlsError> {
        let mut old = std::mem::take(&mut self.0);
        for (index, leaf) in leaves {
            let index = LeafIndex::from(index);
            let credential = leaf.credential().serialized_content();
            let (bytes, member) = match old.remove(&index) {
                Some((bytes, mut member)) if bytes == credential && member.chain.device().as_bytes() == leaf.signature_key().as_slice() => {
                    member.seat = leaf_seat(leaf).map_err(|()| MlsError::Malformed { what: "LeafSeat" })?;
                    (bytes, member)
                }
                _ => {
                    let (chain, seat) = read_leaf(leaf)?;
                    (credential.to_vec(), Member { leaf: index, chain, seat })
                }
            };
            self.0.insert(index, (bytes, member));
        }
        Ok(())
    }

    /// Leaves that name no seat sit where the group's state says.
    pub(crate) fn seat(&mut self, group: Option<&GroupState>) {
        let Some(group) = group.filter(|group| !group.seats.is_empty()) else { return };
        for (_, member) in self.0.values_mut() {
            member.seat = member.seat.or_else(|| group.seats.get(&member.chain.device()).copied());
        }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.0.values().map(|(_, member)| member)
    }

    pub(crate) fn get(&self, leaf: LeafIndex) -> Option<&Member> {
        self.0.get(&leaf).map(|(_, member)| member)
    }
}
