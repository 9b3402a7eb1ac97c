use super::*;

#[tokio::test]
async fn strange_seats_and_logs_are_told_apart() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    assert_eq!(code(server.append(&key(log_id(9), 1), 1, 0).await), RefusalCode::UnknownLog);
    assert_eq!(code(server.append(&key(ann.log, 9), 1, 0).await), RefusalCode::WrongSeat);
    server.logs.create(log_id(8), vec![seat(log_id(8), 3, true, true)], band()).await.unwrap();
    let foreign = SeatKey { log: ann.log, secret: key(log_id(8), 3).secret };
    assert_eq!(code(server.append(&foreign, 1, 0).await), RefusalCode::WrongSeat);
    assert_eq!(code(server.logs.ack(&foreign, 0)), RefusalCode::WrongSeat);
    assert_eq!(code(server.logs.publish(&foreign, Bytes::new())), RefusalCode::WrongSeat);
    assert_eq!(code(server.logs.subscribe(&Subscription { seat: foreign.clone(), after: 0 })), RefusalCode::WrongSeat);
    assert_eq!(code(server.logs.tree(&Authority::Seat(foreign)).map(|_| ())), RefusalCode::WrongSeat);
}

#[tokio::test]
async fn rights_are_kept() {
    let server = Server::new();
    let log = log_id(7);
    let seats = vec![seat(log, 1, true, false), seat(log, 2, false, true), seat(log, 3, false, false)];
    server.logs.create(log, seats, band()).await.unwrap();
    let [keeper, inviter, plain] = [1, 2, 3].map(|n| key(log, n));
    let add = adding(vec![seat(log, 4, false, false)]);
    let open = opening(vec![door(log, 1, DoorKind::Link)]);
    let shut = SeatChanges { doors_dropped: vec![door(log, 1, DoorKind::Link).id], ..SeatChanges::default() };
    for (who, changes) in [(&inviter, &add), (&plain, &add), (&plain, &open)] {
        assert_eq!(code(server.commit(who, 1, 0, changes.clone()).await), RefusalCode::NoRight);
    }
    assert_eq!(code(server.commit(&plain, 1, 0, dropping(vec![keeper.seat_id()])).await), RefusalCode::NoRight);
    server.commit(&inviter, 1, 0, open).await.unwrap();
    assert_eq!(code(server.commit(&inviter, 2, 1, shut.clone()).await), RefusalCode::NoRight);
    server.commit(&keeper, 2, 1, shut).await.unwrap();
    server.commit(&keeper, 3, 2, add).await.unwrap();
    server.commit(&keeper, 4, 3, dropping(vec![plain.seat_id()])).await.unwrap();
    let facts = server.read_all(&keeper).pop().unwrap().0;
    assert_eq!(facts.changes, dropping(vec![plain.seat_id()]), "the header names the change");
}

#[tokio::test]
async fn a_keeper_changes_the_rights_of_a_seat_that_is_there() {
    let server = Server::new();
    let log = log_id(7);
    server.logs.create(log, vec![seat(log, 1, true, false), seat(log, 2, false, false)], band()).await.unwrap();
    let [keeper, plain] = [1, 2].map(|n| key(log, n));
    let open = || opening(vec![door(log, 1, DoorKind::Link)]);
    let rights = |invite| adding(vec![Seat { drop_hash: [0; 32].into(), ..seat(log, 2, false, invite) }]);
    assert_eq!(code(server.commit(&plain, 1, 0, rights(true)).await), RefusalCode::NoRight);
    assert_eq!(code(server.commit(&keeper, 1, 0, adding(vec![seat(log, 2, true, true)])).await), RefusalCode::Malformed);
    server.commit(&keeper, 1, 0, rights(true)).await.unwrap();
    server.commit(&plain, 2, 1, open()).await.expect("it may invite now");
    server.commit(&keeper, 3, 2, rights(false)).await.unwrap();
    let again = opening(vec![door(log, 2, DoorKind::Link)]);
    assert_eq!(code(server.commit(&plain, 4, 3, again).await), RefusalCode::NoRight);
    server.commit(&plain, 4, 3, dropping(vec![])).await.expect("its drop hash and its place are as they were");
    server.commit(&keeper, 5, 4, dropping(vec![plain.seat_id()])).await.unwrap();
    assert_eq!(code(server.commit(&keeper, 6, 5, rights(true)).await), RefusalCode::Malformed, "gone");
}

