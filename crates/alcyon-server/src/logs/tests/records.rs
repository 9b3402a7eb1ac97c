//! Stored bytes stay what they are: whoever changes a record sees it here, and has to bring old data along.

use alcyon_wire::KnockLane;
use data_encoding::HEXLOWER;
use prost::Message;

use super::{
    super::{records::*, requests::created_as},
    *,
};
use crate::{
    directory::tests::{Person, directory},
    store::Table,
};

fn table(rows: &[(&str, Vec<u8>)]) -> String {
    rows.iter().map(|(name, bytes)| format!("{name}: {}\n", HEXLOWER.encode(bytes))).collect()
}

#[test]
fn stored_records_stay_as_they_are() {
    let head = HeadRecord {
        sequence: 300,
        running_hash: vec![1; 32].into(),
        commit_count: 4,
        time_ms: START_MS,
        created_ms: START_MS - 1,
        created_as: vec![2; 16].into(),
        closed: true,
        inbox: true,
        kept: 5,
        kept_bytes: 600,
        kept_last: 299,
        weeks: vec![WeekRecord { week: 2922, first: 1, bytes: 1_000 }, WeekRecord { week: 2923, first: 200, bytes: 90 }],
        group_infos: 6,
    };
    let seat = SeatRecord { drop_hash: vec![3; 32].into(), keep: true, invite: true, added_at: 1, dropped_at: 0 };
    let dropped = SeatRecord { drop_hash: Bytes::new(), keep: false, invite: false, added_at: 1, dropped_at: 9 };
    let door =
        DoorRecord { secret_hash: vec![4; 32].into(), kind: DoorKind::Link.into(), keep: false, invite: true, added_at: 2, gone_at: 7 };
    let id = EntryIdRecord { sequence: 8 };
    let tree = TreeRecord { upload: vec![5; 16].into(), chunks: 2, commit_count: 3, sequence: 11 };
    let mut entry = Vec::new();
    encode_entry(&mut entry, b"header", b"", &RunningHash::start(log_id(1)));
    insta::assert_snapshot!(table(&[
        ("head", head.encode_to_vec()),
        ("seat", seat.encode_to_vec()),
        ("dropped seat", dropped.encode_to_vec()),
        ("door", door.encode_to_vec()),
        ("entry id", id.encode_to_vec()),
        ("group info", GroupInfoRecord { commit_count: 3, payload: "sealed".into() }.encode_to_vec()),
        ("tree", tree.encode_to_vec()),
        ("ack", AckRecord { sequence: 300 }.encode_to_vec()),
        ("entry", entry.clone()),
    ]));
    let record = EntryRecord { header: "header".into(), payload: Bytes::new(), previous: RunningHash::start(log_id(1)).to_field() };
    assert_eq!(record.encode_to_vec(), entry, "written by hand as protobuf would");
}

#[test]
fn stored_keys_stay_as_they_are() {
    let log = log_id(1);
    insta::assert_snapshot!(table(&[
        ("head", head_key(log).to_vec()),
        ("entry", entry_key(log, 258).to_vec()),
        ("entry id", entry_id_key(log, [2; 16].into()).to_vec()),
        ("seat", seat_key(log, [3; 32].into()).to_vec()),
        ("door", door_key(log, [4; 16].into()).to_vec()),
        ("pass", pass_key(log, [5; 32].into()).to_vec()),
        ("chunk", chunk_key(log, [6; 16].into(), 7).to_vec()),
        ("created as", created_as(&[seat(log, 1, true, false)]).to_vec()),
    ]));
    assert_eq!((week_of(START_MS), period_of(START_MS)), (2922, 681));
}

#[test]
fn tables_keep_their_names() {
    let tables: Vec<_> = Table::FIXED.into_iter().chain([Table::Entries(2922), Table::EntryIds(681), Table::SpentStamps(20_467)]).collect();
    for table in &tables {
        assert_eq!(Table::from_name(&table.name()), Some(*table));
    }
    let names: Vec<_> = tables.into_iter().map(Table::name).collect();
    insta::assert_snapshot!(names.join("\n"));
}

/// The promise to the people: nothing stored says who sent an entry, or which logs an account uses, its inbox apart.
#[tokio::test]
async fn nothing_stored_links_an_account_or_a_sender_to_a_log() {
    let server = Server::new();
    let person = Person::new("ann", 1);
    let directory = directory(&server.logs);
    directory.sign_up(&person.name, person.manifest(1, &[]), person.device.id(), person.seats(1)).await.unwrap();
    directory.put_key_packages(person.account(), person.device.id(), "last".into(), vec!["one".into()]).await.unwrap();
    directory.claim_key_packages(person.account()).await.unwrap();
    let (ann, bob) = server.log_of_two().await;
    server.append(&ann, 1, 0).await.unwrap();
    server.append(&bob, 2, 0).await.unwrap();
    server.logs.knock(person.inbox, entry_id(3), payload(3), None).await.unwrap();
    server.logs.ack(&bob, 2).unwrap();
    server.logs.sweep().await.unwrap();

    let contains = |haystack: &[u8], needle: &[u8]| haystack.windows(needle.len()).any(|window| window == needle);
    for (table, key, value) in server.disk.dump() {
        let row = [&key[..], &value].concat();
        let of_account = contains(&row, person.account().as_bytes()) || contains(&row, person.device.id().as_bytes());
        let of_handle = contains(&row, b"ann@");
        if of_account || of_handle {
            assert!(matches!(table, Table::Accounts | Table::Handles | Table::KeyPackages | Table::ClaimedPackages), "{table:?}");
            assert!(!contains(&row, ann.log.as_bytes()), "{table:?}");
            assert!(table == Table::Accounts || !contains(&row, person.inbox.as_bytes()), "{table:?}");
        }
        for seat in [&ann, &bob] {
            assert!(!contains(&row, seat.secret.as_bytes()), "no secret lies on the disk: {table:?}");
            if contains(&row, seat.seat_id().as_bytes()) {
                assert!(matches!(table, Table::Seats | Table::Acks), "a seat stands beside no entry: {table:?}");
            }
        }
        // The two entries differ in what their authors chose and in nothing that the server adds by author.
        if let Table::Entries(_) = table {
            let EntryRecord { header, payload: _, previous: _ } = decode(table, value).unwrap();
            let HeaderFacts { sequence: _, kind, entry_id: _, time_ms: _, commit_count: _, changes, door, lane } =
                HeaderFacts::parse(&header).unwrap();
            assert!(changes.is_empty() && door.is_none());
            assert!(kind == EntryKind::Application && lane.is_none() || lane == Some(KnockLane::Stranger));
        }
    }
}
