//! What every store has to do, run against each of them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::*;

/// Opens a store; called again after the first one was dropped, it opens the same one again.
pub(crate) trait Factory {
    type Store: Store;
    fn open(&self) -> Self::Store;
}

/// Runs the whole contract.
pub(crate) fn check<F: Factory>(new: impl Fn() -> F) {
    reads_what_was_written(&new());
    later_changes_of_a_batch_win(&new());
    ranges_are_ordered_and_half_open(&new());
    large_values_survive(&new());
    dated_tables_go_whole(&new());
    recovering_loses_nothing(&new());
    readers_see_whole_batches(&new());
}

fn key(n: u32) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

fn rows(store: &impl Store, table: Table, from: &[u8], to: &[u8]) -> Vec<(Vec<u8>, Bytes)> {
    store.range(table, from, to).unwrap().map(|row| row.unwrap()).map(|(key, value)| (key.to_vec(), value)).collect()
}

fn reads_what_was_written(factory: &impl Factory) {
    let store = factory.open();
    let mut batch = Batch::default();
    for table in Table::FIXED.into_iter().chain([Table::Entries(1), Table::EntryIds(1), Table::SpentStamps(1)]) {
        assert_eq!(store.get(table, b"a").unwrap(), None);
        batch.put(table, b"a", table.name().as_bytes());
        batch.put(table, b"empty", b"");
    }
    store.commit(&batch).unwrap();
    drop(store);
    let store = factory.open();
    for table in Table::FIXED.into_iter().chain([Table::Entries(1), Table::EntryIds(1), Table::SpentStamps(1)]) {
        assert_eq!(store.get(table, b"a").unwrap().unwrap(), table.name().as_bytes());
        assert_eq!(store.get(table, b"empty").unwrap().unwrap(), b"".as_slice());
        assert_eq!(store.get(table, b"b").unwrap(), None);
    }
    assert!(store.free_bytes().unwrap() > 0);
}

fn later_changes_of_a_batch_win(factory: &impl Factory) {
    let store = factory.open();
    let mut batch = Batch::default();
    batch.put(Table::Heads, b"a", b"1");
    batch.remove(Table::Heads, b"a");
    batch.put(Table::Heads, b"b", b"1");
    batch.put(Table::Heads, b"b", b"2");
    batch.remove(Table::Heads, b"never there");
    store.commit(&batch).unwrap();
    assert_eq!(store.get(Table::Heads, b"a").unwrap(), None);
    assert_eq!(store.get(Table::Heads, b"b").unwrap().unwrap(), b"2".as_slice());
    batch.clear();
    assert!(batch.is_empty());
    batch.remove(Table::Heads, b"b");
    store.commit(&batch).unwrap();
    assert_eq!(store.get(Table::Heads, b"b").unwrap(), None);
    store.commit(&Batch::default()).unwrap();
}

fn ranges_are_ordered_and_half_open(factory: &impl Factory) {
    let store = factory.open();
    let mut batch = Batch::default();
    for n in (0..300_u32).rev() {
        batch.put(Table::Kept, &key(n), &key(n));
    }
    store.commit(&batch).unwrap();
    let found = rows(&store, Table::Kept, &key(10), &key(270));
    assert_eq!(found.len(), 260);
    assert!(found.iter().zip(10..).all(|((found, value), n)| *found == key(n) && *value == key(n)));
    assert_eq!(rows(&store, Table::Kept, &key(10), &key(10)), []);
    assert_eq!(rows(&store, Table::Kept, &key(10), &key(9)), []);
    assert_eq!(rows(&store, Table::Entries(9), &key(0), &key(9)), []);
    assert_eq!(rows(&store, Table::Kept, &[], &RowKey::after_prefix(&[0xFF; 16])).len(), 300);
}

fn large_values_survive(factory: &impl Factory) {
    let values: Vec<Vec<u8>> = [1_usize, 255, 257, 1_023, 1_024, 70_000, 1 << 20].map(|length| vec![0xA5; length]).to_vec();
    let store = factory.open();
    let mut batch = Batch::default();
    for (n, value) in values.iter().enumerate() {
        batch.put(Table::Entries(3), &key(u32::try_from(n).unwrap()), value);
    }
    store.commit(&batch).unwrap();
    drop(store);
    let found = rows(&factory.open(), Table::Entries(3), &key(0), &key(99));
    assert_eq!(found.into_iter().map(|(_, value)| value.to_vec()).collect::<Vec<_>>(), values);
}

