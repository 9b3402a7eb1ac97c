//! Coming in by an external commit, in place of one's own old leaf if there is one. Its state is unconfirmed until the log
//! has the commit, and lies beside the live group until then, not over it.

use alcyon_wire::{DoorId, SeatId};
use openmls::prelude::{AppDataUpdateProposal, GroupContext, LeafNodeIndex, LeafNodeParameters, MlsGroup};
use openmls_traits::{OpenMlsProvider, storage::StorageProvider};

use crate::{
    CommitData, CommitSummary, Entry, Fault, Group, GroupChange, GroupId, Invalid, LocalDevice, Lost, MlsError, RejoinReason, RowKind,
    Rows, Seen, Verdict,
    commit::dictionary_updates,
    extension::{GROUP_STATE, leaf_extensions},
    group::{join_config, own_key, to_bytes},
    prepared::Prepared,
    process::Told,
    provider::with_rows,
    replay::Ground,
    rows::Slot,
    slim::without_state,
    storage::group_key,
    validity::{self, Proposal},
};

/// A rejoin that is ready to be sent. Its state is in the rows beside the live group: send exactly this, and wait for the
/// log's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedRejoin {
    /// The group.
    pub group: GroupId,
    /// The MLS PublicMessage, to be sealed **once**: resend the same payload.
    pub message: Vec<u8>,
    /// The GroupInfo without tree of the epoch it starts, to be sealed.
    pub group_info: Vec<u8>,
}

/// By what right a device comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By a door of the group: the one that it shows the log.
    Door(DoorId),
    /// Backed by a leaf of the same account.
    Sibling,
    /// In place of its own leaf, for this reason.
    Again(RejoinReason),
}

/// Prepares to come in on a confirmed state. The device's old leaf, if there is one, is replaced, and `reason` told;
/// else the device is new and backed by a sibling's leaf ([`MlsError::NotBacked`] if there is none).
///
/// A rejoin that was prepared before and not adopted is thrown away: only do that once the log has decided against it.
pub fn prepare_rejoin(
    rows: &dyn Rows,
    device: &LocalDevice<'_>,
    ground: Ground<'_>,
    seat: SeatId,
    seen: Seen,
    reason: RejoinReason,
) -> Result<PreparedRejoin, MlsError> {
    come_in(rows, device, ground, seat, seen, reason, None)
}

/// Prepares to come in on a confirmed state, [`prepare_rejoin`] for groups too: also by a door.
///
/// [`MlsError::NotBacked`] if nothing backs this device there: the door is closed, for another account, needs approval, or
/// is older than the account's removal; or there is no sibling.
pub fn prepare_join(
    rows: &dyn Rows,
    device: &LocalDevice<'_>,
    ground: Ground<'_>,
    seat: SeatId,
    seen: Seen,
    how: How,
) -> Result<PreparedRejoin, MlsError> {
    match how {
        // Its old leaf, if there is one, is of a state that it does not have.
        How::Door(door) => come_in(rows, device, ground, seat, seen, RejoinReason::LostState, Some(door)),
        How::Sibling => come_in(rows, device, ground, seat, seen, RejoinReason::LostState, None),
        How::Again(reason) => come_in(rows, device, ground, seat, seen, reason, None),
    }
}

