//! Subscriptions: what is new, in order, then live; fair, within the window, and never at the cost of memory.

use std::time::Duration;

use alcyon_server::logs::Rate;
use alcyon_wire::{
    HeaderFacts, RunningHash, limits, payload_hash,
    proto::{self, client_frame::Body as Ask, server_frame::Body},
};

use crate::client::{Client, Place, start, start_with};

async fn roomy() -> alcyon_server::RunningServer {
    start_with(|config| {
        config.logs.seat_entries = Rate { burst: 1e6, per_second: 1e6 };
        config.logs.seat_bytes = Rate { burst: 1e9, per_second: 1e9 };
    })
    .await
}

fn credit(entries: u32, bytes: u64) -> Ask {
    Ask::Credit(proto::Credit { entries, bytes })
}

#[tokio::test]
async fn only_logs_with_news_are_named_then_entries_come_then_live_ones() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let places: Vec<Place> = (0..5).map(|_| Place::new()).collect();
    for place in &places {
        client.accepted(place.create()).await;
    }
    for number in 0..3 {
        client.accepted(places[1].append(format!("{number}"))).await;
    }
    let mut reader = Client::open(server.address()).await;
    let news = reader.subscribe(places.iter().map(|place| place.subscribe(0)).collect()).await;
    assert_eq!(news.len(), 1);
    assert_eq!((news[0].log.as_ref(), news[0].head), (places[1].log.as_bytes().as_slice(), 3));
    let entries = reader.entries().await;
    assert_eq!((entries.entries.len(), entries.head, entries.gap), (3, 3, None));

    client.accepted(places[4].append("live")).await;
    let entries = reader.entries().await;
    assert_eq!(entries.log, places[4].log.to_field());
    assert_eq!(entries.entries[0].payload, "live");
    // Who appends sees it too.
    let mut both = Client::open(server.address()).await;
    assert!(both.subscribe(vec![places[0].subscribe(0)]).await.is_empty());
    assert_eq!(both.accepted(places[0].append("own")).await, 1);
    assert_eq!(both.entries().await.entries[0].payload, "own");
}

#[tokio::test]
async fn the_running_hash_covers_what_is_read() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let payloads: Vec<String> = (0..10).map(|number| format!("entry {number}")).collect();
    let requests = client.send_all(payloads.iter().map(|payload| place.append(payload.clone()))).await;
    for (request, sequence) in requests.into_iter().zip(1..) {
        let Body::Receipt(receipt) = client.answer(request).await else { panic!() };
        assert_eq!(receipt.sequence, sequence, "appends of one connection keep their order");
    }
    client.subscribe(vec![place.subscribe(0)]).await;
    let entries = client.entries().await;
    let mut hash = RunningHash::start(place.log);
    for (entry, (payload, sequence)) in entries.entries.iter().zip(payloads.iter().zip(1..)) {
        let facts = HeaderFacts::parse(&entry.header).unwrap();
        assert_eq!((facts.sequence, entry.payload.as_ref()), (sequence, payload.as_bytes()));
        hash = hash.next(&entry.header, &payload_hash(&entry.payload));
    }
    assert_eq!(entries.running_hash, hash.to_field());
}

#[tokio::test]
async fn the_window_closes_and_credit_opens_it() {
    let server = roomy().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let total = limits::WINDOW_ENTRIES + 50;
    for request in client.send_all((0..total).map(|_| place.append("0123456789"))).await {
        assert!(matches!(client.answer(request).await, Body::Receipt(_)));
    }
    client.subscribe(vec![place.subscribe(0)]).await;
    let mut received = 0;
    while received < limits::WINDOW_ENTRIES as usize {
        received += client.entries().await.entries.len();
    }
    assert_eq!(received, limits::WINDOW_ENTRIES as usize);
    // An answer overtakes nothing: had there been more entries, they would be here.
    client.alive().await;
    assert!(client.pushed.is_empty());
    client.done(credit(30, 300)).await;
    assert_eq!(client.entries().await.entries.len(), 30);
    client.done(credit(u32::MAX, u64::MAX)).await;
    assert_eq!(client.entries().await.entries.len(), 20);
}

#[tokio::test]
async fn the_largest_entry_goes_through_and_waits_for_its_turn() {
    let server = roomy().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.accepted(place.append("small")).await;
    for number in 1..=2_u8 {
        client.accepted(place.append(vec![number; limits::ENTRY])).await;
    }
    client.subscribe(vec![place.subscribe(0)]).await;
    assert_eq!(client.entries().await.entries[0].payload, "small");
    client.alive().await;
    assert!(client.pushed.is_empty(), "five bytes and a mebibyte do not fit");
    client.done(credit(1, 5)).await;
    assert_eq!(client.entries().await.entries[0].payload.len(), limits::ENTRY);
    client.alive().await;
    assert!(client.pushed.is_empty());
    client.done(credit(1, limits::ENTRY as u64)).await;
    assert_eq!(client.entries().await.entries[0].payload, vec![2; limits::ENTRY]);
}

