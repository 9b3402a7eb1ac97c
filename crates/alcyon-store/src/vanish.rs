use alcyon_wire::{ConversationId, MessageId};
use rusqlite::{OptionalExtension, params};

use crate::{
    StoreError, Tx,
    column::{id, number, to_sql},
};

/// When a message goes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Countdown {
    /// Seconds from reading or sending on.
    pub timer_s: u32,
    /// Unix milliseconds, once it runs.
    pub goes_ms: Option<u64>,
}

impl Tx<'_> {
    /// The message goes after so many seconds; the countdown does not run yet.
    pub fn set_timer(&self, conversation: ConversationId, message: MessageId, timer_s: u32) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE messages SET timer_s = ?3 WHERE conversation = ?1 AND message = ?2")?.execute(params![
            conversation.as_bytes(),
            message.as_bytes(),
            timer_s
        ])?;
        Ok(())
    }

    /// When a message goes; none if it stays.
    pub fn countdown(&self, conversation: ConversationId, message: MessageId) -> Result<Option<Countdown>, StoreError> {
        self.sql
            .prepare_cached("SELECT timer_s, goes_ms FROM messages WHERE conversation = ?1 AND message = ?2 AND timer_s > 0")?
            .query_row(params![conversation.as_bytes(), message.as_bytes()], |row| {
                let goes_ms: Option<i64> = row.get(1)?;
                Ok(Countdown { timer_s: row.get(0)?, goes_ms: goes_ms.and_then(|ms| u64::try_from(ms).ok()) })
            })
            .optional()
            .map_err(Into::into)
    }

    /// The countdown of a message runs from this time on, or from an earlier one that is known already.
    pub fn start_countdown(&self, conversation: ConversationId, message: MessageId, from_ms: u64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE messages SET goes_ms = min(coalesce(goes_ms, 9223372036854775807), ?3 + timer_s * 1000)
                 WHERE conversation = ?1 AND message = ?2 AND timer_s > 0",
            )?
            .execute(params![conversation.as_bytes(), message.as_bytes(), to_sql(from_ms.min(LAST_MS))])?;
        Ok(())
    }

    /// The same of all messages of others that count as read here and don't run yet. How many.
    pub fn start_countdowns_of_read(&self, conversation: ConversationId, from_ms: u64) -> Result<usize, StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE messages SET goes_ms = ?2 + timer_s * 1000
                 WHERE conversation = ?1 AND timer_s > 0 AND goes_ms IS NULL AND own = 0
                   AND number <= (SELECT read_number FROM conversations WHERE conversation = ?1)",
            )?
            .execute(params![conversation.as_bytes(), to_sql(from_ms.min(LAST_MS))])
            .map_err(Into::into)
    }

    /// The same of all messages of others up to a position, also of those that run already from a later time on.
    pub fn start_countdowns_up_to(
        &self,
        conversation: ConversationId,
        (term, sequence): (u32, u64),
        from_ms: u64,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE messages SET goes_ms = min(coalesce(goes_ms, 9223372036854775807), ?4 + timer_s * 1000)
                 WHERE conversation = ?1 AND timer_s > 0 AND own = 0 AND (term < ?2 OR (term = ?2 AND sequence <= ?3))",
            )?
            .execute(params![conversation.as_bytes(), term, to_sql(sequence), to_sql(from_ms.min(LAST_MS))])?;
        Ok(())
    }

    /// When the next message goes.
    pub fn next_to_go(&self) -> Result<Option<u64>, StoreError> {
        self.sql
            .prepare_cached("SELECT min(goes_ms) FROM messages WHERE goes_ms IS NOT NULL")?
            .query_row([], |row| row.get::<_, Option<i64>>(0))
            .map(|ms| ms.map(|ms| u64::try_from(ms).unwrap_or(0)))
            .map_err(Into::into)
    }

    /// Messages whose time has come.
    pub fn to_go(&self, now_ms: u64) -> Result<Vec<(ConversationId, MessageId)>, StoreError> {
        let mut statement = self.sql.prepare_cached("SELECT conversation, message FROM messages WHERE goes_ms <= ?1 ORDER BY goes_ms")?;
        let rows = statement.query_map([to_sql(now_ms)], |row| Ok((id(row, 0)?, id(row, 1)?)))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Nothing is left of a message but its id, and nothing of what was done to it.
    pub fn bury(&self, conversation: ConversationId, message: MessageId) -> Result<(), StoreError> {
        self.forget_variants(conversation, message)?;
        let (conversation, message) = (conversation.as_bytes(), message.as_bytes());
        self.sql
            .prepare_cached(
                "DELETE FROM outbox WHERE conversation = ?1 AND frame IS NULL
                   AND entry_id IN (SELECT message FROM messages WHERE conversation = ?1 AND target = ?2)",
            )?
            .execute(params![conversation, message])?;
        self.sql.prepare_cached("DELETE FROM messages WHERE conversation = ?1 AND target = ?2")?.execute(params![conversation, message])?;
        self.sql
            .prepare_cached(
                "UPDATE messages SET kind = 10, text = '', content = NULL, has = 0, rights = 0, sent_at_ms = 0, timer_s = 0, goes_ms = NULL,
                   shown = 1
                 WHERE conversation = ?1 AND message = ?2",
            )?
            .execute(params![conversation, message])?;
        Ok(())
    }

    /// The message that sets the timer of a conversation of two: the last one by the log, own ones that wait after it.
    pub fn timer_message(&self, conversation: ConversationId) -> Result<Option<MessageId>, StoreError> {
        self.sql
            .prepare_cached(
                "SELECT message FROM messages WHERE conversation = ?1 AND kind = 9 AND delivery <> 4
                 ORDER BY term IS NULL DESC, term DESC, sequence DESC, number DESC LIMIT 1",
            )?
            .query_row([conversation.as_bytes()], |row| id(row, 0))
            .optional()
            .map_err(Into::into)
    }

    /// Items of the outbox of a conversation that are not made yet, by number, with what they say.
    pub fn drafts_in_outbox(&self, conversation: ConversationId) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT number, content FROM outbox WHERE conversation = ?1 AND kind = 3 AND frame IS NULL AND content IS NOT NULL ORDER BY number",
        )?;
        let rows = statement.query_map([conversation.as_bytes()], |row| Ok((number(row, 0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }
}

/// So late that a year more still fits a column.
const LAST_MS: u64 = 1 << 62;
