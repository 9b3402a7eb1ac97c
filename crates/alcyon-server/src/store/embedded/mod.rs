//! The default store, in one directory that one process has open.
//!
//! A batch is one record of the [`journal`], flushed before anybody is answered, and then rows in memory ([`recent`]). When they have become
//! many, a thread puts them into the tables of the [`engine`] in order, all at once ([`settle`]), and the journal begins anew. So whoever writes
//! waits for one flush of the journal and for nothing else: not for the engine, which holds its tables' locks while it flushes files of its own.

mod engine;
mod journal;
mod known;
mod pace;
mod recent;
mod record;
mod settle;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;

use super::{Batch, Rows, Store, StoreError, Table};
use engine::Engine;
use journal::{CORRUPT, Journal};
use recent::Recent;
use settle::Settler;

/// The format this program writes, in the file `FORMAT` of a data directory. The first one had no journal beside the engine's own.
const FORMAT: u32 = 2;
const FORMAT_FILE: &str = "FORMAT";
const NEW_FORMAT_FILE: &str = "FORMAT.new";
const FORMAT_NAME: &str = "alcyon-server data, format ";
const LOCK_FILE: &str = "LOCK";
const ENGINE_FOLDER: &str = "fjall";
const JOURNAL_FOLDER: &str = "journal";
/// So many times what is put into the tables at once may be waiting for that; then whoever writes waits.
const MOST_WAITING: usize = 3;

const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// How much memory it may take, and for how long it remembers what was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// For blocks that were read, bytes.
    pub cache_bytes: u64,
    /// What was written is put into the tables when it has become so much, bytes. There can be four times as much in memory, while the disk
    /// does not keep up.
    pub recent_bytes: usize,
    /// For what tells that a table does not hold a key, bytes for each such table.
    pub known_bytes: usize,
    /// What lies in the journal longer than this is put into the tables however little it is, and overwritten there: what was removed is gone
    /// then. Where more is written, files are written over as they are used again.
    pub at_least_every: Duration,
}

impl EmbeddedSettings {
    /// What is good within so many bytes: a quarter for blocks, an eighth four times for what was written, an eighth for keys.
    #[must_use]
    pub fn within(bytes: u64) -> Self {
        let eighth = usize::try_from(bytes / 8).unwrap_or(usize::MAX);
        Self { cache_bytes: bytes / 4, recent_bytes: eighth, known_bytes: eighth, at_least_every: AN_HOUR }
    }
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self::within(256 * 1024 * 1024)
    }
}

/// A store in a directory. Large values are kept apart from their keys; dated tables are folders that go whole.
pub struct EmbeddedStore {
    core: Arc<Core>,
    /// Before the lock: it ends, and then another process may have the directory.
    settler: Settler,
    _lock: File,
}

struct Core {
    root: PathBuf,
    settings: EmbeddedSettings,
    writing: Mutex<Writing>,
    /// Told whenever what was sealed is settled, or can't be.
    settled: Condvar,
    recent: RwLock<Recent>,
    /// None only while it could not be opened again.
    engine: RwLock<Option<Engine>>,
    /// A write failed, and not for want of space: the kernel may have forgotten dirty pages, so that only a new start,
    /// after somebody has looked at the disk, can tell what is there. Or the thread that settles has panicked.
    disk_failed: AtomicBool,
    ends: AtomicBool,
}

/// What one thread at a time writes to.
struct Writing {
    journal: Journal,
    /// Why what was sealed could not be put into the tables, when that was tried last.
    stuck: Option<Stuck>,
}

#[derive(Debug, Clone, Copy)]
enum Stuck {
    DiskFull,
    Failed,
}

