//! Where the engine's memtables end.
//!
//! Once a memtable is sorted onto the disk the engine frees it, entry by entry, and holds a lock meanwhile that every write to that table
//! needs: a sixth of the time of its worker, which is nicer than all others (docs/benchmarks.md, "What the way up showed"). Whoever holds
//! a memtable last frees it; so a thread here holds all of them a little longer than the engine, and frees them where nobody waits.
//! Nothing of what is stored, or when, depends on it: a memtable that it misses costs that time, as before.

use std::{
    any::Any,
    collections::BTreeMap,
    io,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use fjall::{AbstractTree, Keyspace};

use crate::store::Table;

/// Between two looks. A memtable takes longer to fill and to be sorted, or it is a small one.
const EVERY: Duration = Duration::from_millis(50);
/// After the last write the engine is done with what came before; one look then, and none until there is a write again: a server on which
/// nothing happens does nothing.
const LAST: Duration = Duration::from_secs(10);

/// A memtable; the engine's type has no public name, and all that matters here is who holds it.
type Memtable = Arc<dyn Any + Send + Sync>;

pub(super) type Tables = Arc<RwLock<BTreeMap<Table, Keyspace>>>;

/// The thread that holds the memtables of `tables`. It ends with this.
pub(super) struct Memtables {
    wanted: Arc<Wanted>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Wanted {
    look: AtomicBool,
    end: AtomicBool,
}

impl Memtables {
    pub(super) fn hold(tables: Tables) -> io::Result<Self> {
        let wanted = Arc::new(Wanted::default());
        let told = wanted.clone();
        let thread = thread::Builder::new().name("alcyon-memtable".to_owned()).spawn(move || hold(&tables, &told))?;
        Ok(Self { wanted, thread: Some(thread) })
    }

    /// Something was written.
    pub(super) fn written(&self) {
        if !self.wanted.look.swap(true, Ordering::AcqRel)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }
}

impl Drop for Memtables {
    fn drop(&mut self) {
        self.wanted.end.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there is no reason for one here: what it held is free either way.
            let _ended = thread.join();
        }
    }
}

fn hold(tables: &Tables, wanted: &Wanted) {
    let mut held = Held::default();
    let mut last_look = None;
    let ends = || wanted.end.load(Ordering::Acquire);
    let is_written = || wanted.look.load(Ordering::Acquire);
    loop {
        wait(last_look, || ends() || is_written());
        let written = is_written();
        if written {
            wait(Some(EVERY), ends);
        }
        if ends() {
            return;
        }
        wanted.look.store(false, Ordering::Release);
        let keyspaces: Vec<Keyspace> = tables.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let active: Vec<Memtable> = keyspaces.into_iter().map(|keyspace| keyspace.tree.active_memtable() as Memtable).collect();
        let some_are_done = held.look(active);
        last_look = (written && some_are_done).then_some(LAST);
    }
}

/// Waits until it is so, or for this long if a time is given.
fn wait(time: Option<Duration>, is_so: impl Fn() -> bool) {
    let due = time.map(|time| Instant::now() + time);
    while !is_so() {
        match due.map(|due| due.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return,
            Some(left) => thread::park_timeout(left),
        }
    }
}

#[derive(Default)]
struct Held(Vec<Memtable>);

impl Held {
    /// Holds what is written to now, and frees what nobody else holds any more. True while there is some that is not written to.
    fn look(&mut self, active: Vec<Memtable>) -> bool {
        let count = active.len();
        for memtable in active {
            if !self.0.iter().any(|held| Arc::ptr_eq(held, &memtable)) {
                self.0.push(memtable);
            }
        }
        self.0.retain(|memtable| Arc::strong_count(memtable) > 1);
        self.0.len() > count
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::{Batch, EmbeddedSettings, EmbeddedStore, Store};

    #[test]
    fn what_somebody_else_holds_is_held_and_what_nobody_does_is_freed() {
        let one: Memtable = Arc::new(1);
        let other: Memtable = Arc::new(2);
        let mut held = Held::default();
        assert!(!held.look(vec![one.clone()]));
        assert!(held.look(vec![other.clone()]), "the engine sorts the first");
        let (freed, kept) = (Arc::downgrade(&one), Arc::downgrade(&other));
        drop(one);
        assert!(freed.upgrade().is_some(), "whoever else let go of it did not free it");
        assert!(!held.look(vec![other.clone()]));
        assert!(freed.upgrade().is_none());
        // The table went as a whole.
        drop(other);
        assert!(!held.look(vec![]));
        assert!(kept.upgrade().is_none());
    }

    #[test]
    fn a_wait_ends_with_its_time_or_with_what_it_waits_for() {
        let begin = Instant::now();
        wait(Some(Duration::from_millis(5)), || false);
        assert!(begin.elapsed() >= Duration::from_millis(5));
        wait(Some(Duration::from_secs(3_600)), || true);
        wait(None, || true);
    }

    #[test]
    fn what_the_engine_has_sorted_is_not_held_for_long_and_stays_readable() {
        let folder = tempfile::tempdir().unwrap();
        let settings = EmbeddedSettings { memtable_bytes: 64 * 1024, ..EmbeddedSettings::default() };
        let store = EmbeddedStore::open(folder.path(), settings).unwrap();
        let first = store.with_engine(|engine| Ok(Arc::downgrade(&engine.existing(Table::Heads).unwrap().tree.active_memtable()))).unwrap();
        let mut number = 0_u64;
        let limit = Instant::now() + Duration::from_secs(60);
        while first.strong_count() > 0 {
            assert!(Instant::now() < limit, "the first memtable is still held after {number} batches");
            let mut batch = Batch::default();
            for _ in 0..16 {
                number += 1;
                batch.put(Table::Heads, &number.to_be_bytes(), &[7; 200]);
            }
            store.commit(&batch).unwrap();
        }
        for number in 1..=number {
            assert!(store.get(Table::Heads, &number.to_be_bytes()).unwrap().is_some(), "{number}");
        }
    }
}
