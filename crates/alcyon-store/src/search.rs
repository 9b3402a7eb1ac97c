//! Full text search over the messages of a profile.
//!
//! The index is SQLite's FTS5 with the tokenizer `unicode61`, which takes letters without their accents, and keeps the first one
//! and two letters of each word apart, so that a search answers from the first letter on. Before a text comes to it, characters of
//! scripts that are written without spaces become words of their own, and what stands next to each other in a query has to stand
//! so in the text. The trigram tokenizer would find nothing below three letters, which is most words of Chinese and Japanese, and
//! took two and a half times the room (docs/benchmarks.md).
//!
//! Triggers keep the index in step with the texts, whoever writes them, in the same transaction; with FTS5's `secure-delete` and
//! the pragma of that name nothing of a text stays in either once it is gone.

use std::borrow::Cow;

use alcyon_wire::{AccountId, ConversationId};
use rusqlite::{
    Connection,
    functions::{Context, FunctionFlags},
    params_from_iter,
    types::Value,
};

use crate::{
    MessageRecord, StoreError, Tx,
    column::to_sql,
    message::{COLUMNS, SAYS_SOMETHING, message},
};

/// What a message carries beside its text: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Has(pub(crate) u32);

impl Has {
    /// A file.
    pub const FILE: Self = Self(1);
    /// An address in its text.
    pub const LINK: Self = Self(2);
    /// A place on the earth.
    pub const PLACE: Self = Self(4);
    /// How to reach somebody.
    pub const CONTACT: Self = Self(8);

    /// Both sets together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All of `other` is in it.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A word, or words one behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerm {
    /// As typed.
    pub text: String,
    /// Its last word is no beginning of a longer one.
    pub whole: bool,
}

/// What is looked for. What is empty or `None` does not matter; the rest has to be so all at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchQuery {
    /// Words of the text.
    pub terms: Vec<SearchTerm>,
    /// Written by one of these.
    pub from: Vec<AccountId>,
    /// In one of these.
    pub within: Vec<ConversationId>,
    /// Sent before, by the sender's clock.
    pub before_ms: Option<u64>,
    /// Sent then or later.
    pub after_ms: Option<u64>,
    /// It carries all of this.
    pub has: Has,
}

/// Makes `alcyon_words` known to a connection.
pub(crate) fn install(connection: &Connection) -> Result<(), StoreError> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("alcyon_words", 1, flags, |context: &Context<'_>| {
        let text = context.get_raw(0).as_str()?;
        Ok(words(text).into_owned())
    })?;
    Ok(())
}

/// A text as it goes to the tokenizer. It never says anything else of the same text within a format.
fn words(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut words = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            'œ' | 'Œ' => words.push_str("oe"),
            'æ' | 'Æ' => words.push_str("ae"),
            'ß' | 'ẞ' => words.push_str("ss"),
            'ø' | 'Ø' => words.push('o'),
            'ł' | 'Ł' => words.push('l'),
            'đ' | 'Đ' => words.push('d'),
            'ı' => words.push('i'),
            c if stands_alone(c) => {
                words.push(' ');
                words.push(c);
                words.push(' ');
            }
            c => words.push(c),
        }
    }
    Cow::Owned(words)
}

/// A letter of a script that puts no space between words.
fn stands_alone(c: char) -> bool {
    matches!(u32::from(c),
        0x0E00..=0x0EFF     // Thai, Lao
        | 0x0F00..=0x0FFF   // Tibetan
        | 0x1000..=0x109F   // Myanmar
        | 0x1780..=0x17FF   // Khmer
        | 0x3040..=0x30FF   // Hiragana, Katakana
        | 0x3100..=0x312F   // Bopomofo
        | 0x31A0..=0x31BF
        | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF   // Han
        | 0x4E00..=0x9FFF
        | 0xA000..=0xA4CF   // Yi
        | 0xF900..=0xFAFF
        | 0xFF66..=0xFF9D   // halfwidth Katakana
        | 0x20000..=0x3FFFF // Han
    )
}

