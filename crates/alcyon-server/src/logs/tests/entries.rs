use super::*;

#[tokio::test]
async fn entries_get_numbers_in_order_and_a_known_id_its_first_answer() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let first = server.append(&ann, 1, 0).await.unwrap();
    assert_eq!(first, Receipt { sequence: 1, time_ms: START_MS });
    server.clock.advance(1_000);
    assert_eq!(server.append(&bob, 2, 0).await.unwrap(), Receipt { sequence: 2, time_ms: START_MS + 1_000 });
    assert_eq!(server.append(&ann, 1, 0).await.unwrap(), first, "sent again");
    let other = server.logs.append(&ann, entry_id(1), "other".into(), 0).await;
    assert_eq!(code(other), RefusalCode::EntryIdReused);
    assert_eq!(server.read_all(&bob).len(), 2);
}

#[tokio::test]
async fn a_known_id_is_answered_before_the_commit_count_and_the_end_are_looked_at() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    let first = server.append(&ann, 1, 0).await.unwrap();
    let commit = server.commit(&ann, 2, 0, SeatChanges::default()).await.unwrap();
    let close = server.logs.close(&ann, entry_id(3), payload(3), 1).await.unwrap();
    let server = server.restart();
    assert_eq!(server.append(&ann, 1, 0).await.unwrap(), first);
    assert_eq!(server.commit(&ann, 2, 0, SeatChanges::default()).await.unwrap(), commit);
    assert_eq!(server.logs.close(&ann, entry_id(3), payload(3), 1).await.unwrap(), close);
    assert_eq!(code(server.commit(&ann, 1, 0, SeatChanges::default()).await), RefusalCode::EntryIdReused, "an append before");
}

#[tokio::test]
async fn a_commit_count_that_is_not_the_logs_is_stale() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    server.append(&bob, 1, 0).await.unwrap();
    server.commit(&ann, 2, 0, SeatChanges::default()).await.unwrap();
    for refusal in [
        server.append(&bob, 3, 0).await.unwrap_err(),
        server.commit(&bob, 3, 0, SeatChanges::default()).await.unwrap_err(),
        server.logs.close(&ann, entry_id(3), payload(3), 2).await.unwrap_err(),
    ] {
        assert_eq!((refusal.code, refusal.commit_count, refusal.head), (RefusalCode::Stale, 1, 2));
    }
    let again = server.append(&bob, 3, 1).await.unwrap();
    assert_eq!(again.sequence, 3, "encrypted anew under the same id");
    let counts: Vec<_> = server.read_all(&bob).into_iter().map(|(facts, _)| facts.commit_count).collect();
    assert_eq!(counts, [0, 0, 1]);
}

#[tokio::test]
async fn after_the_last_entry_there_is_none_but_reads_go_on() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    assert_eq!(code(server.logs.close(&bob, entry_id(1), payload(1), 0).await), RefusalCode::NoRight);
    server.logs.close(&ann, entry_id(2), payload(2), 0).await.unwrap();
    assert_eq!(code(server.append(&ann, 3, 0).await), RefusalCode::Closed);
    assert_eq!(code(server.commit(&ann, 3, 0, SeatChanges::default()).await), RefusalCode::Closed);
    assert_eq!(
        code(server.logs.leave(&bob, entry_id(3), payload(3), vec![bob.seat_id()], &[], LeaveOnly::default()).await),
        RefusalCode::Closed
    );
    assert_eq!(code(server.logs.publish(&bob, "typing".into())), RefusalCode::Closed);
    let server = server.restart();
    let read = server.read_all(&bob);
    assert_eq!(read.last().unwrap().0.kind, EntryKind::Close);
}

#[tokio::test]
async fn a_log_is_created_once() {
    let server = Server::new();
    let seats = vec![seat(log_id(1), 1, true, true)];
    let first = server.logs.create(log_id(1), seats.clone(), band()).await.unwrap();
    assert_eq!(first, Receipt { sequence: 0, time_ms: START_MS });
    server.clock.advance(5);
    server.append(&key(log_id(1), 1), 1, 0).await.unwrap();
    let server = server.restart();
    assert_eq!(server.logs.create(log_id(1), seats, band()).await.unwrap(), first, "sent again");
    let other = vec![seat(log_id(1), 2, true, true)];
    assert_eq!(code(server.logs.create(log_id(1), other, band()).await), RefusalCode::LogExists);
    assert_eq!(code(server.logs.create(log_id(2), vec![], band()).await), RefusalCode::Malformed);
    let twice = vec![seat(log_id(2), 1, true, true), seat(log_id(2), 1, false, false)];
    assert_eq!(code(server.logs.create(log_id(2), twice, band()).await), RefusalCode::Malformed);
}

