//! The logs against a simple model, over a store that fails or stops at any write: what was acknowledged stays, in order
//! and under the same hashes; what was not may or may not be there, whole.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

use alcyon_wire::Verdict;
use proptest::{collection::vec, option::weighted, prelude::*};

use super::*;
use crate::{admission::queue::Lane, store::Fault};

/// Seat 0 keeps, invites, and is never dropped: it looks on.
const SEATS: u8 = 6;
const DOORS: u8 = 3;

#[derive(Debug, Clone)]
enum Step {
    Ask(Ask),
    Restart,
    Sweep,
}

#[derive(Debug, Clone, PartialEq)]
struct Ask {
    by: Right,
    kind: EntryKind,
    entry: u64,
    /// Other bytes than usual under this entry id.
    odd: bool,
    /// Behind the log's commit count.
    lag: u64,
    change: Change,
    /// The drop secret shown is this seat's.
    shows: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Right {
    Seat(u8),
    Door(u8),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    None,
    /// With the drop secret of that number.
    AddSeat {
        seat: u8,
        keep: bool,
        drops: u8,
    },
    DropSeat(u8),
    AddDoor {
        door: u8,
        link: bool,
    },
    DropDoor(u8),
}

/// The log as the rules of the protocol say.
#[derive(Debug, Clone, Default)]
struct Model {
    entries: Vec<(EntryKind, Bytes)>,
    commits: u64,
    closed: bool,
    seats: BTreeMap<u8, ModelSeat>,
    /// Whether a link, and whether gone.
    doors: BTreeMap<u8, (bool, bool)>,
    known: HashMap<u64, (u64, Ask)>,
}

#[derive(Debug, Clone)]
struct ModelSeat {
    keep: bool,
    live: bool,
    drops: u8,
}

impl Ask {
    fn by_seat(&self) -> Option<u8> {
        if let Right::Seat(seat) = self.by { Some(seat) } else { None }
    }
}

impl Model {
    fn new() -> Self {
        let seats = (0..3).map(|n| (n, ModelSeat { keep: n == 0, live: true, drops: n })).collect();
        Self { seats, ..Self::default() }
    }

    fn expect(&self, ask: &Ask) -> Result<u64, RefusalCode> {
        let live = match ask.by {
            Right::Seat(n) => self.seats.get(&n).ok_or(RefusalCode::WrongSeat)?.live,
            Right::Door(n) => !self.doors.get(&n).ok_or(RefusalCode::WrongDoor)?.1,
        };
        if let Some((sequence, first)) = self.known.get(&ask.entry) {
            return if same_request(first, ask) { Ok(*sequence) } else { Err(RefusalCode::EntryIdReused) };
        }
        match ask.by {
            Right::Seat(_) if !live => return Err(RefusalCode::SeatDropped),
            Right::Door(_) if !live => return Err(RefusalCode::WrongDoor),
            _ => {}
        }
        if self.closed {
            return Err(RefusalCode::Closed);
        }
        if ask.kind != EntryKind::Leave && self.claimed(ask) != self.commits {
            return Err(RefusalCode::Stale);
        }
        self.expect_change(ask)?;
        Ok(self.entries.len() as u64 + 1)
    }

    fn claimed(&self, ask: &Ask) -> u64 {
        self.commits.saturating_sub(ask.lag)
    }

