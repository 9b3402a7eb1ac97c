//! The life of a pair.

use alcyon_mls::{
    Group, GroupRules, Invalid, KeyPackageUse, Lost, MlsError, Processed, SetAside, Suite, Verdict, judge_key_package, key_package,
};
use alcyon_wire::ConversationId;

use crate::{
    cast::{Person, is_valid, pair, request, seat, text},
    log::{Changes, Stale},
};

#[test]
fn two_people_talk() {
    let (mut ann, mut bob, mut log) = pair();
    assert_eq!(ann.epoch(), 2);
    assert_eq!(ann.group().export("safety", b"").unwrap(), bob.group().export("safety", b"").unwrap());
    assert_ne!(ann.group().id().as_bytes(), log.id.as_bytes());
    let seats: Vec<_> = ann.group().members().map(|member| member.seat).collect();
    assert_eq!(seats, [Some(seat(1)), Some(seat(2))]);
    assert_eq!(ann.group().rules(), bob.group().rules());
    assert_eq!(ann.group().last_valid(), bob.group().last_valid());

    for round in 0..3 {
        ann.send(&mut log, &format!("hello {round}"));
        bob.send(&mut log, &format!("hello yourself {round}"));
        let read = bob.catch_up(&log);
        assert_eq!(text(&read[0]), format!("hello {round}"));
        assert_eq!(read[1], Processed::OwnApplication);
        let read = ann.catch_up(&log);
        assert_eq!(read[0], Processed::OwnApplication);
        assert_eq!(text(&read[1]), format!("hello yourself {round}"));
        match &read[1] {
            Processed::Application { by, .. } => assert_eq!(by.chain.device(), bob.key.id()),
            other => panic!("{other:?}"),
        }
        ann.renew(&mut log, seat(1));
        assert!(is_valid(&bob.catch_up(&log)[0]));
        ann.reload();
        bob.reload();
    }
    assert_eq!(ann.epoch(), 5);
    assert_eq!(bob.epoch(), 5);
}

#[test]
fn before_accepting_the_starter_may_already_write() {
    let (mut ann, mut bob, mut log) = request(Suite::PRODUCT);
    ann.send(&mut log, "are you there?");
    assert_eq!(text(&bob.catch_up(&log)[0]), "are you there?");
    assert_eq!(bob.group().members().map(|member| member.seat).collect::<Vec<_>>(), [Some(seat(1)), None]);
}

#[test]
fn a_commit_says_what_its_author_has_seen() {
    let (mut ann, mut bob, mut log) = pair();
    ann.send(&mut log, "one");
    bob.catch_up(&log);
    let seen = bob.seen(&log);
    bob.renew(&mut log, seat(2));
    let before = ann.group().last_valid();
    let read = ann.catch_up(&log);
    let Processed::Commit(Verdict::Valid(summary)) = &read[1] else { panic!("{read:?}") };
    assert_eq!(summary.data.seen, seen);
    assert_eq!(summary.data.last_valid, before);
    assert_eq!(summary.by.chain.device(), bob.key.id());
    assert!(!summary.own && !summary.joined && !summary.evicted && summary.removed.is_empty());
    assert_eq!(ann.group().last_valid().unwrap().sequence, log.head());
}

#[test]
fn a_pending_commit_is_never_replaced_and_does_not_stop_messages() {
    let (mut ann, mut bob, mut log) = pair();
    let first = ann.update(&log, seat(1)).unwrap();
    assert!(ann.group().pending());
    assert!(matches!(ann.update(&log, seat(1)), Err(MlsError::CommitPending)));
    ann.reload();
    assert!(ann.group().pending());
    assert!(matches!(ann.update(&log, seat(1)), Err(MlsError::CommitPending)));
    ann.send(&mut log, "still the old epoch");
    log.commit(&first.message, Changes::none()).unwrap();
    assert_eq!(text(&bob.read_one(&log).unwrap()), "still the old epoch");
    assert!(is_valid(&bob.read_one(&log).unwrap()));
    assert!(is_valid(&ann.catch_up(&log)[1]));
    assert!(!ann.group().pending());
    ann.send(&mut log, "and the new one");
    assert_eq!(text(&bob.catch_up(&log)[0]), "and the new one");
}

#[test]
fn who_loses_a_race_goes_on_from_the_winner() {
    let (mut ann, mut bob, mut log) = pair();
    let (by_ann, by_bob) = (ann.update(&log, seat(1)).unwrap(), bob.update(&log, seat(2)).unwrap());
    let count = log.commits();
    log.commit_at(&by_ann.message, Changes::none(), count).unwrap();
    assert_eq!(log.commit_at(&by_bob.message, Changes::none(), count), Err(Stale));
    assert!(is_valid(&ann.catch_up(&log)[0]));
    assert!(is_valid(&bob.catch_up(&log)[0]));
    assert!(!bob.group().pending(), "the winner takes the loser's commit back");
    bob.reload();
    assert!(!bob.group().pending());
    bob.renew(&mut log, seat(2));
    assert!(is_valid(&ann.catch_up(&log)[0]));
    bob.send(&mut log, "on we go");
    assert_eq!(text(&ann.catch_up(&log)[0]), "on we go");
}