/// The query in FTS5's words; none if nothing in it is a word.
fn expression(terms: &[SearchTerm]) -> Option<String> {
    let phrases = terms.iter().filter_map(|term| {
        let words = words(&term.text);
        if !words.chars().any(char::is_alphanumeric) {
            return None;
        }
        let quoted = words.replace('"', " ");
        Some(format!("\"{}\"{}", quoted.trim(), if term.whole { "" } else { "*" }))
    });
    let phrases: Vec<String> = phrases.collect();
    (!phrases.is_empty()).then(|| phrases.join(" AND "))
}

/// Conditions of a statement with the values that stand in them, in order.
#[derive(Default)]
struct Conditions {
    sql: Vec<String>,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }

    fn one_of(column: &str, ids: impl Iterator<Item = Vec<u8>>) -> Self {
        let values: Vec<Value> = ids.map(Value::Blob).collect();
        let marks = vec!["?"; values.len()].join(", ");
        Self { sql: if values.is_empty() { Vec::new() } else { vec![format!("{column} IN ({marks})")] }, values }
    }

    fn joined(&self) -> String {
        self.sql.join(" AND ")
    }
}

impl Tx<'_> {
    /// The newest messages that answer a query, by their arrival here, the newest first; below a number if one is given.
    pub fn search(&self, query: &SearchQuery, below: Option<u64>, limit: u32) -> Result<Vec<MessageRecord>, StoreError> {
        let SearchQuery { terms, from, within, before_ms, after_ms, has } = query;
        let expression = expression(terms);
        if expression.is_none() && !terms.is_empty() {
            return Ok(Vec::new());
        }
        let senders = Conditions::one_of("sender", from.iter().map(|account| account.as_bytes().to_vec()));
        let places = Conditions::one_of("conversation", within.iter().map(|conversation| conversation.as_bytes().to_vec()));
        let mut times = Conditions::default();
        for (condition, ms) in [("sent_at_ms < ?", before_ms), ("sent_at_ms >= ?", after_ms)] {
            if let Some(ms) = ms {
                times.add(condition, [Value::Integer(to_sql(*ms))]);
            }
        }
        // Where a filter leaves few, they are looked at, and not all that have the words.
        let filters = [("messages_by_sender", &senders), ("messages_by_position", &places), ("messages_by_time", &times)];
        let mut few = None;
        for (index, conditions) in filters {
            if few.is_none() && !conditions.sql.is_empty() && self.are_few(index, conditions)? {
                few = Some(index);
            }
        }
        let mut all = Conditions::default();
        let table = match (&expression, few) {
            // In the index's own order: reading it from the newest end, it stops where the limit is reached.
            (Some(_), None) => "message_words CROSS JOIN messages ON number = message_words.rowid".to_owned(),
            (_, Some(index)) => format!("messages INDEXED BY {index}"),
            (None, None) => "messages".to_owned(),
        };
        let number = if expression.is_some() && few.is_none() { "message_words.rowid" } else { "number" };
        match expression {
            Some(expression) if few.is_none() => all.add("message_words MATCH ?", [Value::Text(expression)]),
            Some(expression) => {
                all.add("number IN (SELECT rowid FROM message_words WHERE message_words MATCH ?)", [Value::Text(expression)]);
            }
            None => {}
        }
        if let Some(below) = below {
            all.add(&format!("{number} < ?"), [Value::Integer(to_sql(below))]);
        }
        for conditions in [senders, places, times] {
            all.sql.extend(conditions.sql);
            all.values.extend(conditions.values);
        }
        all.add(&format!("{SAYS_SOMETHING} AND line IS NULL"), []);
        if *has != Has::default() {
            all.add("has <> 0 AND has & ? = ?", [has.0, has.0].map(|bits| Value::Integer(bits.into())));
        }
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE {} ORDER BY {number} DESC LIMIT {limit}", all.joined());
        let mut statement = self.sql.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(all.values), message)?;
        rows.collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Whether a filter that an index answers leaves so few messages that all of them can be looked at.
    fn are_few(&self, index: &str, conditions: &Conditions) -> Result<bool, StoreError> {
        const FEW: u32 = 2000;
        let condition = conditions.joined();
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM messages INDEXED BY {index} WHERE {condition} LIMIT {FEW})");
        let count: u32 = self.sql.prepare_cached(&sql)?.query_row(params_from_iter(conditions.values.iter()), |row| row.get(0))?;
        Ok(count < FEW)
    }
}

#[cfg(test)]
mod tests;
