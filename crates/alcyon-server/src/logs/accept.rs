//! Entries: appends, commits, leaves and the last one; and new logs.

use std::sync::Arc;

use alcyon_wire::{DoorId, EntryId, EntryKind, HeaderFacts, KnockLane, LogId, PayloadHash, RefusalCode, Seat, SeatChanges, SeatId, limits};
use bytes::Bytes;

use super::{
    Receipt,
    cells::{Cell, TailEntry},
    engine::{Engine, FirstAnswer, Staged, StagedChange, compact, put_record},
    records::{GroupInfoRecord, WeekRecord, door_key, encode_entry, entry_key, seat_key, week_of},
    requests::{Append, By, CreateRequest, EntryRequest, Fingerprint, created_as},
    rules,
    state::{Loaded, LogState},
};
use crate::{
    Refusal,
    store::{Store, Table},
};

/// A leave with a payload up to this size is free: whoever wants to go can.
const FREE_LEAVE_BYTES: usize = 4096;

/// After so many entries the head is written, so that not many have to be read to know it.
const HEAD_EVERY: u64 = 8;

/// An entry that has passed all rules.
pub(crate) struct NewEntry {
    pub kind: EntryKind,
    pub entry_id: EntryId,
    pub fingerprint: Fingerprint,
    pub payload: Bytes,
    pub payload_hash: PayloadHash,
    pub changes: SeatChanges,
    pub door: Option<DoorId>,
    pub lane: Option<KnockLane>,
}

impl<S: Store> Engine<S> {
    /// A new log for somebody who shows nothing but an address.
    pub fn create(&mut self, request: CreateRequest) -> Result<Receipt, Refusal> {
        let CreateRequest { log, seats, band, paid } = request;
        if let Some(at) = self.find(log)? {
            let head = &self.staged[at].state.head;
            if !head.inbox && head.created_as == created_as(&seats) {
                return Ok(Receipt { sequence: 0, time_ms: head.created_ms });
            }
            return Err(Refusal::never(RefusalCode::LogExists, "there is a log with this id"));
        }
        rules::check_first_seats(&seats)?;
        self.room_on_disk()?;
        self.may_pay(&paid)?;
        self.charge_create(band)?;
        self.pay(paid);
        self.begin_log(log, &seats, false)
    }

    /// Stages a log that is known not to be there.
    pub fn begin_log(&mut self, log: LogId, seats: &[Seat], inbox: bool) -> Result<Receipt, Refusal> {
        let mut state = LogState::new(log, self.now_ms, created_as(seats), inbox);
        let changes = SeatChanges { seats_added: seats.to_vec(), ..SeatChanges::default() };
        rules::apply(&mut state, &changes, None, 0);
        let loaded = Loaded { state: state.clone(), acks: Default::default(), pending: Default::default() };
        let at = self.stage(Arc::new(Cell::new(log, loaded)), state, StagedChange::Created);
        self.write_changes(at, &changes, None);
        Ok(Receipt { sequence: 0, time_ms: self.now_ms })
    }

    /// An application entry.
    pub fn append(&mut self, append: Append) -> Result<Receipt, Refusal> {
        let Append { log, seat, entry_id, payload, payload_hash, commit_count } = append;
        let fingerprint = *payload_hash.as_bytes();
        let at = self.at(log)?;
        rules::known_seat(&self.staged[at].state, seat)?;
        if let Some(first) = self.first_answer(at, entry_id, fingerprint)? {
            return Ok(first);
        }
        let state = &self.staged[at].state;
        rules::live(rules::known_seat(state, seat)?)?;
        rules::not_closed(state)?;
        rules::same_commit_count(state, commit_count)?;
        self.room(at, payload.len())?;
        self.charge_entry(at, seat, payload.len())?;
        let (changes, door, lane) = (SeatChanges::default(), None, None);
        let kind = EntryKind::Application;
        Ok(self.accept(at, NewEntry { kind, entry_id, fingerprint, payload, payload_hash, changes, door, lane }))
    }

