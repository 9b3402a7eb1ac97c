use alcyon_wire::{AccountId, DoorId};

use super::{Account, GroupChange, GroupState, LetsIn, OpenDoor, Permission, REMOVED, Role};

/// What a commit does to the state, told by who it is and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition<'a> {
    /// The account that commits.
    pub author: AccountId,
    /// What it asks for.
    pub delta: &'a [GroupChange],
    /// It comes in by this door.
    pub door: Option<DoorId>,
    /// Accounts whose last leaf it removes.
    pub removed: Vec<AccountId>,
    /// Accounts that left and whose last leaf it clears away.
    pub left: Vec<AccountId>,
}

/// The state after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The state.
    pub state: GroupState,
    /// What followed by itself: doors that are used up or lead nowhere any more, an admin where none was left.
    pub automatic: Vec<GroupChange>,
}

impl GroupState {
    /// The state after a commit; none if the commit does not change it. Total: whether the commit was allowed to is for
    /// the rules to say.
    ///
    /// In this order: the delta; the account that comes in, and the account door it used up; the accounts that go, and
    /// account doors for those that were removed (doors that they opened for others stay); if no admin is left, the
    /// oldest account becomes one (the lowest revision by which it came, then the lowest id).
    #[must_use]
    pub fn apply(&self, transition: &Transition<'_>) -> Option<Applied> {
        let Transition { author, delta, door, removed, left } = transition;
        let mut next = Self { revision: self.revision.saturating_add(1), ..self.clone() };
        let mut automatic = Vec::new();
        for change in *delta {
            next.change(*author, change);
        }
        next.come_in(*author, *door, &mut automatic);
        for account in removed {
            next.accounts.remove(account);
            next.removed.insert(*account, next.revision);
        }
        for account in left {
            next.accounts.remove(account);
        }
        next.doors.retain(|id, open| {
            let leads_nowhere = matches!(open.door.lets_in, LetsIn::Account { account, role: _ } if removed.contains(&account));
            if leads_nowhere {
                automatic.push(GroupChange::CloseDoor(*id));
            }
            !leads_nowhere
        });
        while next.removed.len() > REMOVED {
            let oldest = next.removed.iter().min_by_key(|(id, at)| (**at, **id)).map(|(id, _)| *id);
            oldest.map(|oldest| next.removed.remove(&oldest));
        }
        next.keep_an_admin(&mut automatic);
        let changed = !delta.is_empty() || Self { revision: self.revision, ..next.clone() } != *self;
        changed.then_some(Applied { state: next, automatic })
    }

    fn change(&mut self, author: AccountId, change: &GroupChange) {
        match change {
            GroupChange::SetRole { account, role } => {
                if let Some(account) = self.accounts.get_mut(account) {
                    account.role = *role;
                }
            }
            GroupChange::OpenDoor(door) => {
                let open = OpenDoor { door: door.clone(), opened_by: author, opened_at: self.revision };
                self.doors.insert(door.id, open);
            }
            GroupChange::CloseDoor(id) => {
                self.doors.remove(id);
            }
            GroupChange::SetTitle(title) => self.settings.title.clone_from(title),
            GroupChange::SetDescription(description) => self.settings.description.clone_from(description),
            GroupChange::SetPicture(picture) => self.settings.picture.clone_from(picture),
            GroupChange::SetTimer(seconds) => self.settings.timer_s = *seconds,
            GroupChange::SetPermission { permission, who } => match permission {
                Permission::Invite => self.settings.who_invites = *who,
                Permission::Edit => self.settings.who_edits = *who,
                Permission::Write => self.settings.who_writes = *who,
            },
        }
    }

    fn come_in(&mut self, author: AccountId, door: Option<DoorId>, automatic: &mut Vec<GroupChange>) {
        let mut as_what = Role::Member;
        if let Some(id) = door
            && let Some(open) = self.doors.get(&id)
            && let LetsIn::Account { account, role } = open.door.lets_in
            && account == author
        {
            as_what = role;
            self.doors.remove(&id);
            automatic.push(GroupChange::CloseDoor(id));
        }
        // Who is in already keeps its role: a door for one more device makes nobody an admin.
        self.accounts.entry(author).or_insert(Account { role: as_what, since: self.revision });
    }

    pub(super) fn keep_an_admin(&mut self, automatic: &mut Vec<GroupChange>) {
        let heir = self.heir(|_| true);
        if let Some((id, account)) = heir.and_then(|id| Some((id, self.accounts.get_mut(&id)?))) {
            account.role = Role::Admin;
            automatic.push(GroupChange::SetRole { account: id, role: Role::Admin });
        }
    }
}
