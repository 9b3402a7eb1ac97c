//! The tables on the disk: fjall, a log-structured engine. Rows come to it many at once and in order, so that it makes a sorted table of
//! them and nothing else: neither a journal of its own nor a table in memory.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
    time::Duration,
};

use bytes::Bytes;
use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable, Slice, Snapshot,
    compaction::Leveled, config::CompressionPolicy,
};

use super::{EmbeddedSettings, error_of};
use crate::{
    priority,
    store::{Row, RowKey, StoreError, Table},
};

/// Values of at least this many bytes lie apart from the sorted tables, so that compaction does not copy them.
const SEPARATION_BYTES: u32 = 256;
/// A value up to this size is copied when read; a larger one is shared with the engine's cache.
const COPY_BYTES: usize = 256;
/// Between two looks whether they have become fewer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Engine {
    database: Database,
    tables: RwLock<BTreeMap<Table, Keyspace>>,
    /// Held while a table is put into or dropped: what is put into one that goes would go with it.
    changing: Mutex<()>,
}

/// A moment of the engine.
pub(super) struct Moment(Snapshot);

impl Engine {
    /// Its workers run as nice as the thread that calls this. So it is done on one that leaves the processor to the writer.
    pub(super) fn open(folder: &Path, settings: &EmbeddedSettings) -> Result<Self, StoreError> {
        thread::scope(|scope| {
            let opening = scope.spawn(|| {
                priority::yield_to_the_writer();
                Self::open_here(folder, settings)
            });
            opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn open_here(folder: &Path, settings: &EmbeddedSettings) -> Result<Self, StoreError> {
        let database = Database::builder(folder)
            .cache_size(settings.cache_bytes)
            // What we store is sealed: it does not get smaller.
            .journal_compression(CompressionType::None)
            .open()
            .map_err(error_of)?;
        let mut tables = BTreeMap::new();
        for name in database.list_keyspace_names() {
            let table = Table::from_name(&name).ok_or(StoreError::Foreign)?;
            tables.insert(table, database.keyspace(&name, || options(table)).map_err(error_of)?);
        }
        Ok(Self { database, tables: RwLock::new(tables), changing: Mutex::new(()) })
    }

    pub(super) fn moment(&self) -> Moment {
        Moment(self.database.snapshot())
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.existing(table) {
            Some(keyspace) => Ok(keyspace.get(key).map_err(error_of)?.map(bytes_of)),
            None => Ok(None),
        }
    }

    pub(super) fn range(
        &self,
        moment: &Moment,
        table: Table,
        from: &[u8],
        to: &[u8],
    ) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + Send + 'static> {
        let Some(keyspace) = self.existing(table) else {
            return Box::new(std::iter::empty());
        };
        Box::new(moment.0.range(&keyspace, from..to).map(|row| {
            let (key, value) = row.into_inner().map_err(error_of)?;
            Ok((RowKey::of(&[&key]), bytes_of(value)))
        }))
    }

    pub(super) fn tables(&self) -> Vec<Table> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// Puts rows into a table, durable when this returns. Waits while more tables than are good wait for compaction, unless it `ends`.
    pub(super) fn put<'a>(
        &self,
        table: Table,
        rows: impl Iterator<Item = (&'a RowKey, &'a Option<Bytes>)>,
        ends: impl Fn() -> bool,
    ) -> Result<(), StoreError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let keyspace = self.keyspace_for_write(table)?;
        loop {
            // A worker that failed has said so to nobody but this.
            self.database.persist(PersistMode::Buffer).map_err(error_of)?;
            if keyspace.l0_table_count() <= Sorting::of(table).most || ends() {
                break;
            }
            thread::park_timeout(LOOK_EVERY);
        }
        let mut ingestion = keyspace.start_ingestion().map_err(error_of)?;
        for (key, value) in rows {
            match value {
                Some(value) => ingestion.write(&key[..], &value[..]),
                None => ingestion.write_tombstone(&key[..]),
            }
            .map_err(error_of)?;
        }
        ingestion.finish().map_err(error_of)
    }

    pub(super) fn drop_table(&self, table: Table) -> Result<(), StoreError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let keyspace = self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(&table);
        match keyspace {
            Some(keyspace) => self.database.delete_keyspace(keyspace).map_err(error_of),
            None => Ok(()),
        }
    }

    fn existing(&self, table: Table) -> Option<Keyspace> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).get(&table).cloned()
    }

    fn keyspace_for_write(&self, table: Table) -> Result<Keyspace, StoreError> {
        if let Some(keyspace) = self.existing(table) {
            return Ok(keyspace);
        }
        let keyspace = self.database.keyspace(&table.name(), || options(table)).map_err(error_of)?;
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(table, keyspace.clone());
        Ok(keyspace)
    }
}

/// When and how sorted tables that overlap are merged.
struct Sorting {
    /// So many are merged with the rest at once. Fewer cost a read less, more are merged less often.
    at_once: u8,
    /// So many may wait for it; then nothing more is put there.
    most: usize,
    /// How large a merged one is. `at_once` of them are the first level, each further one is ten times as large.
    bytes: u64,
}

impl Sorting {
    fn of(table: Table) -> Self {
        match table {
            // A page of a log is read from each of them.
            Table::Entries(_) => Self { at_once: 32, most: 48, bytes: 16 * 1024 * 1024 },
            // Hardly ever read, see `known`.
            Table::EntryIds(_) => Self { at_once: 255, most: 300, bytes: 1024 * 1024 },
            _ => Self { at_once: 4, most: 16, bytes: 16 * 1024 * 1024 },
        }
    }
}

fn options(table: Table) -> KeyspaceCreateOptions {
    let Sorting { at_once, most: _, bytes } = Sorting::of(table);
    let sorting = Leveled::default().with_l0_threshold(at_once).with_table_target_size(bytes);
    let options = KeyspaceCreateOptions::default().compaction_strategy(Arc::new(sorting));
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

/// Bytes that whoever reads them may keep, without keeping much more.
fn bytes_of(value: Slice) -> Bytes {
    if value.len() <= COPY_BYTES { Bytes::copy_from_slice(&value) } else { Bytes::from_owner(value) }
}
