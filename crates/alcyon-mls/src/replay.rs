//! Following a group from outside: public values alone, in a memory of its own (never in the rows of a live group, which
//! OpenMLS would set back).

use std::{borrow::Cow, collections::VecDeque};

use alcyon_wire::EntryKind;
use openmls::prelude::{
    GroupContext, LeafNodeIndex, MlsMessageBodyIn, MlsMessageIn, ProcessedMessage, ProcessedMessageContent, ProposalStore, ProtocolMessage,
    PublicGroup, RatchetTreeIn, group_info::VerifiableGroupInfo,
};
use openmls_rust_crypto::RustCrypto;
use openmls_traits::{OpenMlsProvider, crypto::OpenMlsCrypto};
use tls_codec::{DeserializeBytes, Serialize, VLBytes};

use crate::{
    CommitData, CommitSummary, Entry, Fault, GroupId, GroupRules, GroupState, Invalid, LastValid, MemoryRows, MlsError, RowKind, Rows,
    StoredTree, Suite, Verdict,
    commit::dictionary_updates,
    extension::RULES_GROUP,
    facts::facts,
    group::{own_key, public_state},
    join::read_tree,
    member::Roster,
    peek::peek,
    process::{Parsed, Told, confirm, parse, removed},
    provider::with_rows,
    rows::Slot,
    slim::{Parts, split_tree, take_apart, with_state},
    validity::{self, Author, State},
};

/// States kept to step back to. Members renew the stored tree every 32 to 64 commits.
const KEPT: usize = 64;

/// The group as somebody outside can follow it.
///
/// From outside one checks signatures, tree and rules, but neither membership nor confirmation tags: a commit that
/// looks valid may be one that the members passed over. So every state is kept, each commit is tried on the state that
/// it names as its ground, and which branch is real is told by a GroupInfo ([`Self::ground`]).
pub struct Replay {
    suite: Suite,
    id: GroupId,
    rules: GroupRules,
    /// In the order in which they came about; the newest last.
    steps: VecDeque<Step>,
}

/// A state of the group after a commit that looked valid.
struct Step {
    rows: MemoryRows,
    epoch: u64,
    last_valid: Option<LastValid>,
    roster: Roster,
}

/// A state that a member has confirmed by a GroupInfo: one can come in on it.
pub struct Ground<'a> {
    pub(crate) suite: Suite,
    pub(crate) info: VerifiableGroupInfo,
    pub(crate) tree: RatchetTreeIn,
    pub(crate) state: State,
    after: usize,
    _replay: &'a Replay,
}

impl Ground<'_> {
    /// Commits replayed that stand on this state, or on none that is confirmed. If there are any, this GroupInfo is
    /// old, or they were not valid, and from outside nobody can tell: look for a newer GroupInfo first.
    #[must_use]
    pub fn commits_after(&self) -> usize {
        self.after
    }

    /// No commit is known that may have led on from here. Whoever comes in on another state may come into a group that the others
    /// have left behind, and with who was removed since: a server that keeps GroupInfos back could lead newcomers there.
    #[must_use]
    pub fn is_newest(&self) -> bool {
        self.after == 0
    }
}

impl Replay {
    /// Begins at a stored tree and the GroupInfo stored with it. A poisoned one that still holds together shows when no
    /// later commit and no GroupInfo fits: take another.
    pub fn from_tree(suite: Suite, stored: &StoredTree) -> Result<Self, MlsError> {
        let info = read_group_info(suite, &stored.group_info)?;
        // The numbers come first: what follows is by rules that are known.
        let rules = GroupRules::of_context(info.group_context())?;
        let (info, tree) = if rules.rules == RULES_GROUP {
            let (tree, state) = split_tree(&stored.tree)?;
            (read_group_info(suite, &with_state(&stored.group_info, &state)?)?, read_tree(&tree)?)
        } else {
            (info, read_tree(&stored.tree)?)
        };
        let last_valid = LastValid::of_group_info(info.extensions())?;
        let rows = MemoryRows::new();
        let (id, epoch, state, roster) = with_rows(&rows, Slot::Live, |provider| {
            let (public, _) = PublicGroup::from_external(provider.crypto(), provider.storage(), tree, info, ProposalStore::new())
                .map_err(|error| provider.blame(&error, |fault| MlsError::Untrue { what: "stored tree", fault }))?;
            let mut roster = Roster::default();
            let state = public_state(&public, &mut roster, last_valid)?;
            Ok::<_, MlsError>((GroupId::from(public.group_id()), public.group_context().epoch().as_u64(), state, roster))
        })?;
        validity::check_state(&state).map_err(|_| MlsError::OtherState("it breaks its rules"))?;
        Ok(Self { suite, id, rules, steps: VecDeque::from([Step { rows, epoch, last_valid, roster }]) })
    }

