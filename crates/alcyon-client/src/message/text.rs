//! Texts: their form, and whom they call by name.

use alcyon_mls::GroupState;
use alcyon_store::{ConversationKind, ConversationRecord, Tx};
use alcyon_wire::{AccountId, Handle, limits, proto};

use crate::{ClientError, TextFormat, core::handle_of, group::the_group, local::Local};

/// A text as it is stored and sent.
pub(crate) fn text_of(text: &str, format: TextFormat, mentions: Vec<proto::Mention>) -> proto::Text {
    proto::Text { text: text.to_owned(), format: format.number(), mentions, preview: None }
}

impl TextFormat {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Plain => 0,
            Self::Marked => 1,
        }
    }

    /// A format of a newer version is shown as it is.
    pub(crate) fn from_number(number: u32) -> Self {
        if number == 1 { Self::Marked } else { Self::Plain }
    }
}

/// A mention that was checked: it lies in its text, and behind the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) account: AccountId,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The mentions of a text that hold. One that does not is passed over: the text is what counts.
pub(crate) fn called(text: &proto::Text) -> Vec<Called> {
    let proto::Text { text, format: _, mentions, preview: _ } = text;
    let mut found: Vec<Called> = Vec::new();
    for proto::Mention { account, start, end } in mentions.iter().take(limits::MENTIONS) {
        let (start, end) = (*start as usize, *end as usize);
        let behind = found.last().is_none_or(|last| last.end <= start);
        if let Ok(account) = AccountId::parse(account, "mention.account")
            && behind
            && start < end
            && text.get(start..end).is_some()
        {
            found.push(Called { account, start, end });
        }
    }
    found
}

/// Finds `@name` and `@name@server` of people who are in the conversation. A name alone counts if only one of them has it.
pub(crate) fn find_mentions(
    tx: &Tx<'_>,
    local: &Local,
    conversation: &ConversationRecord,
    text: &str,
) -> Result<Vec<proto::Mention>, ClientError> {
    if !text.contains('@') {
        return Ok(Vec::new());
    }
    let people = who_is_in(tx, local, conversation)?;
    let mut mentions = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('@')) {
        let start = at + found;
        let fresh = !text[..start].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '@');
        let rest = &text[start + 1..];
        let whole = &rest[..rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._-@:[]".contains(c))).unwrap_or(rest.len())];
        let called = if fresh { longest_name(whole, &people) } else { None };
        at = match called {
            Some((account, length)) => {
                let end = start + 1 + length;
                if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) {
                    mentions.push(proto::Mention { account: account.to_field(), start, end });
                }
                end
            }
            None => start + 1,
        };
    }
    mentions.truncate(limits::MENTIONS);
    Ok(mentions)
}

/// The longest beginning of a word that names somebody: what ends a sentence is no part of a name.
fn longest_name(word: &str, people: &[(AccountId, Handle)]) -> Option<(AccountId, usize)> {
    (1..=word.len()).rev().filter_map(|length| Some((word.get(..length)?, length))).find_map(|(name, length)| {
        let mut named = people.iter().filter(|(_, handle)| {
            let text = handle.to_text();
            text == name || text.split('@').next() == Some(name)
        });
        let (account, _) = named.next()?;
        // What follows has to be no part of a name.
        let rest = word[length..].trim_start_matches(['.', '_', '-']);
        let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@');
        (ends && named.next().is_none()).then_some((*account, length))
    })
}

fn who_is_in(tx: &Tx<'_>, local: &Local, conversation: &ConversationRecord) -> Result<Vec<(AccountId, Handle)>, ClientError> {
    let accounts: Vec<AccountId> = match conversation.kind {
        ConversationKind::Pair => conversation.peer.into_iter().chain([local.account]).collect(),
        ConversationKind::Own => vec![local.account],
        ConversationKind::Group => match the_group(tx, conversation.conversation) {
            Ok((_, _, state)) => members(&state),
            Err(ClientError::NotInYet) => Vec::new(),
            Err(error) => return Err(error),
        },
    };
    let mut people = Vec::new();
    for account in accounts {
        people.extend(handle_of(tx, local, account)?.map(|handle| (account, handle)));
    }
    Ok(people)
}

fn members(state: &GroupState) -> Vec<AccountId> {
    state.accounts.keys().copied().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_longest_name_that_one_person_has_is_called() {
        let person = |number: u8, handle: &str| (AccountId::from([number; 32]), handle.parse::<Handle>().unwrap());
        let people =
            [person(1, "ann@sea.example"), person(2, "ann.b@sea.example"), person(3, "ben@sea.example"), person(4, "ben@bay.example")];
        let called = |word: &str| longest_name(word, &people).map(|(account, length)| (account.as_bytes()[0], length));
        assert_eq!(called("ann"), Some((1, 3)));
        assert_eq!(called("ann."), Some((1, 3)), "the end of a sentence");
        assert_eq!(called("ann.b"), Some((2, 5)));
        assert_eq!(called("ben"), None, "two have that name");
        assert_eq!(called("ben@bay.example"), Some((4, 15)));
        assert_eq!(called("ben@bay.example:"), Some((4, 15)));
        assert_eq!(called("anna"), None);
        assert_eq!(called("ann.c"), None, "somebody who is not here");
        assert_eq!(called("ann@elsewhere.example"), None, "somebody else's handle");
        assert_eq!(called(""), None);
    }

    #[test]
    fn mentions_that_lie_outside_of_the_text_or_overlap_are_passed_over() {
        let mention = |start, end| proto::Mention { account: AccountId::from([1; 32]).to_field(), start, end };
        let text = |mentions| proto::Text { text: "hé @ann".to_owned(), format: 1, mentions, preview: None };
        let ranges = |mentions| called(&text(mentions)).iter().map(|called| (called.start, called.end)).collect::<Vec<_>>();
        assert_eq!(ranges(vec![mention(4, 8)]), [(4, 8)]);
        assert_eq!(ranges(vec![mention(2, 4)]), [], "in the middle of a character");
        assert_eq!(ranges(vec![mention(4, 9), mention(5, 5), mention(6, 5)]), []);
        assert_eq!(ranges(vec![mention(0, 1), mention(0, 1), mention(4, 8)]), [(0, 1), (4, 8)]);
        let foreign = proto::Mention { account: vec![1; 31].into(), start: 0, end: 1 };
        assert_eq!(ranges(vec![foreign]), []);
    }
}
