//! Looking for messages by their words, and by who, where, when and what.

use alcyon_store::{ContactRecord, Has, SearchQuery, SearchTerm, Tx};
use alcyon_wire::{AccountId, ConversationId, Handle};

use crate::{Client, ClientError, Clock, Message, Transport, core::message_view, introduction::goes_by, local::Local};

/// What a message can carry beside its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carries {
    /// A file.
    File,
    /// An address in its text.
    Link,
    /// A place.
    Place,
    /// A contact card.
    Contact,
}

/// What somebody looks for. All of it has to be so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Words of the text.
    pub words: Vec<SearchWord>,
    /// Who wrote it: a handle, its first part, the name somebody goes by, an account's id, or `me`.
    pub from: Vec<String>,
    /// Where: a handle, a conversation's id, or part of a title.
    pub within: Vec<String>,
    /// Sent before this time, Unix milliseconds.
    pub before_ms: Option<u64>,
    /// Sent then or later.
    pub after_ms: Option<u64>,
    /// What it carries.
    pub has: Vec<Carries>,
}

/// A word that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchWord {
    /// It, or several one behind the other.
    pub text: String,
    /// As it is: no longer word that begins so.
    pub whole: bool,
}

impl Search {
    /// Reads what people type: words, `"several together"`, `from:`, `in:`, `before:`, `after:` (2026, 2026-11 or 2026-11-22), `has:file`, `has:link`,
    /// `has:place` and `has:contact`. `day_begins` says when a day (year, month, day) begins where the person is, Unix milliseconds; none if there is no
    /// such day.
    pub fn parse(text: &str, day_begins: impl Fn(i32, u8, u8) -> Option<u64>) -> Result<Self, ClientError> {
        let mut search = Self::default();
        for (token, quoted) in tokens(text) {
            let filter = token.split_once(':').filter(|(_, value)| !value.is_empty());
            let day = |value: &str| {
                let mut parts = value.split('-').map(|part| part.parse::<u16>().ok());
                let (year, month, day) = (parts.next().flatten(), parts.next(), parts.next());
                let number = |part: Option<Option<u16>>| part.map_or(Some(1), |part| part.and_then(|part| u8::try_from(part).ok()));
                let begins = year.zip(number(month)).zip(number(day)).filter(|_| parts.next().is_none());
                let begins = begins.and_then(|((year, month), day)| day_begins(i32::from(year), month, day));
                begins.ok_or_else(|| ClientError::NoDay(value.to_owned()))
            };
            match filter {
                Some(("from", value)) => search.from.push(value.to_owned()),
                Some(("in", value)) => search.within.push(value.to_owned()),
                Some(("before", value)) => search.before_ms = Some(day(value)?),
                Some(("after", value)) => search.after_ms = Some(day(value)?),
                Some(("has", "file")) => search.has.push(Carries::File),
                Some(("has", "link")) => search.has.push(Carries::Link),
                Some(("has", "place")) => search.has.push(Carries::Place),
                Some(("has", "contact")) => search.has.push(Carries::Contact),
                Some(("has", value)) => return Err(ClientError::Unknown { field: "has", what: value.to_owned() }),
                _ => search.words.push(SearchWord { text: token, whole: quoted }),
            }
        }
        Ok(search)
    }
}

/// Words apart by blanks; between quotation marks blanks are part of the word. Whether it began with one.
fn tokens(text: &str) -> Vec<(String, bool)> {
    let mut tokens = Vec::new();
    let mut token = String::new();
    let (mut inside, mut quoted) = (false, false);
    for c in text.chars().chain([' ']) {
        match c {
            '"' | '“' | '”' | '«' | '»' => {
                quoted |= token.is_empty();
                inside = !inside;
            }
            c if c.is_whitespace() && !inside => {
                let word = std::mem::take(&mut token);
                if !word.trim().is_empty() {
                    tokens.push((word.trim().to_owned(), quoted));
                }
                quoted = false;
            }
            c => token.push(c),
        }
    }
    // A quotation that is not closed yet, while somebody types.
    if !token.trim().is_empty() {
        tokens.push((token.trim().to_owned(), false));
    }
    tokens
}

/// Messages read at a time: some of them may be gone in the meantime.
const PAGE: u32 = 64;

impl<T: Transport, C: Clock> Client<T, C> {
    /// The newest messages that answer, by their arrival here, the newest first. What is deleted does not.
    pub fn search(&self, search: &Search, limit: u32) -> Result<Vec<Message>, ClientError> {
        self.let_go()?;
        let local = self.core.local()?;
        self.core.store.transaction(|tx| {
            let query = query(tx, &local, search)?;
            let mut found = Vec::new();
            let mut below = None;
            loop {
                let page = tx.search(&query, below, PAGE)?;
                below = page.last().map(|last| last.number);
                let end = page.len() < PAGE as usize;
                for record in page {
                    if found.len() == limit as usize {
                        return Ok(found);
                    }
                    let message = message_view(tx, &local, record)?;
                    if message.content.deleted.is_none() {
                        found.push(message);
                    }
                }
                if end {
                    return Ok(found);
                }
            }
        })
    }
}

