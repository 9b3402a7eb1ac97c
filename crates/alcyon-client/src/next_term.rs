//! The next term: a conversation goes on in another log, with a group of its own.
//!
//! It is the one repair there is: for a move to another hub, for a server that shows people different things, for one that
//! has lost entries or is gone. Whoever opens it (of two people either, in a group an admin) takes along everybody who
//! was in the conversation, with KeyPackages from their homes: so all can read it from its first entry on, whenever they
//! come. They hear of it at their inboxes, by the offer that begins a conversation too, and come in without being asked
//! again: they had come into this conversation by an act of their own.

mod open;
mod take;

use alcyon_mls::{Account, GroupState, LeaveProof, LetsIn};
use alcyon_store::{ConversationKind, ConversationRecord, NewOutboxItem, OutboxKind, Standing, TermRecord, TermState, Tx};
use alcyon_wire::{AccountId, ConversationId, EntryId, LogId, MessageId, limits, proto};
use prost::Message;

use crate::{
    AlarmKind, ClientError, Event,
    content::Content,
    core::{message_view, number_of_alarm},
    entry::load_group,
    line::{NewLine, Place, add_line},
    local::Local,
    outbox::{drop_followers, queue_content},
    random::random,
};

pub(crate) use take::{collect, give_up, receive, receive_invite, reconsider};

/// Why a conversation goes on in another term. The numbers are those of an Offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum TermReason {
    /// Somebody has moved it. The term before is read to its last entry.
    Moved = 1,
    /// The server before has shown people different things.
    Forked = 2,
    /// The server before has lost entries, or is gone.
    Lost = 3,
}

impl TermReason {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Moved, Self::Forked, Self::Lost].into_iter().find(|reason| *reason as u32 == number)
    }

    /// A word for machines.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Moved => "moved",
            Self::Forked => "forked",
            Self::Lost => "lost",
        }
    }
}

/// A server that has lost entries may get the right copy back; and where several may repair, one of them is enough.
const LOST_MS: u64 = 60_000;
const LOST_JITTER_MS: u64 = 60_000;
const FORKED_MS: u64 = 5_000;
const FORKED_JITTER_MS: u64 = 25_000;
/// A member who claims forks that are none can't make a conversation move all the time.
const BETWEEN_FORKS_MS: u64 = 24 * 60 * 60 * 1000;
/// Entries before the first one that differed in which a fork may have begun. They get a new place in the order.
const FORK_REACH: u64 = 64;
/// Own messages that go out again at most.
const RESENT: u32 = 256;

/// A repair that is to be made, as the outbox keeps it.
#[derive(Clone, PartialEq, Message)]
struct Proposed {
    #[prost(uint32, tag = "1")]
    reason: u32,
    /// The log that is to be left.
    #[prost(bytes = "vec", tag = "2")]
    log: Vec<u8>,
}

/// Where a repair waits: it has no log yet.
fn place_of(conversation: ConversationId) -> LogId {
    LogId::from(*conversation.as_bytes())
}

