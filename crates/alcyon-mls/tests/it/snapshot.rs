//! What is on disk and what is signed keeps its form.

use std::fmt::Write;

use alcyon_mls::{CommitData, GroupRules, LastValid, MemoryRows, RejoinReason, RowKind, Seen};
use alcyon_wire::{ConversationId, LogId, RunningHash, payload_hash};

use crate::{
    cast::{pair, seat},
    rejoin::replay,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn numbers_of_row_kinds() {
    let kinds: String = RowKind::ALL.iter().fold(String::new(), |mut text, kind| {
        writeln!(text, "{} {kind:?}", kind.number()).unwrap();
        text
    });
    insta::assert_snapshot!(kinds);
    assert!(RowKind::ALL.iter().all(|kind| RowKind::from_number(kind.number()) == Some(*kind)));
    assert_eq!(RowKind::from_number(0), None);
}

#[test]
fn bytes_of_what_is_signed() {
    let rules = GroupRules::pair(ConversationId::from([1; 16]), 2, LogId::from([3; 16]));
    let data = CommitData {
        rules: 1,
        seen: Seen { sequence: 5, running_hash: RunningHash::start(LogId::from([3; 16])) },
        last_valid: Some(LastValid { sequence: 4, payload_hash: payload_hash(b"payload") }),
        rejoin: Some(RejoinReason::PathNotOpened),
        door: None,
        leaves: Vec::new(),
    };
    let first = CommitData { last_valid: None, rejoin: None, ..data.clone() };
    insta::assert_snapshot!(format!(
        "GroupRules {}\nCommitData {}\nfirst {}",
        hex(&rules.encode()),
        hex(&data.encode()),
        hex(&first.encode())
    ));
    assert_eq!(GroupRules::decode(&rules.encode()).unwrap(), rules);
    assert_eq!(CommitData::decode(&data.encode()).unwrap(), data);
    assert_eq!(CommitData::decode(&first.encode()).unwrap(), first);
}

#[test]
fn bytes_of_groups() {
    use alcyon_mls::{DoorKeys, GroupChange, GroupState, LetsIn, NewDoor, OpenDoor, Permission, Role, Settings, Who};
    let log = LogId::from([3; 16]);
    let account = alcyon_wire::AccountId::from([7; 32]);
    let keys = DoorKeys::derive(&[9; 32], log).unwrap();
    let door = |lets_in, expires_ms| NewDoor { id: keys.id, key: vec![1, 2, 3], lets_in, expires_ms };
    let settings = Settings { title: "Kingfishers".into(), timer_s: 60, who_writes: Who::Members, ..Settings::default() };
    let mut state = GroupState::new(account, settings);
    state.revision = 9;
    state.removed.insert(alcyon_wire::AccountId::from([8; 32]), 5);
    let open =
        OpenDoor { door: door(LetsIn::Account { account, role: Role::Admin }, Some(1_700_000_000_000)), opened_by: account, opened_at: 9 };
    state.doors.insert(keys.id, open);
    let delta = [
        GroupChange::SetRole { account, role: Role::Member },
        GroupChange::OpenDoor(door(LetsIn::Link { approval: true }, None)),
        GroupChange::CloseDoor(keys.id),
        GroupChange::SetTitle("calm".into()),
        GroupChange::SetDescription("sea".into()),
        GroupChange::SetPicture(vec![4]),
        GroupChange::SetTimer(0),
        GroupChange::SetPermission { permission: Permission::Edit, who: Who::Members },
    ];
    let rules = GroupRules::group(ConversationId::from([1; 16]), 2, log);
    let data = CommitData {
        rules: 2,
        seen: Seen { sequence: 5, running_hash: RunningHash::start(log) },
        last_valid: None,
        rejoin: None,
        door: Some(keys.id),
        leaves: Vec::new(),
    };
    insta::assert_snapshot!(format!(
        "GroupRules {}\nGroupState {}\ndelta {}\nCommitData {}\ndoor {} {}\nkey {}",
        hex(&rules.encode()),
        hex(&state.encode()),
        hex(&GroupChange::encode_delta(&delta)),
        hex(&data.encode()),
        hex(keys.id.as_bytes()),
        hex(keys.secret.as_bytes()),
        hex(&keys.public_key[..32]),
    ));
    assert_eq!(GroupRules::decode(&rules.encode()).unwrap(), rules);
    assert_eq!(GroupState::decode(&state.encode()).unwrap(), state);
    assert_eq!(GroupChange::decode_delta(&GroupChange::encode_delta(&delta)).unwrap(), delta);
    assert_eq!(CommitData::decode(&data.encode()).unwrap(), data);
}

/// The row of a prepared commit of a group, which carries state and delta.
#[test]
fn shape_of_a_prepared_change() {
    use alcyon_mls::{GroupChange, GroupCommit, Settings};
    let (mut ann, log, _) = crate::circle::found(Settings::default());
    ann.change(&log, GroupCommit { changes: vec![GroupChange::SetTimer(1)], ..GroupCommit::default() }).unwrap();
    let text = rows(&ann.rows, 1);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("Prepared")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// The shape of every stored value: field names and kinds of values, without the values.
#[test]
fn shapes_of_stored_values() {
    let (ann, mut bob, log) = pair();
    bob.package(alcyon_mls::KeyPackageUse::LastResort);
    let stored = ann.stored_tree();
    let replay = replay(&log, &stored, log.head());
    bob.prepare_rejoin(&log, &replay, &stored.group_info, seat(2), RejoinReason::LostState).unwrap();
    let mut text = rows(&bob.rows, 2);
    bob.update(&log, seat(2)).unwrap();
    let pending = rows(&bob.rows, 1);
    for line in pending.lines().filter(|line| line.contains("GroupState") || line.contains("Prepared")) {
        text += "pending: ";
        text += line;
        text.push('\n');
    }
    insta::assert_snapshot!(text);
}

fn rows(rows: &MemoryRows, slots: u8) -> String {
    let mut text = String::new();
    for (kind, key, value) in rows.dump() {
        let slot = if kind == RowKind::KeyPackage { 0 } else { key[0] };
        if slot > slots {
            continue;
        }
        let shape = if kind == RowKind::LastValid { format!("{} bytes", value.len()) } else { shape(&mut &value[..]) };
        writeln!(text, "{kind:?} slot {slot} key {} bytes: {shape}", key.len()).unwrap();
    }
    text
}

/// MessagePack, seen without its values.
fn shape(bytes: &mut &[u8]) -> String {
    let (tag, rest) = bytes.split_first().unwrap();
    *bytes = rest;
    let take = |bytes: &mut &[u8], count: usize| {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken.to_vec()
    };
    let number = |bytes: &mut &[u8], width: usize| take(bytes, width).iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    let text = |bytes: &mut &[u8], length: usize| String::from_utf8(take(bytes, length)).unwrap();
    match *tag {
        0x00..=0x7f | 0xe0..=0xff => "int".into(),
        0x80..=0x8f => map(bytes, usize::from(tag & 0x0f)),
        0xde => {
            let count = number(bytes, 2);
            map(bytes, count)
        }
        0x90..=0x9f => list(bytes, usize::from(tag & 0x0f)),
        0xdc => {
            let count = number(bytes, 2);
            list(bytes, count)
        }
        0xdd => {
            let count = number(bytes, 4);
            list(bytes, count)
        }
        0xa0..=0xbf => format!("{:?}", text(bytes, usize::from(tag & 0x1f))),
        0xd9 => {
            let length = number(bytes, 1);
            format!("{:?}", text(bytes, length))
        }
        0xc0 => "nil".into(),
        0xc2 | 0xc3 => "bool".into(),
        0xc4..=0xc6 => {
            let length = number(bytes, 1 << (tag - 0xc4));
            take(bytes, length);
            "bytes".into()
        }
        0xcc..=0xcf => {
            take(bytes, 1 << (tag - 0xcc));
            "int".into()
        }
        0xd0..=0xd3 => {
            take(bytes, 1 << (tag - 0xd0));
            "int".into()
        }
        other => panic!("tag {other:#x}"),
    }
}

fn map(bytes: &mut &[u8], count: usize) -> String {
    let mut entries: Vec<String> = (0..count).map(|_| format!("{}: {}", shape(bytes).trim_matches('"'), shape(bytes))).collect();
    entries.sort();
    entries.dedup();
    format!("{{{}}}", entries.join(", "))
}

fn list(bytes: &mut &[u8], count: usize) -> String {
    let mut items: Vec<String> = (0..count).map(|_| shape(bytes)).collect();
    items.dedup();
    format!("[{}]", items.join(", "))
}
