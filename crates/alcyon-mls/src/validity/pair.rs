//! Rule set 1: a *pair*, the two accounts of the first epoch, for ever.

use std::collections::{BTreeMap, BTreeSet};

use alcyon_wire::{AccountId, HeaderFacts, limits};

use super::{
    Author, Commit, Invalid, Proposal, State,
    shared::{author, history, kind, leaves_after, seats},
};

pub(super) fn judge(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<State, Invalid> {
    kind(state, commit, header)?;
    proposals(commit)?;
    history(state, commit, header)?;
    author(state, commit)?;
    removal(state, commit)?;
    backed(state, commit)?;
    seats(state, commit, header)?;
    doors(commit, header)?;
    let next = apply(state, commit);
    accounts(state, &next)?;
    Ok(next)
}

pub(super) fn foresee(state: &State, commit: &Commit) -> Result<(), Invalid> {
    proposals(commit)?;
    author(state, commit)?;
    removal(state, commit)?;
    backed(state, commit)?;
    accounts(state, &apply(state, commit))
}

/// What must hold in any state of a pair: at most two accounts, at most 10 devices each, no device twice.
pub(super) fn check_state(state: &State) -> Result<(), Invalid> {
    let mut devices = BTreeMap::<AccountId, usize>::new();
    let mut seen = BTreeSet::new();
    for leaf in state.leaves.values() {
        *devices.entry(leaf.account).or_default() += 1;
        if !seen.insert(leaf.device) {
            return Err(Invalid::Accounts);
        }
    }
    if devices.len() > 2 || devices.values().any(|count| *count > limits::DEVICES) {
        return Err(Invalid::Accounts);
    }
    Ok(())
}

/// Rule 2. A member's commit holds removals alone, or nothing; a joiner's holds what makes it external and at most one
/// removal. Nothing by reference, nothing unknown: no PSK, no ReInit, no GroupContextExtensions, no Add (one comes in
/// by one's own act). Every commit has a path: without one it would do nothing, and removals need it anyway.
fn proposals(commit: &Commit) -> Result<(), Invalid> {
    let removals = commit.proposals.iter().filter(|proposal| matches!(proposal, Proposal::Remove(_))).count();
    let inits = commit.proposals.iter().filter(|proposal| **proposal == Proposal::ExternalInit).count();
    let right = removals + inits == commit.proposals.len()
        && commit.path.is_some()
        && match commit.author {
            Author::Member(_) => inits == 0,
            Author::Joiner => inits == 1 && removals <= 1,
        };
    if right { Ok(()) } else { Err(Invalid::Proposals) }
}

/// Rule 5. A member removes leaves of its own account alone, never its own, and none of a higher era than its own. A
/// joiner removes at most a leaf with its own device key.
fn removal(state: &State, commit: &Commit) -> Result<(), Invalid> {
    let mut gone = BTreeSet::new();
    for proposal in &commit.proposals {
        let Proposal::Remove(index) = proposal else { continue };
        let leaf = state.leaves.get(index).ok_or(Invalid::Removal)?;
        let by = match commit.author {
            Author::Member(own) if own != *index => state.leaves.get(&own),
            Author::Member(_) => None,
            Author::Joiner => commit.path.as_ref().filter(|path| path.device == leaf.device),
        };
        let allowed = by.is_some_and(|by| by.account == leaf.account && by.era >= leaf.era);
        if !allowed || !gone.insert(*index) {
            return Err(Invalid::Removal);
        }
    }
    Ok(())
}

/// Rule 6. Who comes in is backed by a leaf of the same account, and none of that account's leaves is of a higher era:
/// what a new era has shut out stays out.
fn backed(state: &State, commit: &Commit) -> Result<(), Invalid> {
    let (Author::Joiner, Some(path)) = (commit.author, &commit.path) else { return Ok(()) };
    let highest = state.leaves.values().filter(|leaf| leaf.account == path.account).map(|leaf| leaf.era).max();
    if highest.is_some_and(|era| era <= path.era) { Ok(()) } else { Err(Invalid::Backing) }
}

/// Rule 7. Accounts only ever leave a pair; none comes. At most 10 devices each, no device twice.
fn accounts(before: &State, after: &State) -> Result<(), Invalid> {
    let known: BTreeSet<_> = before.leaves.values().map(|leaf| leaf.account).collect();
    if after.leaves.values().any(|leaf| !known.contains(&leaf.account)) {
        return Err(Invalid::Accounts);
    }
    check_state(after)
}

/// Rule 9. A joiner records its own coming in and nothing else: it changes no door. Only a joiner comes by a door.
fn doors(commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let changed = !header.changes.doors_added.is_empty() || !header.changes.doors_dropped.is_empty();
    let right = match commit.author {
        Author::Member(_) => header.door.is_none(),
        Author::Joiner => !changed,
    };
    if right { Ok(()) } else { Err(Invalid::Doors) }
}

fn apply(state: &State, commit: &Commit) -> State {
    State { leaves: leaves_after(state, commit), ..state.clone() }
}