/// Something is wrong with a term's log: if it is this account's to repair, it is repaired soon.
pub(crate) fn propose(tx: &Tx<'_>, local: &Local, term: &TermRecord, reason: TermReason, now_ms: u64) -> Result<(), ClientError> {
    let Some(conversation) = tx.conversation(term.conversation)?.filter(|record| record.standing == Standing::Open) else { return Ok(()) };
    let place = place_of(conversation.conversation);
    let newest = tx.term_of(conversation.conversation)?.is_some_and(|newest| newest.log == term.log);
    if !newest || !may_open(tx, &conversation, local.account)? || !tx.outbox_of_log(place)?.is_empty() {
        return Ok(());
    }
    let forked_lately = || {
        let forked = number_of_alarm(AlarmKind::Forked);
        let alarms = tx.alarms(conversation.conversation)?;
        let lately = alarms.iter().any(|alarm| alarm.kind == forked && alarm.log != term.log && alarm.at_ms + BETWEEN_FORKS_MS > now_ms);
        Ok::<_, ClientError>(lately)
    };
    let (wait_ms, jitter_ms) = match reason {
        TermReason::Forked if forked_lately()? => return Ok(()),
        TermReason::Forked => (FORKED_MS, FORKED_JITTER_MS),
        TermReason::Lost | TermReason::Moved => (LOST_MS, LOST_JITTER_MS),
    };
    let content = Proposed { reason: reason as u32, log: term.log.as_bytes().to_vec() }.encode_to_vec();
    let number = tx.add_outbox(&NewOutboxItem {
        kind: OutboxKind::NextTerm,
        conversation: Some(conversation.conversation),
        server: &local.server,
        log: place,
        entry_id: random(),
        after: 0,
        content: Some(&content),
        frame: None,
    })?;
    tx.delay_outbox(number, now_ms + wait_ms + u64::from_le_bytes(random()) % jitter_ms)?;
    Ok(())
}

/// The log is there, as far as this device had read it: a server that seemed to have lost it has not.
pub(crate) fn came_back(tx: &Tx<'_>, log: LogId) -> Result<(), ClientError> {
    let Some(term) = tx.term(log)? else { return Ok(()) };
    for item in tx.outbox_of_log(place_of(term.conversation))? {
        let proposed = Proposed::decode(item.content.as_deref().unwrap_or_default()).unwrap_or_default();
        if proposed.reason == TermReason::Lost as u32 && proposed.log == log.as_bytes() {
            tx.remove_outbox(item.number)?;
        }
    }
    Ok(())
}

/// Who may open the next term: of two people either, in a group an admin.
fn may_open(tx: &Tx<'_>, conversation: &ConversationRecord, account: AccountId) -> Result<bool, ClientError> {
    Ok(match conversation.kind {
        ConversationKind::Pair => true,
        // Who goes along later than the others is an admin already who has only to come in.
        ConversationKind::Group | ConversationKind::Own => {
            newest_state(tx, conversation.conversation, u32::MAX)?.is_some_and(|state| state.is_admin(account))
        }
    })
}

/// A group's state as this device has last seen it, in whatever term before `below` that was. Those who were in an earlier term,
/// and for whom a door is open (they could not be taken along at once), are in it as what they will be.
pub(crate) fn newest_state(tx: &Tx<'_>, conversation: ConversationId, below: u32) -> Result<Option<GroupState>, ClientError> {
    let mut newest: Option<GroupState> = None;
    let mut to_come = Vec::new();
    for term in tx.terms_of(conversation)?.into_iter().filter(|term| term.term < below) {
        let Some(group) = load_group(tx, &term)? else { continue };
        let Some(state) = group.state_of_group().cloned() else { continue };
        let Some(newest) = &mut newest else {
            let open = state.doors.values().map(|door| door.door.lets_in);
            to_come = open.chain(crate::act::doors_to_open(tx, term.log)?).collect();
            newest = Some(state);
            continue;
        };
        for lets_in in &to_come {
            // Who was along from the first epoch on, or was removed, has gone since: an invite has to be accepted.
            let was_there = |account| {
                let mut leaves = group.members().filter(|member| member.chain.account() == account);
                leaves.any(|leaf| newest.seats.contains_key(&leaf.chain.device())) || newest.removed.contains_key(&account)
            };
            if let LetsIn::Account { account, role } = *lets_in
                && state.accounts.contains_key(&account)
                && !was_there(account)
            {
                newest.accounts.entry(account).or_insert(Account { role, since: newest.revision });
            }
        }
    }
    Ok(newest)
}

