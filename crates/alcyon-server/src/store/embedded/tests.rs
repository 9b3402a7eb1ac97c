//! What a crash, a disk and an older program leave behind.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path, sync::PoisonError, time::Duration};

use proptest::prelude::*;

use super::{
    record::{FileHead, HEAD_BYTES, RECORD_HEAD_BYTES, changes, encode, record_at},
    *,
};
use crate::store::{Change, RowKey};

/// A row that is set, or removed.
type ChangedRow<'a> = (Table, &'a [u8], Option<&'a [u8]>);

fn batch(changes: &[ChangedRow<'_>]) -> Batch {
    let mut batch = Batch::default();
    for (table, key, value) in changes {
        match value {
            Some(value) => batch.put(*table, key, value),
            None => batch.remove(*table, key),
        }
    }
    batch
}

/// Three rows and more, some of several blocks of a disk.
fn nth(n: u32) -> Batch {
    let value = vec![u8::try_from(n % 251).unwrap(); usize::try_from(n * 331 % 3000).unwrap()];
    batch(&[
        (Table::Heads, b"head", Some(&n.to_be_bytes())),
        (Table::Entries(7), &n.to_be_bytes(), Some(&value)),
        (Table::EntryIds(1), &n.to_le_bytes(), Some(b"1")),
        (Table::Seats, b"gone", None),
    ])
}

fn open(root: &Path) -> Result<EmbeddedStore, StoreError> {
    EmbeddedStore::open(root, EmbeddedSettings::default())
}

/// Settles after every few batches.
fn open_hasty(root: &Path) -> EmbeddedStore {
    EmbeddedStore::open(root, EmbeddedSettings { recent_bytes: 3000, ..EmbeddedSettings::default() }).unwrap()
}

/// How many batches are there; all of them whole.
fn count(store: &EmbeddedStore) -> u32 {
    let head = store.get(Table::Heads, b"head").unwrap().map_or(0, |value| u32::from_be_bytes(value[..].try_into().unwrap()));
    let rows: Vec<_> = store.range(Table::Entries(7), &[], &[0xFF; 4]).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), usize::try_from(head).unwrap());
    for ((key, value), n) in rows.iter().zip(1..) {
        let batch = nth(n);
        let expected = batch.changes().nth(1).unwrap();
        assert_eq!((&key[..], Some(&value[..])), (expected.key, expected.value));
    }
    for n in 1..=head + 1 {
        assert_eq!(store.get(Table::EntryIds(1), &n.to_le_bytes()).unwrap().is_some(), n <= head);
    }
    head
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The journal's file that is written to, and all that it holds.
fn journal_file(root: &Path) -> (PathBuf, Vec<u8>) {
    let files = fs::read_dir(root.join(JOURNAL_FOLDER)).unwrap().map(|entry| entry.unwrap().path());
    let newest = files.max_by_key(|path| FileHead::decode(&fs::read(path).unwrap()).map(|head| head.generation)).unwrap();
    let bytes = fs::read(&newest).unwrap();
    (newest, bytes)
}

/// Seven batches; then the journal without the last one, with it, and where its record begins and ends.
struct Cut {
    folder: tempfile::TempDir,
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
    changed: std::ops::Range<usize>,
}

fn cut() -> Cut {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    (1..7).for_each(|n| store.commit(&nth(n)).unwrap());
    let (_, before) = journal_file(folder.path());
    store.commit(&nth(7)).unwrap();
    let (path, after) = journal_file(folder.path());
    drop(store);
    let first = before.iter().zip(&after).position(|(one, other)| one != other).unwrap();
    let last = before.iter().zip(&after).rposition(|(one, other)| one != other).unwrap();
    Cut { folder, path, before, after, changed: first..last + 1 }
}

