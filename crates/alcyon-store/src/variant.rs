use alcyon_wire::{ConversationId, MessageId};
use rusqlite::{OptionalExtension, params};

use crate::{
    MessageRecord, StoreError, Tx,
    column::{id, number, to_sql, wrong},
};

/// One of several contents that came under one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantRecord {
    /// Of what does not differ from entry to entry.
    pub digest: [u8; 32],
    /// A Content.
    pub content: Vec<u8>,
    /// Term and sequence of its first entry.
    pub first: Option<(u32, u64)>,
    /// What counts of its entries, as in a [`MessageRecord`].
    pub position: Option<(u32, u64)>,
    /// A header time.
    pub at_ms: u64,
    /// Numbers of the client.
    pub rights: u32,
}

type Columns = (Option<u32>, Option<i64>);

fn place((term, sequence): Columns) -> Option<(u32, u64)> {
    Some((term?, u64::try_from(sequence?).ok()?))
}

impl Tx<'_> {
    /// The contents that came under an id, if there was more than one.
    pub fn variants(&self, conversation: ConversationId, message: MessageId) -> Result<Vec<VariantRecord>, StoreError> {
        let mut statement = self.sql.prepare_cached(
            "SELECT digest, content, first_term, first_sequence, term, sequence, at_ms, rights FROM variants
             WHERE conversation = ?1 AND message = ?2 ORDER BY digest",
        )?;
        let rows = statement.query_map(params![conversation.as_bytes(), message.as_bytes()], |row| {
            Ok(VariantRecord {
                digest: id(row, 0)?,
                content: row.get(1)?,
                first: place((row.get(2)?, row.get(3)?)),
                position: place((row.get(4)?, row.get(5)?)),
                at_ms: number(row, 6)?,
                rights: row.get(7).map_err(|_| wrong(7))?,
            })
        })?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Keeps one, over the one of the same digest.
    pub fn put_variant(&self, conversation: ConversationId, message: MessageId, record: &VariantRecord) -> Result<(), StoreError> {
        let VariantRecord { digest, content, first, position, at_ms, rights } = record;
        self.sql
            .prepare_cached(
                "INSERT OR REPLACE INTO variants (conversation, message, digest, content, first_term, first_sequence, term, sequence, at_ms, rights)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                conversation.as_bytes(),
                message.as_bytes(),
                digest,
                content,
                first.map(|(term, _)| term),
                first.map(|(_, sequence)| to_sql(sequence)),
                position.map(|(term, _)| term),
                position.map(|(_, sequence)| to_sql(sequence)),
                to_sql(*at_ms),
                rights
            ])?;
        Ok(())
    }

    /// Nothing is left of them.
    pub fn forget_variants(&self, conversation: ConversationId, message: MessageId) -> Result<(), StoreError> {
        self.sql
            .prepare_cached("DELETE FROM variants WHERE conversation = ?1 AND message = ?2")?
            .execute(params![conversation.as_bytes(), message.as_bytes()])?;
        Ok(())
    }

    /// The first place of the content that a message has.
    pub fn first_place(&self, conversation: ConversationId, message: MessageId) -> Result<Option<(u32, u64)>, StoreError> {
        let found: Option<Columns> = self
            .sql
            .prepare_cached("SELECT first_term, first_sequence FROM messages WHERE conversation = ?1 AND message = ?2")?
            .query_row(params![conversation.as_bytes(), message.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(found.and_then(place))
    }

    /// It stands there as well: the first place is the lowest that is known.
    pub fn note_place(&self, conversation: ConversationId, message: MessageId, (term, sequence): (u32, u64)) -> Result<(), StoreError> {
        self.sql
            .prepare_cached(
                "UPDATE messages SET first_term = ?3, first_sequence = ?4 WHERE conversation = ?1 AND message = ?2
                   AND (first_term IS NULL OR first_term > ?3 OR (first_term = ?3 AND first_sequence > ?4))",
            )?
            .execute(params![conversation.as_bytes(), message.as_bytes(), term, to_sql(sequence)])?;
        Ok(())
    }

    /// Another content takes the place of the one that was there, with its facts.
    pub fn replace_message(&self, record: &MessageRecord, first: Option<(u32, u64)>) -> Result<(), StoreError> {
        let MessageRecord {
            number: _,
            conversation,
            message,
            sender: _,
            own: _,
            text,
            position,
            sent_at_ms,
            delivery: _,
            shown: _,
            line: _,
            kind,
            target,
            content,
            at_ms,
            rights,
        } = record;
        self.sql
            .prepare_cached(
                "UPDATE messages SET text = ?3, term = ?4, sequence = ?5, sent_at_ms = ?6, kind = ?7, target = ?8, content = ?9, at_ms = ?10,
                   rights = ?11, first_term = ?12, first_sequence = ?13
                 WHERE conversation = ?1 AND message = ?2",
            )?
            .execute(params![
                conversation.as_bytes(),
                message.as_bytes(),
                text,
                position.map(|(term, _)| term),
                position.map(|(_, sequence)| to_sql(sequence)),
                to_sql(*sent_at_ms),
                kind.number(),
                target.as_ref().map(|target| target.as_bytes().as_slice()),
                content,
                to_sql(*at_ms),
                rights,
                first.map(|(term, _)| term),
                first.map(|(_, sequence)| to_sql(sequence))
            ])?;
        Ok(())
    }
}
