use alcyon_wire::ConversationId;
use rusqlite::{OptionalExtension, params};

use crate::{
    StoreError, Tx,
    column::{number, to_sql},
};

/// Where a person keeps a conversation in the list. It is apart from [`crate::ConversationRecord`]: whatever happens to the
/// conversation, this stays as it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shelf {
    /// Muted up to here, Unix milliseconds: 0 is not muted, [`Shelf::FOR_EVER`] until somebody unmutes.
    pub muted_until_ms: u64,
    /// Out of the list.
    pub archived: bool,
    /// 0, or the place among those pinned: 1, 2, ..., with gaps.
    pub pinned: u64,
}

impl Shelf {
    /// Muted without an end: 2^63-1, the largest number a column holds.
    pub const FOR_EVER: u64 = i64::MAX as u64;
}

impl Tx<'_> {
    /// Where a conversation is kept; as if nothing was said if it is not there.
    pub fn shelf(&self, conversation: ConversationId) -> Result<Shelf, StoreError> {
        let found = self
            .sql
            .prepare_cached("SELECT muted_until_ms, archived, pinned FROM conversations WHERE conversation = ?1")?
            .query_row([conversation.as_bytes()], |row| {
                Ok(Shelf { muted_until_ms: number(row, 0)?, archived: row.get(1)?, pinned: number(row, 2)? })
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }

    /// Keeps a conversation so from here on. Without effect if it is not there.
    pub fn put_shelf(&self, conversation: ConversationId, shelf: Shelf) -> Result<(), StoreError> {
        let Shelf { muted_until_ms, archived, pinned } = shelf;
        self.sql
            .prepare_cached("UPDATE conversations SET muted_until_ms = ?2, archived = ?3, pinned = ?4 WHERE conversation = ?1")?
            .execute(params![conversation.as_bytes(), to_sql(muted_until_ms), archived, to_sql(pinned)])?;
        Ok(())
    }

    /// The place behind all that are pinned.
    pub fn next_pin(&self) -> Result<u64, StoreError> {
        self.sql
            .prepare_cached("SELECT max(pinned) + 1 FROM conversations")?
            .query_row([], |row| row.get::<_, Option<i64>>(0))
            .map(|next| next.and_then(|next| u64::try_from(next).ok()).unwrap_or(1))
            .map_err(Into::into)
    }

    /// A new message is there: an archived conversation comes back into the list, unless it is muted now.
    pub fn bring_back(&self, conversation: ConversationId, now_ms: u64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE conversations SET archived = 0 WHERE conversation = ?1 AND archived = 1 AND muted_until_ms <= ?2")?
            .execute(params![conversation.as_bytes(), to_sql(now_ms)])?;
        Ok(())
    }
}
