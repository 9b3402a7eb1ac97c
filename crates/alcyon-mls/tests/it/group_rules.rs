//! The rules of groups, one by one: each commit here breaks one rule.

use std::collections::BTreeMap;

use alcyon_mls::{
    ACCOUNT_DOOR_MS, Account, CommitData, GroupChange, GroupRules, GroupState, INBOX_PUBLIC_KEY, Invalid, LeafIndex, LeaveProof, LetsIn,
    LocalDevice, NewDoor, OpenDoor, Permission, RejoinReason, Role, Seen, Settings, Who,
    validity::{Author, Commit, Leaf, Proposal, State, check_state, foresee, judge, may_write, outcome, starts_join_secret},
};
use alcyon_wire::{
    AccountId, ConversationId, DeviceId, Door, DoorId, DoorKind, DoorSecretHash, DropHash, EntryId, EntryKind, HeaderFacts, LogId,
    RunningHash, Seat, SeatChanges, SeatId,
};

use crate::cast::Person;

pub const NOW: u64 = 1_700_000_000_000;

pub fn account(number: u8) -> AccountId {
    AccountId::from([number; 32])
}

pub fn log() -> LogId {
    LogId::from([1; 16])
}

pub fn door_id(number: u8) -> DoorId {
    DoorId::from([number; 16])
}

pub fn leaf(account: u8, device: u8, era: u32, seat: u8) -> Leaf {
    Leaf { account: self::account(account), device: DeviceId::from([device; 32]), era, seat: Some(SeatId::from([seat; 32])) }
}

pub fn group(admins: &[u8], members: &[u8]) -> GroupState {
    let settings = Settings { who_writes: Who::Members, ..Settings::default() };
    let mut group = GroupState::new(account(admins[0]), settings);
    group.revision = 50;
    for (since, number) in admins.iter().chain(members).enumerate() {
        let role = if admins.contains(number) { Role::Admin } else { Role::Member };
        group.accounts.insert(account(*number), Account { role, since: since as u64 });
    }
    group
}

pub fn state(group: GroupState, leaves: impl IntoIterator<Item = (u32, Leaf)>) -> State {
    State {
        rules: GroupRules::group(ConversationId::from([1; 16]), 0, log()),
        leaves: leaves.into_iter().map(|(index, leaf)| (LeafIndex(index), leaf)).collect(),
        last_valid: None,
        group: Some(group),
    }
}

/// Admin 1 (devices 11, 12 on seats 1, 2), members 2 (device 21, seat 3) and 3 (devices 31, 32 on seats 4, 5).
pub fn usual() -> State {
    state(
        group(&[1], &[2, 3]),
        [(0, leaf(1, 11, 1, 1)), (1, leaf(1, 12, 1, 2)), (2, leaf(2, 21, 1, 3)), (3, leaf(3, 31, 1, 4)), (4, leaf(3, 32, 1, 5))],
    )
}

const ANN: u32 = 0;
const BOB: u32 = 2;

fn settled(change: impl FnOnce(&mut GroupState)) -> State {
    let mut state = usual();
    change(state.group.as_mut().unwrap());
    state
}

pub fn data() -> CommitData {
    let seen = Seen { sequence: 0, running_hash: RunningHash::start(log()) };
    CommitData { rules: 2, seen, last_valid: None, rejoin: None, door: None, leaves: Vec::new() }
}

/// A change of the state alone.
fn says(author: u32, changes: Vec<GroupChange>) -> Commit {
    Commit { author: Author::Member(LeafIndex(author)), proposals: vec![Proposal::Change(changes)], path: None, data: data() }
}

/// Leaves go, with the update that follows from it if the account goes.
fn removes(author: u32, leaves: &[u32], updates: bool) -> Commit {
    let mut proposals: Vec<_> = leaves.iter().map(|index| Proposal::Remove(LeafIndex(*index))).collect();
    if updates {
        proposals.push(Proposal::Change(vec![]));
    }
    let path = usual().leaves.get(&LeafIndex(author)).cloned();
    Commit { author: Author::Member(LeafIndex(author)), proposals, path, data: data() }
}

