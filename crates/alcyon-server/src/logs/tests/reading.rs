use super::*;
use crate::{logs::records::week_of, store::Table};

#[tokio::test]
async fn a_page_holds_what_fits_and_at_least_one_entry() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    for n in 1..=5 {
        server.logs.append(&ann, entry_id(n), vec![0; 1_000].into(), 0).await.unwrap();
    }
    let read = |after, max_entries, max_bytes| server.logs.read(ann.log, ann.seat_id(), after, max_entries, max_bytes).unwrap();
    let page = read(0, 10, 1);
    assert_eq!((page.entries.len(), page.head, page.gap), (1, 5, None));
    assert_eq!(read(0, 0, 0).entries.len(), 1);
    assert_eq!(read(1, 2, 1 << 20).entries.len(), 2);
    assert_eq!(read(1, 10, 2_100).entries.len(), 2);
    assert_eq!(read(5, 10, 1 << 20).entries.len(), 0);
    let refusal = server.logs.read(ann.log, ann.seat_id(), 6, 10, 10).unwrap_err();
    assert_eq!((refusal.code, refusal.head), (RefusalCode::BeyondHead, 5));
    let refusal = server.logs.subscribe(&Subscription { seat: ann.clone(), after: u64::MAX }).unwrap_err();
    assert_eq!((refusal.code, refusal.head), (RefusalCode::BeyondHead, 5));
}

#[tokio::test]
async fn commits_and_messages_of_several_weeks_are_read_in_order() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let mut n = 0;
    for commits in 0..4 {
        for _ in 0..3 {
            n += 1;
            server.append(&ann, n, commits).await.unwrap();
        }
        n += 1;
        server.commit(&bob, n, commits, SeatChanges::default()).await.unwrap();
        server.clock.advance(7 * DAY_MS);
    }
    let server = server.restart();
    let read = server.read_all(&bob);
    let payloads: Vec<_> = (1..=n).map(payload).collect();
    assert_eq!(read.into_iter().map(|(_, payload)| payload).collect::<Vec<_>>(), payloads);
}

#[tokio::test]
async fn the_same_page_is_asked_of_the_store_once_and_not_for_long() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    for n in 1..=20 {
        server.append(&ann, n, 0).await.unwrap();
    }
    let server = server.restart();
    let week = Table::Entries(week_of(server.clock.now_ms()));
    let asked = || server.store.reads().get(&week).copied().unwrap_or(0);
    let read = |seat: &SeatKey, after| server.logs.read(seat.log, seat.seat_id(), after, 10, 1 << 20).unwrap();
    read(&ann, 19);
    let begun = asked();
    let page = read(&ann, 3);
    assert_eq!(page.entries.len(), 10);
    for _ in 0..100 {
        assert_eq!((read(&ann, 3), read(&bob, 3)), (page.clone(), page.clone()));
    }
    assert_eq!(asked(), begun + 1);
    assert_ne!(read(&bob, 4), page);
    assert_eq!(asked(), begun + 2, "another place is another page");
    // What is new is not hidden by what was read before.
    server.append(&ann, 21, 0).await.unwrap();
    assert_eq!(server.logs.read(bob.log, bob.seat_id(), 3, 10, 1 << 20).unwrap().head, 21);
    let before = asked();
    server.clock.advance(1_000);
    read(&bob, 3);
    assert_eq!(asked(), before + 1, "it is forgotten after a second");
}

#[tokio::test]
async fn what_was_swept_is_not_in_a_page_that_was_read_before() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    server.clock.advance(40 * DAY_MS);
    let read = || server.logs.read(ann.log, ann.seat_id(), 0, 10, 1 << 20).unwrap();
    assert_eq!(read().entries.len(), 1);
    server.logs.sweep().await.unwrap();
    let page = read();
    assert_eq!((page.entries.len(), page.gap.map(|gap| gap.last)), (0, Some(1)));
}

#[tokio::test]
async fn who_listens_is_woken_and_reads_the_same_as_from_the_store() {
    let server = Server::with(LogSettings { tail_bytes: 500, ..inline() });
    let (ann, bob) = server.log_of_two().await;
    let follower = server.logs.follower();
    server.append(&ann, 0, 0).await.unwrap();
    server.logs.follow(&follower, bob.log, bob.seat_id()).unwrap();
    for n in 1..50 {
        server.append(&ann, n, 0).await.unwrap();
        assert_eq!(follower.news().await, [News::Entries(bob.log)]);
        let page = server.logs.read(bob.log, bob.seat_id(), n, 10, 1_000).unwrap();
        assert_eq!((page.entries.len(), &page.entries[0].payload), (1, &payload(n)));
    }
    assert_eq!(server.read_all(&bob).len(), 50);
    server.logs.unfollow(&follower, bob.log);
    server.append(&ann, 50, 0).await.unwrap();
    assert_eq!(follower.news_now(), []);
    assert_eq!(server.read_all(&bob).len(), 51);
    server.logs.follow(&follower, bob.log, bob.seat_id()).unwrap();
    server.append(&ann, 51, 0).await.unwrap();
    assert_eq!(server.read_all(&bob).len(), 52, "the tail in memory has no hole");
}

#[tokio::test]
async fn signals_go_to_those_who_listen_and_are_not_stored() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let (follower, writes) = (server.logs.follower(), server.store.writes());
    server.logs.publish(&ann, "unheard".into()).unwrap();
    server.logs.follow(&follower, bob.log, bob.seat_id()).unwrap();
    server.logs.publish(&ann, "typing".into()).unwrap();
    assert_eq!(follower.news().await, [News::Published(bob.log, "typing".into())]);
    assert_eq!((server.head(&bob), server.store.writes()), (0, writes));
}

#[tokio::test]
async fn a_dropped_seat_hears_the_end_and_no_more() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let follower = server.logs.follower();
    server.logs.follow(&follower, bob.log, bob.seat_id()).unwrap();
    server.commit(&ann, 1, 0, dropping(vec![bob.seat_id()])).await.unwrap();
    assert_eq!(follower.news().await, [News::Entries(bob.log)]);
    let page = server.logs.read(bob.log, bob.seat_id(), 0, 9, 999).unwrap();
    assert_eq!((page.entries.len(), page.readable_until), (1, Some(1)));
    server.append(&ann, 2, 1).await.unwrap();
    server.logs.publish(&ann, "secret".into()).unwrap();
    assert_eq!(follower.news_now(), []);
}

#[tokio::test]
async fn an_ack_past_the_head_is_refused() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    server.logs.ack(&ann, 1).unwrap();
    assert_eq!(code(server.logs.ack(&ann, 2)), RefusalCode::BeyondHead);
}
