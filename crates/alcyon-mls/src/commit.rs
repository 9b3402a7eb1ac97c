use alcyon_wire::{AccountId, DoorId, HeaderFacts, JoinSecret, SeatId};
use openmls::{
    component::ComponentData,
    prelude::{AppDataDictionaryUpdater, AppDataUpdateProposal, AppDataUpdates, LeafNodeParameters, Proposal as MlsProposal, Sender},
};
use openmls_traits::OpenMlsProvider;

use crate::{
    Applied, CommitData, Fault, Group, GroupChange, GroupHandshake, GroupState, Invalid, LeafIndex, LeaveProof, LocalDevice, Member,
    MlsError, RowKind, Rows, SealedJoinSecret, Seen,
    door::seal_join_secret,
    extension::{GROUP_STATE, leaf_extensions},
    facts::facts,
    group::{index, own_key, to_bytes},
    prepared::Prepared,
    process::removed,
    provider::with_rows,
    rows::Slot,
    slim::without_state,
    validity::{self, Author, Commit, Leaf, Proposal, State},
};

/// A commit that is ready to be sent. Its state is in the rows: send exactly this, and wait for the log's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCommit {
    /// The MLS PublicMessage, to be sealed **once**: resend the same payload.
    pub message: Vec<u8>,
    /// The GroupInfo without tree (and without a group's state) of the epoch it starts, to be sealed: under the new join secret, if there is one.
    pub group_info: Vec<u8>,
    /// The commit takes leaves out of a group: once it is merged, handshakes are under the key that derives from this.
    /// The commit itself still is under the old one.
    pub new_join_secret: Option<JoinSecret>,
    /// That secret for every door that stays open, to be sealed with the message.
    pub sealed_join_secrets: Vec<SealedJoinSecret>,
    /// Seats that the header should drop: those of leaves that are removed, and the own old one.
    pub seats_dropped: Vec<SeatId>,
    /// Doors that the header drops: those that the commit closes, and those that go by themselves.
    pub doors_dropped: Vec<DoorId>,
}

impl PreparedCommit {
    /// What is to be sealed in a group's log. In a pair's it is the message alone.
    #[must_use]
    pub fn handshake(&self) -> GroupHandshake {
        GroupHandshake::Commit { message: self.message.clone(), join_secrets: self.sealed_join_secrets.clone() }
    }
}

/// What a commit of a group is to do.
#[derive(Debug, Clone, Default)]
pub struct GroupCommit {
    /// Changes of the state.
    pub changes: Vec<GroupChange>,
    /// Accounts to be removed, with every leaf. By admins.
    pub remove_accounts: Vec<AccountId>,
    /// The word of those who left: their leaves on the seats that it names are removed. By anybody.
    pub leaves: Vec<LeaveProof>,
    /// Renew this device's keys too. A commit that removes leaves, or that changes nothing, does so anyway; one that
    /// changes the state alone is some 300 bytes without, whatever the size of the group.
    pub own_update: bool,
}

struct Plan {
    gone: Vec<LeafIndex>,
    /// None: a commit of a pair.
    delta: Option<Vec<GroupChange>>,
    leaves: Vec<LeaveProof>,
    path: bool,
}

/// The exporter's label (RFC 9420 section 8.5) of a new join secret; the context is the log id.
pub(crate) const JOIN_SECRET: &str = "alcyon join secret v1";

/// Proof that the log has decided against an own pending commit.
#[derive(Debug, Clone, Copy)]
pub struct Lost(());

impl Lost {
    /// The commit was sent as number `commit_count` (commits before it), and the log, processed in order up to and with
    /// the entry of this header, brought no own echo and holds more commits than that: the place is taken.
    #[must_use]
    pub fn overtaken(commit_count: u64, processed: &HeaderFacts) -> Option<Self> {
        (processed.commit_count > commit_count).then_some(Self(()))
    }

    /// The log refused it for ever.
    #[must_use]
    pub fn refused(verdict: alcyon_wire::Verdict) -> Option<Self> {
        (verdict == alcyon_wire::Verdict::Never).then_some(Self(()))
    }
}

impl Group {
    /// Prepares a commit that renews this device's keys and puts its leaf on `seat` (the old one, to stay). Refused while
    /// another is pending: a pending commit is never replaced.
    pub fn prepare_update(
        &mut self,
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        seat: SeatId,
        seen: Seen,
    ) -> Result<PreparedCommit, MlsError> {
        self.prepare_removal(rows, device, seat, seen, &[])
    }

