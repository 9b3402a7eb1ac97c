//! Acts in a group: each is a commit that is made when it can go, on the state that is there then.

use alcyon_mls::{
    Applied, Group, GroupChange, GroupCommit, GroupState, LeaveProof, LetsIn, Member, Payload, Permission, PreparedCommit, Seen, Transition,
};
use alcyon_store::{OutboxItem, OutboxKind, TermRecord, Tx};
use alcyon_wire::{
    AccountId, Door, DropHash, EntryId, LogId, Seat, SeatChanges, SeatId, SeatKey, payload_hash,
    proto::{self, client_frame::Body},
};
use bytes::Bytes;
use prost::Message;

use crate::{
    ClientError,
    core::handshake_key,
    entry::load_group,
    local::Local,
    outbox::{add, encode},
    random::random,
};

/// What is to be done, as the outbox keeps it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Act {
    /// A GroupDelta.
    #[prost(bytes = "vec", tag = "1")]
    delta: Vec<u8>,
    /// Accounts to be removed.
    #[prost(bytes = "vec", repeated, tag = "2")]
    remove: Vec<Vec<u8>>,
    /// The invite secrets of the doors that the delta opens.
    #[prost(bytes = "vec", repeated, tag = "3")]
    invites: Vec<Vec<u8>>,
}

/// What an act came to when it was to be made.
pub(crate) enum Made {
    Frame(Vec<u8>),
    /// It is so already.
    Nothing,
}

impl Act {
    pub(crate) fn changes(changes: &[GroupChange]) -> Self {
        Self { delta: GroupChange::encode_delta(changes), ..Self::default() }
    }

    /// Opens doors, with their invite secrets.
    pub(crate) fn open(changes: &[GroupChange], invites: Vec<Vec<u8>>) -> Self {
        Self { invites, ..Self::changes(changes) }
    }

    pub(crate) fn remove(account: AccountId) -> Self {
        Self { remove: vec![account.as_bytes().to_vec()], ..Self::changes(&[]) }
    }

    /// Puts it at the end of the log's queue. Returns its number and entry id.
    pub(crate) fn queue(&self, tx: &Tx<'_>, term: &TermRecord) -> Result<(u64, EntryId), ClientError> {
        let entry_id = random();
        let number = add(tx, OutboxKind::Act, term, entry_id, Some(&self.encode_to_vec()), None)?;
        Ok((number, entry_id))
    }
}

/// Whom doors will let in that are to be opened by acts which wait.
pub(crate) fn doors_to_open(tx: &Tx<'_>, log: LogId) -> Result<Vec<LetsIn>, ClientError> {
    let mut doors = Vec::new();
    for item in tx.outbox_of_log(log)?.into_iter().filter(|item| item.kind == OutboxKind::Act) {
        let Act { delta, .. } = Act::decode(item.content.as_deref().unwrap_or_default()).unwrap_or_default();
        let changes = GroupChange::decode_delta(&delta)?;
        doors.extend(changes.iter().filter_map(|change| if let GroupChange::OpenDoor(door) = change { Some(door.lets_in) } else { None }));
    }
    Ok(doors)
}

/// Makes the commit of a queued act on the group as it is now. [`alcyon_mls::MlsError::WouldBeInvalid`] says by which rule it may not be.
pub(crate) fn make(tx: &Tx<'_>, local: &Local, term: &TermRecord, item: &OutboxItem) -> Result<Made, ClientError> {
    let damaged = || ClientError::from(alcyon_store::StoreError::Damaged("outbox"));
    let Act { delta, remove, invites } = Act::decode(item.content.as_deref().unwrap_or_default()).map_err(|_| damaged())?;
    let Some(mut group) = load_group(tx, term)? else { return Ok(Made::Nothing) };
    let state = group.state_of_group().cloned().ok_or(ClientError::Unbelievable("a group without a state"))?;
    let mut changes = GroupChange::decode_delta(&delta)?;
    changes.retain(|change| !is_so(&state, change));
    let removed = remove.iter().map(|account| AccountId::parse(account, "account")).collect::<Result<Vec<_>, _>>()?;
    let remove_accounts: Vec<_> = removed.into_iter().filter(|account| state.accounts.contains_key(account)).collect();
    let mut leaves = left_behind(tx, term, group.members())?;
    leaves.retain(|proof| proof.account() != local.account && state.accounts.contains_key(&proof.account()));
    if changes.is_empty() && remove_accounts.is_empty() && leaves.is_empty() {
        return Ok(Made::Nothing);
    }
    // Anybody may close what is over, and room for new doors is scarce.
    if changes.iter().any(|change| matches!(change, GroupChange::OpenDoor(_))) {
        const SURELY_OVER_MS: u64 = 60 * 60 * 1000;
        let over = state.expired_doors(item_time(tx, term)?.saturating_sub(SURELY_OVER_MS));
        changes.extend(over.map(GroupChange::CloseDoor));
    }
    let own = term.seat.seat_id(term.log);
    let transition = Transition {
        author: local.account,
        delta: &changes,
        door: None,
        removed: remove_accounts.clone(),
        left: leaves.iter().map(LeaveProof::account).collect(),
    };
    let mut header = SeatChanges { seats_added: rights(&state, own, &transition, group.members()), ..SeatChanges::default() };
    for change in &changes {
        if let GroupChange::OpenDoor(door) = change {
            let keys = invites
                .iter()
                .filter_map(|invite| <[u8; 32]>::try_from(invite.as_slice()).ok())
                .find_map(|invite| alcyon_mls::DoorKeys::derive(&invite, term.log).ok().filter(|keys| keys.id == door.id));
            let secret_hash = keys.ok_or_else(damaged)?.secret.hash(term.log);
            let (keep, invite) = state.rights_at_log(door.lets_in.role());
            header.doors_added.push(Door { id: door.id, secret_hash, kind: door.lets_in.kind(), keep, invite });
        }
    }
    let seen = Seen { sequence: term.cursor, running_hash: term.running_hash };
    let commit = GroupCommit { changes, remove_accounts, leaves, own_update: false };
    let prepared = group.prepare_change(tx, &local.mls()?, own, seen, commit)?;
    header.seats_dropped = prepared.seats_dropped.clone();
    header.doors_dropped = prepared.doors_dropped.clone();
    frame(tx, term, item, &prepared, &header).map(Made::Frame)
}

