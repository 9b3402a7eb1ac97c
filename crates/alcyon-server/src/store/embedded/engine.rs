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

use super::{
    EmbeddedSettings, error_of,
    pace::{Pace, Paced},
};
use crate::{
    priority,
    store::{Row, RowKey, StoreError, Table},
};

/// Values of at least this many bytes lie apart from the sorted tables, so that compaction does not copy them.
const SEPARATION_BYTES: u32 = 256;
/// A value up to this size is copied when read; a larger one is shared with the engine's cache.
const COPY_BYTES: usize = 256;
/// So many sorted tables that overlap may wait to be merged; then nothing more is put there. The engine writes their number down as one
/// byte: with 256 of them it could not be opened again.
const MOST_WAITING: usize = 224;
/// Between two looks whether they have become fewer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) struct Engine {
    database: Database,
    tables: RwLock<BTreeMap<Table, Keyspace>>,
    pace: Arc<Pace>,
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
        let pace = Arc::new(Pace::default());
        let paced = Arc::new(Paced(pace.clone()));
        let database = Database::builder(folder)
            // Of several the first one hands every compaction on, and on, as long as the others are busy with one.
            .worker_threads(1)
            .with_compaction_filter_factories(Arc::new(move |_| Some(paced.clone())))
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
        Ok(Self { database, tables: RwLock::new(tables), pace, changing: Mutex::new(()) })
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

    /// Puts rows into a table, durable when this returns. Waits while as many tables as may wait for compaction; if it `ends` meanwhile,
    /// nothing was put there.
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
            if keyspace.l0_table_count() < MOST_WAITING {
                break;
            }
            if ends() {
                return Err(StoreError::Stopped);
            }
            self.pace.set_hurry(true);
            if begins_at(&keyspace) >= MOST_WAITING {
                keyspace.major_compact().map_err(error_of)?;
            }
            thread::park_timeout(LOOK_EVERY);
        }
        self.pace.set_hurry(false);
        self.pace.set_behind(self.behind());
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

    /// How far compaction is behind in the worst table.
    fn behind(&self) -> f64 {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let behind = tables.values().map(|keyspace| Pace::behind(keyspace.l0_table_count(), begins_at(keyspace), MOST_WAITING));
        behind.fold(0.0, f64::max)
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

impl Drop for Engine {
    fn drop(&mut self) {
        // It ends only with the compaction that is going on.
        self.pace.set_hurry(true);
    }
}

/// When and how sorted tables that overlap are merged.
struct Sorting {
    /// So many are merged with the rest at once. Fewer cost a read less, more are merged less often.
    at_once: u8,
    /// How large a merged one is. `at_once` of them are the first level, each further one is ten times as large.
    bytes: u64,
}

impl Sorting {
    fn of(table: Table) -> Self {
        match table {
            // A page of a log is read from each of them.
            Table::Entries(_) => Self { at_once: 64, bytes: 8 * 1024 * 1024 },
            // Hardly ever read, see `known`.
            Table::EntryIds(_) => Self { at_once: 160, bytes: 1024 * 1024 },
            _ => Self { at_once: 8, bytes: 16 * 1024 * 1024 },
        }
    }
}

/// From so many tables on its compaction begins. It was said when the table was made: an older program began with up to 255.
fn begins_at(keyspace: &Keyspace) -> usize {
    let settings = keyspace.config.compaction_strategy.get_config();
    let at_once = settings.iter().find(|(name, _)| &name[..] == b"leveled_l0_threshold").and_then(|(_, value)| value.first());
    at_once.copied().map_or(MOST_WAITING, usize::from)
}

fn options(table: Table) -> KeyspaceCreateOptions {
    let Sorting { at_once, bytes } = Sorting::of(table);
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
        | Table::Own => options,
        // Random, nearly all of it.
        Table::EntryIds(_) => options.data_block_compression_policy(CompressionPolicy::all(CompressionType::None)),
    }
}

