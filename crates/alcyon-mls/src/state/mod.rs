//! The authenticated state of a group under rule set 2: who is in it and as what, who was removed, which doors are open,
//! how it is set.
//!
//! It lies in the GroupContext (AppDataDictionary, one component), so every member has the same bytes and a GroupInfo
//! confirms them; a commit changes it by an AppDataUpdate whose delta goes through [`GroupState::apply`]. The author of a
//! commit has to know the new state before the log gives the commit a place: so nothing in it depends on a header.
//! What counts the order of things is the state's own **revision**, one more with every update; times of headers are
//! looked at by the rules alone.

mod apply;
mod change;
mod codec;

use std::collections::BTreeMap;

use alcyon_wire::{AccountId, DeviceId, DoorId, DoorKind, SeatId};

pub use apply::{Applied, Transition};
pub use change::{GroupChange, Permission};

use crate::INBOX_PUBLIC_KEY;

/// Accounts in a group at most.
pub const ACCOUNTS: usize = 1_000;
/// Leaves in a group at most.
pub const LEAVES: usize = 2_000;
/// Doors open at a time at most.
pub const DOORS: usize = 64;
/// Removals remembered at most; the oldest go first.
pub const REMOVED: usize = 1_024;
/// Bytes of a title at most.
pub const TITLE: usize = 128;
/// Bytes of a description at most.
pub const DESCRIPTION: usize = 2 * 1024;
/// Bytes of a picture at most: it lies in every GroupInfo and Welcome.
pub const PICTURE: usize = alcyon_wire::limits::PICTURE;
/// How long an account door stays open at most, milliseconds: 30 days.
pub const ACCOUNT_DOOR_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// What an account may do in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Role {
    /// What the settings allow to members.
    #[default]
    Member,
    /// Everything.
    Admin,
}

/// To whom a permission is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Who {
    /// Admins alone.
    #[default]
    Admins,
    /// Every account in the group.
    Members,
}

/// An account that is in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// What it may do.
    pub role: Role,
    /// The revision by which it came; 0 for the creator. The lowest is the oldest.
    pub since: u64,
}

/// Whom a door lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetsIn {
    /// One account, once.
    Account {
        /// The account.
        account: AccountId,
        /// As what.
        role: Role,
    },
    /// Whoever has the link, as a member.
    Link {
        /// Nobody comes in by it alone: an admin is asked, and opens an account door.
        approval: bool,
    },
}

impl LetsIn {
    /// The kind of the door, as the log has it.
    #[must_use]
    pub fn kind(&self) -> DoorKind {
        match self {
            Self::Account { .. } => DoorKind::Account,
            Self::Link { .. } => DoorKind::Link,
        }
    }

    /// What it makes of an account that was not in the group.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Account { account: _, role } => *role,
            Self::Link { approval: _ } => Role::Member,
        }
    }
}

/// A door to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDoor {
    /// The same as at the log.
    pub id: DoorId,
    /// The public key that a new join secret is sealed to: X-Wing, [`INBOX_PUBLIC_KEY`] bytes.
    pub key: Vec<u8>,
    /// Whom it lets in.
    pub lets_in: LetsIn,
    /// Until when, Unix milliseconds by the time of headers. An account door has one, [`ACCOUNT_DOOR_MS`] after it is
    /// opened at the latest; a link may have none.
    pub expires_ms: Option<u64>,
}

/// A door that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDoor {
    /// What was opened.
    pub door: NewDoor,
    /// By whom. It stays open when that account goes.
    pub opened_by: AccountId,
    /// The revision by which it was opened.
    pub opened_at: u64,
}

impl OpenDoor {
    /// Whether its time is over for an entry of this header time.
    #[must_use]
    pub fn expired(&self, time_ms: u64) -> bool {
        self.door.expires_ms.is_some_and(|expires| expires < time_ms)
    }
}

/// How a group is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// At most [`TITLE`] bytes.
    pub title: String,
    /// At most [`DESCRIPTION`] bytes.
    pub description: String,
    /// A small JPEG, at most [`PICTURE`] bytes; empty for none. Nothing here looks into it.
    pub picture: Vec<u8>,
    /// Messages vanish after so many seconds; 0: never.
    pub timer_s: u32,
    /// Who opens doors.
    pub who_invites: Who,
    /// Who sets title, description, picture and timer.
    pub who_edits: Who,
    /// Who writes messages.
    pub who_writes: Who,
}