fn joins(path: Leaf, door: Option<u8>, updates: bool) -> Commit {
    let mut proposals = vec![Proposal::ExternalInit];
    if updates {
        proposals.push(Proposal::Change(vec![]));
    }
    let data = CommitData { door: door.map(door_id), ..data() };
    Commit { author: Author::Joiner, proposals, path: Some(path), data }
}

pub fn header() -> HeaderFacts {
    HeaderFacts {
        sequence: 1,
        kind: EntryKind::Commit,
        entry_id: EntryId::from([0; 16]),
        time_ms: NOW,
        commit_count: 0,
        changes: SeatChanges::default(),
        door: None,
        lane: None,
    }
}

fn adds(seat: u8, door: Option<u8>) -> HeaderFacts {
    let seat = Seat { id: SeatId::from([seat; 32]), drop_hash: DropHash::from([0; 32]), keep: false, invite: false };
    HeaderFacts { door: door.map(door_id), changes: SeatChanges { seats_added: vec![seat], ..SeatChanges::default() }, ..header() }
}

fn drops_door(number: u8) -> HeaderFacts {
    HeaderFacts { changes: SeatChanges { doors_dropped: vec![door_id(number)], ..SeatChanges::default() }, ..header() }
}

fn opens(number: u8, kind: DoorKind) -> HeaderFacts {
    let door = Door { id: door_id(number), secret_hash: DoorSecretHash::from([0; 32]), kind };
    HeaderFacts { changes: SeatChanges { doors_added: vec![door], ..SeatChanges::default() }, ..header() }
}

pub fn account_door(number: u8, for_account: u8, role: Role, expires_ms: u64) -> NewDoor {
    NewDoor {
        id: door_id(number),
        key: vec![number; INBOX_PUBLIC_KEY],
        lets_in: LetsIn::Account { account: account(for_account), role },
        expires_ms: Some(expires_ms),
    }
}

pub fn link(number: u8, approval: bool) -> NewDoor {
    NewDoor { id: door_id(number), key: vec![number; INBOX_PUBLIC_KEY], lets_in: LetsIn::Link { approval }, expires_ms: None }
}

fn put(group: &mut GroupState, door: NewDoor, opened_at: u64) {
    group.doors.insert(door.id, OpenDoor { door, opened_by: account(2), opened_at });
}

#[track_caller]
fn refused(state: &State, commit: &Commit, header: &HeaderFacts, reason: Invalid) {
    assert_eq!(judge(state, commit, header).map(|_| ()), Err(reason));
}

#[track_caller]
fn valid(state: &State, commit: &Commit, header: &HeaderFacts) -> GroupState {
    assert_eq!(foresee(state, commit), Ok(()));
    let next = judge(state, commit, header).unwrap();
    assert_eq!(check_state(&next), Ok(()));
    next.group.unwrap()
}

#[test]
fn what_is_usual_is_valid() {
    let usual = usual();
    assert_eq!(check_state(&usual), Ok(()));
    assert_eq!(valid(&usual, &says(ANN, vec![GroupChange::SetTitle("x".into())]), &header()).settings.title, "x");
    valid(&usual, &removes(ANN, &[3, 4], true), &header());
    valid(&usual, &removes(ANN, &[1], false), &header());
    valid(&usual, &joins(leaf(2, 22, 1, 9), None, false), &adds(9, None));
    let update = Commit { proposals: vec![], path: Some(usual.leaves[&LeafIndex(2)].clone()), ..says(BOB, vec![]) };
    valid(&usual, &update, &header());
    assert!(!starts_join_secret(&usual, &update) && starts_join_secret(&usual, &removes(ANN, &[1], false)));
    // The numbers of the other rule set, or no state, are no group.
    let mut other = usual.clone();
    other.group = None;
    refused(&other, &update, &header(), Invalid::Kind);
    other = usual;
    other.rules.rules = 1;
    refused(&other, &update, &header(), Invalid::Kind);
}

