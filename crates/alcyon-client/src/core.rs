//! What the parts of the client share: the store, who we are, and what is to be shown.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use alcyon_mls::HandshakeKey;
use alcyon_store::{AlarmRecord, OutboxItem, RequestRecord, Store, TermRecord, Tx};
use alcyon_wire::{AccountId, ConversationId, EntryId, Handle, LogId, MessageId};

use crate::{
    Alarm, AlarmKind, ClientError, Event, KnockRequest, Person, RequestKind, hold::Holds, invite::InviteOffer, local::Local, poke::Poke,
    random::random, retry::Budget,
};

pub(crate) use crate::message::view::message_view;

pub(crate) struct Core {
    pub(crate) store: Store,
    local: RefCell<Option<Rc<Local>>>,
    /// Something looks as if this device was removed: the account's newest manifest has to be looked at.
    pub(crate) in_doubt: Cell<bool>,
    /// This device was removed from its account.
    removed: Cell<bool>,
    /// The outbox, the terms or the requests have changed.
    pub(crate) work: Poke,
    /// Who keeps which connection.
    pub(crate) holds: Holds,
    /// Numbers of the queued starts that are being carried out.
    pub(crate) starting: RefCell<BTreeSet<u64>>,
    /// Names of the files in the room that are being sealed: no transfer has them yet.
    pub(crate) sealing: RefCell<BTreeSet<String>>,
    /// Messages whose files are being carried just now.
    pub(crate) carrying: RefCell<BTreeSet<MessageId>>,
    /// Acts of this process that the log or the rules have refused, with the reason, until whoever asked has read it.
    pub(crate) failed: RefCell<BTreeMap<EntryId, String>>,
    /// How much may be asked again.
    pub(crate) budget: Cell<Budget>,
    /// Who types.
    pub(crate) passing: crate::passing::Passing,
    /// What is not paid for yet.
    pub(crate) till: RefCell<crate::purse::Till>,
    listener: RefCell<Option<futures::channel::mpsc::UnboundedSender<Event>>>,
}

impl Core {
    pub(crate) fn open(store: Store) -> Result<Self, ClientError> {
        let core = Self {
            store,
            local: RefCell::new(None),
            in_doubt: Cell::new(false),
            removed: Cell::new(false),
            work: Poke::default(),
            holds: Holds::default(),
            starting: RefCell::default(),
            sealing: RefCell::default(),
            carrying: RefCell::default(),
            failed: RefCell::default(),
            budget: Cell::new(Budget::default()),
            passing: crate::passing::Passing::default(),
            till: RefCell::default(),
            listener: RefCell::new(None),
        };
        core.reload()?;
        let local = core.unconfirmed();
        core.store.transaction(|tx| crate::message::incoming::read_newer(tx, local.as_deref()))?;
        Ok(core)
    }

    /// Reads the account anew.
    pub(crate) fn reload(&self) -> Result<(), ClientError> {
        let (record, removed) = self.store.transaction(|tx| Ok::<_, ClientError>((tx.account()?, crate::device::was_removed(tx)?)))?;
        self.removed.set(removed);
        *self.local.borrow_mut() = record.as_ref().map(Local::of_record).transpose()?.map(Rc::new);
        Ok(())
    }

    /// The account, also one that the server has not confirmed yet.
    pub(crate) fn unconfirmed(&self) -> Option<Rc<Local>> {
        self.local.borrow().clone()
    }

    /// The account. A device that was removed from it has none any more.
    pub(crate) fn local(&self) -> Result<Rc<Local>, ClientError> {
        if self.removed.get() {
            return Err(ClientError::DeviceRemoved);
        }
        self.unconfirmed().filter(|local| local.registered).ok_or(ClientError::NoAccount)
    }

    /// When an item of the outbox may go: what was refused before also waits for the budget.
    pub(crate) fn due_ms(&self, item: &OutboxItem) -> u64 {
        if is_again(item) { self.budget.get().due_ms(item.not_before_ms) } else { 0 }
    }

    /// Whether something that was refused before may be asked again now.
    pub(crate) fn may_ask_again(&self, now_ms: u64) -> bool {
        let mut budget = self.budget.get();
        let may = budget.take(now_ms, u64::from_le_bytes(random()));
        self.budget.set(budget);
        may
    }

    /// Something was answered by anything but *later*.
    pub(crate) fn answered(&self, again: bool) {
        let mut budget = self.budget.get();
        budget.answered(again);
        self.budget.set(budget);
    }

