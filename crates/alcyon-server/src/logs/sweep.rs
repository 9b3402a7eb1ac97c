//! Retention: what is past its time goes, and what was put off is written.
//!
//! A sweep is a row of small steps that the writer takes between groups of requests.

use std::sync::atomic::Ordering;

use alcyon_wire::{HeaderFacts, LogId};

use super::{
    DAY_MS,
    engine::{Engine, Staged, StagedChange, put_record, read_failed},
    records::{AckRecord, EntryRecord, HeadRecord, corrupt, decode, end_of, entry_key, number_of, seat_key, week_of},
    state::{LogState, rows_of},
};
use crate::{
    Refusal,
    store::{RowKey, Store, StoreError, Table},
};

/// Logs looked at in one step.
const LOGS_A_STEP: usize = 256;
/// Commits of one log deleted in one step.
const COMMITS_A_STEP: usize = 256;
/// How often a sweep goes through all logs.
const LOGS_EVERY_MS: u64 = 60 * 60 * 1000;

/// The next step of a sweep.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SweepStep {
    /// Dated tables whose time has passed.
    Tables,
    /// Acknowledgements that lie in memory alone.
    Acks,
    /// Logs from this key on.
    Logs(Option<RowKey>),
    /// KeyPackages that were handed out long ago, from this key on.
    Claimed(Option<RowKey>),
    /// Logs in memory that nobody uses.
    Memory,
}

impl<S: Store> Engine<S> {
    /// Takes a step; returns the next one.
    pub fn sweep(&mut self, step: SweepStep) -> Result<Option<SweepStep>, Refusal> {
        let failed = |error: StoreError| read_failed(&error);
        Ok(match step {
            SweepStep::Tables => {
                self.sweep_tables().map_err(failed)?;
                Some(SweepStep::Acks)
            }
            SweepStep::Acks => {
                self.write_acks();
                if self.logs_swept_ms.is_some_and(|at| self.now_ms.abs_diff(at) < LOGS_EVERY_MS) {
                    Some(SweepStep::Memory)
                } else {
                    self.logs_swept_ms = Some(self.now_ms);
                    Some(SweepStep::Logs(None))
                }
            }
            SweepStep::Logs(from) => match self.sweep_logs(from)? {
                Some(next) => Some(SweepStep::Logs(Some(next))),
                None => Some(SweepStep::Claimed(None)),
            },
            SweepStep::Claimed(from) => match self.sweep_claimed(from).map_err(failed)? {
                Some(next) => Some(SweepStep::Claimed(Some(next))),
                None => Some(SweepStep::Memory),
            },
            SweepStep::Memory => {
                self.shared.cells.shrink(self.shared.settings.logs_in_memory);
                None
            }
        })
    }

    fn sweep_tables(&mut self) -> Result<(), StoreError> {
        let retention_ms = self.shared.retention_ms();
        let past = |end_ms: u64| end_ms.saturating_add(retention_ms) <= self.now_ms;
        // First readers and quotas look past it, then it goes.
        let mut oldest_week = week_of(self.now_ms.saturating_sub(retention_ms));
        while oldest_week > 0 && !end_of(Table::Entries(oldest_week - 1)).is_some_and(past) {
            oldest_week -= 1;
        }
        self.shared.oldest_week.fetch_max(oldest_week, Ordering::AcqRel);
        for table in self.shared.store.dated_tables()? {
            let gone = match table {
                // No stamp of that key is honoured any more; a day for clocks that are set back.
                Table::SpentStamps(_) => end_of(table).is_some_and(|end_ms| end_ms.saturating_add(DAY_MS) <= self.now_ms),
                _ => end_of(table).is_some_and(past),
            };
            if gone {
                self.shared.store.drop_table(table)?;
                self.shared.pages.clear();
            }
        }
        Ok(())
    }

    fn write_acks(&mut self) {
        for cell in self.shared.cells.all() {
            let unwritten = cell.take_unwritten_acks();
            if unwritten.is_empty() || cell.published().removed {
                continue;
            }
            for (seat, sequence) in unwritten {
                put_record(&mut self.batch, Table::Acks, &seat_key(cell.log, seat), &AckRecord { sequence });
            }
        }
    }

