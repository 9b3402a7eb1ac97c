//! What comes in from a log: messages, and what is done to them.

use alcyon_mls::Permission;
use std::collections::BTreeSet;

use alcyon_store::{ConversationKind, DeliveryState, MessageKind, MessageRecord, TermRecord, Tx, VariantRecord};
use alcyon_wire::{AccountId, ConversationId, MessageId, payload_hash, proto::content::Body};

use super::{
    rules::{Facts, Rights, Variant, add_variant, counting},
    view::{Whole, changed, content_of, facts_of, message_view},
};
use crate::{
    ClientError, Event,
    content::{Content, Meaning},
    entry::{Step, Subject, load_group},
    local::Local,
    vanish::has_gone,
};

/// A message, or something done to one, as an entry brings it.
pub(crate) fn take(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    subject: &Subject<'_>,
    sender: AccountId,
    content: (&Content, Meaning),
    step: &mut Step,
) -> Result<(), ClientError> {
    let (Content { id: _, message: id, seen: _, sent_at_ms, body: _, reply_to: _, forwarded: _, timer_s, bytes }, meaning) = content;
    let own = sender == local.account;
    let delivery = if own { DeliveryState::Sent } else { DeliveryState::Delivered };
    let (kind, target, text) = match meaning {
        Meaning::Stands { kind, text } => (kind, None, text),
        Meaning::Done { kind, target, deed: _ } => (kind, Some(target), String::new()),
    };
    // A group's timer is in its state; and what has gone by itself does not come back, whoever sends it again.
    let misplaced = kind == MessageKind::Timer && crate::group::is_group(tx, term.conversation)?;
    if misplaced || has_gone(tx, term.conversation, target.unwrap_or(*id))? || has_gone(tx, term.conversation, *id)? {
        return Ok(());
    }
    let facts = facts_here(tx, term, subject, sender, kind)?;
    if let Some(known) = tx.message(term.conversation, *id)? {
        // In a later term it goes out again, for those who have not had it: its place is there, for all.
        if known.sender == sender {
            if let Some(place) = facts.place
                && !is_same_content(tx, &known, bytes)?
            {
                return reused(tx, local, term, &known, bytes, Facts { place: Some(place), ..facts });
            }
            if let Some(place) = facts.place {
                tx.note_place(term.conversation, *id, place)?;
            }
            tx.set_delivery(term.conversation, *id, delivery, facts.place)?;
            merge_facts(tx, &known, facts)?;
            let deletion = settle(tx, term.conversation, target.unwrap_or(*id))?;
            step.events.extend(deletion.map(|deletion| changed(tx, local, &deletion)).transpose()?.flatten());
        }
        return Ok(());
    }
    let before = target.map(|target| whole(tx, term.conversation, target)).transpose()?.flatten();
    let record = MessageRecord {
        number: 0,
        conversation: term.conversation,
        message: *id,
        sender,
        own,
        text,
        position: facts.place,
        sent_at_ms: *sent_at_ms,
        delivery,
        // Of what is done to a message there is something to show if it changes what is there.
        shown: own || target.is_some(),
        line: None,
        kind,
        target,
        content: Some(crate::files::kept(tx, term.conversation, *id, bytes.clone())?),
        at_ms: facts.at_ms,
        rights: facts.rights.number(),
    };
    tx.add_message(&record)?;
    if let Some(place) = facts.place {
        tx.note_place(term.conversation, *id, place)?;
    }
    let Some(target) = target else {
        // Sent by a sibling, it counts from when the log took it; others' from reading.
        let sent_ms = own.then(|| subject.header.time_ms.min(subject.now_ms));
        crate::vanish::came(tx, term.conversation, *id, *timer_s, sent_ms)?;
        if tx.countdown(term.conversation, *id)?.is_some_and(|countdown| countdown.goes_ms.is_some_and(|goes| goes <= subject.now_ms)) {
            // Its time was over before it came here: it is not shown at all.
            return Ok(());
        }
        if kind == MessageKind::Message {
            settle(tx, term.conversation, *id)?;
        }
        // What was deleted before it came is never shown as new; its place in the history says that it is gone.
        if whole(tx, term.conversation, *id)?.is_some_and(|whole| whole.outcome.deleted.is_some()) {
            tx.set_shown(term.conversation, *id)?;
            return Ok(());
        }
        tx.bring_back(term.conversation, subject.now_ms)?;
        step.events.push(Event::Message(message_view(tx, local, record)?));
        return Ok(());
    };
    settle(tx, term.conversation, target)?;
    let after = whole(tx, term.conversation, target)?;
    if let (Some(before), Some(after)) = (before, after)
        && before.outcome != after.outcome
    {
        if !own {
            tx.set_unshown(term.conversation, *id)?;
        }
        step.events.extend(changed(tx, local, &record)?);
    }
    Ok(())
}

