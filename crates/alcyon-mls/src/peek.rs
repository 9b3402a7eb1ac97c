//! What the rules look at, read from a commit's bytes. OpenMLS shows the content of a commit only once it is staged, and
//! stages one that changes the group's state only when it is told the new state: which follows from the content.
//!
//! The bytes have been parsed and their signature verified by OpenMLS before; and what is read here is compared with
//! what the staged commit says afterwards.

use alcyon_identity::Chain;
use openmls::prelude::{AppDataUpdateOperation, AppDataUpdateProposal, Sender};
use tls_codec::{DeserializeBytes, VLBytes};

use crate::{
    CommitData, Invalid,
    device::CREDENTIAL,
    extension::{GROUP_STATE, LEAF_SEAT, read_seat},
    facts::delta,
    validity::{Author, Commit, Leaf, Proposal},
};

/// ProposalOrRefType and ProposalType (RFC 9420 section 12, draft-ietf-mls-extensions section 4.7).
const BY_VALUE: u8 = 1;
const REMOVE: u16 = 3;
const EXTERNAL_INIT: u16 = 6;
const APP_DATA_UPDATE: u16 = 8;
/// LeafNodeSource of a leaf in a commit (RFC 9420 section 7.2).
const COMMIT: u8 = 3;

/// The commit in an MLSMessage that is a PublicMessage. Proposals that no rule set with a state allows are an error.
pub(crate) fn peek(message: &[u8], data: CommitData) -> Result<Commit, Invalid> {
    let mut reader = Reader(message);
    let _version_and_format = reader.take::<u32>()?;
    let _group = reader.take::<VLBytes>()?;
    let _epoch = reader.take::<u64>()?;
    let author = match reader.take::<Sender>()? {
        Sender::Member(index) => Author::Member(index.into()),
        Sender::NewMemberCommit => Author::Joiner,
        Sender::External(_) | Sender::NewMemberProposal => return Err(Invalid::Mls),
    };
    let _data = reader.take::<VLBytes>()?;
    let _content_type = reader.take::<u8>()?;
    let proposals = reader.take::<VLBytes>()?;
    let proposals = read_proposals(proposals.as_slice())?;
    let path = match reader.take::<u8>()? {
        0 => None,
        _ => Some(read_leaf(&mut reader)?),
    };
    Ok(Commit { author, proposals, path, data })
}

fn read_proposals(bytes: &[u8]) -> Result<Vec<Proposal>, Invalid> {
    let mut reader = Reader(bytes);
    let mut proposals = Vec::new();
    while !reader.0.is_empty() {
        if reader.take::<u8>()? != BY_VALUE {
            return Err(Invalid::Proposals);
        }
        proposals.push(match reader.take::<u16>()? {
            REMOVE => Proposal::Remove(crate::LeafIndex(reader.take()?)),
            EXTERNAL_INIT => {
                reader.take::<VLBytes>()?;
                Proposal::ExternalInit
            }
            APP_DATA_UPDATE => of_update(&reader.take::<AppDataUpdateProposal>()?)?,
            _ => return Err(Invalid::Proposals),
        });
    }
    Ok(proposals)
}

/// An AppDataUpdate: one of our component is a delta, any other is not allowed.
pub(crate) fn of_update(proposal: &AppDataUpdateProposal) -> Result<Proposal, Invalid> {
    match proposal.operation() {
        AppDataUpdateOperation::Update(bytes) if proposal.component_id() == GROUP_STATE => Ok(Proposal::Change(delta(bytes.as_slice())?)),
        AppDataUpdateOperation::Update(_) | AppDataUpdateOperation::Remove => Ok(Proposal::Other),
    }
}

/// A LeafNode (RFC 9420 section 7.2) in a commit.
fn read_leaf(reader: &mut Reader<'_>) -> Result<Leaf, Invalid> {
    let _encryption_key = reader.take::<VLBytes>()?;
    let signature_key = reader.take::<VLBytes>()?;
    let credential_type = reader.take::<u16>()?;
    let credential = reader.take::<VLBytes>()?;
    for _versions_suites_extensions_proposals_credentials in 0..5 {
        reader.take::<VLBytes>()?;
    }
    if reader.take::<u8>()? != COMMIT {
        return Err(Invalid::Mls);
    }
    let _parent_hash = reader.take::<VLBytes>()?;
    let extensions = reader.take::<VLBytes>()?;
    if credential_type != u16::from(CREDENTIAL) {
        return Err(Invalid::Credential);
    }
    let chain = Chain::decode(credential.as_slice()).map_err(|_| Invalid::Credential)?;
    if chain.device().as_bytes() != signature_key.as_slice() {
        return Err(Invalid::Credential);
    }
    let mut seat = None;
    let mut reader = Reader(extensions.as_slice());
    while !reader.0.is_empty() {
        let number = reader.take::<u16>()?;
        let content = reader.take::<VLBytes>()?;
        if number == LEAF_SEAT && seat.is_none() {
            seat = Some(read_seat(content.as_slice()).map_err(|()| Invalid::Credential)?);
        }
    }
    Ok(Leaf { account: chain.account(), device: chain.device(), era: chain.era(), seat })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<T: DeserializeBytes>(&mut self) -> Result<T, Invalid> {
        let (value, rest) = T::tls_deserialize_bytes(self.0).map_err(|_| Invalid::Mls)?;
        self.0 = rest;
        Ok(value)
    }
}
