#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use alcyon_mls::{RowKind, Rows};
use alcyon_wire::{AccountId, ConversationId, MessageId};

use super::*;

fn key() -> StoreKey {
    StoreKey::from([7; 32])
}

fn open(directory: &Path) -> Result<Store, StoreError> {
    Store::open(directory, &key())
}

#[test]
fn a_failed_transaction_takes_mls_rows_and_messages_back_together() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let failed: Result<(), StoreError> = store.transaction(|tx| {
        tx.write(RowKind::Tree, b"group", b"tree").unwrap();
        tx.add_message(&message(1)).unwrap();
        Err(StoreError::Damaged("on purpose"))
    });
    assert!(failed.is_err());
    store
        .transaction(|tx| {
            assert_eq!(tx.read(RowKind::Tree, b"group").unwrap(), None);
            assert!(tx.history(conversation(), None, None)?.is_empty());
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_wrong_key_is_told_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let before = fs::read(directory.path().join("profile.db")).unwrap();
    assert!(matches!(Store::open(directory.path(), &StoreKey::from([8; 32])), Err(StoreError::WrongKey)));
    assert_eq!(fs::read(directory.path().join("profile.db")).unwrap(), before);
    assert!(open(directory.path()).is_ok());
}

#[test]
fn a_truncated_and_a_foreign_file_are_told_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()).unwrap());
    let path = directory.path().join("profile.db");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    assert!(matches!(open(directory.path()), Err(StoreError::NotAProfile(_))));
    fs::write(&path, [b"SQLite format 3\0".as_slice(), &vec![0; 4080]].concat()).unwrap();
    assert!(matches!(open(directory.path()), Err(StoreError::NotAProfile(_))));
    assert_eq!(fs::read(&path).unwrap().len(), 4096);
}

#[test]
fn a_newer_format_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    store.connection.borrow().execute_batch("PRAGMA user_version = 99").unwrap();
    drop(store);
    assert!(matches!(open(directory.path()), Err(StoreError::Newer { found: 99, known: FORMAT })));
}

#[test]
fn a_second_opening_is_refused_while_the_first_lasts() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path()).unwrap();
    assert!(matches!(open(directory.path()), Err(StoreError::Busy)));
    drop(first);
    assert!(open(directory.path()).is_ok());
}

#[test]
fn nothing_lies_in_the_files_in_clear() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    store.transaction(|tx| tx.add_message(&message(1))).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"kingfishe"));
    }
}

#[test]
fn history_is_in_the_order_of_the_log_and_queued_ones_come_last() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).unwrap();
    let found = store
        .transaction(|tx| {
            tx.add_message(&MessageRecord { position: None, own: true, delivery: DeliveryState::Queued, ..message(9) })?;
            for sequence in [3, 1, 2] {
                assert!(tx.add_message(&message(sequence))?);
            }
            assert!(!tx.add_message(&message(2))?, "the same message again");
            tx.history(conversation(), None, Some(3))
        })
        .unwrap();
    assert_eq!(found.iter().map(|message| message.position).collect::<Vec<_>>(), [Some((0, 2)), Some((0, 3)), None]);
}

/// A profile as an older format left it, with a row in each table that a later format has changed.
fn old_profile(directory: &Path, schema: &str, sample: &str, format: u32) -> Store {
    let old = Connection::open(directory.join("profile.db")).unwrap();
    old.execute_batch(&format!("PRAGMA key = \"x'{}'\";", "07".repeat(32))).unwrap();
    search::install(&old).unwrap();
    old.execute_batch(schema).unwrap();
    old.execute_batch(sample).unwrap();
    old.execute_batch(&format!("PRAGMA application_id = 1095517017; PRAGMA user_version = {format};")).unwrap();
    drop(old);
    open(directory).unwrap()
}