#[tokio::test]
async fn a_door_gives_the_rights_it_was_given_and_no_more() {
    let server = Server::new();
    let log = log_id(7);
    server.logs.create(log, vec![seat(log, 1, true, true), seat(log, 2, false, true)], band()).await.unwrap();
    let [keeper, inviter] = [1, 2].map(|n| key(log, n));
    let open = |n, keep, invite| opening(vec![Door { keep, invite, ..door(log, n, DoorKind::Link) }]);
    assert_eq!(code(server.commit(&inviter, 1, 0, open(1, true, true)).await), RefusalCode::NoRight);
    server.commit(&inviter, 1, 0, open(1, false, true)).await.unwrap();
    server.commit(&keeper, 2, 1, open(2, true, false)).await.unwrap();
    let by = |n| Authority::Door(door_shown(log, n));
    for (shown, seat) in [(1, seat(log, 3, true, false)), (2, seat(log, 3, true, true)), (2, seat(log, 3, false, true))] {
        assert_eq!(code(server.commit_by(&by(shown), 3, 2, adding(vec![seat]), &[]).await), RefusalCode::NoRight);
    }
    server.commit_by(&by(1), 3, 2, adding(vec![seat(log, 3, false, true)]), &[]).await.unwrap();
    server.commit_by(&by(2), 4, 3, adding(vec![seat(log, 4, true, false)]), &[]).await.unwrap();
    server.commit(&key(log, 3), 5, 4, open(3, false, true)).await.expect("it may invite");
    server.commit(&key(log, 4), 6, 5, adding(vec![seat(log, 5, false, false)])).await.expect("it may keep");
}

#[tokio::test]
async fn every_seat_may_move_and_gains_nothing_by_it() {
    let server = Server::new();
    let log = log_id(7);
    let seats = vec![seat(log, 1, true, false), seat(log, 2, false, true), seat(log, 3, false, false)];
    server.logs.create(log, seats, band()).await.unwrap();
    let [inviter, plain] = [2, 3].map(|n| key(log, n));
    let to = |n, keep, invite, from: &SeatKey| SeatChanges {
        seats_added: vec![seat(log, n, keep, invite)],
        seats_dropped: vec![from.seat_id()],
        ..SeatChanges::default()
    };
    for (who, changes) in [
        (&plain, to(4, true, false, &plain)),
        (&plain, to(4, false, true, &plain)),
        (&plain, to(4, false, false, &inviter)),
        (&inviter, to(4, true, true, &inviter)),
    ] {
        assert_eq!(code(server.commit(who, 1, 0, changes).await), RefusalCode::NoRight);
    }
    server.commit(&plain, 1, 0, to(4, false, false, &plain)).await.unwrap();
    assert_eq!(code(server.commit(&plain, 2, 1, SeatChanges::default()).await), RefusalCode::SeatDropped);
    server.commit(&key(log, 4), 2, 1, SeatChanges::default()).await.expect("it sits there now");
    server.commit(&inviter, 3, 2, to(5, false, true, &inviter)).await.unwrap();
    server.commit(&key(log, 5), 4, 3, opening(vec![door(log, 1, DoorKind::Link)])).await.expect("and may do there what it could");
}

#[tokio::test]
async fn every_seat_may_add_one_of_its_own_account_with_no_more_rights() {
    let server = Server::new();
    let log = log_id(7);
    let seats = vec![seat(log, 1, true, false), seat(log, 2, false, true), seat(log, 3, false, false)];
    server.logs.create(log, seats, band()).await.unwrap();
    let plain = key(log, 3);
    let sibling = |n, of, keep, invite| adding(vec![Seat { drop_hash: drop_secret(of).hash(log), ..seat(log, n, keep, invite) }]);
    for changes in [sibling(4, 2, false, false), sibling(4, 3, true, false), sibling(4, 3, false, true)] {
        assert_eq!(code(server.commit(&plain, 1, 0, changes).await), RefusalCode::NoRight);
    }
    let mut two = sibling(4, 3, false, false);
    two.seats_added.extend(sibling(5, 3, false, false).seats_added);
    assert_eq!(code(server.commit(&plain, 1, 0, two).await), RefusalCode::NoRight, "one at a time");
    server.commit(&plain, 1, 0, sibling(4, 3, false, false)).await.unwrap();
    server.append(&key(log, 4), 2, 1).await.expect("it sits there now");
    // Each may take the other's seat away, whoever added it.
    let drop = dropping(vec![plain.seat_id()]);
    server.commit_by(&Authority::Seat(key(log, 4)), 3, 1, drop, &[drop_secret(3)]).await.unwrap();
    // No account has more seats than two for each device.
    let mut count = 2;
    for n in 10..29 {
        server.clock.advance(10_000);
        server.commit(&key(log, 4), u64::from(n), count, sibling(n, 3, false, false)).await.unwrap();
        count += 1;
    }
    server.clock.advance(10_000);
    assert_eq!(code(server.commit(&key(log, 4), 60, count, sibling(40, 3, false, false)).await), RefusalCode::NoRight);
}

