use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{FileError, Shape};

/// What a file is sealed under. One file, one key: nonces are counted from zero, and two files under one key would give both away.
/// So only [`crate::Sealer`] draws new ones.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FileKey([u8; 32]);

impl FileKey {
    /// Draws one.
    pub(crate) fn random() -> Result<Self, FileError> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(FileError::Random)?;
        Ok(Self(key))
    }

    /// The bytes as they travel.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for FileKey {
    /// One that came in a message or out of a store.
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey(..)")
    }
}

/// SHA-256 of a sealed file.
#[derive(Clone, Copy, Eq)]
pub struct SealedHash([u8; 32]);

impl SealedHash {
    /// The bytes as they travel.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for SealedHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for SealedHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SealedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedHash(..)")
    }
}

/// What it takes to open a sealed file, and to know it for the one that was meant. It belongs inside a message, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    shape: Shape,
    key: FileKey,
    hash: SealedHash,
}

impl Reference {
    /// Puts one together: bytes of the file (at most [`crate::LARGEST`]), its key, and the hash of the sealed bytes.
    pub fn new(size: u64, key: FileKey, hash: SealedHash) -> Result<Self, FileError> {
        Ok(Self { shape: Shape::of(size)?, key, hash })
    }

    /// Bytes of the file, and all that follows from them.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &FileKey {
        &self.key
    }

    /// Of the sealed bytes.
    #[must_use]
    pub fn hash(&self) -> SealedHash {
        self.hash
    }
}
