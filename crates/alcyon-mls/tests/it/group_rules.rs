//! The rules of groups without cryptography, one by one: each commit here breaks one rule.

use alcyon_mls::{
    Account, CommitData, GroupChange, GroupRules, GroupState, INBOX_PUBLIC_KEY, Invalid, LeafIndex, LeaveProof, LetsIn, LocalDevice,
    NewDoor, OpenDoor, RejoinReason, Role, Seen, Settings, Who,
    validity::{Author, Commit, Leaf, Proposal, State, check_state, foresee, judge, starts_join_secret},
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

pub const ANN: u32 = 0;
pub const BOB: u32 = 2;

pub fn settled(change: impl FnOnce(&mut GroupState)) -> State {
    let mut state = usual();
    change(state.group.as_mut().unwrap());
    state
}

pub fn data() -> CommitData {
    let seen = Seen { sequence: 0, running_hash: RunningHash::start(log()) };
    CommitData { rules: 2, seen, last_valid: None, rejoin: None, door: None, leaves: Vec::new() }
}

/// A change of the state alone.
pub fn says(author: u32, changes: Vec<GroupChange>) -> Commit {
    Commit { author: Author::Member(LeafIndex(author)), proposals: vec![Proposal::Change(changes)], path: None, data: data() }
}

/// Leaves go, with the update that follows from it if the account goes.
pub fn removes(author: u32, leaves: &[u32], updates: bool) -> Commit {
    let mut proposals: Vec<_> = leaves.iter().map(|index| Proposal::Remove(LeafIndex(*index))).collect();
    if updates {
        proposals.push(Proposal::Change(vec![]));
    }
    let path = usual().leaves.get(&LeafIndex(author)).cloned();
    Commit { author: Author::Member(LeafIndex(author)), proposals, path, data: data() }
}

pub fn joins(path: Leaf, door: Option<u8>, updates: bool) -> Commit {
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

pub fn adds(seat: u8, door: Option<u8>) -> HeaderFacts {
    let seat = Seat { id: SeatId::from([seat; 32]), drop_hash: DropHash::from([0; 32]), keep: false, invite: false };
    HeaderFacts { door: door.map(door_id), changes: SeatChanges { seats_added: vec![seat], ..SeatChanges::default() }, ..header() }
}

pub fn drops_door(number: u8) -> HeaderFacts {
    HeaderFacts { changes: SeatChanges { doors_dropped: vec![door_id(number)], ..SeatChanges::default() }, ..header() }
}

pub fn opens(number: u8, kind: DoorKind) -> HeaderFacts {
    let door = Door { id: door_id(number), secret_hash: DoorSecretHash::from([0; 32]), kind, keep: false, invite: false };
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

pub fn put(group: &mut GroupState, door: NewDoor, opened_at: u64) {
    group.doors.insert(door.id, OpenDoor { door, opened_by: account(2), opened_at });
}

#[track_caller]
pub fn refused(state: &State, commit: &Commit, header: &HeaderFacts, reason: Invalid) {
    assert_eq!(judge(state, commit, header).map(|_| ()), Err(reason));
}

#[track_caller]
pub fn valid(state: &State, commit: &Commit, header: &HeaderFacts) -> GroupState {
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
