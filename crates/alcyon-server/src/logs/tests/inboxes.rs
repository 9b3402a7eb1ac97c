use super::*;
use crate::directory::tests::{Person, directory};

async fn inbox(server: &Server) -> (LogId, SeatKey) {
    let ann = Person::new("ann", 1);
    directory(&server.logs).sign_up(&ann.name, ann.manifest(1, &[]), ann.device.id(), ann.seats(1)).await.unwrap();
    (ann.inbox, ann.seat_key(1))
}

fn pass(n: u8) -> Pass {
    Pass::from([n; 32])
}

async fn knock(server: &Server, inbox: LogId, n: u64, pass: Option<&Pass>) -> Result<Receipt, Refusal> {
    server.logs.knock(inbox, entry_id(n), payload(n), pass).await
}

#[tokio::test]
async fn a_pass_opens_a_lane_of_its_own() {
    let server = Server::new();
    let (inbox, ann) = inbox(&server).await;
    assert_eq!(code(knock(&server, inbox, 1, Some(&pass(1))).await), RefusalCode::WrongPass);
    server.logs.set_passes(&ann, vec![pass(1).hash(inbox)], vec![]).await.unwrap();
    for n in 0..20 {
        knock(&server, inbox, n, None).await.unwrap();
    }
    let refusal = knock(&server, inbox, 21, None).await.unwrap_err();
    assert_eq!((refusal.code, refusal.verdict), (RefusalCode::LaneFull, alcyon_wire::Verdict::Later));
    let server = server.restart();
    let receipt = knock(&server, inbox, 22, Some(&pass(1))).await.expect("there is always room");
    assert_eq!(knock(&server, inbox, 22, Some(&pass(1))).await.unwrap(), receipt, "sent again");
    assert_eq!(code(knock(&server, inbox, 23, None).await), RefusalCode::LaneFull, "known from what is pending");
    let lanes: Vec<_> = server.read_all(&ann).into_iter().map(|(facts, _)| (facts.kind, facts.lane)).collect();
    assert_eq!(lanes[0], (EntryKind::Knock, Some(alcyon_wire::KnockLane::Stranger)));
    assert_eq!(lanes[20], (EntryKind::Knock, Some(alcyon_wire::KnockLane::Pass)));
    server.logs.set_passes(&ann, vec![], vec![pass(1).hash(inbox)]).await.unwrap();
    assert_eq!(code(knock(&server, inbox, 24, Some(&pass(1))).await), RefusalCode::WrongPass, "blocked");
}

#[tokio::test]
async fn strangers_pending_are_those_no_device_has_acknowledged() {
    let server = Server::with(LogSettings { strangers_pending: 3, ..inline() });
    let (inbox, ann) = inbox(&server).await;
    for n in 1..=3 {
        knock(&server, inbox, n, None).await.unwrap();
    }
    assert_eq!(code(knock(&server, inbox, 4, None).await), RefusalCode::LaneFull);
    server.logs.ack(&ann, 2).unwrap();
    server.logs.sweep().await.unwrap();
    let server = server.restart();
    knock(&server, inbox, 4, None).await.unwrap();
    knock(&server, inbox, 5, None).await.unwrap();
    assert_eq!(code(knock(&server, inbox, 6, None).await), RefusalCode::LaneFull);
    server.clock.advance(38 * DAY_MS);
    knock(&server, inbox, 6, None).await.expect("they are past the retention");
}

#[tokio::test]
async fn a_pass_that_knocks_too_often_waits() {
    let server = Server::with(LogSettings { pass_knocks: Rate { burst: 1.0, per_second: 1.0 }, ..inline() });
    let (inbox, ann) = inbox(&server).await;
    server.logs.set_passes(&ann, vec![pass(1).hash(inbox), pass(2).hash(inbox)], vec![]).await.unwrap();
    knock(&server, inbox, 1, Some(&pass(1))).await.unwrap();
    assert_eq!(knock(&server, inbox, 2, Some(&pass(1))).await.unwrap_err().retry_after_ms, 1_000);
    knock(&server, inbox, 3, Some(&pass(2))).await.unwrap();
}

#[tokio::test]
async fn only_an_inbox_takes_knocks_and_passes() {
    let server = Server::with(LogSettings { passes: 1, ..inline() });
    let (ann, bob) = server.log_of_two().await;
    assert_eq!(code(knock(&server, ann.log, 1, None).await), RefusalCode::NotInbox);
    assert_eq!(code(knock(&server, log_id(9), 1, None).await), RefusalCode::UnknownLog);
    assert_eq!(code(server.logs.set_passes(&bob, vec![], vec![]).await), RefusalCode::NotInbox);
    let (inbox, ann) = inbox(&server).await;
    let two = vec![pass(1).hash(inbox), pass(2).hash(inbox)];
    assert_eq!(code(server.logs.set_passes(&ann, two, vec![]).await), RefusalCode::TooMany);
    assert_eq!(code(server.logs.create(inbox, vec![seat(inbox, 1, true, true)], band()).await), RefusalCode::LogExists);
}
