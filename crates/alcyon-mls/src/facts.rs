//! From OpenMLS's view of a commit to what the rules look at, and back to a summary.

use alcyon_wire::{DoorId, PayloadHash, RunningHash, proto};
use openmls::prelude::{Proposal as MlsProposal, ProposalOrRefType, Sender, StagedCommit};
use prost::Message;

use crate::{
    CommitData, GroupChange, Invalid, LastValid, LeaveProof, RejoinReason, Seen,
    extension::RULES_GROUP,
    member::read_leaf,
    peek::of_update,
    validity::{Author, Commit, Leaf, Proposal},
};

impl CommitData {
    /// The authenticated data of a commit.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { rules, seen, last_valid, rejoin, door, leaves } = self;
        let mut bytes = proto::CommitData {
            rules: *rules,
            seen: Some(proto::Seen { sequence: seen.sequence, running_hash: seen.running_hash.to_field() }),
            last_valid: last_valid.map_or(0, |last| last.sequence),
            last_valid_hash: last_valid.map(|last| last.payload_hash.as_bytes().to_vec().into()).unwrap_or_default(),
            rejoin: rejoin.map(|reason| proto::Rejoin { reason: reason as u32 }),
        }
        .encode_to_vec();
        let group = proto::GroupCommitData {
            door: door.map(DoorId::to_field).unwrap_or_default(),
            leaves: leaves.iter().map(LeaveProof::to_field).collect(),
        };
        bytes.extend(group.encode_to_vec());
        bytes
    }

    /// Reads the form of [`Self::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        let proto::CommitData { rules, seen, last_valid, last_valid_hash, rejoin } =
            proto::CommitData::decode(bytes).map_err(|_| Invalid::Data)?;
        let proto::Seen { sequence, running_hash } = seen.ok_or(Invalid::Data)?;
        let running_hash = RunningHash::parse(&running_hash, "seen.running_hash").map_err(|_| Invalid::Data)?;
        let last_valid = match (last_valid, last_valid_hash.as_ref()) {
            (0, []) => None,
            (0, _) => return Err(Invalid::Data),
            (sequence, hash) => {
                Some(LastValid { sequence, payload_hash: PayloadHash::parse(hash, "last_valid_hash").map_err(|_| Invalid::Data)? })
            }
        };
        let rejoin = rejoin.map(|proto::Rejoin { reason }| RejoinReason::from_number(reason).ok_or(Invalid::Data)).transpose()?;
        let (door, leaves) = if rules == RULES_GROUP { group_data(bytes)? } else { (None, Vec::new()) };
        Ok(Self { rules, seen: Seen { sequence, running_hash }, last_valid, rejoin, door, leaves })
    }
}

/// The fields that rule set 1 passes over, in whatever form they are.
fn group_data(bytes: &[u8]) -> Result<(Option<DoorId>, Vec<LeaveProof>), Invalid> {
    let proto::GroupCommitData { door, leaves } = proto::GroupCommitData::decode(bytes).map_err(|_| Invalid::Data)?;
    let door = if door.is_empty() { None } else { Some(DoorId::parse(&door, "data.door").map_err(|_| Invalid::Data)?) };
    let leaves = leaves.into_iter().map(LeaveProof::of_field).collect::<Result<_, _>>().map_err(|_| Invalid::Data)?;
    Ok((door, leaves))
}

/// A delta in an AppDataUpdate.
pub(crate) fn delta(bytes: &[u8]) -> Result<Vec<GroupChange>, Invalid> {
    GroupChange::decode_delta(bytes).map_err(|_| Invalid::Update)
}

impl RejoinReason {
    fn from_number(number: u32) -> Option<Self> {
        [Self::RolledBack, Self::LostState, Self::PathNotOpened].into_iter().find(|reason| *reason as u32 == number)
    }
}

/// What the rules look at in a staged commit. `data` is its authenticated data, decoded.
pub(crate) fn facts(sender: &Sender, staged: &StagedCommit, data: CommitData) -> Result<Commit, Invalid> {
    let author = match sender {
        Sender::Member(index) => Author::Member((*index).into()),
        Sender::NewMemberCommit => Author::Joiner,
        Sender::External(_) | Sender::NewMemberProposal => return Err(Invalid::Mls),
    };
    let proposals = staged
        .queued_proposals()
        .map(|queued| match (queued.proposal_or_ref_type(), queued.proposal()) {
            (ProposalOrRefType::Reference, _) => Ok(Proposal::ByReference),
            (ProposalOrRefType::Proposal, MlsProposal::Remove(remove)) => Ok(Proposal::Remove(remove.removed().into())),
            (ProposalOrRefType::Proposal, MlsProposal::ExternalInit(_)) => Ok(Proposal::ExternalInit),
            (ProposalOrRefType::Proposal, MlsProposal::AppDataUpdate(update)) => of_update(update),
            (ProposalOrRefType::Proposal, _) => Ok(Proposal::Other),
        })
        .collect::<Result<_, _>>()?;
    let path = match staged.update_path_leaf_node() {
        Some(leaf) => {
            let (chain, seat) = read_leaf(leaf).map_err(|_| Invalid::Credential)?;
            Some(Leaf { account: chain.account(), device: chain.device(), era: chain.era(), seat })
        }
        None => None,
    };
    Ok(Commit { author, proposals, path, data })
}