#[test]
fn rule_1_kind_and_numbers() {
    let commit = says(ANN, vec![GroupChange::SetTimer(1)]);
    refused(&usual(), &commit, &HeaderFacts { kind: EntryKind::Application, ..header() }, Invalid::Kind);
    let other = Commit { data: CommitData { rules: 1, ..data() }, ..commit };
    refused(&usual(), &other, &header(), Invalid::Kind);
}

#[test]
fn rule_2_proposals() {
    let usual = usual();
    let change = || Proposal::Change(vec![GroupChange::SetTimer(1)]);
    for proposals in [
        vec![change(), Proposal::Other],
        vec![change(), Proposal::ByReference],
        vec![change(), Proposal::ExternalInit],
        vec![change(), change()],
        vec![],                                         // without a path, and no update
        vec![change(), Proposal::Remove(LeafIndex(1))], // removals need a path
    ] {
        refused(&usual, &Commit { proposals, ..says(ANN, vec![]) }, &header(), Invalid::Proposals);
    }
    let join = joins(leaf(2, 22, 1, 9), None, false);
    refused(&usual, &Commit { path: None, ..join.clone() }, &adds(9, None), Invalid::Proposals);
    let two = vec![Proposal::ExternalInit, Proposal::Remove(LeafIndex(2)), Proposal::Remove(LeafIndex(3))];
    refused(&usual, &Commit { proposals: two, ..join }, &adds(9, None), Invalid::Proposals);
}

#[test]
fn rule_4_author() {
    let usual = usual();
    for path in [leaf(1, 11, 1, 1), leaf(2, 22, 1, 3), leaf(2, 21, 0, 3)] {
        refused(&usual, &Commit { path: Some(path), proposals: vec![], ..says(BOB, vec![]) }, &header(), Invalid::Author);
    }
    refused(&usual, &says(77, vec![GroupChange::SetTimer(1)]), &header(), Invalid::Author);
    let mut silent = joins(leaf(2, 21, 1, 3), None, false);
    silent.proposals.push(Proposal::Remove(LeafIndex(2)));
    refused(&usual, &silent, &header(), Invalid::Author);
    silent.data.rejoin = Some(RejoinReason::LostState);
    valid(&usual, &silent, &header());
}

#[test]
fn rule_5_removal() {
    let usual = usual();
    refused(&usual, &removes(BOB, &[3, 4], true), &header(), Invalid::Removal); // no admin
    refused(&usual, &removes(ANN, &[3], false), &header(), Invalid::Removal); // not the whole account
    refused(&usual, &removes(ANN, &[0], false), &header(), Invalid::Removal); // itself
    refused(&usual, &removes(ANN, &[9], false), &header(), Invalid::Removal);
    refused(&usual, &removes(ANN, &[1, 1], false), &header(), Invalid::Removal);
    let newer = state(group(&[1], &[]), [(0, leaf(1, 11, 1, 1)), (1, leaf(1, 12, 2, 2))]);
    refused(&newer, &removes(ANN, &[1], false), &header(), Invalid::Removal);
    // Somebody from outside who would remove a stranger, or a sibling.
    for (path, index) in [(leaf(2, 22, 1, 9), 3), (leaf(3, 33, 1, 9), 3)] {
        let mut joiner = joins(path, None, false);
        joiner.proposals.push(Proposal::Remove(LeafIndex(index)));
        joiner.data.rejoin = Some(RejoinReason::LostState);
        refused(&usual, &joiner, &adds(9, None), Invalid::Removal);
    }
}

