//! Reading: what counts as read, and telling others.
//!
//! A receipt is a content of its own, `read_up_to`: one position, not one receipt a message, so that it survives being offline and
//! many messages cost one entry. It waits a while for more to be read. Who does not tell is not told.

use std::{collections::BTreeSet, time::Duration};

use alcyon_store::{ConversationKind, ConversationRecord, Receipt, Setting, Standing, TermRecord, TermState, Told, Tx};
use alcyon_wire::{AccountId, ConversationId, limits, proto};
use futures::FutureExt;
use proto::content::Body;

use crate::{
    Client, ClientError, Clock, Event, Position, Transport, content::Content, core::person_of, entry::Subject, group::the_group,
    local::Local, outbox::say, random::random, send::conversation_now, vanish::read_elsewhere,
};

/// How long a receipt waits at most for more to be read, between two and in a group.
const WAIT_PAIR_MS: u64 = 2_000;
const WAIT_GROUP_MS: u64 = 30_000;
/// The longest sleep before the clock is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Whether others are told that this account has read, and that it types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Telling {
    /// Read receipts.
    pub read: bool,
    /// Typing.
    pub typing: bool,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// Read receipts.
    Read,
    /// Typing.
    Typing,
}

impl Tells {
    fn setting(self) -> Setting {
        match self {
            Self::Read => Setting::TellsRead,
            Self::Typing => Setting::TellsTyping,
        }
    }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Everything up to the newest message counts as read, here and for others, if they are told. Countdowns begin.
    pub fn mark_read(&self, conversation: ConversationId) -> Result<(), ClientError> {
        let (now_ms, local) = (self.clock.now_ms(), self.core.local()?);
        let changed = self.core.store.transaction(|tx| {
            let unread = tx.unread(conversation)?;
            tx.mark_read(conversation)?;
            tx.mark_unread(conversation, false)?;
            let running = tx.start_countdowns_of_read(conversation, now_ms)?;
            if unread > 0 {
                crate::device::tell_read(tx, &local, conversation, now_ms)?;
            }
            Ok::<_, ClientError>(plan_receipt(tx, conversation, now_ms)? || running > 0 || unread > 0)
        })?;
        if changed {
            self.core.work.poke();
        }
        Ok(())
    }

    /// The conversation counts as unread until somebody reads it again. Nobody is told, and no countdown stops.
    pub fn mark_unread(&self, conversation: ConversationId) -> Result<(), ClientError> {
        Ok(self.core.store.transaction(|tx| tx.mark_unread(conversation, true))?)
    }

    /// What others are told, where nothing else is said for a conversation. Both are so from the beginning.
    pub fn telling(&self) -> Result<Telling, ClientError> {
        self.core.store.transaction(|tx| Ok(Telling { read: tells(tx, None, Tells::Read)?, typing: tells(tx, None, Tells::Typing)? }))
    }

    /// Sets it for the profile.
    pub fn set_telling(&self, what: Tells, on: bool) -> Result<(), ClientError> {
        Ok(self.core.store.transaction(|tx| tx.put_setting(what.setting(), u64::from(on)))?)
    }

    /// What others are told in a conversation.
    pub fn telling_in(&self, conversation: ConversationId) -> Result<Telling, ClientError> {
        let here = Some(conversation);
        self.core.store.transaction(|tx| Ok(Telling { read: tells(tx, here, Tells::Read)?, typing: tells(tx, here, Tells::Typing)? }))
    }

    /// Sets it for a conversation; `None`: as the profile has it.
    pub fn set_telling_in(&self, conversation: ConversationId, what: Tells, on: Option<bool>) -> Result<(), ClientError> {
        self.core.store.transaction(|tx| {
            let unknown = || ClientError::Unknown { field: "conversation", what: conversation.to_text() };
            let conversation = tx.conversation(conversation)?.ok_or_else(unknown)?.conversation;
            Ok(tx.put_setting_here(conversation, what.setting(), on)?)
        })
    }

    /// What was written in a conversation and not sent.
    pub fn draft(&self, conversation: ConversationId) -> Result<String, ClientError> {
        Ok(self.core.store.transaction(|tx| tx.draft(conversation))?)
    }

    /// Keeps it; an empty one is none.
    pub fn keep_draft(&self, conversation: ConversationId, draft: &str) -> Result<(), ClientError> {
        Ok(self.core.store.transaction(|tx| tx.put_draft(conversation, draft))?)
    }

    /// Puts receipts into the outbox that are due, or with `all` every one that waits.
    pub(crate) fn queue_receipts(&self, all: bool) -> Result<(), ClientError> {
        let now_ms = self.clock.now_ms();
        let queued = self.core.store.transaction(|tx| {
            let mut queued = false;
            for (conversation, tell_ms) in tx.to_tell()? {
                if all || tell_ms <= now_ms {
                    queued |= queue_receipt(tx, conversation, now_ms)?;
                }
            }
            Ok::<_, ClientError>(queued)
        })?;
        if queued {
            self.core.work.poke();
        }
        Ok(())
    }

    /// Sends receipts when they are due, for as long as the future lives.
    pub(crate) async fn tell(&self) -> Result<(), ClientError> {
        loop {
            let seen = self.core.work.count();
            self.queue_receipts(false)?;
            let next_ms = self.core.store.transaction(|tx| tx.to_tell())?.first().map(|(_, tell_ms)| *tell_ms);
            let wait = next_ms.map_or(LOOK_AGAIN, |at| Duration::from_millis(at.saturating_sub(self.clock.now_ms())).min(LOOK_AGAIN));
            let mut work = std::pin::pin!(self.core.work.after(seen).fuse());
            let mut sleep = std::pin::pin!(self.clock.sleep(wait).fuse());
            futures::select_biased! { () = work => {}, () = sleep => {} }
        }
    }
}

