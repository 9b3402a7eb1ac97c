//! The writer's half of the logs: takes a group of requests, stages what they change, commits it once, and only then
//! answers and shows it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
};

use alcyon_wire::{EntryId, HeaderFacts, LogId, RefusalCode, SeatId, payload_hash};
use bytes::Bytes;
use prost::Message;

use super::{
    AddressBand, LogSettings, Receipt, ServerClock,
    cells::{Cell, Cells, TailEntry},
    pages::Pages,
    quota::Bucket,
    records::{EntryIdRecord, EntryRecord, corrupt, decode, entry_id_key, entry_key, head_key, period_of},
    requests::{Fingerprint, Job, Reply, fingerprint},
    results::{Results, Teller},
    state::LogState,
};
use crate::{
    Refusal,
    admission::{Class, Gate},
    directory::Overlay,
    observe::event,
    store::{Batch, RowKey, Store, StoreError, Table},
};

/// How often the free space of the disk is looked at, at the most.
const SPACE_EVERY_MS: u64 = 100;

/// What readers and the writer share.
pub(crate) struct Shared<S> {
    pub store: Arc<S>,
    pub settings: LogSettings,
    /// The same, but for what the operator changes while the server runs; rates and counts are read here.
    pub quotas: RwLock<LogSettings>,
    pub clock: Arc<dyn ServerClock>,
    pub cells: Cells,
    pub pages: Pages,
    /// Weeks before this one are gone from the store.
    pub oldest_week: AtomicU32,
    pub draining: AtomicBool,
    /// One of [`Health`].
    pub health: AtomicU8,
    /// Is told how long requests wait.
    pub gate: Option<Arc<Gate>>,
}

/// Whether the store takes writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Writing,
    /// The disk is full, or nearly: nothing is accepted, reads go on.
    DiskFull,
    /// A write failed: nothing is accepted until the store works again, reads go on.
    Failed,
}

pub(crate) struct Engine<S> {
    pub shared: Arc<Shared<S>>,
    /// The quotas this group of requests is held to.
    pub quotas: LogSettings,
    pub now_ms: u64,
    pub batch: Batch,
    pub overlay: Overlay,
    pub staged: Vec<Staged>,
    index: HashMap<LogId, usize>,
    entry_ids: HashMap<(LogId, EntryId), FirstAnswer>,
    results: Results,
    /// Of the request that is carried out.
    class: Class,
    teller: Teller,
    failure: Option<Failure>,
    space_checked_ms: Option<u64>,
    space_is_low: bool,
    creates: Option<Bucket>,
    creates_by_band: HashMap<AddressBand, Bucket>,
    tails: VecDeque<(Weak<Cell>, u64, usize)>,
    tail_bytes: usize,
    /// When a sweep last went through all logs.
    pub logs_swept_ms: Option<u64>,
}

/// A log with what this group of requests has changed so far.
pub(crate) struct Staged {
    pub cell: Arc<Cell>,
    pub state: LogState,
    /// Somebody follows: what is new stays in memory for them.
    pub keep_tail: bool,
    /// There are new entries.
    pub moved: bool,
    /// They, if they are kept in memory.
    pub entries: Vec<TailEntry>,
    pub dropped: Vec<SeatId>,
    pub change: StagedChange,
    /// The head has to be written: more than a few entries have come, or something else has changed.
    pub head_due: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StagedChange {
    None,
    Changed,
    Created,
    Removed,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstAnswer {
    pub receipt: Receipt,
    pub fingerprint: Fingerprint,
}

struct Failure {
    next_probe_ms: u64,
    /// Logs whose staged changes may or may not be in the store.
    doubtful: Vec<Arc<Cell>>,
}

impl Staged {
    /// Something other than an entry has changed.
    pub fn touch(&mut self) {
        if self.change == StagedChange::None {
            self.change = StagedChange::Changed;
        }
        self.head_due = true;
    }
}

impl<S> Shared<S> {
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Acquire) {
            0 => Health::Writing,
            1 => Health::DiskFull,
            _ => Health::Failed,
        }
    }