/// A state with a real person in it: her proofs are signed.
fn with_person(person: &Person, era: u32) -> (State, crate::cast::Device) {
    let device = person.device();
    let mut state = usual();
    let (account, device_id) = (device.chain.account(), device.chain.device());
    for (index, seat) in [(5, 7), (6, 8)] {
        let device = if index == 5 { device_id } else { DeviceId::from([99; 32]) };
        state.leaves.insert(LeafIndex(index), Leaf { account, device, era, seat: Some(SeatId::from([seat; 32])) });
    }
    state.group.as_mut().unwrap().accounts.insert(account, Account { role: Role::Member, since: 9 });
    (state, device)
}

#[test]
fn rule_5_leaving() {
    let seat = |number: u8| SeatId::from([number; 32]);
    let (state, device) = with_person(&Person::new(), 1);
    let local = LocalDevice::new(&device.chain, &device.key).unwrap();
    let proof = |seats: &[u8], at: LogId| LeaveProof::sign(&local, at, seats.iter().map(|number| seat(*number)));
    let with = |author, leaves: &[u32], updates, proofs: Vec<LeaveProof>| {
        let mut commit = removes(author, leaves, updates);
        commit.data.leaves = proofs;
        commit
    };
    // By a plain member: the whole account, or the one leaf that is named.
    let after = valid(&state, &with(BOB, &[5, 6], true, vec![proof(&[7, 8], log())]), &header());
    assert!(!after.accounts.contains_key(&device.chain.account()) && after.removed.is_empty());
    valid(&state, &with(BOB, &[5], false, vec![proof(&[7], log())]), &header());
    // Not more, not less, not elsewhere, not twice, not without effect, not somebody else's.
    refused(&state, &with(BOB, &[5, 6], true, vec![proof(&[7], log())]), &header(), Invalid::Removal);
    refused(&state, &with(BOB, &[5], false, vec![proof(&[7, 8], log())]), &header(), Invalid::Removal);
    refused(&state, &with(BOB, &[5, 6], true, vec![proof(&[7, 8], LogId::from([2; 16]))]), &header(), Invalid::Removal);
    refused(&state, &with(BOB, &[5, 6], true, vec![proof(&[7, 8], log()), proof(&[7, 8], log())]), &header(), Invalid::Removal);
    refused(&state, &with(BOB, &[], false, vec![proof(&[7, 8], log())]), &header(), Invalid::Removal);
    refused(&state, &with(BOB, &[3, 4], true, vec![proof(&[7, 8], log())]), &header(), Invalid::Removal);
    // A device that a new era has shut out leaves for nobody else.
    let (newer, device) = with_person(&Person::new(), 2);
    let old = LeaveProof::sign(&LocalDevice::new(&device.chain, &device.key).unwrap(), log(), [seat(7), seat(8)]);
    refused(&newer, &with(BOB, &[5, 6], true, vec![old]), &header(), Invalid::Removal);
    // Who comes in shows none.
    let mut joiner = joins(leaf(2, 22, 1, 9), None, false);
    joiner.data.leaves = vec![proof(&[7], log())];
    refused(&state, &joiner, &adds(9, None), Invalid::Removal);
}

