use alcyon_wire::{HeaderFacts, SeatId};
use openmls::prelude::{LeafNodeParameters, Sender};
use openmls_traits::OpenMlsProvider;

use crate::{
    CommitData, Fault, Group, Invalid, LeafIndex, LocalDevice, MlsError, RowKind, Rows, Seen,
    extension::leaf_extensions,
    facts::facts,
    group::{index, own_key, to_bytes},
    prepared::Prepared,
    provider::with_rows,
    rows::Slot,
};

/// A commit that is ready to be sent. Its state is in the rows: send exactly this, and wait for the log's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCommit {
    /// The MLS PublicMessage, to be sealed **once**: resend the same payload.
    pub message: Vec<u8>,
    /// The GroupInfo without tree of the epoch it starts, to be sealed.
    pub group_info: Vec<u8>,
}

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
        self.check_member()?;
        if self.pending() {
            return Err(MlsError::CommitPending);
        }
        let state = self.state();
        let data = CommitData { rules: self.rules.rules, seen, last_valid: self.last_valid, rejoin: None };
        let id = self.id();
        with_rows(rows, Slot::Live, |provider| {
            self.mls.set_aad(data.encode());
            let leaf = LeafNodeParameters::builder()
                .with_credential_with_key(device.credential())
                .with_capabilities(device.capabilities())
                .with_extensions(leaf_extensions(seat)?)
                .build();
            let bundle = self
                .mls
                .commit_builder()
                .propose_removals(gone.iter().map(|leaf| index(*leaf)))
                .force_self_update(true)
                .leaf_node_parameters(leaf)
                .load_psks(provider.storage())
                .map_err(provider.defect("preparing a commit"))?
                .create_group_info(true)
                .use_ratchet_tree_extension(false)
                .build(provider.rand(), provider.crypto(), device, |_| true)
                .map_err(|error| provider.blame(&error, |_| MlsError::WouldBeInvalid(Invalid::Mls)))?
                .stage_commit(provider)
                .map_err(provider.defect("preparing a commit"))?;
            provider.check()?;
            let (message, _welcome, group_info) = bundle.into_messages();
            let missing = |what: &'static str| MlsError::Internal { doing: "preparing a commit", fault: Fault::of(&what) };
            let message = to_bytes(&message)?;
            let group_info = to_bytes(&group_info.ok_or_else(|| missing("NoGroupInfo"))?)?;
            let staged = self.mls.pending_commit().ok_or_else(|| missing("NotPending"))?;
            let sender = Sender::Member(self.mls.own_leaf_index());
            let commit = facts(&sender, staged, data).map_err(MlsError::WouldBeInvalid)?;
            crate::validity::foresee(&state, &commit).map_err(MlsError::WouldBeInvalid)?;
            Prepared::new(&message, &state, &commit)?.write(rows, Slot::Live, &id)?;
            Ok(PreparedCommit { message, group_info })
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
