use std::ops::Range;

use super::Table;

/// Changes that are made together or not at all, in order: a later one to the same key wins.
///
/// Keys and values lie in one buffer, which is used again after [`Batch::clear`]: the hot path allocates nothing here.
#[derive(Debug, Default)]
pub struct Batch {
    buffer: Vec<u8>,
    changes: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    table: Table,
    key: Range<usize>,
    value: Option<Range<usize>>,
}

/// One change in a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: &'a [u8],
    /// The new value; none removes the row.
    pub value: Option<&'a [u8]>,
}

impl Batch {
    /// Sets a row. `write` appends the value to the buffer it is given and touches nothing before.
    pub fn put_with(&mut self, table: Table, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let key = self.push(key);
        let start = self.buffer.len();
        write(&mut self.buffer);
        self.changes.push(Place { table, key, value: Some(start..self.buffer.len()) });
    }

    /// Sets a row.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.put_with(table, key, |buffer| buffer.extend_from_slice(value));
    }

    /// Removes a row, if it is there.
    pub fn remove(&mut self, table: Table, key: &[u8]) {
        let key = self.push(key);
        self.changes.push(Place { table, key, value: None });
    }

    /// The changes in order.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.changes.iter().map(|Place { table, key, value }| Change {
            table: *table,
            key: &self.buffer[key.clone()],
            value: value.as_ref().map(|value| &self.buffer[value.clone()]),
        })
    }

    /// How many changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Empties it and keeps the memory, unless that has grown beyond what is usual.
    pub fn clear(&mut self) {
        self.changes.clear();
        self.buffer.clear();
        self.buffer.shrink_to(32 * 1024 * 1024);
    }

    fn push(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        start..self.buffer.len()
    }
}
