use std::io::Write;

use alcyon_files::{FileError, Opener};
use alcyon_store::{TransferState, Tx};
use alcyon_wire::{MessageId, proto};
use prost::Message as _;

use super::{
    FileRoom, attachment,
    room::{AT_A_TIME, InRoom, let_others},
    transfer::unknown,
};
use crate::{AttachmentView, Client, ClientError, Clock, Transport};

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
        let dropped = self.core.store.transaction(|tx| {
            let Some(record) = tx.transfer(id)? else { return Ok(None) };
            tx.remove_transfer(id)?;
            if record.state == TransferState::Here {
                spend(tx, id)?;
            }
            Ok::<_, ClientError>(Some(record))
        })?;
        if let Some(record) = dropped {
            room.remove(&record.room).map_err(ClientError::Room)?;
        }
        Ok(())
    }
}

/// Takes the key out of a message whose file was to be seen once.
fn spend(tx: &Tx<'_>, id: MessageId) -> Result<(), ClientError> {
    let Some(record) = tx.message_anywhere(id)? else { return Ok(()) };
    let Some(mut content) = record.content.as_deref().and_then(|bytes| proto::Content::decode(bytes).ok()) else { return Ok(()) };
    let Some(proto::content::Body::Attachment(found)) =
        content.body.take_if(|body| matches!(body, proto::content::Body::Attachment(found) if found.view_once))
    else {
        return Ok(());
    };
    content.body = Some(proto::content::Body::Attachment(attachment::spent(found)));
    Ok(tx.set_content(record.conversation, id, &content.encode_to_vec())?)
}
