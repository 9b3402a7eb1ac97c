use thiserror::Error;

use crate::Refusal;

/// Why the directory said no.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Somebody has this name. Choose another one.
    #[error("this name is taken")]
    HandleTaken,
    /// The invite was used up, taken back or has run out, or never was. Ask for another one.
    #[error("this invite is not good, or not any more")]
    InviteOver,
    /// The account has signed up already, under another name or with another inbox. Use that, or send a newer manifest.
    #[error("this account has signed up here in another way")]
    AccountExists,
    /// The account has not signed up here.
    #[error("this account has not signed up here")]
    UnknownAccount,
    /// The device is not in the account's manifest. Send the manifest that names it first.
    #[error("this device is not in the account's manifest")]
    UnknownDevice,
    /// The manifest does not name the handle at this server, or not this server as a home. Sign one that does.
    #[error("the manifest does not name this handle and this server")]
    NotHome,
    /// A newer manifest is known, or another one of the same order. Fetch that and go on from there.
    #[error("a manifest of the same or a higher order is known: era {era}, version {version}")]
    LowerManifest {
        /// Its era.
        era: u32,
        /// Its version.
        version: u64,
    },
    /// The inbox of the manifest can't be made: its id is taken, or the seats are none, too many or twice the same.
    #[error("the inbox can't be made as asked: {0}")]
    Inbox(&'static str),
    /// More KeyPackages than are kept for a device. Send fewer.
    #[error("more one-time KeyPackages than the {limit} that are kept")]
    TooManyKeyPackages {
        /// How many are kept.
        limit: usize,
    },
    /// A KeyPackage is empty or over the limit.
    #[error("a KeyPackage is empty or larger than {limit} bytes")]
    KeyPackageSize {
        /// Bytes.
        limit: usize,
    },
    /// The operator has suspended the account. Ask them.
    #[error("the operator of this server has suspended this account")]
    Suspended,
    /// The server can't now: nothing has changed; come back when the refusal says.
    #[error("{}", .0.message)]
    Later(Refusal),
}

impl From<Refusal> for DirectoryError {
    fn from(refusal: Refusal) -> Self {
        Self::Later(refusal)
    }
}
