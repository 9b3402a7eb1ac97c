//! The default store: fjall, a log-structured engine, in one directory that one process has open.

mod memtables;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode, Readable, Slice,
    config::CompressionPolicy,
};

use super::{Batch, Change, RowKey, Rows, Store, StoreError, Table};
use crate::priority;
use memtables::{Memtables, Tables};

/// The format this program writes, in the file `FORMAT` of a data directory.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";
const NEW_FORMAT_FILE: &str = "FORMAT.new";
const FORMAT_NAME: &str = "alcyon-server data, format ";
const LOCK_FILE: &str = "LOCK";
const ENGINE_FOLDER: &str = "fjall";
/// Values of at least this many bytes lie apart from the sorted tables, so that compaction does not copy them.
const SEPARATION_BYTES: u32 = 256;
/// A value up to this size is copied when read; a larger one is shared with the engine's cache.
const COPY_BYTES: usize = 256;

/// How much memory the engine may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// For blocks that were read, bytes.
    pub cache_bytes: u64,
    /// For what was written to one table and not yet sorted onto the disk, bytes.
    pub memtable_bytes: u64,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, memtable_bytes: 16 * 1024 * 1024 }
    }
}

/// A store in a directory. Large values are kept apart from their keys; dated tables are folders that go whole.
pub struct EmbeddedStore {
    root: PathBuf,
    settings: EmbeddedSettings,
    /// None only while [`Store::recover`] could not open it again.
    engine: RwLock<Option<Engine>>,
    /// A write failed, and not for want of space: the kernel may have forgotten dirty pages, so that only a new start,
    /// after somebody has looked at the disk, can tell what is there.
    disk_failed: AtomicBool,
    _lock: File,
}

struct Engine {
    /// Before the tables: its thread knows them, and the engine's lock on its folder goes only with the last who does.
    memtables: Memtables,
    database: Database,
    tables: Tables,
    settings: EmbeddedSettings,
}

