use alcyon_wire::{AccountId, ConversationId, MessageId};
use rusqlite::{OptionalExtension, Row, params};

use crate::{
    Has, StoreError, Tx,
    column::{id, maybe_id, number, stored_enum, to_sql, wrong},
};

stored_enum! {
    /// How far an own message has got.
    DeliveryState {
        /// In the outbox.
        Queued = 1,
        /// The log has it.
        Sent = 2,
        /// Another account's device has processed it; also every message of others.
        Delivered = 3,
        /// It will never go out.
        Failed = 4,
    }
}

stored_enum! {
    /// What a row is.
    MessageKind {
        /// A message, or a line about what happened in a group: it has a place of its own on the screen.
        Message = 1,
        /// A message of a kind that the version which stored it did not know.
        Newer = 2,
        /// A reaction to the target, or one taken back.
        Reaction = 3,
        /// A new text for the target.
        Edit = 4,
        /// The target is gone.
        Deletion = 5,
        /// A vote in the target.
        Vote = 6,
        /// The end of the target's voting.
        PollEnd = 7,
        /// The target is pinned, or no more.
        Pin = 8,
        /// The timer of a conversation of two is set: it has a place of its own on the screen.
        Timer = 9,
        /// Nothing but the id of a message that has gone by itself: what comes under it again is not taken.
        Gone = 10,
    }
}

impl MessageKind {
    /// It has a place of its own on the screen: nothing that is done to another message.
    #[must_use]
    pub fn stands_alone(self) -> bool {
        matches!(self, Self::Message | Self::Newer | Self::Timer)
    }
}

/// A message, or something that is done to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRecord {
    /// Order of arrival in this profile; 0 before it is stored.
    pub number: u64,
    /// Where.
    pub conversation: ConversationId,
    /// Its id.
    pub message: MessageId,
    /// Whose account.
    pub sender: AccountId,
    /// Written by this account.
    pub own: bool,
    /// The text.
    pub text: String,
    /// Term and sequence, once the log has it.
    pub position: Option<(u32, u64)>,
    /// The sender's clock.
    pub sent_at_ms: u64,
    /// How far it has got.
    pub delivery: DeliveryState,
    /// Needs no showing as new.
    pub shown: bool,
    /// Set if this is no message but a line about what happened in a group: a GroupLine.
    pub line: Option<Vec<u8>>,
    /// What it is.
    pub kind: MessageKind,
    /// The message that something is done to.
    pub target: Option<MessageId>,
    /// The Content, as it was written or came in. None if nothing but the text was kept, or if it is gone.
    pub content: Option<Vec<u8>>,
    /// The time of its entry's header; 0 until the log has it. Of several entries that which counts.
    pub at_ms: u64,
    /// What its sender may do where it stands: numbers of the client.
    pub rights: u32,
}

pub(crate) const COLUMNS: &str =
    "number, conversation, message, sender, own, text, term, sequence, sent_at_ms, delivery, shown, line, kind, target,
  content, at_ms, rights";
/// Of something that is done to a message nothing is shown by itself.
const STANDS_ALONE: &str = "kind IN (1, 2, 9)";
/// What somebody has said.
pub(crate) const SAYS_SOMETHING: &str = "kind IN (1, 2)";
/// What was deleted has nothing left that could be sent again.
const SOMETHING_LEFT: &str = "(content IS NOT NULL OR text <> '')";

pub(crate) fn message(row: &Row<'_>) -> rusqlite::Result<MessageRecord> {
    let term: Option<u32> = row.get(6)?;
    let sequence: Option<i64> = row.get(7)?;
    Ok(MessageRecord {
        number: number(row, 0)?,
        conversation: id(row, 1)?,
        message: id(row, 2)?,
        sender: id(row, 3)?,
        own: row.get(4)?,
        text: row.get(5)?,
        position: match (term, sequence) {
            (Some(term), Some(sequence)) => Some((term, u64::try_from(sequence).map_err(|_| wrong(7))?)),
            _ => None,
        },
        sent_at_ms: number(row, 8)?,
        delivery: DeliveryState::column(row, 9)?,
        shown: row.get(10)?,
        line: row.get(11)?,
        kind: MessageKind::column(row, 12)?,
        target: maybe_id(row, 13)?,
        content: row.get(14)?,
        at_ms: number(row, 15)?,
        rights: row.get(16)?,
    })
}