/// What is there when the journal has come to these bytes.
fn opened_with(cut: &Cut, bytes: &[u8]) -> Result<u32, StoreError> {
    let other = tempfile::tempdir().unwrap();
    copy(cut.folder.path(), other.path());
    fs::write(other.path().join(cut.path.strip_prefix(cut.folder.path()).unwrap()), bytes).unwrap();
    let found = count(&open(other.path())?);
    // And again: what was decided at the first start stays so.
    assert_eq!(count(&open(other.path()).unwrap()), found);
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A disk writes sectors of 512 bytes, in any order, and stops anywhere.
    #[test]
    fn a_crash_while_a_batch_is_written_leaves_all_of_it_or_nothing(seed: u64) {
        let cut = cut();
        let mut bytes = cut.before.clone();
        for (nth, at) in (cut.changed.start / 512..=cut.changed.end / 512).enumerate() {
            if seed >> (nth % 64) & 1 == 1 {
                bytes[at * 512..(at + 1) * 512].copy_from_slice(&cut.after[at * 512..(at + 1) * 512]);
            }
        }
        let found = opened_with(&cut, &bytes).unwrap();
        prop_assert_eq!(found, if bytes == cut.after { 7 } else { 6 });
    }

    /// A disk that gives back other bytes than it was given is not believed, and not taken for a crash either.
    #[test]
    fn a_journal_that_has_lost_what_was_acknowledged_is_refused(place: prop::sample::Index, bit in 0..8_u8) {
        let cut = cut();
        let mut bytes = cut.after.clone();
        let records = usize::try_from(HEAD_BYTES).unwrap()..cut.changed.start.saturating_sub(RECORD_HEAD_BYTES);
        let at = records.start + place.index(records.len());
        bytes[at] ^= 1 << bit;
        let opened = opened_with(&cut, &bytes);
        prop_assert!(matches!(opened, Err(StoreError::Corrupt { table: "journal" })), "{:?}", opened);
    }

    #[test]
    fn any_bytes_are_read_as_a_record_or_not(bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        prop_assert!(record_at(1, &bytes).is_none());
        let _ = changes(&bytes);
        prop_assert!(FileHead::decode(&bytes).is_none());
    }

    #[test]
    fn a_record_says_what_the_batch_says(rows in prop::collection::vec((0..20_usize, prop::collection::vec(any::<u8>(), 0..97), any::<Option<Vec<u8>>>()), 0..20), mark: u64, number: u64) {
        let dated = [Table::Entries(3), Table::EntryIds(u32::MAX), Table::SpentStamps(0)];
        let tables: Vec<Table> = Table::FIXED.into_iter().chain(dated).collect();
        let rows: Vec<_> = rows.iter().map(|(table, key, value)| (tables[*table], &key[..], value.as_deref())).collect();
        let batch = batch(&rows);
        let mut bytes = encode(mark, number, &batch).unwrap().to_vec();
        let length = bytes.len();
        bytes.extend([7; 50]);
        let (found, record) = record_at(mark, &bytes.into()).unwrap();
        prop_assert_eq!((found, record.len()), (number, length));
        let read = changes(&record).unwrap();
        let read: Vec<_> = read.iter().map(|one| Change { table: one.table, key: &one.key, value: one.value.as_deref() }).collect();
        prop_assert_eq!(read, batch.changes().collect::<Vec<_>>());
        prop_assert!(record_at(mark ^ 1, &record).is_none());
    }
}

#[test]
fn a_broken_or_missing_head_is_no_empty_journal() {
    let cut = cut();
    for at in 0..48 {
        let mut bytes = cut.after.clone();
        bytes[at] ^= 1;
        assert!(matches!(opened_with(&cut, &bytes), Err(StoreError::Corrupt { table: "journal" })), "{at}");
    }
}

#[test]
fn a_generation_that_lacks_its_end_is_noticed_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, records) = Journal::open(folder.path()).unwrap();
    assert!(records.is_empty());
    (1..4).for_each(|n| drop(journal.append(&nth(n)).unwrap()));
    let until = journal.turn().unwrap();
    journal.append(&nth(4)).unwrap();
    drop(journal);
    assert_eq!(Journal::open(folder.path()).unwrap().1.len(), 4);
    let first = folder.path().join("0");
    let whole = fs::read(&first).unwrap();
    let head = FileHead::decode(&whole).unwrap();
    assert_eq!(head.generation, until);
    // The third record's last byte.
    let mut at = usize::try_from(HEAD_BYTES).unwrap();
    for _ in 0..3 {
        at += record_at(head.mark, &Bytes::copy_from_slice(&whole[at..])).unwrap().1.len();
    }
    let mut cut = whole.clone();
    cut[at - 1] ^= 1;
    fs::write(&first, cut).unwrap();
    assert!(matches!(Journal::open(folder.path()), Err(StoreError::Corrupt { table: "journal" })));
}

