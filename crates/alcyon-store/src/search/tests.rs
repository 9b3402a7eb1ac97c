#![allow(clippy::unwrap_used)]

use std::fs;

use alcyon_wire::MessageId;
use proptest::prelude::*;

use super::*;
use crate::{DeliveryState, MessageKind, Store, StoreKey};

const NONE: [u64; 0] = [];

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &StoreKey::from([7; 32])).unwrap();
    (directory, store)
}

fn record(number: u16, text: &str) -> MessageRecord {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    MessageRecord {
        number: 0,
        conversation: ConversationId::from([u8::try_from(number % 2).unwrap(); 16]),
        message: MessageId::from(id),
        sender: AccountId::from([u8::try_from(number % 3).unwrap(); 32]),
        own: false,
        text: text.to_owned(),
        position: Some((0, u64::from(number))),
        sent_at_ms: u64::from(number) * 1000,
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

fn terms(words: &str) -> SearchQuery {
    let terms = words.split_whitespace().map(|word| SearchTerm { text: word.to_owned(), whole: false });
    SearchQuery { terms: terms.collect(), ..SearchQuery::default() }
}

fn found(tx: &Tx<'_>, query: &SearchQuery) -> Vec<u64> {
    let found = tx.search(query, None, 100).unwrap();
    found.iter().map(|message| message.position.unwrap().1).collect()
}

#[test]
fn words_are_found_by_their_beginnings_whatever_their_accents_and_script() {
    let (_directory, store) = store();
    let texts = [
        "L'été dernier, Cœur de mer",
        "ÉTÉ comme hiver",
        "今日はとてもいい天気ですね。東京へ行きましょう",
        "วันนี้อากาศดีมาก",
        "Die Straße nach Łódź, Smørrebrød",
        "Я видел зимородка у реки",
        "a kingfisher's nest: kingfisher",
        "हम कल मिलेंगे",
    ];
    store
        .transaction(|tx| {
            for (number, text) in (1..).zip(texts) {
                tx.add_message(&record(number, text))?;
            }
            let by = |words: &str| found(tx, &terms(words));
            assert_eq!(by("ete"), [2, 1]);
            assert_eq!(by("été"), [2, 1]);
            assert_eq!(by("É"), [2, 1], "one letter");
            assert_eq!(by("coeur"), [1]);
            assert_eq!(by("cœ"), [1]);
            assert_eq!(by("東京"), [3], "in the middle of a run of characters");
            assert_eq!(by("天気"), [3]);
            assert_eq!(by("気天"), NONE, "the other way round it is another word");
            assert_eq!(by("京"), [3]);
            assert_eq!(by("อากาศ"), [4]);
            assert_eq!(by("strasse lodz smorrebrod"), [5]);
            assert_eq!(by("STRASSE"), [5]);
            assert_eq!(by("зим"), [6]);
            assert_eq!(by("king"), [7]);
            assert_eq!(by("fisher"), NONE, "not from within a word");
            assert_eq!(by("kingfisher's"), [7]);
            assert_eq!(by("मिलेंगे"), [8]);
            assert_eq!(by("hiver été"), [2], "all of them, in whatever order");
            assert_eq!(by("!!! …"), NONE, "nothing that could be looked for");
            assert_eq!(by("\" OR été* NOT - ( NEAR"), NONE, "words, not operators");
            let whole =
                |text: &str| SearchQuery { terms: vec![SearchTerm { text: text.to_owned(), whole: true }], ..SearchQuery::default() };
            assert_eq!(found(tx, &whole("king")), NONE);
            assert_eq!(found(tx, &whole("comme hiver")), [2]);
            assert_eq!(found(tx, &whole("hiver comme")), NONE);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn filters_narrow_and_pages_follow_each_other() {
    let (_directory, store) = store();
    store
        .transaction(|tx| {
            for number in 1..=12 {
                let record = record(number, "tide table");
                tx.add_message(&record)?;
                if number.is_multiple_of(4) {
                    tx.set_has(record.conversation, record.message, Has::LINK.and(if number == 8 { Has::FILE } else { Has::default() }))?;
                }
            }
            tx.add_message(&MessageRecord { line: Some(vec![8]), ..record(13, "tide") })?;
            let tide = terms("tide");
            assert_eq!(found(tx, &tide).len(), 12, "a line about what happened is no message");
            let (ben, here) = (AccountId::from([1; 32]), ConversationId::from([0; 16]));
            assert_eq!(found(tx, &SearchQuery { from: vec![ben], ..tide.clone() }), [10, 7, 4, 1]);
            assert_eq!(found(tx, &SearchQuery { within: vec![here], ..tide.clone() }), [12, 10, 8, 6, 4, 2]);
            assert_eq!(found(tx, &SearchQuery { from: vec![ben], within: vec![here], ..tide.clone() }), [10, 4]);
            assert_eq!(found(tx, &SearchQuery { before_ms: Some(3000), ..tide.clone() }), [2, 1]);
            assert_eq!(found(tx, &SearchQuery { after_ms: Some(11_000), ..tide.clone() }), [12, 11]);
            assert_eq!(found(tx, &SearchQuery { has: Has::LINK, ..tide.clone() }), [12, 8, 4]);
            assert_eq!(found(tx, &SearchQuery { has: Has::FILE, ..SearchQuery::default() }), [8], "by what it carries alone");
            assert_eq!(found(tx, &SearchQuery { within: vec![here], ..SearchQuery::default() }), [12, 10, 8, 6, 4, 2]);
            let first = tx.search(&tide, None, 5)?;
            let second = tx.search(&tide, first.last().map(|last| last.number), 5)?;
            let sequences: Vec<_> = first.iter().chain(&second).map(|one| one.position.unwrap().1).collect();
            assert_eq!(sequences, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

/// All that the index holds.
fn indexed(tx: &Tx<'_>) -> Vec<String> {
    tx.sql.execute_batch("CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab(main, message_words, row)").unwrap();
    let mut statement = tx.sql.prepare("SELECT term FROM vocabulary ORDER BY term").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_is_changed_erased_or_removed_leaves_the_index() {
    let (_directory, store) = store();
    store
        .transaction(|tx| {
            let one = record(1, "kingfisher");
            tx.add_message(&one)?;
            tx.add_message(&one)?;
            tx.set_text(one.conversation, one.message, "heron")?;
            assert_eq!(indexed(tx), ["heron"]);
            tx.set_text(one.conversation, one.message, "heron")?;
            tx.erase(one.conversation, one.message)?;
            assert_eq!(indexed(tx), [] as [String; 0]);
            tx.set_text(one.conversation, one.message, "egret")?;
            assert_eq!(found(tx, &terms("egret")), [1]);
            let (old, new) = (one.conversation, ConversationId::from([9; 16]));
            tx.merge_conversation(old, new)?;
            assert_eq!(tx.search(&SearchQuery { within: vec![new], ..terms("egret") }, None, 9)?.len(), 1);
            tx.remove_conversation(new)?;
            assert_eq!(indexed(tx), [] as [String; 0]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

#[test]
fn messages_of_older_formats_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let old = Connection::open(directory.path().join("profile.db")).unwrap();
    old.execute_batch(&format!("PRAGMA key = \"x'{}'\";", "07".repeat(32))).unwrap();
    old.execute_batch(include_str!("../../schema/v1.sql")).unwrap();
    old.execute_batch(include_str!("../../samples/v1.sql")).unwrap();
    old.execute_batch("PRAGMA application_id = 1095517017; PRAGMA user_version = 1;").unwrap();
    drop(old);
    let store = Store::open(directory.path(), &StoreKey::from([7; 32])).unwrap();
    store
        .transaction(|tx| {
            assert_eq!(tx.search(&terms("kingf"), None, 9)?.len(), 1);
            Ok::<_, StoreError>(())
        })
        .unwrap();
}

/// The database as SQLite writes it without a cipher: the same pages, readable.
#[test]
fn nothing_of_what_is_erased_stays_in_the_pages_or_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clear.db");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA secure_delete = ON; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;").unwrap();
    install(&connection).unwrap();
    connection.execute_batch(&crate::open::whole_schema()).unwrap();
    let store = Store { connection: std::cell::RefCell::new(connection), _lock: fs::File::create(directory.path().join("lock")).unwrap() };
    let secret = |number: u16| format!("kingfisher{number} nests{number} {}", "underneath ".repeat(usize::from(number % 90)));
    store
        .transaction(|tx| {
            for number in 0..600 {
                tx.add_message(&MessageRecord { content: Some(secret(number).into_bytes()), ..record(number, &secret(number)) })?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let lies = |word: &str| {
        let files = fs::read_dir(directory.path()).unwrap();
        files.map(|file| fs::read(file.unwrap().path()).unwrap()).any(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    assert!(lies("kingfisher7") && lies("underneath"), "the test sees what there is");
    store
        .transaction(|tx| {
            for number in 0..600 {
                let record = record(number, "");
                tx.erase(record.conversation, record.message)?;
            }
            assert_eq!(indexed(tx), [] as [String; 0]);
            Ok::<_, StoreError>(())
        })
        .unwrap();
    store.checkpoint().unwrap();
    for word in ["kingfisher", "ingfishe", "nests", "underneath", "nderneat"] {
        assert!(!lies(word), "{word} is still there");
    }
}

proptest! {
    /// Whatever is written and changed, the index says of each text what it is now.
    #[test]
    fn the_index_follows_the_texts(steps in proptest::collection::vec((0_u16..6, "[a-cé東 \"*]{0,6}", 0_u8..5), 1..40)) {
        let (_directory, store) = store();
        store.transaction(|tx| {
            for (number, text, what) in &steps {
                let record = record(*number, text);
                match what {
                    0 | 1 => { tx.add_message(&record)?; }
                    2 | 3 => tx.set_text(record.conversation, record.message, text)?,
                    _ => tx.erase(record.conversation, record.message)?,
                }
            }
            tx.sql.execute_batch("INSERT INTO message_words (message_words) VALUES ('integrity-check')")?;
            for word in ["a", "b", "ab", "e", "東", "東東"] {
                let mut expected = Vec::new();
                for number in 0..6 {
                    let record = record(number, "");
                    let Some(stored) = tx.message(record.conversation, record.message)? else { continue };
                    let folded = words(&stored.text).replace('é', "e");
                    let tokens: Vec<&str> = folded.split(|c: char| !c.is_alphanumeric()).filter(|token| !token.is_empty()).collect();
                    let there = if word == "東東" {
                        tokens.windows(2).any(|two| two == ["東", "東"])
                    } else {
                        tokens.iter().any(|token| token.starts_with(word))
                    };
                    if there {
                        expected.push((std::cmp::Reverse(stored.number), u64::from(number)));
                    }
                }
                expected.sort_unstable();
                let expected: Vec<u64> = expected.into_iter().map(|(_, number)| number).collect();
                assert_eq!(found(tx, &terms(word)), expected, "{word}");
            }
            Ok::<_, StoreError>(())
        }).unwrap();
    }
}
