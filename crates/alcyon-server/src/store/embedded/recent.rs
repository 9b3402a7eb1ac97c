//! What was committed and does not lie in the tables yet, in memory.

use std::{collections::BTreeMap, ops::Bound, sync::Arc, time::Instant};

use bytes::Bytes;

use super::{known::KnownKeys, record::RowChange};
use crate::store::{Row, RowKey, Table};

/// What a row takes beside its bytes, about: its place in the map, which is half full on average.
const ROW_BYTES: usize = 250;
/// A value up to this size is copied when it is read; a larger one shares the memory of its batch.
const COPY_BYTES: usize = 64 * 1024;

/// Rows by table, in order; none where a row was removed.
pub(super) type RecentTables = BTreeMap<Table, BTreeMap<RowKey, Option<Bytes>>>;

pub(super) struct Recent {
    /// What commits go to.
    active: RecentTables,
    active_bytes: usize,
    /// Since when something is active.
    since: Option<Instant>,
    /// What is being put into the tables: older than what is active, newer than what lies there.
    sealed: Option<Arc<Sealed>>,
    /// The keys of tables in which nearly all looks are for what is not there; of these tables' rows none is ever removed.
    known: BTreeMap<Table, KnownKeys>,
    known_bytes: usize,
}

/// What is put into the tables at once.
pub(super) struct Sealed {
    pub tables: RecentTables,
    /// The last generation of the journal that holds it.
    pub until: u64,
}

impl Recent {
    /// With so many bytes for the keys of each table.
    pub(super) fn new(known_bytes: usize) -> Self {
        let (active, known) = (BTreeMap::new(), BTreeMap::new());
        Self { active, active_bytes: 0, since: None, sealed: None, known, known_bytes }
    }

    /// Takes the changes of a record of so many bytes, whose memory they share.
    pub(super) fn take(&mut self, bytes: usize, changes: Vec<RowChange>) {
        self.since.get_or_insert_with(Instant::now);
        self.active_bytes += bytes + changes.len() * ROW_BYTES;
        for RowChange { table, key, value } in changes {
            if keeps_keys(table) {
                self.known.entry(table).or_insert_with(|| KnownKeys::within(self.known_bytes)).put(&key);
            }
            self.active.entry(table).or_default().insert(key, value);
        }
    }

    pub(super) fn active_bytes(&self) -> usize {
        self.active_bytes
    }

    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    pub(super) fn has_active(&self, table: Table) -> bool {
        self.active.contains_key(&table)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    pub(super) fn sealed(&self) -> Option<Arc<Sealed>> {
        self.sealed.clone()
    }

    /// What is active is to be put into the tables, and lies in the journal up to this generation.
    pub(super) fn seal(&mut self, until: u64) {
        (self.active_bytes, self.since) = (0, None);
        self.sealed = Some(Arc::new(Sealed { tables: std::mem::take(&mut self.active), until }));
    }

    /// It lies in the tables. Whoever has put it there holds it still, so that it is not freed under the lock.
    pub(super) fn settled(&mut self) {
        self.sealed = None;
    }

    /// The tables that have rows here.
    pub(super) fn tables(&self) -> impl Iterator<Item = Table> {
        let sealed = self.sealed.iter().flat_map(|sealed| sealed.tables.keys());
        self.active.keys().chain(sealed).copied()
    }

    /// The table has rows on the disk: their keys are put in by [`Self::know`].
    pub(super) fn begin_to_know(&mut self, table: Table) {
        if keeps_keys(table) {
            self.known.insert(table, KnownKeys::within(self.known_bytes).of_what_is_there());
        }
    }

    /// Some more of the keys that lie on the disk, in their order, and from where on others do.
    pub(super) fn know(&mut self, table: Table, keys: &[RowKey], lacks_from: Option<RowKey>) {
        if let Some(known) = self.known.get_mut(&table) {
            keys.iter().for_each(|key| known.put(key));
            known.lacks_from(lacks_from);
        }
    }

    /// The table was dropped.
    pub(super) fn forget(&mut self, table: Table) {
        if !self.has_active(table) {
            self.known.remove(&table);
        }
    }

    /// A row; none if nothing is known of it here, and none within if it was removed.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Option<Bytes>> {
        if self.known.get(&table).is_some_and(|known| !known.may_hold(key)) {
            return Some(None);
        }
        let sealed = self.sealed.as_ref().map(|sealed| &sealed.tables);
        let mut newest_first = [Some(&self.active), sealed].into_iter().flatten();
        newest_first.find_map(|tables| tables.get(&table)?.get(key).cloned())
    }