#[tokio::test]
async fn at_a_door_one_reads_the_commits_and_no_message() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    let log = ann.log;
    server.commit(&ann, 1, 0, opening(vec![door(log, 5, DoorKind::Account)])).await.unwrap();
    server.append(&ann, 2, 1).await.unwrap();
    server.commit(&ann, 3, 1, SeatChanges::default()).await.unwrap();
    let shown = door_shown(log, 5);
    let page = server.logs.read_at_door(&shown, 0).unwrap();
    let seen: Vec<_> = page.entries.iter().map(|entry| (entry.payload.is_empty(), entry.payload_hash.is_empty())).collect();
    assert_eq!(seen, [(false, true), (true, false), (false, true)]);
    let (mut hash, head) = (RunningHash::start(log), page.head);
    for proto::Entry { header, payload, payload_hash: given } in &page.entries {
        let payload = if given.is_empty() { payload_hash(payload) } else { alcyon_wire::PayloadHash::parse(given, "hash").unwrap() };
        hash = hash.next(header, &payload);
    }
    assert_eq!((hash, head), (page.running_hash, 3));
    assert_eq!(server.logs.read_at_door(&shown, 3).unwrap().entries, []);
    assert_eq!(code(server.logs.read_at_door(&shown, 4)), RefusalCode::BeyondHead);
    assert_eq!(code(server.logs.read_at_door(&door_shown(log, 6), 0)), RefusalCode::WrongDoor);
    server.commit(&ann, 4, 2, SeatChanges { doors_dropped: vec![shown.id], ..SeatChanges::default() }).await.unwrap();
    assert_eq!(code(server.logs.read_at_door(&shown, 0)), RefusalCode::WrongDoor);
}

#[tokio::test]
async fn everybody_may_drop_itself_and_those_whose_drop_secret_it_shows() {
    let server = Server::new();
    let log = log_id(7);
    let seats = (1..=4).map(|n| seat(log, n, n == 1, false)).collect();
    server.logs.create(log, seats, band()).await.unwrap();
    let [_, two, three, four] = [1, 2, 3, 4].map(|n| key(log, n));
    let by = |key: &SeatKey| Authority::Seat(key.clone());
    let both = dropping(vec![two.seat_id(), three.seat_id()]);
    assert_eq!(code(server.commit_by(&by(&two), 1, 0, both.clone(), &[drop_secret(4)]).await), RefusalCode::NoRight);
    server.commit_by(&by(&two), 1, 0, both, &[drop_secret(3)]).await.unwrap();
    let stale = server
        .logs
        .leave(&four, entry_id(9), payload(9), vec![four.seat_id()], &[], LeaveOnly { commit_count: Some(0), ..LeaveOnly::default() })
        .await;
    assert_eq!(code(stale), RefusalCode::Stale, "one that names a commit count is held to it");
    let answer = server.logs.leave(&four, entry_id(2), payload(2), vec![four.seat_id()], &[], LeaveOnly::default()).await.unwrap();
    assert_eq!(
        server.logs.leave(&four, entry_id(2), payload(2), vec![four.seat_id()], &[], LeaveOnly::default()).await.unwrap(),
        answer,
        "sent again"
    );
    assert_eq!(code(server.append(&four, 3, 1).await), RefusalCode::SeatDropped);
    server.append(&key(log, 1), 4, 1).await.expect("a leave is no commit");
    let kinds: Vec<_> = server.read_all(&key(log, 1)).into_iter().map(|(facts, _)| facts.kind).collect();
    assert_eq!(kinds, [EntryKind::Commit, EntryKind::Leave, EntryKind::Application]);
}

