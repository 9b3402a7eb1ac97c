use alcyon_wire::{AccountId, EntryKind, JoinSecret};
use openmls::framing::ContentType;
use openmls::prelude::{
    ApplyUpdatePathError, MlsMessageBodyIn, MlsMessageIn, ProcessMessageError, ProcessedMessage, ProcessedMessageContent, ProtocolMessage,
    ResolveAppDataCommitError, Sender, StageCommitError, StagedCommit,
};
use tls_codec::DeserializeBytes;

use crate::{
    CommitData, Entry, Fault, Group, GroupChange, Invalid, LeafIndex, Member, MlsError, RowKind, Rows,
    commit::{JOIN_SECRET, dictionary_updates},
    facts::facts,
    group::own_key,
    peek::peek,
    prepared::Prepared,
    provider::with_rows,
    replay::Replay,
    rows::Slot,
    storage::StorageError,
    validity::{self, Author, Commit, Proposal, State},
};

/// What an entry was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Processed {
    /// A member's message; still padded.
    Application {
        /// Who sent it.
        by: Box<Member>,
        /// The padded plaintext.
        plaintext: Vec<u8>,
    },
    /// This device's own message: known by its entry id, or the database was rolled back. MLS can't tell.
    OwnApplication,
    /// A commit, own or other's.
    Commit(Verdict),
    /// A commit of this device's that its rows do not know: the database was rolled back. Rejoin before sending.
    OwnCommitUnknown,
    /// The echo of the external commit that this device has prepared: call [`adopt_rejoin`](crate::adopt_rejoin) with it.
    /// Nothing was changed.
    OwnRejoin,
    /// Not usable. Nothing to do about it: keep it as evidence and go on.
    SetAside(SetAside),
}

/// Why an entry was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetAside {
    /// Not an MLS message, or not of the form that the kind of entry has.
    Malformed,
    /// Of another group.
    OtherGroup,
    /// Encrypted for an epoch that is over.
    PastEpoch,
    /// Encrypted for an epoch that is not there yet. Many of them mean that this device is on a wrong branch: rejoin.
    FutureEpoch,
    /// It does not open (never, or not a second time), or its signature does not hold.
    Undecryptable,
    /// It carries authenticated data in clear.
    ClearData,
    /// Its author may not write in this group, by the settings.
    MayNotWrite,
}

/// The verdict on a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is merged, and this is what it did.
    Valid(Box<CommitSummary>),
    /// It counts, and is passed over by all alike.
    Invalid(Invalid),
}

/// What a valid commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitSummary {
    /// Who made it, with the leaf as it is now.
    pub by: Member,
    /// It was this device's own.
    pub own: bool,
    /// Its author came in from outside: new, or (`data.rejoin`) in place of an old leaf.
    pub joined: bool,
    /// The account that came in with it: the joiner's, if it had no leaf before.
    pub joined_account: Option<AccountId>,
    /// Leaves that are gone; the one a rejoin replaced is not among them.
    pub removed: Vec<Member>,
    /// How a group's state changed: what the commit asked for, then what followed by itself (doors that went, an admin
    /// where none was left). That an account came or went is told above.
    pub changes: Vec<GroupChange>,
    /// From the next commit on handshakes are under the key of a new join secret.
    pub starts_join_secret: bool,
    /// That secret, from this device's own exporter; none for those who follow from outside, and for who is evicted.
    pub new_join_secret: Option<JoinSecret>,
    /// What it says in its authenticated data: compare `seen` with one's own running hashes.
    pub data: CommitData,
    /// This device's leaf is gone: nothing after this can be read.
    pub evicted: bool,
}

/// A message of a group, told apart.
pub(crate) enum Parsed {
    Application(ProtocolMessage),
    Commit(ProtocolMessage),
}

