use alcyon_wire::{RefusalCode, WireError};
use thiserror::Error;

use crate::{IntroductionRule, TransportError};

/// What kept a call from being done. Nothing is half done: an error leaves the profile as it was, but where the text says otherwise.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The profile has no account yet. Register first.
    #[error("this profile has no account yet; register one first")]
    NoAccount,
    /// The profile has an account already. Use another profile for another account.
    #[error("this profile already has an account")]
    HasAccount,
    /// No conversation, request or contact goes by that name.
    #[error("nothing here is called {field} {what}")]
    Unknown {
        /// The argument at fault.
        field: &'static str,
        /// As it was given.
        what: String,
    },
    /// The server's directory has no such handle.
    #[error("no account has the handle {0}")]
    NoSuchHandle(String),
    /// The handle is taken. Choose another.
    #[error("the handle {0} is taken")]
    HandleTaken(String),
    /// Many sign up at once and this one was not to wait. Its place is kept: the same call goes on from there.
    #[error("many sign up just now: {place} in line; the place is kept, run it again to go on")]
    InLine {
        /// People before this one, and itself.
        place: u64,
        /// Milliseconds until its turn, as far as the server knows.
        wait_ms: u64,
    },
    /// The server lets newcomers in who show something, and this one had nothing of that. Nothing has changed.
    #[error("this server asks newcomers for {ways}")]
    ProofNeeded {
        /// `invite`, `work`, `email`, `phone`: any of the ways, all the proofs of one.
        ways: String,
    },
    /// A code is on its way. Go on with it.
    #[error("a code was sent to {to}; run it again with --code")]
    CodeSent {
        /// Where it goes.
        to: String,
    },
    /// The handle names another account than the one known or asked for. Compare safety numbers, then use `handle#account-id`.
    #[error("{handle} names another account than before; nothing was sent")]
    HandleChanged {
        /// The handle.
        handle: String,
    },
    /// One's own handle. There is nobody to knock at.
    #[error("that is your own handle")]
    OwnHandle,
    /// The other side is blocked. Unblock first.
    #[error("{0} is blocked; unblock first")]
    Blocked(String),
    /// The conversation is over: somebody of two has declined or left, or this account is not in the group any more.
    #[error("this conversation is over: left, declined or ended")]
    Left,
    /// The text is too long. A message can be sent as a file.
    #[error("at most {limit} bytes of text fit here, this has {actual}")]
    TextTooLong {
        /// Bytes allowed.
        limit: usize,
        /// Bytes given.
        actual: usize,
    },
    /// A file could not be sealed or opened. What was written is to be thrown away.
    #[error(transparent)]
    File(#[from] alcyon_files::FileError),
    /// The place on this device where files wait to be carried can't be read or written. Make room, then try again.
    #[error("a file on its way can't be kept on this device: {0}")]
    Room(#[source] std::io::Error),
    /// The file is not on this device yet. Fetch it first.
    #[error("that file is not on this device yet")]
    NotFetched,
    /// Too many people in one call. Invite them in several.
    #[error("at most {limit} people are invited at once, not {actual}")]
    TooManyAtOnce {
        /// People allowed.
        limit: usize,
        /// People given.
        actual: usize,
    },
    /// The rules of the group do not allow it. Nothing has changed.
    #[error("not allowed: {rule}")]
    NotAllowed {
        /// Which rule.
        rule: String,
    },
    /// A name or picture that nobody would take. Nothing has changed.
    #[error("{0}")]
    BadIntroduction(#[from] IntroductionRule),
    /// That account is in the group already.
    #[error("{0} is in already")]
    AlreadyIn(String),
    /// This device is still coming in. Sync first.
    #[error("this device is still coming into the group")]
    NotInYet,
    /// The invite or link is over: used, closed, expired, or for somebody else.
    #[error("the invite or link is over: used, closed, expired, or for somebody else")]
    InviteOver,
    /// No day. Write it as 2026, 2026-11 or 2026-11-22.
    #[error("{0} is no day: one looks like 2026-11-22")]
    NoDay(String),
    /// The code of a new device is over, or is not what that device shows. Show a new one with `device link`.
    #[error("this code is over, or is not the one that the new device shows; show a new one there")]
    CodeOver,
    /// Somebody else has answered this code, or it was used already. Show a new one.
    #[error("this code was used already; show a new one on the new device")]
    CodeUsed,
    /// The new device does not answer. Is it still showing the code?
    #[error("the new device does not answer; it has to be showing its code")]
    NoAnswer,
    /// The person said no on the other device.
    #[error("the other device has said no")]
    LinkRefused,
    /// The account has as many devices as it may. Remove one first.
    #[error("an account has at most {limit} devices; remove one first")]
    TooManyDevices {
        /// Devices allowed.
        limit: usize,
    },
    /// This device was removed from its account, by another one. What it has can be read no more here.
    #[error("this device was removed from its account by another device of it")]
    DeviceRemoved,
    /// An empty text can't be sent.
    #[error("the text is empty")]
    EmptyText,
    /// The other account has no device that can be reached yet. Try again when it has been online once.
    #[error("{0} has no device that can be written to yet")]
    NoDevices(String),
    /// An argument or an answer is not what it has to be.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// No connection.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The server said no.
    #[error("the server refused: {message}")]
    Refused {
        /// How final it is.
        kind: RefusalKind,
        /// The code, where it came over the data plane.
        code: RefusalCode,
        /// The server's words.
        message: String,
        /// The field at fault, if the server named one.
        field: Option<String>,
    },
    /// The server's answer makes no sense, or its signature does not hold. Nothing was believed.
    #[error("the server's answer is not believable: {0}")]
    Unbelievable(&'static str),
    /// Keys or certificates do not hold.
    #[error(transparent)]
    Identity(#[from] alcyon_identity::IdentityError),
    /// The group operation failed. The conversation is as it was.
    #[error("encryption: {0}")]
    Mls(#[from] alcyon_mls::MlsError),
    /// The database failed. Nothing was acknowledged.
    #[error(transparent)]
    Store(#[from] alcyon_store::StoreError),
}

/// How final a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The same may succeed, not before so many milliseconds from now.
    Later {
        /// Milliseconds to wait.
        after_ms: u64,
    },
    /// The same will never succeed.
    Never,
    /// Another server is responsible.
    Elsewhere,
}

impl ClientError {
    /// A word for machines, stable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAccount => "no-account",
            Self::HasAccount => "has-account",
            Self::Unknown { .. } => "unknown",
            Self::NoSuchHandle(_) => "no-such-handle",
            Self::HandleTaken(_) => "handle-taken",
            Self::InLine { .. } => "in-line",
            Self::ProofNeeded { .. } => "proof-needed",
            Self::CodeSent { .. } => "code-sent",
            Self::HandleChanged { .. } => "handle-changed",
            Self::OwnHandle => "own-handle",
            Self::Blocked(_) => "blocked",
            Self::Left => "left",
            Self::TextTooLong { .. } => "text-too-long",
            Self::EmptyText => "empty-text",
            Self::File(alcyon_files::FileError::TooLarge { .. }) => "file-too-large",
            Self::File(alcyon_files::FileError::Changed) => "file-changed",
            Self::File(alcyon_files::FileError::Io(_) | alcyon_files::FileError::Random(_)) | Self::Room(_) => "io",
            Self::File(_) => "file-damaged",
            Self::NotFetched => "not-fetched",
            Self::NoDay(_) => "no-day",
            Self::TooManyAtOnce { .. } => "too-many",
            Self::NotAllowed { .. } => "not-allowed",
            Self::BadIntroduction(IntroductionRule::NameTooLong | IntroductionRule::NameHidden) => "bad-name",
            Self::BadIntroduction(IntroductionRule::Picture) => "bad-picture",
            Self::AlreadyIn(_) => "already-in",
            Self::NotInYet => "not-in-yet",
            Self::InviteOver => "invite-over",
            Self::NoDevices(_) => "no-devices",
            Self::CodeOver => "code-over",
            Self::CodeUsed => "code-used",
            Self::NoAnswer => "no-answer",
            Self::LinkRefused => "link-refused",
            Self::TooManyDevices { .. } => "too-many-devices",
            Self::DeviceRemoved => "device-removed",
            Self::Wire(_) => "invalid",
            Self::Transport(_) => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Unbelievable(_) => "unbelievable",
            Self::Identity(_) => "identity",
            Self::Mls(_) => "encryption",
            Self::Store(_) => "storage",
        }
    }

    /// The argument at fault, if there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Unknown { field, .. } => Some(field),
            Self::NoSuchHandle(_)
            | Self::HandleTaken(_)
            | Self::HandleChanged { .. }
            | Self::OwnHandle
            | Self::Blocked(_)
            | Self::NoDevices(_)
            | Self::TooManyAtOnce { .. }
            | Self::AlreadyIn(_) => Some("handle"),
            Self::InviteOver => Some("id"),
            Self::CodeOver | Self::CodeUsed => Some("code"),
            Self::TextTooLong { .. } | Self::EmptyText => Some("text"),
            Self::File(alcyon_files::FileError::TooLarge { .. } | alcyon_files::FileError::Changed) => Some("file"),
            Self::NoDay(_) => Some("query"),
            Self::BadIntroduction(IntroductionRule::NameTooLong | IntroductionRule::NameHidden) => Some("name"),
            Self::BadIntroduction(IntroductionRule::Picture) => Some("picture"),
            Self::Wire(error) => Some(error.field()),
            Self::Refused { field, .. } => field.as_deref(),
            _ => None,
        }
    }
}
