//! What is printed about how conversations are kept.

use std::io::{self, Write};

use alcyon_client::{ConversationId, ConversationSummary, Muted};
use serde::Serialize;

use super::Report;
use crate::{
    moments::{Zone, rfc3339},
    text::{Language, shelf::ShelfText},
};

impl<W: Write> Report<W> {
    /// A conversation is kept so from here on.
    pub(crate) fn kept(&mut self, conversation: ConversationId, event: &'static str, text: ShelfText<'_>) -> io::Result<()> {
        #[derive(Serialize)]
        struct Kept {
            event: &'static str,
            conversation: String,
        }
        if self.json {
            return self.object(&Kept { event, conversation: conversation.to_text() });
        }
        self.line(&self.look.language.say_of_shelf(text))
    }

    pub(crate) fn muted(&mut self, conversation: ConversationId, muted: Muted) -> io::Result<()> {
        #[derive(Serialize)]
        struct Kept {
            event: &'static str,
            conversation: String,
            until: Option<String>,
        }
        if self.json {
            return self.object(&Kept { event: "muted", conversation: conversation.to_text(), until: until(muted) });
        }
        let text = muted_text(muted, self.zone, self.look.language);
        self.line(&text)
    }
}

/// What was done, in words.
pub(crate) fn muted_text(muted: Muted, zone: Zone, language: Language) -> String {
    match muted {
        Muted::ForEver => language.say_of_shelf(ShelfText::Muted),
        Muted::Until { at_ms } => language.say_of_shelf(ShelfText::MutedUntil { when: &zone.date_and_clock(at_ms) }),
    }
}

/// How a conversation is kept, in words; nothing where nobody has said anything.
pub(crate) fn notes(summary: &ConversationSummary, zone: Zone, language: Language) -> Vec<String> {
    let mut notes = Vec::new();
    if summary.pinned {
        notes.push(language.say_of_shelf(ShelfText::IsPinned));
    }
    match summary.muted {
        Some(Muted::ForEver) => notes.push(language.say_of_shelf(ShelfText::IsMuted)),
        Some(Muted::Until { at_ms }) => notes.push(language.say_of_shelf(ShelfText::IsMutedUntil { when: &zone.date_and_clock(at_ms) })),
        None => {}
    }
    if summary.archived {
        notes.push(language.say_of_shelf(ShelfText::IsArchived));
    }
    notes
}

/// The end of a mute that has one.
pub(super) fn until(muted: Muted) -> Option<String> {
    match muted {
        Muted::Until { at_ms } => Some(rfc3339(at_ms)),
        Muted::ForEver => None,
    }
}
