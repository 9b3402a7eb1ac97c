use thiserror::Error;

/// What can go wrong with a profile's database. Nothing is ever deleted because an open failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key does not open this profile. Give the right passphrase.
    #[error("the passphrase does not open this profile")]
    WrongKey,
    /// Another process has the profile open. Wait for it, or end it.
    #[error("another program is using this profile")]
    Busy,
    /// The directory holds something else, or a damaged database. Restore it from a copy; nothing was changed.
    #[error("this is no Alcyon profile, or it is damaged: {0}")]
    NotAProfile(&'static str),
    /// A newer version wrote this profile. Use that version.
    #[error("this profile was written by a newer version (format {found}, this program knows {known})")]
    Newer {
        /// Format of the profile.
        found: u32,
        /// Newest format known.
        known: u32,
    },
    /// The disk is full. Make room and try again; nothing was lost.
    #[error("the disk is full")]
    DiskFull,
}
