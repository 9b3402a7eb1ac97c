//! How people and conversations are called on a terminal: by the name that they have given themselves, where there is one.

use alcyon_client::{ConversationSummary, Message, Person};

use crate::harmless::harmless_line;

/// The name that somebody has given themselves; with the handle beside it where it is needed.
pub(crate) fn given_name(person: &Person) -> Option<String> {
    person.name.as_deref().map(harmless_line)
}

/// The name, and the handle beside it in any case; none without a name or a handle.
pub(crate) fn name_and_handle(person: &Person) -> Option<String> {
    let (name, handle) = (given_name(person)?, person.handle.as_ref()?.to_text());
    Some(if name.contains(&handle) { name } else { format!("{name} ({handle})") })
}

/// Who has written a message.
pub(crate) fn author(message: &Message) -> Person {
    Person { account: message.sender, handle: message.sender_handle.clone(), name: message.sender_name.clone() }
}

/// What a conversation is called.
pub(crate) fn title_of(summary: &ConversationSummary) -> String {
    harmless_line(summary.name.as_deref().unwrap_or(&summary.title))
}