    /// Begins at this device's own state, for who can't open a path. The rows are only read.
    pub fn from_group(rows: &dyn Rows, id: &GroupId) -> Result<Self, MlsError> {
        let own = MemoryRows::new();
        let key = own_key(Slot::Live, id)?;
        for kind in [RowKind::Tree, RowKind::Context, RowKind::InterimTranscriptHash, RowKind::ConfirmationTag] {
            let value = rows.read(kind, &key)?.ok_or(MlsError::Stored { what: "group" })?;
            own.write(kind, &key, &value)?;
        }
        let last_valid = match rows.read(RowKind::LastValid, &key)? {
            None => None,
            Some(bytes) => Some(LastValid::from_bytes(&bytes).ok_or(MlsError::Stored { what: "last valid commit" })?),
        };
        let public = load(&own, id)?;
        let mut roster = Roster::default();
        let state = public_state(&public, &mut roster, last_valid)?;
        let suite = Suite::of(public.ciphersuite());
        let epoch = public.group_context().epoch().as_u64();
        Ok(Self { suite, id: id.clone(), rules: state.rules, steps: VecDeque::from([Step { rows: own, epoch, last_valid, roster }]) })
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> &GroupId {
        &self.id
    }

    /// What the group is bound to.
    #[must_use]
    pub fn rules(&self) -> &GroupRules {
        &self.rules
    }

    /// The state of a group after the last commit that looked valid; none in a pair. Certain once a GroupInfo or a later
    /// commit confirms it.
    pub fn state_of_group(&self) -> Result<Option<GroupState>, MlsError> {
        let Some(step) = self.steps.back() else { return Ok(None) };
        self.rules.state_of_context(load(&step.rows, &self.id)?.group_context())
    }

    /// The last commit that looked valid; none in the term's first epoch.
    #[must_use]
    pub fn last_valid(&self) -> Option<LastValid> {
        self.steps.back().and_then(|step| step.last_valid)
    }

    /// Follows the message of a commit entry, in the log's order. Valid means: as far as one can tell from outside.
    pub fn advance(&mut self, message: &[u8], entry: &Entry<'_>) -> Result<Verdict, MlsError> {
        let Ok(Parsed::Commit(inner)) = parse(message, EntryKind::Commit) else { return Ok(Verdict::Invalid(Invalid::Mls)) };
        if GroupId::from(inner.group_id()) != self.id {
            return Ok(Verdict::Invalid(Invalid::Mls));
        }
        // The ground a commit names is signed, and the signature is checked on that ground.
        let named = claimed_data(message).map(|data| data.last_valid);
        let Some(ground) = named.and_then(|named| self.steps.iter().rev().find(|step| step.last_valid == named)) else {
            return Ok(Verdict::Invalid(Invalid::History));
        };
        match ground.advance(&self.id, inner, message, entry)? {
            Ok((step, summary)) => {
                self.steps.push_back(step);
                if self.steps.len() > KEPT {
                    self.steps.pop_front();
                }
                Ok(Verdict::Valid(Box::new(summary)))
            }
            Err(reason) => Ok(Verdict::Invalid(reason)),
        }
    }

    /// Finds the state that a GroupInfo confirms. Checks, in this order: no tree inside (it would override the replayed
    /// one), equal group context, a member's signature, equal confirmation tag.
    ///
    /// Not visible from outside: a wrong external key signed by a member. Who came in by such a one is on a branch of its
    /// own: others' commits are of another epoch then. Take another member's GroupInfo.
    pub fn ground(&self, group_info: &[u8]) -> Result<Ground<'_>, MlsError> {
        let slim = read_group_info(self.suite, group_info)?;
        // Reading a state of a thousand leaves takes as long as all the rest: only those of that epoch are looked at.
        let of_epoch = |step: &&Step| step.epoch == slim.epoch().as_u64();
        for (after, step) in self.steps.iter().rev().enumerate().filter(|(_, step)| of_epoch(step)) {
            let public = load(&step.rows, &self.id)?;
            let whole = match self.rules.state_of_context(public.group_context())? {
                Some(state) => Cow::Owned(with_state(group_info, &state)?),
                None => Cow::Borrowed(group_info),
            };
            let info = read_group_info(self.suite, &whole)?;
            if !same(public.group_context(), info.group_context())? {
                continue;
            }
            check_signature_and_tag(&public, &take_apart(&whole)?)?;
            let bytes = public.export_ratchet_tree().tls_serialize_detached();
            let tree = read_tree(&bytes.map_err(|error| MlsError::Internal { doing: "exporting a tree", fault: Fault::of(&error) })?)?;
            let state = public_state(&public, &mut step.roster.clone(), step.last_valid)?;
            return Ok(Ground { suite: self.suite, info, tree, state, after, _replay: self });
        }
        Err(MlsError::OtherState("another group context"))
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replay({} states)", self.steps.len())
    }
}