#[tokio::test]
async fn creating_is_limited_by_address_band_and_in_all() {
    let settings =
        LogSettings { creates_per_band: Rate { burst: 2.0, per_second: 1.0 }, creates: Rate { burst: 3.0, per_second: 0.1 }, ..inline() };
    let server = Server::with(settings);
    let create = async |n: u8, band: AddressBand| server.logs.create(log_id(n), vec![seat(log_id(n), 1, true, true)], band).await;
    let other = AddressBand::of([192, 0, 2, 1].into());
    create(1, band()).await.unwrap();
    create(2, band()).await.unwrap();
    let refusal = create(3, band()).await.unwrap_err();
    assert_eq!((refusal.code, refusal.verdict, refusal.retry_after_ms), (RefusalCode::TooMany, alcyon_wire::Verdict::Later, 1_000));
    create(3, other).await.unwrap();
    assert_eq!(code(create(4, other).await), RefusalCode::TooMany);
    create(2, band()).await.expect("known already");
    server.clock.advance(10_000);
    create(4, other).await.unwrap();
}

#[tokio::test]
async fn time_never_goes_back_within_a_log() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    server.clock.set(START_MS - 90 * DAY_MS);
    assert_eq!(server.append(&ann, 2, 0).await.unwrap().time_ms, START_MS);
    assert_eq!(server.append(&ann, 1, 0).await.unwrap().sequence, 1, "known all the same");
    let server = server.restart();
    assert_eq!(server.append(&ann, 3, 0).await.unwrap().time_ms, START_MS);
}

#[tokio::test]
async fn a_seat_over_its_quota_is_told_when_to_come_back() {
    let server = Server::with(LogSettings { seat_entries: Rate { burst: 2.0, per_second: 0.5 }, ..inline() });
    let (ann, bob) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    server.append(&ann, 2, 0).await.unwrap();
    let refusal = server.append(&ann, 3, 0).await.unwrap_err();
    assert_eq!((refusal.code, refusal.retry_after_ms), (RefusalCode::Quota, 2_000));
    server.append(&ann, 2, 0).await.expect("known already: costs nothing");
    server.append(&bob, 4, 0).await.expect("another seat");
    server.clock.advance(2_000);
    server.append(&ann, 3, 0).await.unwrap();
}

#[tokio::test]
async fn a_full_log_and_a_used_up_share_refuse_and_drop_nothing() {
    let server = Server::with(LogSettings { log_bytes: 4_000, seat_share: 2_500, ..inline() });
    let (ann, bob) = server.log_of_two().await;
    let big = Bytes::from(vec![1; 1_000]);
    let append = async |seat: &SeatKey, n: u64| server.logs.append(seat, entry_id(n), big.clone(), 0).await;
    append(&ann, 1).await.unwrap();
    append(&ann, 2).await.unwrap();
    assert_eq!(code(append(&ann, 3).await), RefusalCode::Quota, "its share");
    append(&bob, 4).await.unwrap();
    let refusal = append(&bob, 5).await.unwrap_err();
    assert_eq!((refusal.code, refusal.verdict), (RefusalCode::Quota, alcyon_wire::Verdict::Later), "the log");
    assert_eq!(server.read_all(&ann).len(), 3);
    server.logs.leave(&bob, entry_id(6), "bye".into(), vec![bob.seat_id()], &[], LeaveOnly::default()).await.expect("who wants to go can");
}

#[tokio::test]
async fn commits_wait_for_each_other() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    for n in 0..7 {
        server.commit(&ann, n, n, SeatChanges::default()).await.unwrap();
    }
    assert_eq!(code(server.commit(&ann, 7, 7, SeatChanges::default()).await), RefusalCode::Quota);
    server.commit(&bob, 8, 7, SeatChanges::default()).await.expect("others come in between");
    let refusal = server.commit(&bob, 9, 8, SeatChanges::default()).await.unwrap_err();
    assert_eq!(refusal.retry_after_ms, 10_000);
    server.clock.advance(10_000);
    server.commit(&bob, 9, 8, SeatChanges::default()).await.unwrap();
}

#[tokio::test]
async fn a_server_that_drains_takes_nothing_new() {
    let server = Server::with(LogSettings::default());
    let (ann, _) = server.log_of_two().await;
    let on_its_way = server.logs.append(&ann, entry_id(1), payload(1), 0);
    server.logs.drain().await;
    assert_eq!(code(server.append(&ann, 2, 0).await), RefusalCode::Draining);
    assert_eq!(on_its_way.await.unwrap().sequence, 1);
    assert_eq!(server.read_all(&ann).len(), 1);
}

#[tokio::test]
async fn groups_are_committed_with_one_write() {
    let server = Server::with(LogSettings { queue: 4, ..LogSettings::default() });
    let (ann, _) = server.log_of_two().await;
    let answers: Vec<_> = (0..200).map(|n| server.logs.append(&ann, entry_id(n), payload(n), 0)).collect();
    let receipts = futures::future::join_all(answers).await;
    let mut sequences: Vec<_> = receipts.into_iter().map(|receipt| receipt.unwrap().sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=200).collect::<Vec<_>>());
    assert_eq!(server.read_all(&ann).len(), 200);
}
