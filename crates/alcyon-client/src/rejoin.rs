//! Coming in anew by an external commit in place of the own leaf: after the profile was restored from an older copy, after a
//! path that could not be opened, or when commits were missed.

use alcyon_identity::Manifest;
use alcyon_mls::{Entry, GroupId, HandshakeKey, Payload, RejoinReason, Replay, Role, Seen, StoredTree, Suite, prepare_rejoin};
use alcyon_store::{OutboxItem, OutboxKind, TermRecord, TermState, Tx};
use alcyon_wire::{HeaderFacts, LogId, payload_hash, proto};
use prost::Message;

use crate::{
    AlarmKind, ClientError,
    come_in::TreeBox,
    core::{handshake_key, raise},
    device::come_in::SIBLING,
    entry::{REPLAY, load_group},
    invite::{InviteOffer, knock},
    local::Local,
    outbox::{CommitFrame, add, commit_frame},
    random::random,
};

/// Reasons as they lie in a term's record; 0 is none.
pub(crate) const ROLLED_BACK: u32 = 1;
pub(crate) const LOST_STATE: u32 = 2;
pub(crate) const UNOPENED_PATH: u32 = 3;
/// The commits that were missed have changed the join secret: somebody has to open a door.
pub(crate) const ASKED_BACK: u32 = 4;

/// Whom to ask, at most; and when again.
const ASKED: usize = 3;
const ASK_AGAIN_MS: u64 = 24 * 60 * 60 * 1000;

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
    now_ms: u64,
) -> Result<Option<Vec<u8>>, ClientError> {
    if term.rejoin == SIBLING {
        return crate::device::come_in::make_frame(tx, local, term, item, fetched, now_ms);
    }
    let key = handshake_key(term)?;
    let is_group = crate::group::is_group(tx, term.conversation)?;
    let lost = matches!(term.rejoin, LOST_STATE | ASKED_BACK);
    if is_group && lost && key.open_tree(&fetched.chunks, fetched.commit_count).is_err() {
        ask_back(tx, local, term, item, now_ms)?;
        return Ok(None);
    }
    let Some(newest) = fetched.group_infos.iter().rev().find(|info| info.commit_count == term.commit_count) else { return Ok(None) };
    let group_info = key.open_group_info(&newest.payload)?;
    let replay = if lost && is_group {
        // The commits since the stored tree were kept for everybody: they came after the gap.
        let Ok(bytes) = key.open_tree(&fetched.chunks, fetched.commit_count) else { return Ok(None) };
        let Some(mut replay) = replay_of_tree(tx, term.log, &bytes)? else { return Ok(None) };
        follow(tx, term, &key, &mut replay, fetched.sequence)?;
        if replay.ground(&group_info).is_err() {
            // Commits after the tree were among those that are gone.
            ask_back(tx, local, term, item, now_ms)?;
            return Ok(None);
        }
        replay
    } else if lost {
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

/// Begins at a group's stored tree, once opened, and keeps the words of leavers that lie beside it. `None`: it is none.
pub(crate) fn replay_of_tree(tx: &Tx<'_>, log: LogId, bytes: &[u8]) -> Result<Option<Replay>, ClientError> {
    let Some((stored, leaves)) = TreeBox::read(bytes, log) else { return Ok(None) };
    for proof in leaves {
        tx.put_leaving(log, proof.account(), &proof.encode())?;
    }
    Ok(Some(Replay::from_tree(Suite::PRODUCT, &stored)?))
}

/// Asks members who may open a door to be let in again. They do so by themselves: the account is in the group.
fn ask_back(tx: &Tx<'_>, local: &Local, term: &mut TermRecord, item: &OutboxItem, now_ms: u64) -> Result<(), ClientError> {
    term.rejoin = ASKED_BACK;
    tx.put_term(term)?;
    tx.delay_outbox(item.number, now_ms + ASK_AGAIN_MS)?;
    let Some(state) = load_group(tx, term)?.and_then(|group| group.state_of_group().cloned()) else { return Ok(()) };
    let ask = || proto::AskIn { conversation: term.conversation.to_field(), log: term.log.to_field(), door: bytes::Bytes::new() };
    let admins = state.accounts.iter().filter(|(account, known)| known.role == Role::Admin && **account != local.account);
    for (account, _) in admins.take(ASKED) {
        if let Some(contact) = tx.contact(*account)? {
            let manifest = Manifest::decode(&contact.manifest)?;
            knock(tx, local, &manifest, proto::knock_body::Body::AskIn(ask()), term.conversation, 0, now_ms)?;
        }
    }
    Ok(())
}

/// Somebody has opened a door for this device, which had asked. False: it had not.
pub(crate) fn let_back_in(tx: &Tx<'_>, invite: &InviteOffer, now_ms: u64) -> Result<bool, ClientError> {
    let asked = |term: &TermRecord| matches!(term.rejoin, ASKED_BACK | SIBLING) && term.conversation == invite.conversation;
    let Some(mut term) = tx.term(invite.log)?.filter(asked) else { return Ok(false) };
    let was_in = term.rejoin == ASKED_BACK;
    for item in tx.outbox_of_log(term.log)? {
        if item.kind == OutboxKind::Rejoin {
            tx.remove_outbox(item.number)?;
        }
    }
    crate::outbox::encrypt_anew(tx, term.log)?;
    forget_replay(tx, term.log)?;
    (term.state, term.door, term.join_secret, term.rejoin) = (TermState::Joining, Some(invite.door), invite.join_secret.clone(), 0);
    tx.put_term(&term)?;
    add(tx, OutboxKind::ComeIn, &term, random(), None, None)?;
    if !was_in {
        return Ok(true);
    }
    // What was written until it is in again it has missed.
    raise(tx, Some(term.conversation), term.log, AlarmKind::Gap, term.cursor + 1, (&[], &[]), now_ms)?;
    Ok(true)
}

/// Follows the commits that were set aside, those after a sequence.
pub(crate) fn follow(tx: &Tx<'_>, term: &TermRecord, key: &HandshakeKey, replay: &mut Replay, after: u64) -> Result<(), ClientError> {
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
