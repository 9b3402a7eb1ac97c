//! Rule set 2: groups. The numbers are those of rule set 1 where a rule is of the same kind; 10 and 11 are new.

use std::collections::{BTreeMap, BTreeSet};

use alcyon_wire::{AccountId, Door, DoorId, HeaderFacts, limits};

use super::{
    Author, Commit, Invalid, Leaf, Proposal, State,
    shared::{author, history, kind, leaves_after, seats},
};
use crate::{
    ACCOUNT_DOOR_MS, Applied, GroupChange, GroupState, INBOX_PUBLIC_KEY, LEAVES, LeafIndex, LetsIn, NewDoor, Permission, Role, Transition,
};

pub(super) fn judge(state: &State, group: &GroupState, commit: &Commit, header: &HeaderFacts) -> Result<State, Invalid> {
    kind(state, commit, header)?;
    proposals(commit)?;
    history(state, commit, header)?;
    author(state, commit)?;
    removal(state, group, commit)?;
    backed(state, group, commit, Some(header.time_ms))?;
    let rights_apart = seat_rights(state, group, commit, header)?;
    match commit.path {
        Some(_) => seats(state, commit, &rights_apart)?,
        None => no_seats(&rights_apart)?,
    }
    rights(state, group, commit, Some(header.time_ms))?;
    let next = update(state, group, commit)?;
    doors(group, &next, commit, header)?;
    limits_hold(&next)?;
    Ok(next)
}

pub(super) fn foresee(state: &State, group: &GroupState, commit: &Commit) -> Result<(), Invalid> {
    proposals(commit)?;
    author(state, commit)?;
    removal(state, group, commit)?;
    backed(state, group, commit, None)?;
    rights(state, group, commit, None)?;
    limits_hold(&update(state, group, commit)?)
}

pub(super) fn check_state(state: &State, group: &GroupState) -> Result<(), Invalid> {
    let accounts: BTreeSet<_> = state.leaves.values().map(|leaf| leaf.account).collect();
    if !group.fits() || !accounts.iter().eq(group.accounts.keys()) {
        return Err(Invalid::Accounts);
    }
    limits_hold(state)
}

pub(super) fn outcome(state: &State, group: &GroupState, commit: &Commit) -> Option<Applied> {
    let author = author_account(state, commit)?;
    let after = leaves_after(state, commit);
    let stay: BTreeSet<AccountId> = after.values().map(|leaf| leaf.account).collect();
    let gone: BTreeSet<AccountId> = state.leaves.values().map(|leaf| leaf.account).filter(|account| !stay.contains(account)).collect();
    let (left, removed) = gone.into_iter().partition(|account| commit.data.leaves.iter().any(|proof| proof.account() == *account));
    let door = if commit.author == Author::Joiner { commit.data.door } else { None };
    group.apply(&Transition { author, delta: delta(commit), door, removed, left })
}

fn author_account(state: &State, commit: &Commit) -> Option<AccountId> {
    match commit.author {
        Author::Member(index) => state.leaves.get(&index).map(|leaf| leaf.account),
        Author::Joiner => commit.path.as_ref().map(|path| path.account),
    }
}

fn delta(commit: &Commit) -> &[GroupChange] {
    commit
        .proposals
        .iter()
        .find_map(|proposal| if let Proposal::Change(changes) = proposal { Some(changes.as_slice()) } else { None })
        .unwrap_or_default()
}

/// Rule 2. A member's commit holds removals and at most one update of the state; a joiner's what makes it external, at
/// most one removal and at most one update. Nothing by reference, nothing unknown: no PSK, no ReInit, no
/// GroupContextExtensions, no Add. A commit has a path, but for a member's that is an update and no more.
fn proposals(commit: &Commit) -> Result<(), Invalid> {
    let count = |which: fn(&Proposal) -> bool| commit.proposals.iter().filter(|proposal| which(proposal)).count();
    let removals = count(|proposal| matches!(proposal, Proposal::Remove(_)));
    let updates = count(|proposal| matches!(proposal, Proposal::Change(_)));
    let inits = count(|proposal| *proposal == Proposal::ExternalInit);
    let right = removals + updates + inits == commit.proposals.len()
        && updates <= 1
        && match commit.author {
            Author::Member(_) => inits == 0 && (commit.path.is_some() || removals == 0 && updates == 1),
            Author::Joiner => inits == 1 && removals <= 1 && commit.path.is_some(),
        };
    if right { Ok(()) } else { Err(Invalid::Proposals) }
}

