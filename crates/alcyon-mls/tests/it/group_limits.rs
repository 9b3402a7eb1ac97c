//! The rules of groups, from limits to what follows by itself.

use std::collections::BTreeMap;

use alcyon_mls::{
    ACCOUNT_DOOR_MS, Account, CommitData, GroupChange, Invalid, LeafIndex, NewDoor, Permission, Role, Who,
    validity::{Commit, Proposal, check_state, judge, may_write, outcome},
};
use alcyon_wire::{AccountId, DoorKind, HeaderFacts, SeatId};

use crate::group_rules::{
    ANN, BOB, NOW, account, account_door, adds, data, door_id, drops_door, header, joins, leaf, link, opens, put, refused, removes, says,
    settled, usual, valid,
};

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
        [GroupChange::SetTitle("x".repeat(129)), GroupChange::SetDescription("x".repeat(2049)), GroupChange::SetPicture(vec![1; 4097])]
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
