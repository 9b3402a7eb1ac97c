use rusqlite::ErrorCode;
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
    /// The directory can't be made, read or locked. The cause says why.
    #[error("the profile directory can't be used: {0}")]
    Directory(#[source] std::io::Error),
    /// A stored value is not what this version writes. Restore from a copy.
    #[error("the profile is damaged: {0}")]
    Damaged(&'static str),
    /// The database failed. What was under way was rolled back.
    #[error("the database failed: {0}")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::NotADatabase) => Self::WrongKey,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged("the database file is malformed"),
            _ => match error {
                rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
                    Self::Damaged("a value has the wrong form")
                }
                error => Self::Database(error),
            },
        }
    }
}
