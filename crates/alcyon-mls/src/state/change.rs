use alcyon_wire::{AccountId, DoorId};

use super::{NewDoor, Role, Who};

/// What members may be allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Open doors.
    Invite,
    /// Set title, description, picture and timer.
    Edit,
    /// Write messages.
    Write,
}

/// One change of a group's state, as a commit's delta carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupChange {
    /// Makes an account that is in the group an admin or a member. By admins.
    SetRole {
        /// The account.
        account: AccountId,
        /// Its role from now on.
        role: Role,
    },
    /// Opens a door; the header adds the same. By those who invite; one that makes an admin, or that lets in an account
    /// that was removed, by admins.
    OpenDoor(NewDoor),
    /// Closes a door; the header drops the same. By admins, by whoever opened it, by anybody once its time is over.
    CloseDoor(DoorId),
    /// Sets the title. By those who edit.
    SetTitle(String),
    /// Sets the description. By those who edit.
    SetDescription(String),
    /// Sets the picture; empty for none. By those who edit.
    SetPicture(Vec<u8>),
    /// Sets the timer, seconds; 0 for none. By those who edit.
    SetTimer(u32),
    /// Sets who may. By admins.
    SetPermission {
        /// What.
        permission: Permission,
        /// Who may.
        who: Who,
    },
}
