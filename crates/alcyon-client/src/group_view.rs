//! Groups as a program shows them.

use alcyon_wire::{AccountId, Handle};

use crate::TermReason;

/// An account, and its handle where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub account: AccountId,
    /// The handle as known here.
    pub handle: Option<Handle>,
    /// How it is called on a screen, if it has given itself a name; with the handle beside it where somebody else goes by the same one.
    pub name: Option<String>,
}

/// What happened in a group. Who did it is the message's sender.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// The group was made.
    Created,
    /// Somebody was invited.
    Invited {
        /// Who.
        whom: Person,
    },
    /// The sender came in.
    CameIn {
        /// By whose invitation or link.
        invited_by: Option<Person>,
    },
    /// Somebody left.
    Left {
        /// Who.
        whom: Person,
    },
    /// Somebody was removed.
    Removed {
        /// Who.
        whom: Person,
    },
    /// Somebody became an admin, or a member.
    Role {
        /// Who.
        whom: Person,
        /// An admin from here on.
        admin: bool,
    },
    /// The title.
    Title {
        /// The new one.
        title: String,
    },
    /// The description.
    Description {
        /// The new one.
        description: String,
    },
    /// The picture.
    Picture,
    /// Messages vanish after a time.
    Timer {
        /// Seconds; 0: they stay.
        seconds: u32,
    },
    /// Who may do something.
    Permission {
        /// What.
        permission: GroupPermission,
        /// All members may; else admins alone.
        members: bool,
    },
    /// A link was opened.
    LinkOpened {
        /// An admin has to approve who comes by it.
        approval: bool,
    },
    /// A link was closed.
    LinkClosed,
    /// The group is over.
    Ended,
    /// The conversation goes on at another server.
    Moved {
        /// Its host, with the port if it is not the usual one.
        server: String,
        /// Why.
        reason: TermReason,
    },
}

/// What may be allowed to all members, or to admins alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum GroupPermission {
    /// Invite.
    Invite = 1,
    /// Set title, description, picture and timer.
    Edit = 2,
    /// Write messages.
    Write = 3,
}

impl GroupPermission {
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        [Self::Invite, Self::Edit, Self::Write].into_iter().find(|permission| *permission as u64 == number)
    }

    /// A word for machines.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Edit => "edit",
            Self::Write => "write",
        }
    }
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub person: Person,
    /// May do everything.
    pub admin: bool,
    /// This account.
    pub own: bool,
    /// Devices in the group.
    pub devices: usize,
}

/// An open invite or link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorView {
    /// Whom it is for; none for a link.
    pub whom: Option<Person>,
    /// By whom.
    pub by: Person,
    /// A link by which nobody comes in without an admin.
    pub approval: bool,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The title.
    pub title: String,
    /// The description.
    pub description: String,
    /// A JPEG of at most 4 KiB, or empty. Bytes from outside, to be decoded with care.
    pub picture: Vec<u8>,
    /// Messages vanish after so many seconds; 0: they stay.
    pub timer_s: u32,
    /// What members may; the others are for admins.
    pub members_may: Vec<GroupPermission>,
    /// Everybody, oldest first.
    pub members: Vec<MemberView>,
    /// Invites and links that are open.
    pub doors: Vec<DoorView>,
    /// The epoch of the encryption: the same for all who have read as far.
    pub epoch: u64,
}

/// What an act in a group came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActOutcome {
    /// It is in the log, and holds.
    Done,
    /// It goes out with the next connection.
    Queued,
}
