//! Frames that are none, and the way a connection begins and ends.

use alcyon_wire::{
    RefusalCode, Verdict, limits,
    proto::{self, client_frame::Body as Ask, server_frame::Body},
};
use prost::Message as _;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Place, start};

fn refusal(body: Body) -> proto::Refusal {
    match body {
        Body::Refusal(refusal) => refusal,
        other => panic!("a refusal was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn a_version_that_nobody_speaks_is_refused_for_ever_and_the_connection_ends() {
    let server = start().await;
    for versions in [vec![], vec![2], vec![7, u32::MAX]] {
        let mut client = Client::connect(server.address()).await;
        let refusal = refusal(client.ask(Ask::Hello(proto::Hello { versions })).await);
        assert_eq!((refusal.code(), refusal.verdict()), (RefusalCode::Version, Verdict::Never));
        assert_eq!(refusal.field, "hello.versions");
        assert_eq!(client.close_code().await, 4000);
        assert!(client.message().await.is_none());
    }
}

#[tokio::test]
async fn the_highest_common_version_is_agreed_on_with_the_limits() {
    let server = start().await;
    let mut client = Client::connect(server.address()).await;
    let Body::HelloOk(hello) = client.ask(Ask::Hello(proto::Hello { versions: vec![9, 1, 3] })).await else { panic!() };
    assert_eq!((hello.version, hello.max_frame as usize), (1, limits::FRAME));
    assert_eq!((hello.window_entries, hello.window_bytes), (limits::WINDOW_ENTRIES, limits::WINDOW_BYTES));
    assert!(hello.time_ms > 1_600_000_000_000);
}

#[tokio::test]
async fn hello_comes_first_and_once() {
    let server = start().await;
    let mut client = Client::connect(server.address()).await;
    let early = refusal(client.ask(Place::new().create()).await);
    assert_eq!((early.code(), early.field.as_str()), (RefusalCode::Malformed, "hello"));
    client.hello().await;
    let again = client.refused(Ask::Hello(proto::Hello { versions: vec![1] }), RefusalCode::Malformed).await;
    assert_eq!(again.field, "hello");
}

#[tokio::test]
async fn a_frame_over_the_limit_by_one_byte_is_refused_and_the_connection_lives() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    // At the limit it is looked at: these bytes are no frame.
    client.send_message(Message::Binary(vec![0xff; limits::FRAME].into())).await;
    let (request, body) = client.frame().await;
    assert_eq!((request, refusal(body).code()), (0, RefusalCode::Malformed));
    client.send_message(Message::Binary(vec![0xff; limits::FRAME + 1].into())).await;
    let (request, body) = client.frame().await;
    let refusal = refusal(body);
    assert_eq!((request, refusal.code(), refusal.field.as_str()), (0, RefusalCode::TooLarge, "frame"));
    assert_eq!(refusal.verdict(), Verdict::Never);
    client.alive().await;
}

#[tokio::test]
async fn what_is_no_frame_is_refused_and_the_connection_lives() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let no_body = proto::ClientFrame { request: 77, body: None }.encode_to_vec();
    let no_number = proto::ClientFrame { request: 0, body: Some(Ask::Ping(proto::Ping {})) }.encode_to_vec();
    // Field 900, which no version has, in a frame that is whole otherwise.
    let unknown = [proto::ClientFrame { request: 78, body: None }.encode_to_vec(), vec![0xa2, 0x38, 0x00]].concat();
    let cases = [
        (vec![0x0a], 0, "ClientFrame"),
        (b"GET / HTTP/1.1".to_vec(), 0, "ClientFrame"),
        (no_body, 77, "body"),
        (no_number, 0, "request"),
        (unknown, 78, "body"),
    ];
    for (bytes, number, field) in cases {
        client.send_message(Message::Binary(bytes.into())).await;
        let (request, body) = client.frame().await;
        let refusal = refusal(body);
        assert_eq!((request, refusal.code(), refusal.field.as_str()), (number, RefusalCode::Malformed, field));
        client.alive().await;
    }
}

#[tokio::test]
async fn text_is_refused_and_the_connection_lives() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    client.send_message(Message::Text("{}".into())).await;
    let (_, body) = client.frame().await;
    let refusal = refusal(body);
    assert_eq!((refusal.code(), refusal.field.as_str()), (RefusalCode::Malformed, "frame"));
    client.alive().await;
}

#[tokio::test]
async fn fields_out_of_bounds_are_named() {
    let server = start().await;
    let mut client = Client::open(server.address()).await;
    let place = Place::new();
    let short_log = Ask::Create(proto::Create { log: vec![1; 15].into(), seats: vec![place.seat()], payment: None });
    assert_eq!(client.refused(short_log, RefusalCode::Malformed).await.field, "create.log");
    let no_seat = Ask::Create(proto::Create { log: place.log.to_field(), seats: vec![], payment: None });
    assert_eq!(client.refused(no_seat, RefusalCode::Malformed).await.field, "create.seats");
    let large = place.append(vec![0; limits::ENTRY + 1]);
    assert_eq!(client.refused(large, RefusalCode::TooLarge).await.field, "append.payload");
    let many = vec![place.subscribe(0); limits::SUBSCRIPTIONS + 1];
    let refusal = client.refused(Ask::Subscribe(proto::Subscribe { logs: many }), RefusalCode::TooLarge).await;
    assert_eq!(refusal.field, "subscribe.logs");
}

#[tokio::test]
async fn pings_of_the_protocol_beneath_are_answered_with_the_same_bytes() {
    use futures::{SinkExt, StreamExt};
    let server = start().await;
    let url = format!("ws://{}/v1/logs", server.address());
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    socket.send(Message::Ping(vec![1, 2, 3].into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(vec![1, 2, 3].into()));
    socket.close(None).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(Some(close)))) if u16::from(close.code) == 1000));
}