fn frame(
    tx: &Tx<'_>,
    term: &TermRecord,
    item: &OutboxItem,
    prepared: &PreparedCommit,
    header: &SeatChanges,
) -> Result<Vec<u8>, ClientError> {
    let key = handshake_key(term)?;
    let payload: Bytes = Payload::Handshake(key.seal_group_handshake(&prepared.handshake())?).encode().into();
    tx.put_own_entry(term.log, item.entry_id, &payload_hash(&payload))?;
    // Who comes in on the new epoch has its join secret, not the old one.
    let next = match &prepared.new_join_secret {
        Some(secret) => alcyon_mls::HandshakeKey::derive(secret, term.log)?,
        None => key,
    };
    Ok(encode(Body::Commit(proto::Commit {
        authority: Some(proto::commit::Authority::Seat(SeatKey { log: term.log, secret: term.seat.clone() }.to_field())),
        entry_id: item.entry_id.to_field(),
        payload,
        commit_count: term.commit_count,
        changes: header.to_field(),
        drop_secrets: Vec::new(),
        group_info: next.seal_group_info(&prepared.group_info)?.into(),
    })))
}

/// Nothing would change.
fn is_so(state: &GroupState, change: &GroupChange) -> bool {
    let settings = &state.settings;
    match change {
        GroupChange::OpenDoor(door) => state.doors.contains_key(&door.id),
        GroupChange::CloseDoor(id) => !state.doors.contains_key(id),
        GroupChange::SetRole { account, role } => state.accounts.get(account).is_some_and(|known| known.role == *role),
        GroupChange::SetTitle(title) => *title == settings.title,
        GroupChange::SetDescription(description) => *description == settings.description,
        GroupChange::SetPicture(picture) => *picture == settings.picture,
        GroupChange::SetTimer(seconds) => *seconds == settings.timer_s,
        GroupChange::SetPermission { permission, who } => {
            *who == match permission {
                Permission::Invite => settings.who_invites,
                Permission::Edit => settings.who_edits,
                Permission::Write => settings.who_writes,
            }
        }
    }
}

/// Those who have left and whose leaves are still in.
pub(crate) fn have_left(tx: &Tx<'_>, term: &TermRecord, group: &Group) -> Result<Vec<AccountId>, ClientError> {
    Ok(left_behind(tx, term, group.members())?.iter().map(LeaveProof::account).collect())
}

/// Their words.
fn left_behind<'a>(tx: &Tx<'_>, term: &TermRecord, members: impl Iterator<Item = &'a Member>) -> Result<Vec<LeaveProof>, ClientError> {
    let seats: Vec<_> = members.filter_map(|member| member.seat).collect();
    let proofs = tx.leaving(term.log)?;
    let proofs = proofs.iter().filter_map(|bytes| LeaveProof::decode(bytes).ok());
    Ok(proofs.filter(|proof| proof.seats().any(|seat| seats.contains(&seat))).collect())
}

/// The rights at the log that follow from roles and permissions, also from those that nobody has named: where no admin is left,
/// the oldest becomes one. Seats of whom nothing changes keep what they have. Only an admin may name any.
fn rights<'a>(state: &GroupState, own: SeatId, transition: &Transition<'_>, members: impl Iterator<Item = &'a Member>) -> Vec<Seat> {
    let Some(Applied { state: next, automatic: _ }) = state.apply(transition).filter(|_| state.is_admin(transition.author)) else {
        return Vec::new();
    };
    // What a seat has may be less than what it should: then is the time to mend that.
    let all = transition.delta.iter().any(|change| matches!(change, GroupChange::SetPermission { permission: Permission::Invite, .. }));
    let rights = |state: &GroupState, account| state.accounts.get(&account).map(|known| state.rights_at_log(known.role));
    members
        .filter_map(|member| {
            let account = member.chain.account();
            let (before, after) = (rights(state, account), rights(&next, account)?);
            let id = member.seat.filter(|seat| *seat != own && (all || before != Some(after)))?;
            let (keep, invite) = after;
            Some(Seat { id, drop_hash: DropHash::from([0; 32]), keep, invite })
        })
        .collect()
}

/// The time of the newest message here: no clock of this device's.
fn item_time(tx: &Tx<'_>, term: &TermRecord) -> Result<u64, ClientError> {
    let newest = tx.history(term.conversation, None, Some(1))?.pop();
    Ok(newest.map_or(0, |message| message.sent_at_ms))
}
