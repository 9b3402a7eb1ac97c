//! The history of a conversation, for a device that came in later: told in parts, in the conversation of the account's devices.
//!
//! Whoever has added the device tells it, once it has come into a conversation: everything up to there. A part is made when there
//! is room for it in the outbox, so that a long history needs neither memory nor space, and goes on where it was after any end.

use alcyon_store::{Countdown, DeliveryState, DeviceNoteKind, MessageKind, MessageRecord, OutboxKind, Tx};
use alcyon_wire::{AccountId, ConversationId, DeviceId, MessageId, proto};
use prost::Message;
use proto::content::Body;

use super::share;
use crate::{ClientError, files, local::Local, message::incoming::settle, vanish};

/// Bytes of a part, about.
const PART: usize = 192 * 1024;
/// Messages of a part at most.
const PART_MESSAGES: u32 = 200;
/// Items for the account's own devices that wait at a time; above it no part is added.
const WAITING: usize = 4;

/// A history that is on its way.
#[derive(Clone, PartialEq, Message)]
struct Archive {
    #[prost(bytes = "vec", tag = "1")]
    device: Vec<u8>,
    /// Messages up to this number were told, in the order of their numbers.
    #[prost(uint64, tag = "2")]
    told: u64,
    /// And up to this one are to be told.
    #[prost(uint64, tag = "3")]
    last: u64,
}

/// A sibling that this device has added is in a conversation from here on: it is told what was said before.
pub(crate) fn begin(tx: &Tx<'_>, conversation: ConversationId, device: DeviceId) -> Result<(), ClientError> {
    let last = tx.last_message_number(conversation)?;
    let about = [conversation.as_bytes().as_slice(), device.as_bytes()].concat();
    let archive = Archive { device: device.as_bytes().to_vec(), told: 0, last };
    Ok(tx.put_device_note(DeviceNoteKind::Archive, &about, &archive.encode_to_vec())?)
}

/// Puts the next parts into the outbox, as far as there is room.
pub(crate) fn tell_due(tx: &Tx<'_>, local: &Local, now_ms: u64) -> Result<(), ClientError> {
    let Some(term) = tx.own_conversation()?.map(|own| tx.term_of(own)).transpose()?.flatten() else { return Ok(()) };
    for (about, note) in tx.device_notes(DeviceNoteKind::Archive)? {
        let waiting = tx.outbox_of_log(term.log)?.iter().filter(|item| item.kind == OutboxKind::Append).count();
        if waiting >= WAITING {
            return Ok(());
        }
        let (Ok(mut archive), Some(id)) = (Archive::decode(note.as_slice()), about.get(..16)) else { continue };
        let conversation = ConversationId::parse(id, "conversation")?;
        let device = DeviceId::parse(&archive.device, "device")?;
        if !local.manifest.has_device(device) {
            tx.remove_device_note(DeviceNoteKind::Archive, &about)?;
            continue;
        }
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for (record, unread) in tx.messages_between(conversation, archive.told, archive.last, PART_MESSAGES)? {
            archive.told = record.number;
            let countdown = tx.countdown(conversation, record.message)?;
            let field = shared(record, unread, countdown);
            bytes += field.encoded_len();
            messages.push(field);
            if bytes > PART {
                break;
            }
        }
        let last = messages.is_empty();
        let part = proto::HistoryPart { device_key: device.to_field(), conversation: conversation.to_field(), messages, last };
        share::tell(tx, local, Body::HistoryPart(part), now_ms)?;
        if last {
            tx.remove_device_note(DeviceNoteKind::Archive, &about)?;
        } else {
            tx.put_device_note(DeviceNoteKind::Archive, &about, &archive.encode_to_vec())?;
        }
    }
    Ok(())
}