/// Rule 5. A member removes leaves of its own account, never its own and none of a higher era; of another account that
/// left, exactly the leaves on the seats that its proof names, none of a higher era than the proof's; of others, if it is
/// an admin, and then every leaf of the account. Each proof holds, and is needed. A joiner removes at most a leaf with its
/// own device key, and shows no proof.
fn removal(state: &State, group: &GroupState, commit: &Commit) -> Result<(), Invalid> {
    let mut gone = BTreeMap::<AccountId, BTreeSet<LeafIndex>>::new();
    for proposal in &commit.proposals {
        let Proposal::Remove(index) = proposal else { continue };
        let leaf = state.leaves.get(index).ok_or(Invalid::Removal)?;
        if !gone.entry(leaf.account).or_default().insert(*index) {
            return Err(Invalid::Removal);
        }
    }
    let right = match commit.author {
        Author::Joiner => {
            let path = commit.path.as_ref().ok_or(Invalid::Removal)?;
            commit.data.leaves.is_empty()
                && gone.values().flatten().all(|index| {
                    let replaced = state.leaves.get(index);
                    replaced.is_some_and(|old| old.device == path.device && old.account == path.account && old.era <= path.era)
                })
        }
        Author::Member(own) => {
            let by = state.leaves.get(&own).ok_or(Invalid::Removal)?;
            proofs(state, commit, by, &gone)?;
            gone.iter().all(|(account, leaves)| may_remove(state, group, commit, (own, by), *account, leaves))
        }
    };
    if right { Ok(()) } else { Err(Invalid::Removal) }
}

fn proofs(state: &State, commit: &Commit, by: &Leaf, gone: &BTreeMap<AccountId, BTreeSet<LeafIndex>>) -> Result<(), Invalid> {
    let mut accounts = BTreeSet::new();
    let right = commit.data.leaves.iter().all(|proof| {
        let account = proof.account();
        account != by.account && gone.contains_key(&account) && accounts.insert(account) && proof.holds(state.rules.log)
    });
    if right { Ok(()) } else { Err(Invalid::Removal) }
}

fn may_remove(
    state: &State,
    group: &GroupState,
    commit: &Commit,
    (own, by): (LeafIndex, &Leaf),
    account: AccountId,
    gone: &BTreeSet<LeafIndex>,
) -> bool {
    let leaves = || state.leaves.iter().filter(move |(_, leaf)| leaf.account == account);
    if account == by.account {
        return !gone.contains(&own) && leaves().all(|(index, leaf)| !gone.contains(index) || by.era >= leaf.era);
    }
    match commit.data.leaves.iter().find(|proof| proof.account() == account) {
        Some(proof) => leaves().all(|(index, leaf)| {
            let named = leaf.seat.is_some_and(|seat| proof.names(seat));
            gone.contains(index) == named && (!named || proof.era() >= leaf.era)
        }),
        None => group.is_admin(by.account) && leaves().all(|(index, _)| gone.contains(index)),
    }
}

/// Rule 6. Who comes in is backed by a leaf of the same account, none of whose leaves is of a higher era; or by the door
/// it names: an account door for that very account, not after its time, and opened after the account was removed, if it
/// ever was; or a link without approval, not after its time, if the account was never removed. No account comes in by
/// another's door.
fn backed(state: &State, group: &GroupState, commit: &Commit, time_ms: Option<u64>) -> Result<(), Invalid> {
    let (Author::Joiner, Some(path)) = (commit.author, &commit.path) else { return Ok(()) };
    let door = commit.data.door.and_then(|id| group.doors.get(&id));
    let others = |lets_in: LetsIn| matches!(lets_in, LetsIn::Account { account, role: _ } if account != path.account);
    if door.is_some_and(|door| others(door.door.lets_in)) {
        return Err(Invalid::Backing);
    }
    let highest = state.leaves.values().filter(|leaf| leaf.account == path.account).map(|leaf| leaf.era).max();
    let right = match (highest, door) {
        (Some(era), _) => era <= path.era,
        (None, None) => false,
        (None, Some(door)) => {
            let removed = group.removed.get(&path.account);
            let open = time_ms.is_none_or(|time| !door.expired(time));
            open && match door.door.lets_in {
                LetsIn::Account { account, role: _ } => account == path.account && removed.is_none_or(|at| *at < door.opened_at),
                LetsIn::Link { approval } => !approval && removed.is_none(),
            }
        }
    };
    if right { Ok(()) } else { Err(Invalid::Backing) }
}

