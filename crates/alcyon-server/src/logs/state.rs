//! What a log is, in memory: its head, seats, doors, passes and tree.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use alcyon_wire::{
    DoorId, DoorKind, DoorSecretHash, DropHash, EntryId, HeaderFacts, KnockLane, LogId, PassHash, RunningHash, SeatId, payload_hash,
};
use bytes::Bytes;

use super::records::{
    AckRecord, DoorRecord, EntryRecord, HeadRecord, SeatRecord, TreeRecord, WeekRecord, corrupt, decode, entry_key, head_key, number_of,
    parse_door_hash, parse_drop_hash,
};
use crate::store::{RowKey, Store, StoreError, Table};

/// The head of a log, checked.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub sequence: u64,
    /// The sequence in the row that was written last.
    pub written: u64,
    pub running_hash: RunningHash,
    pub commit_count: u64,
    pub time_ms: u64,
    pub created_ms: u64,
    pub created_as: Bytes,
    pub closed: bool,
    pub inbox: bool,
    pub kept: u64,
    pub kept_bytes: u64,
    pub kept_last: u64,
    pub weeks: Vec<WeekRecord>,
    pub group_infos: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct SeatState {
    pub id: SeatId,
    /// None once dropped.
    pub drop_hash: Option<DropHash>,
    pub keep: bool,
    pub invite: bool,
    pub added_at: u64,
    /// 0 while it lives.
    pub dropped_at: u64,
}

/// Seats in order of their ids, dropped ones included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seats(Vec<SeatState>);

#[derive(Debug, Clone)]
pub(crate) struct DoorState {
    pub secret_hash: DoorSecretHash,
    pub kind: DoorKind,
    /// Rights that a seat may have which comes in by it.
    pub keep: bool,
    pub invite: bool,
    pub added_at: u64,
    /// 0 while it is open.
    pub gone_at: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeState {
    pub upload: EntryId,
    pub chunks: u32,
    pub commit_count: u64,
    pub sequence: u64,
}

/// An upload of a tree that is under way. It does not outlive the process: the sender begins again at chunk 0.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    pub tree: TreeState,
    pub by: SeatId,
    pub next: u32,
    pub touched_ms: u64,
}

/// All of a log that is durable, cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LogState {
    pub head: Head,
    pub seats: Arc<Seats>,
    pub doors: Arc<HashMap<DoorId, DoorState>>,
    pub passes: Arc<HashSet<PassHash>>,
    pub tree: Option<TreeState>,
    pub upload: Option<Arc<Upload>>,
}

/// A log as the store has it.
pub(crate) struct Loaded {
    pub state: LogState,
    pub acks: HashMap<SeatId, u64>,
    /// Strangers' knocks after the last acknowledgement, with their times.
    pub pending: VecDeque<(u64, u64)>,
}

impl Head {
    pub fn from_record(record: HeadRecord) -> Result<Self, StoreError> {
        let HeadRecord {
            sequence,
            running_hash,
            commit_count,
            time_ms,
            created_ms,
            created_as,
            closed,
            inbox,
            kept,
            kept_bytes,
            kept_last,
            weeks,
            group_infos,
        } = record;
        let running_hash = RunningHash::parse(&running_hash, "head").map_err(|_| corrupt(Table::Heads))?;
        // Cut loose from the block it was read in.
        let created_as = Bytes::copy_from_slice(&created_as);
        Ok(Self {
            sequence,
            written: sequence,
            running_hash,
            commit_count,
            time_ms,
            created_ms,
            created_as,
            closed,
            inbox,
            kept,
            kept_bytes,
            kept_last,
            weeks,
            group_infos,
        })
    }

    pub fn to_record(&self) -> HeadRecord {
        let Self {
            sequence,
            written: _,
            running_hash,
            commit_count,
            time_ms,
            created_ms,
            created_as,
            closed,
            inbox,
            kept,
            kept_bytes,
            kept_last,
            weeks,
            group_infos,
        } = self;
        HeadRecord {
            sequence: *sequence,
            running_hash: running_hash.to_field(),
            commit_count: *commit_count,
            time_ms: *time_ms,
            created_ms: *created_ms,
            created_as: created_as.clone(),
            closed: *closed,
            inbox: *inbox,
            kept: *kept,
            kept_bytes: *kept_bytes,
            kept_last: *kept_last,
            weeks: weeks.clone(),
            group_infos: *group_infos,
        }
    }

