use alcyon_store::TransferRecord;
use alcyon_wire::{ConversationId, MessageId, proto};
use prost::Message as _;

use crate::{Client, ClientError, Clock, Event, Transport, core::Core, files::FileRoom};

/// A file on its way, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferView {
    /// The message that the file is in, or will be.
    pub id: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// The file's name, safe to show and to write.
    pub name: String,
    /// Bytes of the file.
    pub size: u64,
    /// Which way.
    pub way: TransferWay,
    /// How it is doing.
    pub state: TransferState,
    /// Bytes that have gone over, of those on the way: the file with its padding.
    pub done: u64,
    /// Of so many.
    pub total: u64,
}

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferWay {
    /// To others.
    Up,
    /// To this device.
    Down,
}

/// How a transfer is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferState {
    /// It goes on by itself, whenever the server can be reached.
    Going,
    /// Until [`Client::resume_transfer`].
    Paused,
    /// It can't go on. The text says why; [`Client::resume_transfer`] tries again.
    Failed {
        /// Why.
        reason: String,
    },
    /// A file for this device is here and can be saved; one for others is on the server, and its message goes out.
    Complete,
    /// It was cancelled, or its message was.
    Cancelled,
}

impl<T: Transport, C: Clock> Client<T, C> {
    /// Files on their way, oldest first.
    pub fn transfers(&self) -> Result<Vec<TransferView>, ClientError> {
        Ok(self.core.store.transaction(|tx| tx.transfers())?.iter().map(view).collect())
    }

    /// Stops one until [`Self::resume_transfer`].
    pub fn pause_transfer(&self, id: MessageId) -> Result<TransferView, ClientError> {
        self.change(id, alcyon_store::TransferState::Paused)
    }

    /// Goes on with one that was paused, or has failed.
    pub fn resume_transfer(&self, id: MessageId) -> Result<TransferView, ClientError> {
        self.change(id, alcyon_store::TransferState::Going)
    }

    /// Forgets one: what was to be sent is not sent, what was fetched is gone from this device. A part that a server has goes there
    /// with its time.
    pub fn cancel_transfer(&self, id: MessageId, room: &impl FileRoom) -> Result<TransferView, ClientError> {
        let record = self.core.store.transaction(|tx| {
            let record = tx.transfer(id)?.ok_or_else(|| unknown(id))?;
            tx.remove_transfer(id)?;
            Ok::<_, ClientError>(record)
        })?;
        room.remove(&record.room).map_err(ClientError::Room)?;
        let cancelled = TransferView { state: TransferState::Cancelled, ..view(&record) };
        self.core.emit([Event::Transfer(cancelled.clone())]);
        self.core.work.poke();
        Ok(cancelled)
    }

    fn change(&self, id: MessageId, state: alcyon_store::TransferState) -> Result<TransferView, ClientError> {
        let record = self.core.store.transaction(|tx| {
            let record = tx.transfer(id)?.ok_or_else(|| unknown(id))?;
            if record.state != alcyon_store::TransferState::Here {
                tx.set_transfer_state(id, state, "")?;
            }
            tx.transfer(id)?.ok_or_else(|| unknown(id))
        })?;
        self.core.emit([Event::Transfer(view(&record))]);
        self.core.work.poke();
        Ok(view(&record))
    }
}

impl Core {
    /// The transfer as it is now, if it still goes on.
    pub(crate) fn going(&self, id: MessageId) -> Result<Option<TransferRecord>, ClientError> {
        let record = self.store.transaction(|tx| tx.transfer(id))?;
        Ok(record.filter(|record| record.state == alcyon_store::TransferState::Going))
    }
}

pub(crate) fn unknown(id: MessageId) -> ClientError {
    ClientError::Unknown { field: "file", what: id.to_text() }
}

pub(crate) fn view(record: &TransferRecord) -> TransferView {
    let TransferRecord { number: _, message, conversation, way, state, room: _, attachment, server: _, upload: _, done, length, reason } =
        record;
    let attachment = proto::Attachment::decode(attachment.as_slice()).unwrap_or_default();
    TransferView {
        id: *message,
        conversation: *conversation,
        name: alcyon_files::SafeName::of(&attachment.name).to_string(),
        size: attachment.size,
        way: match way {
            alcyon_store::TransferWay::Up => TransferWay::Up,
            alcyon_store::TransferWay::Down => TransferWay::Down,
        },
        state: match state {
            alcyon_store::TransferState::Going => TransferState::Going,
            alcyon_store::TransferState::Paused => TransferState::Paused,
            alcyon_store::TransferState::Failed => TransferState::Failed { reason: reason.clone() },
            alcyon_store::TransferState::Here => TransferState::Complete,
        },
        done: *done,
        total: *length,
    }
}