impl std::fmt::Debug for Ground<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ground({} commits after)", self.after)
    }
}

impl Step {
    /// The state after a commit on this one, or why it is invalid here.
    fn advance(
        &self,
        id: &GroupId,
        message: ProtocolMessage,
        bytes: &[u8],
        entry: &Entry<'_>,
    ) -> Result<Result<(Self, CommitSummary), Invalid>, MlsError> {
        let rows = self.rows.clone();
        let mut public = load(&rows, id)?;
        let mut roster = self.roster.clone();
        let state = public_state(&public, &mut roster, self.last_valid)?;
        if message.epoch() != public.group_context().epoch() {
            return Ok(Err(Invalid::Epoch));
        }
        with_rows(&rows, Slot::Live, |provider| {
            let Ok(processed) = public.process_message(provider.crypto(), message) else { return Ok(Err(Invalid::Mls)) };
            let sender = processed.sender().clone();
            let data = CommitData::decode(processed.aad());
            let (staged, commit) = match processed.content() {
                ProcessedMessageContent::UnresolvedAppDataCommit(_) if state.group.is_none() => return Ok(Err(Invalid::Proposals)),
                ProcessedMessageContent::UnresolvedAppDataCommit(_) => {
                    let judged = data.and_then(|data| peek(bytes, data)).and_then(|commit| {
                        let next = validity::judge(&state, &commit, entry.header)?;
                        Ok((next, commit))
                    });
                    let (next, commit) = match judged {
                        Ok(judged) => judged,
                        Err(reason) => return Ok(Err(reason)),
                    };
                    let updates = next.group.and_then(|next| dictionary_updates(public.app_data_dictionary_updater(), &next));
                    let resolved = public.resolve_app_data_commit(provider.crypto(), processed, updates);
                    let Ok(ProcessedMessageContent::StagedCommitMessage(staged)) = resolved.map(ProcessedMessage::into_content) else {
                        return Ok(Err(Invalid::Mls));
                    };
                    confirm(&commit, facts(&sender, &staged, commit.data.clone()))?;
                    (staged, commit)
                }
                _ => {
                    let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
                        return Ok(Err(Invalid::Mls));
                    };
                    let judged = data.and_then(|data| facts(&sender, &staged, data)).and_then(|commit| {
                        validity::judge(&state, &commit, entry.header)?;
                        Ok(commit)
                    });
                    match judged {
                        Ok(commit) => (staged, commit),
                        Err(reason) => return Ok(Err(reason)),
                    }
                }
            };
            let gone = removed(&state, &commit);
            let members = self.roster.members().filter(|member| gone.contains(&member.leaf)).cloned().collect();
            let told = Told::new(&state, &commit, members);
            let author = match commit.author {
                Author::Member(leaf) => leaf,
                Author::Joiner => public.ext_commit_sender_index(&staged).map_err(provider.defect("placing a joiner"))?.into(),
            };
            public.merge_commit(provider.storage(), *staged).map_err(provider.defect("following a commit"))?;
            roster.follow(public.treesync().full_leaves())?;
            roster.seat(state.group.as_ref());
            let by = roster.get(author).cloned();
            let by = by.ok_or(MlsError::Internal { doing: "following a commit", fault: Fault::of(&"BlankLeaf") })?;
            let summary = told.summary(by, commit);
            let epoch = public.group_context().epoch().as_u64();
            Ok(Ok((Self { rows: rows.clone(), epoch, last_valid: Some(entry.as_last_valid()), roster }, summary)))
        })
    }
}

