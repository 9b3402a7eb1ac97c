#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use prost::Message;

use super::*;

#[test]
fn a_frame_over_the_limit_is_refused_by_name() {
    let (id, error) = decode_client_frame(Bytes::from(vec![0; limits::FRAME + 1])).unwrap_err();
    assert_eq!((id, error.field()), (RequestId(0), "frame"));
}

#[test]
fn a_short_seat_secret_is_named_with_the_request() {
    let body = proto::client_frame::Body::Ack(proto::Ack {
        seat: Some(proto::SeatKey { log: vec![1; 16].into(), secret: vec![2; 31].into() }),
        sequence: 1,
    });
    let frame = proto::ClientFrame { request: 9, body: Some(body) }.encode_to_vec();
    let (id, error) = decode_client_frame(frame.into()).unwrap_err();
    assert_eq!(id, RequestId(9));
    assert_eq!(error, WireError::Length { field: "ack.seat", expected: 32, actual: 31 });
}

#[test]
fn handles_are_checked() {
    for good in ["ann@server.example", "a.b_c-1@127.0.0.1:8080", "abc@[::1]:9"] {
        assert_eq!(good.parse::<Handle>().unwrap().to_text(), good);
    }
    for bad in ["an@server", "Ann@server", "ann", "ann@", "ann@a..b", "ann@host:0", "ann@host:99999", "ann@-a", "ann@[::1"] {
        assert!(bad.parse::<Handle>().is_err(), "{bad}");
    }
}

#[test]
fn debug_shows_no_secret_and_no_id() {
    let key = SeatKey { log: LogId::from([0xAB; 16]), secret: SeatSecret::from([0xCD; 32]) };
    assert_eq!(format!("{key:?}"), "SeatKey { log: LogId(..), secret: SeatSecret(..) }");
}
