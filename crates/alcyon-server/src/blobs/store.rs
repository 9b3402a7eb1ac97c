use std::io;

use alcyon_wire::BlobId;
use bytes::Bytes;
use thiserror::Error;

/// How far a blob has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobState {
    /// Bytes it will have.
    pub length: u64,
    /// Of which so many are here, durably.
    pub offset: u64,
}

impl BlobState {
    /// Whether it can be read.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.offset == self.length
    }
}

/// What a sweep has removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// Blobs and unfinished uploads.
    pub blobs: u64,
    /// Bytes they had been promised.
    pub bytes: u64,
}

/// Where blobs lie. The calls block, and are made from threads that may.
pub trait BlobStore: Send + Sync + 'static {
    /// Begins a blob of `length` bytes, at least 1; durable when it returns.
    fn create(&self, id: BlobId, length: u64, now_ms: u64) -> Result<(), BlobError>;

    /// How far it has got; durable bytes only. `None`: there is no such blob.
    fn state(&self, id: BlobId) -> Result<Option<BlobState>, BlobError>;

    /// Writes bytes behind the durable ones of an unfinished blob. They count once [`Self::advance`] has returned.
    fn write(&self, id: BlobId, at: u64, bytes: &[u8]) -> Result<(), BlobError>;

    /// What was written from `from`, up to `to`, is made durable and counts. At `to == length` the blob is complete.
    fn advance(&self, id: BlobId, from: u64, to: u64, now_ms: u64) -> Result<BlobState, BlobError>;

    /// Bytes of a complete blob; exactly so many.
    fn read(&self, id: BlobId, at: u64, length: usize) -> Result<Bytes, BlobError>;

    /// Removes a blob, complete or not; returns the bytes it was promised.
    fn remove(&self, id: BlobId) -> Result<u64, BlobError>;

    /// Removes blobs that were complete before one time, and unfinished ones that have not advanced since another.
    fn sweep(&self, complete_before_ms: u64, unfinished_before_ms: u64) -> Result<Swept, BlobError>;

    /// Bytes promised to all blobs that are here.
    fn used_bytes(&self) -> Result<u64, BlobError>;

    /// Bytes that may still be written on this machine's disk before there is no space left.
    fn free_bytes(&self) -> Result<u64, BlobError>;

    /// How much of that disk an upload of a length takes at most.
    fn on_disk(&self, length: u64) -> u64 {
        length
    }

    /// How much is best read at a time, bytes.
    fn piece(&self) -> usize {
        128 * 1024
    }

    /// The server ends: calls that wait for another machine end at once, without an answer, and none begins.
    fn give_up(&self) {}
}

/// Why a blob store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no such blob: never was, or its time is over.
    #[error("there is no such blob")]
    Unknown,
    /// The bytes do not follow those that are here. Ask for the state and go on from there.
    #[error("the blob has {offset} bytes")]
    Offset {
        /// Durable bytes.
        offset: u64,
    },
    /// More than the blob was to have.
    #[error("the blob was to have {length} bytes")]
    TooLong {
        /// What it was promised.
        length: u64,
    },
    /// Where the blobs lie can't be reached just now, or refuses. Nothing that was durable is lost; come back.
    #[error("the place for files can't be reached")]
    Away {
        /// After this many milliseconds.
        retry_after_ms: u64,
    },
    /// No space is left. Try again when there is.
    #[error("no space is left for blobs")]
    Full,
    /// The disk failed.
    #[error("the disk failed: {0}")]
    Io(io::Error),
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::Full,
            _ => Self::Io(error),
        }
    }
}