fn come_in(
    rows: &dyn Rows,
    device: &LocalDevice<'_>,
    ground: Ground<'_>,
    seat: SeatId,
    seen: Seen,
    reason: RejoinReason,
    door: Option<DoorId>,
) -> Result<PreparedRejoin, MlsError> {
    device.suite().check(ground.suite.cipher())?;
    let state = ground.state.clone();
    let replaces = state.leaves.values().any(|leaf| leaf.device == device.chain().device());
    let rejoin = replaces.then_some(reason);
    let data = CommitData { rules: state.rules.rules, seen, last_valid: state.last_valid, rejoin, door, leaves: Vec::new() };
    let mut commit = own_commit(&state, device, seat, data);
    let applied = validity::outcome(&state, &commit);
    if applied.is_some() {
        commit.proposals.push(Proposal::Change(Vec::new()));
    }
    validity::foresee(&state, &commit).map_err(|reason| match reason {
        Invalid::Backing => MlsError::NotBacked,
        other => MlsError::WouldBeInvalid(other),
    })?;
    let id = GroupId::from(ground.info.group_id());
    clear(rows, Slot::Joining, &id)?;
    with_rows(rows, Slot::Joining, |provider| {
        let untrue = |fault| MlsError::Untrue { what: "GroupInfo", fault };
        let capabilities = device.capabilities_for(&state.rules);
        let leaf = LeafNodeParameters::builder().with_capabilities(capabilities).with_extensions(leaf_extensions(seat)?).build();
        let mut builder = MlsGroup::external_commit_builder()
            .with_ratchet_tree(ground.tree)
            .with_config(join_config())
            .with_aad(commit.data.encode())
            .skip_lifetime_validation()
            .build_group(provider, ground.info, device.credential())
            .map_err(|error| provider.blame(&error, untrue))?
            .leaf_node_parameters(leaf);
        if let Some(update) = applied.as_ref().map(|_| AppDataUpdateProposal::update(GROUP_STATE, GroupChange::encode_delta(&[]))) {
            builder = builder.add_app_data_update_proposal(update);
        }
        let mut builder = builder
            .load_psks(provider.storage())
            .map_err(provider.defect("preparing to come in"))?
            .create_group_info(true)
            .use_ratchet_tree_extension(false);
        let updates = applied.and_then(|applied| dictionary_updates(builder.app_data_dictionary_updater(), &applied.state));
        builder.with_app_data_dictionary_updates(updates);
        let (_merged, bundle) = builder
            .build(provider.rand(), provider.crypto(), device, |_| true)
            .map_err(|error| provider.blame(&error, untrue))?
            .finalize(provider)
            .map_err(provider.defect("preparing to come in"))?;
        provider.check()?;
        let (message, _welcome, group_info) = bundle.into_messages();
        let missing = |what: &'static str| MlsError::Internal { doing: "preparing to come in", fault: Fault::of(&what) };
        let message = to_bytes(&message)?;
        let group_info = without_state(&to_bytes(&group_info.ok_or_else(|| missing("NoGroupInfo"))?)?)?;
        Prepared::new(&message, &state, &commit).write(rows, Slot::Joining, &id)?;
        Ok(PreparedRejoin { group: id.clone(), message, group_info })
    })
}

/// What the rules see in the own external commit. `finalize` has merged it, so it is told rather than read.
fn own_commit(state: &validity::State, device: &LocalDevice<'_>, seat: SeatId, data: CommitData) -> validity::Commit {
    let chain = device.chain();
    let old = state.leaves.iter().filter(|(_, leaf)| leaf.device == chain.device()).map(|(index, _)| Proposal::Remove(*index));
    let leaf = validity::Leaf { account: chain.account(), device: chain.device(), era: chain.era(), seat: Some(seat) };
    validity::Commit { author: validity::Author::Joiner, proposals: old.chain([Proposal::ExternalInit]).collect(), path: Some(leaf), data }
}

/// Whether a rejoin is prepared that the log has not decided on.
pub fn rejoin_pending(rows: &dyn Rows, id: &GroupId) -> Result<bool, MlsError> {
    Ok(rows.read(RowKind::Prepared, &own_key(Slot::Joining, id)?)?.is_some())
}

/// The log has the prepared external commit, as this entry (known by entry id and payload hash; `message` is what the
/// payload holds). Judges it by the header like anybody's. If it is valid its state takes the place of the live group's,
/// whose [`Group`] in memory is to be dropped; if it is invalid it is gone, and the live group is as it was.
pub fn adopt_rejoin(rows: &dyn Rows, id: &GroupId, message: &[u8], entry: &Entry<'_>) -> Result<(Option<Group>, Verdict), MlsError> {
    let prepared = Prepared::read(rows, Slot::Joining, id)?.filter(|prepared| prepared.is(message));
    let prepared = prepared.ok_or(MlsError::NothingPending)?;
    let (state, commit) = prepared.judged()?;
    if let Err(reason) = validity::judge(&state, &commit, entry.header) {
        clear(rows, Slot::Joining, id)?;
        return Ok((None, Verdict::Invalid(reason)));
    }
    clear(rows, Slot::Live, id)?;
    move_to_live(rows, id)?;
    let mut group = Group::load(rows, id)?.ok_or(MlsError::Stored { what: "group" })?;
    group.follow(rows, entry.as_last_valid())?;
    let by = group.members().find(|member| member.leaf == group.own_leaf()).cloned();
    let by = by.ok_or(MlsError::Internal { doing: "coming in", fault: Fault::of(&"BlankLeaf") })?;
    let summary = CommitSummary { own: true, ..Told::new(&state, &commit, Vec::new()).summary(by, commit) };
    Ok((Some(group), Verdict::Valid(Box::new(summary))))
}

