//! Leaving a group, so that somebody is left who can act in it.

use std::collections::BTreeSet;

use alcyon_mls::{Group, GroupChange, GroupHandshake, LeaveProof, Payload, Role};
use alcyon_store::{OutboxItem, OutboxKind, TermRecord, Tx};
use alcyon_wire::{
    AccountId, ConversationId, EntryId, SeatKey,
    proto::{self, client_frame::Body},
};
use prost::Message;

use crate::{
    ActOutcome, Client, ClientError, Clock, Transport,
    act::{Act, have_left},
    core::handshake_key,
    entry::load_group,
    group::the_group,
    local::Local,
    outbox::{add, encode},
    random::random,
};

/// So often it is tried to leave somebody who can act; then whoever wants to go goes.
const TRIES: u32 = 8;

/// What the outbox keeps of it.
#[derive(Clone, PartialEq, Message)]
struct Leaving {
    /// How often somebody was named, or should have been.
    #[prost(uint32, tag = "1")]
    tries: u32,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Leaves a group: the place at the log is given up at once, the leaf goes with somebody's next commit. Who is the last admin
    /// makes the oldest member one first.
    pub async fn leave(&self, conversation: ConversationId) -> Result<ActOutcome, ClientError> {
        let entry_id = self.core.store.transaction(|tx| {
            let (term, _, _) = the_group(tx, conversation)?;
            let entry_id = random();
            queue(tx, &term, entry_id, 0)?;
            Ok::<_, ClientError>(entry_id)
        })?;
        let waits = |tx: &Tx<'_>| {
            for term in tx.terms_of(conversation)? {
                if tx.outbox_of_log(term.log)?.iter().any(|item| item.entry_id == entry_id) {
                    return Ok(true);
                }
            }
            Ok::<_, ClientError>(false)
        };
        self.core.work.poke();
        self.drive_until(|tx| waits(tx).map(|waits| !waits)).await?;
        Ok(if self.core.store.transaction(waits)? { ActOutcome::Queued } else { ActOutcome::Done })
    }
}

fn queue(tx: &Tx<'_>, term: &TermRecord, entry_id: EntryId, tries: u32) -> Result<(), ClientError> {
    add(tx, OutboxKind::Leave, term, entry_id, Some(&Leaving { tries }.encode_to_vec()), None)?;
    Ok(())
}

/// Makes the frame that gives the seat up, with a signed word by which anybody may take the leaf out; none if somebody has to be made
/// an admin first, which is queued before it. The caller has read the log to its head: what is queued before has been done, and others
/// may have gone.
///
/// Who was removed meanwhile took the handshake key along: under an old one nobody could read the word, so the log is told how far
/// this device has read. All devices of the account leave with this one.
pub(crate) fn make(tx: &Tx<'_>, local: &Local, term: &TermRecord, item: &OutboxItem) -> Result<Option<Vec<u8>>, ClientError> {
    let group = load_group(tx, term)?;
    let tries = tries_of(item);
    if tries < TRIES
        && let Some(account) = heir(tx, local, term, group.as_ref())?
    {
        tx.remove_outbox(item.number)?;
        Act::changes(&[GroupChange::SetRole { account, role: Role::Admin }]).queue(tx, term)?;
        queue(tx, term, item.entry_id, tries + 1)?;
        return Ok(None);
    }
    let members = group.iter().flat_map(Group::members).filter(|member| member.chain.account() == local.account);
    let mut seats: BTreeSet<_> = members.filter_map(|member| member.seat).collect();
    seats.insert(term.seat.seat_id(term.log));
    let proof = LeaveProof::sign(&local.mls()?, term.log, seats.iter().copied());
    let payload = Payload::Handshake(handshake_key(term)?.seal_group_handshake(&GroupHandshake::Leave(Box::new(proof)))?).encode();
    Ok(Some(encode(Body::Leave(proto::Leave {
        seat: Some(SeatKey { log: term.log, secret: term.seat.clone() }.to_field()),
        entry_id: item.entry_id.to_field(),
        payload: payload.into(),
        seats_dropped: seats.iter().map(|seat| seat.to_field()).collect(),
        drop_secrets: if seats.len() > 1 { vec![local.drop_secret(term.log).to_field()] } else { Vec::new() },
        commit_count: Some(term.commit_count),
        keeper_stays: tries < TRIES,
    }))))
}

/// The log has nobody else who may keep: the other admins have gone since this device has read. Once it has read that, it names
/// somebody.
pub(crate) fn again(tx: &Tx<'_>, term: &TermRecord, item: &OutboxItem) -> Result<(), ClientError> {
    tx.remove_outbox(item.number)?;
    tx.remove_own_entry(item.log, item.entry_id)?;
    queue(tx, term, item.entry_id, tries_of(item) + 1)
}

fn tries_of(item: &OutboxItem) -> u32 {
    let Leaving { tries } = Leaving::decode(item.content.as_deref().unwrap_or_default()).unwrap_or_default();
    tries
}

/// Who becomes an admin by this account's leaving.
fn heir(tx: &Tx<'_>, local: &Local, term: &TermRecord, group: Option<&Group>) -> Result<Option<AccountId>, ClientError> {
    let Some((group, state)) = group.and_then(|group| Some((group, group.state_of_group()?))) else { return Ok(None) };
    let left = have_left(tx, term, group)?;
    Ok(state.heir(|account| account != local.account && !left.contains(&account)))
}
