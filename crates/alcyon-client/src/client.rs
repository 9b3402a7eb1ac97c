use std::rc::Rc;

use alcyon_store::{ConversationRecord, Store, Tx};
use alcyon_wire::{ConversationId, Handle, MessageId};

use crate::{
    Alarm, ClientError, Clock, ConversationSummary, KnockRequest, Me, Message, Muted, Position, Standing, Transport,
    core::{Core, alarm_view, message_view, request_view},
    introduction::name_of,
    paced::Paced,
    send::conversation_now,
    shelf::Place,
    vanish::timer_of,
};

/// One profile, open. All calls take `&self`, so that an interface can write while [`Client::listen`] runs beside it on the same
/// thread.
pub struct Client<T: Transport, C: Clock> {
    pub(crate) core: Core,
    pub(crate) transport: Paced<T, C>,
    pub(crate) clock: Rc<C>,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Takes over a profile.
    pub fn open(store: Store, transport: T, clock: C) -> Result<Self, ClientError> {
        let clock = Rc::new(clock);
        let client = Self { core: Core::open(store)?, transport: Paced::new(transport, clock.clone()), clock };
        client.core.recall_servers(&client.transport)?;
        client.let_go()?;
        Ok(client)
    }

    /// This profile's account.
    pub fn me(&self) -> Result<Me, ClientError> {
        let local = self.core.local()?;
        Ok(Me { handle: local.handle.clone(), account: local.account })
    }

    /// Those pinned first, in the order of pinning; then the newest first; archived ones at the end, the newest first.
    pub fn conversations(&self) -> Result<Vec<ConversationSummary>, ClientError> {
        self.let_go()?;
        self.core.store.transaction(|tx| {
            let mut summaries = tx.conversations()?.into_iter().map(|record| self.summary(tx, record)).collect::<Result<Vec<_>, _>>()?;
            summaries.sort_by_key(|(place, _)| *place);
            Ok(summaries.into_iter().map(|(_, summary)| summary).collect())
        })
    }

    fn summary(&self, tx: &Tx<'_>, record: ConversationRecord) -> Result<(Place, ConversationSummary), ClientError> {
        let local = self.core.local()?;
        let timer_s = if record.kind == alcyon_store::ConversationKind::Pair { timer_of(tx, &record)? } else { 0 };
        let ConversationRecord {
            conversation,
            peer,
            start_handle,
            start_account: _,
            standing,
            created_ms,
            read_number: _,
            kind,
            title: group_title,
        } = record;
        let contact = peer.map(|peer| tx.contact(peer)).transpose()?.flatten();
        let name = peer.map(|peer| name_of(tx, &local, peer)).transpose()?.flatten();
        let group = kind == alcyon_store::ConversationKind::Group;
        let title = match (&contact, &start_handle, peer) {
            _ if group => group_title,
            (Some(contact), ..) => contact.handle.to_text(),
            (None, Some(handle), _) => handle.to_text(),
            (None, None, Some(peer)) => peer.to_text().chars().take(12).collect(),
            (None, None, None) => String::new(),
        };
        let last = tx.history(conversation, None, Some(1))?.pop();
        let newest = last.as_ref().map_or(created_ms, |last| last.sent_at_ms);
        let shelf = tx.shelf(conversation)?;
        let summary = ConversationSummary {
            conversation,
            title,
            name,
            group,
            own_devices: kind == alcyon_store::ConversationKind::Own,
            peer,
            unread: tx.unread(conversation)?,
            standing: match standing {
                alcyon_store::Standing::Asked => Standing::Asked,
                alcyon_store::Standing::Open => Standing::Open,
                alcyon_store::Standing::Left => Standing::Left,
                alcyon_store::Standing::Joining => Standing::Joining,
            },
            last: last.map(|last| message_view(tx, &local, last)).transpose()?,
            blocked: contact.is_some_and(|contact| contact.blocked),
            alarm: tx.alarms(conversation)?.last().and_then(alarm_view),
            muted: Muted::at(shelf, self.clock.now_ms()),
            archived: shelf.archived,
            pinned: shelf.pinned > 0,
            marked_unread: tx.marked_unread(conversation)?,
            draft: tx.draft(conversation)?,
            timer_s,
        };
        Ok((Place::of(shelf, newest), summary))
    }

    /// A conversation by handle, `handle#account-id` or conversation id in text form; `self` is that of the account's own devices,
    /// which is made if it is not there yet.
    pub fn find(&self, who: &str) -> Result<ConversationId, ClientError> {
        let unknown = || ClientError::Unknown { field: "who", what: who.to_owned() };
        if who == "self" {
            let local = self.core.local()?;
            let own = self.core.store.transaction(|tx| crate::device::own::ensure(tx, &local, self.clock.now_ms()))?;
            self.core.work.poke();
            return Ok(own);
        }
        if !who.contains('@') {
            let id = ConversationId::from_text(who, "who").map_err(|_| unknown())?;
            let record = self.core.store.transaction(|tx| tx.conversation(id))?;
            return record.map(|record| record.conversation).ok_or_else(unknown);
        }
        let (handle, account) = Handle::parse_with_account(who)?;
        self.core.store.transaction(|tx| {
            let contacts = tx.contacts_by_handle(&handle)?;
            let wanted = contacts.iter().filter(|contact| account.is_none_or(|account| account == contact.account));
            for contact in wanted {
                if let Some(record) = tx.conversation_with(contact.account)? {
                    return Ok(record.conversation);
                }
            }
            let waiting = tx.conversations()?.into_iter().find(|record| record.start_handle.as_ref() == Some(&handle));
            waiting.map(|record| record.conversation).ok_or_else(unknown)
        })
    }

    /// Oldest first; the newest `limit` of those before `before`. Own messages without a position come last.
    pub fn history(&self, conversation: ConversationId, before: Option<Position>, limit: Option<u32>) -> Result<Vec<Message>, ClientError> {
        self.let_go()?;
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let conversation = conversation_now(tx, conversation)?;
            let before = before.map(|Position { term, sequence }| (term, sequence));
            tx.history(conversation, before, limit)?.into_iter().map(|message| message_view(tx, &local, message)).collect()
        })
    }

    /// This message was shown: it does not come as an event again.
    pub fn shown(&self, conversation: ConversationId, id: MessageId) -> Result<(), ClientError> {
        Ok(self.core.store.transaction(|tx| tx.set_shown(conversation, id))?)
    }

    /// Open requests, oldest first.
    pub fn requests(&self) -> Result<Vec<KnockRequest>, ClientError> {
        if self.core.store.transaction(|tx| tx.account())?.is_none() {
            return Ok(Vec::new());
        }
        let local = self.core.local()?;
        self.core.store.transaction(|tx| tx.open_requests()?.iter().map(|request| request_view(tx, &local, request)).collect())
    }

    /// Alarms of a conversation, oldest first.
    pub fn alarms(&self, conversation: ConversationId) -> Result<Vec<Alarm>, ClientError> {
        Ok(self.core.store.transaction(|tx| tx.alarms(conversation))?.iter().filter_map(alarm_view).collect())
    }
}