    fn set_health(&self, health: Health) {
        let number = match health {
            Health::Writing => 0,
            Health::DiskFull => 1,
            Health::Failed => 2,
        };
        self.health.store(number, Ordering::Release);
    }
}

impl<S: Store> Engine<S> {
    pub fn new(shared: Arc<Shared<S>>, teller: Teller) -> Self {
        Self {
            quotas: shared.settings.clone(),
            shared,
            now_ms: 0,
            batch: Batch::default(),
            overlay: Overlay::default(),
            staged: Vec::new(),
            index: HashMap::new(),
            entry_ids: HashMap::new(),
            results: Results::default(),
            class: Class::Live,
            teller,
            failure: None,
            space_checked_ms: None,
            space_is_low: false,
            creates: None,
            creates_by_band: HashMap::new(),
            tails: VecDeque::new(),
            tail_bytes: 0,
            logs_swept_ms: None,
        }
    }

    /// Carries out a group of requests with one commit.
    pub fn run(&mut self, jobs: impl Iterator<Item = Job>) {
        self.now_ms = self.shared.clock.now_ms();
        self.quotas.clone_from(&self.shared.quotas.read().unwrap_or_else(PoisonError::into_inner));
        let ready = self.ready();
        for job in jobs {
            match &ready {
                Ok(()) => self.carry_out(job),
                Err(refusal) => self.results.refuse(job, refusal.clone()),
            }
        }
        self.finish();
    }

    fn carry_out(&mut self, job: Job) {
        self.class = job.class();
        match job {
            Job::Append(append, reply) => {
                let result = self.append(append);
                self.results.receipts.push((reply, result));
            }
            Job::Entry(entry, reply) => {
                let result = self.entry(*entry);
                self.results.receipts.push((reply, result));
            }
            Job::Create(create, reply) => {
                let result = self.create(*create);
                self.results.receipts.push((reply, result));
            }
            Job::SetPasses(passes, reply) => {
                let result = self.set_passes(*passes);
                self.settle(reply, result);
            }
            Job::PutTree(tree, reply) => {
                let result = self.put_tree(*tree);
                self.settle(reply, result);
            }
            Job::Directory(job) => self.directory(*job),
            Job::Own(name, value, reply) => {
                self.batch.put(Table::Own, name.as_bytes(), &value);
                self.settle(reply, Ok(()));
            }
            Job::Sweep(step, reply) => {
                let result = self.sweep(step);
                self.settle(reply, result);
            }
            Job::Barrier(reply) => self.settle(reply, Ok(())),
        }
    }

    /// Answers once this group is durable.
    pub fn settle<T: Send + 'static, E: From<Refusal> + Send + 'static>(&mut self, reply: Reply<T, E>, result: Result<T, E>) {
        self.results.settle(self.class, reply, result);
    }

    /// The place of a log among the staged ones; none if there is no such log.
    pub fn find(&mut self, log: LogId) -> Result<Option<usize>, Refusal> {
        if let Some(at) = self.index.get(&log) {
            return Ok(Some(*at).filter(|at| self.staged[*at].change != StagedChange::Removed));
        }
        let cell = self.shared.cells.get(&*self.shared.store, log).map_err(|error| read_failed(&error))?;
        Ok(cell.map(|cell| {
            let state = cell.state();
            self.stage(cell, state, StagedChange::None)
        }))
    }

    /// The place of a log that has to be there.
    pub fn at(&mut self, log: LogId) -> Result<usize, Refusal> {
        self.find(log)?.ok_or_else(unknown_log)
    }

    pub fn stage(&mut self, cell: Arc<Cell>, state: LogState, change: StagedChange) -> usize {
        let at = self.staged.len();
        self.index.insert(cell.log, at);
        let keep_tail = !cell.followers.is_empty();
        self.staged.push(Staged {
            cell,
            state,
            keep_tail,
            moved: false,
            entries: Vec::new(),
            dropped: Vec::new(),
            change,
            head_due: false,
        });
        at
    }

