//! A group's next term: those who were in it are in it from its first epoch on, and nobody else is.

use std::collections::BTreeMap;

use alcyon_mls::{
    Group, GroupRules, GroupState, Invalid, KeyPackageUse, MlsError, Processed, Role, Settings, TreeChunk, Verdict, welcome_for,
};
use alcyon_wire::{ConversationId, JoinSecret};

use crate::{
    cast::{Device, is_valid, text},
    circle::{Invite, agree, circle, everybody_reads, open_settings, seat},
    log::{Changes, Log},
};

/// The first of them opens the next term with the others; they sit on seats 41, 42, ... of its log.
fn next_term(mut all: Vec<Device>, state: &GroupState) -> (Vec<Device>, Log) {
    let log = Log::new(JoinSecret::from([8; 32]));
    let rules = GroupRules::group(ConversationId::from([3; 16]), 1, log.id);
    let packages: Vec<_> = all[1..].iter().map(|device| device.package(KeyPackageUse::OneTime)).collect();
    let created = Group::create_next(&all[0].rows, &all[0].local(), &rules, seat(40), &packages, state).unwrap();
    let welcome = created.welcome.unwrap();
    all[0].group = Some(created.group);
    for (device, package) in all[1..].iter_mut().zip(&packages) {
        let own = welcome_for(&welcome, [package]).unwrap();
        assert!(own.len() < welcome.len() || packages.len() == 1, "each gets its own part alone");
        device.group = Some(Group::join(&device.rows, &device.local(), &own, &created.stored.tree).unwrap());
    }
    for device in &mut all {
        device.read = 0;
    }
    (all, log)
}

fn seated(all: &[Device]) -> GroupState {
    let seats = all.iter().enumerate().skip(1).map(|(at, device)| (device.key.id(), seat(40 + u16::try_from(at).unwrap())));
    all[0].state().next_term(seats.collect(), |_| true)
}

#[test]
fn all_go_along_as_what_they_were() {
    let (mut all, mut log) = circle(open_settings(), 3);
    let admin = alcyon_mls::GroupChange::SetRole { account: all[2].account(), role: Role::Admin };
    assert!(is_valid(&all[0].says(&mut log, vec![admin])));
    everybody_reads(&mut all, &log);
    let before = all[0].state().clone();
    let state = seated(&all);
    let (mut all, mut log) = next_term(all, &state);
    agree(&all);
    let after = all[3].state();
    assert_eq!((&after.accounts, &after.settings, &after.removed), (&before.accounts, &before.settings, &before.removed));
    assert_eq!(after.revision, before.revision + 1);
    // Everything is read from the first entry on, without a commit by anybody.
    all[3].send(&mut log, "the sea stays calm");
    assert_eq!(text(&all[1].catch_up(&log)[0]), "the sea stays calm");
    everybody_reads(&mut all, &log);
    // Who was an admin acts as one.
    let invite = Invite::new(9, log.id);
    let mut eve = crate::cast::Person::new().device();
    let door = invite.for_account(eve.account(), Role::Member);
    assert!(is_valid(&all[2].says(&mut log, vec![alcyon_mls::GroupChange::OpenDoor(door)])));
    everybody_reads(&mut all, &log);
    eve.comes_by(&mut log, &all[1], seat(50), invite.keys.id);
    everybody_reads(&mut all, &log);
    all.push(eve);
    agree(&all);
}

#[test]
fn who_sits_where_the_term_said_is_removed_with_that_seat() {
    let (all, _) = circle(open_settings(), 3);
    let state = seated(&all);
    let (mut all, mut log) = next_term(all, &state);
    let seats: Vec<_> = all[1].group().members().map(|member| member.seat).collect();
    assert_eq!(seats, [Some(seat(40)), Some(seat(41)), Some(seat(42)), Some(seat(43))]);
    let gone = all[3].account();
    let prepared =
        all[0].change(&log, alcyon_mls::GroupCommit { remove_accounts: vec![gone], ..alcyon_mls::GroupCommit::default() }).unwrap();
    assert_eq!(prepared.seats_dropped, [seat(43)], "its seat at the log goes with it");
    all[0].send_commit(&mut log, &prepared, vec![]);
    let out = all.pop().unwrap();
    for read in everybody_reads(&mut all, &log) {
        assert!(is_valid(&read.unwrap()));
    }
    agree(&all);
    drop(out);
}

#[test]
fn each_takes_a_seat_of_its_own() {
    let (all, _) = circle(open_settings(), 2);
    let state = seated(&all);
    let (mut all, mut log) = next_term(all, &state);
    // The old one has to go with it.
    let prepared = all[2].update(&log, seat(60)).unwrap();
    let added = Changes { added: vec![seat(60)], ..Changes::none() };
    log.commit(&prepared.message, added.clone()).unwrap();
    for read in everybody_reads(&mut all, &log) {
        assert_eq!(read, Some(Processed::Commit(Verdict::Invalid(Invalid::Seats))));
    }
    let prepared = all[1].update(&log, seat(61)).unwrap();
    let moved = Changes { added: vec![seat(61)], dropped: vec![seat(41)], ..Changes::none() };
    log.commit(&prepared.message, moved).unwrap();
    for read in everybody_reads(&mut all, &log) {
        assert!(is_valid(&read.unwrap()));
    }
    assert_eq!(all[0].group().members().nth(1).unwrap().seat, Some(seat(61)));
    agree(&all);
}

#[test]
fn who_does_not_go_along_is_not_in_it() {
    let (all, _) = circle(Settings::default(), 2);
    let left = all[2].account();
    let seats = BTreeMap::from([(all[1].key.id(), seat(41))]);
    let state = all[0].state().next_term(seats, |account| account != left);
    assert_eq!(state.accounts.len(), 2);
    // The state and the leaves have to agree.
    let log = Log::new(JoinSecret::from([8; 32]));
    let rules = GroupRules::group(ConversationId::from([3; 16]), 1, log.id);
    let packages: Vec<_> = all[1..].iter().map(|device| device.package(KeyPackageUse::OneTime)).collect();
    let made = Group::create_next(&all[0].rows, &all[0].local(), &rules, seat(40), &packages, &state);
    assert!(matches!(made, Err(MlsError::WouldBeInvalid(Invalid::Accounts))), "{made:?}");
    let made = Group::create_next(&all[0].rows, &all[0].local(), &rules, seat(40), &packages[..1], &state);
    assert!(made.is_ok(), "{made:?}");
}

#[test]
fn a_group_never_goes_on_without_an_admin() {
    let (all, _) = circle(Settings::default(), 2);
    let (founder, oldest) = (all[0].account(), all[1].account());
    let state = all[1].state().next_term(BTreeMap::new(), |account| account != founder);
    assert!(state.is_admin(oldest) && state.accounts.len() == 2);
}

#[test]
fn a_part_of_a_tree_says_which() {
    let part = alcyon_mls::Payload::Tree(TreeChunk { chunk: 1, chunks: 2, sealed: vec![1, 2, 3] });
    assert_eq!(alcyon_mls::Payload::decode(&part.encode()).unwrap(), part);
    for (chunk, chunks) in [(2, 2), (0, 0), (0, u32::MAX)] {
        let odd = alcyon_mls::Payload::Tree(TreeChunk { chunk, chunks, sealed: vec![] });
        assert!(alcyon_mls::Payload::decode(&odd.encode()).is_err(), "{chunk} of {chunks}");
    }
}