/// Reads a message; `Err` if it is not of the form that the kind of entry has.
pub(crate) fn parse(message: &[u8], kind: EntryKind) -> Result<Parsed, SetAside> {
    let message = MlsMessageIn::tls_deserialize_exact_bytes(message).map_err(|_| SetAside::Malformed)?;
    let private = matches!(kind, EntryKind::Application | EntryKind::Close | EntryKind::Leave);
    match message.extract() {
        MlsMessageBodyIn::PrivateMessage(message) if private => {
            let message = ProtocolMessage::from(message);
            if message.content_type() == ContentType::Application { Ok(Parsed::Application(message)) } else { Err(SetAside::Malformed) }
        }
        MlsMessageBodyIn::PublicMessage(message) if kind == EntryKind::Commit => {
            let message = ProtocolMessage::from(message);
            if message.content_type() == ContentType::Commit { Ok(Parsed::Commit(message)) } else { Err(SetAside::Malformed) }
        }
        _ => Err(SetAside::Malformed),
    }
}

impl Group {
    /// Processes the message of an entry, in the log's order: opens it, judges it, and merges it if it is a valid commit,
    /// all through `rows`. The own commit is merged here too, on its echo, and nowhere else: known by its bytes, judged by
    /// the header like anybody's.
    ///
    /// An entry whose payload does not even give a message is for the caller to pass over: a commit like that is
    /// invalid for all.
    pub fn process(&mut self, rows: &dyn Rows, message: &[u8], entry: &Entry<'_>) -> Result<Processed, MlsError> {
        self.check_member()?;
        let commit = entry.header.kind == EntryKind::Commit;
        let (parsed, epoch) = match parse(message, entry.header.kind) {
            Err(_) if commit => return Ok(invalid(Invalid::Mls)),
            Err(reason) => return Ok(Processed::SetAside(reason)),
            Ok(parsed) => {
                let (Parsed::Application(inner) | Parsed::Commit(inner)) = &parsed;
                let other = inner.group_id() != self.mls.group_id();
                let epoch = inner.epoch().as_u64().cmp(&self.epoch());
                match (commit, other, epoch) {
                    (true, true, _) => return Ok(invalid(Invalid::Mls)),
                    (false, true, _) => return Ok(Processed::SetAside(SetAside::OtherGroup)),
                    _ => (parsed, epoch),
                }
            }
        };
        match (parsed, epoch) {
            (Parsed::Commit(_), std::cmp::Ordering::Less | std::cmp::Ordering::Greater) => Ok(invalid(Invalid::Epoch)),
            (Parsed::Application(_), std::cmp::Ordering::Less) => Ok(Processed::SetAside(SetAside::PastEpoch)),
            (Parsed::Application(_), std::cmp::Ordering::Greater) => Ok(Processed::SetAside(SetAside::FutureEpoch)),
            (Parsed::Application(inner), std::cmp::Ordering::Equal) => self.process_application(rows, inner, entry.header.kind),
            (Parsed::Commit(inner), std::cmp::Ordering::Equal) => self.process_commit(rows, message, inner, entry),
        }
    }

    fn process_application(&mut self, rows: &dyn Rows, message: ProtocolMessage, kind: EntryKind) -> Result<Processed, MlsError> {
        with_rows(rows, Slot::Live, |provider| {
            let processed = self.mls.process_message(provider, message);
            provider.check()?;
            let Ok(processed) = processed else { return Ok(Processed::SetAside(SetAside::Undecryptable)) };
            let clear = !processed.aad().is_empty();
            let Sender::Member(sender) = *processed.sender() else { return Ok(Processed::SetAside(SetAside::Malformed)) };
            match processed.into_content() {
                ProcessedMessageContent::OwnPrivateMessage => Ok(Processed::OwnApplication),
                ProcessedMessageContent::ApplicationMessage(_) if clear => Ok(Processed::SetAside(SetAside::ClearData)),
                // Everybody may leave, and say so.
                ProcessedMessageContent::ApplicationMessage(_) if kind != EntryKind::Leave && !self.may_write(sender.into()) => {
                    Ok(Processed::SetAside(SetAside::MayNotWrite))
                }
                ProcessedMessageContent::ApplicationMessage(content) => {
                    let by = self.member(sender.into())?;
                    Ok(Processed::Application { by: Box::new(by), plaintext: content.into_bytes() })
                }
                _ => Ok(Processed::SetAside(SetAside::Malformed)),
            }
        })
    }