    /// The first answer to an entry id, if it is known; refused if other bytes came under it then.
    pub fn first_answer(&self, at: usize, entry_id: EntryId, fingerprint: Fingerprint) -> Result<Option<Receipt>, Refusal> {
        let Some(first) = self.find_first_answer(at, entry_id)? else {
            return Ok(None);
        };
        if first.fingerprint == fingerprint {
            Ok(Some(first.receipt))
        } else {
            Err(Refusal::never(RefusalCode::EntryIdReused, "other bytes were accepted under this entry id"))
        }
    }

    fn find_first_answer(&self, at: usize, entry_id: EntryId) -> Result<Option<FirstAnswer>, Refusal> {
        let Staged { cell, state, .. } = &self.staged[at];
        let failed = |error: StoreError| read_failed(&error);
        if let Some(first) = self.entry_ids.get(&(cell.log, entry_id)) {
            return Ok(Some(*first));
        }
        let head = &state.head;
        if head.sequence == 0 {
            return Ok(None);
        }
        let now_ms = head.time_ms.max(self.now_ms);
        let since_ms = now_ms.saturating_sub(self.shared.retention_ms()).max(head.created_ms);
        let key = entry_id_key(cell.log, entry_id);
        for period in (period_of(since_ms)..=period_of(head.time_ms)).rev() {
            let table = Table::EntryIds(period);
            if let Some(record) = self.shared.store.get(table, &key).map_err(failed)? {
                let EntryIdRecord { sequence } = decode(table, record).map_err(failed)?;
                return self.answer_of_entry(at, sequence, entry_id).map_err(failed);
            }
        }
        Ok(None)
    }

    /// What was answered when an entry came; none if it is gone, or is another one (of an earlier log of this id).
    fn answer_of_entry(&self, at: usize, sequence: u64, entry_id: EntryId) -> Result<Option<FirstAnswer>, StoreError> {
        let Staged { cell, state, .. } = &self.staged[at];
        if sequence > state.head.sequence {
            return Ok(None);
        }
        let week = state.head.weeks.iter().rev().find(|week| week.first <= sequence).map(|week| Table::Entries(week.week));
        for table in week.into_iter().chain([Table::Kept]) {
            if let Some(record) = self.shared.store.get(table, &entry_key(cell.log, sequence))? {
                let EntryRecord { header, payload, previous: _ } = decode(table, record)?;
                let facts = HeaderFacts::parse(&header).map_err(|_| corrupt(table))?;
                let receipt = Receipt { sequence, time_ms: facts.time_ms };
                let fingerprint = fingerprint(facts.kind, &payload_hash(&payload), &facts.changes, facts.door);
                return Ok((facts.entry_id == entry_id).then_some(FirstAnswer { receipt, fingerprint }));
            }
        }
        Ok(None)
    }

    /// Remembers the first answer to an entry id.
    pub fn remember(&mut self, log: LogId, entry_id: EntryId, first: FirstAnswer) {
        let Receipt { sequence, time_ms } = first.receipt;
        let record = EntryIdRecord { sequence };
        put_record(&mut self.batch, Table::EntryIds(period_of(time_ms)), &entry_id_key(log, entry_id), &record);
        self.entry_ids.insert((log, entry_id), first);
    }

    /// Counts a new log against the limits of its address band and of all.
    pub fn charge_create(&mut self, band: AddressBand) -> Result<(), Refusal> {
        let LogSettings { creates, creates_per_band, .. } = self.quotas;
        let now_ms = self.now_ms;
        let all = self.creates.get_or_insert_with(|| Bucket::full(creates, now_ms));
        let too_many = |wait| Refusal::later(RefusalCode::TooMany, "too many logs were created from here", wait);
        if self.creates_by_band.len() > 100_000 {
            // Whoever is full again is like new.
            self.creates_by_band.retain(|_, bucket| bucket.check(creates_per_band, now_ms, creates_per_band.burst, 0.0).is_err());
        }
        let band = self.creates_by_band.entry(band).or_insert_with(|| Bucket::full(creates_per_band, now_ms));
        band.check(creates_per_band, now_ms, 1.0, 0.0).map_err(too_many)?;
        all.check(creates, now_ms, 1.0, 0.0).map_err(too_many)?;
        band.take(1.0);
        all.take(1.0);
        Ok(())
    }