fn load(rows: &MemoryRows, id: &GroupId) -> Result<PublicGroup, MlsError> {
    with_rows(rows, Slot::Live, |provider| {
        let loaded = PublicGroup::load(provider.storage(), &id.mls()).map_err(provider.defect("loading a replay"))?;
        loaded.ok_or(MlsError::Stored { what: "group" })
    })
}

fn read_group_info(suite: Suite, bytes: &[u8]) -> Result<VerifiableGroupInfo, MlsError> {
    let info = match MlsMessageIn::tls_deserialize_exact_bytes(bytes).map(MlsMessageIn::extract) {
        Ok(MlsMessageBodyIn::GroupInfo(info)) => info,
        _ => return Err(MlsError::Malformed { what: "GroupInfo" }),
    };
    suite.check(info.ciphersuite())?;
    if info.extensions().ratchet_tree().is_some() { Err(MlsError::TreeInside) } else { Ok(info) }
}

fn same(ours: &GroupContext, theirs: &GroupContext) -> Result<bool, MlsError> {
    let bytes = |context: &GroupContext| {
        context.tls_serialize_detached().map_err(|error| MlsError::Internal { doing: "comparing group contexts", fault: Fault::of(&error) })
    };
    Ok(bytes(ours)? == bytes(theirs)?)
}

/// Who signed a GroupInfo is a member of the state that it is about, and has the same confirmation tag. The tree was checked
/// leaf by leaf when it was read, and with every commit since: it is not checked again.
fn check_signature_and_tag(public: &PublicGroup, info: &Parts<'_>) -> Result<(), MlsError> {
    let untrue = |fault: &str| MlsError::Untrue { what: "GroupInfo", fault: Fault::of(&fault) };
    let encoding = |error: tls_codec::Error| MlsError::Internal { doing: "checking a GroupInfo", fault: Fault::of(&error) };
    let signer = public.leaf(LeafNodeIndex::new(info.signer)).ok_or_else(|| untrue("UnknownSender"))?;
    let label = VLBytes::from(b"MLS 1.0 GroupInfoTBS".to_vec()).tls_serialize_detached().map_err(encoding)?;
    let content = VLBytes::from(info.signed.to_vec()).tls_serialize_detached().map_err(encoding)?;
    let (scheme, key) = (public.ciphersuite().signature_algorithm(), signer.signature_key().as_slice());
    RustCrypto::default()
        .verify_signature(scheme, &[label, content].concat(), key, info.signature.as_slice())
        .map_err(|_| untrue("InvalidGroupInfoSignature"))?;
    let theirs = info.confirmation_tag.tls_serialize_detached().map_err(encoding)?;
    if theirs == public.confirmation_tag().tls_serialize_detached().map_err(encoding)? {
        Ok(())
    } else {
        Err(MlsError::OtherState("another confirmation tag"))
    }
}

/// The authenticated data of a PublicMessage, not verified yet: MLSMessage is version, wire format, then FramedContent,
/// which is group id, epoch, sender, authenticated data (RFC 9420 section 6).
fn claimed_data(message: &[u8]) -> Option<CommitData> {
    let (_version_and_format, rest) = message.split_at_checked(4)?;
    let (_group, rest) = VLBytes::tls_deserialize_bytes(rest).ok()?;
    let (_epoch, rest) = u64::tls_deserialize_bytes(rest).ok()?;
    let (_sender, rest) = openmls::prelude::Sender::tls_deserialize_bytes(rest).ok()?;
    let (data, _) = VLBytes::tls_deserialize_bytes(rest).ok()?;
    CommitData::decode(data.as_slice()).ok()
}
