//! What a program shows: plain values, no state of the core in them.

use alcyon_wire::{AccountId, ConversationId, Handle, MessageId};
use zeroize::Zeroizing;

use crate::{ChangedView, ContentView, Line, Muted, Person, ReportView, TransferView};

/// Where an entry stands in its conversation: the term and the sequence in that term's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// 0, 1, ...
    pub term: u32,
    /// 1, 2, ...
    pub sequence: u64,
}

impl Position {
    /// One number that increases within a conversation: the term in the upper 16 bits of 53, so that JavaScript reads it exactly.
    #[must_use]
    pub fn as_number(self) -> u64 {
        (u64::from(self.term) << 37) | self.sequence
    }

    /// The reverse.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let term = u32::try_from(number >> 37).unwrap_or(u32::MAX);
        Self { term, sequence: number & ((1 << 37) - 1) }
    }
}

/// A message, own or another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub conversation: ConversationId,
    /// The same on all sides for ever.
    pub id: MessageId,
    /// Whose account.
    pub sender: AccountId,
    /// The sender's handle as known here; `None` where only the account is known.
    pub sender_handle: Option<Handle>,
    /// How the sender is called, as in [`Person::name`].
    pub sender_name: Option<String>,
    /// Written by this account.
    pub own: bool,
    /// The text.
    pub text: String,
    /// `None` until the log has it.
    pub position: Option<Position>,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
    /// How far an own message has got; of others' messages always `Delivered`.
    pub delivery: Delivery,
    /// Set if this is no message but a line about what the sender did in a group; the text is empty then.
    pub line: Option<Line>,
    /// What it is beside its text, and what has become of it.
    pub content: ContentView,
}

/// How far an own message has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// In the outbox: it goes out as soon as the server takes it.
    Queued,
    /// The log has it, durably.
    Sent,
    /// A device of the other side has processed it (its running hash has passed the position).
    Delivered,
    /// Somebody has read it, and tells so; [`ContentView::read_by`] says who. Known only where this account tells as well.
    Read,
    /// It will never go out; it is kept here and can be sent again.
    Failed,
}

/// What `send` and `start` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// The server has acknowledged.
    Sent {
        /// The message.
        id: MessageId,
        /// Where.
        conversation: ConversationId,
        /// Its place.
        position: Position,
    },
    /// It goes out with the next connection, once, under this id.
    Queued {
        /// The message.
        id: MessageId,
        /// Where.
        conversation: ConversationId,
    },
}

/// What joining by a link came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinOutcome {
    /// This device is in.
    In {
        /// Where.
        conversation: ConversationId,
    },
    /// It comes in with the next connection.
    Queued {
        /// Where.
        conversation: ConversationId,
    },
    /// An admin is asked.
    Asked {
        /// Who.
        admin: Handle,
    },
}

/// A new account. The words are shown this once and kept nowhere.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The handle.
    pub handle: Handle,
    /// The account.
    pub account: AccountId,
    /// Twelve recovery words, separated by spaces.
    pub words: Zeroizing<String>,
}

/// This profile's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The handle.
    pub handle: Handle,
    /// The account.
    pub account: AccountId,
}

/// Where a conversation stands with its other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Knocked; the other side has not accepted yet. Writing is allowed.
    Asked,
    /// Both sides are in.
    Open,
    /// The other side has declined or left. Nothing more can be written.
    Left,
    /// Accepted here, and still coming in.
    Joining,
}

/// A line in the list of conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationSummary {
    /// Its id.
    pub conversation: ConversationId,
    /// The other side's handle, or a shortened account id; a group's title.
    pub title: String,
    /// How the other side is called, as in [`Person::name`].
    pub name: Option<String>,
    /// A group.
    pub group: bool,
    /// The account's own devices: "note to self".
    pub own_devices: bool,
    /// The other account, once it is known.
    pub peer: Option<AccountId>,
    /// Messages of others not yet read.
    pub unread: u64,
    /// How things stand.
    pub standing: Standing,
    /// The newest message.
    pub last: Option<Message>,
    /// The other side is blocked.
    pub blocked: bool,
    /// Something about this conversation has to be shown: the newest alarm.
    pub alarm: Option<Alarm>,
    /// Muted at this moment.
    pub muted: Option<Muted>,
    /// Out of the list, until a new message comes that finds it unmuted.
    pub archived: bool,
    /// At the top of the list.
    pub pinned: bool,
    /// Marked by the person as still to be read.
    pub marked_unread: bool,
    /// Written and not sent.
    pub draft: String,
    /// Of two people: new messages go after so many seconds; 0: they stay. A group's timer is in its [`crate::GroupView`].
    pub timer_s: u32,
}

