//! As many connections as there is room for; one more is turned away, the others go on.

use alcyon_wire::proto::server_frame::Body;

use crate::{
    client::{Client, Place, start_with},
    http::get,
};

#[tokio::test]
async fn the_next_connection_is_refused_and_the_rest_is_kept() {
    let server = start_with(|config| config.limits.connections = 3).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Client::open(server.address()).await);
    }
    for _ in 0..2 {
        let refused = get(server.address(), "/healthz").await;
        assert_eq!(refused.problem(), (503, "too_many".into(), String::new()));
    }
    for client in &mut clients {
        client.alive().await;
    }
    clients.pop().unwrap().close().await;
    // The place is free once the server has seen the end.
    let mut answer = get(server.address(), "/healthz").await;
    while answer.status == 503 {
        answer = get(server.address(), "/healthz").await;
    }
    assert_eq!(answer.status, 200);
    assert!(get(server.address(), "/metrics").await.text.contains("alcyon_connections_refused_total{reason=\"limit\"} "));
    for client in &mut clients {
        client.alive().await;
    }
}

#[tokio::test]
async fn many_who_come_at_once_and_find_no_place_are_all_told() {
    use tokio::io::AsyncReadExt;
    let server = start_with(|config| config.limits.connections = 1).await;
    let mut client = Client::open(server.address()).await;
    let mut others = Vec::new();
    for _ in 0..300 {
        others.push(tokio::net::TcpStream::connect(server.address()).await.unwrap());
    }
    for (number, mut stream) in others.into_iter().enumerate() {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{number}: {answer:?}");
    }
    client.alive().await;
}

#[tokio::test]
async fn more_requests_than_may_be_in_flight_wait_and_are_all_answered() {
    let server = start_with(|config| config.limits.requests_in_flight = 2).await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let requests = client.send_all((0..100).map(|number| place.append(format!("{number}")))).await;
    for (request, sequence) in requests.into_iter().zip(1..) {
        match client.answer(request).await {
            Body::Receipt(receipt) => assert_eq!(receipt.sequence, sequence),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = start_with(|config| config.limits.handshake_time = std::time::Duration::from_millis(50)).await;
    for beginning in [b"".as_slice(), b"GET / HTTP/1.1\r\nhost: "] {
        let mut stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let mut answer = Vec::new();
        // It ends; with an answer or without.
        let _reset = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"));
    }
}

#[tokio::test]
async fn a_stopped_server_has_let_go_of_its_data_and_a_dropped_one_ends_its_connections() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        start_with(|config| {
            config.store = alcyon_server::config::StoreKind::Embedded;
            config.data = directory.path().join("data");
        })
    };
    let place = Place::new();
    for round in 0..3 {
        let server = start().await;
        let mut client = Client::open(server.address()).await;
        client.accepted(place.create()).await;
        assert_eq!(client.accepted(place.append(format!("{round}"))).await, round + 1);
        assert!(server.stop().await);
    }
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    assert_eq!(client.subscribe(vec![place.subscribe(0)]).await[0].head, 3);
    drop(server);
    while client.message().await.is_some() {}
}
