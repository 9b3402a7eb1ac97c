use alcyon_wire::WireError;
use thiserror::Error;

/// Words, keys or signatures that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// There are not twelve words. Ask for all of them.
    #[error("there must be 12 recovery words, not {actual}")]
    WordCount {
        /// Words that were given.
        actual: usize,
    },
    /// A word is not in the list. Ask for that word again.
    #[error("word {position} is not one of the recovery words")]
    UnknownWord {
        /// Which one, counted from 1.
        position: usize,
    },
    /// Each word is in the list, but they don't belong together. One is wrong or two are swapped; ask again.
    #[error("the recovery words do not fit together: one is wrong, or the order is")]
    WordChecksum,
    /// Bytes or text that the protocol does not allow. Refuse them; the error names the field.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The bytes are no Ed25519 public key. Refuse what carried them.
    #[error("{field} is not an Ed25519 public key")]
    Key {
        /// Path of the field.
        field: &'static str,
    },
    /// A signature does not hold. Refuse what carried it.
    #[error("{field} does not hold")]
    Signature {
        /// Path of the field.
        field: &'static str,
    },
    /// The era key is not the one that the certificate names. Use the pair that belongs together.
    #[error("the era key is not the one its certificate names")]
    ForeignEraKey,
    /// A device is named twice. Refuse the manifest.
    #[error("manifest.devices names a device twice")]
    DeviceTwice,
    /// The first home server is not the one that holds the inbox. Refuse the manifest.
    #[error("manifest.homes must begin with the server of the inbox")]
    InboxElsewhere,
    /// The bytes are well formed, but not in the one form a signer writes. Refuse them: equal things have equal bytes.
    #[error("{what} is not in its canonical form")]
    NotCanonical {
        /// What was read.
        what: &'static str,
    },
    /// A part of the request can't be signed: it has characters that are not allowed there.
    #[error("{part} of the request has characters that can not be signed")]
    RequestPart {
        /// `method`, `authority` or `path`.
        part: &'static str,
    },
    /// A header of a signed request is not in the form of the profile. `expected` shows it.
    #[error("header {header} must be like {expected}")]
    Header {
        /// Its name.
        header: &'static str,
        /// What it should look like.
        expected: &'static str,
    },
    /// The digest in the header is not that of the body. Send the body that was signed.
    #[error("content-digest is not the digest of the body")]
    Digest,
    /// The signature is too old or from the future. The sender sets its clock by `now_unix_s` and signs anew.
    #[error("the request was signed at another time than the server's {now_unix_s} (Unix seconds)")]
    Clock {
        /// The verifier's time, Unix seconds.
        now_unix_s: u64,
    },
}

impl IdentityError {
    /// The field at fault, for an answer that names it.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::WordCount { .. } | Self::UnknownWord { .. } | Self::WordChecksum => "words",
            Self::Wire(error) => error.field(),
            Self::Key { field } | Self::Signature { field } => field,
            Self::ForeignEraKey => "era_key",
            Self::DeviceTwice => "manifest.devices",
            Self::InboxElsewhere => "manifest.homes",
            Self::NotCanonical { what } => what,
            Self::RequestPart { part } => part,
            Self::Header { header, .. } => header,
            Self::Digest => "content-digest",
            Self::Clock { .. } => "created",
        }
    }
}