    /// Hands events to whoever listens. Without a listener they are found in the store by the next `sync`.
    pub(crate) fn emit(&self, events: impl IntoIterator<Item = Event>) {
        if let Some(listener) = &*self.listener.borrow() {
            for event in events {
                // A listener that is gone has taken its future with it; what it missed is still unshown in the store.
                let _ = listener.unbounded_send(event);
            }
        }
    }

    /// From here on events go to the receiver.
    pub(crate) fn listen(&self) -> futures::channel::mpsc::UnboundedReceiver<Event> {
        let (sender, receiver) = futures::channel::mpsc::unbounded();
        *self.listener.borrow_mut() = Some(sender);
        receiver
    }
}

/// It was refused, or put off, before.
pub(crate) fn is_again(item: &OutboxItem) -> bool {
    item.not_before_ms > 0
}

/// The term's handshake key.
pub(crate) fn handshake_key(term: &TermRecord) -> Result<HandshakeKey, ClientError> {
    Ok(HandshakeKey::derive(&term.join_secret, term.log)?)
}

/// A handle for an account, if it is a contact.
pub(crate) fn handle_of(tx: &Tx<'_>, local: &Local, account: AccountId) -> Result<Option<Handle>, ClientError> {
    if account == local.account {
        return Ok(Some(local.handle.clone()));
    }
    Ok(tx.contact(account)?.map(|contact| contact.handle))
}

/// An account with its handle, if that is known, and how it is called.
pub(crate) fn person_of(tx: &Tx<'_>, local: &Local, account: AccountId) -> Result<Person, ClientError> {
    Ok(Person { account, handle: handle_of(tx, local, account)?, name: crate::introduction::name_of(tx, local, account)? })
}

/// A stored request as it is shown.
pub(crate) fn request_view(tx: &Tx<'_>, local: &Local, record: &RequestRecord) -> Result<KnockRequest, ClientError> {
    Ok(KnockRequest {
        id: record.conversation,
        from: record.handle.clone(),
        account: record.account,
        confirmed: record.confirmed,
        kind: match record.kind {
            alcyon_store::RequestKind::Knock => RequestKind::Knock,
            alcyon_store::RequestKind::AskIn => RequestKind::AskIn { title: record.introduction.clone() },
            alcyon_store::RequestKind::Report => RequestKind::Report(Box::new(crate::report::view(tx, local, record)?)),
            alcyon_store::RequestKind::Invite => {
                let (title, members) = InviteOffer::decode(&record.offer).map(|invite| (invite.title, invite.members)).unwrap_or_default();
                let known = record.introduction.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
                RequestKind::Invite { title, members, known }
            }
        },
        introduction: if record.kind == alcyon_store::RequestKind::Knock { record.introduction.clone() } else { String::new() },
        sent_at_ms: record.sent_at_ms,
    })
}

const ALARMS: [(AlarmKind, u32); 7] = [
    (AlarmKind::Broken, 1),
    (AlarmKind::Forked, 2),
    (AlarmKind::ServerRestored, 3),
    (AlarmKind::ProfileRestored, 4),
    (AlarmKind::HandleChanged, 5),
    (AlarmKind::Gap, 6),
    (AlarmKind::Unreadable, 7),
];

/// By which number an alarm of a kind is stored.
pub(crate) fn number_of_alarm(kind: AlarmKind) -> u32 {
    ALARMS.iter().find(|(known, _)| *known == kind).map_or(0, |(_, number)| *number)
}

/// A stored alarm as it is shown; none for a kind that this version does not know.
pub(crate) fn alarm_view(record: &AlarmRecord) -> Option<Alarm> {
    let (kind, _) = ALARMS.into_iter().find(|(_, number)| *number == record.kind)?;
    Some(Alarm { conversation: record.conversation, kind, sequence: record.sequence })
}

/// Stores an alarm with its evidence; the event if it is new.
pub(crate) fn raise(
    tx: &Tx<'_>,
    conversation: Option<ConversationId>,
    log: LogId,
    kind: AlarmKind,
    sequence: u64,
    evidence: (&[u8], &[u8]),
    at_ms: u64,
) -> Result<Option<Event>, ClientError> {
    let number = number_of_alarm(kind);
    let (mine, theirs) = (evidence.0.to_vec(), evidence.1.to_vec());
    let new = tx.add_alarm(&AlarmRecord { number: 0, conversation, log, kind: number, sequence, mine, theirs, at_ms })?;
    Ok(new.then_some(Event::Alarm(Alarm { conversation, kind, sequence })))
}