/// Whether an entry says what is stored of the message under its id, and nothing else ever came under that. Of what is gone nobody can tell.
fn is_same_content(tx: &Tx<'_>, known: &MessageRecord, bytes: &[u8]) -> Result<bool, ClientError> {
    let Some(stored) = &known.content else { return Ok(true) };
    // What was seen once has lost its key here.
    if let Some(Body::Attachment(attachment)) = Content::parse(stored)?.body
        && attachment.view_once
        && attachment.key.is_empty()
    {
        return Ok(true);
    }
    Ok(Content::said(stored) == Content::said(bytes) && tx.variants(known.conversation, known.message)?.is_empty())
}

/// An id is used again, for another content: the rules say which counts.
fn reused(tx: &Tx<'_>, local: &Local, term: &TermRecord, known: &MessageRecord, bytes: &[u8], facts: Facts) -> Result<(), ClientError> {
    let (conversation, id) = (known.conversation, known.message);
    let digest = |bytes: &[u8]| *payload_hash(&Content::said(bytes)).as_bytes();
    let mut stored = tx.variants(conversation, id)?;
    if let (true, Some(content)) = (stored.is_empty(), &known.content) {
        stored.push(VariantRecord {
            digest: digest(content),
            content: content.clone(),
            first: tx.first_place(conversation, id)?.or(known.position),
            position: known.position,
            at_ms: known.at_ms,
            rights: known.rights,
        });
    }
    let mut variants: Vec<Variant<[u8; 32]>> = stored
        .iter()
        .map(|record| Variant {
            digest: record.digest,
            first: record.first,
            facts: Facts { place: record.position, at_ms: record.at_ms, rights: Rights::from_number(record.rights) },
        })
        .collect();
    let deed = Content::parse(bytes)?.meaning().is_ok_and(|meaning| matches!(meaning, Some(Meaning::Done { .. })));
    add_variant(&mut variants, Variant { digest: digest(bytes), first: facts.place, facts }, deed);
    let content_of = |wanted: &[u8; 32]| {
        let found = stored.iter().find(|record| record.digest == *wanted);
        found.map_or_else(|| bytes.to_vec(), |record| record.content.clone())
    };
    for Variant { digest, first, facts } in &variants {
        let Facts { place, at_ms, rights } = *facts;
        let record =
            VariantRecord { digest: *digest, content: content_of(digest), first: *first, position: place, at_ms, rights: rights.number() };
        tx.put_variant(conversation, id, &record)?;
    }
    let Some(Variant { digest: counts, first, facts }) = counting(&variants) else { return Ok(()) };
    let content = content_of(counts);
    let parsed = Content::parse(&content)?;
    let (kind, target, text) = match parsed.meaning() {
        Ok(Some(Meaning::Stands { kind, text })) => (kind, None, text),
        Ok(Some(Meaning::Done { kind, target, deed: _ })) => (kind, Some(target), String::new()),
        Ok(None) | Err(_) => return Ok(()),
    };
    let sent_at_ms = parsed.sent_at_ms;
    let record = MessageRecord {
        text,
        position: facts.place,
        sent_at_ms,
        kind,
        target,
        content: Some(content),
        at_ms: facts.at_ms,
        rights: facts.rights.number(),
        ..known.clone()
    };
    tx.replace_message(&record, *first)?;
    // What it was done to before, and what it is done to now.
    let touched: BTreeSet<MessageId> = [known.target.unwrap_or(id), target.unwrap_or(id)].into();
    for touched in touched {
        settle(tx, conversation, touched)?;
    }
    tracing::debug!(own = known.sender == local.account, term = term.term, "an id was used for two contents");
    Ok(())
}

/// An own entry came back from the log: it has its place, and its time.
pub(crate) fn own_echo(
    tx: &Tx<'_>,
    local: &Local,
    term: &TermRecord,
    subject: &Subject<'_>,
    id: MessageId,
) -> Result<Option<Event>, ClientError> {
    let Some(before) = tx.message(term.conversation, id)?.filter(|before| before.kind != MessageKind::Gone) else { return Ok(None) };
    let facts = facts_here(tx, term, subject, local.account, before.kind)?;
    tx.set_delivery(term.conversation, id, DeliveryState::Sent, facts.place)?;
    merge_facts(tx, &before, facts)?;
    if let Some(place) = facts.place {
        tx.note_place(term.conversation, id, place)?;
    }
    tx.start_countdown(term.conversation, id, subject.now_ms)?;
    let deletion = settle(tx, term.conversation, before.target.unwrap_or(id))?;
    let Some(record) = tx.message(term.conversation, id)? else { return Ok(None) };
    if record.target.is_some() {
        return changed(tx, local, &record);
    }
    if before.position.is_none() {
        return Ok(Some(Event::Delivery(message_view(tx, local, record)?)));
    }
    deletion.map(|deletion| changed(tx, local, &deletion)).transpose().map(Option::flatten)
}

