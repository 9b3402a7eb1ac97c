//! Writing anything that a message can be: into the outbox first, and from there to the log.

use alcyon_mls::Permission;
use alcyon_store::{ConversationKind, ConversationRecord, DeliveryState, MessageKind, MessageRecord, OutboxKind, Standing, StoreError, Tx};
use alcyon_wire::{AccountId, ConversationId, LogId, MessageId, ServerUrl, limits, proto};
use proto::content::Body;

use super::{
    incoming::{rights_in, settle},
    rules::{Deed, Done, Facts, Shape, is_emoji},
    text::{find_mentions, text_of},
    view::{Whole, message_view, pinned_in},
};
use crate::{
    Client, ClientError, Clock, EarlierText, Message, Post, SendOutcome, TextFormat, Transport,
    content::{Content, Meaning, check_poll},
    core::handle_of,
    group::the_group,
    introduction::introduce,
    local::Local,
    outbox::queue_content,
    random::random,
    send::{ADMINS_WRITE, HANDLE_CHECK_MS, check_text, conversation_now},
    vanish::{check_timer, timer_of},
};

/// Why something is refused before it is sent: what others would say to it when they read it.
const TOO_LATE: &str = "a message can be changed or deleted for all within 24 hours";
const NOT_OWN: &str = "only who wrote a message can do that";
const NOT_OWN_NOR_ADMIN: &str = "only who wrote a message, or an admin of the group, can delete it for all";
const NO_TEXT: &str = "only texts can be changed";
const NO_POLL: &str = "that is no poll";
const POLL_OVER: &str = "that poll is over";
const NO_SUCH_OPTION: &str = "the poll has no such option, or takes one alone";
const NO_EMOJI: &str = "a reaction is an emoji";
const MAY_NOT_PIN: &str = "only admins pin messages in this group";
const PINS_FULL: &str = "five messages are pinned already";
const GROUP_TIMER: &str = "a group has its timer in its settings";
const GONE: &str = "that message is gone";
const NOT_TO_FORWARD: &str = "that can't be forwarded";

fn not_allowed(rule: &str) -> ClientError {
    ClientError::NotAllowed { rule: rule.to_owned() }
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Writes, and waits for the server's acknowledgement or gives up into `Queued`. The outcome's id is that of what was written;
    /// if it is done to a message, that message has another.
    pub async fn post(&self, conversation: ConversationId, post: &Post) -> Result<SendOutcome, ClientError> {
        check(post)?;
        let contact = self.core.store.transaction(|tx| match tx.conversation(conversation)?.and_then(|record| record.peer) {
            Some(peer) => tx.contact(peer),
            None => Ok(None),
        })?;
        if let Some(contact) = contact {
            self.check_handle(&contact, HANDLE_CHECK_MS).await?;
        }
        let (conversation, id, _) = self.write(conversation, post)?;
        self.run_starts(None).await?;
        self.outcome(conversation, id).await
    }

    /// Writes into the outbox and returns at once; a running [`Client::listen`] sends it. For interfaces. The new message, or
    /// that to which something is done as it is then.
    pub fn enqueue_post(&self, conversation: ConversationId, post: &Post) -> Result<Message, ClientError> {
        let (_, _, message) = self.write(conversation, post)?;
        Ok(message)
    }

    fn write(&self, conversation: ConversationId, post: &Post) -> Result<(ConversationId, MessageId, Message), ClientError> {
        check(post)?;
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let written = self.core.store.transaction(|tx| {
            let record = writable(tx, &local, conversation)?;
            let (server, log) = place_of(tx, &local, &record)?;
            let id = queue_post(tx, &local, &record, (&server, log), post, now_ms)?;
            let shown = post.target().unwrap_or(id);
            let stored = tx.message(record.conversation, shown)?.ok_or(StoreError::Damaged("messages"))?;
            Ok::<_, ClientError>((record.conversation, id, message_view(tx, &local, stored)?))
        })?;
        self.core.work.poke();
        Ok(written)
    }

    /// The texts that a message had before the one it has now, oldest first.
    pub fn earlier_texts(&self, conversation: ConversationId, id: MessageId) -> Result<Vec<EarlierText>, ClientError> {
        self.let_go()?;
        self.core.store.transaction(|tx| {
            let conversation = conversation_now(tx, conversation)?;
            Ok(Whole::load(tx, the_message(tx, conversation, id)?)?.earlier())
        })
    }

    /// A message by its id.
    pub fn message(&self, conversation: ConversationId, id: MessageId) -> Result<Message, ClientError> {
        self.let_go()?;
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let conversation = conversation_now(tx, conversation)?;
            message_view(tx, &local, the_message(tx, conversation, id)?)
        })
    }

    /// The pinned messages of a conversation, the newest pin first.
    pub fn pinned_messages(&self, conversation: ConversationId) -> Result<Vec<Message>, ClientError> {
        self.let_go()?;
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let conversation = conversation_now(tx, conversation)?;
            let pinned = pinned_in(tx, conversation)?.into_iter();
            pinned.map(|id| message_view(tx, &local, the_message(tx, conversation, id)?)).collect()
        })
    }
}

