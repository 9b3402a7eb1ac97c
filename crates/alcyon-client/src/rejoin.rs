//! Coming in anew by an external commit in place of the own leaf: after the profile was restored from an older copy, after a
//! path that could not be opened, or when commits were missed.

use alcyon_mls::{Entry, GroupId, HandshakeKey, Payload, RejoinReason, Replay, Seen, StoredTree, Suite, prepare_rejoin};
use alcyon_store::{OutboxItem, TermRecord, Tx};
use alcyon_wire::{HeaderFacts, LogId, payload_hash, proto};
use prost::Message;

use crate::{
    ClientError,
    come_in::TreeBox,
    core::handshake_key,
    entry::REPLAY,
    local::Local,
    outbox::{CommitFrame, commit_frame},
};

/// Reasons as they lie in a term's record; 0 is none.
pub(crate) const ROLLED_BACK: u32 = 1;
pub(crate) const LOST_STATE: u32 = 2;
pub(crate) const UNOPENED_PATH: u32 = 3;

/// The log's stored tree with its GroupInfos, as fetched; still sealed.
pub(crate) struct FetchedTree {
    pub(crate) chunks: Vec<bytes::Bytes>,
    pub(crate) commit_count: u64,
    /// The log's head when it was put.
    pub(crate) sequence: u64,
    /// Fetched by a door: the commit that opened it.
    pub(crate) door_opened: u64,
    pub(crate) group_infos: Vec<proto::StoredGroupInfo>,
}

/// Makes the frame of a queued rejoin, and its state beside the live group's. `None`: the log has moved on, fetch again.
pub(crate) fn make_frame(
    tx: &Tx<'_>,
    local: &Local,
    term: &mut TermRecord,
    item: &OutboxItem,
    fetched: &FetchedTree,
) -> Result<Option<Vec<u8>>, ClientError> {
    let key = handshake_key(term)?;
    let Some(newest) = fetched.group_infos.iter().rev().find(|info| info.commit_count == term.commit_count) else { return Ok(None) };
    let group_info = key.open_group_info(&newest.payload)?;
    let is_group = crate::group::is_group(tx, term.conversation)?;
    let replay = if term.rejoin == LOST_STATE && is_group {
        // The commits since the stored tree were kept for everybody: they came after the gap.
        let Ok(bytes) = key.open_tree(&fetched.chunks, fetched.commit_count) else { return Ok(None) };
        let Ok(TreeBox { tree, group_info }) = TreeBox::decode(bytes.as_slice()) else { return Ok(None) };
        let mut replay = Replay::from_tree(Suite::PRODUCT, &StoredTree { tree, group_info })?;
        follow(tx, term, &key, &mut replay, fetched.sequence)?;
        replay
    } else if term.rejoin == LOST_STATE {
        // Commits were missed: the stored tree is all there is. It has to be of the newest epoch.
        if fetched.commit_count != term.commit_count {
            return Ok(None);
        }
        let tree = key.open_tree(&fetched.chunks, fetched.commit_count)?;
        Replay::from_tree(Suite::PRODUCT, &StoredTree { tree, group_info: group_info.clone() })?
    } else {
        let Some(group) = &term.group_id else { return Ok(None) };
        let mut replay = Replay::from_group(tx, &GroupId::from_bytes(group))?;
        follow(tx, term, &key, &mut replay, 0)?;
        replay
    };
    let reason = match term.rejoin {
        ROLLED_BACK => RejoinReason::RolledBack,
        UNOPENED_PATH => RejoinReason::PathNotOpened,
        _ => RejoinReason::LostState,
    };
    // In a group a new seat needs a right that members do not have: they stay where they sit.
    let seat = if is_group { term.seat.clone() } else { local.replaced_seat(term.log, item.entry_id) };
    let seen = Seen { sequence: term.cursor, running_hash: term.running_hash };
    let prepared = prepare_rejoin(tx, &local.mls()?, replay.ground(&group_info)?, seat.seat_id(term.log), seen, reason)?;
    let frame = CommitFrame { message: &prepared.message, group_info: &prepared.group_info, seat };
    commit_frame(tx, local, term, item, frame).map(|frame| Some(frame.encode_to_vec()))
}

/// Follows the commits that were set aside, those after a sequence.
fn follow(tx: &Tx<'_>, term: &TermRecord, key: &HandshakeKey, replay: &mut Replay, after: u64) -> Result<(), ClientError> {
    for (header, payload) in tx.set_aside_for(term.log, REPLAY)? {
        let header = HeaderFacts::parse(&header)?;
        if header.sequence > after
            && let Ok(Payload::Handshake(sealed)) = Payload::decode(&payload)
            && let Ok(message) = key.open_handshake(&sealed)
        {
            replay.advance(&message, &Entry { header: &header, payload_hash: payload_hash(&payload) })?;
        }
    }
    Ok(())
}

/// What was kept to be replayed is not needed any more.
pub(crate) fn forget_replay(tx: &Tx<'_>, log: LogId) -> Result<(), ClientError> {
    Ok(tx.forget_set_aside(log, REPLAY)?)
}