    fn process_commit(
        &mut self,
        rows: &dyn Rows,
        bytes: &[u8],
        message: ProtocolMessage,
        entry: &Entry<'_>,
    ) -> Result<Processed, MlsError> {
        let processed = with_rows(rows, Slot::Live, |provider| {
            let processed = self.mls.process_message(provider, message);
            provider.check()?;
            Ok::<_, MlsError>(processed)
        })?;
        let processed = match processed {
            Ok(processed) => processed,
            Err(error) => return self.failed_commit(rows, bytes, &error, entry),
        };
        let sender = processed.sender().clone();
        let data = CommitData::decode(processed.aad());
        if matches!(processed.content(), ProcessedMessageContent::UnresolvedAppDataCommit(_)) {
            return self.process_change(rows, bytes, processed, data, entry);
        }
        match processed.into_content() {
            ProcessedMessageContent::OwnPendingCommit => self.own_echo(rows, bytes, entry),
            ProcessedMessageContent::StagedCommitMessage(staged) => {
                let judged = data.and_then(|data| facts(&sender, &staged, data)).and_then(|commit| {
                    validity::judge(&self.state(), &commit, entry.header)?;
                    Ok(commit)
                });
                match judged {
                    Err(reason) => Ok(invalid(reason)),
                    Ok(commit) if self.replaces_this_device(&commit) => self.own_rejoin(rows, bytes),
                    Ok(commit) => self.merge(rows, *staged, &commit, entry),
                }
            }
            _ => Ok(invalid(Invalid::Mls)),
        }
    }

    /// A commit that changes a group's state: MLS stages it once it knows the new state, so the rules come first.
    fn process_change(
        &mut self,
        rows: &dyn Rows,
        bytes: &[u8],
        processed: ProcessedMessage,
        data: Result<CommitData, Invalid>,
        entry: &Entry<'_>,
    ) -> Result<Processed, MlsError> {
        if self.group.is_none() {
            // AppDataUpdate is a proposal that rule set 1 does not allow.
            return Ok(invalid(Invalid::Proposals));
        }
        let commit = match data.and_then(|data| peek(bytes, data)) {
            Ok(commit) => commit,
            Err(reason) => return Ok(invalid(reason)),
        };
        // One of this device's that is not pending here. (MLS knows it itself, if it has a path.)
        if commit.author == Author::Member(self.own_leaf()) {
            return Ok(Processed::OwnCommitUnknown);
        }
        let next = match validity::judge(&self.state(), &commit, entry.header) {
            Ok(next) => next,
            Err(reason) => return Ok(invalid(reason)),
        };
        if self.replaces_this_device(&commit) {
            return self.own_rejoin(rows, bytes);
        }
        let sender = processed.sender().clone();
        let staged = with_rows(rows, Slot::Live, |provider| {
            let updates = next.group.and_then(|next| dictionary_updates(self.mls.public_group().app_data_dictionary_updater(), &next));
            let resolved = self.mls.resolve_app_data_commit(provider, processed, updates);
            provider.check()?;
            Ok::<_, MlsError>(resolved)
        })?;
        match staged.map(ProcessedMessage::into_content) {
            Ok(ProcessedMessageContent::StagedCommitMessage(staged)) => {
                confirm(&commit, facts(&sender, &staged, commit.data.clone()))?;
                self.merge(rows, *staged, &commit, entry)
            }
            Err(ResolveAppDataCommitError::StageCommit(error)) => self.failed_stage(rows, bytes, &error, entry),
            Ok(_) | Err(ResolveAppDataCommitError::NotAnUnresolvedAppDataCommit) => {
                Err(MlsError::Internal { doing: "changing a group's state", fault: Fault::of(&"NotResolved") })
            }
        }
    }

    /// A commit that OpenMLS refused. Everybody comes to the same end but in three cases: it is this device's own, or
    /// there is nothing in its path that this device can open, or this device's keys are not there.
    fn failed_commit(
        &self,
        rows: &dyn Rows,
        bytes: &[u8],
        error: &ProcessMessageError<StorageError>,
        entry: &Entry<'_>,
    ) -> Result<Processed, MlsError> {
        match error {
            ProcessMessageError::InvalidCommit(error) => self.failed_stage(rows, bytes, error, entry),
            ProcessMessageError::StorageError(_) => Err(MlsError::Stored { what: "group" }),
            _ => Ok(invalid(Invalid::Mls)),
        }
    }

