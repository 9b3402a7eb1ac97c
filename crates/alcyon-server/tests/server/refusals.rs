//! Requests that are well formed and not granted: each a typed refusal, and the connection goes on.

use alcyon_server::logs::Rate;
use alcyon_wire::{
    DoorSecret, LogId, Pass, RefusalCode, Verdict, limits,
    proto::{self, client_frame::Body as Ask, server_frame::Body},
};

use crate::{
    client::{Client, Place, entry_id, random, start, start_with},
    http::Person,
};

fn commit(place: &Place, commit_count: u64, changes: proto::SeatChanges) -> proto::Commit {
    proto::Commit {
        authority: Some(proto::commit::Authority::Seat(place.key().unwrap())),
        entry_id: entry_id(),
        payload: b"sealed".as_slice().into(),
        commit_count,
        changes: Some(changes),
        drop_secrets: Vec::new(),
        group_info: b"info".as_slice().into(),
    }
}

#[tokio::test]
async fn seats_and_doors_that_are_wrong() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let (place, other) = (Place::new(), Place::new());
    client.accepted(place.create()).await;
    client.accepted(other.create()).await;

    let wrong = Place { secret: random::<32>().into(), ..place.clone() };
    let foreign = Place { secret: other.secret.clone(), ..place.clone() };
    for stranger in [&wrong, &foreign] {
        let refusal = client.refused(stranger.append("x"), RefusalCode::WrongSeat).await;
        assert_eq!(refusal.verdict(), Verdict::Never);
        client.refused(Ask::Publish(proto::Publish { seat: stranger.key(), payload: "x".into() }), RefusalCode::WrongSeat).await;
        let news = client.subscribe(vec![stranger.subscribe(0), place.subscribe(0)]).await;
        assert_eq!(news.len(), 1, "the right one has nothing new: {news:?}");
        assert_eq!(news[0].refusal.as_ref().unwrap().code(), RefusalCode::WrongSeat);
    }

    let door = proto::DoorKey {
        log: place.log.to_field(),
        id: random::<16>().to_vec().into(),
        secret: DoorSecret::from(random::<32>()).to_field(),
    };
    let by_door = proto::Commit {
        authority: Some(proto::commit::Authority::Door(door.clone())),
        ..commit(&place, 0, proto::SeatChanges { seats_added: vec![Place::at(place.log).seat()], ..Default::default() })
    };
    client.refused(Ask::Commit(by_door), RefusalCode::WrongDoor).await;
    let tree = proto::GetTree { authority: Some(proto::get_tree::Authority::Door(door)) };
    client.refused(Ask::GetTree(tree), RefusalCode::WrongDoor).await;
    let tree = proto::GetTree { authority: Some(proto::get_tree::Authority::Seat(place.key().unwrap())) };
    client.refused(Ask::GetTree(tree), RefusalCode::NoTree).await;
}

#[tokio::test]
async fn a_dropped_seat_reads_to_its_end_and_writes_no_more() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    let guest = Place::at(place.log);
    client.accepted(Ask::Create(proto::Create { log: place.log.to_field(), seats: vec![place.seat(), guest.seat()], payment: None })).await;
    client.accepted(guest.append("one")).await;
    let drop = proto::SeatChanges { seats_dropped: vec![guest.secret.seat_id(guest.log).to_field()], ..Default::default() };
    assert_eq!(client.accepted(Ask::Commit(commit(&place, 0, drop))).await, 2);
    let after = proto::Append { seat: place.key(), entry_id: entry_id(), payload: "three".into(), commit_count: 1 };
    assert_eq!(client.accepted(Ask::Append(after)).await, 3);
    let late = proto::Append { seat: guest.key(), entry_id: entry_id(), payload: "four".into(), commit_count: 1 };
    client.refused(Ask::Append(late), RefusalCode::SeatDropped).await;
    let news = client.subscribe(vec![guest.subscribe(0)]).await;
    assert_eq!((news.len(), news[0].head), (1, 2));
    let entries = client.entries().await;
    assert_eq!((entries.entries.len(), entries.head), (2, 2));
    let news = client.subscribe(vec![guest.subscribe(2)]).await;
    assert_eq!(news[0].refusal.as_ref().unwrap().code(), RefusalCode::SeatDropped, "there will never be more");
}

#[tokio::test]
async fn a_seat_that_is_dropped_while_it_listens_hears_of_it_and_then_no_more() {
    let server = start().await;
    let (mut client, mut listener) = (Client::open(server.address()).await, Client::open(server.address()).await);
    let place = Place::new();
    let guest = Place::at(place.log);
    client.accepted(Ask::Create(proto::Create { log: place.log.to_field(), seats: vec![place.seat(), guest.seat()], payment: None })).await;
    listener.subscribe(vec![guest.subscribe(0)]).await;
    let drop = proto::SeatChanges { seats_dropped: vec![guest.secret.seat_id(guest.log).to_field()], ..Default::default() };
    client.accepted(Ask::Commit(commit(&place, 0, drop))).await;
    let entries = listener.entries().await;
    let facts = alcyon_wire::HeaderFacts::parse(&entries.entries[0].header).unwrap();
    assert_eq!(facts.changes.seats_dropped, [guest.secret.seat_id(guest.log)]);
    let after = proto::Append { seat: place.key(), entry_id: entry_id(), payload: "secret".into(), commit_count: 1 };
    client.accepted(Ask::Append(after)).await;
    listener.alive().await;
    assert!(listener.pushed.is_empty());
}