impl EmbeddedStore {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::Foreign`] and [`StoreError::TooNew`] before anything is changed;
    /// [`StoreError::Corrupt`] where the journal lacks what somebody may have been told of; otherwise what the disk says.
    pub fn open(root: &Path, settings: EmbeddedSettings) -> Result<Self, StoreError> {
        fs::create_dir_all(root)?;
        let found = check_format(root)?;
        let lock = File::options().create(true).append(true).open(root.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::Locked),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        if found != Some(FORMAT) {
            write_format(root)?;
        }
        let engine = Engine::open(&root.join(ENGINE_FOLDER), &settings)?;
        let (journal, records) = Journal::open(&root.join(JOURNAL_FOLDER))?;
        let mut recent = Recent::new(settings.known_bytes);
        engine.tables().into_iter().for_each(|table| recent.begin_to_know(table));
        for record in &records {
            recent.take(record.len(), record::changes(record).ok_or(CORRUPT)?);
        }
        if !recent.is_empty() {
            recent.seal(journal.generation() - 1);
        }
        let core = Arc::new(Core {
            root: root.to_owned(),
            settings,
            writing: Mutex::new(Writing { journal, stuck: None }),
            settled: Condvar::new(),
            recent: RwLock::new(recent),
            engine: RwLock::new(Some(engine)),
            disk_failed: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        Ok(Self { settler: Settler::start(core.clone())?, core, _lock: lock })
    }
}

impl Store for EmbeddedStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        // What is settled meanwhile lies in the tables before it goes from here.
        let recent = self.core.recent().get(table, key);
        match recent {
            Some(row) => Ok(row.map(recent::on_its_own)),
            None => self.core.with_engine(|engine| engine.get(table, key)),
        }
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Rows<'_>, StoreError> {
        if from >= to {
            return Ok(Box::new(std::iter::empty()));
        }
        self.core.with_engine(|engine| {
            // Both of one moment: what is put into the tables later is not seen there, and still here.
            let recent = self.core.recent();
            let (newer, moment) = (recent.range(table, from, to), engine.moment());
            drop(recent);
            let older = engine.range(&moment, table, from, to);
            Ok(Box::new(recent::over(newer, older)) as Rows<'_>)
        })
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.core.disk_failed.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        if batch.is_empty() {
            return Ok(());
        }
        let mut writing = self.core.make_room(self.core.writing())?;
        let appended = writing.journal.append(batch);
        let (bytes, changes) = self.core.note(appended)?;
        let mut recent = self.core.recent_mut();
        let first = recent.is_empty();
        recent.take(bytes, changes);
        let due = recent.active_bytes() >= self.core.settings.recent_bytes && recent.sealed().is_none();
        drop(recent);
        // Where no other file can be begun, the next batches go to this one.
        let sealed = due && self.core.seal(&mut writing).is_ok();
        if first || sealed {
            self.settler.look();
        }
        Ok(())
    }

    fn dated_tables(&self) -> Result<Vec<Table>, StoreError> {
        let mut tables: BTreeSet<Table> = self.core.recent().tables().collect();
        tables.extend(self.core.with_engine(|engine| Ok(engine.tables()))?);
        Ok(tables.into_iter().filter(|table| table.is_dated()).collect())
    }

    fn drop_table(&self, table: Table) -> Result<(), StoreError> {
        let is_recent = self.core.recent().tables().any(|recent| recent == table);
        if is_recent {
            let mut writing = self.core.wait_until_settled(self.core.writing())?;
            if !self.core.recent().is_empty() {
                self.core.seal(&mut writing)?;
                self.settler.look();
            }
            drop(self.core.wait_until_settled(writing)?);
        }
        self.core.with_engine(|engine| engine.drop_table(table))?;
        self.core.recent_mut().forget(table);
        Ok(())
    }

    fn recover(&self) -> Result<(), StoreError> {
        if self.core.disk_failed.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        let mut writing = self.core.writing();
        let recovered = writing.journal.recover();
        self.core.note(recovered)?;
        self.settler.look();
        match writing.stuck {
            Some(stuck) if self.core.is_at_its_limit() => Err(stuck.into()),
            _ => Ok(()),
        }
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(fs4::available_space(&self.core.root)?)
    }
}

impl Core {
    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent_mut(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_engine<T>(&self, run: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        run(engine.as_ref().ok_or(StoreError::Stopped)?)
    }

    /// Notes a failure after which nothing may be written any more.
    fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Io(_)) = result {
            self.disk_failed.store(true, Ordering::Release);
        }
        result
    }

    fn is_at_its_limit(&self) -> bool {
        self.recent().active_bytes() >= self.settings.recent_bytes.saturating_mul(MOST_WAITING)
    }

    /// Waits while more waits to be put into the tables than may. What is sealed then the settler hears of with the next batch.
    fn make_room<'a>(&self, mut writing: MutexGuard<'a, Writing>) -> Result<MutexGuard<'a, Writing>, StoreError> {
        if self.is_at_its_limit() {
            writing = self.wait_until_settled(writing)?;
            if self.is_at_its_limit() {
                self.seal(&mut writing)?;
            }
        }
        Ok(writing)
    }

    fn wait_until_settled<'a>(&self, mut writing: MutexGuard<'a, Writing>) -> Result<MutexGuard<'a, Writing>, StoreError> {
        while self.recent().sealed().is_some() {
            if let Some(stuck) = writing.stuck {
                return Err(stuck.into());
            }
            writing = self.settled.wait(writing).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(writing)
    }

    /// What is active is to be put into the tables; the settler has to be told. Nothing may be sealed.
    fn seal(&self, writing: &mut Writing) -> Result<(), StoreError> {
        let until = self.note(writing.journal.turn())?;
        self.recent_mut().seal(until);
        Ok(())
    }
}

impl From<Stuck> for StoreError {
    fn from(stuck: Stuck) -> Self {
        match stuck {
            Stuck::DiskFull => Self::Full,
            Stuck::Failed => Self::Stopped,
        }
    }
}

/// The format of what is there, if anything is. Refuses what is not ours before anything is written to it.
fn check_format(root: &Path) -> Result<Option<u32>, StoreError> {
    match fs::read_to_string(root.join(FORMAT_FILE)) {
        Ok(text) => {
            let found = text.trim_end().strip_prefix(FORMAT_NAME).and_then(|number| number.parse().ok()).ok_or(StoreError::Foreign)?;
            if found > FORMAT { Err(StoreError::TooNew { found, known: FORMAT }) } else { Ok(Some(found)) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for entry in fs::read_dir(root)? {
                let name = entry?.file_name();
                if name != LOCK_FILE && name != NEW_FORMAT_FILE {
                    return Err(StoreError::Foreign);
                }
            }
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(StoreError::Foreign),
        Err(error) => Err(error.into()),
    }
}

fn write_format(root: &Path) -> Result<(), StoreError> {
    // Under another name first, so that a crash leaves no half of it.
    let mut file = File::create(root.join(NEW_FORMAT_FILE))?;
    writeln!(file, "{FORMAT_NAME}{FORMAT}")?;
    file.sync_all()?;
    fs::rename(root.join(NEW_FORMAT_FILE), root.join(FORMAT_FILE))?;
    File::open(root)?.sync_all()?;
    Ok(())
}

fn error_of(error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => io_error_of(error),
        fjall::Error::Locked => StoreError::Locked,
        fjall::Error::Poisoned => StoreError::Stopped,
        other => StoreError::Engine(other.to_string()),
    }
}

fn io_error_of(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => StoreError::Full,
        _ => StoreError::Io(error),
    }
}