#[test]
fn files_are_written_over_and_nothing_old_is_read_from_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = 0;
    for round in 0..6 {
        let (mut journal, records) = Journal::open(folder.path()).unwrap();
        assert_eq!(records.len(), expected, "round {round}");
        // Fewer and fewer: behind the last one stand records of earlier generations.
        expected = 12 - 2 * round;
        (0..expected).for_each(|n| drop(journal.append(&nth(u32::try_from(n).unwrap())).unwrap()));
        let settled = journal.settled(journal.generation() - 1);
        settled.release().unwrap();
        journal.released(&settled);
    }
    assert!(fs::read_dir(folder.path()).unwrap().count() <= 3, "they are used again");
}

#[test]
fn what_a_failed_write_has_left_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    journal.append(&nth(1)).unwrap();
    journal.fail_after_writing(&nth(2));
    assert!(matches!(journal.append(&nth(3)), Err(StoreError::Stopped)), "not before it was recovered");
    assert!(matches!(journal.turn(), Err(StoreError::Stopped)), "it would be forgotten in that file");
    journal.recover().unwrap();
    drop(journal);
    assert_eq!(Journal::open(folder.path()).unwrap().1.len(), 1);
    let (mut journal, _) = Journal::open(folder.path()).unwrap();
    journal.append(&nth(3)).unwrap();
    drop(journal);
    assert_eq!(Journal::open(folder.path()).unwrap().1.len(), 2);
}

#[test]
fn the_stored_forms_stay_as_they_are() {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let head = FileHead { generation: 3, mark: 0x0123_4567_89ab_cdef, records_before: 258, in_use: true };
    assert_eq!(FileHead::decode(&head.encode()), Some(head));
    let batch = batch(&[(Table::Entries(2922), b"key", Some(b"value")), (Table::Heads, b"head", None), (Table::Own, b"empty", Some(b""))]);
    insta::assert_snapshot!(hex(&head.encode()), @"aca10705d8f96900616c63796f6e4a310300000000000000efcdab896745230102010000000000000100000000000000");
    insta::assert_snapshot!(hex(&encode(head.mark, 7, &batch).unwrap()), @"450d792b2dd0e8a1efcdab896745230107000000000000002f000000206a0b000003050000006b657976616c7565000000000004ffffffff6865616410000000000500000000656d707479");
    let codes: BTreeMap<_, _> = Table::FIXED.into_iter().map(|table| (table.kind(), table.code().0)).collect();
    insta::assert_compact_debug_snapshot!(codes, @r#"{"accounts": 9, "acks": 7, "allowances": 14, "claimed-packages": 12, "doors": 2, "group-infos": 4, "handles": 10, "heads": 0, "invites": 13, "kept": 3, "key-packages": 11, "own": 16, "passes": 8, "reports": 15, "seats": 1, "tree-chunks": 6, "trees": 5}"#);
}

#[test]
fn what_is_settled_is_the_same_as_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..4 {
        let store = open_hasty(folder.path());
        assert_eq!(count(&store), round * 40);
        for n in round * 40 + 1..=(round + 1) * 40 {
            store.commit(&nth(n)).unwrap();
        }
        assert_eq!(count(&store), (round + 1) * 40);
        drop(store.core.wait_until_settled(store.core.writing()).unwrap());
        assert_eq!(count(&store), (round + 1) * 40);
    }
    // Nothing was left to the engine's own journal and tables in memory.
    assert_eq!(count(&open(folder.path()).unwrap()), 160);
}

#[test]
fn while_the_tables_cannot_be_written_there_is_room_for_some_and_then_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_hasty(folder.path());
    *store.core.engine.write().unwrap_or_else(PoisonError::into_inner) = None;
    let mut n = 0;
    let refused = loop {
        n += 1;
        if let Err(refused) = store.commit(&nth(n)) {
            break refused;
        }
        assert!(n < 1000);
    };
    assert!(matches!(refused, StoreError::Stopped), "{refused}");
    assert!(n > 3, "there was room");
    assert!(matches!(store.recover(), Err(StoreError::Stopped)), "still");
    assert_eq!(count_of_recent(&store), n - 1);
    // It opens the tables again by itself.
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    while store.recover().is_err() || store.commit(&nth(n)).is_err() {
        assert!(std::time::Instant::now() < limit);
        std::thread::yield_now();
    }
    assert_eq!(count(&store), n);
}

