use std::sync::Arc;

use bytes::Bytes;

use crate::store::{Batch, Rows, Store, StoreError, Table};

/// The store that was chosen when the server started.
pub(crate) struct AnyStore(pub(crate) Arc<dyn Store>);

impl Store for AnyStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.get(table, key)
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Rows<'_>, StoreError> {
        self.0.range(table, from, to)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.0.commit(batch)
    }

    fn dated_tables(&self) -> Result<Vec<Table>, StoreError> {
        self.0.dated_tables()
    }

    fn drop_table(&self, table: Table) -> Result<(), StoreError> {
        self.0.drop_table(table)
    }

    fn recover(&self) -> Result<(), StoreError> {
        self.0.recover()
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        self.0.free_bytes()
    }
}
