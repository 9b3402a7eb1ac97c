use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::store::{Batch, Rows, Store, StoreError, Table};

/// The store that was chosen when the server started.
pub(crate) struct AnyStore {
    store: Arc<dyn Store>,
    pulse: Arc<StorePulse>,
    /// Dropped after the store: its other end hears that the server has let go of it.
    _let_go: oneshot::Sender<()>,
}

impl AnyStore {
    /// Also a receiver that ends once the last user of this has let go of the store.
    pub(crate) fn new(store: Arc<dyn Store>) -> (Self, oneshot::Receiver<()>) {
        let (let_go, receiver) = oneshot::channel();
        (Self { store, pulse: Arc::default(), _let_go: let_go }, receiver)
    }
}

impl AnyStore {
    /// To see from outside whether a write is stuck.
    pub(crate) fn pulse(&self) -> Arc<StorePulse> {
        self.pulse.clone()
    }
}

/// Since when the write that is under way has been. One thread writes.
#[derive(Debug)]
pub(crate) struct StorePulse {
    origin: Instant,
    /// Milliseconds after `origin`, plus one; 0: none.
    since: AtomicU64,
}

impl Default for StorePulse {
    fn default() -> Self {
        Self { origin: Instant::now(), since: AtomicU64::new(0) }
    }
}

impl StorePulse {
    fn begin(&self) -> impl Drop {
        struct Writing<'a>(&'a AtomicU64);
        impl Drop for Writing<'_> {
            fn drop(&mut self) {
                self.0.store(0, Ordering::Release);
            }
        }
        self.since.store(self.now_ms() + 1, Ordering::Release);
        Writing(&self.since)
    }

    /// How long the write that is under way has taken so far.
    pub(crate) fn writing_for(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Acquire).checked_sub(1)?;
        Some(Duration::from_millis(self.now_ms().saturating_sub(since)))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
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
        let _writing = self.pulse.begin();
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