    /// Stored bytes of this log, weeks that were dropped left out.
    pub fn stored_bytes(&self, oldest_week: u32) -> u64 {
        self.kept_bytes + self.weeks.iter().filter(|week| week.week >= oldest_week).map(|week| week.bytes).sum::<u64>()
    }
}

impl Seats {
    pub fn get(&self, id: SeatId) -> Option<&SeatState> {
        self.0.binary_search_by(|seat| seat.id.cmp(&id)).ok().and_then(|index| self.0.get(index))
    }

    pub fn get_mut(&mut self, id: SeatId) -> Option<&mut SeatState> {
        self.0.binary_search_by(|seat| seat.id.cmp(&id)).ok().and_then(|index| self.0.get_mut(index))
    }

    /// Adds a seat, or puts another state in the place of the one with this id.
    pub fn insert(&mut self, seat: SeatState) {
        match self.0.binary_search_by(|other| other.id.cmp(&seat.id)) {
            Ok(index) => self.0[index] = seat,
            Err(index) => self.0.insert(index, seat),
        }
    }

    pub fn live(&self) -> impl Iterator<Item = &SeatState> {
        self.0.iter().filter(|seat| seat.is_live())
    }
}

impl SeatState {
    pub fn is_live(&self) -> bool {
        self.dropped_at == 0
    }

    pub fn to_record(&self) -> SeatRecord {
        let Self { id: _, drop_hash, keep, invite, added_at, dropped_at } = self;
        SeatRecord {
            drop_hash: drop_hash.map(DropHash::to_field).unwrap_or_default(),
            keep: *keep,
            invite: *invite,
            added_at: *added_at,
            dropped_at: *dropped_at,
        }
    }
}

impl DoorState {
    pub fn is_open(&self) -> bool {
        self.gone_at == 0
    }

    pub fn to_record(&self) -> DoorRecord {
        let Self { secret_hash, kind, keep, invite, added_at, gone_at } = self;
        DoorRecord {
            secret_hash: secret_hash.to_field(),
            kind: (*kind).into(),
            keep: *keep,
            invite: *invite,
            added_at: *added_at,
            gone_at: *gone_at,
        }
    }
}

impl LogState {
    /// A log that begins now.
    pub fn new(log: LogId, created_ms: u64, created_as: Bytes, inbox: bool) -> Self {
        let head = Head::from_record(HeadRecord::new(log, created_ms, created_as, inbox)).expect("the start hash has its length");
        Self { head, seats: Arc::default(), doors: Arc::default(), passes: Arc::default(), tree: None, upload: None }
    }

    /// Reads a log; none if there is no such log.
    pub fn load<S: Store>(store: &S, log: LogId) -> Result<Option<Loaded>, StoreError> {
        let Some(head) = store.get(Table::Heads, &head_key(log))? else {
            return Ok(None);
        };
        let mut head = Head::from_record(decode(Table::Heads, head)?)?;
        catch_up(store, log, &mut head)?;
        let acks = load_acks(store, log)?;
        let pending = if head.inbox { load_pending(store, log, &head, &acks)? } else { VecDeque::new() };
        let tree = match store.get(Table::Trees, &head_key(log))? {
            Some(record) => Some(TreeState::from_record(decode(Table::Trees, record)?)?),
            None => None,
        };
        let state = Self {
            seats: Arc::new(load_seats(store, log)?),
            doors: Arc::new(load_doors(store, log)?),
            passes: Arc::new(if head.inbox { load_passes(store, log)? } else { HashSet::new() }),
            tree,
            upload: None,
            head,
        };
        Ok(Some(Loaded { state, acks, pending }))
    }
}

impl TreeState {
    fn from_record(TreeRecord { upload, chunks, commit_count, sequence }: TreeRecord) -> Result<Self, StoreError> {
        let upload = EntryId::parse(&upload, "tree").map_err(|_| corrupt(Table::Trees))?;
        Ok(Self { upload, chunks, commit_count, sequence })
    }

    pub fn to_record(self) -> TreeRecord {
        let Self { upload, chunks, commit_count, sequence } = self;
        TreeRecord { upload: upload.to_field(), chunks, commit_count, sequence }
    }
}

/// The rows of one log in a table.
pub(crate) fn rows_of<S: Store>(store: &S, table: Table, log: LogId) -> Result<crate::store::Rows<'_>, StoreError> {
    store.range(table, log.as_bytes(), &RowKey::after_prefix(log.as_bytes()))
}

