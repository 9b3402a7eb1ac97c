use std::io::Write;

use alcyon_files::{FileError, Opener};
use alcyon_store::TransferState;
use alcyon_wire::{MessageId, proto};
use prost::Message as _;

use super::{FileRoom, attachment, room::InRoom, transfer::unknown};
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
    pub fn save_file(&self, id: MessageId, room: &impl FileRoom, file: &mut impl Write) -> Result<Saved, ClientError> {
        let record = self.core.store.transaction(|tx| tx.transfer(id))?.ok_or_else(|| unknown(id))?;
        if record.state != TransferState::Here {
            return Err(ClientError::NotFetched);
        }
        let found = proto::Attachment::decode(record.attachment.as_slice())
            .map_err(|_| ClientError::Store(alcyon_store::StoreError::Damaged("transfers")))?;
        let held = attachment::check(&found).map_err(ClientError::Unbelievable)?;
        let mut sealed = InRoom { room, name: &record.room, at: 0 };
        match Opener::new(&held.reference).open(&mut sealed, file) {
            Ok(()) => Ok(Saved { attachment: held.view }),
            Err(error @ (FileError::Io(_) | FileError::Random(_))) => Err(error.into()),
            Err(error) => {
                self.drop_fetched(id, room)?;
                Err(error.into())
            }
        }
    }

    /// The sealed bytes of a fetched file are not needed any more.
    pub fn drop_fetched(&self, id: MessageId, room: &impl FileRoom) -> Result<(), ClientError> {
        if let Some(record) = self.core.store.transaction(|tx| tx.transfer(id))? {
            self.core.store.transaction(|tx| tx.remove_transfer(id))?;
            room.remove(&record.room).map_err(ClientError::Room)?;
        }
        Ok(())
    }
}
