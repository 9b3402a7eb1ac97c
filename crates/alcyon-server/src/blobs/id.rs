use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Whoever shows it writes and deletes a blob.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct UploadSecret([u8; 32]);

/// A blob: hash of its upload secret. Whoever shows it reads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId([u8; 32]);

impl UploadSecret {
    /// Draws one; `None` if the system gives no randomness.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// The blob that is written with it.
    #[must_use]
    pub fn blob(&self) -> BlobId {
        BlobId(Sha256::new().chain_update("alcyon blob v1").chain_update(self.0).finalize().into())
    }

    /// Lower-case base32, for the URL that the uploader keeps.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(&self.0)
    }

    /// Reads that form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        from_text(text).map(Self)
    }
}

impl BlobId {
    /// Lower-case base32, for URLs and file names.
    #[must_use]
    pub fn to_text(self) -> String {
        to_text(&self.0)
    }

    /// Reads that form.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        from_text(text).map(Self)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for UploadSecret {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

fn to_text(bytes: &[u8; 32]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// Lower case only: one blob, one name.
fn from_text(text: &str) -> Option<[u8; 32]> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?.try_into().ok()
}

impl fmt::Debug for UploadSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadSecret(..)")
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobId(..)")
    }
}
