use super::*;
use crate::{
    directory::tests::{Person, directory},
    store::Table,
};

fn tables(server: &Server) -> Vec<Table> {
    server.store.dated_tables().unwrap()
}

fn count(server: &Server, table: Table) -> usize {
    server.disk.dump().iter().filter(|(of, ..)| *of == table).count()
}

#[tokio::test]
async fn entries_go_a_week_at_a_time_after_thirty_days_and_leave_a_gap_that_the_chain_crosses() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    for n in 1..=4 {
        server.append(&ann, n, 0).await.unwrap();
    }
    server.commit(&ann, 5, 0, SeatChanges::default()).await.unwrap();
    server.append(&ann, 6, 1).await.unwrap();
    server.clock.advance(7 * DAY_MS);
    server.append(&ann, 7, 1).await.unwrap();
    let before = server.read_all(&bob);

    server.clock.advance(29 * DAY_MS);
    server.logs.sweep().await.unwrap();
    assert_eq!(server.read_all(&bob).len(), 7, "the week is not over 30 days ago");
    server.clock.advance(DAY_MS);
    server.logs.sweep().await.unwrap();
    let left = server.read_all(&bob);
    assert_eq!(left.iter().map(|(facts, _)| facts.sequence).collect::<Vec<_>>(), [5, 7]);
    assert_eq!(left, [before[4].clone(), before[6].clone()]);
    let page = server.logs.read(bob.log, bob.seat_id(), 0, 9, 999).unwrap();
    let gap = page.gap.unwrap();
    assert_eq!((gap.first, gap.last, gap.commit_count, page.entries.len()), (1, 4, 0, 1), "a page has no hole inside");
    let gap = server.logs.read(bob.log, bob.seat_id(), 5, 9, 999).unwrap().gap.unwrap();
    assert_eq!((gap.first, gap.last, gap.commit_count), (6, 6, 1));

    server.clock.advance(7 * DAY_MS);
    server.logs.sweep().await.unwrap();
    let server = server.restart();
    let page = server.logs.read(bob.log, bob.seat_id(), 5, 9, 999).unwrap();
    let gap = page.gap.clone().unwrap();
    assert_eq!((gap.first, gap.last, page.entries.len()), (6, 7, 0), "nothing is left at the end");
    assert_eq!(page.running_hash.as_bytes()[..], gap.running_hash[..]);
    assert_eq!(server.append(&ann, 8, 1).await.unwrap().sequence, 8);
    assert_eq!(server.read_all(&bob).len(), 2);
}

#[tokio::test]
async fn entry_ids_are_known_for_thirty_days_and_then_forgotten() {
    let server = Server::new();
    let (ann, _) = server.log_of_two().await;
    let first = server.append(&ann, 1, 0).await.unwrap();
    server.clock.advance(29 * DAY_MS);
    server.append(&ann, 2, 0).await.unwrap();
    server.clock.advance(DAY_MS);
    server.logs.sweep().await.unwrap();
    assert_eq!(server.append(&ann, 1, 0).await.unwrap(), first);
    server.clock.advance(31 * DAY_MS);
    server.append(&ann, 3, 0).await.unwrap();
    server.logs.sweep().await.unwrap();
    assert!(tables(&server).iter().filter(|table| matches!(table, Table::EntryIds(_))).count() <= 2);
}

#[tokio::test]
async fn what_the_log_may_hold_grows_back_as_weeks_go() {
    let server = Server::with(LogSettings { log_bytes: 2_500, ..inline() });
    let (ann, bob) = server.log_of_two().await;
    let big = Bytes::from(vec![1; 1_000]);
    for n in 1..=2 {
        server.logs.append(&ann, entry_id(n), big.clone(), 0).await.unwrap();
    }
    assert_eq!(code(server.logs.append(&bob, entry_id(3), big.clone(), 0).await), RefusalCode::Quota);
    server.clock.advance(37 * DAY_MS);
    server.logs.sweep().await.unwrap();
    server.logs.append(&bob, entry_id(3), big.clone(), 0).await.unwrap();
    let server = server.restart();
    server.logs.sweep().await.unwrap();
    server.logs.append(&bob, entry_id(4), big.clone(), 0).await.unwrap();
}