    /// Any other entry.
    pub fn entry(&mut self, request: EntryRequest) -> Result<Receipt, Refusal> {
        let fingerprint = request.fingerprint();
        let at = self.at(request.log)?;
        let state = &self.staged[at].state;
        match request.by {
            By::Seat(id) => {
                rules::known_seat(state, id)?;
            }
            By::Door(id, secret) => {
                rules::known_door(state, id, secret)?;
            }
            By::Pass(_) | By::Stranger => rules::inbox(state)?,
        }
        if let Some(first) = self.first_answer(at, request.entry_id, fingerprint)? {
            return Ok(first);
        }
        self.check_entry(at, &request)?;
        let door = request.door();
        self.may_pay(&request.paid)?;
        let EntryRequest {
            log: _,
            by,
            kind,
            entry_id,
            payload,
            payload_hash,
            commit_count: _,
            changes,
            shown: _,
            group_info,
            keeper_stays: _,
            paid,
        } = request;
        self.pay(paid);
        let lane = match by {
            By::Pass(_) => Some(KnockLane::Pass),
            By::Stranger => Some(KnockLane::Stranger),
            By::Seat(_) | By::Door(..) => None,
        };
        let receipt = self.accept(at, NewEntry { kind, entry_id, fingerprint, payload, payload_hash, changes, door, lane });
        if !group_info.is_empty() {
            self.put_group_info(at, self.staged[at].state.head.commit_count, group_info);
        }
        if by == By::Stranger {
            self.staged[at].cell.usage().stranger_knocked(receipt.sequence, receipt.time_ms);
        }
        Ok(receipt)
    }

    fn check_entry(&mut self, at: usize, request: &EntryRequest) -> Result<(), Refusal> {
        let EntryRequest {
            log: _,
            by,
            kind,
            entry_id: _,
            payload,
            payload_hash: _,
            commit_count,
            changes,
            shown,
            group_info,
            keeper_stays,
            paid: _,
        } = request;
        let settings = &self.shared.settings;
        let state = &self.staged[at].state;
        let bytes = payload.len() + group_info.len();
        match *by {
            By::Seat(id) => {
                let seat = rules::known_seat(state, id)?;
                rules::live(seat)?;
                rules::not_closed(state)?;
                if let Some(commit_count) = commit_count {
                    rules::same_commit_count(state, *commit_count)?;
                }
                match kind {
                    EntryKind::Commit => rules::check_seat_commit(state, settings, seat, changes, shown)?,
                    EntryKind::Leave => {
                        rules::check_leave(state, seat, &changes.seats_dropped, shown)?;
                        if *keeper_stays {
                            rules::keeper_stays(state, &changes.seats_dropped)?;
                        }
                        if payload.len() <= FREE_LEAVE_BYTES {
                            return Ok(());
                        }
                    }
                    _ => rules::keeper(seat)?,
                }
                self.room(at, bytes)?;
                if *kind == EntryKind::Commit {
                    self.staged[at].cell.usage().charge_commit(&self.quotas, self.now_ms, id)?;
                }
                self.charge_entry(at, id, bytes)
            }
            By::Door(id, secret) => {
                let door = rules::known_door(state, id, secret)?;
                rules::open_door(door)?;
                rules::not_closed(state)?;
                if let Some(commit_count) = commit_count {
                    rules::same_commit_count(state, *commit_count)?;
                }
                rules::check_door_commit(state, settings, door, changes, shown)?;
                self.room(at, bytes)?;
                self.staged[at].cell.usage().charge_join(&self.quotas, self.now_ms)
            }
            By::Pass(pass) => {
                rules::not_closed(state)?;
                rules::known_pass(state, pass)?;
                self.room(at, bytes)?;
                self.staged[at].cell.usage().charge_pass(&self.quotas, self.now_ms, pass)
            }
            By::Stranger => {
                rules::not_closed(state)?;
                self.room(at, bytes)?;
                let cell = &self.staged[at].cell;
                let acknowledged = cell.highest_ack();
                cell.usage().check_stranger(&self.quotas, self.now_ms, acknowledged)
            }
        }
    }

    /// Whether the disk and the log have room.
    fn room(&self, at: usize, bytes: usize) -> Result<(), Refusal> {
        self.room_on_disk()?;
        let oldest_week = self.shared.oldest_week.load(std::sync::atomic::Ordering::Acquire);
        if self.staged[at].state.head.stored_bytes(oldest_week) + bytes as u64 > self.shared.settings.log_bytes {
            return Err(Refusal::later(RefusalCode::Quota, "the log is full until old entries go", 60 * 60 * 1000));
        }
        Ok(())
    }

    fn charge_entry(&self, at: usize, seat: SeatId, bytes: usize) -> Result<(), Refusal> {
        self.staged[at].cell.usage().charge_entry(&self.quotas, self.now_ms, seat, bytes as u64)
    }