    /// Refuses what would fill the disk. Reads, leaves, the end of a log and sweeping go on as long as there is any space.
    pub fn room_on_disk(&self) -> Result<(), Refusal> {
        if self.space_is_low { Err(disk_full()) } else { Ok(()) }
    }

    /// Whether writes can be tried at all: after a failed one, now and then.
    fn ready(&mut self) -> Result<(), Refusal> {
        self.look_at_space();
        let Some(failure) = &mut self.failure else {
            return Ok(());
        };
        let refusal = if self.space_is_low { disk_full() } else { Refusal::internal() };
        if self.space_is_low || self.now_ms < failure.next_probe_ms {
            // A clock that was set back must not stop the probing.
            let wait = u64::try_from(self.shared.settings.probe_every.as_millis()).unwrap_or(u64::MAX);
            failure.next_probe_ms = failure.next_probe_ms.min(self.now_ms.saturating_add(wait));
            return Err(refusal);
        }
        match self.recover() {
            Ok(()) => Ok(()),
            Err(error) => {
                event!(ERROR, "the store does not work yet", error = &error);
                self.failed(&error);
                Err(refusal)
            }
        }
    }

    fn recover(&mut self) -> Result<(), StoreError> {
        let Some(failure) = &self.failure else {
            return Ok(());
        };
        let Shared { store, cells, .. } = &*self.shared;
        store.recover()?;
        for cell in &failure.doubtful {
            let loaded = LogState::load(&**store, cell.log)?;
            if loaded.is_none() {
                cells.remove(cell.log);
            }
            cell.reload(loaded);
            cell.followers.moved(cell.log, &[]);
        }
        event!(INFO, "the store works again");
        self.failure = None;
        self.shared.set_health(Health::Writing);
        Ok(())
    }

    fn look_at_space(&mut self) {
        if self.space_checked_ms.is_some_and(|at| self.now_ms.abs_diff(at) < SPACE_EVERY_MS) && self.batch.bytes() == 0 {
            return;
        }
        self.space_checked_ms = Some(self.now_ms);
        let Shared { store, settings, .. } = &*self.shared;
        // An error says nothing about space: the next write will tell.
        let low = store.free_bytes().is_ok_and(|free| free < settings.disk_reserve);
        if low != self.space_is_low {
            self.space_is_low = low;
            event!(WARN, "free space on the disk has passed the reserve", low = low);
        }
        if self.failure.is_none() {
            self.shared.set_health(if low { Health::DiskFull } else { Health::Writing });
        }
    }

    fn failed(&mut self, error: &StoreError) -> Refusal {
        let wait = u64::try_from(self.shared.settings.probe_every.as_millis()).unwrap_or(u64::MAX);
        let next_probe_ms = self.now_ms.saturating_add(wait);
        let full = matches!(error, StoreError::Full);
        self.failure.get_or_insert_with(|| Failure { next_probe_ms, doubtful: Vec::new() }).next_probe_ms = next_probe_ms;
        self.shared.set_health(if full { Health::DiskFull } else { Health::Failed });
        // Look anew before the next try.
        self.space_checked_ms = None;
        if full { disk_full() } else { Refusal::internal() }
    }

    fn finish(&mut self) {
        for Staged { cell, state, change, head_due, .. } in &mut self.staged {
            if *change == StagedChange::Created || *change == StagedChange::Changed && *head_due {
                state.head.written = state.head.sequence;
                put_record(&mut self.batch, Table::Heads, &head_key(cell.log), &state.head.to_record());
            }
        }
        let result = if self.batch.is_empty() { Ok(()) } else { self.shared.store.commit(&self.batch) };
        match result {
            Ok(()) => self.publish(),
            Err(error) => {
                event!(ERROR, "a write failed, nothing of it was acknowledged", error = &error);
                let refusal = self.failed(&error);
                let doubtful = self.staged.drain(..).filter(|one| one.change != StagedChange::None).map(|one| one.cell);
                if let Some(failure) = &mut self.failure {
                    failure.doubtful.extend(doubtful);
                }
                self.results.failure = Some(refusal);
            }
        }
        self.teller.tell(std::mem::take(&mut self.results));
        self.batch.clear();
        self.overlay.clear();
        self.staged.clear();
        self.index.clear();
        self.entry_ids.clear();
    }