/// The accounts that go along: those who have left do not, even while their leaves are still in.
fn who_goes_along(tx: &Tx<'_>, term: &TermRecord, state: &GroupState) -> Result<Vec<AccountId>, ClientError> {
    let proofs = tx.leaving(term.log)?;
    let left: Vec<_> = proofs.iter().filter_map(|proof| LeaveProof::decode(proof).ok()).map(|proof| proof.account()).collect();
    let mut along: Vec<_> = state.accounts.iter().filter(|(account, _)| !left.contains(account)).collect();
    along.sort_by_key(|(account, known)| (known.since, **account));
    Ok(along.into_iter().map(|(account, _)| *account).collect())
}

/// The conversation goes on in `new`: what is to be done about the term before.
fn leave_behind(tx: &Tx<'_>, old: &TermRecord, new: &TermRecord, reason: TermReason, now_ms: u64) -> Result<(), ClientError> {
    match reason {
        // Read to its last entry; what waits goes there until then.
        TermReason::Moved => {
            if old.state == TermState::Closed {
                move_queue(tx, old.log, new)?;
            }
            Ok(())
        }
        // It may come back: then what others had written there is read. Nothing is written there any more.
        TermReason::Lost => move_along(tx, old, new, above_lost(tx, old)?, now_ms),
        TermReason::Forked => {
            tx.put_term(&TermRecord { state: TermState::Closed, ..old.clone() })?;
            move_along(tx, old, new, above_fork(tx, old)?, now_ms)
        }
    }
}

/// What lies above this in a log was lost by its server, as far as that is known.
fn above_lost(tx: &Tx<'_>, term: &TermRecord) -> Result<u64, ClientError> {
    let lost = number_of_alarm(AlarmKind::ServerRestored);
    let alarms = tx.alarms(term.conversation)?.into_iter().filter(|alarm| alarm.kind == lost && alarm.log == term.log);
    Ok(alarms.filter_map(|alarm| Some(u64::from_be_bytes(alarm.theirs.try_into().ok()?))).min().unwrap_or(u64::MAX))
}

/// A fork is noticed when the next message crosses. What lies above this may be on one side of it alone.
fn above_fork(tx: &Tx<'_>, term: &TermRecord) -> Result<u64, ClientError> {
    let forked = number_of_alarm(AlarmKind::Forked);
    let alarms = tx.alarms(term.conversation)?.into_iter().filter(|alarm| alarm.kind == forked && alarm.log == term.log);
    let noticed = alarms.map(|alarm| alarm.sequence).min().unwrap_or(term.cursor);
    Ok(noticed.saturating_sub(FORK_REACH))
}

/// Everything own that others may not have goes out again in the new term, under the ids it has: what waits, what nobody has
/// confirmed, and what lies above a sequence.
fn move_along(tx: &Tx<'_>, old: &TermRecord, new: &TermRecord, above: u64, now_ms: u64) -> Result<(), ClientError> {
    move_queue(tx, old.log, new)?;
    tx.set_introduced(new.conversation, 0)?;
    let limit = if above == 0 { u32::MAX } else { RESENT };
    send_again(tx, old, new, above, limit, now_ms)
}

/// What waits for a log that nobody writes to any more goes to the term in which the conversation goes on.
pub(crate) fn move_queue(tx: &Tx<'_>, from: LogId, to: &TermRecord) -> Result<(), ClientError> {
    for item in tx.outbox_of_log(from)? {
        match (item.kind, &item.content) {
            (OutboxKind::Append, Some(draft)) => {
                tx.remove_outbox(item.number)?;
                tx.remove_own_entry(from, item.entry_id)?;
                queue_content(tx, OutboxKind::Append, to.conversation, &to.server, to.log, item.entry_id, draft)?;
            }
            // Who leaves, leaves where the group goes on; a seat that is given up is of its log alone.
            (OutboxKind::Leave, _) if item.conversation.is_some() => {
                tx.remove_outbox(item.number)?;
                crate::outbox::add(tx, OutboxKind::Leave, to, item.entry_id, None, None)?;
            }
            (OutboxKind::Leave, _) => {}
            _ => {
                tx.remove_outbox(item.number)?;
                drop_followers(tx, item.number)?;
            }
        }
    }
    Ok(())
}