/// Rule 7. At most 1,000 accounts, 10 devices each, 2,000 leaves, no device twice, 64 doors, and what is set is within its
/// limits.
fn limits_hold(next: &State) -> Result<(), Invalid> {
    let mut devices = BTreeMap::<AccountId, usize>::new();
    let mut seen = BTreeSet::new();
    for leaf in next.leaves.values() {
        *devices.entry(leaf.account).or_default() += 1;
        if !seen.insert(leaf.device) {
            return Err(Invalid::Accounts);
        }
    }
    let right = next.leaves.len() <= LEAVES
        && devices.values().all(|count| *count <= limits::DEVICES)
        && next.group.as_ref().is_some_and(GroupState::fits);
    if right { Ok(()) } else { Err(Invalid::Accounts) }
}

/// Rule 8, the rights of seats: the header may name seats of leaves that stay, to give them other rights at the log, if the
/// author is an admin. What is left of the header is judged by the rest of the rule.
fn seat_rights(state: &State, group: &GroupState, commit: &Commit, header: &HeaderFacts) -> Result<HeaderFacts, Invalid> {
    let own = match commit.author {
        Author::Member(index) => Some(index),
        Author::Joiner => None,
    };
    let gone = |index: &LeafIndex| commit.proposals.contains(&Proposal::Remove(*index));
    let staying: BTreeSet<_> =
        state.leaves.iter().filter(|(index, _)| Some(**index) != own && !gone(index)).filter_map(|(_, leaf)| leaf.seat).collect();
    let mut rest = header.clone();
    rest.changes.seats_added.retain(|seat| !staying.contains(&seat.id));
    let named = rest.changes.seats_added.len() < header.changes.seats_added.len();
    let admin = author_account(state, commit).is_some_and(|author| group.is_admin(author));
    if named && (own.is_none() || !admin) { Err(Invalid::Seats) } else { Ok(rest) }
}

/// Rule 8, for a commit without a path: no seat comes or goes with it.
fn no_seats(header: &HeaderFacts) -> Result<(), Invalid> {
    let none = header.changes.seats_added.is_empty() && header.changes.seats_dropped.is_empty();
    if none { Ok(()) } else { Err(Invalid::Seats) }
}

/// Rule 9. State and header agree on the doors. A joiner comes by the door that the header says, if by any, and changes
/// none. A member comes by none; what its delta opens the header adds, with the same kind, no rights beyond those of what it
/// makes of an account, and nothing else; what it
/// closes the header drops. The header may also drop doors that go by themselves, such whose time is over, and such that
/// the state does not know (an invalid commit may have opened them at the log).
fn doors(group: &GroupState, next: &State, commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let added: BTreeMap<DoorId, &Door> = header.changes.doors_added.iter().map(|door| (door.id, door)).collect();
    let dropped: BTreeSet<DoorId> = header.changes.doors_dropped.iter().copied().collect();
    if added.len() != header.changes.doors_added.len() || dropped.len() != header.changes.doors_dropped.len() {
        return Err(Invalid::Doors);
    }
    if commit.author == Author::Joiner {
        let right = header.door == commit.data.door && added.is_empty() && dropped.is_empty();
        return if right { Ok(()) } else { Err(Invalid::Doors) };
    }
    let mut opened = BTreeMap::new();
    let mut closed = BTreeSet::new();
    for change in delta(commit) {
        match change {
            GroupChange::OpenDoor(door) => {
                opened.insert(door.id, door.lets_in);
            }
            GroupChange::CloseDoor(id) => {
                closed.insert(*id);
            }
            _ => {}
        }
    }
    let stays = |id: &DoorId| next.group.as_ref().is_some_and(|next| next.doors.contains_key(id));
    let may_go = |id: &DoorId| group.doors.get(id).is_none_or(|door| !stays(id) || door.expired(header.time_ms));
    let after = next.group.as_ref().unwrap_or(group);
    let as_opened = |(id, door): (&DoorId, &&Door)| {
        opened.get(id).is_some_and(|lets_in: &LetsIn| {
            let (keep, invite) = after.rights_at_log(lets_in.role());
            door.kind == lets_in.kind() && (keep || !door.keep) && (invite || !door.invite)
        })
    };
    let right = header.door.is_none()
        && commit.data.door.is_none()
        && opened.len() == added.len()
        && added.iter().all(as_opened)
        && closed.is_subset(&dropped)
        && dropped.iter().all(may_go);
    if right { Ok(()) } else { Err(Invalid::Doors) }
}