    /// Stages an entry that has passed all rules.
    fn accept(&mut self, at: usize, entry: NewEntry) -> Receipt {
        let NewEntry { kind, entry_id, fingerprint, payload, payload_hash, changes, door, lane } = entry;
        let Staged { cell, state, keep_tail, moved, entries, dropped: _, change, head_due } = &mut self.staged[at];
        let head = &mut state.head;
        let log = cell.log;
        let sequence = head.sequence + 1;
        let time_ms = head.time_ms.max(self.now_ms);
        let commit_count = head.commit_count;
        let facts = HeaderFacts { sequence, kind, entry_id, time_ms, commit_count, changes, door, lane };
        let header = Bytes::from(facts.encode());
        let previous = head.running_hash;
        let bytes = (header.len() + payload.len()) as u64;
        let kept = matches!(kind, EntryKind::Commit | EntryKind::Leave | EntryKind::Close);
        let week = week_of(time_ms);
        let table = if kept { Table::Kept } else { Table::Entries(week) };
        self.batch.put_with(table, &entry_key(log, sequence), |buffer| encode_entry(buffer, &header, &payload, &previous));

        head.running_hash = previous.next(&header, &payload_hash);
        head.sequence = sequence;
        head.time_ms = time_ms;
        head.closed |= kind == EntryKind::Close;
        head.commit_count += u64::from(kind == EntryKind::Commit);
        if kept {
            head.kept += 1;
            head.kept_bytes += bytes;
            head.kept_last = sequence;
        } else if let Some(last) = head.weeks.last_mut().filter(|last| last.week == week) {
            last.bytes += bytes;
        } else {
            let oldest_week = self.shared.oldest_week.load(std::sync::atomic::Ordering::Acquire);
            head.weeks.retain(|one| one.week >= oldest_week);
            head.weeks.push(WeekRecord { week, first: sequence, bytes });
            *head_due = true;
        }
        *head_due |= kept || sequence - head.written >= HEAD_EVERY;
        if *change == StagedChange::None {
            *change = StagedChange::Changed;
        }
        *moved = true;
        if *keep_tail {
            entries.push(TailEntry { sequence, header, payload: compact(&payload), previous });
        }
        let HeaderFacts { changes, door, .. } = facts;
        if door.is_some() || !changes.is_empty() {
            let dropped = rules::apply(state, &changes, door, sequence);
            self.staged[at].dropped.extend(dropped);
            self.write_changes(at, &changes, door);
        }
        let receipt = Receipt { sequence, time_ms };
        self.remember(log, entry_id, FirstAnswer { receipt, fingerprint });
        receipt
    }

    /// Writes the rows of the seats and doors that an entry has touched.
    fn write_changes(&mut self, at: usize, changes: &SeatChanges, door: Option<DoorId>) {
        let SeatChanges { seats_added, seats_dropped, doors_added, doors_dropped } = changes;
        let Staged { cell, state, .. } = &self.staged[at];
        for id in seats_added.iter().map(|seat| &seat.id).chain(seats_dropped) {
            if let Some(seat) = state.seats.get(*id) {
                put_record(&mut self.batch, Table::Seats, &seat_key(cell.log, *id), &seat.to_record());
            }
        }
        for id in doors_added.iter().map(|door| &door.id).chain(doors_dropped).chain(&door) {
            if let Some(door) = state.doors.get(id) {
                put_record(&mut self.batch, Table::Doors, &door_key(cell.log, *id), &door.to_record());
            }
        }
    }

    /// Adds seats to an inbox without an entry: its devices are no group, and the manifest says who they are.
    pub fn add_inbox_seats(&mut self, at: usize, seats: Vec<Seat>) {
        let staged = &mut self.staged[at];
        let seats_added: Vec<_> = seats.into_iter().filter(|seat| staged.state.seats.get(seat.id).is_none()).collect();
        if seats_added.is_empty() {
            return;
        }
        let changes = SeatChanges { seats_added, ..SeatChanges::default() };
        let sequence = staged.state.head.sequence;
        rules::apply(&mut staged.state, &changes, None, sequence);
        staged.touch();
        self.write_changes(at, &changes, None);
    }

    /// Stores the GroupInfo of an epoch; the oldest one gives way.
    pub fn put_group_info(&mut self, at: usize, commit_count: u64, payload: Bytes) {
        self.staged[at].touch();
        let Staged { cell, state, .. } = &mut self.staged[at];
        let number = state.head.group_infos;
        state.head.group_infos += 1;
        put_record(&mut self.batch, Table::GroupInfos, &entry_key(cell.log, number), &GroupInfoRecord { commit_count, payload });
        if let Some(old) = number.checked_sub(limits::GROUP_INFOS_KEPT as u64) {
            self.batch.remove(Table::GroupInfos, &entry_key(cell.log, old));
        }
    }
}