fn shared(record: MessageRecord, unread: bool, countdown: Option<Countdown>) -> proto::SharedMessage {
    let MessageRecord {
        number: _,
        conversation: _,
        message,
        sender,
        own: _,
        text,
        position,
        sent_at_ms,
        delivery,
        shown: _,
        line,
        kind,
        target,
        content,
        at_ms,
        rights,
    } = record;
    let (term, sequence) = position.unwrap_or_default();
    proto::SharedMessage {
        message: message.to_field(),
        sender: sender.to_field(),
        text,
        placed: position.is_some(),
        term,
        sequence,
        sent_at_ms,
        delivery: u32::try_from(delivery.number()).unwrap_or_default(),
        line: line.unwrap_or_default().into(),
        kind: u32::try_from(kind.number()).unwrap_or_default(),
        target: target.map(|target| target.to_field()).unwrap_or_default(),
        content: content.unwrap_or_default().into(),
        at_ms,
        rights,
        unread,
        timer_s: countdown.map_or(0, |countdown| countdown.timer_s),
        goes_ms: countdown.and_then(|countdown| countdown.goes_ms).unwrap_or_default(),
    }
}

/// A part has come. What is here already stays as it is. The conversation, if there is more of it now.
pub(crate) fn take(tx: &Tx<'_>, local: &Local, part: proto::HistoryPart) -> Result<Option<ConversationId>, ClientError> {
    let proto::HistoryPart { device_key, conversation, messages, last: _ } = part;
    if DeviceId::parse(&device_key, "history.device_key")? != local.device.id() {
        return Ok(None);
    }
    let conversation = ConversationId::parse(&conversation, "history.conversation")?;
    let Some(record) = tx.conversation(conversation)? else { return Ok(None) };
    let mut more = None;
    for message in messages {
        let (read, timer_s, goes_ms) = (!message.unread, message.timer_s, message.goes_ms);
        let Some(mut message) = message_of(local, record.conversation, message)? else { continue };
        if let Some(content) = message.content.take() {
            message.content = Some(files::kept(tx, message.conversation, message.message, content)?);
        }
        if tx.add_message(&message)? {
            more = Some(conversation);
            if read {
                tx.set_read_elsewhere(message.conversation, message.message)?;
            }
            let from_ms = (goes_ms > 0).then(|| goes_ms.saturating_sub(u64::from(timer_s) * 1000));
            vanish::came(tx, message.conversation, message.message, timer_s, from_ms)?;
            // What was done to it may have come before it.
            settle(tx, message.conversation, message.target.unwrap_or(message.message))?;
        }
    }
    Ok(more)
}

fn message_of(local: &Local, conversation: ConversationId, shared: proto::SharedMessage) -> Result<Option<MessageRecord>, ClientError> {
    let proto::SharedMessage {
        message,
        sender,
        text,
        placed,
        term,
        sequence,
        sent_at_ms,
        delivery,
        line,
        kind,
        target,
        content,
        at_ms,
        rights,
        unread: _,
        timer_s: _,
        goes_ms: _,
    } = shared;
    let delivery = DeliveryState::ALL.iter().find(|(_, number)| *number == i64::from(delivery)).map(|(state, _)| *state);
    let kind = MessageKind::ALL.iter().find(|(_, number)| *number == i64::from(kind)).map(|(kind, _)| *kind);
    let (Some(delivery), Some(kind)) = (delivery, kind) else { return Ok(None) };
    let sender = AccountId::parse(&sender, "history.sender")?;
    Ok(Some(MessageRecord {
        number: 0,
        conversation,
        message: MessageId::parse(&message, "history.message")?,
        sender,
        own: sender == local.account,
        text,
        position: placed.then_some((term, sequence)),
        sent_at_ms,
        delivery,
        shown: true,
        line: (!line.is_empty()).then(|| line.to_vec()),
        kind,
        target: if target.is_empty() { None } else { Some(MessageId::parse(&target, "history.target")?) },
        content: (!content.is_empty()).then(|| content.to_vec()),
        at_ms,
        rights,
    }))
}
