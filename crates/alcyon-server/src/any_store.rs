use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::store::{Batch, Rows, Store, StoreError, Table};

/// The store that was chosen when the server started.
pub(crate) struct AnyStore {
    store: Arc<dyn Store>,
    /// Dropped after the store: its other end hears that the server has let go of it.
    _let_go: oneshot::Sender<()>,
}

impl AnyStore {
    /// Also a receiver that ends once the last user of this has let go of the store.
    pub(crate) fn new(store: Arc<dyn Store>) -> (Self, oneshot::Receiver<()>) {
        let (let_go, receiver) = oneshot::channel();
        (Self { store, _let_go: let_go }, receiver)
    }
}

impl Store for AnyStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.store.get(table, key)
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Rows<'_>, StoreError> {
        self.store.range(table, from, to)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.commit(batch)
    }

    fn dated_tables(&self) -> Result<Vec<Table>, StoreError> {
        self.store.dated_tables()
    }

    fn drop_table(&self, table: Table) -> Result<(), StoreError> {
        self.store.drop_table(table)
    }

    fn recover(&self) -> Result<(), StoreError> {
        self.store.recover()
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        self.store.free_bytes()
    }
}
