//! Whether a commit is valid: a pure function of (authenticated group state, commit, header). No clock, no network, no
//! block list; everybody who has the same log comes to the same verdict, members and replayers alike.
//!
//! What MLS itself checks (signatures, hashes, tags) comes before: a commit gets here only if it is sound by RFC 9420.
//! An invalid commit counts in the log and is passed over by all; the group stays in its epoch.
//!
//! Rule set 1 is for a *pair*: the two accounts of the first epoch, for ever. Its rules are the functions below, each
//! with its number. A later rule set takes those it shares from here and brings its own for invites and links, which
//! stand beside the leaf that backs a joiner (rule 6).

use std::collections::{BTreeMap, BTreeSet};

use alcyon_wire::{AccountId, DeviceId, EntryKind, HeaderFacts, RunningHash, SeatId, limits};
use thiserror::Error;

use crate::{GroupRules, LastValid, LeafIndex, Member, extension::RULES_PAIR};

/// What the rules know of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// The account, by the verified chain.
    pub account: AccountId,
    /// The device; its key signs for the leaf.
    pub device: DeviceId,
    /// The era that certified the device.
    pub era: u32,
    /// Where it sits; none if it came by a Welcome and has not committed yet.
    pub seat: Option<SeatId>,
}

impl From<&Member> for Leaf {
    fn from(member: &Member) -> Self {
        Self { account: member.chain.account(), device: member.chain.device(), era: member.chain.era(), seat: member.seat }
    }
}

/// The authenticated group state, as far as the rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Numbers, conversation, term and log.
    pub rules: GroupRules,
    /// Every leaf that is not blank.
    pub leaves: BTreeMap<LeafIndex, Leaf>,
    /// The last valid commit; none in a term's first epoch.
    pub last_valid: Option<LastValid>,
}

/// Who made a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The member at that leaf.
    Member(LeafIndex),
    /// Somebody who comes in by an external commit.
    Joiner,
}

/// A proposal in a commit, as far as the rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proposal {
    /// Removes the leaf.
    Remove(LeafIndex),
    /// What makes a commit external.
    ExternalInit,
    /// Anything else: none of it is allowed in rule set 1.
    Other,
    /// Anything by reference: proposals of their own are not allowed.
    ByReference,
}

/// Why a device comes in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum RejoinReason {
    /// Its database was rolled back.
    RolledBack = 1,
    /// It lost its state.
    LostState = 2,
    /// It could not open a commit's path.
    PathNotOpened = 3,
}

/// A running hash that somebody has processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Up to this sequence; 0 for none.
    pub sequence: u64,
    /// The running hash there.
    pub running_hash: RunningHash,
}

/// What a commit says in its authenticated data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitData {
    /// Number of the rule set.
    pub rules: u32,
    /// What the author had processed.
    pub seen: Seen,
    /// The last valid commit its author knows of.
    pub last_valid: Option<LastValid>,
    /// External commits that replace a leaf: why.
    pub rejoin: Option<RejoinReason>,
}

/// A commit, as far as the rules look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Who made it.
    pub author: Author,
    /// Its proposals, in order.
    pub proposals: Vec<Proposal>,
    /// The author's new leaf, if it has a path.
    pub path: Option<Leaf>,
    /// Its authenticated data.
    pub data: CommitData,
}

/// Why a commit is invalid. The first reason found; which one it is does not matter to anybody else's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Invalid {
    /// Not a sound MLS commit of this group and epoch (RFC 9420): form, signature, tag, tree, path, key.
    #[error("not a sound MLS commit of this epoch")]
    Mls,
    /// Made for another epoch.
    #[error("made for another epoch")]
    Epoch,
    /// A credential in it is no verified chain of its signature key.
    #[error("a credential is not a verified chain")]
    Credential,
    /// Its authenticated data can't be read.
    #[error("its authenticated data can't be read")]
    Data,
    /// Rule 1.
    #[error("rule 1: not a commit entry, or made under another rule set")]
    Kind,
    /// Rule 2.
    #[error("rule 2: a proposal that is not allowed")]
    Proposals,
    /// Rule 3.
    #[error("rule 3: names another last valid commit, or more than the log held")]
    History,
    /// Rule 4.
    #[error("rule 4: the author's leaf changes account or device, or its era goes back")]
    Author,
    /// Rule 5.
    #[error("rule 5: removes a leaf it may not remove")]
    Removal,
    /// Rule 6.
    #[error("rule 6: comes in without a leaf of the same account that backs it")]
    Backing,
    /// Rule 7.
    #[error("rule 7: another account, or too many devices of one")]
    Accounts,
    /// Rule 8.
    #[error("rule 8: leaf and header do not agree on the seats")]
    Seats,
    /// Rule 9.
    #[error("rule 9: doors changed by somebody who may not")]
    Doors,
}

