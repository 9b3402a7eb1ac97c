//! Messages that are laid into a profile as if they had been written: a past for benchmarks and tests.

use alcyon_store::{DeliveryState, MessageKind, MessageRecord, StoreError, Tx};
use alcyon_wire::{AccountId, ConversationId, MessageId, proto};
use prost::Message as _;

/// A text that somebody has sent and everybody has got.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its id; each is new.
    pub id: MessageId,
    /// Who has said it.
    pub by: AccountId,
    /// That is the profile's own account.
    pub own: bool,
    /// The words, without any marks.
    pub text: String,
    /// Its place in the log of term 0.
    pub sequence: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
}

impl Said {
    /// Puts it into a conversation.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`]: there is a message of this id; and whatever else the store says.
    pub fn lay_into(self, tx: &Tx<'_>, conversation: ConversationId) -> Result<(), StoreError> {
        let Self { id, by, own, text, sequence, at_ms } = self;
        let body = proto::Text { text: text.clone(), format: 1, mentions: Vec::new(), preview: None };
        let content = proto::Content {
            id: id.to_field(),
            sent_at_ms: at_ms,
            body: Some(proto::content::Body::Text(body)),
            ..proto::Content::default()
        };
        let added = tx.add_message(&MessageRecord {
            number: 0,
            conversation,
            message: id,
            sender: by,
            own,
            text,
            position: Some((0, sequence)),
            sent_at_ms: at_ms,
            delivery: DeliveryState::Delivered,
            shown: true,
            line: None,
            kind: MessageKind::Message,
            target: None,
            content: Some(content.encode_to_vec()),
            at_ms,
            rights: 0,
        })?;
        if added { Ok(()) } else { Err(StoreError::Damaged("an id twice")) }
    }
}
