use alcyon_mls::Seen;
use alcyon_wire::{MessageId, RunningHash, WireError, proto};
use bytes::Bytes;
use prost::Message;

/// What an application entry says.
pub(crate) struct Content {
    /// Of the entry.
    pub(crate) id: MessageId,
    /// Of the message: another one, if it was sent before.
    pub(crate) message: MessageId,
    pub(crate) seen: Option<Seen>,
    pub(crate) sent_at_ms: u64,
    /// `None`: a kind that this version does not know.
    pub(crate) body: Option<proto::content::Body>,
}

impl Content {
    /// The bytes of a message as the outbox keeps them: everything but what its author has seen when it is sent.
    pub(crate) fn draft(id: MessageId, sent_at_ms: u64, body: proto::content::Body) -> Vec<u8> {
        proto::Content { id: id.to_field(), seen: None, sent_at_ms, body: Some(body), again: Bytes::new(), evidence: Vec::new() }
            .encode_to_vec()
    }

    /// The same of a message that is sent again to a log that has it: an entry needs an id of its own.
    pub(crate) fn again(id: MessageId, message: MessageId, sent_at_ms: u64, body: proto::content::Body) -> Vec<u8> {
        proto::Content { id: id.to_field(), seen: None, sent_at_ms, body: Some(body), again: message.to_field(), evidence: Vec::new() }
            .encode_to_vec()
    }

    /// Completes a draft with the running hash that its author has processed.
    pub(crate) fn complete(draft: &[u8], seen: Seen) -> Result<Vec<u8>, WireError> {
        let mut content = proto::Content::decode(draft).map_err(|_| WireError::Malformed { what: "Content" })?;
        content.seen = Some(proto::Seen { sequence: seen.sequence, running_hash: seen.running_hash.to_field() });
        Ok(content.encode_to_vec())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let proto::Content { id, seen, sent_at_ms, body, again, evidence: _ } =
            proto::Content::decode(bytes).map_err(|_| WireError::Malformed { what: "Content" })?;
        let seen = seen
            .map(|proto::Seen { sequence, running_hash }| {
                Ok::<_, WireError>(Seen { sequence, running_hash: RunningHash::parse(&running_hash, "content.seen")? })
            })
            .transpose()?;
        let id = MessageId::parse(&id, "content.id")?;
        let message = if again.is_empty() { id } else { MessageId::parse(&again, "content.again")? };
        Ok(Self { id, message, seen, sent_at_ms, body })
    }
}