#[test]
fn rule_6_backing() {
    let new = || leaf(4, 41, 1, 9);
    refused(&usual(), &joins(new(), None, true), &adds(9, None), Invalid::Backing);
    refused(&usual(), &joins(new(), Some(1), true), &adds(9, Some(1)), Invalid::Backing); // no such door
    let by = |door: NewDoor, at: u64| settled(|group| put(group, door, at));
    let ours = by(account_door(1, 4, Role::Admin, NOW), 20);
    let after = valid(&ours, &joins(new(), Some(1), true), &adds(9, Some(1)));
    assert_eq!(after.accounts[&account(4)], Account { role: Role::Admin, since: 51 });
    assert!(after.doors.is_empty());
    refused(&ours, &joins(new(), None, true), &adds(9, None), Invalid::Backing); // names none
    refused(&by(account_door(1, 5, Role::Member, NOW), 20), &joins(new(), Some(1), true), &adds(9, Some(1)), Invalid::Backing);
    refused(&by(account_door(1, 4, Role::Member, NOW - 1), 20), &joins(new(), Some(1), true), &adds(9, Some(1)), Invalid::Backing);
    // By another's door nobody comes, not even who is backed by a sibling.
    let sibling = joins(leaf(2, 22, 1, 9), Some(1), false);
    refused(&ours, &sibling, &adds(9, Some(1)), Invalid::Backing);
    // Links stay, and let nobody in who was removed, nor anybody at all if approval is needed.
    let linked = by(link(1, false), 20);
    assert_eq!(valid(&linked, &joins(new(), Some(1), true), &adds(9, Some(1))).doors.len(), 1);
    refused(&by(link(1, true), 20), &joins(new(), Some(1), true), &adds(9, Some(1)), Invalid::Backing);
    refused(
        &by(NewDoor { expires_ms: Some(NOW - 1), ..link(1, false) }, 20),
        &joins(new(), Some(1), true),
        &adds(9, Some(1)),
        Invalid::Backing,
    );
    for (at, removed, good) in [(20, 19, true), (20, 20, false), (20, 21, false)] {
        let with = |door: NewDoor| {
            let mut state = by(door, at);
            state.group.as_mut().unwrap().removed.insert(account(4), removed);
            state
        };
        let verdict = judge(&with(account_door(1, 4, Role::Member, NOW)), &joins(new(), Some(1), true), &adds(9, Some(1)));
        assert_eq!(verdict.is_ok(), good, "{at} {removed}");
        refused(&with(link(1, false)), &joins(new(), Some(1), true), &adds(9, Some(1)), Invalid::Backing);
    }
    // A lower era than a sibling's stays out, whatever the door.
    let mut eras = by(account_door(1, 2, Role::Member, NOW), 20);
    eras.leaves.get_mut(&LeafIndex(2)).unwrap().era = 2;
    refused(&eras, &joins(leaf(2, 22, 1, 9), Some(1), true), &adds(9, Some(1)), Invalid::Backing);
    let after = valid(&eras, &joins(leaf(2, 22, 2, 9), Some(1), true), &adds(9, Some(1)));
    assert!(after.doors.is_empty(), "used up");
}

#[test]
fn a_door_for_one_more_device_makes_nobody_an_admin() {
    let state = settled(|group| put(group, account_door(1, 2, Role::Admin, NOW), 20));
    let after = valid(&state, &joins(leaf(2, 22, 1, 9), Some(1), true), &adds(9, Some(1)));
    assert_eq!(after.accounts[&account(2)].role, Role::Member);
}

