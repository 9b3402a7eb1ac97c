//! Whether a commit is valid: a pure function of (authenticated group state, commit, header). No clock, no network, no
//! block list; everybody who has the same log comes to the same verdict, members and replayers alike.
//!
//! What MLS itself checks (signatures, hashes, tags) comes before: a commit gets here only if it is sound by RFC 9420.
//! An invalid commit counts in the log and is passed over by all; the group stays in its epoch.
//!
//! Rule set 1 (`pair.rs`) is for a *pair*: the two accounts of the first epoch, for ever. Rule set 2 (`group.rs`) is for
//! groups, whose [`GroupState`] says who may do what. Rules are functions, each with its number; what both sets have in
//! common stands in `shared.rs`.

mod group;
mod pair;
mod shared;

use std::collections::BTreeMap;

use alcyon_wire::{AccountId, DeviceId, DoorId, HeaderFacts, RunningHash, SeatId};
use thiserror::Error;

use crate::{
    Applied, GroupChange, GroupRules, GroupState, LastValid, LeafIndex, LeaveProof, Member, Permission,
    extension::{RULES_GROUP, RULES_PAIR},
};

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
    /// Who may do what: under rule set 2, and only there.
    pub group: Option<GroupState>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// Removes the leaf.
    Remove(LeafIndex),
    /// What makes a commit external.
    ExternalInit,
    /// An AppDataUpdate of the group's state: this delta, and what follows from the commit by itself. Rule set 2 alone.
    Change(Vec<GroupChange>),
    /// Anything else: none of it is allowed.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitData {
    /// Number of the rule set.
    pub rules: u32,
    /// What the author had processed.
    pub seen: Seen,
    /// The last valid commit its author knows of.
    pub last_valid: Option<LastValid>,
    /// External commits that replace a leaf: why.
    pub rejoin: Option<RejoinReason>,
    /// External commits under rule set 2: the door it comes in by, the same as the header's.
    pub door: Option<DoorId>,
    /// Commits under rule set 2: the word of those who left and whose leaves it removes.
    pub leaves: Vec<LeaveProof>,
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
    #[error("rule 5: removes a leaf it may not remove; of others, only admins remove")]
    Removal,
    /// Rule 6.
    #[error("rule 6: comes in without a leaf or a door that backs it")]
    Backing,
    /// Rule 7.
    #[error("rule 7: another account in a pair, or too many accounts, leaves, devices or doors")]
    Accounts,
    /// Rule 8.
    #[error("rule 8: leaf and header do not agree on the seats")]
    Seats,
    /// Rule 9.
    #[error("rule 9: doors changed by somebody who may not, or state and header do not agree on them")]
    Doors,
    /// Rule 10.
    #[error("rule 10: a change that its author may not make; only admins may, and members what the settings allow")]
    Rights,
    /// Rule 11.
    #[error("rule 11: the state changes without an update, or the update changes nothing or can't be read")]
    Update,
}

/// The verdict: the state after the commit, or why it is invalid.
pub fn judge(state: &State, commit: &Commit, header: &HeaderFacts) -> Result<State, Invalid> {
    match (state.rules.rules, &state.group) {
        (RULES_PAIR, None) => pair::judge(state, commit, header),
        (RULES_GROUP, Some(group)) => group::judge(state, group, commit, header),
        _ => Err(Invalid::Kind),
    }
}

/// The rules that do not need a header, asked before a commit is sent.
pub fn foresee(state: &State, commit: &Commit) -> Result<(), Invalid> {
    match (state.rules.rules, &state.group) {
        (RULES_PAIR, None) => pair::foresee(state, commit),
        (RULES_GROUP, Some(group)) => group::foresee(state, group, commit),
        _ => Err(Invalid::Kind),
    }
}

/// What must hold in any state: in a pair at most two accounts; in a group what is in it is within its limits, and the
/// accounts of the state are those of the leaves; in both at most 10 devices an account, and no device twice. A joiner
/// checks it of the state it comes into.
pub fn check_state(state: &State) -> Result<(), Invalid> {
    match (state.rules.rules, &state.group) {
        (RULES_PAIR, None) => pair::check_state(state),
        (RULES_GROUP, Some(group)) => group::check_state(state, group),
        _ => Err(Invalid::Accounts),
    }
}

/// The group's state after a commit, whether or not it is valid; none if the commit does not change it. A commit that
/// changes it carries an update, with whatever it asks for itself.
#[must_use]
pub fn outcome(state: &State, commit: &Commit) -> Option<Applied> {
    group::outcome(state, state.group.as_ref()?, commit)
}

/// Whether a commit starts a new join secret: a member's that takes leaves out of a group.
#[must_use]
pub fn starts_join_secret(state: &State, commit: &Commit) -> bool {
    let removes = commit.proposals.iter().any(|proposal| matches!(proposal, Proposal::Remove(_)));
    state.rules.rules == RULES_GROUP && removes && commit.author != Author::Joiner
}

/// Whether what this leaf writes counts: in a group by its settings, in a pair always.
#[must_use]
pub fn may_write(state: &State, leaf: LeafIndex) -> bool {
    let Some(leaf) = state.leaves.get(&leaf) else { return false };
    state.group.as_ref().is_none_or(|group| group.may(leaf.account, Permission::Write))
}
