//! How far a conversation was read, and how it is kept in the list: the same on all devices of an account.

use alcyon_store::{Shelf, Tx};
use alcyon_wire::{ConversationId, MessageId, proto};
use proto::content::Body;

use super::{has_siblings, share};
use crate::{ClientError, files, local::Local, vanish::read_elsewhere};

/// Tells siblings how this device keeps a conversation, and how far it was read.
pub(crate) fn tell(tx: &Tx<'_>, local: &Local, conversation: ConversationId, now_ms: u64) -> Result<(), ClientError> {
    if !has_siblings(local) {
        return Ok(());
    }
    let (read_term, read_sequence) = tx.read_position(conversation)?.unwrap_or_default();
    let Shelf { muted_until_ms, archived, pinned } = tx.shelf(conversation)?;
    let marks = proto::SharedMarks {
        conversation: conversation.to_field(),
        read_term,
        read_sequence,
        shelved: true,
        muted_until_ms,
        archived,
        pinned,
        seen_once: Vec::new(),
    };
    share::tell(tx, local, Body::SharedMarks(marks), now_ms)
}

/// The same of how far it was read alone.
pub(crate) fn tell_read(tx: &Tx<'_>, local: &Local, conversation: ConversationId, now_ms: u64) -> Result<(), ClientError> {
    let Some((read_term, read_sequence)) = tx.read_position(conversation)?.filter(|_| has_siblings(local)) else { return Ok(()) };
    let marks = proto::SharedMarks { conversation: conversation.to_field(), read_term, read_sequence, ..proto::SharedMarks::default() };
    share::tell(tx, local, Body::SharedMarks(marks), now_ms)
}

/// A file that was to be seen once was seen on this device: on the others it can't be opened any more.
pub(crate) fn tell_seen_once(
    tx: &Tx<'_>,
    local: &Local,
    conversation: ConversationId,
    id: MessageId,
    now_ms: u64,
) -> Result<(), ClientError> {
    if !has_siblings(local) {
        return Ok(());
    }
    let marks =
        proto::SharedMarks { conversation: conversation.to_field(), seen_once: vec![id.to_field()], ..proto::SharedMarks::default() };
    share::tell(tx, local, Body::SharedMarks(marks), now_ms)
}

/// A sibling has told, at a time by the log.
pub(crate) fn take(tx: &Tx<'_>, marks: proto::SharedMarks, at_ms: u64, now_ms: u64) -> Result<(), ClientError> {
    let proto::SharedMarks { conversation, read_term, read_sequence, shelved, muted_until_ms, archived, pinned, seen_once } = marks;
    let conversation = ConversationId::parse(&conversation, "marks.conversation")?;
    let Some(record) = tx.conversation(conversation)? else { return Ok(()) };
    if (read_term, read_sequence) != (0, 0) {
        read_elsewhere(tx, record.conversation, (read_term, read_sequence), at_ms, now_ms)?;
    }
    for id in seen_once {
        files::seen_elsewhere(tx, record.conversation, MessageId::parse(&id, "marks.seen_once")?)?;
    }
    if shelved {
        tx.put_shelf(record.conversation, Shelf { muted_until_ms: muted_until_ms.min(Shelf::FOR_EVER), archived, pinned })?;
    }
    Ok(())
}
