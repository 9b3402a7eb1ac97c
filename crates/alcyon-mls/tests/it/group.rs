//! Rule set 2 with everything: MLS, doors, removals, leaving, and those who follow from outside.

use alcyon_mls::{
    DoorKeys, Entry, Group, GroupChange, GroupCommit, GroupHandshake, GroupRules, GroupState, HandshakeKey, How, Invalid, LetsIn,
    LocalDevice, MlsError, Permission, Processed, RejoinReason, Replay, Role, Settings, Suite, Verdict, Who, open_join_secret,
};
use alcyon_wire::{ConversationId, LogId, proto};
use prost::Message;

use crate::{
    cast::{Person, is_valid, text},
    circle::{Invite, agree, all_invalid, circle, everybody_reads, follower, found, join_secrets, open_settings, seat, wire_doors},
    log::Changes,
    rejoin::replay,
};

fn open(door: alcyon_mls::NewDoor) -> Vec<GroupChange> {
    vec![GroupChange::OpenDoor(door)]
}

#[test]
fn a_group_is_made_by_doors_and_talks() {
    let (ann, mut log, stored) = found(open_settings());
    let mut all = vec![ann];
    for number in 0..3 {
        let invite = Invite::new(number, log.id);
        let by = usize::from(number);
        // Each newcomer invites the next one.
        let mut new = Person::new().device();
        assert!(is_valid(&all[by].says(&mut log, open(invite.for_account(new.account(), Role::Member)))));
        new.comes_by(&mut log, &all[by], seat(2 + u16::from(number)), invite.keys.id);
        let read = everybody_reads(&mut all, &log);
        let Some(Processed::Commit(Verdict::Valid(summary))) = &read[0] else { panic!("{read:?}") };
        assert_eq!(summary.joined_account, Some(new.account()));
        assert_eq!(summary.changes, [GroupChange::CloseDoor(invite.keys.id)]);
        assert!(!summary.starts_join_secret);
        all.push(new);
    }
    agree(&all);
    let state = all[3].state();
    assert_eq!((state.accounts.len(), state.doors.len(), state.revision), (4, 0, 6));
    assert!(state.is_admin(all[0].account()) && !state.is_admin(all[1].account()));

    all[3].send(&mut log, "hello everybody");
    for device in &mut all[..3] {
        assert_eq!(text(&device.catch_up(&log)[0]), "hello everybody");
    }
    let outside = replay(&log, &stored, 0);
    let fresh = all[0].stored_tree();
    assert_eq!(outside.ground(&fresh.group_info).unwrap().commits_after(), 0);
    assert_eq!(outside.state_of_group().unwrap().unwrap(), *all[0].state());
}

#[test]
fn a_change_of_the_state_needs_no_path_and_few_bytes() {
    let (mut all, mut log) = circle(Settings::default(), 3);
    let changes = vec![GroupChange::SetTitle("Halcyon days".into()), GroupChange::SetTimer(3600)];
    let prepared = all[0].change(&log, GroupCommit { changes: changes.clone(), ..GroupCommit::default() }).unwrap();
    assert!(prepared.message.len() < 500, "{}", prepared.message.len());
    assert!(prepared.seats_dropped.is_empty() && prepared.new_join_secret.is_none());
    // A restart between does no harm.
    all[0].reload();
    all[0].send_commit(&mut log, &prepared, vec![]);
    for one in everybody_reads(&mut all, &log) {
        let Some(Processed::Commit(Verdict::Valid(summary))) = one else { panic!("{one:?}") };
        assert_eq!(summary.changes, changes);
    }
    agree(&all);
    assert_eq!(all[2].state().settings.title, "Halcyon days");
    // The same with new keys.
    let changes = vec![GroupChange::SetTitle("Calm".into())];
    assert!(is_valid(&all[0].commits(&mut log, GroupCommit { changes, own_update: true, ..GroupCommit::default() })));
    everybody_reads(&mut all, &log);
    agree(&all);
}