/// Rule 10. Each change is one that its author may make, by the state before the commit. A joiner asks for nothing.
fn rights(state: &State, group: &GroupState, commit: &Commit, time_ms: Option<u64>) -> Result<(), Invalid> {
    let delta = delta(commit);
    let Author::Member(_) = commit.author else {
        return if delta.is_empty() { Ok(()) } else { Err(Invalid::Rights) };
    };
    let author = author_account(state, commit).ok_or(Invalid::Rights)?;
    let admin = group.is_admin(author);
    let may = |permission| admin || group.may(author, permission);
    let mut named = BTreeSet::new();
    for change in delta {
        let right = match change {
            GroupChange::SetRole { account, role: _ } => admin && group.accounts.contains_key(account),
            GroupChange::OpenDoor(door) => {
                let free = !group.doors.contains_key(&door.id) && named.insert(door.id);
                free && may(Permission::Invite) && (admin || needs_no_admin(group, door)) && sound(door, time_ms)
            }
            GroupChange::CloseDoor(id) => {
                let open = group.doors.get(id).filter(|_| named.insert(*id));
                open.is_some_and(|open| {
                    let over = time_ms.map_or(open.door.expires_ms.is_some(), |time| open.expired(time));
                    admin || open.opened_by == author || over
                })
            }
            GroupChange::SetTitle(_) | GroupChange::SetDescription(_) | GroupChange::SetPicture(_) | GroupChange::SetTimer(_) => {
                may(Permission::Edit)
            }
            GroupChange::SetPermission { permission: _, who: _ } => admin,
        };
        if !right {
            return Err(Invalid::Rights);
        }
    }
    Ok(())
}

/// A door that a member may open: it makes nobody an admin, and brings nobody back whom an admin has put out.
fn needs_no_admin(group: &GroupState, door: &NewDoor) -> bool {
    match door.lets_in {
        LetsIn::Account { account, role } => role == Role::Member && !group.removed.contains_key(&account),
        LetsIn::Link { approval: _ } => true,
    }
}

/// The key has its length, and an account door its time.
fn sound(door: &NewDoor, time_ms: Option<u64>) -> bool {
    let in_time = match (door.lets_in, door.expires_ms) {
        (LetsIn::Link { approval: _ }, _) => true,
        (LetsIn::Account { .. }, None) => false,
        (LetsIn::Account { .. }, Some(expires)) => time_ms.is_none_or(|time| expires <= time.saturating_add(ACCOUNT_DOOR_MS)),
    };
    in_time && door.key.len() == INBOX_PUBLIC_KEY
}

/// Rule 11. The commit carries an update if, and only if, the state changes; each door that it opens is then open. The
/// state after it is what [`GroupState::apply`] makes of it.
fn update(state: &State, group: &GroupState, commit: &Commit) -> Result<State, Invalid> {
    let carried = commit.proposals.iter().any(|proposal| matches!(proposal, Proposal::Change(_)));
    let applied = outcome(state, group, commit);
    if carried != applied.is_some() {
        return Err(Invalid::Update);
    }
    let next = applied.map_or_else(|| group.clone(), |applied| applied.state);
    let open = delta(commit).iter().all(|change| match change {
        GroupChange::OpenDoor(door) => next.doors.contains_key(&door.id),
        _ => true,
    });
    if !open {
        return Err(Invalid::Update);
    }
    Ok(State { leaves: leaves_after(state, commit), group: Some(next), ..state.clone() })
}