/// The verdict: the state after the commit, or why it is invalid.
pub fn judge(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<State, Invalid> {
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

/// What must hold in any state of a pair: at most two accounts, at most 10 devices each, no device twice. A joiner
/// checks it of the state it comes into.
pub fn check_state(state: &State) -> Result<(), Invalid> {
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

/// Rule 1. The entry is of the kind commit, and the commit was made under the group's rule set.
fn kind(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let right = header.kind == EntryKind::Commit && commit.data.rules == state.rules.rules && state.rules.rules == RULES_PAIR;
    if right { Ok(()) } else { Err(Invalid::Kind) }
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

/// Rule 3. It names the last valid commit that the group stands on, its author had processed at least that, and no
/// more than the log held before this entry.
fn history(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let CommitData { seen, last_valid, .. } = &commit.data;
    let floor = last_valid.map_or(0, |last| last.sequence);
    let right = *last_valid == state.last_valid && floor <= seen.sequence && seen.sequence < header.sequence;
    if right { Ok(()) } else { Err(Invalid::History) }
}

/// Rule 4. A member's new leaf is of the same account and device, and of no lower era. A reason to rejoin is given by
/// those who replace a leaf, and by nobody else.
fn author(state: &State, commit: &Commit) -> Result<(), Invalid> {
    let replaces = commit.author == Author::Joiner && commit.proposals.iter().any(|p| matches!(p, Proposal::Remove(_)));
    if commit.data.rejoin.is_some() != replaces {
        return Err(Invalid::Author);
    }
    let Author::Member(index) = commit.author else { return Ok(()) };
    let old = state.leaves.get(&index).ok_or(Invalid::Author)?;
    let same = commit.path.iter().all(|new| new.account == old.account && new.device == old.device && new.era >= old.era);
    if same { Ok(()) } else { Err(Invalid::Author) }
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
/// what a new era has shut out stays out. (Invites and links will stand here beside the leaf.)
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

/// Rule 8. Leaf and header agree on the seats. The author's leaf names its seat, which no other leaf has; if that is a
/// new one the header adds it, and nothing else. A member who moves drops its old seat. Else only seats of leaves that
/// go may be dropped (they need not be: a joiner may lack the right, and who left has dropped its own). A leaf that
/// came by a Welcome has a seat that nobody else knows: as many unnamed seats may go as such leaves go or move.
fn seats(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let seat = commit.path.as_ref().and_then(|path| path.seat).ok_or(Invalid::Seats)?;
    let going: BTreeSet<LeafIndex> = commit
        .proposals
        .iter()
        .filter_map(|proposal| match proposal {
            Proposal::Remove(index) => Some(*index),
            Proposal::ExternalInit | Proposal::Other | Proposal::ByReference => None,
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
            // A door lets in a seat without rights.
            if header.door.is_some() && (added.keep || added.invite) {
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

/// Rule 9. A joiner records its own coming in and nothing else: it changes no door. Only a joiner comes by a door.
fn doors(commit: &Commit, header: &HeaderFacts) -> Result<(), Invalid> {
    let changed = !header.changes.doors_added.is_empty() || !header.changes.doors_dropped.is_empty();
    let right = match commit.author {
        Author::Member(_) => header.door.is_none(),
        Author::Joiner => !changed,
    };
    if right { Ok(()) } else { Err(Invalid::Doors) }
}

/// The leaves after the commit (RFC 9420 section 12.4.2): removals, then the author's leaf in its place, a joiner's in
/// the leftmost free one.
fn apply(state: &State, commit: &Commit) -> State {
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
    State { rules: state.rules, leaves, last_valid: state.last_valid }
}

/// The rules that do not need a header, asked before a commit is sent.
pub fn foresee(state: &State, commit: &Commit) -> Result<(), Invalid> {
    proposals(commit)?;
    author(state, commit)?;
    removal(state, commit)?;
    backed(state, commit)?;
    accounts(state, &apply(state, commit))
}