/// Takes a prepared external commit back, once the log has decided otherwise. The live group is as it was.
pub fn discard_rejoin(rows: &dyn Rows, id: &GroupId, _lost: Lost) -> Result<(), MlsError> {
    clear(rows, Slot::Joining, id)
}

/// Forgets a group and what is prepared for it: for a conversation that is over.
pub fn forget_group(rows: &dyn Rows, id: &GroupId) -> Result<(), MlsError> {
    clear(rows, Slot::Joining, id)?;
    clear(rows, Slot::Live, id)
}

/// Kinds of which a group has at most one row a slot. Proposals are never stored: the rules allow none by reference.
const ONE_ROW: [RowKind; 15] = [
    RowKind::JoinConfig,
    RowKind::OwnLeafNodes,
    RowKind::ProposalRefs,
    RowKind::Tree,
    RowKind::InterimTranscriptHash,
    RowKind::Context,
    RowKind::ConfirmationTag,
    RowKind::GroupState,
    RowKind::MessageSecrets,
    RowKind::ResumptionPsks,
    RowKind::OwnLeafIndex,
    RowKind::EpochSecrets,
    RowKind::ApplicationExportTree,
    RowKind::LastValid,
    RowKind::Prepared,
];

fn clear(rows: &dyn Rows, slot: Slot, id: &GroupId) -> Result<(), MlsError> {
    if let Some(key) = epoch_keys(rows, slot, id)? {
        rows.delete(RowKind::EpochKeyPairs, &key)?;
    }
    let key = own_key(slot, id)?;
    ONE_ROW.into_iter().try_for_each(|kind| Ok(rows.delete(kind, &key)?))
}

fn move_to_live(rows: &dyn Rows, id: &GroupId) -> Result<(), MlsError> {
    let moved = |kind, from: &[u8], to: &[u8]| -> Result<(), MlsError> {
        if let Some(value) = rows.read(kind, from)? {
            rows.write(kind, to, &value)?;
            rows.delete(kind, from)?;
        }
        Ok(())
    };
    // Before the rows it is found by are moved.
    if let Some(from) = epoch_keys(rows, Slot::Joining, id)? {
        let mut to = from.clone();
        to[0] = Slot::Live as u8;
        moved(RowKind::EpochKeyPairs, &from, &to)?;
    }
    let (from, to) = (own_key(Slot::Joining, id)?, own_key(Slot::Live, id)?);
    ONE_ROW.into_iter().try_for_each(|kind| moved(kind, &from, &to))
}

/// The key of the private keys on the own path; none if the slot has no group whose epoch and leaf can be read.
fn epoch_keys(rows: &dyn Rows, slot: Slot, id: &GroupId) -> Result<Option<Vec<u8>>, MlsError> {
    with_rows(rows, slot, |provider| {
        let context: Option<GroupContext> = provider.storage().group_context(&id.mls()).unwrap_or_default();
        let leaf: Option<LeafNodeIndex> = provider.storage().own_leaf_index(&id.mls()).unwrap_or_default();
        provider.check()?;
        let (Some(context), Some(leaf)) = (context, leaf) else { return Ok(None) };
        let key = group_key(slot, &id.mls(), &(context.epoch(), leaf.u32()));
        key.map(Some).map_err(|error| MlsError::Internal { doing: "making a key", fault: Fault::of(&error) })
    })
}
