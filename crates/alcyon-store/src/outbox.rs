use alcyon_wire::{ConversationId, EntryId, LogId, MessageId, PayloadHash, ServerUrl};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    StoreError, Tx,
    column::{id, maybe_id, number, parsed, stored_enum, to_sql, wrong},
};

stored_enum! {
    /// What an item of the outbox does.
    OutboxKind {
        /// Creates a log.
        Create = 1,
        /// Puts a chunk of a ratchet tree.
        PutTree = 2,
        /// Appends an application entry.
        Append = 3,
        /// Commits.
        Commit = 4,
        /// Closes a log.
        Close = 5,
        /// Drops own seats.
        Leave = 6,
        /// Knocks at an inbox.
        Knock = 7,
        /// Changes the passes or the seats of the own inbox.
        SetPasses = 8,
        /// Finds an account, makes the group and fills the outbox with what follows.
        Start = 9,
        /// Comes in anew by an external commit. It goes before everything else of its log.
        Rejoin = 10,
        /// A commit of a group: what it is to do is in the content, and it is made when it can go.
        Act = 11,
        /// Comes into a group by a door. It goes before everything else of its log.
        ComeIn = 12,
        /// Opens the next term of a conversation. It has no log yet: its log is the conversation's id.
        NextTerm = 13,
        /// Commits this device onto a seat that it alone knows. It waits behind everything else of its log.
        TakeSeat = 14,
        /// Commits the leaves of removed devices of this account out of the group, and their seats with them.
        TakeOut = 15,
    }
}

/// Something that has to reach a server.
#[derive(Debug, Clone)]
pub struct OutboxItem {
    /// Order in the outbox.
    pub number: u64,
    /// What it does.
    pub kind: OutboxKind,
    /// For which conversation.
    pub conversation: Option<ConversationId>,
    /// At which server.
    pub server: ServerUrl,
    /// At which log. Items of a log go out one after the other.
    pub log: LogId,
    /// The entry id; of items that make no entry, random.
    pub entry_id: EntryId,
    /// 0, or an item that has to be gone first.
    pub after: u64,
    /// Plaintext Content of an application entry.
    pub content: Option<Vec<u8>>,
    /// Body of the frame, as it was or will be sent.
    pub frame: Option<Vec<u8>>,
    /// Not to be sent before this time.
    pub not_before_ms: u64,
}

/// An item to be put into the outbox.
#[derive(Debug, Clone)]
pub struct NewOutboxItem<'a> {
    /// What it does.
    pub kind: OutboxKind,
    /// For which conversation.
    pub conversation: Option<ConversationId>,
    /// At which server.
    pub server: &'a ServerUrl,
    /// At which log.
    pub log: LogId,
    /// The entry id.
    pub entry_id: EntryId,
    /// 0, or an item that has to be gone first.
    pub after: u64,
    /// Plaintext Content.
    pub content: Option<&'a [u8]>,
    /// Body of the frame.
    pub frame: Option<&'a [u8]>,
}

const COLUMNS: &str = "number, kind, conversation, server, log, entry_id, after, content, frame, not_before_ms";

fn item(row: &Row<'_>) -> rusqlite::Result<OutboxItem> {
    Ok(OutboxItem {
        number: number(row, 0)?,
        kind: OutboxKind::column(row, 1)?,
        conversation: maybe_id(row, 2)?,
        server: parsed(row, 3)?,
        log: id(row, 4)?,
        entry_id: id(row, 5)?,
        after: number(row, 6)?,
        content: row.get(7)?,
        frame: row.get(8)?,
        not_before_ms: number(row, 9)?,
    })
}