#[test]
fn a_profile_of_format_1_is_brought_up_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let store = old_profile(directory.path(), include_str!("../schema/v1.sql"), include_str!("../samples/v1.sql"), 1);
    store
        .transaction(|tx| {
            let conversation = tx.conversation(conversation())?.unwrap();
            assert_eq!((conversation.kind, conversation.title.as_str(), conversation.read_number), (ConversationKind::Pair, "", 1));
            assert_eq!(tx.shelf(conversation.conversation)?, Shelf::default());
            assert_eq!(tx.term_of(conversation.conversation)?.unwrap().door, None);
            let [message] = &tx.history(conversation.conversation, None, None)?[..] else { panic!("one message") };
            assert_eq!((message.text.as_str(), &message.line), ("kingfisher", &None));
            let [request] = &tx.open_requests()?[..] else { panic!("one request") };
            assert_eq!((request.kind, request.introduction.as_str()), (RequestKind::Knock, "hello"));
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_profile_of_format_2_is_brought_up_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let schema = [include_str!("../schema/v1.sql"), include_str!("../schema/v2.sql")].concat();
    let store = old_profile(directory.path(), &schema, include_str!("../samples/v2.sql"), 2);
    store
        .transaction(|tx| {
            let conversation = tx.conversation(conversation())?.unwrap();
            assert_eq!((conversation.kind, conversation.title.as_str(), conversation.read_number), (ConversationKind::Group, "boats", 1));
            assert_eq!(tx.shelf(conversation.conversation)?, Shelf::default());
            let term = tx.term_of(conversation.conversation)?.unwrap();
            assert_eq!((term.cursor, term.door, term.tree_stale), (7, Some([0; 32]), true));
            let [message, line] = &tx.history(conversation.conversation, None, None)?[..] else { panic!("two rows") };
            assert_eq!((message.text.as_str(), &message.line, line.line.as_deref()), ("kingfisher", &None, Some([8, 1].as_slice())));
            let [request] = &tx.open_requests()?[..] else { panic!("one request") };
            assert_eq!((request.kind, request.introduction.as_str()), (RequestKind::Invite, "ben@sea.example"));
            assert_eq!(tx.links(term.log)?.len(), 1);
            assert_eq!(tx.leaving(term.log)?, [[5]]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_profile_of_format_3_is_brought_up_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let schema = [include_str!("../schema/v1.sql"), include_str!("../schema/v2.sql"), include_str!("../schema/v3.sql")].concat();
    let store = old_profile(directory.path(), &schema, include_str!("../samples/v3.sql"), 3);
    store
        .transaction(|tx| {
            assert_eq!(tx.shelf(conversation())?, Shelf { muted_until_ms: 7, archived: false, pinned: 2 });
            assert_eq!(tx.term_of(conversation())?.unwrap().reason, 2);
            let [message, line] = &tx.history(conversation(), None, None)?[..] else { panic!("two rows") };
            assert_eq!((message.text.as_str(), message.kind, &message.content), ("kingfisher", MessageKind::Message, &None));
            assert_eq!((message.at_ms, message.target, message.rights), (5, None, 0), "the nearest there is to a header time");
            assert_eq!(line.line.as_deref(), Some([8, 1].as_slice()));
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn a_profile_of_format_4_is_brought_up_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let schema = [
        include_str!("../schema/v1.sql"),
        include_str!("../schema/v2.sql"),
        include_str!("../schema/v3.sql"),
        include_str!("../schema/v4.sql"),
    ]
    .concat();
    let store = old_profile(directory.path(), &schema, include_str!("../samples/v4.sql"), 4);
    store
        .transaction(|tx| {
            assert_eq!(tx.conversation(conversation())?.unwrap().kind, ConversationKind::Pair);
            assert_eq!(tx.told(conversation())?, Told { position: (1, 9), tell_ms: Some(11) });
            assert_eq!((tx.draft(conversation())?.as_str(), tx.accepted_ms(conversation())?), ("not sent", Some(13)));
            let [message] = &tx.history(conversation(), None, None)?[..] else { panic!("one message") };
            assert_eq!((message.text.as_str(), message.content.as_deref()), ("kingfisher", Some([1].as_slice())));
            assert_eq!(tx.contacts()?.len(), 1);
            assert_eq!((tx.setting(Setting::Timer)?, tx.devices()?.len()), (Some(3600), 1));
            assert_eq!((tx.introduced(conversation())?, tx.name_of(AccountId::from([0; 32]))?), (0, None), "nobody was introduced");
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn those_who_share_a_name_are_found_and_what_was_sent_is_kept_by_conversation() {
    let directory = tempfile::tempdir().unwrap();
    let store = old_profile(directory.path(), include_str!("../schema/v1.sql"), include_str!("../samples/v1.sql"), 1);
    let account = |number: u8| AccountId::from([number; 32]);
    let said = |number: u8, name: &str| IntroductionRecord {
        account: account(number),
        name: name.to_owned(),
        folded: name.to_lowercase(),
        picture: vec![number],
        revision: u64::from(number),
    };
    store
        .transaction(|tx| {
            for one in [said(1, "Ann"), said(2, "ann"), said(3, "Ben"), said(4, ""), said(5, "")] {
                tx.put_introduction(&one)?;
                assert_eq!(tx.introduction(one.account)?, Some(one));
            }
            assert_eq!(tx.name_of(account(1))?, Some(("Ann".to_owned(), true)));
            assert_eq!(tx.name_of(account(3))?, Some(("Ben".to_owned(), false)));
            assert_eq!(tx.name_of(account(4))?, None, "no name is nobody's name");
            tx.put_introduction(&said(2, "Anna"))?;
            assert_eq!(tx.name_of(account(1))?, Some(("Ann".to_owned(), false)), "she goes by another one now");
            assert_eq!(tx.introduced(conversation())?, 0);
            tx.set_introduced(conversation(), 7)?;
            assert_eq!(tx.introduced(conversation())?, 7);
            assert_eq!(tx.written_since(0)?, [], "what others write does not count");
            tx.add_message(&MessageRecord { own: true, ..message(3) })?;
            tx.add_message(&MessageRecord { own: true, sent_at_ms: 90, line: Some(vec![1]), ..message(4) })?;
            assert_eq!((tx.written_since(5)?, tx.written_since(6)?), (vec![conversation()], vec![]));
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn what_is_done_to_a_message_is_no_message_and_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = old_profile(directory.path(), include_str!("../schema/v1.sql"), include_str!("../samples/v1.sql"), 1);
    let target = MessageId::from([3; 16]);
    store
        .transaction(|tx| {
            tx.add_message(&MessageRecord { content: Some(vec![1]), ..message(3) })?;
            let unread = tx.unread(conversation())?;
            for (sequence, kind) in [(4, MessageKind::Edit), (5, MessageKind::Reaction)] {
                let done = MessageRecord { kind, target: Some(target), content: Some(vec![2]), text: String::new(), ..message(sequence) };
                tx.add_message(&done)?;
            }
            tx.add_message(&MessageRecord {
                delivery: DeliveryState::Failed,
                kind: MessageKind::Vote,
                target: Some(target),
                ..message(6)
            })?;
            assert_eq!(tx.history(conversation(), None, None)?.last().unwrap().message, target);
            assert_eq!(tx.unread(conversation())?, unread);
            assert_eq!(tx.done_to(conversation(), target)?.len(), 2, "what will never go out is left out");
            assert_eq!(tx.targets_of(conversation(), MessageKind::Reaction)?, [target]);
            tx.erase(conversation(), target)?;
            let erased = tx.message(conversation(), target)?.unwrap();
            assert_eq!((erased.text.as_str(), erased.content), ("", None));
            let contents: Vec<_> = tx.done_to(conversation(), target)?.into_iter().map(|done| done.content).collect();
            assert_eq!(contents, [None, Some(vec![2])], "the texts it had are gone, too");
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn countdowns_run_from_the_earliest_reading_and_what_goes_leaves_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let store = old_profile(directory.path(), include_str!("../schema/v1.sql"), include_str!("../samples/v1.sql"), 1);
    let id = |sequence| MessageId::from([sequence; 16]);
    store
        .transaction(|tx| {
            for sequence in 3..=6 {
                tx.add_message(&MessageRecord { own: sequence == 6, content: Some(vec![1]), ..message(sequence) })?;
                tx.set_timer(conversation(), id(sequence), if sequence == 5 { 0 } else { 10 })?;
            }
            tx.mark_read(conversation())?;
            assert_eq!(tx.start_countdowns_of_read(conversation(), 1000)?, 2, "others' that have a timer");
            assert_eq!(tx.start_countdowns_of_read(conversation(), 2000)?, 0, "once");
            tx.start_countdowns_up_to(conversation(), (0, 3), 500)?;
            tx.start_countdowns_up_to(conversation(), (0, 3), 700)?;
            let goes = |sequence| tx.countdown(conversation(), id(sequence)).unwrap().and_then(|countdown| countdown.goes_ms);
            assert_eq!([goes(3), goes(4), goes(5), goes(6)], [Some(10_500), Some(11_000), None, None], "the earliest reading counts");
            tx.start_countdown(conversation(), id(6), u64::MAX)?;
            assert!(goes(6).is_some(), "a clock at the end of time");
            assert_eq!(tx.next_to_go()?, Some(10_500));
            assert_eq!(tx.to_go(10_999)?, [(conversation(), id(3))]);
            let done = MessageRecord { kind: MessageKind::Edit, target: Some(id(3)), text: String::new(), ..message(9) };
            tx.add_message(&done)?;
            tx.bury(conversation(), id(3))?;
            assert!(tx.message(conversation(), id(9))?.is_none(), "what was done to it");
            let left = tx.message(conversation(), id(3))?.unwrap();
            assert_eq!((left.kind, left.text.as_str(), left.content, left.sent_at_ms), (MessageKind::Gone, "", None, 0));
            assert!(tx.history(conversation(), None, None)?.iter().all(|message| message.message != id(3)));
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn several_contents_of_one_id_are_kept_until_it_is_erased() {
    let directory = tempfile::tempdir().unwrap();
    let store = old_profile(directory.path(), include_str!("../schema/v1.sql"), include_str!("../samples/v1.sql"), 1);
    let variant =
        |digest: u8, first| VariantRecord { digest: [digest; 32], content: vec![digest], first, position: first, at_ms: 7, rights: 1 };
    store
        .transaction(|tx| {
            let known = message(3);
            tx.add_message(&known)?;
            tx.note_place(conversation(), known.message, (1, 4))?;
            tx.note_place(conversation(), known.message, (0, 9))?;
            tx.note_place(conversation(), known.message, (0, 10))?;
            assert_eq!(tx.first_place(conversation(), known.message)?, Some((0, 9)));
            for variant in [variant(2, Some((1, 4))), variant(1, None), variant(2, Some((0, 4)))] {
                tx.put_variant(conversation(), known.message, &variant)?;
            }
            assert_eq!(tx.variants(conversation(), known.message)?, [variant(1, None), variant(2, Some((0, 4)))]);
            let other = MessageRecord { text: "heron".to_owned(), position: Some((0, 4)), content: Some(vec![2]), ..known.clone() };
            tx.replace_message(&other, Some((0, 4)))?;
            let stored = tx.message(conversation(), known.message)?.unwrap();
            assert_eq!((stored.text.as_str(), stored.position), ("heron", Some((0, 4))));
            tx.erase(conversation(), known.message)?;
            assert_eq!(tx.variants(conversation(), known.message)?, []);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn where_a_conversation_is_kept_outlives_what_happens_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = old_profile(directory.path(), include_str!("../schema/v1.sql"), include_str!("../samples/v1.sql"), 1);
    store
        .transaction(|tx| {
            assert_eq!(tx.next_pin()?, 1);
            let kept = Shelf { muted_until_ms: Shelf::FOR_EVER, archived: false, pinned: tx.next_pin()? };
            tx.put_shelf(conversation(), kept)?;
            assert_eq!(tx.next_pin()?, 2);
            let mut record = tx.conversation(conversation())?.unwrap();
            record.standing = Standing::Left;
            tx.put_conversation(&record)?;
            assert_eq!(tx.conversation(conversation())?.unwrap().standing, Standing::Left);
            assert_eq!(tx.shelf(conversation())?, kept, "written over");
            let new = ConversationId::from([4; 16]);
            tx.put_conversation(&ConversationRecord { conversation: new, ..record })?;
            tx.merge_conversation(conversation(), new)?;
            assert_eq!(tx.shelf(new)?, kept, "gone on as another");
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn an_archived_conversation_comes_back_unless_it_is_muted() {
    let directory = tempfile::tempdir().unwrap();
    let store = old_profile(directory.path(), include_str!("../schema/v1.sql"), include_str!("../samples/v1.sql"), 1);
    store
        .transaction(|tx| {
            for (muted_until_ms, now_ms, archived) in [(0, 10, false), (11, 10, true), (10, 10, false)] {
                tx.put_shelf(conversation(), Shelf { muted_until_ms, archived: true, pinned: 0 })?;
                tx.bring_back(conversation(), now_ms)?;
                assert_eq!(tx.shelf(conversation())?, Shelf { muted_until_ms, archived, pinned: 0 });
            }
            tx.put_shelf(conversation(), Shelf { muted_until_ms: Shelf::FOR_EVER, archived: true, pinned: 0 })?;
            tx.bring_back(conversation(), 4_000_000_000_000)?;
            assert!(tx.shelf(conversation())?.archived, "for ever");
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn the_schema_and_the_numbers_on_disk_are_what_they_were() {
    insta::assert_snapshot!("schema", include_str!("../schema/v1.sql"));
    insta::assert_snapshot!("schema_v2", include_str!("../schema/v2.sql"));
    insta::assert_snapshot!("schema_v3", include_str!("../schema/v3.sql"));
    insta::assert_snapshot!("schema_v4", include_str!("../schema/v4.sql"));
    insta::assert_snapshot!("schema_v5", include_str!("../schema/v5.sql"));
    insta::assert_debug_snapshot!(
        "numbers",
        (
            Standing::ALL,
            TermState::ALL,
            DeliveryState::ALL,
            OutboxKind::ALL,
            RequestState::ALL,
            ConversationKind::ALL,
            RequestKind::ALL,
            MessageKind::ALL,
            TransferWay::ALL,
            TransferState::ALL,
            DeviceNoteKind::ALL
        )
    );
}

fn conversation() -> ConversationId {
    ConversationId::from([1; 16])
}

fn message(sequence: u8) -> MessageRecord {
    MessageRecord {
        number: 0,
        conversation: conversation(),
        message: MessageId::from([sequence; 16]),
        sender: AccountId::from([3; 32]),
        own: false,
        text: "kingfisher".to_owned(),
        position: Some((0, u64::from(sequence))),
        sent_at_ms: 5,
        delivery: DeliveryState::Delivered,
        shown: true,
        line: None,
        kind: MessageKind::Message,
        target: None,
        content: None,
        at_ms: 5,
        rights: 0,
    }
}