#[test]
fn a_removal_at_64_open_doors_reaches_every_holder() {
    let (mut all, mut log) = circle(Settings::default(), 2);
    let invites: Vec<Invite> = (0..64).map(|number| Invite::new(number, log.id)).collect();
    let doors = invites.iter().enumerate().map(|(at, invite)| match at {
        0 => invite.for_account(Person::new().device().account(), Role::Member),
        _ => invite.link(at % 2 == 0),
    });
    let changes: Vec<_> = doors.map(GroupChange::OpenDoor).collect();
    assert!(is_valid(&all[0].says(&mut log, changes)));
    everybody_reads(&mut all, &log);
    let one_more = all[0].change(&log, GroupCommit { changes: open(Invite::new(99, log.id).link(false)), ..GroupCommit::default() });
    assert!(matches!(one_more, Err(MlsError::WouldBeInvalid(Invalid::Accounts))), "{one_more:?}");

    let remove_accounts = vec![all[2].account()];
    let prepared = all[0].change(&log, GroupCommit { remove_accounts, ..GroupCommit::default() }).unwrap();
    let fresh = prepared.new_join_secret.clone().unwrap();
    assert_eq!(prepared.seats_dropped, [seat(3)]);
    // With 64 doors the state alone is more than the log takes as a GroupInfo.
    assert!(all[0].state().encode().len() > alcyon_wire::limits::GROUP_INFO);
    assert!(log.key.seal_group_info(&prepared.group_info).unwrap().len() < 8 * 1024);
    all[0].send_commit(&mut log, &prepared, vec![]);
    let read = everybody_reads(&mut all, &log);
    let summaries: Vec<_> = read
        .into_iter()
        .map(|read| match read {
            Some(Processed::Commit(Verdict::Valid(summary))) => summary,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(summaries[0].new_join_secret, Some(fresh.clone()));
    assert_eq!(summaries[1].new_join_secret, Some(fresh.clone()));
    assert!(summaries[2].evicted && summaries[2].new_join_secret.is_none() && summaries[2].starts_join_secret);
    assert_eq!(summaries[1].removed.len(), 1);

    let sealed = join_secrets(log.handshake(log.head()));
    assert_eq!(sealed.len(), 64);
    for invite in &invites {
        assert_eq!(open_join_secret(&invite.keys, &sealed).unwrap(), Some(fresh.clone()));
        // Sealed to one door, it opens with no other, nor at another log.
        let other = DoorKeys::derive(&[200; 32], log.id).unwrap();
        assert_eq!(open_join_secret(&other, &sealed).unwrap(), None);
    }
    assert!(invites[0].keys.open_join_secret(&sealed[1]).is_err() || invites[0].keys.id == sealed[1].door);
    assert!(HandshakeKey::derive(&fresh, log.id).is_ok());

    // A link outlives the removal.
    log.key = HandshakeKey::derive(&fresh, log.id).unwrap();
    all.pop();
    let mut dan = Person::new().device();
    dan.comes_by(&mut log, &all[0], seat(9), invites[1].keys.id);
    everybody_reads(&mut all, &log);
    all.push(dan);
    agree(&all);
}

#[test]
fn who_was_removed_comes_back_only_by_a_door_that_was_opened_after_it() {
    let (mut all, mut log) = circle(open_settings(), 2);
    let (account, link, later) = (Invite::new(1, log.id), Invite::new(2, log.id), Invite::new(3, log.id));
    let mut eve = all.pop().unwrap();
    let changes = vec![GroupChange::OpenDoor(account.for_account(eve.account(), Role::Member)), GroupChange::OpenDoor(link.link(false))];
    assert!(is_valid(&all[0].says(&mut log, changes)));
    let read = all[0].removes(&mut log, &[eve.account()]);
    let Processed::Commit(Verdict::Valid(summary)) = &read else { panic!("{read:?}") };
    assert_eq!(summary.changes, [GroupChange::CloseDoor(account.keys.id)]);
    everybody_reads(&mut all, &log);
    assert_eq!(all[0].state().doors.len(), 1);
    assert!(all[0].state().removed.contains_key(&eve.account()));

    eve.group = None;
    for door in [account.keys.id, link.keys.id] {
        let refused = eve.prepares_to_join(&log, &all[0], seat(8), How::Door(door));
        assert!(matches!(refused, Err(MlsError::NotBacked)), "{refused:?}");
    }
    // Not every member brings her back: an admin put her out.
    let back = open(later.for_account(eve.account(), Role::Member));
    let refused = all[1].change(&log, GroupCommit { changes: back.clone(), ..GroupCommit::default() });
    assert!(matches!(refused, Err(MlsError::WouldBeInvalid(Invalid::Rights))), "{refused:?}");
    assert!(is_valid(&all[0].says(&mut log, back)));
    everybody_reads(&mut all, &log);
    eve.comes_by(&mut log, &all[0], seat(8), later.keys.id);
    everybody_reads(&mut all, &log);
    all.push(eve);
    agree(&all);
}

#[test]
fn a_link_that_needs_approval_lets_nobody_in() {
    let (mut all, mut log) = circle(Settings::default(), 1);
    let link = Invite::new(1, log.id);
    assert!(is_valid(&all[0].says(&mut log, open(link.link(true)))));
    everybody_reads(&mut all, &log);
    let refused = Person::new().device().prepares_to_join(&log, &all[0], seat(8), How::Door(link.keys.id));
    assert!(matches!(refused, Err(MlsError::NotBacked)), "{refused:?}");
}

#[test]
fn time_is_the_header_s_alone() {
    let (mut all, mut log) = circle(Settings::default(), 1);
    let invite = Invite::new(1, log.id);
    let mut new = Person::new().device();
    assert!(is_valid(&all[0].says(&mut log, open(invite.for_account(new.account(), Role::Member)))));
    everybody_reads(&mut all, &log);
    // Years later, by the log.
    log.time_ms += 10 * 365 * 24 * 3_600_000;
    let verdict = new.joins(&mut log, &all[0], seat(8), How::Door(invite.keys.id)).unwrap();
    assert_eq!(verdict, Verdict::Invalid(Invalid::Backing));
    all_invalid(everybody_reads(&mut all, &log), Invalid::Backing);
    // Anybody may close it now.
    assert_eq!(all[1].state().expired_doors(log.time_ms).count(), 1);
    assert!(is_valid(&all[1].says(&mut log, vec![GroupChange::CloseDoor(invite.keys.id)])));
    everybody_reads(&mut all, &log);
    agree(&all);
    assert!(all[0].state().doors.is_empty());
    // Before the epoch of clocks it is all the same.
    log.time_ms = 0;
    let invite = Invite::new(2, log.id);
    let door = invite.opens(LetsIn::Account { account: new.account(), role: Role::Member }, Some(alcyon_mls::ACCOUNT_DOOR_MS));
    assert!(is_valid(&all[0].says(&mut log, open(door))));
    everybody_reads(&mut all, &log);
    new.comes_by(&mut log, &all[0], seat(8), invite.keys.id);
}

#[test]
fn two_admins_leave_at_once_and_the_oldest_becomes_one() {
    let (mut all, mut log) = circle(Settings::default(), 3);
    let bob = all[1].account();
    assert!(is_valid(&all[0].says(&mut log, vec![GroupChange::SetRole { account: bob, role: Role::Admin }])));
    everybody_reads(&mut all, &log);
    let proofs = vec![all[0].leave_proof(&log, &[seat(1)]), all[1].leave_proof(&log, &[seat(2)])];
    // As they come back from the entries they travel in.
    let proofs: Vec<_> = proofs
        .into_iter()
        .map(|proof| {
            let sealed = log.key.seal_group_handshake(&GroupHandshake::Leave(Box::new(proof))).unwrap();
            match log.key.open_group_handshake(&sealed).unwrap() {
                GroupHandshake::Leave(proof) => *proof,
                other => panic!("{other:?}"),
            }
        })
        .collect();
    let read = all[3].commits(&mut log, GroupCommit { leaves: proofs.clone(), ..GroupCommit::default() });
    let Processed::Commit(Verdict::Valid(summary)) = &read else { panic!("{read:?}") };
    let carl = all[2].account();
    assert_eq!(summary.changes, [GroupChange::SetRole { account: carl, role: Role::Admin }]);
    assert_eq!(summary.removed.len(), 2);
    everybody_reads(&mut all, &log);
    agree(&all[2..]);
    assert!(all[2].state().removed.is_empty(), "who leaves was not removed");
    assert_eq!(all[2].state().accounts.len(), 2);
    // Shown again it is about nobody.
    let again = all[2].change(&log, GroupCommit { leaves: proofs, ..GroupCommit::default() });
    assert!(matches!(again, Err(MlsError::WouldBeInvalid(Invalid::Removal))), "{again:?}");
}

#[test]
fn who_may_not_write_is_set_aside() {
    let (mut all, mut log) = circle(Settings { who_writes: Who::Members, ..Settings::default() }, 1);
    let early = all[1].encrypt("while it was allowed");
    log.append(&early);
    all[0].catch_up(&log);
    let permission = vec![GroupChange::SetPermission { permission: Permission::Write, who: Who::Admins }];
    assert!(is_valid(&all[0].says(&mut log, permission)));
    everybody_reads(&mut all, &log);
    let local = all[1].local();
    let rows = all[1].rows.clone();
    let mut group = Group::load(&rows, &all[1].id()).unwrap().unwrap();
    assert!(matches!(group.encrypt(&rows, &local, b"x"), Err(MlsError::MayNotWrite)));
    all[0].send(&mut log, "admins speak");
    assert_eq!(text(&all[1].catch_up(&log)[0]), "admins speak");
}

#[test]
fn a_sibling_comes_in_and_is_removed_again() {
    let (ann, mut log, _) = found(Settings::default());
    let person = Person::new();
    let (mut bob, mut tablet) = (person.device(), person.device());
    let mut all = vec![ann];
    let invite = Invite::new(1, log.id);
    assert!(is_valid(&all[0].says(&mut log, open(invite.for_account(bob.account(), Role::Member)))));
    bob.comes_by(&mut log, &all[0], seat(2), invite.keys.id);
    everybody_reads(&mut all, &log);
    let revision = all[0].state().revision;
    let verdict = tablet.joins(&mut log, &all[0], seat(3), How::Sibling).unwrap();
    assert!(matches!(verdict, Verdict::Valid(_)), "{verdict:?}");
    bob.catch_up(&log);
    everybody_reads(&mut all, &log);
    all.extend([bob, tablet]);
    agree(&all);
    assert_eq!(all[0].state().revision, revision, "the state is about accounts");

    // Bob puts his tablet out himself.
    let seen = all[1].seen(&log);
    let (leaf, at) = (all[2].group().own_leaf(), all[1].own_seat());
    let bob = &mut all[1];
    let local = LocalDevice::new(&bob.chain, &bob.key).unwrap();
    let prepared = bob.group.as_mut().unwrap().prepare_removal(&bob.rows, &local, at, seen, &[leaf]).unwrap();
    assert!(prepared.new_join_secret.is_some(), "a device that is out is out of the handshakes too");
    all[1].send_commit(&mut log, &prepared, vec![]);
    everybody_reads(&mut all, &log);
    agree(&all[..2]);
    assert!(!all[2].group().is_member());
}

#[test]
fn a_path_that_some_can_t_open_and_they_come_back() {
    let (mut all, mut log) = circle(Settings::default(), 4);
    all[2].lose_keys();
    all[3].lose_keys();
    let victim = all[4].account();
    // A removal, with a state that changes: the victims have to judge it from outside.
    assert!(is_valid(&all[0].removes(&mut log, &[victim])));
    assert!(is_valid(all[1].catch_up(&log).last().unwrap()));
    for at in [2, 3] {
        let refused = all[at].read_one(&log);
        let Err(MlsError::CantOpenPath { by }) = refused else { panic!("{refused:?}") };
        assert_eq!(by.chain.device(), all[0].key.id());
        let mut outside = Replay::from_group(&all[at].rows, &all[at].id()).unwrap();
        for sequence in all[at].read + 1..=log.head() {
            let (header, message, payload_hash) = log.entry(sequence);
            let verdict = outside.advance(&message, &Entry { header: &header, payload_hash }).unwrap();
            assert!(matches!(verdict, Verdict::Valid(_)), "{verdict:?}");
        }
        assert_eq!(outside.state_of_group().unwrap().unwrap(), *all[1].state());
        let (before, after) = all.split_at_mut(2);
        let verdict = after[at - 2].again(&mut log, &before[1], RejoinReason::PathNotOpened);
        assert!(matches!(verdict, Verdict::Valid(_)), "{verdict:?}");
        assert!(is_valid(before[0].catch_up(&log).last().unwrap()));
        assert!(is_valid(before[1].catch_up(&log).last().unwrap()));
    }
    all[2].catch_up(&log);
    agree(&all[..4]);
    all[3].group().export("test", b"").unwrap();
}

#[test]
fn leaf_state_and_header_have_to_agree() {
    let (mut all, mut log) = circle(open_settings(), 1);
    let invite = Invite::new(1, log.id);
    let door = invite.link(false);
    let commit = GroupCommit { changes: open(door.clone()), ..GroupCommit::default() };
    // The header adds no door; then one of another kind; then drops a seat though there is no path.
    let right = wire_doors(&commit.changes, log.id);
    let mut other = right.clone();
    other[0].kind = alcyon_wire::DoorKind::Account;
    let cases = [
        (Changes::none(), Invalid::Doors),
        (Changes { doors: other, ..Changes::none() }, Invalid::Doors),
        (Changes { doors: right.clone(), dropped: vec![seat(1)], ..Changes::none() }, Invalid::Seats),
        (Changes { doors: right.clone(), added: vec![seat(7)], ..Changes::none() }, Invalid::Seats),
    ];
    for (changes, reason) in cases {
        let prepared = all[1].change(&log, commit.clone()).unwrap();
        log.commit_handshake(&prepared.handshake(), changes);
        all_invalid(everybody_reads(&mut all, &log), reason);
        agree(&all);
        assert!(!all[1].group().pending());
    }
    assert!(is_valid(&all[1].says(&mut log, open(door))));
    everybody_reads(&mut all, &log);
    // Who comes by a door says which: the header is the log's word, the commit the joiner's.
    let dan = Person::new().device();
    let prepared = dan.prepares_to_join(&log, &all[0], seat(9), How::Door(invite.keys.id)).unwrap();
    log.commit(&prepared.message, Changes { added: vec![seat(9)], ..Changes::none() }).unwrap();
    all_invalid(everybody_reads(&mut all, &log), Invalid::Doors);
}

#[test]
fn members_and_followers_pass_over_the_same() {
    let (mut all, mut log) = circle(open_settings(), 2);
    let stored = all[0].stored_tree();
    let start = log.head();
    let mut outside = follower(&stored);
    // Lost races, invalid headers, a good commit between.
    let lost = all[1].change(&log, GroupCommit { changes: vec![GroupChange::SetTitle("lost".into())], ..GroupCommit::default() }).unwrap();
    assert!(is_valid(&all[0].says(&mut log, vec![GroupChange::SetTitle("won".into())])));
    log.commit_handshake(&lost.handshake(), Changes::none());
    all_invalid(everybody_reads(&mut all, &log), Invalid::Epoch);
    let odd = all[2].change(&log, GroupCommit { own_update: true, ..GroupCommit::default() }).unwrap();
    log.commit_handshake(&odd.handshake(), Changes { dropped: vec![seat(1)], ..Changes::none() });
    all_invalid(everybody_reads(&mut all, &log), Invalid::Seats);
    assert!(is_valid(&all[2].says(&mut log, vec![GroupChange::SetTimer(5)])));
    everybody_reads(&mut all, &log);
    agree(&all);
    let mut verdicts = vec![];
    for sequence in start + 1..=log.head() {
        let (header, message, payload_hash) = log.entry(sequence);
        verdicts.push(matches!(outside.advance(&message, &Entry { header: &header, payload_hash }).unwrap(), Verdict::Valid(_)));
    }
    // From outside the lost one is a branch like the other: the next commit tells which is real.
    assert_eq!(verdicts, [true, true, false, true]);
    assert_eq!(outside.state_of_group().unwrap().unwrap(), *all[0].state());
}

#[test]
fn a_door_with_a_useless_key_harms_nobody_else() {
    let (mut all, mut log) = circle(open_settings(), 2);
    let (good, bad, zero) = (Invite::new(1, log.id), Invite::new(2, log.id), Invite::new(3, log.id));
    let useless = |invite: &Invite, byte| alcyon_mls::NewDoor { key: vec![byte; alcyon_mls::INBOX_PUBLIC_KEY], ..invite.link(false) };
    let doors = [good.link(false), useless(&bad, 0xff), useless(&zero, 0)];
    assert!(is_valid(&all[1].says(&mut log, doors.map(GroupChange::OpenDoor).to_vec())));
    everybody_reads(&mut all, &log);
    let gone = all[2].account();
    assert!(is_valid(&all[0].removes(&mut log, &[gone])));
    let sealed = join_secrets(log.handshake(log.head()));
    assert!(open_join_secret(&good.keys, &sealed).unwrap().is_some());
    assert!(!matches!(open_join_secret(&bad.keys, &sealed), Ok(Some(_))));
    everybody_reads(&mut all, &log);
    agree(&all[..2]);
}

#[test]
fn a_pair_is_no_group_and_a_group_no_pair() {
    let ann = Person::new().device();
    let (conversation, log) = (ConversationId::from([3; 16]), LogId::from([5; 16]));
    let pair = GroupRules::pair(conversation, 0, log);
    let refused = Group::create_group(&ann.rows, &ann.local(), &pair, seat(1), Settings::default());
    assert!(matches!(refused, Err(MlsError::UnknownRules { protocol: 1, rules: 1 })), "{refused:?}");
    let group = GroupRules::group(conversation, 0, log);
    let refused = Group::create(&ann.rows, &ann.local(), &group, seat(1), &[]);
    assert!(matches!(refused, Err(MlsError::UnknownRules { protocol: 1, rules: 2 })), "{refused:?}");
    let settings = Settings { title: "x".repeat(129), ..Settings::default() };
    let refused = Group::create_group(&ann.rows, &ann.local(), &group, seat(1), settings);
    assert!(matches!(refused, Err(MlsError::WouldBeInvalid(Invalid::Accounts))), "{refused:?}");
}

#[test]
fn a_stored_tree_with_another_state_is_refused() {
    let (all, _) = circle(Settings::default(), 1);
    let mut stored = all[1].stored_tree();
    let mut parts = proto::GroupTree::decode(stored.tree.as_slice()).unwrap();
    // Bob makes himself an admin, for those who come in.
    let mut state = GroupState::decode(&parts.state).unwrap();
    state.accounts.values_mut().for_each(|account| account.role = Role::Admin);
    parts.state = state.encode().into();
    stored.tree = parts.encode_to_vec();
    let refused = Replay::from_tree(Suite::PRODUCT, &stored);
    assert!(matches!(refused, Err(MlsError::Untrue { .. })), "{refused:?}");
    parts.state = vec![1].into();
    stored.tree = parts.encode_to_vec();
    assert!(matches!(Replay::from_tree(Suite::PRODUCT, &stored), Err(MlsError::Malformed { what: "GroupState" })));
}

#[test]
fn an_own_commit_without_a_path_that_the_rows_do_not_know_is_a_rollback() {
    let (mut all, mut log) = circle(Settings::default(), 1);
    let before = all[0].rows.clone();
    let prepared = all[0].change(&log, GroupCommit { changes: vec![GroupChange::SetTimer(5)], ..GroupCommit::default() }).unwrap();
    all[0].send_commit(&mut log, &prepared, vec![]);
    all[0].rows = before;
    all[0].reload();
    assert_eq!(all[0].read_one(&log).unwrap(), Processed::OwnCommitUnknown);
    assert!(is_valid(&all[1].catch_up(&log)[0]));
}
