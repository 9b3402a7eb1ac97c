//! Stored messages as they are shown: what they were, and what has become of them.

use std::collections::BTreeSet;

use alcyon_store::{Countdown, DeliveryState, Has, MessageKind, MessageRecord, Tx};
use alcyon_wire::{AccountId, ConversationId, MessageId, proto};
use proto::content::Body;

use super::{
    rules::{self, Deed, Done, Facts, Order, Outcome, Rights, Shape, Target, outcome},
    text::called,
};
use crate::{
    ChangeKind, ChangedView, ClientError, ContentView, Delivery, EarlierText, Event, GoesView, Line, MentionView, Message, PollOptionView,
    PollView, Position, QuoteView, ReactionView, TextFormat,
    content::{Content, Meaning},
    core::{handle_of, person_of},
    extras::{LinkPreview, card_of, point_of},
    introduction::name_of,
    local::Local,
    reading::read_by,
};

/// Characters of a message that an answer to it shows.
const QUOTED: usize = 120;

/// A stored message with all that was done to it.
pub(crate) struct Whole {
    pub(crate) record: MessageRecord,
    pub(crate) target: Target,
    content: Option<Content>,
    done: Vec<MessageRecord>,
    pub(crate) outcome: Outcome,
}

/// What the log says about a stored row.
pub(crate) fn facts_of(record: &MessageRecord) -> Facts {
    Facts { place: record.position, at_ms: record.at_ms, rights: Rights::from_number(record.rights) }
}

/// The content of a stored row, if it has one that this version reads.
pub(crate) fn content_of(record: &MessageRecord) -> Option<Content> {
    record.content.as_deref().and_then(|bytes| Content::parse(bytes).ok())
}

/// What was done, by a stored row. An edit whose text is gone is still an edit.
fn done_by(record: &MessageRecord) -> Option<Done> {
    let deed = match content_of(record).and_then(|content| content.meaning().ok().flatten()) {
        Some(Meaning::Done { deed, .. }) => deed,
        Some(Meaning::Stands { .. }) => return None,
        None if record.kind == MessageKind::Edit => Deed::Edit,
        None => return None,
    };
    Some(Done { number: record.number, sender: record.sender, facts: facts_of(record), deed })
}

impl Whole {
    pub(crate) fn load(tx: &Tx<'_>, record: MessageRecord) -> Result<Self, ClientError> {
        let content = content_of(&record);
        let shape = match (&record.kind, content.as_ref().map(|content| &content.body)) {
            (MessageKind::Message, Some(Some(Body::Poll(poll)))) => Shape::Poll { options: poll.options.len(), several: poll.several },
            (MessageKind::Message, Some(Some(Body::Text(_)))) => Shape::Text,
            // Of formats that kept the text alone.
            (MessageKind::Message, None) if record.line.is_none() && !record.text.is_empty() => Shape::Text,
            _ => Shape::Other,
        };
        let target = Target { sender: record.sender, at_ms: record.at_ms, shape };
        let rows = if record.line.is_some() { Vec::new() } else { tx.done_to(record.conversation, record.message)? };
        let (done, deeds): (Vec<_>, Vec<_>) = rows.into_iter().filter_map(|row| done_by(&row).map(|done| (row, done))).unzip();
        let outcome = outcome(&target, &deeds);
        Ok(Self { record, target, content, done, outcome })
    }

    /// The text as it is now; of something else than a text none.
    fn text(&self) -> Option<proto::Text> {
        let edit = self.outcome.edits.last().and_then(|index| self.done.get(*index)).and_then(text_in);
        edit.or_else(|| match &self.content.as_ref()?.body {
            Some(Body::Text(text)) => Some(text.clone()),
            _ => None,
        })
    }

    /// What can be read and searched for.
    pub(crate) fn words(&self) -> String {
        if self.outcome.deleted.is_some() {
            return String::new();
        }
        self.text().map_or_else(|| self.record.text.clone(), |text| text.text)
    }

    /// What can be searched for beside the words.
    pub(crate) fn carries(&self) -> Has {
        match self.content.as_ref().map(|content| &content.body) {
            Some(Some(Body::Attachment(_))) => return Has::FILE,
            Some(Some(Body::Location(_))) => return Has::PLACE,
            Some(Some(Body::Contact(_))) => return Has::CONTACT,
            _ => {}
        }
        let words = self.words();
        let link = ["https://", "http://"].iter().any(|scheme| words.contains(scheme));
        if link { Has::LINK } else { Has::default() }
    }

    /// The texts it had before the one it has now, oldest first.
    pub(crate) fn earlier(&self) -> Vec<EarlierText> {
        let Some((_, before)) = self.outcome.edits.split_last() else { return Vec::new() };
        let first = match self.content.as_ref().map(|content| &content.body) {
            Some(Some(Body::Text(text))) => text.text.clone(),
            _ => self.record.text.clone(),
        };
        let mut texts = vec![EarlierText { text: first, sent_at_ms: self.record.sent_at_ms }];
        let edits = before.iter().filter_map(|index| self.done.get(*index));
        texts.extend(edits.filter_map(|edit| Some(EarlierText { text: text_in(edit)?.text, sent_at_ms: edit.sent_at_ms })));
        texts
    }