/// Takes up the entries that came after the head was written: few, and all in its last week.
fn catch_up<S: Store>(store: &S, log: LogId, head: &mut Head) -> Result<(), StoreError> {
    let Some(week) = head.weeks.last_mut() else {
        return Ok(());
    };
    let table = Table::Entries(week.week);
    for row in store.range(table, &entry_key(log, head.sequence + 1), &entry_key(log, u64::MAX))? {
        let (key, value) = row?;
        let EntryRecord { header, payload, previous } = decode(table, value)?;
        if number_of(table, &key)? != head.sequence + 1 || previous[..] != head.running_hash.as_bytes()[..] {
            // Left over from an earlier log of this id.
            break;
        }
        let facts = HeaderFacts::parse(&header).map_err(|_| corrupt(table))?;
        head.running_hash = head.running_hash.next(&header, &payload_hash(&payload));
        head.sequence += 1;
        head.time_ms = facts.time_ms;
        week.bytes += (header.len() + payload.len()) as u64;
    }
    Ok(())
}

fn load_seats<S: Store>(store: &S, log: LogId) -> Result<Seats, StoreError> {
    let mut seats = Seats::default();
    for row in rows_of(store, Table::Seats, log)? {
        let (key, value) = row?;
        let SeatRecord { drop_hash, keep, invite, added_at, dropped_at } = decode(Table::Seats, value)?;
        let drop_hash = if dropped_at == 0 { Some(parse_drop_hash(&drop_hash)?) } else { None };
        let id = SeatId::parse(&key[LogId::LENGTH..], "seat").map_err(|_| corrupt(Table::Seats))?;
        seats.0.push(SeatState { id, drop_hash, keep, invite, added_at, dropped_at });
    }
    Ok(seats)
}

fn load_doors<S: Store>(store: &S, log: LogId) -> Result<HashMap<DoorId, DoorState>, StoreError> {
    let mut doors = HashMap::new();
    for row in rows_of(store, Table::Doors, log)? {
        let (key, value) = row?;
        let DoorRecord { secret_hash, kind, keep, invite, added_at, gone_at } = decode(Table::Doors, value)?;
        let id = DoorId::parse(&key[LogId::LENGTH..], "door").map_err(|_| corrupt(Table::Doors))?;
        let kind = DoorKind::try_from(kind).map_err(|_| corrupt(Table::Doors))?;
        doors.insert(id, DoorState { secret_hash: parse_door_hash(&secret_hash)?, kind, keep, invite, added_at, gone_at });
    }
    Ok(doors)
}

fn load_passes<S: Store>(store: &S, log: LogId) -> Result<HashSet<PassHash>, StoreError> {
    rows_of(store, Table::Passes, log)?
        .map(|row| PassHash::parse(&row?.0[LogId::LENGTH..], "pass").map_err(|_| corrupt(Table::Passes)))
        .collect()
}

fn load_acks<S: Store>(store: &S, log: LogId) -> Result<HashMap<SeatId, u64>, StoreError> {
    rows_of(store, Table::Acks, log)?
        .map(|row| {
            let (key, value) = row?;
            let seat = SeatId::parse(&key[LogId::LENGTH..], "seat").map_err(|_| corrupt(Table::Acks))?;
            let AckRecord { sequence } = decode(Table::Acks, value)?;
            Ok((seat, sequence))
        })
        .collect()
}

fn load_pending<S: Store>(store: &S, log: LogId, head: &Head, acks: &HashMap<SeatId, u64>) -> Result<VecDeque<(u64, u64)>, StoreError> {
    let acknowledged = acks.values().copied().max().unwrap_or(0);
    let mut pending = VecDeque::new();
    for week in &head.weeks {
        let table = Table::Entries(week.week);
        for row in store.range(table, &entry_key(log, acknowledged + 1), &entry_key(log, head.sequence + 1))? {
            let (key, value) = row?;
            let EntryRecord { header, payload: _, previous: _ } = decode(table, value)?;
            let facts = HeaderFacts::parse(&header).map_err(|_| corrupt(table))?;
            if facts.lane == Some(KnockLane::Stranger) {
                pending.push_back((number_of(table, &key)?, facts.time_ms));
            }
        }
    }
    Ok(pending)
}
