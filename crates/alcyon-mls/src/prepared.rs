//! The row about an own commit that is prepared and not yet decided: what recognises its echo and judges it.

use alcyon_wire::{AccountId, DeviceId, SeatId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    CommitData, Fault, GroupChange, GroupId, GroupRules, GroupState, LastValid, LeafIndex, MlsError, RowKind, Rows, codec,
    group::own_key,
    rows::Slot,
    validity::{Author, Commit, Leaf, Proposal, State},
};

/// A prepared commit, as its row holds it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Prepared {
    /// SHA-256 of the MLS message.
    message_hash: [u8; 32],
    rules: Vec<u8>,
    leaves: Vec<StoredLeaf>,
    last_valid: Option<Vec<u8>>,
    /// The author's leaf; none for one who comes in.
    author: Option<u32>,
    removed: Vec<u32>,
    /// None in a group's commit that changes its state and no more.
    path: Option<StoredLeaf>,
    data: Vec<u8>,
    /// The group's state before the commit; none in a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Vec<u8>>,
    /// What the commit changes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delta: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct StoredLeaf {
    /// In a path: 0.
    index: u32,
    account: [u8; 32],
    device: [u8; 32],
    era: u32,
    seat: Option<[u8; 32]>,
}

impl StoredLeaf {
    fn new(index: LeafIndex, leaf: &Leaf) -> Self {
        let Leaf { account, device, era, seat } = leaf;
        Self {
            index: index.0,
            account: *account.as_bytes(),
            device: *device.as_bytes(),
            era: *era,
            seat: seat.map(|seat| *seat.as_bytes()),
        }
    }

    fn read(&self) -> Leaf {
        let Self { index: _, account, device, era, seat } = self;
        Leaf { account: AccountId::from(*account), device: DeviceId::from(*device), era: *era, seat: seat.map(SeatId::from) }
    }
}

fn hash(message: &[u8]) -> [u8; 32] {
    Sha256::digest(message).into()
}

impl Prepared {
    pub(crate) fn new(message: &[u8], state: &State, commit: &Commit) -> Self {
        let State { rules, leaves, last_valid, group } = state;
        let Commit { author, proposals, path, data } = commit;
        Self {
            message_hash: hash(message),
            rules: rules.encode(),
            leaves: leaves.iter().map(|(index, leaf)| StoredLeaf::new(*index, leaf)).collect(),
            last_valid: last_valid.map(LastValid::to_bytes),
            author: match author {
                Author::Member(index) => Some(index.0),
                Author::Joiner => None,
            },
            removed: proposals
                .iter()
                .filter_map(|proposal| match proposal {
                    Proposal::Remove(index) => Some(index.0),
                    Proposal::ExternalInit | Proposal::Change(_) | Proposal::Other | Proposal::ByReference => None,
                })
                .collect(),
            path: path.as_ref().map(|path| StoredLeaf::new(LeafIndex(0), path)),
            data: data.encode(),
            group: group.as_ref().map(GroupState::encode),
            delta: proposals.iter().find_map(|proposal| match proposal {
                Proposal::Change(changes) => Some(GroupChange::encode_delta(changes)),
                Proposal::Remove(_) | Proposal::ExternalInit | Proposal::Other | Proposal::ByReference => None,
            }),
        }
    }

    /// Whether `message` is the commit that was prepared.
    pub(crate) fn is(&self, message: &[u8]) -> bool {
        self.message_hash == hash(message)
    }

    /// What the verdict on it depends on, besides the header.
    pub(crate) fn judged(&self) -> Result<(State, Commit), MlsError> {
        const WHAT: MlsError = MlsError::Stored { what: "prepared commit" };
        let Self { message_hash: _, rules, leaves, last_valid, author, removed, path, data, group, delta } = self;
        let last_valid = match last_valid {
            None => None,
            Some(bytes) => Some(LastValid::from_bytes(bytes).ok_or(WHAT)?),
        };
        let leaves = leaves.iter().map(|leaf| (LeafIndex(leaf.index), leaf.read())).collect();
        let group = group.as_deref().map(GroupState::decode).transpose().map_err(|_| WHAT)?;
        let state = State { rules: GroupRules::decode(rules)?, leaves, last_valid, group };
        let author = author.map_or(Author::Joiner, |index| Author::Member(LeafIndex(index)));
        let mut proposals: Vec<_> = removed.iter().map(|index| Proposal::Remove(LeafIndex(*index))).collect();
        if author == Author::Joiner {
            proposals.push(Proposal::ExternalInit);
        }
        if let Some(delta) = delta {
            proposals.push(Proposal::Change(GroupChange::decode_delta(delta).map_err(|_| WHAT)?));
        }
        let data = CommitData::decode(data).map_err(|_| WHAT)?;
        Ok((state, Commit { author, proposals, path: path.as_ref().map(StoredLeaf::read), data }))
    }

    pub(crate) fn write(&self, rows: &dyn Rows, slot: Slot, id: &GroupId) -> Result<(), MlsError> {
        let value =
            codec::value(self).map_err(|error| MlsError::Internal { doing: "storing a prepared commit", fault: Fault::of(&error) })?;
        Ok(rows.write(RowKind::Prepared, &own_key(slot, id)?, &value)?)
    }

    pub(crate) fn read(rows: &dyn Rows, slot: Slot, id: &GroupId) -> Result<Option<Self>, MlsError> {
        let Some(bytes) = rows.read(RowKind::Prepared, &own_key(slot, id)?)? else { return Ok(None) };
        codec::read(&bytes).map(Some).map_err(|_| MlsError::Stored { what: "prepared commit" })
    }
}
