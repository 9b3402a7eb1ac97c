//! The client's database: SQLite with SQLCipher, the same SQL natively and in the browser.
//!
//! All reading and writing happens in [`Store::transaction`]: MLS state, message, cursor and outbox change together or
//! not at all. The crate must not know the network, and it does not know what MLS rows mean: a [`Tx`] is the
//! [`alcyon_mls::Rows`] that `alcyon-mls` writes through.
//!
//! ```
//! # fn main() -> Result<(), alcyon_store::StoreError> {
//! use alcyon_store::{Store, StoreKey};
//! let directory = tempfile::tempdir().expect("a place for the example");
//! let store = Store::open(directory.path(), &StoreKey::from([7; 32]))?;
//! assert!(store.transaction(|tx| tx.account())?.is_none());
//! # Ok(()) }
//! ```

mod account;
mod alarm;
mod chain;
mod column;
mod contact;
mod conversation;
mod device;
mod error;
mod group;
mod introduction;
mod message;
mod mls_rows;
mod open;
mod outbox;
mod reading;
mod request;
mod search;
mod setting;
mod shelf;
mod transfer;
mod vanish;
mod variant;

use std::cell::RefCell;

use rusqlite::{Connection, TransactionBehavior};
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use account::AccountRecord;
pub use alarm::AlarmRecord;
pub use chain::{ChainLink, RawEntry};
pub use contact::ContactRecord;
pub use conversation::{ConversationKind, ConversationRecord, NewTerm, Standing, TermRecord, TermState};
pub use device::{DeviceNote, DeviceNoteKind, DeviceRecord};
pub use error::StoreError;
pub use group::LinkRecord;
pub use introduction::IntroductionRecord;
pub use message::{DeliveryState, MessageKind, MessageRecord};
pub use outbox::{NewOutboxItem, OutboxItem, OutboxKind};
pub use reading::{Receipt, Told};
pub use request::{RequestKind, RequestRecord, RequestState};
pub use search::{Has, SearchQuery, SearchTerm};
pub use setting::Setting;
pub use shelf::Shelf;
pub use transfer::{TransferRecord, TransferState, TransferWay};
pub use vanish::Countdown;
pub use variant::VariantRecord;

/// The format this version reads and writes.
pub const FORMAT: u32 = 5;

/// The database key: 32 bytes from wherever the program keeps secrets.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct StoreKey([u8; 32]);

impl From<[u8; 32]> for StoreKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// One profile's database, open. One process at a time.
pub struct Store {
    connection: RefCell<Connection>,
    #[cfg(not(target_family = "wasm"))]
    _lock: std::fs::File,
}

impl Store {
    /// Does everything in `work`, or nothing of it. An error rolls back; whatever was built in memory from the
    /// transaction is to be dropped then.
    ///
    /// # Panics
    /// When called inside another transaction of the same store.
    pub fn transaction<T, E: From<StoreError>>(&self, work: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        let mut connection = self.connection.borrow_mut();
        let tx = Tx::begin(&mut connection)?;
        let done = work(&tx)?;
        tx.commit()?;
        Ok(done)
    }

    /// Writes the journal back into the database file and empties it, so that deleted secrets leave both.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.connection.borrow().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(Into::into)
    }
}

/// An open transaction. Typed reads and writes for each table are its methods.
pub struct Tx<'a> {
    sql: rusqlite::Transaction<'a>,
}

// Not copied into each of the many places that have a transaction: a browser loads all of them.
impl<'a> Tx<'a> {
    #[inline(never)]
    fn begin(connection: &'a mut Connection) -> Result<Self, StoreError> {
        Ok(Self { sql: connection.transaction_with_behavior(TransactionBehavior::Immediate)? })
    }

    #[inline(never)]
    fn commit(self) -> Result<(), StoreError> {
        Ok(self.sql.commit()?)
    }
}

#[cfg(test)]
mod tests;
