use alcyon_wire::{ConversationId, MessageId, ServerUrl};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    StoreError, Tx,
    column::{id, maybe_id, number, parsed, stored_enum, to_sql},
};

stored_enum! {
    /// Which way a file goes.
    TransferWay {
        /// To a server; then its message goes out.
        Up = 1,
        /// From a server.
        Down = 2,
    }
}

stored_enum! {
    /// How a transfer is doing.
    TransferState {
        /// It goes on by itself.
        Going = 1,
        /// Until somebody says that it goes on.
        Paused = 2,
        /// It can't go on; somebody may try it again.
        Failed = 3,
        /// All of it is on this device.
        Here = 4,
    }
}

/// A file on its way. What is on its way are sealed bytes, in a file of this device that the program keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRecord {
    /// Order of the transfers; 0 before it is stored.
    pub number: u64,
    /// The message that the file is in, or will be.
    pub message: MessageId,
    /// Where.
    pub conversation: ConversationId,
    /// Which way.
    pub way: TransferWay,
    /// How it is doing.
    pub state: TransferState,
    /// The name of the sealed bytes on this device.
    pub room: String,
    /// An Attachment; of an upload without the blob.
    pub attachment: Vec<u8>,
    /// The server that has or gets it.
    pub server: ServerUrl,
    /// Of an upload that has begun: its secret.
    pub upload: Option<[u8; 32]>,
    /// Sealed bytes that have gone over.
    pub done: u64,
    /// Of so many.
    pub length: u64,
    /// Why it can't go on; empty if it can.
    pub reason: String,
}

const COLUMNS: &str = "number, message, conversation, way, state, room, attachment, server, upload, done, length, reason";

fn transfer(row: &Row<'_>) -> rusqlite::Result<TransferRecord> {
    Ok(TransferRecord {
        number: number(row, 0)?,
        message: id(row, 1)?,
        conversation: id(row, 2)?,
        way: TransferWay::column(row, 3)?,
        state: TransferState::column(row, 4)?,
        room: row.get(5)?,
        attachment: row.get(6)?,
        server: parsed(row, 7)?,
        upload: maybe_id(row, 8)?,
        done: number(row, 9)?,
        length: number(row, 10)?,
        reason: row.get(11)?,
    })
}

impl Tx<'_> {
    /// Stores a transfer; one with the same message is replaced, and its number stays.
    pub fn put_transfer(&self, record: &TransferRecord) -> Result<(), StoreError> {
        let TransferRecord { number: _, message, conversation, way, state, room, attachment, server, upload, done, length, reason } =
            record;
        self.sql
            .prepare_cached(
                "INSERT INTO transfers (message, conversation, way, state, room, attachment, server, upload, done, length, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                 ON CONFLICT (message) DO UPDATE SET conversation = ?2, way = ?3, state = ?4, room = ?5, attachment = ?6, server = ?7,
                   upload = ?8, done = ?9, length = ?10, reason = ?11",
            )?
            .execute(params![
                message.as_bytes(),
                conversation.as_bytes(),
                way.number(),
                state.number(),
                room,
                attachment,
                server.to_text(),
                upload,
                to_sql(*done),
                to_sql(*length),
                reason
            ])?;
        Ok(())
    }

    /// The transfer of a message's file.
    pub fn transfer(&self, message: MessageId) -> Result<Option<TransferRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM transfers WHERE message = ?1"))?
            .query_row([message.as_bytes()], transfer)
            .optional()
            .map_err(Into::into)
    }

    /// All of them, oldest first.
    pub fn transfers(&self) -> Result<Vec<TransferRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM transfers ORDER BY number"))?;
        let rows = statement.query_map([], transfer)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// So many sealed bytes have gone over.
    pub fn set_transferred(&self, message: MessageId, done: u64) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE transfers SET done = ?2 WHERE message = ?1")?.execute(params![message.as_bytes(), to_sql(done)])?;
        Ok(())
    }

    /// The upload has begun, or has to begin anew.
    pub fn set_upload(&self, message: MessageId, upload: Option<&[u8; 32]>) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE transfers SET upload = ?2 WHERE message = ?1")?.execute(params![message.as_bytes(), upload])?;
        Ok(())
    }

    /// How it is doing from here on, and why.
    pub fn set_transfer_state(&self, message: MessageId, state: TransferState, reason: &str) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE transfers SET state = ?2, reason = ?3 WHERE message = ?1")?.execute(params![
            message.as_bytes(),
            state.number(),
            reason
        ])?;
        Ok(())
    }

    /// It is over, or not wanted any more.
    pub fn remove_transfer(&self, message: MessageId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM transfers WHERE message = ?1")?.execute([message.as_bytes()])?;
        Ok(())
    }
}
