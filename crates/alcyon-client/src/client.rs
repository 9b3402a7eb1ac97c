use alcyon_store::Store;
use alcyon_wire::{AccountId, ConversationId, Handle, HandleName, MessageId, ServerUrl};

use crate::{
    Alarm, ClientError, Clock, ConversationSummary, Event, KnockRequest, Me, Message, Position, Registered, SafetyNumberView, SendOutcome, Synced,
    Transport,
};

/// One profile, open. All calls take `&self`, so that an interface can write while [`Client::listen`] runs beside it on the same thread.
pub struct Client<T: Transport, C: Clock> {
    store: Store,
    transport: T,
    clock: C,
}

#[allow(clippy::unused_async, unused_variables, clippy::unimplemented, missing_docs)]
impl<T: Transport, C: Clock> Client<T, C> {
    pub fn open(store: Store, transport: T, clock: C) -> Result<Self, ClientError> {
        Ok(Self { store, transport, clock })
    }

    /// Makes an account and its handle on `server`.
    pub async fn register(&self, name: &HandleName, server: &ServerUrl) -> Result<Registered, ClientError> {
        unimplemented!()
    }

    /// This profile's account.
    pub fn me(&self) -> Result<Me, ClientError> {
        unimplemented!()
    }

    /// Newest first.
    pub fn conversations(&self) -> Result<Vec<ConversationSummary>, ClientError> {
        unimplemented!()
    }

    /// A conversation by handle, `handle#account-id` or conversation id in text form.
    pub fn find(&self, who: &str) -> Result<ConversationId, ClientError> {
        unimplemented!()
    }

    /// Oldest first; the newest `limit` of those before `before`. Own messages without a position come last.
    pub fn history(&self, conversation: ConversationId, before: Option<Position>, limit: Option<u32>) -> Result<Vec<Message>, ClientError> {
        unimplemented!()
    }

    /// Everything up to the newest message counts as read.
    pub fn mark_read(&self, conversation: ConversationId) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// This message was shown: it does not come as an event again.
    pub fn shown(&self, conversation: ConversationId, id: MessageId) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// Open requests, oldest first.
    pub fn requests(&self) -> Result<Vec<KnockRequest>, ClientError> {
        unimplemented!()
    }

    /// Alarms of a conversation, oldest first.
    pub fn alarms(&self, conversation: ConversationId) -> Result<Vec<Alarm>, ClientError> {
        unimplemented!()
    }

    /// Knocks, or writes in the conversation there already is. Waits for the server's acknowledgement or gives up into `Queued`.
    pub async fn start(&self, handle: &Handle, account: Option<AccountId>, text: &str) -> Result<SendOutcome, ClientError> {
        unimplemented!()
    }

    /// Writes, and waits for the server's acknowledgement or gives up into `Queued`.
    pub async fn send(&self, conversation: ConversationId, text: &str) -> Result<SendOutcome, ClientError> {
        unimplemented!()
    }

    /// Writes into the outbox and returns at once; a running [`Self::listen`] sends it. For interfaces.
    pub fn enqueue(&self, conversation: ConversationId, text: &str) -> Result<Message, ClientError> {
        unimplemented!()
    }

    /// Accepts a request; from here on its conversation is there, coming in goes on with whatever connection there is.
    pub async fn accept(&self, request: ConversationId) -> Result<ConversationId, ClientError> {
        unimplemented!()
    }

    /// Declines a request; the seat that was offered is given back.
    pub async fn decline(&self, request: ConversationId) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// Blocks an account by handle: its pass is revoked, its knocks are dropped unseen, its messages not shown.
    pub async fn block(&self, handle: &Handle) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// The reverse.
    pub async fn unblock(&self, handle: &Handle) -> Result<(), ClientError> {
        unimplemented!()
    }

    /// The safety number with that handle's account.
    pub async fn safety_number(&self, handle: &Handle) -> Result<SafetyNumberView, ClientError> {
        unimplemented!()
    }

    /// Fetches and processes everything there is, empties the outbox, and returns what is new.
    pub async fn sync(&self) -> Result<Synced, ClientError> {
        unimplemented!()
    }

    /// The same for as long as the future lives, reconnecting by itself. Ends only with an error of the profile.
    pub async fn listen(&self, on_event: impl FnMut(Event)) -> Result<(), ClientError> {
        unimplemented!()
    }
}
