//! Rules that rule sets 1 and 2 have in common, under the same numbers.

use std::collections::{BTreeMap, BTreeSet};

use alcyon_wire::{EntryKind, HeaderFacts, SeatId};

use super::{Author, Commit, CommitData, Invalid, Leaf, Proposal, State};
use crate::{LeafIndex, LetsIn, Role};

/// Rule 1. The entry is of the kind commit, and the commit was made under the group's rule set.
pub(super) fn kind(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let right = header.kind == EntryKind::Commit && commit.data.rules == state.rules.rules;
    if right { Ok(()) } else { Err(Invalid::Kind) }
}

/// Rule 3. It names the last valid commit that the group stands on, its author had processed at least that, and no
/// more than the log held before this entry.
pub(super) fn history(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let CommitData { seen, last_valid, .. } = &commit.data;
    let floor = last_valid.map_or(0, |last| last.sequence);
    let right = *last_valid == state.last_valid && floor <= seen.sequence && seen.sequence < header.sequence;
    if right { Ok(()) } else { Err(Invalid::History) }
}

/// Rule 4. A member's new leaf is of the same account and device, and of no lower era. A reason to rejoin is given by
/// those who replace a leaf, and by nobody else.
pub(super) fn author(state: &State, commit: &Commit) -> Result<(), Invalid> {
    let replaces = commit.author == Author::Joiner && commit.proposals.iter().any(|p| matches!(p, Proposal::Remove(_)));
    if commit.data.rejoin.is_some() != replaces {
        return Err(Invalid::Author);
    }
    let Author::Member(index) = commit.author else { return Ok(()) };
    let old = state.leaves.get(&index).ok_or(Invalid::Author)?;
    let same = commit.path.iter().all(|new| new.account == old.account && new.device == old.device && new.era >= old.era);
    if same { Ok(()) } else { Err(Invalid::Author) }
}

/// Rule 8. Leaf and header agree on the seats. The author's leaf names its seat, which no other leaf has; if that is a
/// new one the header adds it, and nothing else. A member who moves drops its old seat. Else only seats of leaves that
/// go may be dropped (they need not be: a joiner may lack the right, and who left has dropped its own). A leaf that
/// came by a Welcome has a seat that nobody else knows: as many unnamed seats may go as such leaves go or move.
pub(super) fn seats(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let seat = commit.path.as_ref().and_then(|path| path.seat).ok_or(Invalid::Seats)?;
    let going: BTreeSet<LeafIndex> = commit
        .proposals
        .iter()
        .filter_map(|proposal| match proposal {
            Proposal::Remove(index) => Some(*index),
            Proposal::ExternalInit | Proposal::Change(_) | Proposal::Other | Proposal::ByReference => None,
        })
        .collect();
    let own = match commit.author {
        Author::Member(index) => Some(index),
        Author::Joiner => going.first().copied(),
    };
    let old_seat = own.and_then(|index| state.leaves.get(&index)).and_then(|leaf| leaf.seat);
    let replaces_unnamed = own.is_some() && old_seat.is_none();
    let staying = |candidate: &SeatId| {
        state.leaves.iter().any(|(index, leaf)| !going.contains(index) && Some(*index) != own && leaf.seat == Some(*candidate))
    };
    if staying(&seat) {
        return Err(Invalid::Seats);
    }

    match header.changes.seats_added.as_slice() {
        // It stays where it sits; a seat that came with a Welcome is named for the first time.
        [] if old_seat == Some(seat) || replaces_unnamed => {}
        [added] if added.id == seat && old_seat != Some(seat) => {
            // A door lets in a seat with the rights of what its account is, and no more.
            let (keep, invite) = rights_of_joiner(state, commit);
            if header.door.is_some() && (added.keep && !keep || added.invite && !invite) {
                return Err(Invalid::Seats);
            }
        }
        _ => return Err(Invalid::Seats),
    }

    let may_go: BTreeSet<SeatId> =
        going.iter().chain(own.as_ref()).filter_map(|index| state.leaves.get(index)?.seat).filter(|old| *old != seat).collect();
    let unnamed: BTreeSet<LeafIndex> =
        going.iter().chain(own.as_ref()).filter(|index| state.leaves.get(index).is_some_and(|leaf| leaf.seat.is_none())).copied().collect();
    let dropped: BTreeSet<SeatId> = header.changes.seats_dropped.iter().copied().collect();
    if dropped.len() != header.changes.seats_dropped.len() || dropped.contains(&seat) || dropped.iter().any(staying) {
        return Err(Invalid::Seats);
    }
    if dropped.difference(&may_go).count() > unnamed.len() {
        return Err(Invalid::Seats);
    }
    let left_behind = matches!(commit.author, Author::Member(_)) && old_seat.is_some_and(|old| old != seat && !dropped.contains(&old));
    if left_behind { Err(Invalid::Seats) } else { Ok(()) }
}

/// The rights at the log, *keep* and *invite*, that go with what a joiner's account is, or becomes by its door.
fn rights_of_joiner(state: &State, commit: &Commit) -> (bool, bool) {
    let (Some(group), Some(path)) = (&state.group, &commit.path) else { return (false, false) };
    let door = commit.data.door.and_then(|id| group.doors.get(&id));
    let role = match (group.accounts.get(&path.account), door.map(|door| door.door.lets_in)) {
        (Some(known), _) => known.role,
        (None, Some(LetsIn::Account { account, role })) if account == path.account => role,
        (None, _) => Role::Member,
    };
    group.rights_at_log(role)
}

/// The leaves after the commit (RFC 9420 section 12.4.2): removals, then the author's leaf in its place, a joiner's in
/// the leftmost free one.
pub(super) fn leaves_after(state: &State, commit: &Commit) -> BTreeMap<LeafIndex, Leaf> {
    let mut leaves = state.leaves.clone();
    for proposal in &commit.proposals {
        if let Proposal::Remove(index) = proposal {
            leaves.remove(index);
        }
    }
    if let Some(path) = &commit.path {
        let index = match commit.author {
            Author::Member(index) => index,
            Author::Joiner => (0..=u32::MAX).map(LeafIndex).find(|index| !leaves.contains_key(index)).unwrap_or(LeafIndex(u32::MAX)),
        };
        leaves.insert(index, path.clone());
    }
    leaves
}
