//! Writing: into the outbox first, and from there to the log.

use alcyon_mls::Permission;
use alcyon_store::{ConversationKind, DeliveryState, MessageRecord, OutboxKind, Standing, Tx};
use alcyon_wire::{AccountId, ConversationId, LogId, MessageId, ServerUrl, limits, proto};

use crate::{
    Client, ClientError, Clock, Message, SendOutcome, Transport, content::Content, core::message_view, group::the_group, local::Local,
    outbox::queue_content, random::random,
};

/// Why a message is refused where members only read.
pub(crate) const ADMINS_WRITE: &str = "only admins write in this group";
/// How old the last look into a handle's directory may be when something is sent.
const HANDLE_CHECK_MS: u64 = 60 * 60 * 1000;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Writes, and waits for the server's acknowledgement or gives up into `Queued`.
    pub async fn send(&self, conversation: ConversationId, text: &str) -> Result<SendOutcome, ClientError> {
        check_text(text)?;
        let contact = self.core.store.transaction(|tx| match tx.conversation(conversation)?.and_then(|record| record.peer) {
            Some(peer) => tx.contact(peer),
            None => Ok(None),
        })?;
        if let Some(contact) = contact {
            self.check_handle(&contact, HANDLE_CHECK_MS).await?;
        }
        let message = self.enqueue(conversation, text)?;
        self.run_starts(None).await?;
        self.outcome(message.conversation, message.id).await
    }

    /// Writes into the outbox and returns at once; a running [`Client::listen`] sends it. For interfaces.
    pub fn enqueue(&self, conversation: ConversationId, text: &str) -> Result<Message, ClientError> {
        check_text(text)?;
        let local = self.core.local()?;
        let now_ms = self.clock.now_ms();
        let message = self.core.store.transaction(|tx| {
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
            let (server, log) = match tx.term_of(record.conversation)? {
                Some(term) => (term.server, term.log),
                // A queued start: its log is not there yet, but its place in the queue is.
                None => (local.server.clone(), tx.queued_start(record.conversation)?.ok_or(ClientError::Left)?),
            };
            let message = queue_text(tx, &local, record.conversation, &server, log, text, now_ms)?;
            let stored = tx.message(record.conversation, message)?.ok_or(alcyon_store::StoreError::Damaged("messages"))?;
            message_view(tx, &local, stored)
        })?;
        self.core.work.poke();
        Ok(message)
    }

    /// Waits until a message is acknowledged, or nothing more can be done for it now.
    pub(crate) async fn outcome(&self, conversation: ConversationId, id: MessageId) -> Result<SendOutcome, ClientError> {
        self.drive_until(|tx| Ok(tx.message(conversation_now(tx, conversation)?, id)?.is_some_and(|message| message.position.is_some())))
            .await?;
        self.core.store.transaction(|tx| {
            let conversation = conversation_now(tx, conversation)?;
            let message = tx.message(conversation, id)?.ok_or(ClientError::Left)?;
            Ok(match (message.delivery, message.position) {
                (DeliveryState::Failed, _) => {
                    let rule = self.core.failed.borrow_mut().remove(&id.into());
                    return Err(rule.map_or(ClientError::Left, |rule| ClientError::NotAllowed { rule }));
                }
                (_, Some((term, sequence))) => SendOutcome::Sent { id, conversation, position: crate::Position { term, sequence } },
                (_, None) => SendOutcome::Queued { id, conversation },
            })
        })
    }
}

/// Whether the group's settings let this account write, as far as this device has read. While it comes in, that shows later.
fn may_write(tx: &Tx<'_>, account: AccountId, conversation: ConversationId) -> Result<(), ClientError> {
    match the_group(tx, conversation) {
        Ok((_, _, state)) if !state.may(account, Permission::Write) => Err(ClientError::NotAllowed { rule: ADMINS_WRITE.to_owned() }),
        Ok(_) | Err(ClientError::NotInYet) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The id under which a conversation goes on.
fn conversation_now(tx: &Tx<'_>, conversation: ConversationId) -> Result<ConversationId, ClientError> {
    Ok(tx.conversation(conversation)?.map_or(conversation, |record| record.conversation))
}

pub(crate) fn check_text(text: &str) -> Result<(), ClientError> {
    if text.is_empty() {
        return Err(ClientError::EmptyText);
    }
    if text.len() > limits::TEXT {
        return Err(ClientError::TextTooLong { limit: limits::TEXT, actual: text.len() });
    }
    Ok(())
}

/// Stores a text as queued and puts it at the end of its log's queue.
pub(crate) fn queue_text(
    tx: &Tx<'_>,
    local: &Local,
    conversation: ConversationId,
    server: &ServerUrl,
    log: LogId,
    text: &str,
    now_ms: u64,
) -> Result<MessageId, ClientError> {
    let id: MessageId = random();
    tx.add_message(&MessageRecord {
        number: 0,
        conversation,
        message: id,
        sender: local.account,
        own: true,
        text: text.to_owned(),
        position: None,
        sent_at_ms: now_ms,
        delivery: DeliveryState::Queued,
        shown: true,
        line: None,
    })?;
    tx.bring_back(conversation, now_ms)?;
    let body = proto::content::Body::Text(proto::Text { text: text.to_owned() });
    queue_content(tx, OutboxKind::Append, conversation, server, log, id.into(), &Content::draft(id, now_ms, body))?;
    Ok(id)
}
