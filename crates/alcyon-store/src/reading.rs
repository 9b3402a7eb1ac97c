use alcyon_wire::{AccountId, ConversationId};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    StoreError, Tx,
    column::{id, number, to_sql, wrong},
    message::SAYS_SOMETHING,
};

/// How far somebody else has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Who.
    pub account: AccountId,
    /// Term and sequence up to which.
    pub position: (u32, u64),
    /// Header time of the entry that said so.
    pub at_ms: u64,
}

/// How far others were told that this account has read, and when they are to be told further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Term and sequence; (0, 0) if nothing was told.
    pub position: (u32, u64),
    /// Unix milliseconds; none if there is nothing to tell.
    pub tell_ms: Option<u64>,
}

fn position(row: &Row<'_>, index: usize) -> rusqlite::Result<(u32, u64)> {
    Ok((row.get(index)?, number(row, index + 1)?))
}

impl Tx<'_> {
    /// How far others have read.
    pub fn receipts(&self, conversation: ConversationId) -> Result<Vec<Receipt>, StoreError> {
        let mut statement = self
            .sql
            .prepare_cached("SELECT account, term, sequence, at_ms FROM receipts WHERE conversation = ?1 ORDER BY at_ms, account")?;
        let rows = statement.query_map([conversation.as_bytes()], |row| {
            Ok(Receipt { account: id(row, 0)?, position: position(row, 1)?, at_ms: number(row, 3)? })
        })?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Somebody has read so far. Returns where they had been, if it is further than that.
    pub fn put_receipt(&self, conversation: ConversationId, receipt: &Receipt) -> Result<Option<(u32, u64)>, StoreError> {
        let Receipt { account, position: (term, sequence), at_ms } = receipt;
        let before = self
            .sql
            .prepare_cached("SELECT term, sequence FROM receipts WHERE conversation = ?1 AND account = ?2")?
            .query_row(params![conversation.as_bytes(), account.as_bytes()], |row| position(row, 0))
            .optional()?
            .unwrap_or_default();
        if before >= (*term, *sequence) {
            return Ok(None);
        }
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO receipts (conversation, account, term, sequence, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![conversation.as_bytes(), account.as_bytes(), term, to_sql(*sequence), to_sql(*at_ms)])?;
        Ok(Some(before))
    }

    /// The place of the last message of others that counts as read here.
    pub fn read_up_to(&self, conversation: ConversationId) -> Result<Option<(u32, u64)>, StoreError> {
        self.sql
            .prepare_cached(&format!(
                "SELECT term, sequence FROM messages WHERE conversation = ?1 AND own = 0 AND line IS NULL AND {SAYS_SOMETHING}
                   AND term IS NOT NULL AND number <= (SELECT read_number FROM conversations WHERE conversation = ?1)
                 ORDER BY term DESC, sequence DESC LIMIT 1"
            ))?
            .query_row([conversation.as_bytes()], |row| position(row, 0))
            .optional()
            .map_err(Into::into)
    }

    /// What others were told.
    pub fn told(&self, conversation: ConversationId) -> Result<Told, StoreError> {
        let found = self
            .sql
            .prepare_cached("SELECT told_term, told_sequence, tell_ms FROM conversations WHERE conversation = ?1")?
            .query_row([conversation.as_bytes()], |row| {
                let tell_ms: Option<i64> = row.get(2)?;
                Ok(Told { position: position(row, 0)?, tell_ms: tell_ms.map(u64::try_from).transpose().map_err(|_| wrong(2))? })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Keeps that.
    pub fn put_told(&self, conversation: ConversationId, told: Told) -> Result<(), StoreError> {
        let Told { position: (term, sequence), tell_ms } = told;
        self.sql
            .prepare_cached("UPDATE conversations SET told_term = ?2, told_sequence = ?3, tell_ms = ?4 WHERE conversation = ?1")?
            .execute(params![conversation.as_bytes(), term, to_sql(sequence), tell_ms.map(to_sql)])?;
        Ok(())
    }

    /// Conversations in which others are to be told something, the first one due first.
    pub fn to_tell(&self) -> Result<Vec<(ConversationId, u64)>, StoreError> {
        let mut statement =
            self.sql.prepare_cached("SELECT conversation, tell_ms FROM conversations WHERE tell_ms IS NOT NULL ORDER BY tell_ms")?;
        let rows = statement.query_map([], |row| Ok((id(row, 0)?, number(row, 1)?)))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }
}
