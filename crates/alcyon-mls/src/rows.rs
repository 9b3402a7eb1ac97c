//! Storage as this crate sees it: key-value rows of one open transaction of the caller.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// What a row holds. The numbers are on disk: they never change and are never used twice.
///
/// A row is found by its kind and its key. Keys are opaque to the store, at most some hundred bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum RowKind {
    /// How a group was joined or created.
    JoinConfig = 1,
    /// Own leaves that were proposed.
    OwnLeafNodes = 2,
    /// References of queued proposals.
    ProposalRefs = 3,
    /// A queued proposal.
    Proposal = 4,
    /// A ratchet tree.
    Tree = 5,
    /// Interim transcript hash.
    InterimTranscriptHash = 6,
    /// Group context.
    Context = 7,
    /// Confirmation tag of the epoch.
    ConfirmationTag = 8,
    /// Operational, pending or inactive; with the pending commit's state.
    GroupState = 9,
    /// What encrypts and decrypts messages. Rewritten with every message.
    MessageSecrets = 10,
    /// Resumption secrets.
    ResumptionPsks = 11,
    /// Own leaf.
    OwnLeafIndex = 12,
    /// Secrets of the epoch.
    EpochSecrets = 13,
    /// Exporter tree of the epoch.
    ApplicationExportTree = 14,
    /// Private keys on the own path in the tree.
    EpochKeyPairs = 15,
    /// A signature key pair. This crate stores none: the device key comes from the caller.
    SignatureKeyPair = 16,
    /// An HPKE key pair outside a group.
    EncryptionKeyPair = 17,
    /// A KeyPackage and its private keys.
    KeyPackage = 18,
    /// A pre-shared key. The rules allow none.
    Psk = 19,
    /// The last valid commit of a group.
    LastValid = 32,
    /// An own commit that is prepared and not yet decided.
    Prepared = 33,
}

impl RowKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 21] = [
        Self::JoinConfig,
        Self::OwnLeafNodes,
        Self::ProposalRefs,
        Self::Proposal,
        Self::Tree,
        Self::InterimTranscriptHash,
        Self::Context,
        Self::ConfirmationTag,
        Self::GroupState,
        Self::MessageSecrets,
        Self::ResumptionPsks,
        Self::OwnLeafIndex,
        Self::EpochSecrets,
        Self::ApplicationExportTree,
        Self::EpochKeyPairs,
        Self::SignatureKeyPair,
        Self::EncryptionKeyPair,
        Self::KeyPackage,
        Self::Psk,
        Self::LastValid,
        Self::Prepared,
    ];

    /// The number on disk.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The kind with that number on disk.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// Rows of **one open transaction** of the caller. All that this crate does within a call is written through it, so
/// that a rollback takes everything back; a [`Group`](crate::Group) that was in memory then is to be dropped and
/// loaded again.
///
/// Methods take `&self`: a transaction that is borrowed is enough.
pub trait Rows {
    /// The value, if there is one.
    fn read(&self, kind: RowKind, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError>;
    /// Writes the value, over the one that is there.
    fn write(&self, kind: RowKind, key: &[u8], value: &[u8]) -> Result<(), RowsError>;
    /// Deletes the value; no error if there is none.
    fn delete(&self, kind: RowKind, key: &[u8]) -> Result<(), RowsError>;
}

/// The store failed. Roll back, and treat the cause as a fault of the store.
#[derive(Clone)]
pub struct RowsError(Arc<dyn std::error::Error + Send + Sync>);

impl RowsError {
    /// Wraps the store's own error.
    pub fn new(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }

    /// The store's own error, if it was of this type.
    #[must_use]
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowsError({:?})", self.0)
    }
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store failed")
    }
}

impl std::error::Error for RowsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

type Map = BTreeMap<(RowKind, Vec<u8>), Vec<u8>>;

/// Rows in memory, for replays and tests. A clone is a snapshot: to roll back, put the clone in its place.
#[derive(Default)]
pub struct MemoryRows(Mutex<Arc<Map>>);

impl MemoryRows {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every row, in the order of kind and key.
    #[must_use]
    pub fn dump(&self) -> Vec<(RowKind, Vec<u8>, Vec<u8>)> {
        self.with(|map| map.iter().map(|((kind, key), value)| (*kind, key.clone(), value.clone())).collect())
    }

    fn with<T>(&self, f: impl FnOnce(&mut Arc<Map>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clone for MemoryRows {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.with(|map| map.clone())))
    }
}

impl fmt::Debug for MemoryRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryRows({} rows)", self.with(|map| map.len()))
    }
}

impl Rows for MemoryRows {
    fn read(&self, kind: RowKind, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        Ok(self.with(|map| map.get(&(kind, key.to_vec())).cloned()))
    }

    fn write(&self, kind: RowKind, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.with(|map| Arc::make_mut(map).insert((kind, key.to_vec()), value.to_vec()));
        Ok(())
    }

    fn delete(&self, kind: RowKind, key: &[u8]) -> Result<(), RowsError> {
        self.with(|map| Arc::make_mut(map).remove(&(kind, key.to_vec())));
        Ok(())
    }
}

/// Which of two states of a group a row belongs to: part of the key, so that an external commit in preparation never
/// overwrites the live group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Slot {
    /// The group as it is.
    Live = 1,
    /// The group as it will be once the log has accepted the external commit.
    Joining = 2,
}

/// Keeps the first failure of a store, because OpenMLS does not always hand it on: a store that fails must never be
/// taken for a commit that is invalid.
pub(crate) struct Watched<'a> {
    pub(crate) rows: &'a dyn Rows,
    failure: RefCell<Option<RowsError>>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(rows: &'a dyn Rows) -> Self {
        Self { rows, failure: RefCell::new(None) }
    }

    pub(crate) fn note<T>(&self, result: Result<T, RowsError>) -> Result<T, RowsError> {
        if let Err(error) = &result {
            self.failure.borrow_mut().get_or_insert_with(|| error.clone());
        }
        result
    }

    pub(crate) fn failure(&self) -> Option<RowsError> {
        self.failure.borrow().clone()
    }
}
