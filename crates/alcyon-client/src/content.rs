use std::collections::BTreeSet;

use alcyon_mls::Seen;
use alcyon_store::{MessageKind, MessageRecord};
use alcyon_wire::{MessageId, RunningHash, WireError, limits, proto};
use bytes::Bytes;
use prost::{
    Message,
    encoding::{DecodeContext, decode_key, encode_key, skip_field},
};
use proto::content::Body;

use crate::{
    extras::{card_of, point_of},
    message::rules::{Deed, is_emoji},
};

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
    /// Seconds after which it goes; 0: it stays.
    pub(crate) timer_s: u32,
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
        Self::draft_with(id, sent_at_ms, body, None, false, 0)
    }

    /// The same of a message that answers another, was written elsewhere, or goes after a time.
    pub(crate) fn draft_with(
        id: MessageId,
        sent_at_ms: u64,
        body: Body,
        reply_to: Option<MessageId>,
        forwarded: bool,
        timer_s: u32,
    ) -> Vec<u8> {
        proto::Content {
            id: id.to_field(),
            seen: None,
            sent_at_ms,
            body: Some(body),
            again: Bytes::new(),
            evidence: Vec::new(),
            reply_to: reply_to.map(MessageId::to_field).unwrap_or_default(),
            forwarded,
            timer_s,
        }
        .encode_to_vec()
    }

    /// A stored message as the outbox keeps it, to go out again: the bytes it had, whatever this version knows of them.
    pub(crate) fn draft_of(record: &MessageRecord, sent_at_ms: u64) -> Vec<u8> {
        let Some(bytes) = &record.content else {
            let text = proto::Text { text: record.text.clone(), format: 0, mentions: Vec::new(), preview: None };
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

    /// What a content says, without what differs from entry to entry: its id, what its author has seen, evidence.
    pub(crate) fn said(bytes: &[u8]) -> Vec<u8> {
        const DIFFERS: [u32; 4] = [1, 2, 14, 15];
        let mut said = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Ok((field, wire_type)) = decode_key(&mut rest) {
            let before = rest;
            if skip_field(wire_type, field, &mut rest, DecodeContext::default()).is_err() {
                break;
            }
            if !DIFFERS.contains(&field) {
                encode_key(field, wire_type, &mut said);
                said.extend_from_slice(before.get(..before.len() - rest.len()).unwrap_or_default());
            }
        }
        said
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let proto::Content { id, seen, sent_at_ms, body, again, evidence: _, reply_to, forwarded, timer_s } =
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
            timer_s,
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
                let view = crate::files::attachment_view(attachment);
                if !view.gone {
                    crate::files::check(attachment)?;
                }
                Ok(Some(Meaning::Stands { kind: MessageKind::Message, text: view.name }))
            }
            Some(Body::Location(location)) => Ok(Some(Meaning::Stands { kind: MessageKind::Message, text: point_of(location)?.to_uri() })),
            Some(Body::Contact(card)) => Ok(Some(Meaning::Stands { kind: MessageKind::Message, text: card_of(card)?.to_text() })),
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
            Some(Body::SetTimer(_)) => Ok(Some(Meaning::Stands { kind: MessageKind::Timer, text: String::new() })),
            None => Ok(Some(Meaning::Stands { kind: MessageKind::Newer, text: String::new() })),
            Some(
                Body::Acquaintance(_)
                | Body::ManifestNews(_)
                | Body::Introduction(_)
                | Body::Successor(_)
                | Body::Roster(_)
                | Body::Ended(_)
                | Body::ReadUpTo(_)
                | Body::SharedConversation(_)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_sent_again_says_the_same_and_what_is_changed_does_not() {
        let text = |text: &str| Body::Text(proto::Text { text: text.to_owned(), format: 1, mentions: Vec::new(), preview: None });
        let (id, other) = (MessageId::from([1; 16]), MessageId::from([2; 16]));
        let mut draft = Content::draft_with(id, 5, text("tea"), Some(other), false, 30);
        // A field of a newer version.
        draft.extend([0x9a, 6, 3, 1, 2, 3]);
        let sent =
            Content::complete(&draft, Seen { sequence: 7, running_hash: RunningHash::start(alcyon_wire::LogId::from([9; 16])) }).unwrap();
        let again = Content::renamed(&draft, other, id);
        let again =
            Content::complete(&again, Seen { sequence: 900, running_hash: RunningHash::start(alcyon_wire::LogId::from([8; 16])) }).unwrap();
        assert_ne!(sent, again);
        assert_eq!(Content::said(&sent), Content::said(&again));
        assert!(Content::said(&sent).ends_with(&[0x9a, 6, 3, 1, 2, 3]), "what is not known counts");
        for changed in [
            Content::draft_with(id, 5, text("coffee"), Some(other), false, 30),
            Content::draft_with(id, 6, text("tea"), Some(other), false, 30),
            Content::draft_with(id, 5, text("tea"), None, false, 30),
            Content::draft_with(id, 5, text("tea"), Some(other), false, 0),
        ] {
            assert_ne!(Content::said(&sent), Content::said(&changed));
        }
        for broken in [&[][..], &[0xff], &[0x0a, 200, 1], &[0xff; 40]] {
            Content::said(broken);
        }
    }
}