    fn expect_change(&self, ask: &Ask) -> Result<(), RefusalCode> {
        let keep = match ask.by {
            Right::Seat(n) => self.seats[&n].keep,
            Right::Door(_) => false,
        };
        let malformed = match ask.change {
            Change::AddSeat { seat, .. } => self.seats.contains_key(&seat),
            Change::DropSeat(seat) => !self.seats.contains_key(&seat),
            Change::AddDoor { door, .. } => self.doors.contains_key(&door),
            Change::DropDoor(door) => !self.doors.contains_key(&door),
            Change::None => false,
        };
        let may_drop = |seat: u8| Right::Seat(seat) == ask.by || !self.seats[&seat].live || ask.shows == self.seats[&seat].drops;
        match (ask.kind, ask.by) {
            (EntryKind::Application, _) => Ok(()),
            (EntryKind::Close, _) => keep.then_some(()).ok_or(RefusalCode::NoRight),
            (EntryKind::Leave, _) => match ask.change {
                Change::DropSeat(seat) if malformed || !self.seats[&seat].live => Err(RefusalCode::Malformed),
                Change::DropSeat(seat) => may_drop(seat).then_some(()).ok_or(RefusalCode::NoRight),
                _ => Err(RefusalCode::Malformed),
            },
            _ if malformed => Err(RefusalCode::Malformed),
            (_, Right::Seat(_)) => match ask.change {
                _ if keep => Ok(()),
                Change::None => Ok(()),
                Change::DropSeat(seat) if may_drop(seat) => Ok(()),
                // One of the same account.
                Change::AddSeat { keep: false, drops, .. } if ask.by_seat().is_some_and(|by| self.seats[&by].drops == drops) => Ok(()),
                _ => Err(RefusalCode::NoRight),
            },
            (_, Right::Door(_)) => match ask.change {
                Change::AddSeat { keep: false, .. } => Ok(()),
                Change::AddSeat { .. } => Err(RefusalCode::NoRight),
                _ => Err(RefusalCode::Malformed),
            },
        }
    }

    fn apply(&mut self, ask: &Ask) {
        let sequence = self.entries.len() as u64 + 1;
        self.entries.push((ask.kind, bytes_of(ask)));
        self.known.insert(ask.entry, (sequence, ask.clone()));
        self.commits += u64::from(ask.kind == EntryKind::Commit);
        self.closed |= ask.kind == EntryKind::Close;
        if !matches!(ask.kind, EntryKind::Commit | EntryKind::Leave) {
            return;
        }
        match ask.change {
            Change::None => {}
            Change::AddSeat { seat, keep, drops } => {
                self.seats.insert(seat, ModelSeat { keep, live: true, drops });
            }
            Change::DropSeat(seat) => self.seats.get_mut(&seat).unwrap().live = false,
            Change::AddDoor { door, link } => {
                self.doors.insert(door, (link, false));
            }
            Change::DropDoor(door) => self.doors.get_mut(&door).unwrap().1 = true,
        }
        if let Right::Door(door) = ask.by {
            let (link, gone) = self.doors.get_mut(&door).unwrap();
            *gone |= !*link;
        }
    }
}

fn same_request(one: &Ask, other: &Ask) -> bool {
    let changes = |ask: &Ask| (matches!(ask.kind, EntryKind::Commit | EntryKind::Leave)).then_some(ask.change);
    let door = |ask: &Ask| matches!(ask.by, Right::Door(_)).then_some(ask.by);
    one.kind == other.kind && one.odd == other.odd && changes(one) == changes(other) && door(one) == door(other)
}

fn bytes_of(ask: &Ask) -> Bytes {
    if ask.odd { Bytes::from(format!("odd {}", ask.entry)) } else { payload(ask.entry) }
}

fn changes_of(change: Change) -> SeatChanges {
    let log = log_id(7);
    match change {
        Change::None => SeatChanges::default(),
        Change::AddSeat { seat: n, keep, drops } => {
            adding(vec![Seat { drop_hash: drop_secret(drops).hash(log), ..seat(log, n, keep, false) }])
        }
        Change::DropSeat(n) => dropping(vec![key(log, n).seat_id()]),
        Change::AddDoor { door: n, link } => opening(vec![door(log, n, if link { DoorKind::Link } else { DoorKind::Account })]),
        Change::DropDoor(n) => SeatChanges { doors_dropped: vec![DoorId::from([n; 16])], ..SeatChanges::default() },
    }
}

/// The server, the model, and the faults that are still to come.
struct Run {
    server: Server,
    model: Model,
    plan: Arc<Mutex<std::vec::IntoIter<Option<Fault>>>>,
    /// Headers of all entries that were seen: none of them may ever change.
    seen: Vec<HeaderFacts>,
}

impl Run {
    async fn new(faults: Vec<Option<Fault>>) -> Self {
        let (disk, clock) = (Arc::new(MemoryStore::default()), Arc::new(ManualClock::new(START_MS)));
        let server = Server::over(disk, clock, generous());
        let seats = (0..3).map(|n| seat(log_id(7), n, n == 0, n == 0)).collect();
        server.logs.create(log_id(7), seats, band()).await.unwrap();
        let mut run = Self { server, model: Model::new(), plan: Arc::new(Mutex::new(faults.into_iter())), seen: Vec::new() };
        run.restart();
        run
    }