fn dated_tables_go_whole(factory: &impl Factory) {
    let store = factory.open();
    let mut batch = Batch::default();
    for week in 1..4 {
        batch.put(Table::Entries(week), b"a", b"1");
    }
    batch.put(Table::EntryIds(1), b"a", b"1");
    store.commit(&batch).unwrap();
    store.drop_table(Table::Entries(1)).unwrap();
    store.drop_table(Table::Entries(77)).unwrap();
    drop(store);
    let store = factory.open();
    let mut dated = store.dated_tables().unwrap();
    dated.sort();
    assert_eq!(dated, [Table::Entries(2), Table::Entries(3), Table::EntryIds(1)]);
    assert_eq!(store.get(Table::Entries(1), b"a").unwrap(), None);
    store.drop_table(Table::Entries(2)).unwrap();
    batch.clear();
    for week in [1, 2] {
        batch.put(Table::Entries(week), b"b", b"2");
    }
    store.commit(&batch).unwrap();
    drop(store);
    let store = factory.open();
    for week in [1, 2] {
        assert_eq!(rows(&store, Table::Entries(week), b"", b"z"), [(b"b".to_vec(), Bytes::from_static(b"2"))]);
    }
}

fn recovering_loses_nothing(factory: &impl Factory) {
    let store = factory.open();
    let mut batch = Batch::default();
    batch.put(Table::Heads, b"a", b"1");
    store.commit(&batch).unwrap();
    store.recover().unwrap();
    assert_eq!(store.get(Table::Heads, b"a").unwrap().unwrap(), b"1".as_slice());
    batch.clear();
    batch.put(Table::Heads, b"b", b"2");
    store.commit(&batch).unwrap();
    assert_eq!(store.get(Table::Heads, b"b").unwrap().unwrap(), b"2".as_slice());
}

fn readers_see_whole_batches(factory: &impl Factory) {
    let store = Arc::new(factory.open());
    let reader = std::thread::spawn({
        let store = store.clone();
        move || {
            let mut last = 0;
            while last < 200 {
                let found = rows(&*store, Table::Heads, b"", b"z");
                assert!(found.is_empty() || found.len() == 3);
                assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].1));
                last = found.first().map_or(0, |(_, value)| u32::from_be_bytes(value[..].try_into().unwrap()));
            }
        }
    });
    let mut batch = Batch::default();
    for n in 1..=200 {
        batch.clear();
        for name in [b"a", b"b", b"c"] {
            batch.put(Table::Heads, name, &key(n));
        }
        store.commit(&batch).unwrap();
    }
    reader.join().unwrap();
}

struct Memory(Arc<MemoryStore>);

impl Factory for Memory {
    type Store = FaultyStore<MemoryStore>;

    fn open(&self) -> Self::Store {
        FaultyStore::harmless(self.0.clone())
    }
}

struct Embedded(tempfile::TempDir, EmbeddedSettings);

impl Embedded {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), EmbeddedSettings::default())
    }

    /// Puts what is written into the tables after every few rows.
    fn hasty() -> Self {
        Self(tempfile::tempdir().unwrap(), EmbeddedSettings { recent_bytes: 600, ..EmbeddedSettings::default() })
    }
}

impl Factory for Embedded {
    type Store = EmbeddedStore;

    fn open(&self) -> EmbeddedStore {
        EmbeddedStore::open(&self.0.path().join("data"), self.1.clone()).unwrap()
    }
}

#[test]
fn the_memory_store_and_the_faulty_one_keep_the_contract() {
    check(|| Memory(Arc::default()));
}

#[test]
fn the_embedded_store_keeps_the_contract() {
    check(Embedded::new);
    check(Embedded::hasty);
}