    /// What is known of the rows of a range, in order.
    pub(super) fn range(&self, table: Table, from: &[u8], to: &[u8]) -> Vec<(RowKey, Option<Bytes>)> {
        let rows = |tables: &RecentTables| -> Vec<_> {
            let bounds = (Bound::Included(from), Bound::Excluded(to));
            let rows = tables.get(&table).map(|rows| rows.range::<[u8], _>(bounds));
            rows.into_iter().flatten().map(|(key, value)| (*key, value.clone())).collect()
        };
        let active = rows(&self.active);
        match &self.sealed {
            None => active,
            Some(sealed) => merge(active.into_iter(), rows(&sealed.tables).into_iter(), |row| row.0).collect(),
        }
    }
}

pub(super) fn keeps_keys(table: Table) -> bool {
    matches!(table, Table::EntryIds(_))
}

/// The rows that stand, of those that lie in the tables and what is known of newer ones.
pub(super) fn over<E: Send>(
    newer: Vec<(RowKey, Option<Bytes>)>,
    older: impl Iterator<Item = Result<Row, E>> + Send,
) -> impl Iterator<Item = Result<Row, E>> + Send {
    let newer = newer.into_iter().map(|(key, value)| Ok((key, value.map(on_its_own))));
    let older = older.map(|row| row.map(|(key, value)| (key, Some(value))));
    // A row that can't be read comes at once: whoever reads the range can't go on.
    let order = |row: &Result<(RowKey, Option<Bytes>), E>| row.as_ref().map_or(RowKey::of(&[]), |row| row.0);
    merge(newer, older, order).filter_map(|row| row.map(|(key, value)| Some((key, value?))).transpose())
}

/// A value that does not keep the whole of its batch in memory, unless it is a large part of it.
pub(super) fn on_its_own(value: Bytes) -> Bytes {
    if value.len() <= COPY_BYTES { Bytes::copy_from_slice(&value) } else { value }
}

/// Two ordered iterators as one; where both have a key, the first one's item.
fn merge<T>(first: impl Iterator<Item = T>, second: impl Iterator<Item = T>, key: impl Fn(&T) -> RowKey) -> impl Iterator<Item = T> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    std::iter::from_fn(move || {
        let order = match (first.peek(), second.peek()) {
            (Some(one), Some(other)) => key(one).cmp(&key(other)),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, _) => std::cmp::Ordering::Greater,
        };
        match order {
            std::cmp::Ordering::Less => first.next(),
            std::cmp::Ordering::Equal => {
                second.next();
                first.next()
            }
            std::cmp::Ordering::Greater => second.next(),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn change(key: &[u8], value: Option<&'static [u8]>) -> RowChange {
        RowChange { table: Table::Heads, key: RowKey::of(&[key]), value: value.map(Bytes::from_static) }
    }

    fn row(key: &[u8], value: &'static [u8]) -> Row {
        (RowKey::of(&[key]), Bytes::from_static(value))
    }

    #[test]
    fn what_is_newer_stands() {
        let mut recent = Recent::new(1 << 20);
        recent.take(0, vec![change(b"a", Some(b"1")), change(b"b", Some(b"1")), change(b"c", Some(b"1"))]);
        recent.seal(7);
        recent.take(0, vec![change(b"b", Some(b"2")), change(b"c", None), change(b"e", Some(b"2"))]);
        assert_eq!(recent.get(Table::Heads, b"a"), Some(Some(Bytes::from_static(b"1"))));
        assert_eq!(recent.get(Table::Heads, b"b"), Some(Some(Bytes::from_static(b"2"))));
        assert_eq!(recent.get(Table::Heads, b"c"), Some(None), "removed, whatever lies in the tables");
        assert_eq!(recent.get(Table::Heads, b"d"), None);
        let stored = [row(b"a", b"0"), row(b"c", b"0"), row(b"d", b"0"), row(b"f", b"0")].map(Ok::<_, ()>);
        let found: Vec<_> = over(recent.range(Table::Heads, b"a", b"f"), stored.into_iter()).map(Result::unwrap).collect();
        assert_eq!(found, [row(b"a", b"1"), row(b"b", b"2"), row(b"d", b"0"), row(b"e", b"2"), row(b"f", b"0")]);
        assert_eq!(recent.sealed().unwrap().until, 7);
        recent.settled();
        assert!(recent.sealed().is_none());
        assert_eq!(recent.get(Table::Heads, b"a"), None);
    }

    #[test]
    fn a_row_that_cannot_be_read_is_told_where_it_stands_or_before() {
        let newer = vec![(RowKey::of(&[b"b"]), Some(Bytes::from_static(b"1")))];
        let found: Vec<_> = over(newer, [Ok(row(b"a", b"0")), Err("broken")].into_iter()).take(2).collect();
        assert_eq!(found, [Ok(row(b"a", b"0")), Err("broken")]);
    }
}
