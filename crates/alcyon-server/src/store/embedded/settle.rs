//! The thread that puts what was committed into the tables, much at once, while nobody waits for it.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Core, ENGINE_FOLDER, Stuck,
    engine::Engine,
    recent::{self, Sealed},
};
use crate::{
    observe::event,
    priority,
    store::{RowKey, StoreError},
};

/// Between two tries, while the tables can't be written.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// So many keys are read at once when it starts: each reading opens every sorted table, and there may be hundreds.
const KEYS_AT_ONCE: usize = if cfg!(test) { 16 } else { 32 * 1024 };
/// And so many are put down at once, while nobody else may look.
const KEYS_PUT_AT_ONCE: usize = 1024;

/// It ends with this.
pub(super) struct Settler {
    core: Arc<Core>,
    thread: Option<JoinHandle<()>>,
    reader: Option<JoinHandle<()>>,
}

impl Settler {
    pub(super) fn start(core: Arc<Core>) -> Result<Self, StoreError> {
        let (working, reading) = (core.clone(), core.clone());
        let thread = thread::Builder::new().name("alcyon-tables".to_owned()).spawn(move || {
            // As much as the writer: where that has to wait for this, it waits no longer than it must.
            priority::yield_to_those_who_answer();
            let _told = ToldOfAPanic(&working);
            working.settle_on();
        })?;
        let reader = thread::Builder::new().name("alcyon-keys".to_owned()).spawn(move || {
            priority::yield_to_the_writer();
            reading.read_keys();
        })?;
        Ok(Self { core, thread: Some(thread), reader: Some(reader) })
    }

    /// There may be something to do.
    pub(super) fn look(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.core.ends.store(true, Ordering::Release);
        for thread in [self.thread.take(), self.reader.take()].into_iter().flatten() {
            thread.thread().unpark();
            // A panic there loses nothing: the journal has it all.
            let _ended = thread.join();
        }
    }
}

/// A panic of the thread stops the writing: nobody would put anything into the tables any more, and the memory for it has an end.
pub(super) struct ToldOfAPanic<'a>(pub(super) &'a Core);

impl Drop for ToldOfAPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.disk_failed.store(true, Ordering::Release);
            self.0.writing().stuck = Some(Stuck::Failed);
            self.0.settled.notify_all();
        }
    }
}

impl Core {
    fn settle_on(&self) {
        while !self.ends.load(Ordering::Acquire) {
            let (sealed, since) = {
                let recent = self.recent();
                (recent.sealed(), recent.since())
            };
            match (sealed, since.map(|since| self.settings.at_least_every.saturating_sub(since.elapsed()))) {
                (Some(sealed), _) => self.try_to_settle(&sealed),
                (None, None) => thread::park(),
                (None, Some(Duration::ZERO)) => self.seal_what_is_old(),
                (None, Some(left)) => thread::park_timeout(left),
            }
        }
    }

    fn try_to_settle(&self, sealed: &Sealed) {
        let Err(error) = self.note(self.settle(sealed)) else {
            return;
        };
        if self.ends.load(Ordering::Acquire) {
            return;
        }
        event!(ERROR, "what was written could not be put into the tables; it stays in the journal", error = &error);
        let stuck = if matches!(error, StoreError::Full) { Stuck::DiskFull } else { Stuck::Failed };
        self.writing().stuck = Some(stuck);
        self.settled.notify_all();
        thread::park_timeout(TRY_EVERY);
        if matches!(stuck, Stuck::Failed) {
            self.open_again();
        }
    }

    /// Puts it into the tables and gives its part of the journal back. Done again, it does no harm.
    fn settle(&self, sealed: &Sealed) -> Result<(), StoreError> {
        let ends = || self.ends.load(Ordering::Acquire);
        for (table, rows) in &sealed.tables {
            if ends() {
                return Err(StoreError::Stopped);
            }
            self.with_engine(|engine| engine.put(*table, rows.iter(), ends))?;
        }
        let files = self.writing().journal.settled(sealed.until);
        files.release()?;
        let mut writing = self.writing();
        writing.journal.released(&files);
        writing.stuck = None;
        self.recent_mut().settled();
        drop(writing);
        self.settled.notify_all();
        Ok(())
    }

    fn seal_what_is_old(&self) {
        let mut writing = self.writing();
        if self.recent().sealed().is_some() {
            return;
        }
        let mut done = self.seal(&mut writing);
        drop(writing);
        let sealed = self.recent().sealed();
        if done.is_ok()
            && let Some(sealed) = sealed
        {
            self.try_to_settle(&sealed);
            done = self.writing().journal.wipe().map_err(StoreError::from);
        }
        if let Err(error) = done {
            // After a failed write that was told already.
            if !matches!(error, StoreError::Stopped) {
                event!(ERROR, "what lay long in the journal could not be overwritten", error = &error);
            }
            thread::park_timeout(TRY_EVERY);
        }
    }

    /// Reads the keys that lay on the disk at the start, in their order. For those that it has not come to yet, or can't read, a look goes to
    /// the tables as well.
    fn read_keys(&self) {
        let tables = self.with_engine(|engine| Ok(engine.tables())).unwrap_or_default();
        for table in tables.into_iter().filter(|table| recent::keeps_keys(*table)) {
            let mut from = RowKey::of(&[]);
            loop {
                if self.ends.load(Ordering::Acquire) {
                    return;
                }
                let read = self.with_engine(|engine| {
                    let rows = engine.range(&engine.moment(), table, &from, &RowKey::after_prefix(&[0xFF]));
                    rows.take(KEYS_AT_ONCE).map(|row| row.map(|(key, _)| key)).collect::<Result<Vec<_>, _>>()
                });
                let Ok(keys) = read else {
                    return;
                };
                for keys in keys.chunks(KEYS_PUT_AT_ONCE) {
                    self.recent_mut().know(table, keys, keys.last().map(RowKey::next));
                }
                match keys.last() {
                    Some(last) if keys.len() == KEYS_AT_ONCE => from = last.next(),
                    _ => break self.recent_mut().know(table, &[], None),
                }
            }
        }
    }

    /// An engine that has failed does nothing more until it is opened anew.
    fn open_again(&self) {
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // Its lock on its folder goes with its last handle.
        *engine = None;
        match Engine::open(&self.root.join(ENGINE_FOLDER), &self.settings) {
            Ok(opened) => *engine = Some(opened),
            Err(error) => event!(ERROR, "the tables could not be opened again", error = &error),
        }
    }
}