fn the_message(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<MessageRecord, ClientError> {
    let found = tx
        .message(conversation, id)?
        .filter(|record| record.kind.stands_alone() && record.kind != MessageKind::Timer && record.line.is_none());
    found.ok_or_else(|| ClientError::Unknown { field: "message", what: id.to_text() })
}

/// What is wrong with a post whatever it is about.
fn check(post: &Post) -> Result<(), ClientError> {
    match post {
        Post::Text { text, .. } | Post::Edit { text, .. } => check_text(text),
        Post::Previewed { text, preview, .. } => {
            check_text(text)?;
            preview.check(text).map_err(not_allowed)
        }
        Post::Location(_) | Post::Contact { .. } => Ok(()),
        Post::Poll { question, options, several } => check_poll(&poll_field(question, options, *several)).map_err(not_allowed),
        Post::SetTimer { seconds } => check_timer(*seconds),
        Post::React { emoji, .. } if !is_emoji(emoji) => Err(not_allowed(NO_EMOJI)),
        Post::React { .. } | Post::Forward { .. } | Post::Delete { .. } | Post::Vote { .. } | Post::EndPoll { .. } | Post::Pin { .. } => {
            Ok(())
        }
    }
}

fn poll_field(question: &str, options: &[String], several: bool) -> proto::Poll {
    proto::Poll { question: question.to_owned(), options: options.to_vec(), several }
}

/// The conversation, if something can be written there.
pub(crate) fn writable(tx: &Tx<'_>, local: &Local, conversation: ConversationId) -> Result<ConversationRecord, ClientError> {
    let unknown = || ClientError::Unknown { field: "conversation", what: conversation.to_text() };
    let record = tx.conversation(conversation)?.ok_or_else(unknown)?;
    if record.standing == Standing::Left {
        return Err(ClientError::Left);
    }
    if let Some(contact) = record.peer.map(|peer| tx.contact(peer)).transpose()?.flatten() {
        if contact.blocked {
            return Err(ClientError::Blocked(contact.handle.to_text()));
        }
        if contact.handle_changed {
            return Err(ClientError::HandleChanged { handle: contact.handle.to_text() });
        }
    }
    if record.kind == ConversationKind::Group {
        may_write(tx, local.account, record.conversation)?;
    }
    Ok(record)
}

/// Whether the group's settings let this account write, as far as this device has read. While it comes in, that shows later.
fn may_write(tx: &Tx<'_>, account: AccountId, conversation: ConversationId) -> Result<(), ClientError> {
    match the_group(tx, conversation) {
        Ok((_, _, state)) if !state.may(account, Permission::Write) => Err(not_allowed(ADMINS_WRITE)),
        Ok(_) | Err(ClientError::NotInYet) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Stores a post as queued and puts it at the end of its log's queue.
pub(crate) fn queue_post(
    tx: &Tx<'_>,
    local: &Local,
    conversation: &ConversationRecord,
    (server, log): (&ServerUrl, LogId),
    post: &Post,
    now_ms: u64,
) -> Result<MessageId, ClientError> {
    let content = body_of(tx, local, conversation, post)?;
    let id: MessageId = random();
    queue_body(tx, local, conversation, (server, log), id, content, now_ms)?;
    Ok(id)
}

/// The same of a body under an id that there is already: what it says, what it answers, whether it was written elsewhere.
pub(crate) fn queue_body(
    tx: &Tx<'_>,
    local: &Local,
    conversation: &ConversationRecord,
    (server, log): (&ServerUrl, LogId),
    id: MessageId,
    (body, reply_to, forwarded): (Body, Option<MessageId>, bool),
    now_ms: u64,
) -> Result<(), ClientError> {
    let timer_s = match body {
        Body::SetTimer(_) => 0,
        _ => timer_of(tx, conversation)?,
    };
    let draft = Content::draft_with(id, now_ms, body, reply_to, forwarded, timer_s);
    let content = Content::parse(&draft)?;
    let (kind, target, text) = match content.meaning().map_err(not_allowed)? {
        Some(Meaning::Stands { kind, text }) => (kind, None, text),
        Some(Meaning::Done { kind, target, deed }) => {
            may_do(tx, local, conversation.conversation, target, &deed, now_ms)?;
            (kind, Some(target), String::new())
        }
        None => return Err(StoreError::Damaged("a post").into()),
    };
    let rights = match (kind, tx.term_of(conversation.conversation)?) {
        (MessageKind::Deletion | MessageKind::Pin, Some(term)) => rights_in(tx, &term, local.account)?.number(),
        _ => 0,
    };
    tx.add_message(&MessageRecord {
        number: 0,
        conversation: conversation.conversation,
        message: id,
        sender: local.account,
        own: true,
        text,
        position: None,
        sent_at_ms: now_ms,
        delivery: DeliveryState::Queued,
        shown: true,
        line: None,
        kind,
        target,
        content: Some(draft.clone()),
        at_ms: 0,
        rights,
    })?;
    settle(tx, conversation.conversation, target.unwrap_or(id))?;
    if target.is_none() {
        // It counts from when the log has it.
        crate::vanish::came(tx, conversation.conversation, id, timer_s, None)?;
        tx.bring_back(conversation.conversation, now_ms)?;
        // Before the message: whoever reads it knows who writes.
        introduce(tx, local, conversation, &(server.clone(), log), now_ms)?;
    }
    queue_content(tx, OutboxKind::Append, conversation.conversation, server, log, id.into(), &draft)?;
    Ok(())
}

/// Where what is written in a conversation goes now.
pub(crate) fn place_of(tx: &Tx<'_>, local: &Local, record: &ConversationRecord) -> Result<(ServerUrl, LogId), ClientError> {
    match tx.term_of(record.conversation)? {
        Some(term) => Ok((term.server, term.log)),
        // A queued start: its log is not there yet, but its place in the queue is.
        None => Ok((local.server.clone(), tx.queued_start(record.conversation)?.ok_or(ClientError::Left)?)),
    }
}

fn body_of(
    tx: &Tx<'_>,
    local: &Local,
    conversation: &ConversationRecord,
    post: &Post,
) -> Result<(Body, Option<MessageId>, bool), ClientError> {
    let text = |text: &str, format: TextFormat| Ok::<_, ClientError>(text_of(text, format, find_mentions(tx, local, conversation, text)?));
    let body = match post {
        Post::Text { text: written, format, reply_to } => {
            if let Some(reply_to) = reply_to {
                the_message(tx, conversation.conversation, *reply_to)?;
            }
            return Ok((Body::Text(text(written, *format)?), *reply_to, false));
        }
        Post::Previewed { text: written, format, reply_to, preview } => {
            if let Some(reply_to) = reply_to {
                the_message(tx, conversation.conversation, *reply_to)?;
            }
            let text = proto::Text { preview: Some(preview.to_field()), ..text(written, *format)? };
            return Ok((Body::Text(text), *reply_to, false));
        }
        Post::Location(point) => Body::Location(proto::Location { uri: point.to_uri() }),
        Post::Contact { account } => {
            let unknown = || ClientError::Unknown { field: "contact", what: account.to_text() };
            let handle = handle_of(tx, local, *account)?.ok_or_else(unknown)?;
            Body::Contact(proto::ContactCard { handle: handle.to_text(), account: account.to_field() })
        }
        Post::Forward { from, id } => {
            let from = conversation_now(tx, *from)?;
            let whole = Whole::load(tx, the_message(tx, from, *id)?)?;
            return Ok((whole.body_to_forward().ok_or_else(|| not_allowed(NOT_TO_FORWARD))?, None, true));
        }
        Post::Poll { question, options, several } => Body::Poll(poll_field(question, options, *several)),
        Post::React { target, emoji, back } => {
            Body::Reaction(proto::Reaction { target: target.to_field(), emoji: emoji.clone(), back: *back })
        }
        Post::Edit { target, text: written, format } => {
            Body::Edit(proto::Edit { target: target.to_field(), text: Some(text(written, *format)?) })
        }
        Post::Delete { target } => Body::Deletion(proto::Deletion { target: target.to_field() }),
        Post::Vote { target, options } => {
            let mut options = options.clone();
            options.sort_unstable();
            options.dedup();
            Body::Vote(proto::Vote { target: target.to_field(), options })
        }
        Post::SetTimer { .. } if conversation.kind == ConversationKind::Group => return Err(not_allowed(GROUP_TIMER)),
        Post::SetTimer { seconds } => Body::SetTimer(proto::SetTimer { seconds: *seconds }),
        Post::EndPoll { target } => Body::PollEnd(proto::PollEnd { target: target.to_field() }),
        Post::Pin { target, pinned } => Body::PinMessage(proto::PinMessage { target: target.to_field(), pinned: *pinned }),
    };
    Ok((body, None, false))
}

/// Whether everybody would say that this counts, as far as can be told before the log has it.
fn may_do(
    tx: &Tx<'_>,
    local: &Local,
    conversation: ConversationId,
    target: MessageId,
    deed: &Deed,
    now_ms: u64,
) -> Result<(), ClientError> {
    let whole = Whole::load(tx, the_message(tx, conversation, target)?)?;
    if whole.outcome.deleted.is_some() {
        return Err(not_allowed(GONE));
    }
    let rights = match tx.term_of(conversation)? {
        Some(term) => rights_in(tx, &term, local.account)?,
        None => super::rules::Rights { admin: false, edits: true },
    };
    let facts = Facts { place: None, at_ms: 0, rights };
    let done = Done { number: 0, sender: local.account, facts, deed: deed.clone() };
    if !done.holds(&whole.target) {
        let poll = matches!(whole.target.shape, Shape::Poll { .. });
        return Err(not_allowed(match deed {
            Deed::React { .. } => NO_EMOJI,
            Deed::Edit if whole.record.own => NO_TEXT,
            Deed::Edit => NOT_OWN,
            Deed::Delete => NOT_OWN_NOR_ADMIN,
            Deed::Vote(_) if poll => NO_SUCH_OPTION,
            Deed::Vote(_) => NO_POLL,
            Deed::EndPoll if poll => NOT_OWN,
            Deed::EndPoll => NO_POLL,
            Deed::Pin(_) => MAY_NOT_PIN,
        }));
    }
    let late = whole.target.at_ms != 0 && now_ms > whole.target.at_ms.saturating_add(limits::CHANGE_MS);
    match deed {
        Deed::Edit | Deed::Delete if late => Err(not_allowed(TOO_LATE)),
        Deed::Vote(_) if whole.outcome.ended => Err(not_allowed(POLL_OVER)),
        Deed::Pin(true) if whole.outcome.pinned.is_none() && pinned_in(tx, conversation)?.len() >= limits::PINS => {
            Err(not_allowed(PINS_FULL))
        }
        _ => Ok(()),
    }
}
