//! MLS state lies in one table of opaque rows and changes with everything else of its transaction.

use alcyon_mls::{RowKind, Rows, RowsError};
use rusqlite::{OptionalExtension, params};

use crate::{StoreError, Tx};

impl Rows for Tx<'_> {
    fn read(&self, kind: RowKind, key: &[u8]) -> Result<Option<Vec<u8>>, RowsError> {
        self.sql
            .prepare_cached("SELECT value FROM mls_rows WHERE kind = ?1 AND key = ?2")
            .and_then(|mut statement| statement.query_row(params![kind.number(), key], |row| row.get(0)).optional())
            .map_err(failed)
    }

    fn write(&self, kind: RowKind, key: &[u8], value: &[u8]) -> Result<(), RowsError> {
        self.sql
            .prepare_cached("INSERT INTO mls_rows (kind, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET value = excluded.value")
            .and_then(|mut statement| statement.execute(params![kind.number(), key, value]))
            .map(drop)
            .map_err(failed)
    }

    fn delete(&self, kind: RowKind, key: &[u8]) -> Result<(), RowsError> {
        self.sql
            .prepare_cached("DELETE FROM mls_rows WHERE kind = ?1 AND key = ?2")
            .and_then(|mut statement| statement.execute(params![kind.number(), key]))
            .map(drop)
            .map_err(failed)
    }
}

fn failed(error: rusqlite::Error) -> RowsError {
    RowsError::new(StoreError::from(error))
}
