use alcyon_wire::ConversationId;
use rusqlite::{OptionalExtension, params};

use crate::{StoreError, Tx, column::to_sql};

/// A setting of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Seconds after which messages go in conversations that begin; 0: they stay.
    Timer,
    /// 1: others are told what was read.
    TellsRead,
    /// 1: others are told while somebody types.
    TellsTyping,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer_s",
            Self::TellsRead => "tells_read",
            Self::TellsTyping => "tells_typing",
        }
    }

    /// The columns of conversations that say otherwise for one of them.
    fn column(self) -> Option<&'static str> {
        match self {
            Self::Timer => None,
            Self::TellsRead => Some("tells_read"),
            Self::TellsTyping => Some("tells_typing"),
        }
    }
}

impl Tx<'_> {
    /// A setting, if it was ever set.
    pub fn setting(&self, setting: Setting) -> Result<Option<u64>, StoreError> {
        self.sql
            .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
            .query_row([setting.name()], |row| row.get::<_, i64>(0))
            .optional()
            .map(|value| value.and_then(|value| u64::try_from(value).ok()))
            .map_err(Into::into)
    }

    /// Sets it.
    pub fn put_setting(&self, setting: Setting, value: u64) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)")?
            .execute(params![setting.name(), to_sql(value)])?;
        Ok(())
    }

    /// What a conversation says otherwise than the profile.
    pub fn setting_here(&self, conversation: ConversationId, setting: Setting) -> Result<Option<bool>, StoreError> {
        let Some(column) = setting.column() else { return Ok(None) };
        self.sql
            .prepare_cached(&format!("SELECT {column} FROM conversations WHERE conversation = ?1"))?
            .query_row([conversation.as_bytes()], |row| row.get::<_, Option<bool>>(0))
            .optional()
            .map(Option::flatten)
            .map_err(Into::into)
    }

    /// A conversation says otherwise; or with `None` the same again.
    pub fn put_setting_here(&self, conversation: ConversationId, setting: Setting, value: Option<bool>) -> Result<(), StoreError> {
        let Some(column) = setting.column() else { return Ok(()) };
        self.sql
            .prepare_cached(&format!("UPDATE conversations SET {column} = ?2 WHERE conversation = ?1"))?
            .execute(params![conversation.as_bytes(), value])?;
        Ok(())
    }

    /// What was written there and not sent.
    pub fn draft(&self, conversation: ConversationId) -> Result<String, StoreError> {
        self.sql
            .prepare_cached("SELECT draft FROM conversations WHERE conversation = ?1")?
            .query_row([conversation.as_bytes()], |row| row.get(0))
            .optional()
            .map(Option::unwrap_or_default)
            .map_err(Into::into)
    }

    /// Keeps it.
    pub fn put_draft(&self, conversation: ConversationId, draft: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE conversations SET draft = ?2 WHERE conversation = ?1 AND draft <> ?2")?
            .execute(params![conversation.as_bytes(), draft])?;
        Ok(())
    }

    /// Marked by the person as still to be read.
    pub fn marked_unread(&self, conversation: ConversationId) -> Result<bool, StoreError> {
        self.sql
            .prepare_cached("SELECT marked_unread FROM conversations WHERE conversation = ?1")?
            .query_row([conversation.as_bytes()], |row| row.get(0))
            .optional()
            .map(Option::unwrap_or_default)
            .map_err(Into::into)
    }

    /// Marks it so, or takes the mark off.
    pub fn mark_unread(&self, conversation: ConversationId, marked: bool) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE conversations SET marked_unread = ?2 WHERE conversation = ?1 AND marked_unread <> ?2")?
            .execute(params![conversation.as_bytes(), marked])?;
        Ok(())
    }
}
