//! More is asked than can be done: who is served, and what the others are told.

use alcyon_server::RunningServer;
use alcyon_wire::{
    RefusalCode, Verdict,
    proto::{self, client_frame::Body as Ask, server_frame::Body},
};

use crate::{
    client::{Client, Place, start_with},
    http::get,
};

/// A server that has just begun and lets in next to nothing but appends: the same as one that is overloaded.
async fn full() -> RunningServer {
    start_with(|config| config.admission.start_per_second = 20.0).await
}

#[tokio::test]
async fn those_who_talk_go_on_while_the_rest_is_told_to_come_later() {
    let server = full().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    // One of this class may come in.
    client.accepted(place.create()).await;
    let mut refused = Vec::new();
    for number in 0..50 {
        let answer = get(server.address(), "/v1/handles/nobody").await;
        match answer.status {
            404 => {}
            503 => {
                assert_eq!(answer.problem(), (503, "overloaded".into(), String::new()));
                refused.push(answer.json()["retry_after_ms"].as_u64().unwrap());
            }
            other => panic!("{other}"),
        }
        assert_eq!(client.accepted(place.append(format!("{number}"))).await, number + 1);
        client.done(Ask::Ack(proto::Ack { seat: place.key(), sequence: number })).await;
    }
    assert!(refused.len() > 10, "{}", refused.len());
    assert!(refused.iter().all(|ms| *ms >= 500));
    refused.sort_unstable();
    refused.dedup();
    assert!(refused.len() > 5, "the times are drawn one by one: {refused:?}");
    let metrics = get(server.address(), "/metrics").await.text;
    assert!(metrics.contains("alcyon_admitted_total{class=\"append\"} 50"), "{metrics}");
    assert!(metrics.contains("alcyon_not_admitted_total{class=\"append\"} 0"), "{metrics}");
    assert!(!metrics.contains("alcyon_not_admitted_total{class=\"directory\"} 0\n"), "{metrics}");
}

#[tokio::test]
async fn a_refused_frame_leaves_the_connection_as_it_was() {
    let server = full().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let requests = client.send_all((0..40).map(|_| Ask::Subscribe(proto::Subscribe { logs: vec![place.subscribe(0)] }))).await;
    let mut refused = 0;
    for request in requests {
        match client.answer(request).await {
            Body::Subscribed(_) => {}
            Body::Refusal(refusal) => {
                assert_eq!((refusal.code(), refusal.verdict()), (RefusalCode::Overloaded, Verdict::Later));
                assert!(refusal.retry_after_ms >= 500);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused > 10, "{refused}");
    client.alive().await;
    assert_eq!(client.accepted(place.append("still here")).await, 1);
}

#[tokio::test]
async fn what_tells_how_the_server_is_always_answers() {
    let server = full().await;
    for path in ["/healthz", "/readyz", "/metrics", "/v1/server"] {
        for _ in 0..20 {
            assert_eq!(get(server.address(), path).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn while_it_drains_clients_are_sent_to_where_it_goes_on() {
    let server = start_with(|config| {
        config.elsewhere = Some("https://b.example.org".parse().unwrap());
        config.endpoints = vec!["b.example.org".into(), "192.0.2.7".into()];
    })
    .await;
    let mut client = Client::connect(server.address()).await;
    let hello = client.ask(Ask::Hello(proto::Hello { versions: vec![1] })).await;
    let Body::HelloOk(proto::HelloOk { endpoints, reconnect_within_ms, .. }) = hello else { panic!("{hello:?}") };
    assert_eq!((endpoints, reconnect_within_ms), (vec!["b.example.org".to_owned(), "192.0.2.7".to_owned()], 0));
    let stopping = tokio::spawn(server.stop());
    let Body::GoingAway(proto::GoingAway { retry_after_ms, location }) = client.push().await else { panic!("no goodbye") };
    assert_eq!(location, "https://b.example.org");
    assert!((1_000..10_000).contains(&retry_after_ms));
    client.close().await;
    assert!(stopping.await.unwrap());
}
