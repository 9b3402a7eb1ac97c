use std::io::Write;

use alcyon_files::{FileError, Opener};
use alcyon_store::{DeviceNoteKind, TransferState, Tx};
use alcyon_wire::{ConversationId, MessageId, proto};
use prost::Message as _;
use proto::content::Body;

use super::{
    FileRoom, attachment,
    room::{AT_A_TIME, InRoom, let_others},
    transfer::unknown,
};
use crate::{AttachmentView, Client, ClientError, Clock, Transport, device::tell_seen_once};

/// A file that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// What its message says of it.
    pub attachment: AttachmentView,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Opens a fetched file. What it has written is the file only if it returns without an error, so it belongs under another name
    /// until then. A sealed file that is not what the message says is removed, and can be fetched again.
    pub async fn save_file(&self, id: MessageId, room: &impl FileRoom, file: &mut impl Write) -> Result<Saved, ClientError> {
        let record = self.core.store.transaction(|tx| tx.transfer(id))?.ok_or_else(|| unknown(id))?;
        if record.state != TransferState::Here {
            return Err(ClientError::NotFetched);
        }
        let found = proto::Attachment::decode(record.attachment.as_slice())
            .map_err(|_| ClientError::Store(alcyon_store::StoreError::Damaged("transfers")))?;
        let held = attachment::check(&found).map_err(ClientError::Unbelievable)?;
        let mut sealed = InRoom { room, name: &record.room, at: 0 };
        let mut opener = Opener::new(&held.reference);
        let opened = loop {
            match opener.step(&mut sealed, file) {
                Ok(false) if opener.opened().is_multiple_of(AT_A_TIME) => let_others().await,
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        match opened {
            Ok(()) => Ok(Saved { attachment: attachment::view(&found) }),
            Err(error @ (FileError::Io(_) | FileError::Random(_))) => Err(error.into()),
            Err(error) => {
                self.drop_fetched(id, room)?;
                Err(error.into())
            }
        }
    }

    /// The sealed bytes of a fetched file are not needed any more. Of one that was to be seen once nothing is left on this device
    /// with which it could be opened again.
    pub fn drop_fetched(&self, id: MessageId, room: &impl FileRoom) -> Result<(), ClientError> {
        let (local, now_ms) = (self.core.local()?, self.clock.now_ms());
        let dropped = self.core.store.transaction(|tx| {
            let Some(record) = tx.transfer(id)? else { return Ok(None) };
            tx.remove_transfer(id)?;
            if record.state == TransferState::Here
                && let Some(conversation) = spend(tx, id)?
            {
                tell_seen_once(tx, &local, conversation, id, now_ms)?;
            }
            Ok::<_, ClientError>(Some(record))
        })?;
        if let Some(record) = dropped {
            room.remove(&record.room).map_err(ClientError::Room)?;
            self.core.work.poke();
        }
        Ok(())
    }
}

/// Takes the key out of a message whose file was to be seen once; the conversation it is in comes back, if it is such a one.
fn spend(tx: &Tx<'_>, id: MessageId) -> Result<Option<ConversationId>, ClientError> {
    let Some(record) = tx.message_anywhere(id)? else { return Ok(None) };
    let Some(spent) = record.content.as_deref().and_then(without_key) else { return Ok(None) };
    tx.set_content(record.conversation, id, &spent)?;
    Ok(Some(record.conversation))
}

/// What is kept of a content whose file was to be seen once and was; `None` if it is no such one.
fn without_key(content: &[u8]) -> Option<Vec<u8>> {
    let mut content = proto::Content::decode(content).ok()?;
    let found = content.body.take_if(|body| matches!(body, Body::Attachment(found) if found.view_once))?;
    if let Body::Attachment(found) = found {
        content.body = Some(Body::Attachment(attachment::spent(found)));
    }
    Some(content.encode_to_vec())
}

/// Another device of this account has shown the file that was to be seen once. Its message may come here after that word.
pub(crate) fn seen_elsewhere(tx: &Tx<'_>, conversation: ConversationId, id: MessageId) -> Result<(), ClientError> {
    match tx.message_anywhere(id)? {
        None => tx.put_device_note(DeviceNoteKind::SeenOnce, id.as_bytes(), conversation.as_bytes())?,
        Some(record) if record.conversation == conversation && !record.own => {
            if spend(tx, id)?.is_some() {
                tx.remove_transfer(id)?;
            }
        }
        Some(_) => {}
    }
    Ok(())
}

/// What is to be kept of a content that has come: without its key, if a sibling has said that it was seen.
pub(crate) fn kept(tx: &Tx<'_>, conversation: ConversationId, id: MessageId, content: Vec<u8>) -> Result<Vec<u8>, ClientError> {
    if tx.device_note(DeviceNoteKind::SeenOnce, id.as_bytes())?.as_deref() != Some(conversation.as_bytes()) {
        return Ok(content);
    }
    tx.remove_device_note(DeviceNoteKind::SeenOnce, id.as_bytes())?;
    Ok(without_key(&content).unwrap_or(content))
}