impl EmbeddedStore {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`], [`StoreError::Foreign`] and [`StoreError::TooNew`] before anything is changed; otherwise
    /// what the disk says.
    pub fn open(root: &Path, settings: EmbeddedSettings) -> Result<Self, StoreError> {
        fs::create_dir_all(root)?;
        check_format(root)?;
        let lock = File::options().create(true).append(true).open(root.join(LOCK_FILE))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StoreError::Locked),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        write_format(root)?;
        let engine = Engine::open_aside(root, &settings)?;
        Ok(Self { root: root.to_owned(), settings, engine: RwLock::new(Some(engine)), disk_failed: AtomicBool::new(false), _lock: lock })
    }

    fn with_engine<T>(&self, run: impl FnOnce(&Engine) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        run(engine.as_ref().ok_or(StoreError::Stopped)?)
    }
}

impl Store for EmbeddedStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.with_engine(|engine| {
            let Some(keyspace) = engine.existing(table) else {
                return Ok(None);
            };
            Ok(keyspace.get(key).map_err(error_of)?.map(bytes_of))
        })
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Rows<'_>, StoreError> {
        self.with_engine(|engine| {
            let Some(keyspace) = engine.existing(table) else {
                return Ok(Box::new(std::iter::empty()) as Rows<'_>);
            };
            if from >= to {
                return Ok(Box::new(std::iter::empty()) as Rows<'_>);
            }
            // A snapshot: a plain range would show a batch while it is being applied.
            let rows = engine.database.snapshot().range(&keyspace, from..to).map(|row| {
                let (key, value) = row.into_inner().map_err(error_of)?;
                Ok((RowKey::of(&[&key]), bytes_of(value)))
            });
            Ok(Box::new(rows) as Rows<'_>)
        })
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        if self.disk_failed.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        let result = self.with_engine(|engine| engine.commit(batch));
        if let Err(StoreError::Io(_)) = result {
            self.disk_failed.store(true, Ordering::Release);
        }
        result
    }

    fn dated_tables(&self) -> Result<Vec<Table>, StoreError> {
        self.with_engine(|engine| {
            let tables = engine.tables.read().unwrap_or_else(PoisonError::into_inner);
            Ok(tables.keys().copied().filter(|table| table.is_dated()).collect())
        })
    }

    fn drop_table(&self, table: Table) -> Result<(), StoreError> {
        self.with_engine(|engine| {
            let keyspace = engine.tables.write().unwrap_or_else(PoisonError::into_inner).remove(&table);
            match keyspace {
                Some(keyspace) => engine.database.delete_keyspace(keyspace).map_err(error_of),
                None => Ok(()),
            }
        })
    }

    fn recover(&self) -> Result<(), StoreError> {
        if self.disk_failed.load(Ordering::Acquire) {
            return Err(StoreError::Stopped);
        }
        let mut engine = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        // The engine's own lock on its folder goes only with its last handle.
        *engine = None;
        *engine = Some(Engine::open_aside(&self.root, &self.settings)?);
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(fs4::available_space(&self.root)?)
    }
}

impl Engine {
    /// On a thread of its own, whose priority the engine's workers inherit.
    fn open_aside(root: &Path, settings: &EmbeddedSettings) -> Result<Self, StoreError> {
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| {
                priority::yield_to_the_writer();
                Self::open(root, settings)
            });
            opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn open(root: &Path, settings: &EmbeddedSettings) -> Result<Self, StoreError> {
        let database = Database::builder(root.join(ENGINE_FOLDER))
            .cache_size(settings.cache_bytes)
            // What we store is sealed: it does not get smaller.
            .journal_compression(CompressionType::None)
            .open()
            .map_err(error_of)?;
        let mut tables = BTreeMap::new();
        for name in database.list_keyspace_names() {
            let table = Table::from_name(&name).ok_or(StoreError::Foreign)?;
            tables.insert(table, database.keyspace(&name, || options(table, settings)).map_err(error_of)?);
        }
        for table in Table::FIXED {
            if let std::collections::btree_map::Entry::Vacant(vacant) = tables.entry(table) {
                vacant.insert(database.keyspace(&table.name(), || options(table, settings)).map_err(error_of)?);
            }
        }
        let tables = Arc::new(RwLock::new(tables));
        Ok(Self { memtables: Memtables::hold(tables.clone())?, database, tables, settings: settings.clone() })
    }

    fn existing(&self, table: Table) -> Option<Keyspace> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).get(&table).cloned()
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut writes = OwnedWriteBatch::with_capacity(self.database.clone(), batch.len()).durability(Some(PersistMode::SyncAll));
        let mut last: Option<(Table, Keyspace)> = None;
        for Change { table, key, value } in batch.changes() {
            let keyspace = match &last {
                Some((of, keyspace)) if *of == table => keyspace,
                _ => &last.insert((table, self.keyspace_for_write(table)?)).1,
            };
            match value {
                Some(value) => writes.insert(keyspace, key, value),
                None => writes.remove(keyspace, key),
            }
        }
        writes.commit().map_err(error_of)?;
        self.memtables.written();
        Ok(())
    }

    fn keyspace_for_write(&self, table: Table) -> Result<Keyspace, StoreError> {
        if let Some(keyspace) = self.existing(table) {
            return Ok(keyspace);
        }
        let keyspace = self.database.keyspace(&table.name(), || options(table, &self.settings)).map_err(error_of)?;
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(table, keyspace.clone());
        Ok(keyspace)
    }
}

fn options(table: Table, settings: &EmbeddedSettings) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(settings.memtable_bytes);
    match table {
        Table::Entries(_) | Table::Kept | Table::GroupInfos | Table::TreeChunks | Table::KeyPackages => {
            options.data_block_compression_policy(CompressionPolicy::all(CompressionType::None)).with_kv_separation(Some(
                KvSeparationOptions::default().compression(CompressionType::None).separation_threshold(SEPARATION_BYTES),
            ))
        }
        Table::Heads
        | Table::Seats
        | Table::Doors
        | Table::Trees
        | Table::Acks
        | Table::Passes
        | Table::Accounts
        | Table::Handles
        | Table::ClaimedPackages
        | Table::Invites
        | Table::Allowances
        | Table::Reports
        | Table::SpentStamps(_)
        | Table::Own
        | Table::EntryIds(_) => options,
    }
}

/// Refuses what is not ours before anything is written to it.
fn check_format(root: &Path) -> Result<(), StoreError> {
    match fs::read_to_string(root.join(FORMAT_FILE)) {
        Ok(text) => {
            let found = text.trim_end().strip_prefix(FORMAT_NAME).and_then(|number| number.parse().ok()).ok_or(StoreError::Foreign)?;
            if found > FORMAT { Err(StoreError::TooNew { found, known: FORMAT }) } else { Ok(()) }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for entry in fs::read_dir(root)? {
                let name = entry?.file_name();
                if name != LOCK_FILE && name != NEW_FORMAT_FILE {
                    return Err(StoreError::Foreign);
                }
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(StoreError::Foreign),
        Err(error) => Err(error.into()),
    }
}

fn write_format(root: &Path) -> Result<(), StoreError> {
    if root.join(FORMAT_FILE).try_exists()? {
        return Ok(());
    }
    // Under another name first, so that a crash leaves no half of it.
    let mut file = File::create(root.join(NEW_FORMAT_FILE))?;
    writeln!(file, "{FORMAT_NAME}{FORMAT}")?;
    file.sync_all()?;
    fs::rename(root.join(NEW_FORMAT_FILE), root.join(FORMAT_FILE))?;
    File::open(root)?.sync_all()?;
    Ok(())
}

fn bytes_of(value: Slice) -> Bytes {
    if value.len() <= COPY_BYTES { Bytes::copy_from_slice(&value) } else { Bytes::from_owner(value) }
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