fn query(tx: &Tx<'_>, local: &Local, search: &Search) -> Result<SearchQuery, ClientError> {
    let Search { words, from, within, before_ms, after_ms, has } = search;
    let mut query = SearchQuery {
        terms: words.iter().map(|SearchWord { text, whole }| SearchTerm { text: text.clone(), whole: *whole }).collect(),
        before_ms: *before_ms,
        after_ms: *after_ms,
        ..SearchQuery::default()
    };
    for carried in has {
        query.has = query.has.and(match carried {
            Carries::File => Has::FILE,
            Carries::Link => Has::LINK,
            Carries::Place => Has::PLACE,
            Carries::Contact => Has::CONTACT,
        });
    }
    if !from.is_empty() {
        let contacts = tx.contacts()?;
        for who in from {
            query.from.extend(accounts_called(tx, who, local, &contacts)?);
        }
    }
    for place in within {
        query.within.extend(conversations_called(tx, place)?);
    }
    Ok(query)
}

fn accounts_called(tx: &Tx<'_>, who: &str, local: &Local, contacts: &[ContactRecord]) -> Result<Vec<AccountId>, ClientError> {
    let called = |handle: &Handle, account: AccountId| {
        let by_handle = handle.to_text() == who || handle.name().as_str() == who || account.to_text() == who;
        Ok::<_, ClientError>(by_handle || goes_by(tx, account, who)?)
    };
    let mut found = Vec::new();
    for contact in contacts {
        if called(&contact.handle, contact.account)? {
            found.push(contact.account);
        }
    }
    if who == "me" || called(&local.handle, local.account)? {
        found.push(local.account);
    }
    if found.is_empty() { Err(ClientError::Unknown { field: "from", what: who.to_owned() }) } else { Ok(found) }
}

fn conversations_called(tx: &Tx<'_>, place: &str) -> Result<Vec<ConversationId>, ClientError> {
    let wanted = place.to_lowercase();
    let mut found = Vec::new();
    for record in tx.conversations()? {
        let title = match record.peer.map(|peer| tx.contact(peer)).transpose()?.flatten() {
            Some(contact) => contact.handle.to_text(),
            None => record.start_handle.map_or(record.title, |handle| handle.to_text()),
        };
        if record.conversation.to_text() == place || title.to_lowercase().contains(&wanted) {
            found.push(record.conversation);
        }
    }
    if found.is_empty() { Err(ClientError::Unknown { field: "in", what: place.to_owned() }) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parsed(text: &str) -> Result<Search, ClientError> {
        Search::parse(text, |year, month, day| {
            let there_is = (1..=12).contains(&month) && (1..=31).contains(&day);
            there_is.then(|| u64::try_from(year).unwrap() * 10_000 + u64::from(month) * 100 + u64::from(day))
        })
    }

    #[test]
    fn what_people_type_is_read() {
        let word = |text: &str, whole| SearchWord { text: text.to_owned(), whole };
        assert_eq!(parsed("  tide table ").unwrap().words, [word("tide", false), word("table", false)]);
        assert_eq!(parsed("\"tide table\" at").unwrap().words, [word("tide table", true), word("at", false)]);
        assert_eq!(parsed("« la marée »").unwrap().words, [word("la marée", true)]);
        assert_eq!(parsed("\"tide ta").unwrap().words, [word("tide ta", false)], "still being typed");
        assert_eq!(parsed("https://x.example from:").unwrap().words, [word("https://x.example", false), word("from:", false)]);
        let all = parsed("from:ben from:me in:\"the boats\" before:2026 after:2025-11-03 has:link has:file x").unwrap();
        assert_eq!(all.from, ["ben", "me"]);
        assert_eq!(all.within, ["the boats"]);
        assert_eq!((all.before_ms, all.after_ms), (Some(20_260_101), Some(20_251_103)));
        assert_eq!(all.has, [Carries::Link, Carries::File]);
        assert_eq!(all.words, [word("x", false)]);
        assert_eq!(parsed("").unwrap(), Search::default());
        for wrong in ["before:soon", "after:2026-13", "before:2026-01-01-01", "before:2026-1-99999", "after:-1"] {
            assert!(matches!(parsed(wrong), Err(ClientError::NoDay(_))), "{wrong}");
        }
        assert!(matches!(parsed("has:wings"), Err(ClientError::Unknown { field: "has", .. })));
    }
}