/// What the log says about this entry.
fn facts_here(tx: &Tx<'_>, term: &TermRecord, subject: &Subject<'_>, sender: AccountId, kind: MessageKind) -> Result<Facts, ClientError> {
    let rights = match kind {
        MessageKind::Deletion | MessageKind::Pin | MessageKind::Newer => rights_in(tx, term, sender)?,
        _ => Rights::default(),
    };
    Ok(Facts { place: Some((term.term, subject.header.sequence)), at_ms: subject.header.time_ms, rights })
}

/// What an account may do in a term, as far as it has been read.
pub(crate) fn rights_in(tx: &Tx<'_>, term: &TermRecord, account: AccountId) -> Result<Rights, ClientError> {
    let kind = tx.conversation(term.conversation)?.map(|record| record.kind);
    if kind == Some(ConversationKind::Pair) {
        return Ok(Rights { admin: false, edits: true });
    }
    let group = load_group(tx, term)?;
    Ok(group
        .as_ref()
        .and_then(alcyon_mls::Group::state_of_group)
        .map_or_else(Rights::default, |state| Rights { admin: state.is_admin(account), edits: state.may(account, Permission::Edit) }))
}

fn merge_facts(tx: &Tx<'_>, known: &MessageRecord, new: Facts) -> Result<(), ClientError> {
    let old = facts_of(known);
    let facts = if known.kind.stands_alone() { old.of_message(new) } else { old.of_deed(new) };
    Ok(tx.set_facts(known.conversation, known.message, facts.at_ms, facts.rights.number())?)
}

fn whole(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<Option<Whole>, ClientError> {
    let record = tx.message(conversation, id)?.filter(|record| record.kind.stands_alone());
    record.map(|record| Whole::load(tx, record)).transpose()
}

/// Brings what is stored of a message into line with all that was done to it: the text that can be searched for is the newest,
/// and of what is deleted nothing stays. If it is gone from here on, the deletion.
pub(crate) fn settle(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<Option<MessageRecord>, ClientError> {
    let Some(whole) = whole(tx, conversation, id)? else { return Ok(None) };
    if whole.record.kind != MessageKind::Message || whole.record.line.is_some() {
        return Ok(None);
    }
    if whole.outcome.deleted.is_none() {
        tx.set_text(conversation, id, &whole.words())?;
        tx.set_has(conversation, id, whole.carries())?;
        return Ok(None);
    }
    let there = whole.record.content.is_some() || !whole.record.text.is_empty();
    if !whole.outcome.for_good || !there {
        return Ok(None);
    }
    tx.erase(conversation, id)?;
    crate::vanish::forget_introduction(tx, conversation, id)?;
    tx.set_shown(conversation, id)?;
    Ok(tx.done_to(conversation, id)?.into_iter().rfind(|done| done.kind == MessageKind::Deletion))
}

/// Something own will never go out. What it did to a message is as if it had not been done.
pub(crate) fn fail(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<Option<MessageRecord>, ClientError> {
    tx.set_delivery(conversation, id, DeliveryState::Failed, None)?;
    let record = tx.message(conversation, id)?;
    if let Some(target) = record.as_ref().and_then(|record| record.target) {
        settle(tx, conversation, target)?;
    }
    Ok(record)
}

/// Reads what an older version has kept without knowing its kind. What this version does not know either stays as it is.
pub(crate) fn read_newer(tx: &Tx<'_>, local: Option<&Local>) -> Result<(), ClientError> {
    for record in tx.newer_messages()? {
        let Some(content) = content_of(&record) else { continue };
        if let (Some(Body::Introduction(introduction)), Some(local)) = (&content.body, local) {
            crate::introduction::take(tx, local, record.conversation, record.sender, introduction)?;
            // It is no message: of its line nothing stays.
            tx.bury(record.conversation, record.message)?;
            continue;
        }
        let (kind, target, text) = match content.meaning() {
            Ok(Some(Meaning::Stands { kind: MessageKind::Newer, .. })) => continue,
            Ok(Some(Meaning::Stands { kind, text })) => (kind, None, text),
            Ok(Some(Meaning::Done { kind, target, deed: _ })) => (kind, Some(target), String::new()),
            // Kept: it does no harm where it is.
            Ok(None) | Err(_) => continue,
        };
        tx.set_kind(record.conversation, record.message, kind, target)?;
        tx.set_text(record.conversation, record.message, &text)?;
        if target.is_some() {
            tx.set_shown(record.conversation, record.message)?;
        }
        settle(tx, record.conversation, target.unwrap_or(record.message))?;
    }
    Ok(())
}
