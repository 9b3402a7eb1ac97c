use alcyon_wire::EntryKind;
use openmls::framing::ContentType;
use openmls::prelude::{
    ApplyUpdatePathError, MlsMessageBodyIn, MlsMessageIn, ProcessMessageError, ProcessedMessageContent, ProtocolMessage, Sender,
    StageCommitError, StagedCommit,
};
use tls_codec::DeserializeBytes;

use crate::{
    CommitData, Entry, Fault, Group, Invalid, LeafIndex, Member, MlsError, RowKind, Rows,
    facts::facts,
    group::own_key,
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
    /// Leaves that are gone; the one a rejoin replaced is not among them.
    pub removed: Vec<Member>,
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
            (Parsed::Application(inner), std::cmp::Ordering::Equal) => self.process_application(rows, inner),
            (Parsed::Commit(inner), std::cmp::Ordering::Equal) => self.process_commit(rows, message, inner, entry),
        }
    }

    fn process_application(&mut self, rows: &dyn Rows, message: ProtocolMessage) -> Result<Processed, MlsError> {
        with_rows(rows, Slot::Live, |provider| {
            let processed = self.mls.process_message(provider, message);
            provider.check()?;
            let Ok(processed) = processed else { return Ok(Processed::SetAside(SetAside::Undecryptable)) };
            let clear = !processed.aad().is_empty();
            let Sender::Member(sender) = *processed.sender() else { return Ok(Processed::SetAside(SetAside::Malformed)) };
            match processed.into_content() {
                ProcessedMessageContent::OwnPrivateMessage => Ok(Processed::OwnApplication),
                ProcessedMessageContent::ApplicationMessage(_) if clear => Ok(Processed::SetAside(SetAside::ClearData)),
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
            // AppDataUpdate is a proposal that rule set 1 does not allow.
            ProcessedMessageContent::UnresolvedAppDataCommit(_) => Ok(invalid(Invalid::Proposals)),
            _ => Ok(invalid(Invalid::Mls)),
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
        use ApplyUpdatePathError as Path;
        match error {
            ProcessMessageError::InvalidCommit(StageCommitError::OwnCommitMismatch) => Ok(Processed::OwnCommitUnknown),
            ProcessMessageError::InvalidCommit(
                // No private key for any place in the path that is meant for this leaf: the rows have lost it.
                StageCommitError::MissingDecryptionKey | StageCommitError::UpdatePathError(Path::MissingSender),
            ) => Err(MlsError::Stored { what: "private keys" }),
            // OpenMLS does not count the ciphertexts in a path, so one that is missing is missed by its reader alone.
            ProcessMessageError::InvalidCommit(StageCommitError::UpdatePathError(
                Path::UnableToDecrypt | Path::PathMismatch | Path::MissingCiphertext,
            )) => {
                // It is for the others to say whether the commit holds. What can be seen from outside comes first: an
                // invalid commit needs no rejoin.
                let mut replay = Replay::from_group(rows, &self.id())?;
                match replay.advance(bytes, entry)? {
                    Verdict::Invalid(reason) => Ok(invalid(reason)),
                    Verdict::Valid(summary) => Err(MlsError::CantOpenPath { by: Box::new(summary.by) }),
                }
            }
            ProcessMessageError::StorageError(_) => Err(MlsError::Stored { what: "group" }),
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
        let removed = self.removed(&commit)?;
        with_rows(rows, Slot::Live, |provider| {
            self.mls.merge_pending_commit(provider).map_err(provider.defect("merging the own commit"))?;
            provider.check()
        })?;
        self.follow(rows, entry.as_last_valid())?;
        let by = self.member(self.own_leaf())?;
        let summary = CommitSummary { by, own: true, joined: false, removed, data: commit.data, evicted: false };
        Ok(Processed::Commit(Verdict::Valid(Box::new(summary))))
    }

    fn merge(&mut self, rows: &dyn Rows, staged: StagedCommit, commit: &Commit, entry: &Entry<'_>) -> Result<Processed, MlsError> {
        let removed = self.removed(commit)?;
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
        let joined = commit.author == Author::Joiner;
        let summary = CommitSummary { by, own: false, joined, removed, data: commit.data, evicted };
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

    fn removed(&self, commit: &Commit) -> Result<Vec<Member>, MlsError> {
        removed(&self.state(), commit).into_iter().map(|leaf| self.member(leaf)).collect()
    }

    fn member(&self, leaf: LeafIndex) -> Result<Member, MlsError> {
        let member = self.roster.get(leaf).cloned();
        member.ok_or(MlsError::Internal { doing: "finding a member", fault: Fault::of(&"BlankLeaf") })
    }
}

/// The leaves a commit takes out of the group; the one a rejoin replaces is not among them.
pub(crate) fn removed(state: &State, commit: &Commit) -> Vec<LeafIndex> {
    commit
        .proposals
        .iter()
        .filter_map(|proposal| match proposal {
            Proposal::Remove(index) => Some(*index),
            Proposal::ExternalInit | Proposal::Other | Proposal::ByReference => None,
        })
        .filter(|index| commit.author != Author::Joiner && state.leaves.contains_key(index))
        .collect()
}

fn invalid(reason: Invalid) -> Processed {
    Processed::Commit(Verdict::Invalid(reason))
}