/// Bytes that whoever reads them may keep, without keeping much more.
fn bytes_of(value: Slice) -> Bytes {
    if value.len() <= COPY_BYTES { Bytes::copy_from_slice(&value) } else { Bytes::from_owner(value) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use fjall::compaction::filter::{CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict};

    use super::{super::tests::copy, *};

    const TABLE: Table = Table::EntryIds(1);

    fn row(n: u32) -> BTreeMap<RowKey, Option<Bytes>> {
        BTreeMap::from([(RowKey::of(&[&n.to_be_bytes()]), Some(Bytes::new())), (RowKey::of(&[b"zzzz"]), Some(Bytes::new()))])
    }

    fn put(engine: &Engine, n: u32) {
        engine.put(TABLE, row(n).iter(), || false).unwrap();
    }

    /// Merged as late as there is a number for, as it was once.
    fn late() -> KeyspaceCreateOptions {
        KeyspaceCreateOptions::default().compaction_strategy(Arc::new(Leveled::default().with_l0_threshold(255)))
    }

    /// With a table of an older program.
    fn older(folder: &Path) -> (Engine, Keyspace) {
        drop(Database::builder(folder).open().unwrap().keyspace(&TABLE.name(), late).unwrap());
        let engine = Engine::open(folder, &EmbeddedSettings::default()).unwrap();
        let keyspace = engine.existing(TABLE).unwrap();
        (engine, keyspace)
    }

    /// Holds compaction up while the lock is held.
    struct Held(Arc<Mutex<()>>);

    impl Factory for Held {
        fn name(&self) -> &'static str {
            "held"
        }

        fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
            Box::new(Self(self.0.clone()))
        }
    }

    impl CompactionFilter for Held {
        fn filter_item(&mut self, _: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
            drop(self.0.lock());
            Ok(Verdict::Keep)
        }
    }

    /// With so many tables that overlap, and were not merged yet when the program was killed.
    fn opens_again_with(tables: usize) -> bool {
        let (folder, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let held = Arc::new(Mutex::new(()));
        let filter = Arc::new(Held(held.clone()));
        let database =
            Database::builder(folder.path()).with_compaction_filter_factories(Arc::new(move |_| Some(filter.clone()))).open().unwrap();
        let keyspace = database.keyspace(&TABLE.name(), late).unwrap();
        let hold = held.lock().unwrap();
        for n in 0.. {
            let mut ingestion = keyspace.start_ingestion().unwrap();
            row(n).keys().for_each(|key| ingestion.write(&key[..], &[][..]).unwrap());
            ingestion.finish().unwrap();
            if keyspace.l0_table_count() == tables {
                break;
            }
        }
        copy(folder.path(), after.path());
        drop(hold);
        Engine::open(after.path(), &EmbeddedSettings::default()).is_ok()
    }

    #[test]
    fn more_tables_than_a_byte_can_count_would_be_lost_and_there_never_are() {
        assert!(opens_again_with(255));
        assert!(!opens_again_with(256), "the engine has learned to count: more may wait");
        const { assert!(MOST_WAITING < 255) };
        for table in [Table::Entries(1), TABLE, Table::Heads] {
            assert!(usize::from(Sorting::of(table).at_once) < MOST_WAITING, "nothing would ever be merged");
        }
    }

    #[test]
    fn a_table_of_an_older_program_that_would_begin_too_late_is_merged_nevertheless() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, keyspace) = older(folder.path());
        assert_eq!(begins_at(&keyspace), 255);
        let many = u32::try_from(MOST_WAITING).unwrap() + 2;
        for n in 0..many {
            put(&engine, n);
            assert!(keyspace.l0_table_count() <= MOST_WAITING);
        }
        assert!(keyspace.l0_table_count() < 8);
        drop((keyspace, engine));
        let engine = Engine::open(folder.path(), &EmbeddedSettings::default()).unwrap();
        for n in 0..many {
            assert!(engine.get(TABLE, &n.to_be_bytes()).unwrap().is_some());
        }
    }

    #[test]
    fn where_too_many_wait_and_it_ends_nothing_is_put_there() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, keyspace) = older(folder.path());
        (0..).take_while(|_| keyspace.l0_table_count() < MOST_WAITING).for_each(|n| put(&engine, n));
        assert!(matches!(engine.put(TABLE, row(1000).iter(), || true), Err(StoreError::Stopped)));
        assert!(engine.get(TABLE, &1000_u32.to_be_bytes()).unwrap().is_none());
    }
}