#[tokio::test]
async fn a_leave_drops_a_sibling_by_its_drop_secret_and_must_drop_somebody() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let leave = async |n: u64, seats: Vec<SeatId>, shown: &[DropSecret]| {
        server.logs.leave(&bob, entry_id(n), payload(n), seats, shown, LeaveOnly::default()).await
    };
    assert_eq!(code(leave(1, vec![], &[]).await), RefusalCode::Malformed);
    assert_eq!(code(leave(1, vec![key(ann.log, 9).seat_id()], &[]).await), RefusalCode::Malformed);
    assert_eq!(code(leave(1, vec![ann.seat_id()], &[]).await), RefusalCode::NoRight);
    leave(1, vec![ann.seat_id()], &[drop_secret(1)]).await.unwrap();
    assert_eq!(code(leave(2, vec![ann.seat_id()], &[drop_secret(1)]).await), RefusalCode::Malformed, "gone already");
    assert_eq!(code(server.append(&ann, 3, 0).await), RefusalCode::SeatDropped);
}

#[tokio::test]
async fn a_leave_that_asks_for_it_leaves_nobody_without_a_keeper() {
    let server = Server::new();
    let log = log_id(7);
    let seats = (1..=4).map(|n| seat(log, n, n < 3, false)).collect();
    server.logs.create(log, seats, band()).await.unwrap();
    let leave = async |n: u64, who: u8, keeper_stays| {
        let key = key(log, who);
        let only = LeaveOnly { keeper_stays, ..LeaveOnly::default() };
        server.logs.leave(&key, entry_id(n), payload(n), vec![key.seat_id()], &[], only).await
    };
    let first = leave(1, 1, true).await.expect("the second may keep");
    let refusal = leave(2, 2, true).await.unwrap_err();
    assert_eq!((refusal.code, refusal.head), (RefusalCode::NoKeeper, first.sequence), "and says how far to read");
    leave(3, 3, true).await.expect("who may not keep is not missed");
    leave(2, 2, false).await.expect("who does not ask goes as ever");
    leave(4, 4, true).await.expect("who is the last leaves nobody behind");
}

#[tokio::test]
async fn a_dropped_seat_reads_up_to_the_entry_that_dropped_it() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    server.commit(&ann, 2, 0, dropping(vec![bob.seat_id()])).await.unwrap();
    server.append(&ann, 3, 1).await.unwrap();
    let server = server.restart();
    assert_eq!(server.read_all(&bob).len(), 2);
    let subscribe = |after| server.logs.subscribe(&Subscription { seat: bob.clone(), after });
    let subscribed = subscribe(1).unwrap();
    assert_eq!((subscribed.head, subscribed.readable_until), (2, Some(2)));
    let refusal = subscribe(3).unwrap_err();
    assert_eq!((refusal.code, refusal.head), (RefusalCode::BeyondHead, 2));
    assert_eq!(code(server.logs.read(bob.log, bob.seat_id(), 2, 9, 9)), RefusalCode::SeatDropped);
    assert_eq!(code(server.logs.ack(&bob, 2)), RefusalCode::SeatDropped);
    assert_eq!(code(server.logs.publish(&bob, Bytes::new())), RefusalCode::SeatDropped);
    let follower = server.logs.follower();
    server.logs.follow(&follower, bob.log, bob.seat_id()).unwrap();
    server.append(&ann, 4, 1).await.unwrap();
    assert_eq!(follower.news_now(), [], "it may read, but has no news");
    assert_eq!(server.read_all(&ann).len(), 4);
}

#[tokio::test]
async fn a_seat_comes_once_and_never_again() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let bobs = seat(ann.log, 2, false, false);
    let malformed = async |changes| code(server.commit(&ann, 1, 0, changes).await) == RefusalCode::Malformed;
    assert!(malformed(adding(vec![bobs.clone()])).await, "it is there");
    assert!(malformed(adding(vec![seat(ann.log, 3, true, true), seat(ann.log, 3, false, false)])).await, "twice");
    assert!(malformed(dropping(vec![key(ann.log, 9).seat_id()])).await, "never was there");
    server.commit(&ann, 1, 0, dropping(vec![bob.seat_id()])).await.unwrap();
    assert_eq!(code(server.commit(&ann, 2, 1, adding(vec![bobs])).await), RefusalCode::Malformed, "was there");
    server.commit(&ann, 2, 1, dropping(vec![bob.seat_id()])).await.expect("gone already: no harm");
    assert_eq!(server.head(&bob), 1, "it still ends where it was dropped first");
}