#[test]
fn what_was_removed_does_not_stay_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let secret = b"the name of somebody who has left";
    let holds_it = || {
        let files = fs::read_dir(folder.path().join(JOURNAL_FOLDER)).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        files.filter(|bytes| memchr::memmem::find(bytes, secret).is_some()).count() > 0
    };
    let store = open(folder.path()).unwrap();
    store.commit(&batch(&[(Table::Handles, b"handle", Some(secret))])).unwrap();
    assert!(holds_it());
    drop(store);
    let at_least_every = Duration::from_millis(1);
    let store = EmbeddedStore::open(folder.path(), EmbeddedSettings { at_least_every, ..EmbeddedSettings::default() }).unwrap();
    store.commit(&batch(&[(Table::Handles, b"handle", None)])).unwrap();
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    while holds_it() {
        assert!(std::time::Instant::now() < limit);
        std::thread::yield_now();
    }
    assert_eq!(store.get(Table::Handles, b"handle").unwrap(), None);
    store.commit(&nth(1)).unwrap();
    drop(store);
    assert_eq!(count(&open(folder.path()).unwrap()), 1);
}

#[test]
fn a_panic_of_the_thread_that_settles_stops_the_writing_and_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_hasty(folder.path());
    store.commit(&nth(1)).unwrap();
    let core = store.core.clone();
    let panicked = std::thread::spawn(move || {
        let _told = settle::ToldOfAPanic(&core);
        panic!("as the engine does");
    });
    assert!(panicked.join().is_err());
    assert!(matches!(store.commit(&nth(2)), Err(StoreError::Stopped)));
    assert!(matches!(store.recover(), Err(StoreError::Stopped)));
    drop(store);
    assert_eq!(count(&open(folder.path()).unwrap()), 1, "a new start has it all");
}

fn count_of_recent(store: &EmbeddedStore) -> u32 {
    let head = store.get(Table::Heads, b"head").unwrap().unwrap();
    u32::from_be_bytes(head[..].try_into().unwrap())
}

/// As the program wrote it that had no journal of its own: rows in the engine's journal and in its tables.
#[test]
fn data_of_the_first_format_is_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join(FORMAT_FILE), "alcyon-server data, format 1\n").unwrap();
    {
        let database = fjall::Database::builder(root.join(ENGINE_FOLDER)).open().unwrap();
        for (table, flushed) in [(Table::Heads, false), (Table::EntryIds(1), true), (Table::Entries(7), false)] {
            let keyspace = database.keyspace(&table.name(), Default::default).unwrap();
            keyspace.insert(b"old", b"1").unwrap();
            if flushed {
                keyspace.rotate_memtable_and_wait().unwrap();
            }
            keyspace.insert(b"other", b"1").unwrap();
        }
        database.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    for round in 0..4 {
        let store = open_hasty(root);
        for table in [Table::Heads, Table::EntryIds(1), Table::Entries(7)] {
            assert_eq!(store.get(table, b"other").unwrap().unwrap(), b"1".as_slice(), "{round}");
            assert_eq!(store.get(table, b"old").unwrap().is_some(), round == 0, "{round}");
        }
        store.commit(&batch(&[(Table::Heads, b"old", None), (Table::Entries(7), b"old", None)])).unwrap();
        store.drop_table(Table::EntryIds(1)).unwrap();
        store.commit(&batch(&[(Table::EntryIds(1), b"other", Some(b"1")), (Table::Own, b"large", Some(&[1; 4000]))])).unwrap();
        drop(store.core.wait_until_settled(store.core.writing()).unwrap());
    }
    assert_eq!(fs::read_to_string(root.join(FORMAT_FILE)).unwrap(), "alcyon-server data, format 2\n");
}

#[test]
fn keys_are_compared_as_their_bytes() {
    assert!(RowKey::of(&[b"a"]) < RowKey::of(&[b"a", b"\0"]));
    assert!(RowKey::of(&[b"a", &[0xFF; 50]]) < RowKey::of(&[b"b"]));
    assert_eq!(RowKey::of(&[b"ab"]), RowKey::of(&[b"a", b"b"]));
    assert_eq!(&RowKey::of(&[b"a"]).next()[..], b"a\0");
}
