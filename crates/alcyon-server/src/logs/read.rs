//! Reading entries: from memory if they are new, else by range scans of the weeks and of what is kept.

use std::sync::MutexGuard;

use alcyon_wire::{DoorKey, EntryKind, HeaderFacts, LogId, RunningHash, SeatId, limits, payload_hash, proto};
use bytes::Bytes;

use super::{
    Page,
    cells::{Published, TailEntry},
    engine::{Shared, read_failed, unknown_log},
    pages::PageKey,
    records::{EntryRecord, corrupt, decode, entry_key, number_of},
    rules,
    state::{Head, SeatState},
};
use crate::{
    Refusal,
    store::{Rows, Store, StoreError, Table},
};

/// How much a reader takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub max_entries: usize,
    pub max_bytes: usize,
}

/// One answer to somebody at a door.
const DOOR_WINDOW: Window = Window { max_entries: limits::WINDOW_ENTRIES as usize, max_bytes: 512 * 1024 };

impl<S: Store> Shared<S> {
    /// Entries after a sequence, as far as the seat may read.
    pub fn read(&self, log: LogId, seat: SeatId, after: u64, window: Window) -> Result<Page, Refusal> {
        let cell = self.cells.get(&*self.store, log).map_err(|error| read_failed(&error))?.ok_or_else(unknown_log)?;
        let published = cell.published();
        if published.removed {
            return Err(unknown_log());
        }
        let readable_until = readable_until(rules::known_seat(&published.state, seat)?);
        let until = readable_until.unwrap_or(published.state.head.sequence);
        if after > until {
            return Err(readable_until.map_or_else(|| Refusal::beyond_head(until), |_| rules::seat_dropped()));
        }
        if after == until && readable_until.is_some() {
            return Err(rules::seat_dropped());
        }
        self.page(log, published, window, after, readable_until)
    }

    /// Entries after a sequence for an open door. Payloads of commits and leaves alone.
    pub fn read_at_door(&self, door: &DoorKey, after: u64) -> Result<Page, Refusal> {
        let log = door.log;
        let cell = self.cells.get(&*self.store, log).map_err(|error| read_failed(&error))?.ok_or_else(unknown_log)?;
        let published = cell.published();
        if published.removed {
            return Err(unknown_log());
        }
        rules::open_door(rules::known_door(&published.state, door.id, door.secret.hash(log))?)?;
        let head = published.state.head.sequence;
        if after > head {
            return Err(Refusal::beyond_head(head));
        }
        let mut page = self.page(log, published, DOOR_WINDOW, after, None)?;
        for entry in &mut page.entries {
            // Who comes in has to know who is in: commits, and those who gave their seat up while their leaf stays.
            let kind = HeaderFacts::parse(&entry.header).map(|facts| facts.kind);
            if !matches!(kind, Ok(EntryKind::Commit | EntryKind::Leave)) {
                entry.payload_hash = Bytes::copy_from_slice(payload_hash(&entry.payload).as_bytes());
                entry.payload = Bytes::new();
            }
        }
        Ok(page)
    }

    fn page(
        &self,
        log: LogId,
        published: MutexGuard<'_, Published>,
        window: Window,
        after: u64,
        readable_until: Option<u64>,
    ) -> Result<Page, Refusal> {
        let until = readable_until.unwrap_or(published.state.head.sequence);
        let mut page = PageBuilder::new(window, after, until);
        let in_memory = published.tail.front().is_some_and(|first| first.sequence <= after + 1);
        if in_memory || after == published.state.head.sequence {
            let skip = published.tail.front().map_or(0, |first| after + 1 - first.sequence);
            for entry in published.tail.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)) {
                if !page.push(entry.clone()) {
                    break;
                }
            }
            return page.finish(&published.state.head, readable_until);
        }
        let head = published.state.head.clone();
        drop(published);
        let key = PageKey { log, after, until, window };
        let read = || {
            self.fill(&mut page, log, &head)?;
            Ok(page)
        };
        let page = self.pages.get(key, self.clock.now_ms(), read).map_err(|error| read_failed(&error))?;
        page.finish(&head, readable_until)
    }

    /// Merges the weeks and the kept entries by sequence.
    fn fill(&self, page: &mut PageBuilder, log: LogId, head: &Head) -> Result<(), StoreError> {
        let (from, until) = (page.after + 1, page.until);
        let mut kept: Rows<'_> = if head.kept_last >= from {
            self.store.range(Table::Kept, &entry_key(log, from), &entry_key(log, until + 1))?
        } else {
            Box::new(std::iter::empty())
        };
        let mut next_kept = next_entry(Table::Kept, &mut kept)?;
        for (at, week) in head.weeks.iter().enumerate() {
            let last = head.weeks.get(at + 1).map_or(until, |next| until.min(next.first - 1));
            if last < from || week.first > until {
                continue;
            }
            let table = Table::Entries(week.week);
            let mut rows = self.store.range(table, &entry_key(log, from.max(week.first)), &entry_key(log, last + 1))?;
            while let Some(entry) = next_entry(table, &mut rows)? {
                while let Some(kept_entry) = next_kept.take_if(|kept| kept.sequence < entry.sequence) {
                    if !page.push(kept_entry) {
                        return Ok(());
                    }
                    next_kept = next_entry(Table::Kept, &mut kept)?;
                }
                if !page.push(entry) {
                    return Ok(());
                }
            }
        }
        while let Some(entry) = next_kept {
            if !page.push(entry) {
                return Ok(());
            }
            next_kept = next_entry(Table::Kept, &mut kept)?;
        }
        Ok(())
    }
}

