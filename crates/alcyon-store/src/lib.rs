//! The client's database: SQLite with SQLCipher, the same SQL natively and in the browser.

mod error;

pub use error::StoreError;

/// One profile's database, open. One process at a time.
pub struct Store {}

/// The database key: 32 bytes from wherever the program keeps secrets.
pub struct StoreKey(pub [u8; 32]);

impl Store {
    /// Opens or creates the profile in this directory. Waits up to five seconds for another process to let go of it.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(directory: &std::path::Path, key: &StoreKey) -> Result<Self, StoreError> {
        let _ = (directory, key);
        Err(StoreError::WrongKey)
    }
}
