use alcyon_wire::{HeaderFacts, PayloadHash, SeatId};
use openmls::prelude::{
    LeafNodeIndex, MlsGroup, MlsGroupJoinConfig, MlsMessageOut, PURE_PLAINTEXT_WIRE_FORMAT_POLICY, PublicGroup, SenderRatchetConfiguration,
};
use openmls_traits::{OpenMlsProvider, random::OpenMlsRand};
use tls_codec::Serialize;

use crate::{
    Fault, GroupRules, GroupState, Invalid, JudgedKeyPackage, LastValid, LeafIndex, LocalDevice, Member, MlsError, Permission, RowKind,
    Rows, Settings,
    extension::{RULES_GROUP, leaf_extensions},
    key_package::widest,
    member::Roster,
    provider::{Provider, with_rows},
    rows::Slot,
    slim::{join_tree, without_state},
    storage::group_key,
    validity::{self, Leaf, State},
};

/// An MLS group id: random, and unlike the log's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Vec<u8>);

impl GroupId {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the form of [`Self::as_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(crate) fn mls(&self) -> openmls::group::GroupId {
        openmls::group::GroupId::from_slice(&self.0)
    }
}

impl From<&openmls::group::GroupId> for GroupId {
    fn from(id: &openmls::group::GroupId) -> Self {
        Self(id.to_vec())
    }
}

/// An entry as the log has it: what a verdict needs to know besides the message.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its header.
    pub header: &'a HeaderFacts,
    /// The hash of its payload, sealed as it was.
    pub payload_hash: PayloadHash,
}

impl Entry<'_> {
    pub(crate) fn as_last_valid(&self) -> LastValid {
        LastValid { sequence: self.header.sequence, payload_hash: self.payload_hash }
    }
}

/// A term's MLS group, as one device sees it.
///
/// It lives in memory beside its rows and does not follow a rollback: after an error, or when the caller rolls its
/// transaction back, drop it and [`load`](Self::load) it again. One owner at a time.
pub struct Group {
    pub(crate) mls: MlsGroup,
    pub(crate) rules: GroupRules,
    pub(crate) roster: Roster,
    pub(crate) last_valid: Option<LastValid>,
    /// Under rule set 2, as the GroupContext has it.
    pub(crate) group: Option<GroupState>,
}

/// A term's first epoch, before anybody else has seen it.
#[derive(Debug)]
pub struct Created {
    /// The group.
    pub group: Group,
    /// An MLS Welcome without tree, for all the KeyPackages; none if there were none.
    pub welcome: Option<Vec<u8>>,
    /// The ratchet tree and the GroupInfo of the epoch, for the log to keep; the Welcome needs the tree.
    pub stored: StoredTree,
}

/// What a log keeps for those who come in: a ratchet tree and the GroupInfo of the same epoch. Not sealed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTree {
    /// The ratchet tree (RFC 9420 section 7.8); in a group with its state.
    pub tree: Vec<u8>,
    /// The GroupInfo without tree, signed by whoever stored it; it also names the last valid commit.
    pub group_info: Vec<u8>,
}

impl Group {
    /// Makes a term's first epoch: adds everyone and merges at once, because nothing is published yet. `own_seat` is
    /// where this device's leaf sits; the others name theirs with their first commit.
    pub fn create(
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        rules: &GroupRules,
        own_seat: SeatId,
        others: &[JudgedKeyPackage],
    ) -> Result<Created, MlsError> {
        Self::begin(rows, device, rules, own_seat, others, None)
    }

    /// Makes the first epoch of a group's term: the creator alone, and admin. Everybody else comes in by a door.
    /// `rules` are [`GroupRules::group`], others are [`MlsError::UnknownRules`] here.
    pub fn create_group(
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        rules: &GroupRules,
        own_seat: SeatId,
        settings: Settings,
    ) -> Result<Created, MlsError> {
        let state = GroupState::new(device.chain().account(), settings);
        Self::begin(rows, device, rules, own_seat, &[], Some(&state))
    }

    /// Makes the first epoch of a group's next term: with the devices of those who go along, who all have come in by an
    /// act of their own before. `state` is [`GroupState::next_term`], and names a seat for each of the others.
    pub fn create_next(
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        rules: &GroupRules,
        own_seat: SeatId,
        others: &[JudgedKeyPackage],
        state: &GroupState,
    ) -> Result<Created, MlsError> {
        Self::begin(rows, device, rules, own_seat, others, Some(state))
    }

    fn begin(
        rows: &dyn Rows,
        device: &LocalDevice<'_>,
        rules: &GroupRules,
        own_seat: SeatId,
        others: &[JudgedKeyPackage],
        group: Option<&GroupState>,
    ) -> Result<Created, MlsError> {
        let GroupRules { protocol, rules: number, conversation: _, term: _, log: _ } = *rules;
        if (number == RULES_GROUP) != group.is_some() {
            return Err(MlsError::UnknownRules { protocol, rules: number });
        }
        with_rows(rows, Slot::Live, |provider| {
            let id: [u8; 32] = provider.rand().random_array().map_err(provider.defect("drawing a group id"))?;
            let mut mls = MlsGroup::builder()
                .with_group_id(openmls::group::GroupId::from_slice(&id))
                .ciphersuite(device.suite().cipher())
                .with_wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
                .sender_ratchet_configuration(ratchet_window())
                .max_past_epochs(0)
                .use_ratchet_tree_extension(false)
                .lifetime(widest())
                .with_capabilities(device.capabilities_for(rules))
                .with_group_context_extensions(rules.to_context(group)?)
                .with_leaf_node_extensions(leaf_extensions(own_seat)?)
                .map_err(provider.defect("placing the own leaf"))?
                .build(provider, device, device.credential())
                .map_err(provider.defect("creating a group"))?;
            let welcome = if others.is_empty() { None } else { Some(add_all(&mut mls, provider, device, others)?) };
            let group = Self::adopt(mls, None)?;
            validity::check_state(&group.state()).map_err(MlsError::WouldBeInvalid)?;
            let stored = group.stored_tree(device)?;
            Ok(Created { group, welcome, stored })
        })
    }

    /// The group as the rows have it; none if there is none.
    pub fn load(rows: &dyn Rows, id: &GroupId) -> Result<Option<Self>, MlsError> {
        Self::load_slot(rows, id, Slot::Live)
    }

    pub(crate) fn load_slot(rows: &dyn Rows, id: &GroupId, slot: Slot) -> Result<Option<Self>, MlsError> {
        with_rows(rows, slot, |provider| {
            let loaded = MlsGroup::load(provider.storage(), &id.mls())
                .map_err(|error| provider.blame(&error, |_| MlsError::Stored { what: "group" }))?;
            let Some(mls) = loaded else { return Ok(None) };
            let last_valid = match rows.read(RowKind::LastValid, &own_key(slot, id)?)? {
                None => None,
                Some(bytes) => Some(LastValid::from_bytes(&bytes).ok_or(MlsError::Stored { what: "last valid commit" })?),
            };
            Self::adopt(mls, last_valid).map(Some)
        })
    }

    /// Takes over a group of OpenMLS: every leaf verified, the numbers known.
    pub(crate) fn adopt(mls: MlsGroup, last_valid: Option<LastValid>) -> Result<Self, MlsError> {
        let rules = GroupRules::of_context(mls.public_group().group_context())?;
        let group = rules.state_of_context(mls.public_group().group_context())?;
        let mut roster = Roster::default();
        roster.follow(mls.treesync().full_leaves())?;
        roster.seat(group.as_ref());
        Ok(Self { mls, rules, roster, last_valid, group })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.mls.group_id().into()
    }

    /// Its epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.mls.epoch().as_u64()
    }

    /// What it is bound to.
    #[must_use]
    pub fn rules(&self) -> &GroupRules {
        &self.rules
    }

    /// The last valid commit; none in the term's first epoch.
    #[must_use]
    pub fn last_valid(&self) -> Option<LastValid> {
        self.last_valid
    }

    /// Who may do what, which doors are open, how it is set; none in a pair.
    #[must_use]
    pub fn state_of_group(&self) -> Option<&GroupState> {
        self.group.as_ref()
    }

    /// Every leaf, in the order of the tree.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.roster.members()
    }

    /// This device's leaf.
    #[must_use]
    pub fn own_leaf(&self) -> LeafIndex {
        self.mls.own_leaf_index().into()
    }

    /// Whether this device is (still) a member.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.mls.is_active()
    }

    /// An own commit is prepared and not yet decided.
    #[must_use]
    pub fn pending(&self) -> bool {
        self.mls.pending_commit().is_some()
    }

    /// A secret of the epoch (RFC 9420 section 8.5), 32 bytes: all members have the same, and nobody else.
    pub fn export(&self, label: &str, context: &[u8]) -> Result<[u8; 32], MlsError> {
        let crypto = openmls_rust_crypto::RustCrypto::default();
        let secret = self.mls.export_secret(&crypto, label, context, 32).map_err(|_| MlsError::NotAMember)?;
        secret.try_into().map_err(|_| MlsError::Internal { doing: "exporting a secret", fault: Fault::of(&"Length") })
    }

    /// The ratchet tree and a GroupInfo of this epoch, for the log to keep.
    pub fn stored_tree(&self, device: &LocalDevice<'_>) -> Result<StoredTree, MlsError> {
        let crypto = openmls_rust_crypto::RustCrypto::default();
        let defect = |fault| MlsError::Internal { doing: "exporting a tree", fault };
        let named = self.last_valid.map(LastValid::to_extension);
        let group_info = self
            .mls
            .export_group_info_with_additional_extensions(&crypto, device, false, named)
            .map_err(|error| defect(Fault::of(&error)))?;
        let tree = self.mls.export_ratchet_tree().tls_serialize_detached().map_err(|error| defect(Fault::of(&error)))?;
        let group_info = without_state(&to_bytes(&group_info)?)?;
        let tree = match &self.group {
            Some(state) => join_tree(tree, state),
            None => tree,
        };
        Ok(StoredTree { tree, group_info })
    }

    /// Encrypts an application message: an MLS PrivateMessage of this epoch, without authenticated data. The caller
    /// pads ([`pad`](crate::pad)). Works while a commit is pending.
    ///
    /// In a group whose settings do not let this account write, [`MlsError::MayNotWrite`]: others would set it aside.
    pub fn encrypt(&mut self, rows: &dyn Rows, device: &LocalDevice<'_>, plaintext: &[u8]) -> Result<Vec<u8>, MlsError> {
        self.check_member()?;
        if !self.may_write(self.own_leaf()) {
            return Err(MlsError::MayNotWrite);
        }
        with_rows(rows, Slot::Live, |provider| {
            self.mls.set_aad(Vec::new());
            let message = self.mls.create_message(provider, device, plaintext).map_err(provider.defect("encrypting"))?;
            provider.check()?;
            to_bytes(&message)
        })
    }

    pub(crate) fn check_member(&self) -> Result<(), MlsError> {
        if self.is_member() { Ok(()) } else { Err(MlsError::NotAMember) }
    }

    /// What the rules look at.
    pub(crate) fn state(&self) -> State {
        state(&self.rules, &self.roster, self.last_valid, self.group.clone())
    }

    /// [`validity::may_write`], without copying the state for every message.
    pub(crate) fn may_write(&self, leaf: LeafIndex) -> bool {
        let account = self.roster.get(leaf).map(|member| member.chain.account());
        account.is_some_and(|account| self.group.as_ref().is_none_or(|group| group.may(account, Permission::Write)))
    }

    /// After a merge: the members as they are now, and the commit that made them so.
    pub(crate) fn follow(&mut self, rows: &dyn Rows, last_valid: LastValid) -> Result<(), MlsError> {
        self.roster.follow(self.mls.treesync().full_leaves())?;
        self.group = self.rules.state_of_context(self.mls.public_group().group_context())?;
        self.roster.seat(self.group.as_ref());
        self.last_valid = Some(last_valid);
        rows.write(RowKind::LastValid, &own_key(Slot::Live, &self.id())?, &last_valid.to_bytes())?;
        rows.delete(RowKind::Prepared, &own_key(Slot::Live, &self.id())?)?;
        Ok(())
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group(epoch {}, {} members)", self.epoch(), self.roster.members().count())
    }
}

fn state(rules: &GroupRules, roster: &Roster, last_valid: Option<LastValid>, group: Option<GroupState>) -> State {
    State { rules: *rules, leaves: roster.members().map(|member| (member.leaf, Leaf::from(member))).collect(), last_valid, group }
}

/// The state of a public group, every leaf verified.
pub(crate) fn public_state(public: &PublicGroup, roster: &mut Roster, last_valid: Option<LastValid>) -> Result<State, MlsError> {
    let rules = GroupRules::of_context(public.group_context())?;
    roster.follow(public.treesync().full_leaves())?;
    let group = rules.state_of_context(public.group_context())?;
    roster.seat(group.as_ref());
    Ok(state(&rules, roster, last_valid, group))
}

fn add_all(
    mls: &mut MlsGroup,
    provider: &Provider<'_>,
    device: &LocalDevice<'_>,
    others: &[JudgedKeyPackage],
) -> Result<Vec<u8>, MlsError> {
    let bundle = mls
        .commit_builder()
        .propose_adds(others.iter().map(|other| other.package.clone()))
        .load_psks(provider.storage())
        .map_err(provider.defect("adding the first members"))?
        .use_ratchet_tree_extension(false)
        .build(provider.rand(), provider.crypto(), device, |_| true)
        .map_err(|error| provider.blame(&error, |_| MlsError::WouldBeInvalid(Invalid::Mls)))?
        .stage_commit(provider)
        .map_err(provider.defect("adding the first members"))?;
    mls.merge_pending_commit(provider).map_err(provider.defect("starting the first epoch"))?;
    let welcome = bundle.to_welcome_msg();
    let welcome = welcome.ok_or(MlsError::Internal { doing: "adding the first members", fault: Fault::of(&"NoWelcome") })?;
    to_bytes(&welcome)
}

/// How groups are joined and followed: handshakes are PublicMessages, no past epoch is kept, the tree travels apart.
pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_PLAINTEXT_WIRE_FORMAT_POLICY)
        .sender_ratchet_configuration(ratchet_window())
        .max_past_epochs(0)
        .use_ratchet_tree_extension(false)
        .build()
}

/// The log is in order, but a device may have had messages out in another order, and a gap may have swallowed many.
fn ratchet_window() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(5, 20_000)
}

/// The key of a row of ours that belongs to a group.
pub(crate) fn own_key(slot: Slot, id: &GroupId) -> Result<Vec<u8>, MlsError> {
    group_key(slot, &id.mls(), &()).map_err(|error| MlsError::Internal { doing: "making a key", fault: Fault::of(&error) })
}

pub(crate) fn to_bytes(message: &MlsMessageOut) -> Result<Vec<u8>, MlsError> {
    message.tls_serialize_detached().map_err(|error| MlsError::Internal { doing: "encoding a message", fault: Fault::of(&error) })
}

pub(crate) fn index(leaf: LeafIndex) -> LeafNodeIndex {
    leaf.into()
}