/// Whether others are told. A conversation's own word counts before the profile's.
pub(crate) fn tells(tx: &Tx<'_>, conversation: Option<ConversationId>, what: Tells) -> Result<bool, ClientError> {
    let here = conversation.map(|conversation| tx.setting_here(conversation, what.setting())).transpose()?.flatten();
    Ok(match here {
        Some(here) => here,
        None => tx.setting(what.setting())?.is_none_or(|on| on != 0),
    })
}

/// The conversation and its term, if people tell each other such things there: it is accepted, and not too large.
pub(crate) fn telling_place(tx: &Tx<'_>, conversation: ConversationId) -> Result<Option<(ConversationRecord, TermRecord)>, ClientError> {
    let Some(record) = tx.conversation(conversation)?.filter(|record| record.standing == Standing::Open) else { return Ok(None) };
    if let Some(contact) = record.peer.map(|peer| tx.contact(peer)).transpose()?.flatten()
        && contact.blocked
    {
        return Ok(None);
    }
    let Some(term) = tx.term_of(record.conversation)?.filter(|term| term.state == TermState::Live) else { return Ok(None) };
    if record.kind == ConversationKind::Group {
        let (_, _, state) = match the_group(tx, record.conversation) {
            Ok(found) => found,
            Err(ClientError::NotInYet | ClientError::Left) => return Ok(None),
            Err(error) => return Err(error),
        };
        // Of those who may not write nobody takes an entry.
        let own = tx.account()?.map(|own| own.account);
        let may_write = own.is_some_and(|own| state.may(own, alcyon_mls::Permission::Write));
        if state.accounts.len() > limits::RECEIPT_ACCOUNTS || !may_write {
            return Ok(None);
        }
    }
    Ok(Some((record, term)))
}

/// Notes that others are to be told, unless they know or are not told. Whether there is something to wait for.
fn plan_receipt(tx: &Tx<'_>, conversation: ConversationId, now_ms: u64) -> Result<bool, ClientError> {
    let conversation = conversation_now(tx, conversation)?;
    let told = tx.told(conversation)?;
    let further = tx.read_up_to(conversation)?.is_some_and(|read| read > told.position);
    if !further || told.tell_ms.is_some() || !tells(tx, Some(conversation), Tells::Read)? {
        return Ok(false);
    }
    // Last, because a group's state is the dearest to look at.
    let Some((record, _)) = telling_place(tx, conversation)? else { return Ok(false) };
    let most = if record.kind == ConversationKind::Group { WAIT_GROUP_MS } else { WAIT_PAIR_MS };
    let wait = u64::from_le_bytes(random()) % most;
    tx.put_told(conversation, Told { tell_ms: Some(now_ms + wait), ..told })?;
    Ok(true)
}

/// Puts a receipt for all that is read at the end of the log's queue, in place of one that waits there.
fn queue_receipt(tx: &Tx<'_>, conversation: ConversationId, now_ms: u64) -> Result<bool, ClientError> {
    let told = tx.told(conversation)?;
    let place = telling_place(tx, conversation)?;
    let read = tx.read_up_to(conversation)?.filter(|read| *read > told.position);
    let (Some((_, term)), Some(position), true) = (place, read, tells(tx, Some(conversation), Tells::Read)?) else {
        tx.put_told(conversation, Told { tell_ms: None, ..told })?;
        return Ok(false);
    };
    for (number, draft) in tx.drafts_in_outbox(conversation)? {
        if Content::parse(&draft).is_ok_and(|content| matches!(content.body, Some(Body::ReadUpTo(_)))) {
            tx.remove_outbox(number)?;
        }
    }
    say(tx, &term, Body::ReadUpTo(proto::ReadUpTo { term: position.0, sequence: position.1 }), now_ms)?;
    tx.put_told(conversation, Told { position, tell_ms: None })?;
    Ok(true)
}

/// Somebody says how far they have read.
pub(crate) fn take(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    subject: &Subject<'_>,
    sender: AccountId,
    body: &proto::ReadUpTo,
) -> Result<Option<Event>, ClientError> {
    let proto::ReadUpTo { term: read_term, sequence } = *body;
    let position = (read_term, sequence);
    if position >= (term.term, subject.header.sequence) {
        // Nobody has read what is not there.
        return Ok(None);
    }
    if sender == local.account {
        let told = tx.told(term.conversation)?;
        tx.put_told(term.conversation, Told { position: told.position.max(position), ..told })?;
        read_elsewhere(tx, term.conversation, position, subject.header.time_ms, subject.now_ms)?;
        return Ok(None);
    }
    let receipt = Receipt { account: sender, position, at_ms: subject.header.time_ms };
    if tx.put_receipt(term.conversation, &receipt)?.is_none() || !tells(tx, Some(term.conversation), Tells::Read)? {
        return Ok(None);
    }
    let by = person_of(tx, local, sender)?;
    Ok(Some(Event::Read { conversation: term.conversation, by, up_to: Position { term: read_term, sequence } }))
}

/// Who has read an own message at a position, as far as it is known, and this account tells others too.
pub(crate) fn read_by(tx: &Tx<'_>, conversation: ConversationId, position: (u32, u64)) -> Result<BTreeSet<AccountId>, ClientError> {
    let receipts = tx.receipts(conversation)?;
    if receipts.is_empty() || !tells(tx, Some(conversation), Tells::Read)? {
        return Ok(BTreeSet::new());
    }
    Ok(receipts.into_iter().filter(|receipt| receipt.position >= position).map(|receipt| receipt.account).collect())
}