    fn sweep_logs(&mut self, from: Option<RowKey>) -> Result<Option<RowKey>, Refusal> {
        let failed = |error: StoreError| read_failed(&error);
        let store = self.shared.store.clone();
        let end = RowKey::after_prefix(&[0xFF; LogId::LENGTH]);
        let from = from.unwrap_or_else(|| RowKey::of(&[]));
        let mut rows = store.range(Table::Heads, &from, &end).map_err(failed)?;
        let mut due = Vec::new();
        for _ in 0..LOGS_A_STEP {
            let Some(row) = rows.next() else {
                break;
            };
            let (key, value) = row.map_err(failed)?;
            let head: HeadRecord = decode(Table::Heads, value).map_err(failed)?;
            if self.is_due(&head) {
                due.push(LogId::parse(&key, "log").map_err(|_| failed(corrupt(Table::Heads)))?);
            }
        }
        let next = match rows.next() {
            Some(row) => Some(row.map_err(failed)?.0),
            None => None,
        };
        drop(rows);
        for log in due {
            self.sweep_log(log)?;
        }
        Ok(next)
    }

    /// A look that does not load the log: whether anything of it could be past its time.
    fn is_due(&self, head: &HeadRecord) -> bool {
        let old = |time_ms: u64| time_ms.saturating_add(self.shared.retention_ms()) <= self.now_ms;
        old(head.time_ms.max(head.created_ms)) && !head.inbox
            || head.kept > self.shared.settings.commits_kept
            || head.kept > 0 && old(head.created_ms)
    }

    fn sweep_log(&mut self, log: LogId) -> Result<(), Refusal> {
        let Some(at) = self.find(log)? else {
            return Ok(());
        };
        let state = &self.staged[at].state;
        let idle_ms = self.now_ms.saturating_sub(state.head.time_ms.max(state.head.created_ms));
        let alone = state.seats.live().count() <= 1 && idle_ms >= self.shared.retention_ms();
        let over = state.head.closed && idle_ms >= self.commit_retention_ms();
        if !state.head.inbox && (alone || over) { self.remove_log(at) } else { self.trim_kept(at) }.map_err(|error| read_failed(&error))
    }

    /// Deletes a log. Its entries lie in weeks that are gone or go soon; nothing leads there any more.
    pub(crate) fn remove_log(&mut self, at: usize) -> Result<(), StoreError> {
        let Staged { cell, change, .. } = &mut self.staged[at];
        *change = StagedChange::Removed;
        let log = cell.log;
        for table in [
            Table::Heads,
            Table::Seats,
            Table::Doors,
            Table::Kept,
            Table::GroupInfos,
            Table::Trees,
            Table::TreeChunks,
            Table::Acks,
            Table::Passes,
        ] {
            for row in rows_of(&*self.shared.store, table, log)? {
                self.batch.remove(table, &row?.0);
            }
        }
        Ok(())
    }

    /// Deletes the oldest kept entries: those that all have read, that no joiner needs and that are past the retention; and
    /// whatever is over the limits of age and number.
    fn trim_kept(&mut self, at: usize) -> Result<(), StoreError> {
        let retention_ms = self.shared.retention_ms();
        let commit_retention_ms = self.commit_retention_ms();
        let Staged { cell, state, change, head_due, .. } = &mut self.staged[at];
        let unneeded = last_unneeded(state, |seat| cell.ack_of(seat));
        let (log, head) = (cell.log, &mut state.head);
        let table = Table::Kept;
        let (from, to) = (entry_key(log, 0), entry_key(log, head.sequence + 1));
        for row in self.shared.store.range(table, &from, &to)?.take(COMMITS_A_STEP) {
            let (key, value) = row?;
            let EntryRecord { header, payload, previous: _ } = decode(table, value)?;
            let facts = HeaderFacts::parse(&header).map_err(|_| corrupt(table))?;
            let age_ms = self.now_ms.saturating_sub(facts.time_ms);
            let sequence = number_of(table, &key)?;
            let goes = head.kept > self.shared.settings.commits_kept
                || age_ms >= commit_retention_ms
                || age_ms >= retention_ms && sequence <= unneeded;
            // The newest stays: it may be the one that dropped a seat, or the last of all.
            if !goes || sequence == head.kept_last {
                break;
            }
            self.batch.remove(table, &key);
            head.kept -= 1;
            head.kept_bytes = head.kept_bytes.saturating_sub((header.len() + payload.len()) as u64);
            *change = StagedChange::Changed;
            *head_due = true;
        }
        Ok(())
    }

    fn commit_retention_ms(&self) -> u64 {
        u64::try_from(self.shared.settings.commit_retention.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The last sequence that neither a seat nor somebody who comes in by a door has to read.
fn last_unneeded(state: &LogState, ack_of: impl Fn(alcyon_wire::SeatId) -> u64) -> u64 {
    let seats = state.seats.live().map(|seat| ack_of(seat.id).max(seat.added_at));
    let doors = state.doors.values().filter(|door| door.is_open()).map(|door| door.added_at.saturating_sub(1));
    let tree = state.tree.map(|tree| tree.sequence);
    seats.chain(doors).chain(tree).min().unwrap_or(state.head.sequence)
}