impl Tx<'_> {
    /// Stores a new message; `false` if the conversation has it already, which then stays as it is.
    pub fn add_message(&self, record: &MessageRecord) -> Result<bool, StoreError> {
        let MessageRecord {
            number: _,
            conversation,
            message,
            sender,
            own,
            text,
            position,
            sent_at_ms,
            delivery,
            shown,
            line,
            kind,
            target,
            content,
            at_ms,
            rights,
        } = record;
        let added = self
            .sql
            .prepare_cached(
                "INSERT INTO messages (conversation, message, sender, own, text, term, sequence, sent_at_ms, delivery, shown, line,
                   kind, target, content, at_ms, rights)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) ON CONFLICT (conversation, message) DO NOTHING",
            )?
            .execute(params![
                conversation.as_bytes(),
                message.as_bytes(),
                sender.as_bytes(),
                own,
                text,
                position.map(|(term, _)| term),
                position.map(|(_, sequence)| to_sql(sequence)),
                to_sql(*sent_at_ms),
                delivery.number(),
                shown,
                line,
                kind.number(),
                target.as_ref().map(|target| target.as_bytes().as_slice()),
                content,
                to_sql(*at_ms),
                rights
            ])?;
        Ok(added == 1)
    }

    /// A message by its id.
    pub fn message(&self, conversation: ConversationId, message_id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE conversation = ?1 AND message = ?2"))?
            .query_row(params![conversation.as_bytes(), message_id.as_bytes()], message)
            .optional()
            .map_err(Into::into)
    }

    /// Another Content in place of the one that was there.
    pub fn set_content(&self, conversation: ConversationId, message: MessageId, content: &[u8]) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE messages SET content = ?3 WHERE conversation = ?1 AND message = ?2")?.execute(params![
            conversation.as_bytes(),
            message.as_bytes(),
            content
        ])?;
        Ok(())
    }

    /// Whether this account has written here, or has done something in the group, as far as this profile goes back.
    pub fn has_been_in(&self, conversation: ConversationId, account: AccountId) -> Result<bool, StoreError> {
        self.sql
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM messages WHERE conversation = ?1 AND sender = ?2)")?
            .query_row([conversation.as_bytes().as_slice(), account.as_bytes().as_slice()], |row| row.get(0))
            .map_err(Into::into)
    }

    /// A message by its id alone, wherever it is.
    pub fn message_anywhere(&self, message_id: MessageId) -> Result<Option<MessageRecord>, StoreError> {
        self.sql
            .prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE message = ?1 AND line IS NULL ORDER BY number LIMIT 1"))?
            .query_row([message_id.as_bytes()], message)
            .optional()
            .map_err(Into::into)
    }

    /// A message has got further. Never back, but from queued to failed and again to queued. One that went out again in a later
    /// term has its place there, in whatever order the terms are read.
    pub fn set_delivery(
        &self,
        conversation: ConversationId,
        message: MessageId,
        delivery: DeliveryState,
        position: Option<(u32, u64)>,
    ) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE messages SET delivery = max(?3, CASE delivery WHEN 4 THEN 1 ELSE delivery END),
                   term = CASE WHEN further THEN ?4 ELSE term END, sequence = CASE WHEN further THEN ?5 ELSE sequence END
                 FROM (SELECT ?4 IS NOT NULL AND (term IS NULL OR term < ?4 OR (term = ?4 AND sequence < ?5)) AS further
                       FROM messages WHERE conversation = ?1 AND message = ?2)
                 WHERE conversation = ?1 AND message = ?2",
            )?
            .execute(params![
                conversation.as_bytes(),
                message.as_bytes(),
                delivery.number(),
                position.map(|(term, _)| term),
                position.map(|(_, sequence)| to_sql(sequence))
            ])?;
        Ok(())
    }

    /// Own messages that the log has, up to a sequence, were processed by the other side. Returns those that changed.
    pub fn delivered_up_to(&self, conversation: ConversationId, term: u32, sequence: u64) -> Result<Vec<MessageRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "UPDATE messages SET delivery = 3 WHERE conversation = ?1 AND own = 1 AND delivery = 2
               AND (term < ?2 OR (term = ?2 AND sequence <= ?3)) RETURNING {COLUMNS}"
        ))?;
        let rows = statement.query_map(params![conversation.as_bytes(), term, to_sql(sequence)], message)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The newest `limit` messages before a position (or of all), oldest first. Own ones without a position come last.
    pub fn history(
        &self,
        conversation: ConversationId,
        before: Option<(u32, u64)>,
        limit: Option<u32>,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        let (term, sequence) = before.unwrap_or((u32::MAX, u64::MAX));
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM messages
             WHERE conversation = ?1 AND {STANDS_ALONE} AND (?5 OR (term IS NOT NULL AND (term < ?2 OR (term = ?2 AND sequence < ?3))))
             ORDER BY term IS NULL DESC, term DESC, sequence DESC, number DESC LIMIT ?4"
        ))?;
        let limit = limit.map_or(-1, i64::from);
        let rows = statement.query_map(params![conversation.as_bytes(), term, to_sql(sequence), limit, before.is_none()], message)?;
        let mut messages = rows.collect::<Result<Vec<_>, _>>()?;
        messages.reverse();
        Ok(messages)
    }

    /// Messages still to be shown as new, in the order in which they came.
    pub fn unshown_messages(&self) -> Result<Vec<MessageRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE shown = 0 ORDER BY number"))?;
        let rows = statement.query_map([], message)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// A message was shown.
    pub fn set_shown(&self, conversation: ConversationId, message: MessageId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE messages SET shown = 1 WHERE conversation = ?1 AND message = ?2")?
            .execute(params![conversation.as_bytes(), message.as_bytes()])?;
        Ok(())
    }

    /// It is still to be shown as new.
    pub fn set_unshown(&self, conversation: ConversationId, message: MessageId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE messages SET shown = 0 WHERE conversation = ?1 AND message = ?2")?
            .execute(params![conversation.as_bytes(), message.as_bytes()])?;
        Ok(())
    }

    /// Messages of others that came after those read.
    pub fn unread(&self, conversation: ConversationId) -> Result<u64, StoreError> {
        self.sql
            .prepare_cached(&format!(
                "SELECT count(*) FROM messages m JOIN conversations c ON c.conversation = m.conversation
                 WHERE m.conversation = ?1 AND m.own = 0 AND m.line IS NULL AND m.number > c.read_number AND m.read_elsewhere = 0
                   AND m.{SAYS_SOMETHING}"
            ))?
            .query_row([conversation.as_bytes()], |row| number(row, 0))
            .map_err(Into::into)
    }

    /// Everything that is there counts as read.
    pub fn mark_read(&self, conversation: ConversationId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE conversations SET read_number = (SELECT coalesce(max(number), 0) FROM messages WHERE conversation = ?1)
                 WHERE conversation = ?1",
            )?
            .execute([conversation.as_bytes()])?;
        Ok(())
    }

    /// The number of the newest message of a conversation; 0 if there is none.
    pub fn last_message_number(&self, conversation: ConversationId) -> Result<u64, StoreError> {
        self.sql
            .prepare_cached("SELECT coalesce(max(number), 0) FROM messages WHERE conversation = ?1")?
            .query_row([conversation.as_bytes()], |row| number(row, 0))
            .map_err(Into::into)
    }

    /// Messages that the log has, by their numbers: those after one, up to another, at most `limit`; and whether each is unread.
    pub fn messages_between(
        &self,
        conversation: ConversationId,
        after: u64,
        last: u64,
        limit: u32,
    ) -> Result<Vec<(MessageRecord, bool)>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {COLUMNS}, own = 0 AND read_elsewhere = 0 AND number >
               (SELECT read_number FROM conversations c WHERE c.conversation = ?1)
             FROM messages WHERE conversation = ?1 AND number > ?2 AND number <= ?3 AND term IS NOT NULL ORDER BY number LIMIT ?4"
        ))?;
        let rows = statement.query_map(params![conversation.as_bytes(), to_sql(after), to_sql(last), limit], |row| {
            Ok((message(row)?, row.get(COLUMNS.split(',').count())?))
        })?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// It was read on another device.
    pub fn set_read_elsewhere(&self, conversation: ConversationId, message: MessageId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE messages SET read_elsewhere = 1 WHERE conversation = ?1 AND message = ?2")?
            .execute(params![conversation.as_bytes(), message.as_bytes()])?;
        Ok(())
    }

    /// The position of the last message that is read, if the log has one.
    pub fn read_position(&self, conversation: ConversationId) -> Result<Option<(u32, u64)>, StoreError> {
        self.sql
            .prepare_cached(
                "SELECT term, sequence FROM messages m JOIN conversations c ON c.conversation = m.conversation
                 WHERE m.conversation = ?1 AND m.term IS NOT NULL AND (m.number <= c.read_number OR m.read_elsewhere = 1)
                 ORDER BY term DESC, sequence DESC LIMIT 1",
            )?
            .query_row([conversation.as_bytes()], |row| Ok((row.get(0)?, number(row, 1)?)))
            .optional()
            .map_err(Into::into)
    }

    /// Everything up to a position counts as read, as a sibling has read it.
    pub fn mark_read_to(&self, conversation: ConversationId, position: (u32, u64)) -> Result<(), StoreError> {
        let (term, sequence) = position;
        self.sql
            .prepare_cached(
                "UPDATE messages SET read_elsewhere = 1
                 WHERE conversation = ?1 AND read_elsewhere = 0 AND own = 0 AND (term < ?2 OR (term = ?2 AND sequence <= ?3))",
            )?
            .execute(params![conversation.as_bytes(), term, to_sql(sequence)])?;
        Ok(())
    }

    /// Own messages that are not surely delivered, of a conversation that goes on elsewhere.
    pub fn own_messages(&self, conversation: ConversationId) -> Result<Vec<MessageRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM messages WHERE conversation = ?1 AND own = 1 AND line IS NULL AND {SOMETHING_LEFT} ORDER BY number"
        ))?;
        let rows = statement.query_map([conversation.as_bytes()], message)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Own messages of a conversation go out again, elsewhere.
    pub fn requeue_messages(&self, conversation: ConversationId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(&format!(
                "UPDATE messages SET delivery = 1, term = NULL, sequence = NULL WHERE conversation = ?1 AND own = 1 AND {SOMETHING_LEFT}"
            ))?
            .execute([conversation.as_bytes()])?;
        Ok(())
    }

    /// The newest own messages of a term that nobody has confirmed, or that lie above a sequence: they go out again, and are
    /// returned oldest first.
    pub fn resend(&self, conversation: ConversationId, term: u32, above: u64, limit: u32) -> Result<Vec<MessageRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "UPDATE messages SET delivery = 1, term = NULL, sequence = NULL WHERE number IN (
               SELECT number FROM messages WHERE conversation = ?1 AND own = 1 AND line IS NULL AND {SOMETHING_LEFT}
                 AND term = ?2 AND (delivery = 2 OR sequence > ?3)
               ORDER BY sequence DESC LIMIT ?4)
             RETURNING {COLUMNS}"
        ))?;
        let rows = statement.query_map(params![conversation.as_bytes(), term, to_sql(above), limit], message)?;
        let mut messages = rows.collect::<Result<Vec<_>, _>>()?;
        messages.sort_by_key(|message| message.number);
        Ok(messages)
    }

    /// The newest own messages that a term's log has, the oldest first.
    pub fn own_in_term(&self, conversation: ConversationId, term: u32, limit: u32) -> Result<Vec<MessageRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM messages WHERE conversation = ?1 AND own = 1 AND line IS NULL AND {SOMETHING_LEFT} AND term = ?2
             ORDER BY sequence DESC LIMIT ?3"
        ))?;
        let rows = statement.query_map(params![conversation.as_bytes(), term, limit], message)?;
        let mut messages = rows.collect::<Result<Vec<_>, _>>()?;
        messages.reverse();
        Ok(messages)
    }

    /// What was done to a message, in the order of arrival. What will never go out is left out.
    pub fn done_to(&self, conversation: ConversationId, target: MessageId) -> Result<Vec<MessageRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM messages WHERE conversation = ?1 AND target = ?2 AND delivery <> 4 ORDER BY number"
        ))?;
        let rows = statement.query_map(params![conversation.as_bytes(), target.as_bytes()], message)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// The messages of a conversation to which something of this kind was done.
    pub fn targets_of(&self, conversation: ConversationId, kind: MessageKind) -> Result<Vec<MessageId>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT DISTINCT target FROM messages WHERE conversation = ?1 AND kind = ?2 AND kind <> 1 AND target IS NOT NULL",
        )?;
        let rows = statement.query_map(params![conversation.as_bytes(), kind.number()], |row| id(row, 0))?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// All messages that the version which stored them did not know, in the order of arrival.
    pub fn newer_messages(&self) -> Result<Vec<MessageRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE kind = 2 ORDER BY number"))?;
        let rows = statement.query_map([], message)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// What a message of a newer kind turns out to be.
    pub fn set_kind(
        &self,
        conversation: ConversationId,
        message: MessageId,
        kind: MessageKind,
        target: Option<MessageId>,
    ) -> Result<(), StoreError> {
        self.sql.prepare_cached("UPDATE messages SET kind = ?3, target = ?4 WHERE conversation = ?1 AND message = ?2")?.execute(
            params![conversation.as_bytes(), message.as_bytes(), kind.number(), target.as_ref().map(|target| target.as_bytes().as_slice())],
        )?;
        Ok(())
    }

    /// What is known of the entries that a message came in.
    pub fn set_facts(&self, conversation: ConversationId, message: MessageId, at_ms: u64, rights: u32) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE messages SET at_ms = ?3, rights = ?4 WHERE conversation = ?1 AND message = ?2")?
            .execute(params![conversation.as_bytes(), message.as_bytes(), to_sql(at_ms), rights])?;
        Ok(())
    }

    /// The text that a message has now.
    pub fn set_text(&self, conversation: ConversationId, message: MessageId, text: &str) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE messages SET text = ?3 WHERE conversation = ?1 AND message = ?2 AND text <> ?3")?
            .execute(params![conversation.as_bytes(), message.as_bytes(), text])?;
        Ok(())
    }

    /// What a message carries, for the search.
    pub fn set_has(&self, conversation: ConversationId, message: MessageId, has: Has) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("UPDATE messages SET has = ?3 WHERE conversation = ?1 AND message = ?2 AND has <> ?3")?
            .execute(params![conversation.as_bytes(), message.as_bytes(), has.0])?;
        Ok(())
    }

    /// Nothing is left of what a message said, nor of the texts it had before. That it was there stays.
    pub fn erase(&self, conversation: ConversationId, message: MessageId) -> Result<(), StoreError> {
        self.forget_variants(conversation, message)?;
        self.sql
            .prepare_cached(
                "UPDATE messages SET text = '', content = NULL, has = 0 WHERE conversation = ?1 AND (message = ?2 OR (target = ?2 AND kind = 4))",
            )?
            .execute(params![conversation.as_bytes(), message.as_bytes()])?;
        Ok(())
    }

    /// Forgets the lines of a term that the conversation does not go on in.
    pub fn remove_lines_of_term(&self, conversation: ConversationId, term: u32) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM messages WHERE conversation = ?1 AND term = ?2 AND line IS NOT NULL")?
            .execute(params![conversation.as_bytes(), term])?;
        Ok(())
    }

    /// Messages in the outbox.
    pub fn count_queued(&self) -> Result<u64, StoreError> {
        self.sql
            .prepare_cached("SELECT count(*) FROM messages WHERE own = 1 AND delivery = 1")?
            .query_row([], |row| number(row, 0))
            .map_err(Into::into)
    }
}
