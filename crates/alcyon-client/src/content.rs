use std::collections::BTreeSet;

use alcyon_mls::Seen;
use alcyon_store::{MessageKind, MessageRecord};
use alcyon_wire::{MessageId, RunningHash, WireError, limits, proto};
use bytes::Bytes;
use prost::Message;
use proto::content::Body;

use crate::message::rules::{Deed, is_emoji};

/// What an application entry says.
pub(crate) struct Content {
    /// Of the entry.
    pub(crate) id: MessageId,
    /// Of the message: another one, if it was sent before.
    pub(crate) message: MessageId,
    pub(crate) seen: Option<Seen>,
    pub(crate) sent_at_ms: u64,
    /// `None`: a kind that this version does not know.
    pub(crate) body: Option<Body>,
    pub(crate) reply_to: Option<MessageId>,
    pub(crate) forwarded: bool,
    /// As it came, with what this version does not know of it.
    pub(crate) bytes: Vec<u8>,
}

/// What a body means for the messages of a conversation.
pub(crate) enum Meaning {
    /// It stands there by itself. The text is what can be searched for.
    Stands { kind: MessageKind, text: String },
    /// It is done to another message.
    Done { kind: MessageKind, target: MessageId, deed: Deed },
}

impl Content {
    /// The bytes of a message as the outbox keeps them: everything but what its author has seen when it is sent.
    pub(crate) fn draft(id: MessageId, sent_at_ms: u64, body: Body) -> Vec<u8> {
        Self::draft_with(id, sent_at_ms, body, None, false)
    }

    /// The same of a message that answers another, or was written elsewhere.
    pub(crate) fn draft_with(id: MessageId, sent_at_ms: u64, body: Body, reply_to: Option<MessageId>, forwarded: bool) -> Vec<u8> {
        proto::Content {
            id: id.to_field(),
            seen: None,
            sent_at_ms,
            body: Some(body),
            again: Bytes::new(),
            evidence: Vec::new(),
            reply_to: reply_to.map(MessageId::to_field).unwrap_or_default(),
            forwarded,
        }
        .encode_to_vec()
    }

    /// A stored message as the outbox keeps it, to go out again: the bytes it had, whatever this version knows of them.
    pub(crate) fn draft_of(record: &MessageRecord, sent_at_ms: u64) -> Vec<u8> {
        let Some(bytes) = &record.content else {
            let text = proto::Text { text: record.text.clone(), format: 0, mentions: Vec::new() };
            return Self::draft(record.message, sent_at_ms, Body::Text(text));
        };
        match Self::parse(bytes) {
            // It came as something that was sent again, under another id.
            Ok(content) if content.id != record.message => Self::renamed(bytes, record.message, record.message),
            _ => bytes.clone(),
        }
    }

    /// The same to a log that has the message: an entry needs an id of its own.
    pub(crate) fn again(record: &MessageRecord, id: MessageId, sent_at_ms: u64) -> Vec<u8> {
        Self::renamed(&Self::draft_of(record, sent_at_ms), id, record.message)
    }

    /// Fields that follow take the place of those before.
    fn renamed(bytes: &[u8], id: MessageId, message: MessageId) -> Vec<u8> {
        let last = proto::Content { id: id.to_field(), again: message.to_field(), ..proto::Content::default() };
        [bytes, &last.encode_to_vec()].concat()
    }

    /// Completes a draft with the running hash that its author has processed. What this version does not know stays: fields that
    /// follow take the place of those before.
    pub(crate) fn complete(draft: &[u8], seen: Seen) -> Result<Vec<u8>, WireError> {
        proto::Content::decode(draft).map_err(|_| WireError::Malformed { what: "Content" })?;
        let seen = proto::Seen { sequence: seen.sequence, running_hash: seen.running_hash.to_field() };
        let last = proto::Content { seen: Some(seen), ..proto::Content::default() };
        Ok([draft, &last.encode_to_vec()].concat())
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let proto::Content { id, seen, sent_at_ms, body, again, evidence: _, reply_to, forwarded } =
            proto::Content::decode(bytes).map_err(|_| WireError::Malformed { what: "Content" })?;
        let seen = seen
            .map(|proto::Seen { sequence, running_hash }| {
                Ok::<_, WireError>(Seen { sequence, running_hash: RunningHash::parse(&running_hash, "content.seen")? })
            })
            .transpose()?;
        let id = MessageId::parse(&id, "content.id")?;
        let message = if again.is_empty() { id } else { MessageId::parse(&again, "content.again")? };
        Ok(Self {
            id,
            message,
            seen,
            sent_at_ms,
            body,
            // What can't be an answer to anything is none.
            reply_to: MessageId::parse(&reply_to, "content.reply_to").ok(),
            forwarded,
            bytes: bytes.to_vec(),
        })
    }