    /// A row as this group of requests sees it.
    pub fn row(&self, table: Table, key: &RowKey) -> Result<Option<Bytes>, Refusal> {
        if let Some(row) = self.overlay.get(&(table, key.to_vec())) {
            return Ok(row.clone());
        }
        self.shared.store.get(table, key).map_err(|error| read_failed(&error))
    }

    /// Stages a row, for this group of requests to see.
    pub fn put_bytes(&mut self, table: Table, key: &RowKey, value: Bytes) {
        self.batch.put(table, key, &value);
        self.overlay.insert((table, key.to_vec()), Some(value));
    }

    /// Answers without trying.
    pub fn refuse(&self, jobs: impl IntoIterator<Item = (Job, Refusal)>) {
        let mut results = Results::default();
        for (job, refusal) in jobs {
            results.refuse(job, refusal);
        }
        self.teller.tell(results);
    }

    /// Shows what is durable now.
    fn publish(&mut self) {
        for Staged { cell, state, keep_tail, moved, entries, dropped, change, head_due: _ } in self.staged.drain(..) {
            match change {
                StagedChange::None => continue,
                StagedChange::Removed => {
                    cell.published().removed = true;
                    self.shared.cells.remove(cell.log);
                    self.shared.pages.clear();
                    continue;
                }
                StagedChange::Created | StagedChange::Changed => {}
            }
            let cell = if change == StagedChange::Created { self.shared.cells.insert(cell) } else { cell };
            let mut published = cell.published();
            published.state = state;
            if keep_tail {
                for entry in entries {
                    self.tail_bytes += entry.bytes();
                    self.tails.push_back((Arc::downgrade(&cell), entry.sequence, entry.bytes()));
                    published.tail.push_back(entry);
                }
            } else if moved {
                // What is in it must reach up to the head.
                published.tail.clear();
            }
            drop(published);
            if moved {
                self.results.moved.push((cell, dropped));
            }
        }
        self.trim_tails();
    }

    fn trim_tails(&mut self) {
        while self.tail_bytes > self.shared.settings.tail_bytes {
            let Some((cell, sequence, bytes)) = self.tails.pop_front() else {
                return;
            };
            self.tail_bytes -= bytes;
            if let Some(cell) = cell.upgrade() {
                let mut published = cell.published();
                if published.tail.front().is_some_and(|entry| entry.sequence == sequence) {
                    published.tail.pop_front();
                }
            }
        }
    }
}

impl<S> Shared<S> {
    pub fn retention_ms(&self) -> u64 {
        u64::try_from(self.settings.retention.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Sets a row to a record.
pub(crate) fn put_record(batch: &mut Batch, table: Table, key: &[u8], record: &impl Message) {
    batch.put_with(table, key, |buffer| record.encode(buffer).expect("a vector grows as needed"));
}

/// A copy that does not hold on to the larger buffer a small payload arrived in.
pub(crate) fn compact(payload: &Bytes) -> Bytes {
    if payload.len() <= 4096 { Bytes::copy_from_slice(payload) } else { payload.clone() }
}

/// The store could not be read.
pub(crate) fn read_failed(error: &StoreError) -> Refusal {
    event!(ERROR, "a read failed", error = error);
    Refusal::internal()
}

pub(crate) fn unknown_log() -> Refusal {
    Refusal::never(RefusalCode::UnknownLog, "there is no such log")
}

fn disk_full() -> Refusal {
    Refusal::later(RefusalCode::DiskFull, "the server's disk is full", 10_000)
}