#[tokio::test]
async fn logs_that_are_not_there_or_closed_or_taken() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    let refusal = client.refused(place.append("x"), RefusalCode::UnknownLog).await;
    assert_eq!(refusal.verdict(), Verdict::Never);
    client.accepted(place.create()).await;
    client.refused(Place::at(place.log).create(), RefusalCode::LogExists).await;
    let close = proto::Close { seat: place.key(), entry_id: entry_id(), payload: "next".into(), commit_count: 0 };
    assert_eq!(client.accepted(Ask::Close(close)).await, 1);
    client.refused(place.append("x"), RefusalCode::Closed).await;
    assert_eq!(client.subscribe(vec![place.subscribe(0)]).await[0].head, 1, "reads go on");
    let beyond = client.subscribe(vec![place.subscribe(2)]).await;
    let refusal = beyond[0].refusal.as_ref().unwrap();
    assert_eq!((refusal.code(), refusal.head), (RefusalCode::BeyondHead, 1));
}

#[tokio::test]
async fn a_stale_count_says_what_the_log_has() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.accepted(Ask::Commit(commit(&place, 0, proto::SeatChanges::default()))).await;
    let stale = client.refused(place.append("x"), RefusalCode::Stale).await;
    assert_eq!((stale.commit_count, stale.head), (1, 1));
    let stale = client.refused(Ask::Commit(commit(&place, 0, proto::SeatChanges::default())), RefusalCode::Stale).await;
    assert_eq!((stale.commit_count, stale.head), (1, 1));
}

#[tokio::test]
async fn an_entry_id_stands_for_its_bytes() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let entry_id = entry_id();
    let append = |payload: &'static str| {
        Ask::Append(proto::Append { seat: place.key(), entry_id: entry_id.clone(), payload: payload.into(), commit_count: 0 })
    };
    assert_eq!(client.accepted(append("first")).await, 1);
    assert_eq!(client.accepted(place.append("second")).await, 2);
    assert_eq!(client.accepted(append("first")).await, 1, "the same again gets the first answer");
    client.refused(append("other"), RefusalCode::EntryIdReused).await;
}

#[tokio::test]
async fn a_seat_over_its_quota_comes_back_later() {
    let server = start_with(|config| config.logs.seat_entries = Rate { burst: 3.0, per_second: 0.001 }).await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    for sequence in 1..=3 {
        assert_eq!(client.accepted(place.append("x")).await, sequence);
    }
    let refusal = client.refused(place.append("x"), RefusalCode::Quota).await;
    assert_eq!(refusal.verdict(), Verdict::Later);
}

#[tokio::test]
async fn strangers_wait_when_their_lane_is_full_and_acquaintances_do_not() {
    let server = start_with(|config| config.logs.strangers_per_hour = 2).await;
    let ann = Person::new("ann");
    assert_eq!(ann.sign_up(&server).await.status, 201);
    let mut client = Client::open(server.address()).await;
    let inbox = ann.inbox.clone();
    let knock = |pass: Option<&Pass>| {
        Ask::Knock(proto::Knock {
            inbox: inbox.log.to_field(),
            entry_id: entry_id(),
            payload: "knock knock".into(),
            pass: pass.map(Pass::to_field).unwrap_or_default(),
            payment: None,
        })
    };
    client.accepted(knock(None)).await;
    client.accepted(knock(None)).await;
    let refusal = client.refused(knock(None), RefusalCode::LaneFull).await;
    assert_eq!(refusal.verdict(), Verdict::Later);
    let pass = Pass::from(random::<32>());
    client.refused(knock(Some(&pass)), RefusalCode::WrongPass).await;
    let good = proto::SetPasses { seat: inbox.key(), added: vec![pass.hash(inbox.log).to_field()], dropped: vec![] };
    client.done(Ask::SetPasses(good)).await;
    assert_eq!(client.accepted(knock(Some(&pass))).await, 3);

    let log = Place::new();
    client.accepted(log.create()).await;
    let at_a_log = Ask::Knock(proto::Knock {
        inbox: log.log.to_field(),
        entry_id: entry_id(),
        payload: "x".into(),
        pass: Default::default(),
        payment: None,
    });
    client.refused(at_a_log, RefusalCode::NotInbox).await;
    let nowhere = Ask::Knock(proto::Knock {
        inbox: LogId::from(random::<16>()).to_field(),
        entry_id: entry_id(),
        payload: "x".into(),
        pass: Default::default(),
        payment: None,
    });
    client.refused(nowhere, RefusalCode::UnknownLog).await;
    let large = Ask::Knock(proto::Knock {
        inbox: inbox.log.to_field(),
        entry_id: entry_id(),
        payload: vec![0; limits::KNOCK + 1].into(),
        pass: Default::default(),
        payment: None,
    });
    assert_eq!(client.refused(large, RefusalCode::TooLarge).await.field, "knock.payload");
}

#[tokio::test]
async fn a_tree_goes_up_and_comes_down_in_chunks() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let tree_id = entry_id();
    let chunks: Vec<Vec<u8>> = (0..3_u8).map(|number| vec![number; limits::TREE_CHUNK]).collect();
    for (number, payload) in chunks.iter().enumerate() {
        client
            .done(Ask::PutTree(proto::PutTree {
                seat: place.key(),
                entry_id: tree_id.clone(),
                commit_count: 0,
                chunk: u32::try_from(number).unwrap(),
                chunks: 3,
                payload: payload.clone().into(),
                group_info: if number == 2 { "info".into() } else { Default::default() },
            }))
            .await;
    }
    let request =
        client.send(Ask::GetTree(proto::GetTree { authority: Some(proto::get_tree::Authority::Seat(place.key().unwrap())) })).await;
    for (number, payload) in chunks.iter().enumerate() {
        let Body::Tree(tree) = client.answer(request).await else { panic!() };
        assert_eq!((tree.chunk as usize, tree.chunks), (number, 3));
        assert!(tree.payload == payload);
        assert_eq!(tree.group_infos.len(), usize::from(number == 2));
    }
    client.alive().await;
}
