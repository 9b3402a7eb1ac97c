use alcyon_wire::{ConversationId, DeviceId, SeatId};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    StoreError, Tx,
    column::{id, maybe_id, number, stored_enum, to_sql},
};

stored_enum! {
    /// What a device notes about itself and its siblings.
    DeviceNoteKind {
        /// This profile is on its way into an account. About nothing.
        Linking = 1,
        /// A sibling that the person has confirmed, and that is not in yet. About the log where the two meet.
        Adding = 2,
        /// For which manifest a term was shared with siblings. About the term's log.
        Shared = 3,
        /// When siblings were last asked for a conversation. About the conversation.
        Asked = 4,
        /// A history that is on its way to a sibling. About a conversation and a device.
        Archive = 5,
        /// This device was removed from the account. About nothing.
        Removed = 6,
        /// A request that a sibling has decided on before this device knew of it. About the request.
        Decided = 7,
        /// A sibling's leaf that is to be taken out. About a term's log.
        Removal = 8,
        /// From which commit count on a term is read on a seat that a sibling has lent. About the term's log.
        Lent = 9,
        /// A file that was to be seen once and that a sibling has shown, before its message came here. About the message.
        SeenOnce = 10,
        /// The place in the line of newcomers while this account signs up. About nothing.
        Ticket = 11,
        /// What is remembered of a server, to find the way back to it. About its URL.
        Server = 12,
        /// A stamp that has not paid for anything yet. About its number.
        Stamp = 13,
    }
}

/// A device of this account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// The device.
    pub device: DeviceId,
    /// As the person calls it.
    pub name: String,
    /// When it came into the account, by the clock of who added it.
    pub added_ms: u64,
    /// Its seat at the inbox, if known.
    pub inbox_seat: Option<SeatId>,
    /// Added by this device.
    pub added_here: bool,
}

/// What a note is about, and what it says.
pub type DeviceNote = (Vec<u8>, Vec<u8>);

fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    Ok(DeviceRecord {
        device: id(row, 0)?,
        name: row.get(1)?,
        added_ms: number(row, 2)?,
        inbox_seat: maybe_id(row, 3)?,
        added_here: row.get(4)?,
    })
}

impl Tx<'_> {
    /// The devices of this account that were heard of, the oldest first.
    pub fn devices(&self) -> Result<Vec<DeviceRecord>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT device, name, added_ms, inbox_seat, added_here FROM devices ORDER BY added_ms, device")?;
        let rows = statement.query_map([], device)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// One of them.
    pub fn device(&self, which: DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        self.sql
            .prepare_cached("SELECT device, name, added_ms, inbox_seat, added_here FROM devices WHERE device = ?1")?
            .query_row([which.as_bytes()], device)
            .optional()
            .map_err(Into::into)
    }

    /// Writes a device, over the one that is there.
    pub fn put_device(&self, record: &DeviceRecord) -> Result<(), StoreError> {
        let DeviceRecord { device, name, added_ms, inbox_seat, added_here } = record;
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO devices (device, name, added_ms, inbox_seat, added_here) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                device.as_bytes(),
                name,
                to_sql(*added_ms),
                inbox_seat.as_ref().map(|seat| seat.as_bytes().as_slice()),
                added_here
            ])?;
        Ok(())
    }

    /// Forgets a device.
    pub fn remove_device(&self, which: DeviceId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM devices WHERE device = ?1")?.execute([which.as_bytes()])?;
        Ok(())
    }

    /// What was noted.
    pub fn device_note(&self, kind: DeviceNoteKind, about: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.sql
            .prepare_cached("SELECT value FROM device_notes WHERE kind = ?1 AND about = ?2")?
            .query_row(params![kind.number(), about], |row| row.get(0))
            .optional()
            .map_err(Into::into)
    }

    /// All notes of a kind.
    pub fn device_notes(&self, kind: DeviceNoteKind) -> Result<Vec<DeviceNote>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT about, value FROM device_notes WHERE kind = ?1 ORDER BY about")?;
        let rows = statement.query_map([kind.number()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Notes something, over what was noted before.
    pub fn put_device_note(&self, kind: DeviceNoteKind, about: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.sql.prepare_cached("INSERT OR REPLACE INTO device_notes (kind, about, value) VALUES (?1, ?2, ?3)")?.execute(params![
            kind.number(),
            about,
            value
        ])?;
        Ok(())
    }

    /// Forgets what was noted.
    pub fn remove_device_note(&self, kind: DeviceNoteKind, about: &[u8]) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM device_notes WHERE kind = ?1 AND about = ?2")?.execute(params![kind.number(), about])?;
        Ok(())
    }

    /// The conversation of the account's own devices, if there is one.
    pub fn own_conversation(&self) -> Result<Option<ConversationId>, StoreError> {
        self.sql
            .prepare_cached("SELECT conversation FROM conversations WHERE kind = 3 ORDER BY created_ms, conversation LIMIT 1")?
            .query_row([], |row| id(row, 0))
            .optional()
            .map_err(Into::into)
    }
}