#[test]
fn the_header_may_make_a_commit_invalid_for_its_author_too() {
    let (mut ann, mut bob, mut log) = pair();
    let commit = ann.update(&log, seat(1)).unwrap();
    // The server says that a seat came in which the leaf does not name.
    log.commit(&commit.message, Changes { added: vec![seat(66)], ..Changes::none() }).unwrap();
    let refused = Processed::Commit(Verdict::Invalid(Invalid::Seats));
    assert_eq!(ann.catch_up(&log), std::slice::from_ref(&refused));
    assert_eq!(bob.catch_up(&log), [refused]);
    assert_eq!((ann.epoch(), bob.epoch()), (2, 2));
    assert!(!ann.group().pending());
    ann.renew(&mut log, seat(1));
    assert!(is_valid(&bob.catch_up(&log)[0]));
}

#[test]
fn a_pending_commit_outlives_an_invalid_one_that_was_first() {
    let (mut ann, mut bob, mut log) = pair();
    let by_ann = ann.update(&log, seat(1)).unwrap();
    log.commit(b"no MLS message at all", Changes::none()).unwrap();
    assert_eq!(ann.catch_up(&log), [Processed::Commit(Verdict::Invalid(Invalid::Mls))]);
    assert!(ann.group().pending());
    log.commit(&by_ann.message, Changes::none()).unwrap();
    assert!(is_valid(&ann.catch_up(&log)[0]));
    assert_eq!(bob.catch_up(&log).into_iter().map(|read| is_valid(&read)).collect::<Vec<_>>(), [false, true]);
    assert_eq!(ann.epoch(), bob.epoch());
}

#[test]
fn a_commit_is_taken_back_only_with_proof() {
    let (mut ann, _, mut log) = pair();
    let count = log.commits();
    ann.update(&log, seat(1)).unwrap();
    ann.send(&mut log, "an entry under the same count");
    let (header, ..) = log.entry(log.head());
    assert!(Lost::overtaken(count, &header).is_none());
    assert!(Lost::refused(alcyon_wire::Verdict::Later).is_none());
    let lost = Lost::refused(alcyon_wire::Verdict::Never).unwrap();
    ann.group.as_mut().unwrap().discard_own(&ann.rows, lost).unwrap();
    assert!(!ann.group().pending());
    assert!(matches!(ann.group.as_mut().unwrap().discard_own(&ann.rows, lost), Err(MlsError::NothingPending)));
    ann.reload();
    assert!(!ann.group().pending());
    ann.renew(&mut log, seat(1));
}

#[test]
fn what_comes_twice_or_damaged_or_late_is_set_aside() {
    let (mut ann, mut bob, mut log) = pair();
    let message = ann.encrypt("once");
    let mut damaged = message.clone();
    *damaged.last_mut().unwrap() ^= 1;
    log.append(&damaged);
    log.append(&message);
    log.append(&message);
    log.append(b"noise");
    ann.renew_unread(&mut log);
    log.append(&message);
    let read = bob.catch_up(&log);
    assert_eq!(read[0], Processed::SetAside(SetAside::Undecryptable));
    assert_eq!(text(&read[1]), "once");
    assert_eq!(read[2], Processed::SetAside(SetAside::Undecryptable));
    assert_eq!(read[3], Processed::SetAside(SetAside::Malformed));
    assert!(is_valid(&read[4]));
    assert_eq!(read[5], Processed::SetAside(SetAside::PastEpoch));
}

#[test]
fn a_message_is_not_read_as_another_kind_of_entry() {
    let (mut ann, mut bob, mut log) = pair();
    let commit = ann.update(&log, seat(1)).unwrap();
    log.append(&commit.message);
    let message = ann.encrypt("in a commit entry");
    log.commit(&message, Changes::none()).unwrap();
    let read = bob.catch_up(&log);
    assert_eq!(read, [Processed::SetAside(SetAside::Malformed), Processed::Commit(Verdict::Invalid(Invalid::Mls))]);
}

