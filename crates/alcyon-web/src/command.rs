use serde::{Deserialize, Serialize};

/// What a page asks for. Each call is answered once, by `done` or `failed` with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Call {
    /// The page's number for it.
    pub call: u32,
    /// What to do.
    #[serde(flatten)]
    pub command: Command,
}

/// What to do. `who` is a handle, `handle#account-id` or a conversation's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Opens or makes a profile; everything else wants one. If it has an account, events begin to come.
    Open {
        /// Its name in this origin's storage: letters, digits and `-`.
        profile: String,
        /// The database key, 64 hexadecimal digits. Where it is kept is the page's business.
        key: String,
    },
    /// Makes an account. The answer holds the recovery words, and does so again for the same name and server until
    /// `words-confirmed`.
    Register {
        /// The part of the handle before the `@`.
        name: String,
        /// `https://...`
        server: String,
    },
    /// The words are written down: from here on no device has them.
    WordsConfirmed,
    /// The account of the profile.
    Whoami,
    /// All conversations: those pinned, then the newest first, then those archived.
    Conversations,
    /// Messages of a conversation, oldest first.
    History {
        /// Which.
        who: String,
        /// Those before this position only.
        before: Option<u64>,
        /// The newest so many only.
        limit: Option<u32>,
    },
    /// All of it counts as read.
    MarkRead {
        /// Which.
        who: String,
    },
    /// It counts as unread until somebody reads it again.
    MarkUnread {
        /// Which.
        who: String,
    },
    /// The message, or what was done to one, was shown; it does not come as an event again.
    Shown {
        /// Its conversation's id.
        conversation: String,
        /// Its id.
        id: String,
    },
    /// Knocks, or writes in the conversation that is there.
    Start {
        /// A handle, or `handle#account-id`.
        handle: String,
        /// The first message.
        text: String,
    },
    /// Writes into the outbox, and answers at once; `delivery` tells how it gets on.
    Write {
        /// To whom.
        who: String,
        /// What.
        post: PostText,
    },
    /// The texts that a message had before, oldest first.
    EarlierTexts {
        /// Its conversation's id.
        conversation: String,
        /// Its id.
        id: String,
    },
    /// Finds messages as the search language of the client has it, the newest first.
    Search {
        /// Words, `from:`, `in:`, `before:`, `after:`, `has:`.
        query: String,
        /// At most so many.
        limit: u32,
    },
    /// Somebody types here, or has stopped.
    Typing {
        /// Where.
        who: String,
        /// Else they have stopped.
        typing: bool,
    },
    /// Keeps what was written and not sent; an empty one is none.
    KeepDraft {
        /// Where.
        who: String,
        /// It.
        draft: String,
    },
    /// To the top of the list, or back.
    SetPinned {
        /// Which.
        who: String,
        /// At the top.
        pinned: bool,
    },
    /// Out of the list, or back.
    SetArchived {
        /// Which.
        who: String,
        /// Out of it.
        archived: bool,
    },
    /// Calls no attention to itself, or does again.
    SetMuted {
        /// Which.
        who: String,
        /// Muted without end, until it is unmuted.
        muted: bool,
    },
    /// Who knocks.
    Requests,
    /// Lets in: a person, or oneself into a group that one was invited to.
    Accept {
        /// The request's id.
        request: String,
    },
    /// Does not.
    Decline {
        /// The request's id.
        request: String,
    },
    /// Lets somebody who has asked into a group of ours.
    Approve {
        /// The request's id.
        request: String,
    },
    /// Does not.
    Reject {
        /// The request's id.
        request: String,
    },
    /// Hears nothing from them any more.
    Block {
        /// Whom.
        handle: String,
    },
    /// The reverse.
    Unblock {
        /// Whom.
        handle: String,
    },
    /// Digits to compare by another way.
    SafetyNumber {
        /// With whom.
        handle: String,
    },
    /// Whether others are told that this account has read, and that it types.
    Telling,
    /// Sets both.
    SetTelling {
        /// Read receipts.
        read: bool,
        /// Typing.
        typing: bool,
    },
    /// How long messages stay in a conversation.
    Timer {
        /// Which.
        who: String,
    },
    /// Sets it, for everybody in the conversation.
    SetTimer {
        /// Which.
        who: String,
        /// 5 to a year; 0: they stay.
        seconds: u32,
    },
    /// Makes a group.
    CreateGroup {
        /// Its title.
        title: String,
    },
    /// A group: its settings and members.
    Group {
        /// Which.
        who: String,
    },
    /// Asks people to come in.
    Invite {
        /// Where.
        who: String,
        /// Handles, or `handle#account-id`.
        handles: Vec<String>,
    },
    /// Opens a link to a group.
    OpenLink {
        /// Which group.
        who: String,
        /// An admin has to approve who comes by it.
        approval: bool,
    },
    /// The links of this device to a group.
    Links {
        /// Which group.
        who: String,
    },
    /// Closes them.
    CloseLinks {
        /// Which group.
        who: String,
    },
    /// Comes in by a link.
    Join {
        /// It.
        link: String,
    },
    /// A group's title.
    SetTitle {
        /// Which group.
        who: String,
        /// The new one.
        title: String,
    },
    /// Makes a member an admin, or a member again.
    SetRole {
        /// Which group.
        who: String,
        /// Whose account, or handle.
        member: String,
        /// An admin from here on.
        admin: bool,
    },
    /// Puts somebody out of a group.
    Remove {
        /// Which group.
        who: String,
        /// Whose account, or handle.
        member: String,
    },
    /// Leaves a group.
    Leave {
        /// Which.
        who: String,
    },
    /// A QR code.
    Code {
        /// What it says.
        text: String,
    },
}

/// Something to be written: a message, or something done to one. Texts are read with the marks of `docs/protocol.md`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "post", rename_all = "kebab-case")]
pub enum PostText {
    /// A text. `@name` of somebody in the conversation calls them.
    Text {
        /// It.
        text: String,
        /// The message that it answers.
        reply_to: Option<String>,
    },
    /// An emoji under a message, or taken back from there.
    React {
        /// The message.
        target: String,
        /// It.
        emoji: String,
        /// Taken back.
        back: bool,
    },
    /// A new text for an own message.
    Edit {
        /// The message.
        target: String,
        /// It.
        text: String,
    },
    /// A message is gone, for all.
    Delete {
        /// The message.
        target: String,
    },
    /// A message of any conversation, again.
    Forward {
        /// Its conversation's id.
        from: String,
        /// Its id.
        id: String,
    },
    /// A poll.
    Poll {
        /// The question.
        question: String,
        /// 2 to 12.
        options: Vec<String>,
        /// A voter may choose several.
        several: bool,
    },
    /// A vote, instead of the one before; without options none.
    Vote {
        /// The poll.
        target: String,
        /// Counted from 0.
        options: Vec<u32>,
    },
    /// Nobody votes in an own poll any more.
    EndPoll {
        /// The poll.
        target: String,
    },
    /// A message is pinned, or no more.
    Pin {
        /// The message.
        target: String,
        /// Pinned.
        pinned: bool,
    },
}