    fn failed_stage(&self, rows: &dyn Rows, bytes: &[u8], error: &StageCommitError, entry: &Entry<'_>) -> Result<Processed, MlsError> {
        use ApplyUpdatePathError as Path;
        match error {
            StageCommitError::OwnCommitMismatch => Ok(Processed::OwnCommitUnknown),
            // No private key for any place in the path that is meant for this leaf: the rows have lost it.
            StageCommitError::MissingDecryptionKey | StageCommitError::UpdatePathError(Path::MissingSender) => {
                Err(MlsError::Stored { what: "private keys" })
            }
            // OpenMLS does not count the ciphertexts in a path, so one that is missing is missed by its reader alone.
            StageCommitError::UpdatePathError(Path::UnableToDecrypt | Path::PathMismatch | Path::MissingCiphertext) => {
                // It is for the others to say whether the commit holds. What can be seen from outside comes first: an
                // invalid commit needs no rejoin.
                let mut replay = Replay::from_group(rows, &self.id())?;
                match replay.advance(bytes, entry)? {
                    Verdict::Invalid(reason) => Ok(invalid(reason)),
                    Verdict::Valid(summary) => Err(MlsError::CantOpenPath { by: Box::new(summary.by) }),
                }
            }
            _ => Ok(invalid(Invalid::Mls)),
        }
    }

    /// The log has the pending commit: judged by the header like anybody's, then merged or given up.
    fn own_echo(&mut self, rows: &dyn Rows, bytes: &[u8], entry: &Entry<'_>) -> Result<Processed, MlsError> {
        let prepared = Prepared::read(rows, Slot::Live, &self.id())?.filter(|prepared| prepared.is(bytes));
        let Some(prepared) = prepared else { return Err(MlsError::Stored { what: "prepared commit" }) };
        let (state, commit) = prepared.judged()?;
        if let Err(reason) = validity::judge(&state, &commit, entry.header) {
            with_rows(rows, Slot::Live, |provider| {
                self.mls
                    .clear_pending_commit(openmls_traits::OpenMlsProvider::storage(provider))
                    .map_err(provider.defect("giving up an invalid commit"))
            })?;
            rows.delete(RowKind::Prepared, &own_key(Slot::Live, &self.id())?)?;
            return Ok(invalid(reason));
        }
        let told = self.told(&state, &commit)?;
        with_rows(rows, Slot::Live, |provider| {
            self.mls.merge_pending_commit(provider).map_err(provider.defect("merging the own commit"))?;
            provider.check()
        })?;
        self.follow(rows, entry.as_last_valid())?;
        let by = self.member(self.own_leaf())?;
        let summary = CommitSummary { own: true, ..self.summary(by, told, commit, false)? };
        Ok(Processed::Commit(Verdict::Valid(Box::new(summary))))
    }

    fn merge(&mut self, rows: &dyn Rows, staged: StagedCommit, commit: &Commit, entry: &Entry<'_>) -> Result<Processed, MlsError> {
        let told = self.told(&self.state(), commit)?;
        let author = match commit.author {
            Author::Member(leaf) => leaf,
            Author::Joiner => self
                .mls
                .ext_commit_sender_index(&staged)
                .map_err(|error| MlsError::Internal { doing: "placing a joiner", fault: Fault::of(&error) })?
                .into(),
        };
        let evicted = staged.self_removed();
        with_rows(rows, Slot::Live, |provider| {
            self.mls.merge_staged_commit(provider, staged).map_err(provider.defect("merging a commit"))?;
            provider.check()
        })?;
        self.follow(rows, entry.as_last_valid())?;
        let by = self.member(author)?;
        let summary = self.summary(by, told, commit.clone(), evicted)?;
        Ok(Processed::Commit(Verdict::Valid(Box::new(summary))))
    }

    /// An external commit by this device, seen by its old leaf.
    fn replaces_this_device(&self, commit: &Commit) -> bool {
        let own = self.roster.get(self.own_leaf()).map(|own| own.chain.device());
        commit.author == Author::Joiner && commit.path.as_ref().map(|path| path.device) == own
    }