impl Tx<'_> {
    /// Puts an item at the end; returns its number.
    pub fn add_outbox(&self, new: &NewOutboxItem<'_>) -> Result<u64, StoreError> {
        let NewOutboxItem { kind, conversation, server, log, entry_id, after, content, frame } = new;
        self.sql
            .prepare_cached(
                "INSERT INTO outbox (kind, conversation, server, log, entry_id, after, content, frame, not_before_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)",
            )?
            .execute(params![
                kind.number(),
                conversation.as_ref().map(|conversation| conversation.as_bytes().as_slice()),
                server.to_text(),
                log.as_bytes(),
                entry_id.as_bytes(),
                to_sql(*after),
                content,
                frame
            ])?;
        u64::try_from(self.sql.last_insert_rowid()).map_err(|_| StoreError::Damaged("outbox"))
    }

    /// The first item of each log, of one server or of all, whose predecessor is gone.
    pub fn outbox_heads(&self, server: Option<&ServerUrl>) -> Result<Vec<OutboxItem>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox o
             WHERE number = (SELECT number FROM outbox WHERE log = o.log ORDER BY kind IN (10, 12) DESC, kind = 14, number LIMIT 1)
               AND NOT EXISTS (SELECT 1 FROM outbox WHERE number = o.after) AND (?1 IS NULL OR server = ?1)
             ORDER BY number"
        ))?;
        let rows = statement.query_map([server.map(ServerUrl::to_text)], item)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Servers that items wait for.
    pub fn outbox_servers(&self) -> Result<Vec<ServerUrl>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT DISTINCT server FROM outbox ORDER BY server")?;
        let rows = statement.query_map([], |row| parsed(row, 0))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// An item by its number.
    pub fn outbox_item(&self, item_number: u64) -> Result<Option<OutboxItem>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE number = ?1"))?
            .query_row([to_sql(item_number)], item)
            .optional()
            .map_err(Into::into)
    }

    /// The items that are to follow one.
    pub fn outbox_after(&self, item_number: u64) -> Result<Vec<OutboxItem>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE after = ?1 ORDER BY number"))?;
        let rows = statement.query_map([to_sql(item_number)], item)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Removes the items that were to follow one.
    pub fn remove_outbox_after(&self, item_number: u64) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM outbox WHERE after = ?1")?.execute([to_sql(item_number)])?;
        Ok(())
    }

    /// An item by its log and entry id.
    pub fn outbox_by_entry(&self, log: LogId, entry_id: EntryId) -> Result<Option<OutboxItem>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE log = ?1 AND entry_id = ?2"))?
            .query_row(params![log.as_bytes(), entry_id.as_bytes()], item)
            .optional()
            .map_err(Into::into)
    }

    /// Items for a log.
    pub fn outbox_of_log(&self, log: LogId) -> Result<Vec<OutboxItem>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE log = ?1 ORDER BY number"))?;
        let rows = statement.query_map([log.as_bytes()], item)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Sets or takes away the frame of an item.
    pub fn set_outbox_frame(&self, item_number: u64, frame: Option<&[u8]>) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE outbox SET frame = ?2 WHERE number = ?1")?.execute(params![to_sql(item_number), frame])?;
        Ok(())
    }

    /// Takes the frames of a log's entries away, so that they are made anew; their hashes are forgotten with them.
    pub fn clear_entry_frames(&self, log: LogId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "DELETE FROM own_entries WHERE log = ?1 AND entry_id IN (SELECT entry_id FROM outbox WHERE log = ?1 AND kind IN (3, 4, 5, 14, 15))",
            )?
            .execute([log.as_bytes()])?;
        self.sql
            .prepare_cached("UPDATE outbox SET frame = NULL WHERE log = ?1 AND kind IN (3, 4, 5, 14, 15)")?
            .execute([log.as_bytes()])?;
        Ok(())
    }

    /// The log that a queued start will make.
    pub fn queued_start(&self, conversation: ConversationId) -> Result<Option<LogId>, StoreError> {
        self.sql
            .prepare_cached("SELECT log FROM outbox WHERE conversation = ?1 AND kind = 9")?
            .query_row([conversation.as_bytes()], |row| id(row, 0))
            .optional()
            .map_err(Into::into)
    }

    /// Removes the knocks that wait for a conversation.
    pub fn remove_knocks(&self, conversation: ConversationId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM outbox WHERE conversation = ?1 AND kind = 7")?.execute([conversation.as_bytes()])?;
        Ok(())
    }

    /// Removes everything that waits for a log.
    pub fn clear_outbox_of_log(&self, log: LogId) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM outbox WHERE log = ?1")?.execute([log.as_bytes()])?;
        Ok(())
    }

    /// An item has to wait.
    pub fn delay_outbox(&self, item_number: u64, not_before_ms: u64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE outbox SET not_before_ms = ?2 WHERE number = ?1")?
            .execute([to_sql(item_number), to_sql(not_before_ms)])?;
        Ok(())
    }

    /// An item is done with.
    pub fn remove_outbox(&self, item_number: u64) -> Result<(), StoreError> {
        self.sql.prepare_cached("DELETE FROM outbox WHERE number = ?1")?.execute([to_sql(item_number)])?;
        Ok(())
    }

    /// Remembers the payload that this device has made for an entry.
    pub fn put_own_entry(&self, log: LogId, entry_id: EntryId, hash: &PayloadHash) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO own_entries (log, entry_id, payload_hash) VALUES (?1, ?2, ?3)")?
            .execute(params![log.as_bytes(), entry_id.as_bytes(), hash.as_bytes()])?;
        Ok(())
    }

    /// The payload that this device has made for an entry whose echo has not come yet.
    pub fn own_entry(&self, log: LogId, entry_id: EntryId) -> Result<Option<PayloadHash>, StoreError> {
        self.sql
            .prepare_cached("SELECT payload_hash FROM own_entries WHERE log = ?1 AND entry_id = ?2")?
            .query_row(params![log.as_bytes(), entry_id.as_bytes()], |row| {
                PayloadHash::parse(row.get_ref(0)?.as_blob()?, "payload_hash").map_err(|_| wrong(0))
            })
            .optional()
            .map_err(Into::into)
    }

    /// Remembers which message such an entry carries.
    pub fn note_own_message(&self, log: LogId, entry_id: EntryId, message: MessageId) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE own_entries SET message = ?3 WHERE log = ?1 AND entry_id = ?2")?.execute(params![
            log.as_bytes(),
            entry_id.as_bytes(),
            message.as_bytes()
        ])?;
        Ok(())
    }

    /// The message that an own entry carries whose echo has not come yet.
    pub fn own_entry_message(&self, log: LogId, entry_id: EntryId) -> Result<Option<MessageId>, StoreError> {
        self.sql
            .prepare_cached("SELECT message FROM own_entries WHERE log = ?1 AND entry_id = ?2")?
            .query_row(params![log.as_bytes(), entry_id.as_bytes()], |row| maybe_id(row, 0))
            .optional()
            .map(Option::flatten)
            .map_err(Into::into)
    }

    /// The echo has come.
    pub fn remove_own_entry(&self, log: LogId, entry_id: EntryId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM own_entries WHERE log = ?1 AND entry_id = ?2")?
            .execute(params![log.as_bytes(), entry_id.as_bytes()])?;
        Ok(())
    }
}
