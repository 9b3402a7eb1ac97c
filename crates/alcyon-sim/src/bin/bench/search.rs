//! What a search costs: the client over a profile with many messages, encrypted, on a disk.

use std::{fmt::Write, path::Path, time::Instant};

use alcyon_client::{AccountId, Client, ConversationId, MessageId, Search, Store};
use alcyon_net::{NetOptions, NetTransport, SystemClock};
use alcyon_sim::{past::Said, process::ServerSetup};
use alcyon_store::{ContactRecord, ConversationKind, ConversationRecord, Standing, StoreError, StoreKey};
use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Messages that a search shows.
const SHOWN: u32 = 50;
/// Times each search is run; the profile is opened anew before the first.
const RUNS: usize = 9;
/// A transaction each so many messages.
const BATCH: usize = 1000;
const CONVERSATIONS: u8 = 20;

/// Words whose frequencies fall as those of a language do.
struct Vocabulary {
    words: Vec<String>,
    /// Sums of frequencies.
    sums: Vec<f64>,
}

impl Vocabulary {
    fn new(chance: &mut StdRng) -> Self {
        const BEGINNINGS: [&str; 14] = ["b", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "t", "v", "ch"];
        const ENDINGS: [&str; 10] = ["a", "e", "é", "i", "o", "u", "ou", "on", "an", "eau"];
        let syllable = |chance: &mut StdRng| {
            format!("{}{}", BEGINNINGS[chance.random_range(0..BEGINNINGS.len())], ENDINGS[chance.random_range(0..ENDINGS.len())])
        };
        let words = (0..20_000).map(|_| (0..chance.random_range(1..5)).map(|_| syllable(chance)).collect()).collect();
        let mut sum = 0.0;
        let sums = (1..=20_000_u32)
            .map(|rank| {
                sum += 1.0 / f64::from(rank);
                sum
            })
            .collect();
        Self { words, sums }
    }

    fn text(&self, chance: &mut StdRng) -> String {
        let all = self.sums.last().copied().unwrap_or(1.0);
        let word = |chance: &mut StdRng| {
            let at = chance.random_range(0.0..all);
            self.words[self.sums.partition_point(|sum| *sum < at).min(self.words.len() - 1)].clone()
        };
        (0..chance.random_range(2..23)).map(|_| word(chance)).collect::<Vec<_>>().join(" ")
    }
}

/// Fills a profile and searches it. Finished rows of a table.
pub async fn measure(setup: ServerSetup, folder: &Path, messages: usize) -> anyhow::Result<String> {
    let mut chance = StdRng::seed_from_u64(1);
    let vocabulary = Vocabulary::new(&mut chance);
    let profile = folder.join("profile");
    let open = || Store::open(&profile, &StoreKey::from([7; 32]));
    let server = setup.start()?;
    let client = Client::open(open()?, NetTransport::new(NetOptions::default())?, SystemClock)?;
    client.register(&"ann".parse()?, server.url()).await?;
    drop(client);
    let began = Instant::now();
    fill(&open()?, &vocabulary, &mut chance, messages)?;
    let filled = began.elapsed();
    let megabytes = std::fs::metadata(profile.join("profile.db"))?.len() as f64 / 1e6;
    let mut rows = String::new();
    writeln!(
        rows,
        "| {messages} | fill the profile: time, each message; size | {:.0} µs; {megabytes:.0} MB |",
        filled.as_secs_f64() * 1e6 / messages as f64
    )?;
    let common = &vocabulary.words[0];
    let rare = &vocabulary.words[12_000];
    let cases = [
        ("one letter", "b".to_owned()),
        ("two letters", "ch".to_owned()),
        ("a common word", common.clone()),
        ("a rare word", rare.clone()),
        ("two common beginnings", format!("b {common}")),
        ("a common word and a rare one", format!("{common} {rare}")),
        ("two words, one behind the other", format!("\"{common} {}\"", vocabulary.words[1])),
        ("a word that is nowhere", "kingfisher".to_owned()),
        ("from: one in twenty, a common word", format!("from:person7 {common}")),
        ("in: one in twenty, a common word", format!("in:person7 {common}")),
        ("from: somebody who has written nothing, a common word", format!("from:nobody {common}")),
        ("before: all but the first of a hundred, one letter", "before:1970-01-02 b".to_owned()),
        ("has:link alone", "has:link".to_owned()),
        ("from: alone, somebody who has written nothing", "from:nobody".to_owned()),
    ];
    for (what, query) in cases {
        let search = Search::parse(&query, |_, _, day| Some(u64::from(day - 1) * messages as u64 * 10))?;
        let mut times = Vec::new();
        let mut found = 0;
        let client = Client::open(open()?, NetTransport::new(NetOptions::default())?, SystemClock)?;
        for _ in 0..RUNS {
            let began = Instant::now();
            found = client.search(&search, SHOWN)?.len();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let first = times[0];
        times.sort_by(f64::total_cmp);
        writeln!(rows, "| {messages} | {what} ({found} shown) | **{:.1} ms**; first {first:.1} ms |", times[RUNS / 2])?;
    }
    server.terminate(std::time::Duration::from_secs(20))?;
    Ok(rows)
}

fn fill(store: &Store, vocabulary: &Vocabulary, chance: &mut StdRng, messages: usize) -> anyhow::Result<()> {
    let conversation = |number: u8| ConversationId::from([number; 16]);
    let account = |number: u8| AccountId::from([number; 32]);
    let own = store.transaction(|tx| tx.account())?.context("an account")?.account;
    store.transaction(|tx| {
        for number in 0..=CONVERSATIONS {
            // The last one writes nothing.
            let name = if number == CONVERSATIONS { "nobody".to_owned() } else { format!("person{number}") };
            tx.put_contact(&ContactRecord {
                account: account(number),
                handle: format!("{name}@sea.example").parse().map_err(|_| StoreError::Damaged("a handle"))?,
                manifest: Vec::new(),
                handle_checked_ms: 0,
                handle_changed: false,
                blocked: false,
                pass_given: None,
                pass_held: None,
            })?;
            tx.put_conversation(&ConversationRecord {
                conversation: conversation(number),
                peer: Some(account(number)),
                start_handle: None,
                start_account: None,
                standing: Standing::Open,
                created_ms: 0,
                read_number: 0,
                kind: ConversationKind::Pair,
                title: String::new(),
            })?;
        }
        Ok::<_, StoreError>(())
    })?;
    for batch in 0..messages.div_ceil(BATCH) {
        store.transaction(|tx| {
            for number in batch * BATCH..((batch + 1) * BATCH).min(messages) {
                let number = number as u64;
                let mut text = vocabulary.text(chance);
                let link = number.is_multiple_of(100);
                if link {
                    text.push_str(" https://sea.example/tide");
                }
                let mut id = [0; 16];
                id[..8].copy_from_slice(&number.to_be_bytes());
                let (id, with) = (MessageId::from(id), chance.random_range(0..CONVERSATIONS));
                let is_own = chance.random();
                let by = if is_own { own } else { account(with) };
                Said { id, by, own: is_own, text, sequence: number + 1, at_ms: number * 1000 }.lay_into(tx, conversation(with))?;
                if link {
                    tx.set_has(conversation(with), id, alcyon_store::Has::LINK)?;
                }
            }
            Ok::<_, StoreError>(())
        })?;
    }
    store.checkpoint()?;
    ensure!(messages > 0, "nothing to search");
    Ok(())
}