    fn own_rejoin(&self, rows: &dyn Rows, bytes: &[u8]) -> Result<Processed, MlsError> {
        let prepared = Prepared::read(rows, Slot::Joining, &self.id())?;
        Ok(if prepared.is_some_and(|prepared| prepared.is(bytes)) { Processed::OwnRejoin } else { Processed::OwnCommitUnknown })
    }

    /// What is to be told of a commit that has to be asked before it is merged.
    fn told(&self, state: &State, commit: &Commit) -> Result<Told, MlsError> {
        let members = removed(state, commit).into_iter().map(|leaf| self.member(leaf)).collect::<Result<_, _>>()?;
        Ok(Told::new(state, commit, members))
    }

    /// After the merge.
    fn summary(&self, by: Member, told: Told, commit: Commit, evicted: bool) -> Result<CommitSummary, MlsError> {
        let new_join_secret = if told.starts_join_secret && !evicted {
            Some(JoinSecret::from(self.export(JOIN_SECRET, self.rules.log.as_bytes())?))
        } else {
            None
        };
        Ok(CommitSummary { new_join_secret, evicted, ..told.summary(by, commit) })
    }

    fn member(&self, leaf: LeafIndex) -> Result<Member, MlsError> {
        let member = self.roster.get(leaf).cloned();
        member.ok_or(MlsError::Internal { doing: "finding a member", fault: Fault::of(&"BlankLeaf") })
    }
}

/// What is to be told of a commit, seen by the state before it.
pub(crate) struct Told {
    removed: Vec<Member>,
    joined_account: Option<AccountId>,
    changes: Vec<GroupChange>,
    starts_join_secret: bool,
}

impl Told {
    pub(crate) fn new(state: &State, commit: &Commit, removed: Vec<Member>) -> Self {
        let known = |account| state.leaves.values().any(|leaf| leaf.account == account);
        let joiner = commit.path.as_ref().filter(|_| commit.author == Author::Joiner).map(|path| path.account);
        let asked =
            commit.proposals.iter().flat_map(|proposal| if let Proposal::Change(changes) = proposal { changes.as_slice() } else { &[] });
        let automatic = validity::outcome(state, commit).map(|applied| applied.automatic).unwrap_or_default();
        Self {
            removed,
            joined_account: joiner.filter(|account| !known(*account)),
            changes: asked.cloned().chain(automatic).collect(),
            starts_join_secret: validity::starts_join_secret(state, commit),
        }
    }

    /// As somebody outside tells it.
    pub(crate) fn summary(self, by: Member, commit: Commit) -> CommitSummary {
        let Self { removed, joined_account, changes, starts_join_secret } = self;
        let joined = commit.author == Author::Joiner;
        CommitSummary {
            by,
            own: false,
            joined,
            joined_account,
            removed,
            changes,
            starts_join_secret,
            new_join_secret: None,
            data: commit.data,
            evicted: false,
        }
    }
}

/// What was read from a commit's bytes is what MLS has staged.
pub(crate) fn confirm(read: &Commit, staged: Result<Commit, Invalid>) -> Result<(), MlsError> {
    let same = staged.is_ok_and(|staged| {
        let all = |some: &Commit, others: &Commit| some.proposals.iter().all(|proposal| others.proposals.contains(proposal));
        staged.author == read.author
            && staged.path == read.path
            && staged.proposals.len() == read.proposals.len()
            && all(&staged, read)
            && all(read, &staged)
    });
    if same { Ok(()) } else { Err(MlsError::Internal { doing: "reading a commit", fault: Fault::of(&"OtherContent") }) }
}

/// The leaves a commit takes out of the group; the one a rejoin replaces is not among them.
pub(crate) fn removed(state: &State, commit: &Commit) -> Vec<LeafIndex> {
    commit
        .proposals
        .iter()
        .filter_map(|proposal| match proposal {
            Proposal::Remove(index) => Some(*index),
            Proposal::ExternalInit | Proposal::Change(_) | Proposal::Other | Proposal::ByReference => None,
        })
        .filter(|index| commit.author != Author::Joiner && state.leaves.contains_key(index))
        .collect()
}

fn invalid(reason: Invalid) -> Processed {
    Processed::Commit(Verdict::Invalid(reason))
}