#[tokio::test]
async fn commits_stay_until_every_seat_and_every_joiner_can_do_without() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let opened = opening(vec![door(ann.log, 5, DoorKind::Link)]);
    for n in 0..6 {
        let changes = if n == 3 { opened.clone() } else { SeatChanges::default() };
        server.commit(&ann, n, n, changes).await.unwrap();
    }
    let sweep = async |days: u64| {
        server.clock.advance(days * DAY_MS);
        server.logs.sweep().await.unwrap();
        server.read_all(&ann).iter().map(|(facts, _)| facts.sequence).collect::<Vec<_>>()
    };
    server.logs.ack(&ann, 6).unwrap();
    server.logs.ack(&bob, 1).unwrap();
    assert_eq!(sweep(1).await, [1, 2, 3, 4, 5, 6], "too young");
    assert_eq!(sweep(30).await, [2, 3, 4, 5, 6], "bob has read the first one only");
    server.logs.ack(&bob, 6).unwrap();
    assert_eq!(sweep(1).await, [4, 5, 6], "a link was opened at 4");
    let shut = SeatChanges { doors_dropped: vec![door(ann.log, 5, DoorKind::Link).id], ..SeatChanges::default() };
    server.commit(&ann, 10, 6, shut).await.unwrap();
    assert_eq!(sweep(1).await, [7], "nobody comes any more");
}

#[tokio::test]
async fn commits_since_the_stored_tree_stay() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let tree = TreeChunk { entry_id: entry_id(90), commit_count: 2, chunk: 0, chunks: 1, payload: "tree".into(), group_info: Bytes::new() };
    for n in 0..5 {
        if n == 2 {
            server.logs.put_tree(&ann, tree.clone()).await.unwrap();
        }
        server.commit(&ann, n, n, SeatChanges::default()).await.unwrap();
    }
    server.logs.ack(&ann, 5).unwrap();
    server.logs.ack(&bob, 5).unwrap();
    server.clock.advance(31 * DAY_MS);
    server.logs.sweep().await.unwrap();
    let left: Vec<_> = server.read_all(&ann).iter().map(|(facts, _)| facts.sequence).collect();
    assert_eq!(left, [3, 4, 5]);
}

#[tokio::test]
async fn commits_go_after_a_year_and_beyond_their_number_read_or_not() {
    let server = Server::with(LogSettings { commits_kept: 3, commits: Rate { burst: 100.0, per_second: 1.0 }, ..inline() });
    let (ann, _) = server.log_of_two().await;
    for n in 0..5 {
        server.commit(&ann, n, n, SeatChanges::default()).await.unwrap();
    }
    let left = || server.read_all(&ann).iter().map(|(facts, _)| facts.sequence).collect::<Vec<_>>();
    server.logs.sweep().await.unwrap();
    assert_eq!(left(), [3, 4, 5]);
    server.clock.advance(365 * DAY_MS);
    server.commit(&ann, 5, 5, SeatChanges::default()).await.unwrap();
    server.logs.sweep().await.unwrap();
    assert_eq!(left(), [6]);
}

#[tokio::test]
async fn a_log_with_one_seat_goes_after_thirty_days_of_silence_and_an_inbox_stays() {
    let server = Server::new();
    let (ann, bob) = server.log_of_two().await;
    let person = Person::new("ann", 1);
    directory(&server.logs).sign_up(&person.name, person.manifest(1, &[]), person.device.id(), person.seats(1)).await.unwrap();
    server.logs.leave(&bob, entry_id(1), "bye".into(), vec![bob.seat_id()], &[], LeaveOnly::default()).await.unwrap();
    server.logs.create(log_id(8), vec![seat(log_id(8), 1, true, true), seat(log_id(8), 2, true, true)], band()).await.unwrap();
    server.clock.advance(29 * DAY_MS);
    server.append(&ann, 2, 0).await.unwrap();
    server.clock.advance(29 * DAY_MS);
    server.logs.sweep().await.unwrap();
    assert_eq!(server.head(&ann), 2);
    server.clock.advance(2 * DAY_MS);
    server.logs.sweep().await.unwrap();
    assert_eq!(code(server.append(&ann, 3, 0).await), RefusalCode::UnknownLog);
    for table in [Table::Seats, Table::Kept, Table::Acks, Table::Doors] {
        assert!(server.disk.dump().iter().all(|(of, key, _)| *of != table || !key.starts_with(ann.log.as_bytes())));
    }
    assert_eq!(count(&server, Table::Heads), 2, "two seats are two, an inbox is an inbox");

    // The id is free again, and nothing shines through from before.
    server.log_of_two().await;
    assert_eq!(server.read_all(&ann).len(), 0);
    assert_eq!(server.append(&ann, 2, 0).await.unwrap().sequence, 1);
    assert_eq!(server.read_all(&ann).len(), 1);
}