    /// As it goes out again when it is forwarded; `None` if there is nothing that could.
    pub(crate) fn body_to_forward(&self) -> Option<Body> {
        if self.outcome.deleted.is_some() {
            return None;
        }
        match self.content.as_ref().map(|content| &content.body) {
            Some(Some(Body::Poll(poll))) => Some(Body::Poll(poll.clone())),
            // Of what is to be seen once nobody makes more.
            Some(Some(Body::Attachment(attachment))) if !attachment.view_once => Some(Body::Attachment(attachment.clone())),
            Some(Some(Body::Location(location))) => Some(Body::Location(location.clone())),
            Some(Some(Body::Contact(card))) => Some(Body::Contact(card.clone())),
            // Whom it called by name is not called elsewhere.
            _ if self.target.shape == Shape::Text => {
                let format = self.text().map(|text| text.format).unwrap_or_default();
                Some(Body::Text(proto::Text { text: self.words(), format, mentions: Vec::new(), preview: None }))
            }
            _ => None,
        }
    }
}

fn text_in(edit: &MessageRecord) -> Option<proto::Text> {
    match content_of(edit)?.body {
        Some(Body::Edit(proto::Edit { target: _, text })) => text,
        _ => None,
    }
}

/// A stored message as it is shown.
pub(crate) fn message_view(tx: &Tx<'_>, local: &Local, record: MessageRecord) -> Result<Message, ClientError> {
    let whole = Whole::load(tx, record)?;
    let content = content_view(tx, local, &whole)?;
    let text = whole.words();
    let MessageRecord {
        number: _,
        conversation,
        message,
        sender,
        own,
        text: _,
        position,
        sent_at_ms,
        delivery,
        shown: _,
        line,
        kind,
        target: _,
        content: _,
        at_ms: _,
        rights: _,
    } = whole.record;
    let line = match (kind, whole.content.as_ref().map(|content| &content.body)) {
        (MessageKind::Timer, Some(Some(Body::SetTimer(proto::SetTimer { seconds })))) => Some(Line::Timer { seconds: *seconds }),
        _ => line.map(|line| crate::line::view(tx, local, &line)).transpose()?.flatten(),
    };
    let read = !content.read_by.is_empty();
    Ok(Message {
        conversation,
        id: message,
        sender,
        sender_handle: handle_of(tx, local, sender)?,
        sender_name: name_of(tx, local, sender)?,
        own,
        text,
        position: position.map(|(term, sequence)| Position { term, sequence }),
        sent_at_ms,
        delivery: match delivery {
            DeliveryState::Queued => Delivery::Queued,
            DeliveryState::Sent | DeliveryState::Delivered if own && read => Delivery::Read,
            DeliveryState::Sent => Delivery::Sent,
            DeliveryState::Delivered => Delivery::Delivered,
            DeliveryState::Failed => Delivery::Failed,
        },
        line,
        content,
    })
}