#[test]
fn rule_7_limits() {
    let mut full = usual();
    for number in 0..10 {
        full.leaves.insert(LeafIndex(10 + u32::from(number)), leaf(2, 100 + number, 1, 100 + number));
    }
    full.leaves.remove(&LeafIndex(2));
    refused(&full, &joins(leaf(2, 22, 1, 9), None, false), &adds(9, None), Invalid::Accounts);
    refused(&usual(), &joins(leaf(2, 21, 1, 9), None, false), &adds(9, None), Invalid::Accounts); // the device is there
    let doors = settled(|group| (0..64).for_each(|number| put(group, link(number, false), 1)));
    refused(&doors, &says(ANN, vec![GroupChange::OpenDoor(link(64, false))]), &opens(64, DoorKind::Link), Invalid::Accounts);
    for change in
        [GroupChange::SetTitle("x".repeat(129)), GroupChange::SetDescription("x".repeat(2049)), GroupChange::SetPicture(vec![1; 513])]
    {
        refused(&usual(), &says(ANN, vec![change]), &header(), Invalid::Accounts);
    }
    let crowd = settled(|group| {
        for number in 0..1_000u32 {
            let mut id = [7; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            group.accounts.insert(AccountId::from(id), Account { role: Role::Member, since: 1 });
        }
        put(group, link(1, false), 1);
    });
    refused(&crowd, &joins(leaf(4, 41, 1, 9), Some(1), true), &adds(9, Some(1)), Invalid::Accounts);
    assert_eq!(check_state(&crowd), Err(Invalid::Accounts), "accounts without leaves");
    assert_eq!(check_state(&settled(|group| group.accounts.values_mut().for_each(|one| one.role = Role::Member))), Err(Invalid::Accounts));
}

#[test]
fn rule_8_seats() {
    let usual = usual();
    let change = says(ANN, vec![GroupChange::SetTimer(1)]);
    refused(&usual, &change, &adds(9, None), Invalid::Seats);
    let mut dropped = header();
    dropped.changes.seats_dropped = vec![SeatId::from([1; 32])];
    refused(&usual, &change, &dropped, Invalid::Seats);
    // Seats of those who go may go; others not.
    let removal = removes(ANN, &[3, 4], true);
    dropped.changes.seats_dropped = vec![SeatId::from([4; 32]), SeatId::from([5; 32])];
    valid(&usual, &removal, &dropped);
    dropped.changes.seats_dropped.push(SeatId::from([3; 32]));
    refused(&usual, &removal, &dropped, Invalid::Seats);
    // A seat that is taken, or another than the header adds, or with rights by a door.
    refused(&usual, &joins(leaf(2, 22, 1, 4), None, false), &adds(4, None), Invalid::Seats);
    refused(&usual, &joins(leaf(2, 22, 1, 9), None, false), &adds(8, None), Invalid::Seats);
    let linked = settled(|group| put(group, link(1, false), 1));
    let mut rights = adds(9, Some(1));
    rights.changes.seats_added[0].keep = true;
    refused(&linked, &joins(leaf(4, 41, 1, 9), Some(1), true), &rights, Invalid::Seats);
}

#[test]
fn rule_9_doors() {
    let usual = usual();
    let open = says(ANN, vec![GroupChange::OpenDoor(link(1, false))]);
    valid(&usual, &open, &opens(1, DoorKind::Link));
    refused(&usual, &open, &header(), Invalid::Doors);
    refused(&usual, &open, &opens(2, DoorKind::Link), Invalid::Doors);
    refused(&usual, &open, &opens(1, DoorKind::Account), Invalid::Doors);
    let mut twice = opens(1, DoorKind::Link);
    twice.changes.doors_added.extend(twice.changes.doors_added.clone());
    refused(&usual, &open, &twice, Invalid::Doors);
    refused(&usual, &says(ANN, vec![GroupChange::SetTimer(1)]), &opens(1, DoorKind::Link), Invalid::Doors);

    let linked = settled(|group| {
        put(group, link(1, false), 1);
        put(group, NewDoor { expires_ms: Some(NOW - 1), ..link(2, false) }, 1);
    });
    let close = says(ANN, vec![GroupChange::CloseDoor(door_id(1))]);
    valid(&linked, &close, &drops_door(1));
    refused(&linked, &close, &header(), Invalid::Doors);
    let timer = says(ANN, vec![GroupChange::SetTimer(1)]);
    refused(&linked, &timer, &drops_door(1), Invalid::Doors);
    valid(&linked, &timer, &drops_door(2)); // its time is over
    valid(&linked, &timer, &drops_door(3)); // the state does not know it
    // Members come by no door; joiners by the one they name, and change none.
    refused(&linked, &timer, &HeaderFacts { door: Some(door_id(1)), ..header() }, Invalid::Doors);
    let named = Commit { data: CommitData { door: Some(door_id(1)), ..data() }, ..timer };
    refused(&linked, &named, &header(), Invalid::Doors);
    let new = leaf(4, 41, 1, 9);
    refused(&linked, &joins(new.clone(), Some(1), true), &adds(9, None), Invalid::Doors);
    let sibling = joins(leaf(2, 22, 1, 9), None, false);
    refused(&linked, &sibling, &adds(9, Some(1)), Invalid::Doors);
    let mut changing = adds(9, Some(1));
    changing.changes.doors_dropped = vec![door_id(2)];
    refused(&linked, &joins(new, Some(1), true), &changing, Invalid::Doors);
}

#[test]
fn rule_10_rights() {
    let role = |number, role| GroupChange::SetRole { account: account(number), role };
    let member = |change| refused(&usual(), &says(BOB, vec![change]), &header(), Invalid::Rights);
    member(role(2, Role::Admin));
    member(GroupChange::SetTitle("x".into()));
    member(GroupChange::SetDescription("x".into()));
    member(GroupChange::SetPicture(vec![1]));
    member(GroupChange::SetTimer(1));
    member(GroupChange::SetPermission { permission: Permission::Edit, who: Who::Members });
    refused(&usual(), &says(BOB, vec![GroupChange::OpenDoor(link(1, false))]), &opens(1, DoorKind::Link), Invalid::Rights);
    refused(&usual(), &says(ANN, vec![role(9, Role::Admin)]), &header(), Invalid::Rights); // who is not in it

    let free = settled(|group| {
        group.settings.who_invites = Who::Members;
        group.settings.who_edits = Who::Members;
        group.removed.insert(account(6), 30);
        put(group, link(50, false), 1);
        put(group, NewDoor { expires_ms: Some(NOW - 1), ..link(51, false) }, 1);
    });
    valid(&free, &says(BOB, vec![GroupChange::SetTitle("x".into())]), &header());
    valid(&free, &says(BOB, vec![GroupChange::OpenDoor(link(1, false))]), &opens(1, DoorKind::Link));
    let door = |by, door: NewDoor| judge(&free, &says(by, vec![GroupChange::OpenDoor(door)]), &opens(1, DoorKind::Account)).map(|_| ());
    let latest = NOW + ACCOUNT_DOOR_MS;
    assert_eq!(door(BOB, account_door(1, 4, Role::Member, latest)), Ok(()));
    assert_eq!(door(BOB, account_door(1, 4, Role::Member, latest + 1)), Err(Invalid::Rights));
    assert_eq!(door(BOB, NewDoor { expires_ms: None, ..account_door(1, 4, Role::Member, NOW) }), Err(Invalid::Rights));
    assert_eq!(door(BOB, NewDoor { key: vec![1; 32], ..account_door(1, 4, Role::Member, NOW) }), Err(Invalid::Rights));
    assert_eq!(door(BOB, account_door(1, 4, Role::Admin, latest)), Err(Invalid::Rights));
    assert_eq!(door(ANN, account_door(1, 4, Role::Admin, latest)), Ok(()));
    assert_eq!(door(BOB, account_door(1, 6, Role::Member, latest)), Err(Invalid::Rights));
    assert_eq!(door(ANN, account_door(1, 6, Role::Member, latest)), Ok(()));
    refused(&free, &says(ANN, vec![GroupChange::OpenDoor(link(50, false))]), &opens(50, DoorKind::Link), Invalid::Rights);
    // Who closes: who opened (account 2 did), an admin, anybody once its time is over.
    const CARL: u32 = 3;
    valid(&free, &says(BOB, vec![GroupChange::CloseDoor(door_id(50))]), &drops_door(50));
    valid(&free, &says(ANN, vec![GroupChange::CloseDoor(door_id(50))]), &drops_door(50));
    refused(&free, &says(CARL, vec![GroupChange::CloseDoor(door_id(50))]), &drops_door(50), Invalid::Rights);
    valid(&free, &says(CARL, vec![GroupChange::CloseDoor(door_id(51))]), &drops_door(51));
    refused(&free, &says(ANN, vec![GroupChange::CloseDoor(door_id(60))]), &drops_door(60), Invalid::Rights);
    // A right that the same commit gives is none yet.
    let both = vec![role(2, Role::Admin), GroupChange::SetTitle("x".into())];
    refused(&usual(), &says(BOB, both), &header(), Invalid::Rights);
    // Who comes in asks for nothing.
    let mut asks = joins(leaf(4, 41, 1, 9), Some(50), false);
    asks.proposals.push(Proposal::Change(vec![GroupChange::SetTimer(1)]));
    refused(&free, &asks, &adds(9, Some(50)), Invalid::Rights);
}

#[test]
fn rule_11_updates() {
    let usual = usual();
    refused(&usual, &removes(ANN, &[3, 4], false), &header(), Invalid::Update); // an account goes
    refused(&usual, &removes(ANN, &[1], true), &header(), Invalid::Update); // nothing changes
    refused(&usual, &says(ANN, vec![]), &header(), Invalid::Update);
    let linked = settled(|group| put(group, link(1, false), 1));
    refused(&linked, &joins(leaf(4, 41, 1, 9), Some(1), false), &adds(9, Some(1)), Invalid::Update);
    refused(&linked, &joins(leaf(2, 22, 1, 9), Some(1), true), &adds(9, Some(1)), Invalid::Update);
    // A door for an account that the same commit puts out.
    let mut both = removes(ANN, &[3, 4], false);
    both.proposals.push(Proposal::Change(vec![GroupChange::OpenDoor(account_door(1, 3, Role::Member, NOW))]));
    refused(&usual, &both, &opens(1, DoorKind::Account), Invalid::Update);
}

#[test]
fn what_follows_by_itself() {
    let mut state = usual();
    let group = state.group.as_mut().unwrap();
    put(group, account_door(1, 3, Role::Member, NOW), 1);
    put(group, link(2, false), 1);
    group.accounts.get_mut(&account(3)).unwrap().since = 1;
    group.accounts.get_mut(&account(2)).unwrap().since = 1;
    // The only admin steps down: the oldest is made one, and that is the founder herself.
    let after = valid(&state, &says(ANN, vec![GroupChange::SetRole { account: account(1), role: Role::Member }]), &header());
    assert!(after.is_admin(account(1)));
    let applied = outcome(&state, &removes(ANN, &[3, 4], true)).unwrap();
    assert_eq!(applied.automatic, [GroupChange::CloseDoor(door_id(1))]);
    assert_eq!(applied.state.removed, BTreeMap::from([(account(3), 51)]));
    assert_eq!(applied.state.doors.len(), 1, "what account 2 opened for others stays");
    // Among equals by age the lower id.
    let mut equals = usual();
    let group = equals.group.as_mut().unwrap();
    group.accounts.values_mut().for_each(|account| account.since = 3);
    let demoted = outcome(&equals, &says(ANN, vec![GroupChange::SetRole { account: account(1), role: Role::Member }])).unwrap();
    assert_eq!(demoted.automatic, [GroupChange::SetRole { account: account(1), role: Role::Admin }]);
}

#[test]
fn only_so_many_removals_are_remembered() {
    let state = settled(|group| {
        for number in 0..1_024u32 {
            let mut id = [9; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            group.removed.insert(AccountId::from(id), u64::from(number));
        }
    });
    let after = valid(&state, &removes(ANN, &[3, 4], true), &header());
    assert_eq!(after.removed.len(), 1_024);
    assert!(after.removed.contains_key(&account(3)) && !after.removed.values().any(|at| *at == 0));
}

#[test]
fn who_may_write() {
    let mut state = usual();
    assert!(may_write(&state, LeafIndex(2)) && !may_write(&state, LeafIndex(77)));
    state.group.as_mut().unwrap().settings.who_writes = Who::Admins;
    assert!(may_write(&state, LeafIndex(1)) && !may_write(&state, LeafIndex(2)));
}