#[test]
fn several_devices_and_the_removal_of_one() {
    let (ann, bob) = (Person::new(), Person::new());
    let (mut a1, mut a2, mut b1) = (ann.device(), ann.device(), bob.device());
    let mut log = crate::log::Log::new(alcyon_wire::JoinSecret::from([7; 32]));
    let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, log.id);
    let packages = [a2.package(KeyPackageUse::LastResort), b1.package(KeyPackageUse::OneTime)];
    let created = Group::create(&a1.rows, &a1.local(), &rules, seat(1), &packages).unwrap();
    let welcome = created.welcome.unwrap();
    a1.group = Some(created.group);
    for device in [&mut a2, &mut b1] {
        device.group = Some(Group::join(&device.rows, &device.local(), &welcome, &created.stored.tree).unwrap());
    }
    // The other account's leaf is not for Ann to remove.
    let theirs = b1.group().own_leaf();
    let seen = a1.seen(&log);
    let refused = {
        let before = a1.rows.clone();
        let local = alcyon_mls::LocalDevice::new(&a1.chain, &a1.key).unwrap();
        let result = a1.group.as_mut().unwrap().prepare_removal(&a1.rows, &local, seat(1), seen, &[theirs]);
        a1.rows = before;
        a1.reload();
        result
    };
    assert!(matches!(refused, Err(MlsError::WouldBeInvalid(Invalid::Removal))), "{refused:?}");

    let gone = a2.group().own_leaf();
    let local = alcyon_mls::LocalDevice::new(&a1.chain, &a1.key).unwrap();
    let removal = a1.group.as_mut().unwrap().prepare_removal(&a1.rows, &local, seat(1), seen, &[gone]).unwrap();
    log.commit(&removal.message, Changes { dropped: vec![seat(8)], ..Changes::none() }).unwrap();
    for device in [&mut a1, &mut b1] {
        let read = device.catch_up(&log);
        let Processed::Commit(Verdict::Valid(summary)) = &read[0] else { panic!("{read:?}") };
        assert_eq!(summary.removed.iter().map(|member| member.chain.device()).collect::<Vec<_>>(), [a2.key.id()]);
        assert!(!summary.evicted);
    }
    let read = a2.catch_up(&log);
    let Processed::Commit(Verdict::Valid(summary)) = &read[0] else { panic!("{read:?}") };
    assert!(summary.evicted);
    assert!(!a2.group().is_member());
    b1.send(&mut log, "without it");
    assert_eq!(text(&a1.catch_up(&log)[0]), "without it");
    assert!(matches!(a2.read_one(&log), Err(MlsError::NotAMember)));
}

#[test]
fn note_to_self_is_a_group_of_one() {
    let mut ann = Person::new().device();
    let mut log = crate::log::Log::new(alcyon_wire::JoinSecret::from([7; 32]));
    let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, log.id);
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[]).unwrap();
    assert!(created.welcome.is_none());
    ann.group = Some(created.group);
    ann.renew(&mut log, seat(1));
    assert_eq!(ann.epoch(), 1);
}

#[test]
fn a_one_time_key_package_opens_one_welcome_and_a_last_resort_one_many() {
    for (usage, again) in [(KeyPackageUse::OneTime, false), (KeyPackageUse::LastResort, true)] {
        let (ann, bob) = (Person::new().device(), Person::new().device());
        let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, alcyon_wire::LogId::from([5; 16]));
        let package = bob.package(usage);
        assert_eq!(package.usage(), usage);
        for round in 0..2 {
            let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), std::slice::from_ref(&package)).unwrap();
            let joined = Group::join(&bob.rows, &bob.local(), &created.welcome.unwrap(), &created.stored.tree);
            if round == 0 || again {
                joined.unwrap();
            } else {
                assert!(matches!(joined, Err(MlsError::NoKeyPackage)), "{joined:?}");
            }
        }
    }
}

#[test]
fn a_forgotten_key_package_opens_nothing_and_leaves_no_row() {
    let (ann, bob) = (Person::new().device(), Person::new().device());
    let new = key_package(&bob.rows, &bob.local(), KeyPackageUse::LastResort).unwrap();
    alcyon_mls::forget_key_package(&bob.rows, &new.reference).unwrap();
    assert!(bob.rows.dump().is_empty());
    let package = judge_key_package(Suite::PRODUCT, &new.bytes).unwrap();
    let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, alcyon_wire::LogId::from([5; 16]));
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &[package]).unwrap();
    let joined = Group::join(&bob.rows, &bob.local(), &created.welcome.unwrap(), &created.stored.tree);
    assert!(matches!(joined, Err(MlsError::NoKeyPackage)));
}

#[test]
fn a_third_account_can_not_be_in_a_pair() {
    let (ann, bob, eve) = (Person::new().device(), Person::new().device(), Person::new().device());
    let rules = GroupRules::pair(ConversationId::from([3; 16]), 0, alcyon_wire::LogId::from([5; 16]));
    let packages = [bob.package(KeyPackageUse::OneTime), eve.package(KeyPackageUse::OneTime)];
    let created = Group::create(&ann.rows, &ann.local(), &rules, seat(1), &packages);
    assert!(matches!(created, Err(MlsError::WouldBeInvalid(Invalid::Accounts))), "{created:?}");
}

#[test]
fn the_product_refuses_other_suites() {
    let mut bob = Person::new().device();
    bob.suite = Suite::MANDATORY;
    let package = key_package(&bob.rows, &bob.local(), KeyPackageUse::OneTime).unwrap();
    assert!(matches!(judge_key_package(Suite::PRODUCT, &package.bytes), Err(MlsError::Suite(_))));
    assert_eq!(Suite::PRODUCT.number(), 0x004E);
}

impl crate::cast::Device {
    /// Commits an update without reading it.
    fn renew_unread(&mut self, log: &mut crate::log::Log) {
        self.read = log.head();
        let commit = self.update(log, seat(1)).unwrap();
        log.commit(&commit.message, Changes::none()).unwrap();
    }
}