fn content_view(tx: &Tx<'_>, local: &Local, whole: &Whole) -> Result<ContentView, ClientError> {
    let people = |accounts: &[AccountId]| accounts.iter().map(|account| person_of(tx, local, *account)).collect::<Result<Vec<_>, _>>();
    let Outcome { deleted, for_good: _, edits, reactions, votes, ended, pinned } = &whole.outcome;
    if let Some(by) = deleted {
        return Ok(ContentView { deleted: Some(person_of(tx, local, *by)?), ..ContentView::default() });
    }
    let read_by = match whole.record.position {
        Some(position) if whole.record.own && whole.record.line.is_none() => read_by(tx, whole.record.conversation, position)?,
        _ => BTreeSet::new(),
    };
    let countdown = tx.countdown(whole.record.conversation, whole.record.message)?;
    let text = whole.text();
    let mentions = text.as_ref().map(called).unwrap_or_default();
    let mentions = mentions.into_iter().map(|called| {
        let own = called.account == local.account;
        Ok::<_, ClientError>(MentionView { person: person_of(tx, local, called.account)?, own, start: called.start, end: called.end })
    });
    let poll = match whole.content.as_ref().map(|content| &content.body) {
        Some(Some(Body::Poll(proto::Poll { question: _, options, several }))) => {
            let options = (0_u32..).zip(options).map(|(index, text)| {
                let voters: Vec<_> = votes.iter().filter(|(_, chosen)| chosen.contains(&index)).map(|(account, _)| *account).collect();
                let own = voters.contains(&local.account);
                Ok::<_, ClientError>(PollOptionView { text: text.clone(), voters: people(&voters)?, own })
            });
            Some(PollView { options: options.collect::<Result<_, _>>()?, several: *several, ended: *ended, voters: votes.len() })
        }
        _ => None,
    };
    let reactions = reactions.iter().map(|(emoji, who)| {
        Ok::<_, ClientError>(ReactionView { emoji: emoji.clone(), who: people(who)?, own: who.contains(&local.account) })
    });
    let body = whole.content.as_ref().and_then(|content| content.body.as_ref());
    let reply_to = whole.content.as_ref().and_then(|content| content.reply_to);
    Ok(ContentView {
        format: text.as_ref().map(|text| TextFormat::from_number(text.format)).unwrap_or_default(),
        mentions: mentions.collect::<Result<_, _>>()?,
        reply: reply_to.map(|id| quote(tx, local, whole.record.conversation, id)).transpose()?,
        forwarded: whole.content.as_ref().is_some_and(|content| content.forwarded),
        poll,
        attachment: match whole.content.as_ref().map(|content| &content.body) {
            Some(Some(Body::Attachment(attachment))) => Some(crate::files::attachment_view(attachment)),
            _ => None,
        },
        place: match body {
            Some(Body::Location(location)) => point_of(location).ok(),
            _ => None,
        },
        contact: match body {
            Some(Body::Contact(card)) => card_of(card).ok(),
            _ => None,
        },
        preview: text.as_ref().and_then(LinkPreview::of_text),
        edited: !edits.is_empty(),
        deleted: None,
        reactions: reactions.collect::<Result<_, _>>()?,
        pinned: pinned.is_some() && pinned_in(tx, whole.record.conversation)?.contains(&whole.record.message),
        newer: whole.record.kind == MessageKind::Newer,
        read_by: read_by.into_iter().map(|account| person_of(tx, local, account)).collect::<Result<_, _>>()?,
        goes: countdown.map(|Countdown { timer_s, goes_ms }| GoesView { timer_s, at_ms: goes_ms }),
    })
}

fn quote(tx: &Tx<'_>, local: &Local, conversation: ConversationId, id: MessageId) -> Result<QuoteView, ClientError> {
    let Some(record) = tx.message(conversation, id)?.filter(|record| record.kind.stands_alone()) else {
        return Ok(QuoteView { id, sender: None, own: false, words: String::new(), deleted: false });
    };
    let sender = person_of(tx, local, record.sender)?;
    let own = record.own;
    let whole = Whole::load(tx, record)?;
    let words = whole.words();
    let mut first: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = first.char_indices().nth(QUOTED) {
        first.truncate(cut);
        first.push('…');
    }
    Ok(QuoteView { id, sender: Some(sender), own, words: first, deleted: whole.outcome.deleted.is_some() })
}

/// The pinned messages of a conversation, the newest pin first.
pub(crate) fn pinned_in(tx: &Tx<'_>, conversation: ConversationId) -> Result<Vec<MessageId>, ClientError> {
    let mut pinned: Vec<(Order, MessageId)> = Vec::new();
    for target in tx.targets_of(conversation, MessageKind::Pin)? {
        if let Some(record) = tx.message(conversation, target)? {
            pinned.extend(Whole::load(tx, record)?.outcome.pinned.map(|order| (order, target)));
        }
    }
    Ok(rules::pinned(pinned))
}

/// What is told when an own message got further. What is done to a message is told when the log has it, or if it fails.
pub(crate) fn progress(tx: &Tx<'_>, local: &Local, record: MessageRecord) -> Result<Option<Event>, ClientError> {
    if record.kind.stands_alone() {
        return Ok(Some(Event::Delivery(message_view(tx, local, record)?)));
    }
    if record.delivery == DeliveryState::Failed { changed(tx, local, &record) } else { Ok(None) }
}

/// What is told when something was done to a message that is here.
pub(crate) fn changed(tx: &Tx<'_>, local: &Local, record: &MessageRecord) -> Result<Option<Event>, ClientError> {
    let Some(Meaning::Done { kind: _, target, deed }) = content_of(record).and_then(|content| content.meaning().ok().flatten()) else {
        return Ok(None);
    };
    let Some(target) = tx.message(record.conversation, target)? else { return Ok(None) };
    let what = match deed {
        Deed::React { emoji, back } => ChangeKind::Reaction { emoji, back },
        Deed::Edit => ChangeKind::Edit,
        Deed::Delete => ChangeKind::Deletion,
        Deed::Vote(_) => ChangeKind::Vote,
        Deed::EndPoll => ChangeKind::PollEnd,
        Deed::Pin(pinned) => ChangeKind::Pin { pinned },
    };
    Ok(Some(Event::Changed(Box::new(ChangedView {
        message: message_view(tx, local, target)?,
        id: record.message,
        what,
        by: person_of(tx, local, record.sender)?,
        own: record.own,
        failed: record.delivery == DeliveryState::Failed,
    }))))
}
