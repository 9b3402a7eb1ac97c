//! Writing: into the outbox first, and from there to the log.

use alcyon_store::{DeliveryState, Tx};
use alcyon_wire::{ConversationId, MessageId, limits};

use crate::{Client, ClientError, Clock, Message, Post, SendOutcome, Transport};

/// Why a message is refused where members only read.
pub(crate) const ADMINS_WRITE: &str = "only admins write in this group";
/// How old the last look into a handle's directory may be when something is sent.
pub(crate) const HANDLE_CHECK_MS: u64 = 60 * 60 * 1000;

impl<T: Transport, C: Clock> Client<T, C> {
    /// Writes a text as it is, and waits for the server's acknowledgement or gives up into `Queued`.
    pub async fn send(&self, conversation: ConversationId, text: &str) -> Result<SendOutcome, ClientError> {
        self.post(conversation, &Post::plain(text)).await
    }

    /// Writes a text as it is into the outbox and returns at once; a running [`Client::listen`] sends it. For interfaces.
    pub fn enqueue(&self, conversation: ConversationId, text: &str) -> Result<Message, ClientError> {
        self.enqueue_post(conversation, &Post::plain(text))
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

/// The id under which a conversation goes on.
pub(crate) fn conversation_now(tx: &Tx<'_>, conversation: ConversationId) -> Result<ConversationId, ClientError> {
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
