use super::*;
use crate::store::{Fault, Table};

fn server_with(plan: impl FnMut(u64) -> Option<Fault> + Send + 'static) -> Server {
    let (disk, clock) = (Arc::new(MemoryStore::default()), Arc::new(ManualClock::new(START_MS)));
    let store = Arc::new(FaultyStore::new(disk.clone(), plan));
    let logs = Logs::open(store.clone(), inline(), clock.clone()).unwrap();
    Server { disk, store, clock, logs }
}

#[tokio::test]
async fn a_full_disk_stops_acknowledging_keeps_reading_and_recovers() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    server.store.set_disk_full(true);
    server.clock.advance(1_000);
    let refusal = server.append(&ann, 2, 0).await.unwrap_err();
    assert_eq!((refusal.code, refusal.verdict), (RefusalCode::DiskFull, alcyon_wire::Verdict::Later));
    assert_eq!(server.logs.health(), Health::DiskFull);
    assert_eq!(server.read_all(&bob).len(), 1, "reads go on");
    assert_eq!(server.append(&ann, 1, 0).await.unwrap().sequence, 1, "what is known is answered");
    assert_eq!(code(server.logs.create(log_id(8), vec![seat(log_id(8), 1, true, true)], band()).await), RefusalCode::DiskFull);
    server.store.set_disk_full(false);
    server.clock.advance(1_000);
    assert_eq!(server.append(&ann, 2, 0).await.unwrap().sequence, 2);
    assert_eq!(server.logs.health(), Health::Writing);
}

#[tokio::test]
async fn a_write_that_finds_the_disk_full_is_taken_back_and_tried_again_later() {
    let server = server_with(|write| (write == 2).then_some(Fault::DiskFull));
    let (ann, bob) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    assert_eq!(code(server.append(&ann, 2, 0).await), RefusalCode::DiskFull);
    assert_eq!(server.read_all(&bob).len(), 1);
    server.clock.advance(10_000);
    assert_eq!(code(server.append(&ann, 2, 0).await), RefusalCode::DiskFull, "it is still full");
    server.store.set_disk_full(false);
    server.clock.advance(1_000);
    assert_eq!(server.append(&ann, 2, 0).await.unwrap().sequence, 2);
}

#[tokio::test]
async fn a_lost_write_leaves_no_trace() {
    let server = server_with(|write| (write == 2).then_some(Fault::Lost));
    let (ann, bob) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    let refusal = server.commit(&ann, 2, 0, dropping(vec![bob.seat_id()])).await.unwrap_err();
    assert_eq!((refusal.code, refusal.verdict), (RefusalCode::Internal, alcyon_wire::Verdict::Later));
    assert_eq!(server.logs.health(), Health::Failed);
    assert_eq!(code(server.append(&bob, 3, 0).await), RefusalCode::Internal, "not before it was looked at");
    server.clock.advance(1_000);
    assert_eq!(server.append(&bob, 3, 0).await.unwrap().sequence, 2);
    assert_eq!(server.read_all(&ann).len(), 2);
}

#[tokio::test]
async fn a_write_that_could_not_be_proved_is_found_when_the_store_is_read_again() {
    let server = server_with(|write| (write == 2).then_some(Fault::Unproven));
    let (ann, bob) = server.log_of_two().await;
    let follower = server.logs.follower();
    server.logs.follow(&follower, bob.log, bob.seat_id()).unwrap();
    server.append(&ann, 1, 0).await.unwrap();
    assert_eq!(follower.news_now().len(), 1);
    assert_eq!(code(server.append(&ann, 2, 0).await), RefusalCode::Internal);
    assert_eq!(server.head(&bob), 1, "what nobody could prove is not shown");
    server.clock.advance(1_000);
    assert_eq!(server.append(&ann, 3, 0).await.unwrap().sequence, 3, "it was there");
    assert_eq!(server.append(&ann, 2, 0).await.unwrap().sequence, 2, "sent again: found");
    assert_eq!(server.read_all(&bob).len(), 3);
    assert_eq!(follower.news().await, [News::Entries(bob.log)]);
}

#[tokio::test]
async fn an_unproven_log_is_there_when_it_is_asked_for_again() {
    let server = server_with(|write| (write == 0).then_some(Fault::Unproven));
    let seats = vec![seat(log_id(7), 1, true, true)];
    assert_eq!(code(server.logs.create(log_id(7), seats.clone(), band()).await), RefusalCode::Internal);
    server.clock.advance(1_000);
    server.logs.create(log_id(7), seats, band()).await.unwrap();
    server.append(&key(log_id(7), 1), 1, 0).await.unwrap();
}

#[tokio::test]
async fn one_bad_write_fails_its_whole_group_and_no_other() {
    let (disk, clock) = (Arc::new(MemoryStore::default()), Arc::new(ManualClock::new(START_MS)));
    let store = Arc::new(FaultyStore::new(disk.clone(), |write: u64| (write == 3).then_some(Fault::Lost)));
    let logs = Logs::open(store.clone(), LogSettings::default(), clock.clone()).unwrap();
    let server = Server { disk, store, clock, logs };
    let (ann, _) = server.log_of_two().await;
    let mut acknowledged = 0;
    for round in 0..20 {
        let answers: Vec<_> = (0..10).map(|n| server.append(&ann, round * 10 + n, 0)).collect();
        acknowledged += futures::future::join_all(answers).await.iter().filter(|answer| answer.is_ok()).count();
        server.clock.advance(1_000);
    }
    assert!(acknowledged < 200);
    assert_eq!(server.read_all(&ann).len(), acknowledged);
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_no_answer() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    let server = server.restart();
    let mut batch = crate::store::Batch::default();
    batch.put(Table::Heads, ann.log.as_bytes(), &[0xFF]);
    server.disk.commit(&batch).unwrap();
    assert_eq!(code(server.append(&ann, 1, 0).await), RefusalCode::Internal);
    assert_eq!(code(server.logs.subscribe(&Subscription { seat: ann, after: 0 })), RefusalCode::Internal);
    server.logs.create(log_id(8), vec![seat(log_id(8), 1, true, true)], band()).await.expect("the others go on");
}