/// The last sequence a dropped seat may read.
pub(crate) fn readable_until(seat: &SeatState) -> Option<u64> {
    if seat.is_live() { None } else { Some(seat.dropped_at) }
}

fn next_entry(table: Table, rows: &mut Rows<'_>) -> Result<Option<TailEntry>, StoreError> {
    let Some(row) = rows.next() else {
        return Ok(None);
    };
    let (key, value) = row?;
    let EntryRecord { header, payload, previous } = decode(table, value)?;
    let previous = RunningHash::parse(&previous, "entry").map_err(|_| corrupt(table))?;
    Ok(Some(TailEntry { sequence: number_of(table, &key)?, header, payload, previous }))
}

#[derive(Clone)]
pub(crate) struct PageBuilder {
    window: Window,
    /// Where the reader stands.
    after: u64,
    /// How far it may read.
    until: u64,
    gap: Option<proto::Gap>,
    entries: Vec<proto::Entry>,
    bytes: usize,
    /// The last entry that was put in, and the running hash before it.
    last: Option<(u64, RunningHash)>,
    /// The running hash after the last entry, when the entry after it was seen and says so.
    hash_after: Option<RunningHash>,
}

impl PageBuilder {
    fn new(window: Window, after: u64, until: u64) -> Self {
        Self { window, after, until, gap: None, entries: Vec::new(), bytes: 0, last: None, hash_after: None }
    }

    /// How much it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the next entry that is there; false when the page is full.
    fn push(&mut self, entry: TailEntry) -> bool {
        if entry.sequence > self.until {
            return false;
        }
        let expected = self.last.map_or(self.after, |(sequence, _)| sequence) + 1;
        if entry.sequence != expected {
            if self.last.is_some() {
                // A hole ends the page; the next one begins with it.
                return false;
            }
            self.gap = gap_before(&entry, expected);
        } else if self.last.is_some()
            && (self.entries.len() >= self.window.max_entries || self.bytes + entry.bytes() > self.window.max_bytes)
        {
            self.hash_after = Some(entry.previous);
            return false;
        }
        let TailEntry { sequence, header, payload, previous } = entry;
        self.bytes += header.len() + payload.len();
        self.entries.push(proto::Entry { header, payload, payload_hash: Bytes::new() });
        self.last = Some((sequence, previous));
        true
    }

    fn finish(self, head: &Head, readable_until: Option<u64>) -> Result<Page, Refusal> {
        let Self { window: _, after, until, mut gap, entries, bytes: _, last, hash_after } = self;
        let running_hash = match (last, entries.last()) {
            (Some((sequence, _)), _) if sequence == head.sequence => head.running_hash,
            (Some((_, previous)), Some(entry)) => hash_after.unwrap_or_else(|| previous.next(&entry.header, &payload_hash(&entry.payload))),
            _ if after == head.sequence => head.running_hash,
            _ if until == head.sequence => {
                // All that was left to read has been trimmed.
                let running_hash = head.running_hash.to_field();
                gap = Some(proto::Gap { first: after + 1, last: until, running_hash, commit_count: head.commit_count });
                head.running_hash
            }
            // A dropped seat whose last entries are trimmed: there is nothing more for it.
            _ => return Err(rules::seat_dropped()),
        };
        Ok(Page { gap, entries, head: until, running_hash, readable_until })
    }
}

/// The hole before an entry: whatever was trimmed, the entry says where the chain and the commits stood before it.
fn gap_before(entry: &TailEntry, first: u64) -> Option<proto::Gap> {
    let commit_count = HeaderFacts::parse(&entry.header).map_or(0, |facts| facts.commit_count);
    Some(proto::Gap { first, last: entry.sequence - 1, running_hash: entry.previous.to_field(), commit_count })
}
