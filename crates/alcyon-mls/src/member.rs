use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
};

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
    let chain = verified(leaf.credential().serialized_content())?;
    if chain.device().as_bytes() != leaf.signature_key().as_slice() {
        return Err(MlsError::Credential);
    }
    let seat = leaf_seat(leaf).map_err(|()| MlsError::Malformed { what: "LeafSeat" })?;
    Ok((chain, seat))
}

/// Chains that this thread remembers: those of a few large groups, some 2 MiB.
const REMEMBERED: usize = 4_096;

thread_local! {
    static VERIFIED: RefCell<HashMap<Box<[u8]>, Chain>> = RefCell::default();
}

/// A chain, verified: now, or before in these very bytes. A group is read anew for each entry, and verifying a thousand chains
/// takes two thousand signatures, a fifth of a second.
fn verified(bytes: &[u8]) -> Result<Chain, MlsError> {
    VERIFIED.with_borrow_mut(|remembered| {
        if let Some(chain) = remembered.get(bytes) {
            return Ok(chain.clone());
        }
        let chain = Chain::decode(bytes).map_err(|_| MlsError::Credential)?;
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(bytes.into(), chain.clone());
        Ok(chain)
    })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use alcyon_identity::{DeviceKey, Era, EraKey, RecoveryWords};

    use super::*;

    #[test]
    fn what_was_verified_vouches_for_its_own_bytes_alone() {
        let (root, key) = (RecoveryWords::generate().root(), EraKey::generate());
        let chain = Era::new(root.sign_era(1, &key), key).unwrap().certify(DeviceKey::generate().id()).unwrap();
        let bytes = chain.encode();
        for _ in 0..2 {
            assert_eq!(verified(&bytes).unwrap(), chain);
        }
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            for _ in 0..2 {
                assert!(verified(&altered).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let (root, key) = (RecoveryWords::generate().root(), EraKey::generate());
        let chain = Era::new(root.sign_era(1, &key), key).unwrap().certify(DeviceKey::generate().id()).unwrap();
        VERIFIED.with_borrow_mut(|remembered| {
            remembered.extend((0..REMEMBERED).map(|number| (number.to_be_bytes().to_vec().into(), chain.clone())));
        });
        verified(&chain.encode()).unwrap();
        assert_eq!(VERIFIED.with_borrow(HashMap::len), 1);
    }
}
