use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use super::{Batch, Rows, Store, StoreError, Table};

/// What goes wrong with one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written; the store says that it failed and works again after [`Store::recover`].
    Lost,
    /// The batch is written, but the store says that it failed: the flush that would have proved it did not return.
    Unproven,
    /// The process dies before the write: this and every later call fails, until the inner store is opened anew.
    StopBefore,
    /// The process dies after the write and before the answer.
    StopAfter,
    /// No space; so it stays until [`FaultyStore::set_disk_full`] says otherwise.
    DiskFull,
}

/// Says for each write, counted from 0, what goes wrong with it.
pub trait FaultPlan: Send + 'static {
    /// None: the write goes well.
    fn fault(&mut self, write: u64) -> Option<Fault>;
}

impl<F: FnMut(u64) -> Option<Fault> + Send + 'static> FaultPlan for F {
    fn fault(&mut self, write: u64) -> Option<Fault> {
        self(write)
    }
}

/// Wraps a store and fails as planned; the same plan fails in the same way again.
pub struct FaultyStore<S> {
    inner: Arc<S>,
    plan: Mutex<Box<dyn FaultPlan>>,
    writes: AtomicU64,
    reads: Mutex<BTreeMap<Table, u64>>,
    failed: AtomicBool,
    stopped: AtomicBool,
    disk_full: AtomicBool,
    held: Mutex<bool>,
    let_go: Condvar,
}

impl<S: Store> FaultyStore<S> {
    /// Wraps a store, which outlives the "process" that uses this value.
    pub fn new(inner: Arc<S>, plan: impl FaultPlan) -> Self {
        Self {
            inner,
            plan: Mutex::new(Box::new(plan)),
            writes: AtomicU64::new(0),
            reads: Mutex::default(),
            failed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            disk_full: AtomicBool::new(false),
            held: Mutex::new(false),
            let_go: Condvar::new(),
        }
    }

    /// Wraps a store and lets it be.
    pub fn harmless(inner: Arc<S>) -> Self {
        Self::new(inner, |_: u64| None)
    }

    /// Fills the disk, or makes space again.
    pub fn set_disk_full(&self, full: bool) {
        self.disk_full.store(full, Ordering::Release);
    }

    /// Makes every write wait, as a disk that does not answer, until it is called with `false`.
    pub fn hold_writes(&self, held: bool) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.let_go.notify_all();
    }

    /// Kills the "process" now: every later call fails.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
    }

    /// Whether a fault has stopped the "process".
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Writes tried so far.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }

    /// How often each table was asked so far, for a value or for a range.
    #[must_use]
    pub fn reads(&self) -> BTreeMap<Table, u64> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn read(&self, table: Table) {
        *self.reads.lock().unwrap_or_else(PoisonError::into_inner).entry(table).or_default() += 1;
    }

    /// The store that is wrapped.
    #[must_use]
    pub fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    fn alive(&self) -> Result<(), StoreError> {
        if self.is_stopped() { Err(StoreError::Stopped) } else { Ok(()) }
    }

    fn fail(&self, error: StoreError) -> Result<(), StoreError> {
        self.failed.store(true, Ordering::Release);
        Err(error)
    }
}

impl<S: Store> Store for FaultyStore<S> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.alive()?;
        self.read(table);
        self.inner.get(table, key)
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Rows<'_>, StoreError> {
        self.alive()?;
        self.read(table);
        self.inner.range(table, from, to)
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.alive()?;
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.let_go.wait_while(held, |held| *held).unwrap_or_else(PoisonError::into_inner));
        let write = self.writes.fetch_add(1, Ordering::AcqRel);
        if self.disk_full.load(Ordering::Acquire) {
            return self.fail(StoreError::Full);
        }
        let fault = self.plan.lock().unwrap_or_else(PoisonError::into_inner).fault(write);
        let planned = || StoreError::Engine("a planned fault".to_owned());
        match fault {
            None => self.inner.commit(batch),
            Some(Fault::Lost) => self.fail(planned()),
            Some(Fault::Unproven) => {
                self.inner.commit(batch)?;
                self.fail(planned())
            }
            Some(Fault::StopBefore) => {
                self.stop();
                Err(StoreError::Stopped)
            }
            Some(Fault::StopAfter) => {
                self.inner.commit(batch)?;
                self.stop();
                Err(StoreError::Stopped)
            }
            Some(Fault::DiskFull) => {
                self.set_disk_full(true);
                self.fail(StoreError::Full)
            }
        }
    }

    fn dated_tables(&self) -> Result<Vec<Table>, StoreError> {
        self.alive()?;
        self.inner.dated_tables()
    }

    fn drop_table(&self, table: Table) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.drop_table(table)
    }

    fn recover(&self) -> Result<(), StoreError> {
        self.alive()?;
        if self.disk_full.load(Ordering::Acquire) {
            return Err(StoreError::Full);
        }
        self.inner.recover()?;
        self.failed.store(false, Ordering::Release);
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        self.alive()?;
        if self.disk_full.load(Ordering::Acquire) { Ok(0) } else { self.inner.free_bytes() }
    }
}