impl Settings {
    /// Whether every length is within its limit.
    #[must_use]
    pub fn fits(&self) -> bool {
        self.title.len() <= TITLE && self.description.len() <= DESCRIPTION && self.picture.len() <= PICTURE
    }
}

/// The authenticated state of a group. Equal states have equal bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupState {
    /// How many updates led here.
    pub revision: u64,
    /// Every account with a leaf.
    pub accounts: BTreeMap<AccountId, Account>,
    /// Accounts that were removed, each with the revision of its newest removal; kept when the account comes back.
    pub removed: BTreeMap<AccountId, u64>,
    /// The doors that are open, those included whose time is over and that nobody has closed yet.
    pub doors: BTreeMap<DoorId, OpenDoor>,
    /// How it is set.
    pub settings: Settings,
    /// Seats of devices whose leaves came by the Welcome of a term beyond 0. A leaf that names a seat itself counts.
    pub seats: BTreeMap<DeviceId, SeatId>,
}

impl GroupState {
    /// A group of its creator alone.
    #[must_use]
    pub fn new(creator: AccountId, settings: Settings) -> Self {
        Self {
            revision: 0,
            accounts: BTreeMap::from([(creator, Account { role: Role::Admin, since: 0 })]),
            removed: BTreeMap::new(),
            doors: BTreeMap::new(),
            settings,
            seats: BTreeMap::new(),
        }
    }

    /// The state with which the next term begins: the accounts that are taken along as what they were, those that were
    /// removed, and how it is set. Doors belong to a log and stay behind. If no admin is among those who go along, the
    /// oldest becomes one.
    #[must_use]
    pub fn next_term(&self, seats: BTreeMap<DeviceId, SeatId>, goes_along: impl Fn(AccountId) -> bool) -> Self {
        let accounts = self.accounts.iter().filter(|(account, _)| goes_along(**account)).map(|(account, known)| (*account, *known));
        let mut next = Self {
            revision: self.revision.saturating_add(1),
            accounts: accounts.collect(),
            removed: self.removed.clone(),
            doors: BTreeMap::new(),
            settings: self.settings.clone(),
            seats,
        };
        next.keep_an_admin(&mut Vec::new());
        next
    }

    /// Whether the account is an admin.
    #[must_use]
    pub fn is_admin(&self, account: AccountId) -> bool {
        self.accounts.get(&account).is_some_and(|account| account.role == Role::Admin)
    }

    /// Who becomes an admin if of all accounts only those stay: none if one of them is one, else the oldest (the lowest revision by
    /// which it came, then the lowest id).
    #[must_use]
    pub fn heir(&self, stays: impl Fn(AccountId) -> bool) -> Option<AccountId> {
        let stay = || self.accounts.iter().filter(|(id, _)| stays(**id));
        if stay().any(|(_, account)| account.role == Role::Admin) {
            return None;
        }
        stay().min_by_key(|(id, account)| (account.since, **id)).map(|(id, _)| *id)
    }

    /// Whether the account may do what the permission is about.
    #[must_use]
    pub fn may(&self, account: AccountId, permission: Permission) -> bool {
        let who = match permission {
            Permission::Invite => self.settings.who_invites,
            Permission::Edit => self.settings.who_edits,
            Permission::Write => self.settings.who_writes,
        };
        match who {
            Who::Admins => self.is_admin(account),
            Who::Members => self.accounts.contains_key(&account),
        }
    }

    /// The rights at the log that go with a role: *keep* and *invite*.
    #[must_use]
    pub fn rights_at_log(&self, role: Role) -> (bool, bool) {
        let keep = role == Role::Admin;
        (keep, keep || self.settings.who_invites == Who::Members)
    }

    /// Doors whose time is over for every entry after one of this header time: anybody may close them, and a commit
    /// that opens new ones should.
    pub fn expired_doors(&self, time_ms: u64) -> impl Iterator<Item = DoorId> {
        self.doors.iter().filter(move |(_, door)| door.expired(time_ms)).map(|(id, _)| *id)
    }

    /// Whether it is within every limit, and has an admin.
    pub(crate) fn fits(&self) -> bool {
        self.settings.fits()
            && self.accounts.len() <= ACCOUNTS
            && self.removed.len() <= REMOVED
            && self.doors.len() <= DOORS
            && self.seats.len() <= LEAVES
            && self.doors.values().all(|door| door.door.key.len() == INBOX_PUBLIC_KEY)
            && self.accounts.values().any(|account| account.role == Role::Admin)
    }
}