#[derive(Debug, Clone)]
enum Action {
    Put(u8, u8),
    Remove(u8),
    Commit,
    Reopen,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_embedded_store_is_a_map_that_lasts(actions in vec(prop_oneof![
        8 => (any::<u8>(), any::<u8>()).prop_map(|(key, value)| Action::Put(key, value)),
        3 => any::<u8>().prop_map(Action::Remove),
        3 => Just(Action::Commit),
        1 => Just(Action::Reopen),
    ], 1..60), hasty: bool) {
        let factory = if hasty { Embedded::hasty() } else { Embedded::new() };
        let (mut store, mut batch) = (factory.open(), Batch::default());
        let (mut durable, mut staged) = (BTreeMap::new(), BTreeMap::new());
        for action in actions {
            match action {
                Action::Put(key, value) => {
                    batch.put(Table::Entries(1), &[key], &vec![value; usize::from(value) * 9]);
                    staged.insert(vec![key], Bytes::from(vec![value; usize::from(value) * 9]));
                }
                Action::Remove(key) => {
                    batch.remove(Table::Entries(1), &[key]);
                    staged.remove(&vec![key]);
                }
                Action::Commit => {
                    store.commit(&batch).unwrap();
                    batch.clear();
                    durable = staged.clone();
                }
                Action::Reopen => {
                    drop(store);
                    store = factory.open();
                    batch.clear();
                    staged = durable.clone();
                }
            }
            let found: BTreeMap<_, _> = rows(&store, Table::Entries(1), &[], &[0xFF; 9]).into_iter().collect();
            prop_assert_eq!(&found, &durable);
        }
    }
}

#[test]
fn a_data_directory_is_opened_once_and_only_if_it_is_ours() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, foreign, newer) = (folder.path().join("ours"), folder.path().join("foreign"), folder.path().join("newer"));
    let open = |path: &std::path::Path| EmbeddedStore::open(path, EmbeddedSettings::default()).map(|_| ());
    let store = EmbeddedStore::open(&ours, EmbeddedSettings::default()).unwrap();
    assert!(matches!(open(&ours), Err(StoreError::Locked)));
    store.recover().unwrap();
    assert!(matches!(open(&ours), Err(StoreError::Locked)), "still");
    drop(store);
    open(&ours).unwrap();

    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    assert!(matches!(open(&foreign), Err(StoreError::Foreign)));
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1, "nothing was put there");
    std::fs::write(foreign.join("FORMAT"), [0xFF, 0xFE]).unwrap();
    assert!(matches!(open(&foreign), Err(StoreError::Foreign)));

    std::fs::create_dir(&newer).unwrap();
    std::fs::write(newer.join("FORMAT"), "alcyon-server data, format 3\n").unwrap();
    assert!(matches!(open(&newer), Err(StoreError::TooNew { found: 3, known: 2 })));

    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(open(&file), Err(StoreError::Io(_))));
}

#[test]
fn planned_faults_do_what_they_say() {
    let disk = Arc::new(MemoryStore::default());
    let batch = |name: &[u8]| {
        let mut batch = Batch::default();
        batch.put(Table::Heads, name, b"1");
        batch
    };
    let faults = [None, Some(Fault::Lost), Some(Fault::Unproven), Some(Fault::DiskFull), None, Some(Fault::StopAfter)];
    let store = FaultyStore::new(disk.clone(), move |write: u64| faults[usize::try_from(write).unwrap()]);
    store.commit(&batch(b"0")).unwrap();
    assert!(store.commit(&batch(b"1")).is_err());
    assert!(matches!(store.commit(&batch(b"1")), Err(StoreError::Stopped)), "not before it was recovered");
    store.recover().unwrap();
    assert!(store.commit(&batch(b"2")).is_err());
    store.recover().unwrap();
    assert!(matches!(store.commit(&batch(b"3")), Err(StoreError::Full)));
    assert!(matches!(store.recover(), Err(StoreError::Full)));
    store.set_disk_full(false);
    store.recover().unwrap();
    store.commit(&batch(b"4")).unwrap();
    assert!(store.commit(&batch(b"5")).is_err());
    assert!(store.is_stopped());
    assert!(store.get(Table::Heads, b"0").is_err());
    let left: Vec<_> = disk.dump().into_iter().map(|(_, key, _)| key).collect();
    assert_eq!(left, [b"0", b"2", b"4", b"5"].map(|name| name.to_vec()));
}