#[tokio::test]
async fn what_is_left_of_an_earlier_log_of_the_same_id_does_not_come_back() {
    let server = Server::with(LogSettings { retention: std::time::Duration::from_secs(24 * 60 * 60), ..inline() });
    let log = log_id(7);
    let seats = vec![seat(log, 1, true, true)];
    server.logs.create(log, seats.clone(), band()).await.unwrap();
    for n in 1..=4 {
        server.append(&key(log, 1), n, 0).await.unwrap();
    }
    server.clock.advance(DAY_MS);
    server.logs.sweep().await.unwrap();
    assert_eq!(code(server.append(&key(log, 1), 5, 0).await), RefusalCode::UnknownLog);
    server.logs.create(log, seats, band()).await.unwrap();
    server.append(&key(log, 1), 11, 0).await.unwrap();
    let server = server.restart();
    assert_eq!(server.read_all(&key(log, 1)).len(), 1, "the others lie in the same week");
    assert_eq!(server.append(&key(log, 1), 3, 0).await.unwrap().sequence, 2, "and so do their ids");
    let server = server.restart();
    assert_eq!(server.read_all(&key(log, 1)).len(), 2);
}

#[tokio::test]
async fn a_head_that_was_not_written_with_every_entry_is_found_all_the_same() {
    let mut server = Server::with(LogSettings { seat_entries: Rate { burst: 1e6, per_second: 1.0 }, ..inline() });
    server.log_of_two().await;
    let ann = key(log_id(7), 1);
    for n in 1..=100 {
        assert_eq!(server.append(&ann, n, 0).await.unwrap().sequence, n);
        if n % 7 == 0 {
            server = server.restart();
        }
        if n % 40 == 0 {
            server.clock.advance(7 * DAY_MS);
        }
        server.clock.advance(1);
    }
    let server = server.restart();
    assert_eq!(server.read_all(&ann).len(), 100);
    assert_eq!(server.append(&ann, 50, 0).await.unwrap().sequence, 50, "sent again");
    let state = server.logs.cell(ann.log).unwrap().state();
    let bytes: usize = server.read_all(&ann).iter().map(|(facts, payload)| facts.encode().len() + payload.len()).sum();
    assert_eq!(state.head.stored_bytes(0), bytes as u64);
}

#[tokio::test]
async fn sweeping_goes_through_more_logs_than_one_step_takes() {
    let server = Server::new();
    for n in 0..600_u128 {
        let log = LogId::from((n << 64 | n).to_be_bytes());
        server.logs.create(log, vec![seat(log, 1, true, true)], band()).await.unwrap();
    }
    server.clock.advance(30 * DAY_MS);
    server.logs.sweep().await.unwrap();
    assert_eq!(count(&server, Table::Heads), 0);
    assert_eq!(server.logs.inner.shared.cells.len(), 0);
}

#[tokio::test]
async fn logs_that_nobody_uses_leave_the_memory() {
    let server = Server::with(LogSettings { logs_in_memory: 1, ..inline() });
    let (ann, bob) = server.log_of_two().await;
    server.logs.create(log_id(8), vec![seat(log_id(8), 1, true, true)], band()).await.unwrap();
    let follower = server.logs.follower();
    server.logs.follow(&follower, bob.log, bob.seat_id()).unwrap();
    server.append(&ann, 1, 0).await.unwrap();
    server.logs.sweep().await.unwrap();
    assert_eq!(server.logs.inner.shared.cells.len(), 1);
    server.append(&ann, 2, 0).await.unwrap();
    assert_eq!(follower.news().await, [News::Entries(bob.log)], "who listens is not forgotten");
    server.append(&key(log_id(8), 1), 3, 0).await.expect("loaded again");
}