/// Somebody asks for a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnockRequest {
    /// What `accept` and `decline` take.
    pub id: ConversationId,
    /// Who, by handle.
    pub from: Handle,
    /// Who, for certain.
    pub account: AccountId,
    /// The handle's directory confirms that it names this account.
    pub confirmed: bool,
    /// What is asked.
    pub kind: RequestKind,
    /// The first words; empty if there were none.
    pub introduction: String,
    /// The sender's clock, Unix milliseconds.
    pub sent_at_ms: u64,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestKind {
    /// A conversation of two.
    Knock,
    /// To come into a group.
    Invite {
        /// The group's title.
        title: String,
        /// Accounts in it.
        members: u32,
        /// Handles of members that are known here, whoever invites left out.
        known: Vec<String>,
    },
    /// Nothing: somebody reports something to the admins of a group. Declined once it has been looked at.
    Report(Box<ReportView>),
    /// To be let into a group by a link of ours: approved or rejected, not accepted.
    AskIn {
        /// The group's title.
        title: String,
    },
}

/// Both sides' numbers are equal if and only if both hold the true root keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyNumberView {
    /// 60 digits, in groups of five.
    pub digits: String,
    /// For a QR code.
    pub qr_text: String,
}

/// Something that a person has to know about a server or a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// Where; `None` for the inbox.
    pub conversation: Option<ConversationId>,
    /// What was found.
    pub kind: AlarmKind,
    /// At which sequence of the log.
    pub sequence: u64,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AlarmKind {
    /// The log contradicts itself: an entry is missing, out of order, repeated or altered.
    Broken,
    /// The other side was shown another history of the same log.
    Forked,
    /// The log ends before what this device has already read: the server runs on an old copy.
    ServerRestored,
    /// This profile is an old copy; it has come in anew. Messages that it had sent since can't be shown.
    ProfileRestored,
    /// The handle names another account now. Sending is blocked.
    HandleChanged,
    /// Entries were older than the server keeps them; there is a hole in the history.
    Gap,
    /// An entry could not be read. It was set aside.
    Unreadable,
}

impl AlarmKind {
    /// A word for machines.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Forked => "forked",
            Self::ServerRestored => "server-restored",
            Self::ProfileRestored => "profile-restored",
            Self::HandleChanged => "handle-changed",
            Self::Gap => "gap",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Something new, to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message of somebody else, or of a sibling device. Once shown, tell [`crate::Client::shown`].
    Message(Message),
    /// An own message changed its [`Delivery`].
    Delivery(Message),
    /// Something was done to a message that was there before. Once shown, tell [`crate::Client::shown`] with the id of what was done.
    Changed(Box<ChangedView>),
    /// Somebody knocks.
    Request(KnockRequest),
    /// The other side has accepted, or this device has come in.
    Accepted {
        /// Which conversation.
        conversation: ConversationId,
    },
    /// The other side has declined or left.
    Left {
        /// Which conversation.
        conversation: ConversationId,
    },
    /// Another device of the account has told messages from before this one came in: what is shown of the conversation is to be
    /// read again.
    History {
        /// Which conversation.
        conversation: ConversationId,
    },
    /// A file on its way has got further.
    Transfer(TransferView),
    /// A message has gone by itself: nothing of it may be shown any more.
    Gone {
        /// Which conversation.
        conversation: ConversationId,
        /// Which message.
        id: MessageId,
    },
    /// Somebody has read own messages, up to a position.
    Read {
        /// Which conversation.
        conversation: ConversationId,
        /// Who.
        by: Person,
        /// Up to where.
        up_to: Position,
    },
    /// Somebody types, or has stopped. Without another one within six seconds they have stopped, too.
    Typing {
        /// Which conversation.
        conversation: ConversationId,
        /// Who.
        by: Person,
        /// Else they have stopped.
        typing: bool,
    },
    /// Somebody, or a sibling device for this account, has set another name or picture. Others who share the name are called otherwise from here
    /// on, too.
    Introduced {
        /// Who, as they are called now.
        person: Person,
    },
    /// Has to be shown.
    Alarm(Alarm),
    /// This device was removed from the account, by another one of it. Nothing more can be done with this profile.
    DeviceRemoved,
    /// The state of the way to the servers changed.
    Connection(ConnectionState),
}

/// The way to the servers, all together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionState {
    /// Trying.
    Connecting,
    /// All servers are connected and everything there is has been read.
    Online,
    /// At least one server is away; the next try is under way in so many milliseconds.
    Waiting {
        /// Until the next try.
        retry_in_ms: u64,
    },
}

/// What a `sync` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// New things of others that were not shown before, oldest first. Tell [`crate::Client::shown`] for each message shown.
    pub events: Vec<Event>,
    /// Servers that could not be reached or said "later"; the rest was done.
    pub unreachable: usize,
    /// Own messages still in the outbox.
    pub queued: usize,
    /// If a server has said when to come back: in so many milliseconds the first of what waits is tried again.
    pub next_try_in_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_position_comes_back_from_its_number() {
        for position in
            [Position { term: 0, sequence: 1 }, Position { term: 3, sequence: 41 }, Position { term: 65_535, sequence: (1 << 37) - 1 }]
        {
            assert_eq!(Position::from_number(position.as_number()), position);
        }
    }
}