    /// What it means for the messages of the conversation; `None` if it is about something else. The error says what is wrong
    /// with it.
    pub(crate) fn meaning(&self) -> Result<Option<Meaning>, &'static str> {
        let done = |kind, target: &[u8], deed| {
            let target = MessageId::parse(target, "target").map_err(|_| "it is done to no message")?;
            Ok(Some(Meaning::Done { kind, target, deed }))
        };
        match &self.body {
            Some(Body::Text(text)) => {
                check_length(text)?;
                Ok(Some(Meaning::Stands { kind: MessageKind::Message, text: text.text.clone() }))
            }
            Some(Body::Attachment(attachment)) => {
                let held = crate::files::check(attachment)?;
                Ok(Some(Meaning::Stands { kind: MessageKind::Message, text: held.view.name }))
            }
            Some(Body::Poll(poll)) => {
                check_poll(poll)?;
                Ok(Some(Meaning::Stands { kind: MessageKind::Message, text: poll.question.clone() }))
            }
            Some(Body::Reaction(proto::Reaction { target, emoji, back })) => {
                if !is_emoji(emoji) {
                    return Err("no emoji");
                }
                done(MessageKind::Reaction, target, Deed::React { emoji: emoji.clone(), back: *back })
            }
            Some(Body::Edit(proto::Edit { target, text })) => {
                check_length(text.as_ref().ok_or("an edit without a text")?)?;
                done(MessageKind::Edit, target, Deed::Edit)
            }
            Some(Body::Deletion(proto::Deletion { target })) => done(MessageKind::Deletion, target, Deed::Delete),
            Some(Body::Vote(proto::Vote { target, options })) => {
                let chosen: BTreeSet<u32> = options.iter().copied().collect();
                if options.len() > *limits::OPTIONS.end() || chosen.len() != options.len() {
                    return Err("a vote for more than there is");
                }
                done(MessageKind::Vote, target, Deed::Vote(chosen))
            }
            Some(Body::PollEnd(proto::PollEnd { target })) => done(MessageKind::PollEnd, target, Deed::EndPoll),
            Some(Body::PinMessage(proto::PinMessage { target, pinned })) => done(MessageKind::Pin, target, Deed::Pin(*pinned)),
            None => Ok(Some(Meaning::Stands { kind: MessageKind::Newer, text: String::new() })),
            Some(Body::Acquaintance(_) | Body::ManifestNews(_) | Body::Successor(_) | Body::Roster(_) | Body::Ended(_)) => Ok(None),
            Some(
                Body::SharedConversation(_)
                | Body::SharedContacts(_)
                | Body::SharedMarks(_)
                | Body::SharedRequest(_)
                | Body::SharedDevices(_)
                | Body::AskSibling(_)
                | Body::HistoryPart(_),
            ) => Ok(None),
        }
    }
}

fn check_length(text: &proto::Text) -> Result<(), &'static str> {
    if text.text.len() > limits::TEXT { Err("the text is over the limit") } else { Ok(()) }
}

/// Whether a poll is one.
pub(crate) fn check_poll(poll: &proto::Poll) -> Result<(), &'static str> {
    let proto::Poll { question, options, several: _ } = poll;
    if question.trim().is_empty() || question.len() > limits::QUESTION {
        return Err("a poll has a question of at most 1,024 bytes");
    }
    if !limits::OPTIONS.contains(&options.len()) {
        return Err("a poll has 2 to 12 options");
    }
    if options.iter().any(|option| option.trim().is_empty() || option.len() > limits::OPTION) {
        return Err("an option of a poll has at most 256 bytes, and is not empty");
    }
    Ok(())
}
