//! What a message can be, as a program shows it.

use alcyon_wire::MessageId;

use crate::{ContactCard, GeoPoint, LinkPreview, Message, Person};

/// How a text is to be read. It is kept and sent as the text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TextFormat {
    /// As it is.
    #[default]
    Plain,
    /// With the Markdown subset of `docs/protocol.md`: bold, italic, strike, code, spoiler, lists, links.
    Marked,
}

impl TextFormat {
    /// A word for machines.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Marked => "marked",
        }
    }
}

/// What belongs to a message beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentView {
    /// How the text is to be read.
    pub format: TextFormat,
    /// Whom the text calls by name, in the order of the text.
    pub mentions: Vec<MentionView>,
    /// What it answers.
    pub reply: Option<QuoteView>,
    /// Written by somebody else, elsewhere.
    pub forwarded: bool,
    /// A poll; the text is its question.
    pub poll: Option<PollView>,
    /// The file that it is.
    pub attachment: Option<crate::AttachmentView>,
    /// The text is not the first one: [`crate::Client::earlier_texts`] tells those before.
    pub edited: bool,
    /// It is gone: by whom it was deleted. Nothing else of it is there.
    pub deleted: Option<Person>,
    /// Emojis, in the order of their first.
    pub reactions: Vec<ReactionView>,
    /// Pinned in the conversation.
    pub pinned: bool,
    /// A newer version of this program can show it; this one keeps it.
    pub newer: bool,
    /// A place; the text is its URI.
    pub place: Option<GeoPoint>,
    /// How to reach somebody; the text is what `start` takes.
    pub contact: Option<ContactCard>,
    /// What a page that the text links to says about itself.
    pub preview: Option<LinkPreview>,
    /// Of an own message: who has read it, of those who tell.
    pub read_by: Vec<Person>,
    /// It goes by itself.
    pub goes: Option<GoesView>,
}

/// When a message goes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoesView {
    /// Seconds after it was read, or sent.
    pub timer_s: u32,
    /// Unix milliseconds by this device's clock; none until it was read, or sent.
    pub at_ms: Option<u64>,
}

/// Somebody called by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MentionView {
    /// Who.
    pub person: Person,
    /// This account.
    pub own: bool,
    /// Byte of the text at which the name begins.
    pub start: usize,
    /// The byte behind the name.
    pub end: usize,
}

/// A message that another one answers, as far as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteView {
    /// Its id.
    pub id: MessageId,
    /// Who wrote it; `None` if it is not here.
    pub sender: Option<Person>,
    /// Written by this account.
    pub own: bool,
    /// Its first words; empty if it is not here, or gone.
    pub words: String,
    /// It was deleted.
    pub deleted: bool,
}

/// An emoji under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionView {
    /// It.
    pub emoji: String,
    /// Of whom, the first one first.
    pub who: Vec<Person>,
    /// This account is among them.
    pub own: bool,
}

/// A poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollView {
    /// The options, in their order.
    pub options: Vec<PollOptionView>,
    /// A voter may choose several.
    pub several: bool,
    /// No vote counts any more.
    pub ended: bool,
    /// Accounts that have chosen something.
    pub voters: usize,
}

/// An option of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollOptionView {
    /// What it says.
    pub text: String,
    /// Who has chosen it.
    pub voters: Vec<Person>,
    /// This account has.
    pub own: bool,
}

/// Something was done to a message that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedView {
    /// The message as it is now.
    pub message: Message,
    /// What was done: its own id, for [`crate::Client::shown`].
    pub id: MessageId,
    /// What it was.
    pub what: ChangeKind,
    /// By whom.
    pub by: Person,
    /// By this account.
    pub own: bool,
    /// It will never go out: the message is as if it had not been done.
    pub failed: bool,
}

/// What was done to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// An emoji came, or was taken back.
    Reaction {
        /// It.
        emoji: String,
        /// Taken back.
        back: bool,
    },
    /// A new text.
    Edit,
    /// It is gone.
    Deletion,
    /// Somebody has voted.
    Vote,
    /// The poll is over.
    PollEnd,
    /// Pinned, or no more.
    Pin {
        /// Pinned.
        pinned: bool,
    },
}