    fn restart(&mut self) {
        let plan = self.plan.clone();
        let disk = self.server.disk.clone();
        let clock = self.server.clock.clone();
        let store = Arc::new(FaultyStore::new(disk.clone(), move |_: u64| plan.lock().unwrap().next().flatten()));
        let logs = Logs::open(store.clone(), generous(), clock.clone()).unwrap();
        self.server = Server { disk, store, clock, logs };
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Restart => self.restart(),
            Step::Sweep => {
                let _ = self.server.logs.ack(&key(log_id(7), 0), self.model.entries.len() as u64);
                if self.server.logs.sweep().await.is_err() {
                    self.bring_back().await;
                }
            }
            Step::Ask(ask) => self.ask(ask).await,
        }
        self.look();
    }

    async fn ask(&mut self, ask: Ask) {
        let expected = self.model.expect(&ask);
        match self.send(&ask).await {
            Ok(receipt) => {
                assert_eq!(expected, Ok(receipt.sequence), "{ask:?}");
                if receipt.sequence > self.model.entries.len() as u64 {
                    self.model.apply(&ask);
                }
            }
            Err(refusal) if matches!(refusal.code, RefusalCode::Internal | RefusalCode::DiskFull) => {
                assert_eq!(refusal.verdict, Verdict::Later);
                self.bring_back().await;
                let entries = self.server.head(&key(log_id(7), 0));
                if entries > self.model.entries.len() as u64 {
                    // It was written after all, and whole.
                    assert_eq!(expected, Ok(entries), "{ask:?}");
                    self.model.apply(&ask);
                }
                // Whether or not: sent again, it is there once.
                let expected = self.model.expect(&ask);
                if let Ok(receipt) = self.send(&ask).await {
                    assert_eq!(expected, Ok(receipt.sequence), "{ask:?}");
                    if receipt.sequence > self.model.entries.len() as u64 {
                        self.model.apply(&ask);
                    }
                } else {
                    self.bring_back().await;
                    if self.server.head(&key(log_id(7), 0)) > self.model.entries.len() as u64 {
                        self.model.apply(&ask);
                    }
                }
            }
            Err(refusal) => assert_eq!(expected, Err(refusal.code), "{ask:?}"),
        }
    }

    async fn send(&self, ask: &Ask) -> Result<Receipt, Refusal> {
        let (log, id, bytes) = (log_id(7), entry_id(ask.entry), bytes_of(ask));
        let (logs, count) = (&self.server.logs, self.model.claimed(ask));
        let shown = [drop_secret(ask.shows)];
        match (ask.kind, ask.by) {
            (EntryKind::Application, Right::Seat(n)) => logs.append(&key(log, n), id, bytes, count).await,
            (EntryKind::Close, Right::Seat(n)) => logs.close(&key(log, n), id, bytes, count).await,
            (EntryKind::Leave, Right::Seat(n)) => {
                logs.leave(&key(log, n), id, bytes, changes_of(ask.change).seats_dropped, &shown, LeaveOnly::default()).await
            }
            (_, by) => {
                let authority = match by {
                    Right::Seat(n) => Authority::Seat(key(log, n)),
                    Right::Door(n) => Authority::Door(door_shown(log, n)),
                };
                logs.commit(&authority, id, bytes, count, changes_of(ask.change), &shown, "info".into()).await
            }
        }
    }