#[tokio::test]
async fn an_account_door_lets_in_one_seat_once() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    let log = ann.log;
    server.commit(&ann, 1, 0, opening(vec![door(log, 5, DoorKind::Account)])).await.unwrap();
    let by = Authority::Door(door_shown(log, 5));
    let wrong = Authority::Door(DoorKey { secret: DoorSecret::from([6; 32]), ..door_shown(log, 5) });
    let joiner = adding(vec![seat(log, 6, false, false)]);
    assert_eq!(code(server.commit_by(&wrong, 2, 1, joiner.clone(), &[]).await), RefusalCode::WrongDoor);
    for (changes, expected) in [
        (SeatChanges::default(), RefusalCode::Malformed),
        (adding(vec![seat(log, 6, false, false), seat(log, 7, false, false)]), RefusalCode::Malformed),
        (adding(vec![seat(log, 6, true, false)]), RefusalCode::NoRight),
        (adding(vec![seat(log, 6, false, true)]), RefusalCode::NoRight),
        (SeatChanges { doors_added: vec![door(log, 9, DoorKind::Link)], ..joiner.clone() }, RefusalCode::NoRight),
        (SeatChanges { doors_dropped: vec![door(log, 5, DoorKind::Link).id], ..joiner.clone() }, RefusalCode::NoRight),
        (SeatChanges { seats_dropped: vec![key(log, 2).seat_id()], ..joiner.clone() }, RefusalCode::NoRight),
    ] {
        assert_eq!(code(server.commit_by(&by, 2, 1, changes, &[]).await), expected);
    }
    assert_eq!(code(server.commit_by(&by, 2, 0, joiner.clone(), &[]).await), RefusalCode::Stale);
    let receipt = server.commit_by(&by, 2, 1, joiner.clone(), &[]).await.unwrap();
    let server = server.restart();
    assert_eq!(server.commit_by(&by, 2, 1, joiner, &[]).await.unwrap(), receipt, "sent again");
    let another = adding(vec![seat(log, 7, false, false)]);
    assert_eq!(code(server.commit_by(&by, 3, 2, another, &[]).await), RefusalCode::WrongDoor);
    server.append(&key(log, 6), 4, 2).await.expect("it is in");
    assert_eq!(server.read_all(&ann)[1].0.door, Some(door(log, 5, DoorKind::Account).id));
}

#[tokio::test]
async fn a_link_lets_in_one_seat_a_commit_until_it_is_dropped() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    let log = ann.log;
    server.commit(&ann, 1, 0, opening(vec![door(log, 5, DoorKind::Link)])).await.unwrap();
    let by = Authority::Door(door_shown(log, 5));
    server.commit_by(&by, 2, 1, adding(vec![seat(log, 6, false, false)]), &[]).await.unwrap();
    let replacing = SeatChanges { seats_dropped: vec![key(log, 6).seat_id()], ..adding(vec![seat(log, 7, false, false)]) };
    server.commit_by(&by, 3, 2, replacing, &[drop_secret(6)]).await.unwrap();
    assert_eq!(code(server.append(&key(log, 6), 9, 3).await), RefusalCode::SeatDropped);
    let shut = SeatChanges { doors_dropped: vec![door(log, 5, DoorKind::Link).id], ..SeatChanges::default() };
    server.commit(&ann, 4, 3, shut).await.unwrap();
    let another = adding(vec![seat(log, 8, false, false)]);
    assert_eq!(code(server.commit_by(&by, 5, 4, another, &[]).await), RefusalCode::WrongDoor);
}

#[tokio::test]
async fn seats_doors_and_entry_change_together_or_not_at_all() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let changes = SeatChanges {
        seats_added: vec![seat(ann.log, 3, false, false)],
        seats_dropped: vec![bob.seat_id()],
        doors_added: vec![door(ann.log, 1, DoorKind::Link)],
        doors_dropped: vec![],
    };
    assert_eq!(code(server.commit(&ann, 1, 1, changes.clone()).await), RefusalCode::Stale);
    server.append(&bob, 2, 0).await.expect("still there");
    let before = server.store.writes();
    server.commit(&ann, 1, 0, changes).await.unwrap();
    assert_eq!(server.store.writes(), before + 1);
}

#[tokio::test]
async fn there_are_only_so_many_seats_and_doors() {
    let server = Server::with(LogSettings { seats: 3, doors: 1, ..inline() });
    let (ann, _) = server.log_of_two().await;
    let seats = |from: u8, count: u8| adding((from..from + count).map(|n| seat(ann.log, n, false, false)).collect());
    assert_eq!(code(server.commit(&ann, 1, 0, seats(3, 2)).await), RefusalCode::TooMany);
    server.commit(&ann, 1, 0, seats(3, 1)).await.unwrap();
    let doors = opening(vec![door(ann.log, 1, DoorKind::Link), door(ann.log, 2, DoorKind::Link)]);
    assert_eq!(code(server.commit(&ann, 2, 1, doors).await), RefusalCode::TooMany);
}