#[tokio::test]
async fn a_long_log_does_not_keep_a_short_one_waiting() {
    let server = roomy().await;
    let mut client = Client::open(server.address()).await;
    let (long, short) = (Place::new(), Place::new());
    for place in [&long, &short] {
        client.accepted(place.create()).await;
    }
    for request in client.send_all((0..200).map(|_| long.append(vec![7; 1000]))).await {
        client.answer(request).await;
    }
    client.accepted(short.append("me too")).await;
    client.subscribe(vec![long.subscribe(0), short.subscribe(0)]).await;
    let first = client.entries().await;
    let second = client.entries().await;
    assert_eq!(first.log, long.log.to_field());
    assert!(first.entries.len() < 200, "one turn is not the whole log");
    assert_eq!(second.log, short.log.to_field());
}

#[tokio::test]
async fn no_more_comes_after_unsubscribe() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.subscribe(vec![place.subscribe(0)]).await;
    client.accepted(place.append("heard")).await;
    assert_eq!(client.entries().await.entries[0].payload, "heard");
    client.done(Ask::Unsubscribe(proto::Unsubscribe { logs: vec![place.log.to_field()] })).await;
    client.accepted(place.append("not heard")).await;
    client.alive().await;
    assert!(client.pushed.is_empty());
    assert_eq!(client.subscribe(vec![place.subscribe(1)]).await[0].head, 2);
    assert_eq!(client.entries().await.entries[0].payload, "not heard");
}

#[tokio::test]
async fn a_failed_subscription_leaves_the_one_before() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    client.subscribe(vec![place.subscribe(0)]).await;
    let wrong = Place::at(place.log);
    assert!(client.subscribe(vec![wrong.subscribe(0)]).await[0].refusal.is_some());
    client.accepted(place.append("still heard")).await;
    assert_eq!(client.entries().await.entries[0].payload, "still heard");
}

#[tokio::test]
async fn signals_reach_those_who_listen_and_are_not_kept() {
    let server = start().await;
    let (mut writer, mut reader) = (Client::open(server.address()).await, Client::open(server.address()).await);
    let place = Place::new();
    writer.accepted(place.create()).await;
    reader.subscribe(vec![place.subscribe(0)]).await;
    writer.done(Ask::Publish(proto::Publish { seat: place.key(), payload: "typing".into() })).await;
    match reader.push().await {
        Body::Published(proto::Published { log, payload }) => {
            assert_eq!((log, payload.as_ref()), (place.log.to_field(), b"typing".as_slice()));
        }
        other => panic!("{other:?}"),
    }
    let mut late = Client::open(server.address()).await;
    assert!(late.subscribe(vec![place.subscribe(0)]).await.is_empty());
    late.alive().await;
    assert!(late.pushed.is_empty());
}

/// One that asks for a lot and reads nothing is held back, others go on, and what it asked for is there once it reads.
#[tokio::test]
async fn a_slow_reader_harms_nobody() {
    let server = roomy().await;
    let mut slow = Client::open(server.address()).await;
    let mut quick = Client::open(server.address()).await;
    let places: Vec<Place> = (0..8).map(|_| Place::new()).collect();
    for place in &places {
        quick.accepted(place.create()).await;
        quick.accepted(place.append(vec![1; limits::ENTRY / 2])).await;
    }
    // Far more answers than buffers hold: each is half a mebibyte once the window is given back at once.
    let mut asks = Vec::new();
    for place in &places {
        asks.push(Ask::Subscribe(proto::Subscribe { logs: vec![place.subscribe(0)] }));
        asks.push(credit(u32::MAX, u64::MAX));
    }
    let requests = slow.send_all(asks).await;
    for number in 0..100 {
        assert_eq!(quick.accepted(places[0].append(format!("{number}"))).await, number + 2);
    }
    for request in requests {
        tokio::time::timeout(Duration::from_secs(30), slow.answer(request)).await.unwrap();
    }
    let mut large = slow.pushed.iter().filter(|body| matches!(body, Body::Entries(_))).count();
    while large < places.len() {
        slow.done(credit(u32::MAX, u64::MAX)).await;
        large = slow.pushed.iter().filter(|body| matches!(body, Body::Entries(_))).count();
    }
}