/// Somebody who was in the term before has come in by a door: what was written here before that goes out again, for them.
pub(crate) fn tell_again(tx: &Tx<'_>, term: &TermRecord, joined: AccountId, now_ms: u64) -> Result<(), ClientError> {
    if newest_state(tx, term.conversation, term.term)?.is_none_or(|state| !state.accounts.contains_key(&joined)) {
        return Ok(());
    }
    for message in tx.own_in_term(term.conversation, term.term, RESENT)? {
        let id: MessageId = random();
        let draft = Content::again(&message, id, message.sent_at_ms.min(now_ms));
        queue_content(tx, OutboxKind::Append, term.conversation, &term.server, term.log, id.into(), &draft)?;
    }
    Ok(())
}

fn send_again(tx: &Tx<'_>, from: &TermRecord, to: &TermRecord, above: u64, limit: u32, now_ms: u64) -> Result<(), ClientError> {
    for message in tx.resend(from.conversation, from.term, above, limit)? {
        let draft = Content::draft_of(&message, message.sent_at_ms.min(now_ms));
        queue_content(tx, OutboxKind::Append, to.conversation, &to.server, to.log, message.message.into(), &draft)?;
    }
    Ok(())
}

/// The log has its last entry, and the conversation goes on elsewhere.
pub(crate) fn closed_towards(tx: &Tx<'_>, term: &TermRecord) -> Result<(), ClientError> {
    match tx.term_of(term.conversation)? {
        Some(newest) if newest.term > term.term => move_queue(tx, term.log, &newest),
        // The offer is still to come: what waits, waits.
        _ => Ok(()),
    }
}

/// The next term can't come to be: what was written for it goes to the term before, in which the conversation stays.
pub(crate) fn take_back(tx: &Tx<'_>, term: &TermRecord) -> Result<(), ClientError> {
    let queue = tx.outbox_of_log(term.log)?;
    // What was to follow: the knocks, the doors, and the last entry of the term before.
    for item in &queue {
        drop_followers(tx, item.number)?;
    }
    if let Some(group) = &term.group_id {
        alcyon_mls::forget_group(tx, &alcyon_mls::GroupId::from_bytes(group))?;
    }
    tx.remove_term(term.log)?;
    tx.remove_lines_of_term(term.conversation, term.term)?;
    match tx.term_of(term.conversation)? {
        Some(before) => move_queue(tx, term.log, &before),
        None => Ok(()),
    }
}

/// A line that says where the conversation goes on, the same on every device.
fn tell(tx: &Tx<'_>, local: &Local, term: &TermRecord, opener: AccountId, at_ms: u64) -> Result<Vec<Event>, ClientError> {
    let Some(reason) = TermReason::from_number(term.reason) else { return Ok(Vec::new()) };
    let entry_id = EntryId::from(*term.log.as_bytes());
    let place = Place { conversation: term.conversation, position: (term.term, 0), entry_id, index: 0, at_ms };
    let line = NewLine::Moved(term.server.authority().to_owned(), reason);
    let Some(record) = add_line(tx, local, place, opener, line)?.filter(|record| !record.own) else { return Ok(Vec::new()) };
    Ok(vec![Event::Message(message_view(tx, local, record)?)])
}

/// What an Offer or a Close entry names: a conversation's next place.
fn successor(term: &TermRecord) -> proto::Successor {
    proto::Successor {
        conversation: term.conversation.to_field(),
        term: term.term,
        log: term.log.to_field(),
        server: term.server.to_text(),
    }
}

/// Terms before it that an offer names.
const BEFORE: usize = 8;
/// Devices that are added at a time: their Welcomes, with the group's state, have to fit a knock.
const ADDED: usize = 200;
/// Bytes of a Welcome that a knock has room for, beside its own.
const WELCOME_ROOM: usize = limits::KNOCK - 12 * 1024;