impl ChangeKind {
    /// A word for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Reaction { back: false, .. } => "reaction",
            Self::Reaction { back: true, .. } => "reaction-taken-back",
            Self::Edit => "edit",
            Self::Deletion => "deletion",
            Self::Vote => "vote",
            Self::PollEnd => "poll-end",
            Self::Pin { pinned: true } => "pin",
            Self::Pin { pinned: false } => "unpin",
        }
    }
}

/// A text that a message had before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierText {
    /// It.
    pub text: String,
    /// When it was written, by its author's clock, Unix milliseconds.
    pub sent_at_ms: u64,
}

/// Something to be written: a message, or something done to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Post {
    /// A text. `@name` of somebody in the conversation calls them.
    Text {
        /// It.
        text: String,
        /// How it is to be read.
        format: TextFormat,
        /// The message that it answers.
        reply_to: Option<MessageId>,
    },
    /// A text with a preview of a link in it, which the program has fetched because somebody asked for it.
    Previewed {
        /// The text.
        text: String,
        /// How it is to be read.
        format: TextFormat,
        /// The message that it answers.
        reply_to: Option<MessageId>,
        /// The preview.
        preview: Box<LinkPreview>,
    },
    /// A place.
    Location(GeoPoint),
    /// How to reach somebody known here, or oneself.
    Contact {
        /// Whose account.
        account: alcyon_wire::AccountId,
    },
    /// A message of any conversation of this profile, again: its text or its poll, marked as forwarded.
    Forward {
        /// Where it is.
        from: alcyon_wire::ConversationId,
        /// It.
        id: MessageId,
    },
    /// A poll.
    Poll {
        /// At most 1 KiB.
        question: String,
        /// 2 to 12, at most 256 bytes each.
        options: Vec<String>,
        /// A voter may choose several.
        several: bool,
    },
    /// An emoji under a message, or taken back from there.
    React {
        /// The message.
        target: MessageId,
        /// At most 64 bytes.
        emoji: String,
        /// Taken back.
        back: bool,
    },
    /// A new text for an own message, within 24 hours.
    Edit {
        /// The message.
        target: MessageId,
        /// The new text.
        text: String,
        /// How it is to be read.
        format: TextFormat,
    },
    /// An own message is gone, for all, within 24 hours; as an admin of a group, anybody's.
    Delete {
        /// The message.
        target: MessageId,
    },
    /// A vote, instead of the one before. Without options: none.
    Vote {
        /// The poll.
        target: MessageId,
        /// Counted from 0.
        options: Vec<u32>,
    },
    /// Nobody votes in an own poll any more.
    EndPoll {
        /// The poll.
        target: MessageId,
    },
    /// The timer of a conversation of two. Groups have theirs in their settings: [`crate::Client::set_timer`] knows which.
    SetTimer {
        /// 5 to a year; 0: messages stay.
        seconds: u32,
    },
    /// A message is pinned, or no more. At most five are; in a group those may who may edit its title.
    Pin {
        /// The message.
        target: MessageId,
        /// Pinned.
        pinned: bool,
    },
}

impl Post {
    /// A text as it is.
    #[must_use]
    pub fn plain(text: &str) -> Self {
        Self::Text { text: text.to_owned(), format: TextFormat::Plain, reply_to: None }
    }

    /// A text as people type it.
    #[must_use]
    pub fn marked(text: &str) -> Self {
        Self::Text { text: text.to_owned(), format: TextFormat::Marked, reply_to: None }
    }

    /// What it is done to; `None` for what stands alone.
    #[must_use]
    pub fn target(&self) -> Option<MessageId> {
        match self {
            Self::Text { .. }
            | Self::Previewed { .. }
            | Self::Location(_)
            | Self::Contact { .. }
            | Self::Forward { .. }
            | Self::Poll { .. }
            | Self::SetTimer { .. } => None,
            Self::React { target, .. }
            | Self::Edit { target, .. }
            | Self::Delete { target }
            | Self::Vote { target, .. }
            | Self::EndPoll { target }
            | Self::Pin { target, .. } => Some(*target),
        }
    }
}
