use alcyon_wire::{AccountId, ConversationId};
use rusqlite::{OptionalExtension, params};

use crate::{
    StoreError, Tx,
    column::{id, number, to_sql},
    message::SAYS_SOMETHING,
};

/// What an account has said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntroductionRecord {
    /// Which account.
    pub account: AccountId,
    /// Its name, made safe; empty for none.
    pub name: String,
    /// The same, as it is compared with others.
    pub folded: String,
    /// A JPEG of at most 4 KiB; empty for none.
    pub picture: Vec<u8>,
    /// At least 1.
    pub revision: u64,
}

impl Tx<'_> {
    /// What an account has said of itself.
    pub fn introduction(&self, account: AccountId) -> Result<Option<IntroductionRecord>, StoreError> {
        self.sql
            .prepare_cached("SELECT account, name, folded, picture, revision FROM introductions WHERE account = ?1")?
            .query_row([account.as_bytes()], |row| {
                Ok(IntroductionRecord {
                    account: id(row, 0)?,
                    name: row.get(1)?,
                    folded: row.get(2)?,
                    picture: row.get(3)?,
                    revision: number(row, 4)?,
                })
            })
            .optional()
            .map_err(Into::into)
    }

    /// Writes it, over what was said before.
    pub fn put_introduction(&self, record: &IntroductionRecord) -> Result<(), StoreError> {
        let IntroductionRecord { account, name, folded, picture, revision } = record;
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO introductions (account, name, folded, picture, revision) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![account.as_bytes(), name, folded, picture, to_sql(*revision)])?;
        Ok(())
    }

    /// The name of an account, if it has given one; and whether another account has one that is the same when folded.
    pub fn name_of(&self, account: AccountId) -> Result<Option<(String, bool)>, StoreError> {
        self.sql
            .prepare_cached(
                "SELECT name, EXISTS (SELECT 1 FROM introductions AS other
                                      WHERE other.folded = one.folded AND other.folded <> '' AND other.account <> one.account)
                 FROM introductions AS one WHERE account = ?1 AND name <> ''",
            )?
            .query_row([account.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(Into::into)
    }

    /// The revision of the own introduction that was last sent in a conversation; 0: none, or somebody has come in since.
    pub fn introduced(&self, conversation: ConversationId) -> Result<u64, StoreError> {
        self.sql
            .prepare_cached("SELECT introduced FROM conversations WHERE conversation = ?1")?
            .query_row([conversation.as_bytes()], |row| number(row, 0))
            .optional()
            .map(Option::unwrap_or_default)
            .map_err(Into::into)
    }

    /// Notes it.
    pub fn set_introduced(&self, conversation: ConversationId, revision: u64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE conversations SET introduced = ?2 WHERE conversation = ?1 AND introduced <> ?2")?
            .execute(params![conversation.as_bytes(), to_sql(revision)])?;
        Ok(())
    }

    /// Conversations in which this account has written a message since then, by the clock of who wrote it, Unix milliseconds.
    pub fn written_since(&self, since_ms: u64) -> Result<Vec<ConversationId>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT DISTINCT conversation FROM messages WHERE own = 1 AND line IS NULL AND {SAYS_SOMETHING} AND sent_at_ms >= ?1
             ORDER BY conversation"
        ))?;
        let rows = statement.query_map([to_sql(since_ms)], |row| id(row, 0))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }
}