    /// The same, and removes leaves of the own account.
    pub fn prepare_removal(
        &mut self,
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        seat: SeatId,
        seen: Seen,
        gone: &[LeafIndex],
    ) -> Result<PreparedCommit, MlsError> {
        self.prepare(
            rows,
            device,
            seat,
            seen,
            Plan { gone: gone.to_vec(), delta: self.group.as_ref().map(|_| Vec::new()), leaves: Vec::new(), path: true },
        )
    }

    /// Prepares a commit of a group. `seat` is where this device's leaf is to sit: the old one, to stay.
    ///
    /// It is refused here if the rules would refuse it whatever the header, [`MlsError::WouldBeInvalid`]. Where header
    /// and state have to agree is for the caller: it puts the doors that it opens into the header, and
    /// [`PreparedCommit::seats_dropped`] and [`PreparedCommit::doors_dropped`].
    pub fn prepare_change(
        &mut self,
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        seat: SeatId,
        seen: Seen,
        commit: GroupCommit,
    ) -> Result<PreparedCommit, MlsError> {
        let GroupCommit { changes, remove_accounts, leaves, own_update } = commit;
        let goes = |member: &Member| {
            let account = member.chain.account();
            let left = |proof: &LeaveProof| proof.account() == account && member.seat.is_some_and(|seat| proof.names(seat));
            remove_accounts.contains(&account) || leaves.iter().any(left)
        };
        let gone: Vec<_> = self.members().filter(|member| goes(member)).map(|member| member.leaf).collect();
        let path = own_update || !gone.is_empty();
        self.prepare(rows, device, seat, seen, Plan { gone, delta: Some(changes), leaves, path })
    }

    fn prepare(
        &mut self,
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        seat: SeatId,
        seen: Seen,
        plan: Plan,
    ) -> Result<PreparedCommit, MlsError> {
        self.check_member()?;
        if self.pending() {
            return Err(MlsError::CommitPending);
        }
        let Plan { gone, delta, leaves, path } = plan;
        let state = self.state();
        let data = CommitData { rules: self.rules.rules, seen, last_valid: self.last_valid, rejoin: None, door: None, leaves };
        let id = self.id();
        let chain = device.chain();
        let renewed = Leaf { account: chain.account(), device: chain.device(), era: chain.era(), seat: Some(seat) };
        let path = path.then(|| renewed.clone());
        let proposals = gone.iter().map(|leaf| Proposal::Remove(*leaf)).collect();
        let author = Author::Member(self.own_leaf());
        let mut commit = Commit { author, proposals, path, data };
        if let Some(delta) = delta {
            commit.proposals.push(Proposal::Change(delta));
        }
        let applied = validity::outcome(&state, &commit);
        if applied.is_none() {
            commit.proposals.retain(|proposal| !matches!(proposal, Proposal::Change(_)));
            commit.path.get_or_insert(renewed);
        }
        if state.group.is_some() {
            validity::foresee(&state, &commit).map_err(MlsError::WouldBeInvalid)?;
        }
        let rules = self.rules;
        with_rows(rows, Slot::Live, |provider| {
            self.mls.set_aad(commit.data.encode());
            let mut builder = self
                .mls
                .commit_builder()
                .propose_removals(gone.iter().map(|leaf| index(*leaf)))
                .add_proposals(commit.proposals.iter().filter_map(update_proposal))
                .force_self_update(commit.path.is_some());
            if commit.path.is_some() {
                let leaf = LeafNodeParameters::builder()
                    .with_credential_with_key(device.credential())
                    .with_capabilities(device.capabilities_for(&rules))
                    .with_extensions(leaf_extensions(seat)?)
                    .build();
                builder = builder.leaf_node_parameters(leaf);
            }
            let mut builder = builder
                .load_psks(provider.storage())
                .map_err(provider.defect("preparing a commit"))?
                .create_group_info(true)
                .use_ratchet_tree_extension(false);
            let updates = applied.as_ref().and_then(|applied| dictionary_updates(builder.app_data_dictionary_updater(), &applied.state));
            builder.with_app_data_dictionary_updates(updates);
            let bundle = builder
                .build(provider.rand(), provider.crypto(), device, |_| true)
                .map_err(|error| provider.blame(&error, |_| MlsError::WouldBeInvalid(Invalid::Mls)))?
                .stage_commit(provider)
                .map_err(provider.defect("preparing a commit"))?;
            provider.check()?;
            let (message, _welcome, group_info) = bundle.into_messages();
            let missing = |what: &'static str| MlsError::Internal { doing: "preparing a commit", fault: Fault::of(&what) };
            let message = to_bytes(&message)?;
            let group_info = without_state(&to_bytes(&group_info.ok_or_else(|| missing("NoGroupInfo"))?)?)?;
            let staged = self.mls.pending_commit().ok_or_else(|| missing("NotPending"))?;
            let sender = Sender::Member(self.mls.own_leaf_index());
            let made = facts(&sender, staged, commit.data.clone()).map_err(MlsError::WouldBeInvalid)?;
            validity::foresee(&state, &made).map_err(MlsError::WouldBeInvalid)?;
            Prepared::new(&message, &state, &made).write(rows, Slot::Live, &id)?;
            let new_join_secret = if validity::starts_join_secret(&state, &made) {
                let secret = staged.export_secret(provider.crypto(), JOIN_SECRET, rules.log.as_bytes(), 32);
                let secret = secret.map_err(provider.defect("exporting a join secret"))?;
                Some(JoinSecret::parse(&secret, "join_secret").map_err(|_| missing("Length"))?)
            } else {
                None
            };
            let next = applied.as_ref().map(|applied| &applied.state).or(state.group.as_ref());
            let doors = next.into_iter().flat_map(|next| next.doors.values());
            let sealed_join_secrets = match &new_join_secret {
                Some(secret) => doors.filter_map(|door| seal_join_secret(secret, rules.log, door)).collect(),
                None => Vec::new(),
            };
            let seats_dropped = seats_dropped(&state, &made);
            let doors_dropped = doors_dropped(&made, applied.as_ref());
            Ok(PreparedCommit { message, group_info, new_join_secret, sealed_join_secrets, seats_dropped, doors_dropped })
        })
    }

