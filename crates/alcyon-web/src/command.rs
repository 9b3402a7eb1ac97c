use serde::{Deserialize, Serialize};

/// What a page asks for. Each call is answered once, by `done` or `failed` with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The page's number for it.
    pub call: u32,
    /// What to do.
    #[serde(flatten)]
    pub command: Command,
}

/// What to do. `who` is a handle, `handle#account-id` or a conversation's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Opens or makes a profile; everything else wants one. If it has an account, events begin to come.
    Open {
        /// Its name in this origin's storage: letters, digits and `-`.
        profile: String,
        /// The database key, 64 hexadecimal digits. Where it is kept is the page's business.
        key: String,
    },
    /// Makes an account. The answer holds the recovery words, this once.
    Register {
        /// The part of the handle before the `@`.
        name: String,
        /// `https://...`
        server: String,
    },
    /// The account of the profile.
    Whoami,
    /// All conversations: those pinned, then the newest first, then those archived.
    Conversations,
    /// Messages of a conversation, oldest first.
    History {
        /// Which.
        who: String,
        /// The newest so many only.
        limit: Option<u32>,
    },
    /// All of it counts as read.
    MarkRead {
        /// Which.
        who: String,
    },
    /// The message was shown; it does not come as an event again.
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
    /// Writes.
    Send {
        /// To whom.
        who: String,
        /// What.
        text: String,
    },
    /// Who knocks.
    Requests,
    /// Lets in.
    Accept {
        /// The request's id.
        request: String,
    },
    /// Does not.
    Decline {
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
}
