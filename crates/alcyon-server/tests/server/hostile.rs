//! People who want to take the server's memory or its places: others go on.

use alcyon_server::RunningServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Client, Place, start_with},
    http::get,
};

/// Bytes to a server, without the care that a client takes.
async fn half_a_frame(server: &RunningServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = "GET /v1/logs HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    // A binary frame of a megabyte, of which the end never comes.
    let begin = [&[0x82, 0xFF][..], &1_000_000_u64.to_be_bytes(), &[0; 4], &vec![7; 900_000]].concat();
    // The server may have had enough before all is out.
    let _shed = stream.write_all(&begin).await;
    stream
}

fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[tokio::test]
async fn half_frames_stay_below_the_ceiling_and_others_go_on() {
    const CEILING: u64 = 64 << 20;
    let server = start_with(|config| config.memory = Some(CEILING)).await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    client.accepted(place.create()).await;
    let mut hostile = Vec::new();
    for number in 0..60 {
        hostile.push(half_a_frame(&server).await);
        assert_eq!(client.accepted(place.append(vec![1; 10_000])).await, number + 1);
        let metrics = get(server.address(), "/metrics").await.text;
        assert!(metric(&metrics, "alcyon_client_memory_bytes") < CEILING as f64 / 2.0);
    }
    // Some of them hold all that there is for much; the others were ended.
    let mut metrics = get(server.address(), "/metrics").await.text;
    while metric(&metrics, "alcyon_sessions_shed_total") < 30.0 {
        metrics = get(server.address(), "/metrics").await.text;
    }
    client.alive().await;
    drop(hostile);
    while metric(&metrics, "alcyon_client_memory_bytes") > 1_000_000.0 {
        metrics = get(server.address(), "/metrics").await.text;
    }
}

#[tokio::test]
async fn one_source_does_not_take_the_places_of_others() {
    let server = start_with(|config| config.limits.connections_per_address = 3).await;
    let connect = |peer: &str| server.connect(peer.parse().unwrap());
    let places: Vec<_> = (1..=3).map(|n| connect(&format!("192.0.2.{n}")).unwrap()).collect();
    assert!(connect("192.0.2.77").is_none());
    assert!(connect("198.51.100.1").is_some());
    let metrics = get(server.address(), "/metrics").await.text;
    assert_eq!(metric(&metrics, "alcyon_connections_refused_total{reason=\"address\"}"), 1.0);
    drop(places);
}