    /// Takes an own pending commit back. Only once the log has decided otherwise; another's valid commit does it by
    /// itself. After an *invalid* one that was first, the pending commit is still good: send it again under the new
    /// commit count.
    pub fn discard_own(&mut self, rows: &dyn Rows, _lost: Lost) -> Result<(), MlsError> {
        if !self.pending() {
            return Err(MlsError::NothingPending);
        }
        with_rows(rows, Slot::Live, |provider| {
            self.mls.clear_pending_commit(provider.storage()).map_err(provider.defect("discarding a commit"))
        })?;
        Ok(rows.delete(RowKind::Prepared, &own_key(Slot::Live, &self.id())?)?)
    }
}

/// The AppDataUpdate of a delta.
pub(crate) fn update_proposal(proposal: &Proposal) -> Option<MlsProposal> {
    let Proposal::Change(changes) = proposal else { return None };
    let update = AppDataUpdateProposal::update(GROUP_STATE, GroupChange::encode_delta(changes));
    Some(MlsProposal::AppDataUpdate(Box::new(update)))
}

/// What the dictionary becomes by an AppDataUpdate: the whole state.
pub(crate) fn dictionary_updates(mut updater: AppDataDictionaryUpdater<'_>, next: &GroupState) -> Option<AppDataUpdates> {
    updater.set(ComponentData::from_parts(GROUP_STATE, next.encode().into()));
    updater.changes()
}

fn seats_dropped(state: &State, commit: &Commit) -> Vec<SeatId> {
    let Author::Member(own) = commit.author else { return Vec::new() };
    let stays = commit.path.as_ref().and_then(|path| path.seat);
    let moved = commit.path.is_some().then_some(own);
    let gone = removed(state, commit).into_iter().chain(moved).filter_map(|index| state.leaves.get(&index));
    // Who left has given up its seats by itself.
    let given_up = |leaf: &&Leaf| commit.data.leaves.iter().any(|proof| leaf.seat.is_some_and(|seat| proof.names(seat)));
    gone.filter(|leaf| !given_up(leaf)).filter_map(|leaf| leaf.seat).filter(|seat| stays != Some(*seat)).collect()
}

fn doors_dropped(commit: &Commit, applied: Option<&Applied>) -> Vec<DoorId> {
    let asked =
        commit.proposals.iter().flat_map(|proposal| if let Proposal::Change(changes) = proposal { changes.as_slice() } else { &[] });
    let automatic = applied.iter().flat_map(|applied| &applied.automatic);
    let closed = |change: &GroupChange| if let GroupChange::CloseDoor(id) = change { Some(*id) } else { None };
    asked.chain(automatic).filter_map(closed).collect()
}
