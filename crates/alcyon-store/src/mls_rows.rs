//! MLS state lies in opaque rows and changes with everything else of its transaction.
//!
//! What decrypts messages is rewritten with every message, and holds the group's context: 40 kB at a thousand members, of which a
//! message changes some hundred bytes. So a large value lies in parts, and a write touches those that differ.

use std::iter;

use alcyon_mls::{RowKind, Rows, RowsError};
use rusqlite::{OptionalExtension, params};

use crate::{StoreError, Tx, column::to_sql};

/// Bytes of a part: with its key it fits a page of 1 KiB.
const PART: usize = 768;

impl Tx<'_> {
    fn whole(&self, kind: RowKind, key: &[u8]) -> rusqlite::Result<Option<Vec<u8>>> {
        let mut statement = self.sql.prepare_cached("SELECT value FROM mls_rows WHERE kind = ?1 AND key = ?2")?;
        statement.query_row(params![kind.number(), key], |row| row.get(0)).optional()
    }

    fn put_whole(&self, kind: RowKind, key: &[u8], value: &[u8]) -> rusqlite::Result<()> {
        self.sql
            .prepare_cached(
                "INSERT INTO mls_rows (kind, key, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
            )?
            .execute(params![kind.number(), key, value])?;
        Ok(())
    }

    fn remove_whole(&self, kind: RowKind, key: &[u8]) -> rusqlite::Result<()> {
        self.sql.prepare_cached("DELETE FROM mls_rows WHERE kind = ?1 AND key = ?2")?.execute(params![kind.number(), key])?;
        Ok(())
    }

    fn parts(&self, kind: RowKind, key: &[u8]) -> rusqlite::Result<Vec<Vec<u8>>> {
        let mut statement = self.sql.prepare_cached("SELECT value FROM mls_parts WHERE kind = ?1 AND key = ?2 ORDER BY part")?;
        statement.query_map(params![kind.number(), key], |row| row.get(0))?.collect()
    }

    fn put_parts(&self, kind: RowKind, key: &[u8], value: &[u8]) -> rusqlite::Result<()> {
        let old = self.parts(kind, key)?;
        let mut put = self.sql.prepare_cached(
            "INSERT INTO mls_parts (kind, key, part, value) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET value = excluded.value",
        )?;
        let old_parts = old.iter().map(Some).chain(iter::repeat(None));
        for ((number, part), old) in (0_i64..).zip(value.chunks(PART)).zip(old_parts) {
            if old.is_none_or(|old| old != part) {
                put.execute(params![kind.number(), key, number, part])?;
            }
        }
        let now = value.len().div_ceil(PART);
        if now < old.len() { self.remove_parts(kind, key, to_sql(now as u64)) } else { Ok(()) }
    }

    fn remove_parts(&self, kind: RowKind, key: &[u8], from: i64) -> rusqlite::Result<()> {
        self.sql.prepare_cached("DELETE FROM mls_parts WHERE kind = ?1 AND key = ?2 AND part >= ?3")?.execute(params![
            kind.number(),
            key,
            from
        ])?;
        Ok(())
    }
}

impl Rows for Tx<'_> {
    fn read(&self, kind: RowKind, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        if let Some(value) = self.whole(kind, key).map_err(failed)? {
            return Ok(Some(value));
        }
        let parts = self.parts(kind, key).map_err(failed)?;
        Ok(if parts.is_empty() { None } else { Some(parts.concat()) })
    }

    fn write(&self, kind: RowKind, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        let written = if value.len() > PART {
            self.remove_whole(kind, key).and_then(|()| self.put_parts(kind, key, value))
        } else {
            self.remove_parts(kind, key, 0).and_then(|()| self.put_whole(kind, key, value))
        };
        written.map_err(failed)
    }

    fn delete(&self, kind: RowKind, key: &[u8]) -> Result<(), RowsError> {
        self.remove_whole(kind, key).and_then(|()| self.remove_parts(kind, key, 0)).map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> RowsError {
    RowsError::new(StoreError::from(error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use alcyon_mls::{MemoryRows, RowKind, Rows};
    use proptest::prelude::*;

    use super::PART;
    use crate::{Store, StoreError, StoreKey};

    #[derive(Debug, Clone)]
    enum Act {
        Write(u8, usize, u8),
        /// Changes one byte of what is there.
        Touch(u8, usize),
        Delete(u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        let length = prop_oneof![0..4_usize, PART - 1..PART + 2, 2 * PART - 1..2 * PART + 2, 0..5 * PART];
        prop_oneof![
            (0..2_u8, length, any::<u8>()).prop_map(|(key, length, byte)| Act::Write(key, length, byte)),
            (0..2_u8, any::<usize>()).prop_map(|(key, place)| Act::Touch(key, place)),
            (0..2_u8).prop_map(Act::Delete),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn rows_hold_what_was_written_last(acts in prop::collection::vec(act(), 1..24)) {
            let directory = tempfile::tempdir().unwrap();
            let store = Store::open(directory.path(), &StoreKey::from([7; 32])).unwrap();
            let model = MemoryRows::new();
            for act in acts {
                store
                    .transaction(|tx| {
                        for rows in [tx as &dyn Rows, &model] {
                            match act {
                                Act::Write(key, length, byte) => rows.write(RowKind::Tree, &[key], &vec![byte; length]).unwrap(),
                                Act::Touch(key, place) => {
                                    if let Some(mut value) = rows.read(RowKind::Tree, &[key]).unwrap().filter(|value| !value.is_empty()) {
                                        let place = place % value.len();
                                        value[place] ^= 1;
                                        rows.write(RowKind::Tree, &[key], &value).unwrap();
                                    }
                                }
                                Act::Delete(key) => rows.delete(RowKind::Tree, &[key]).unwrap(),
                            }
                        }
                        Ok::<_, StoreError>(())
                    })
                    .unwrap();
                store
                    .transaction(|tx| {
                        for key in [[0], [1]] {
                            assert_eq!(tx.read(RowKind::Tree, &key).unwrap(), model.read(RowKind::Tree, &key).unwrap());
                            assert_eq!(tx.read(RowKind::Context, &key).unwrap(), None);
                        }
                        Ok::<_, StoreError>(())
                    })
                    .unwrap();
            }
        }
    }

    #[test]
    fn a_large_value_that_changes_a_little_is_not_written_whole() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), &StoreKey::from([7; 32])).unwrap();
        let mut value = vec![3; 40_000];
        let mut write = |place: usize| {
            value[place] += 1;
            store
                .transaction(|tx| {
                    tx.write(RowKind::MessageSecrets, b"group", &value).unwrap();
                    Ok::<_, StoreError>(())
                })
                .unwrap();
            fs::metadata(directory.path().join("profile.db-wal")).unwrap().len()
        };
        let before = write(0);
        assert!(write(20_000) - before < 6_000, "some pages of 1 KiB");
    }
}
