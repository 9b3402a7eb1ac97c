use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use bytes::Bytes;

use super::{Batch, Change, Row, RowKey, Rows, Store, StoreError, Table};

/// A store in memory: for tests and simulations, where "the disk" is this value and opening the logs again over it is a
/// restart.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: RwLock<BTreeMap<Table, BTreeMap<Vec<u8>, Bytes>>>,
}

impl MemoryStore {
    /// Everything it holds, in order: for tests that look for what must not be there.
    #[must_use]
    pub fn dump(&self) -> Vec<(Table, Vec<u8>, Bytes)> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.iter().flat_map(|(table, rows)| rows.iter().map(|(key, value)| (*table, key.clone(), value.clone()))).collect()
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Result<Rows<'_>, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let rows: Vec<Row> = match tables.get(&table) {
            Some(rows) if from < to => {
                rows.range(from.to_vec()..to.to_vec()).map(|(key, value)| (RowKey::of(&[key]), value.clone())).collect()
            }
            _ => Vec::new(),
        };
        Ok(Box::new(rows.into_iter().map(Ok)))
    }

    fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for Change { table, key, value } in batch.changes() {
            let rows = tables.entry(table).or_default();
            match value {
                Some(value) => {
                    rows.insert(key.to_vec(), Bytes::copy_from_slice(value));
                }
                None => {
                    rows.remove(key);
                }
            }
        }
        Ok(())
    }

    fn dated_tables(&self) -> Result<Vec<Table>, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.keys().copied().filter(|table| table.is_dated()).collect())
    }

    fn drop_table(&self, table: Table) -> Result<(), StoreError> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(&table);
        Ok(())
    }

    fn recover(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn free_bytes(&self) -> Result<u64, StoreError> {
        Ok(u64::MAX)
    }
}
