//! What is printed about how conversations are kept.

use std::io::{self, Write};

use alcyon_client::{ConversationId, ConversationSummary, Muted, Telling};
use serde::Serialize;

use super::Report;
use crate::{
    moments::{Zone, rfc3339, span},
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

impl<W: Write> Report<W> {
    /// What others are told, in a conversation or where nothing else is said.
    pub(crate) fn telling(&mut self, conversation: Option<ConversationId>, telling: Telling) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            conversation: Option<String>,
            receipts: bool,
            typing: bool,
        }
        let Telling { read, typing } = telling;
        if self.json {
            let conversation = conversation.map(ConversationId::to_text);
            return self.object(&Line { event: "telling", conversation, receipts: read, typing });
        }
        self.line(&self.look.language.say_of_shelf(ShelfText::Telling { read, typing }))
    }

    /// How long messages stay.
    pub(crate) fn timer(&mut self, conversation: Option<ConversationId>, seconds: u32, event: &'static str) -> io::Result<()> {
        #[derive(Serialize)]
        struct Line {
            event: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            conversation: Option<String>,
            timer_s: u32,
        }
        if self.json {
            return self.object(&Line { event, conversation: conversation.map(ConversationId::to_text), timer_s: seconds });
        }
        let after = &span(seconds);
        let text = match (conversation.is_some(), seconds, event) {
            (true, 0, "timer") => ShelfText::TimerIsOff,
            (true, _, "timer") => ShelfText::TimerIs { after },
            (true, 0, _) => ShelfText::TimerSetOff,
            (true, _, _) => ShelfText::TimerSet { after },
            (false, 0, _) => ShelfText::NewTimerIsOff,
            (false, _, _) => ShelfText::NewTimerIs { after },
        };
        self.line(&self.look.language.say_of_shelf(text))
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
    if summary.marked_unread {
        notes.push(language.say_of_shelf(ShelfText::IsMarkedUnread));
    }
    if summary.timer_s > 0 {
        notes.push(language.say_of_shelf(ShelfText::IsTimed { after: &span(summary.timer_s) }));
    }
    if !summary.draft.is_empty() {
        notes.push(language.say_of_shelf(ShelfText::HasDraft));
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