    /// After a fault: the process starts again if it has died, else it gets its disk back and finds out by itself.
    async fn bring_back(&mut self) {
        if self.server.store.is_stopped() {
            self.restart();
            return;
        }
        self.server.store.set_disk_full(false);
        self.server.clock.advance(1_000);
        let writer = &self.server.logs.inner.writer;
        writer.ask(Lane::OWN, |reply: Reply<(), Refusal>| Job::Barrier(reply)).await.unwrap();
        assert_eq!(self.server.logs.health(), Health::Writing);
    }

    /// Everything that was acknowledged is there, in order, as it was, and the chain holds (`read_all` checks it).
    fn look(&mut self) {
        if self.server.store.is_stopped() {
            self.restart();
        }
        let read = self.server.read_all(&key(log_id(7), 0));
        let entries: Vec<_> = read.iter().map(|(facts, payload)| (facts.kind, payload.clone())).collect();
        assert_eq!(entries, self.model.entries);
        let facts: Vec<_> = read.into_iter().map(|(facts, _)| facts).collect();
        assert_eq!(facts[..self.seen.len()], self.seen);
        assert!(facts.is_sorted_by_key(|facts| facts.time_ms));
        self.seen = facts;
        for (n, expected) in &self.model.seats {
            let subscribed = self.server.logs.subscribe(&Subscription { seat: key(log_id(7), *n), after: 0 }).unwrap();
            assert_eq!(subscribed.readable_until.is_none(), expected.live);
        }
    }
}

fn generous() -> LogSettings {
    let rate = Rate { burst: 1e9, per_second: 1e9 };
    LogSettings { seat_entries: rate, seat_bytes: rate, commits: rate, joins: rate, ..inline() }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => ask().prop_map(Step::Ask),
        1 => Just(Step::Restart),
        1 => Just(Step::Sweep),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let kind = prop_oneof![
        8 => Just(EntryKind::Application),
        8 => Just(EntryKind::Commit),
        3 => Just(EntryKind::Leave),
        1 => Just(EntryKind::Close),
    ];
    let by = prop_oneof![5 => (0..SEATS).prop_map(Right::Seat), 1 => (0..DOORS).prop_map(Right::Door)];
    let change = prop_oneof![
        2 => Just(Change::None),
        3 => (1..SEATS, any::<bool>(), 0..SEATS).prop_map(|(seat, keep, drops)| Change::AddSeat { seat, keep, drops }),
        2 => (1..SEATS).prop_map(Change::DropSeat),
        3 => (0..DOORS, any::<bool>()).prop_map(|(door, link)| Change::AddDoor { door, link }),
        1 => (0..DOORS).prop_map(Change::DropDoor),
    ];
    let lag = prop_oneof![6 => Just(0_u64), 1 => Just(1)];
    (kind, by, 0..60_u64, prop::bool::weighted(0.1), lag, change, 0..SEATS).prop_map(|(kind, by, entry, odd, lag, change, shows)| {
        // A door commits and does nothing else.
        let kind = if matches!(by, Right::Door(_)) { EntryKind::Commit } else { kind };
        Ask { by, kind, entry, odd, lag, change, shows }
    })
}

fn fault() -> impl Strategy<Value = Fault> {
    prop::sample::select(vec![Fault::Lost, Fault::Unproven, Fault::StopBefore, Fault::StopAfter, Fault::DiskFull])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_was_acknowledged_survives_any_fault(steps in vec(step(), 1..80), faults in vec(weighted(0.2, fault()), 200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new(faults).await;
            for step in steps {
                run.take(step).await;
            }
        });
    }
}
