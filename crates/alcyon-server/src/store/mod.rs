//! Where everything durable lies: ordered bytes in tables, written in atomic, durable batches.
//!
//! [`Store`] is all that the logs and the directory ask of a storage engine. [`MemoryStore`] serves tests,
//! [`EmbeddedStore`] is the default on disk, [`FaultyStore`] wraps another one and fails when told to. One contract test
//! suite runs against all of them.

mod batch;
#[cfg(test)]
mod contract;
mod embedded;
mod faulty;
mod memory;
mod table;

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::observe::LogSafe;

pub use batch::{Batch, Change};
pub use embedded::{EmbeddedSettings, EmbeddedStore};
pub use faulty::{Fault, FaultPlan, FaultyStore};
pub use memory::MemoryStore;
pub use table::{RowKey, Table};

/// A row of a table.
pub type Row = (RowKey, Bytes);

/// Rows in order of their keys; each may fail to be read.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, StoreError>> + Send + 'a>;

/// Ordered bytes in tables.
///
/// A table that was never written is empty. A range shows a table at one moment, with whole batches or nothing of them; two
/// reads may show two moments. Reads may go on in any thread while one thread writes.
pub trait Store: Send + Sync + 'static {
    /// The value under a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Rows from `from` (included) to `to` (excluded) in order.
    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Rows<'_>, StoreError>;

    /// Writes the whole batch or nothing, durable when it returns. After an error it is not known whether the batch is
    /// there; call [`Self::recover`] before writing again, and read again what the batch had touched.
    fn commit(&self, batch: &Batch) -> Result<(), StoreError>;

    /// The dated tables (see [`Table::is_dated`]) that hold anything.
    fn dated_tables(&self) -> Result<Vec<Table>, StoreError>;

    /// Drops a dated table whole and gives its space back at once.
    fn drop_table(&self, table: Table) -> Result<(), StoreError>;

    /// Makes the store writable again after a failed [`Self::commit`].
    fn recover(&self) -> Result<(), StoreError>;

    /// Bytes that may still be written before the disk is full.
    fn free_bytes(&self) -> Result<u64, StoreError>;
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No space is left. Reads go on; try [`Store::recover`] when there is space again.
    #[error("no space is left on the disk")]
    Full,
    /// Another process has the data directory open. Stop it, or use another directory.
    #[error("another process has this data directory open")]
    Locked,
    /// The directory holds something that is not ours. Use an empty or a new directory.
    #[error("the directory is not empty and holds no alcyon data")]
    Foreign,
    /// The data was written by a newer program. Use that one.
    #[error("the data has format {found}, this program knows formats up to {known}")]
    TooNew {
        /// Format of the data.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// A stored record is not what was written. Restore from a copy, or find out what the disk does.
    #[error("a stored record of {table} can't be read")]
    Corrupt {
        /// The table it lies in.
        table: &'static str,
    },
    /// The operating system refused.
    #[error("the disk failed: {0}")]
    Io(#[from] std::io::Error),
    /// The storage engine failed in a way of its own.
    #[error("the storage engine failed: {0}")]
    Engine(String),
    /// A write has failed before; nothing is written until [`Store::recover`] succeeds.
    #[error("the store has stopped after a failed write")]
    Stopped,
}

/// Numbers and words of this program, the operating system and the engine; no row ever stands in an error.
impl LogSafe for &StoreError {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
