//! The server under load and `kill -9`: nothing acknowledged is lost, nothing is there twice, and nobody is shown an entry
//! that a crash takes back.
#![allow(clippy::unwrap_used)]

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::Duration,
};

use alcyon_sim::{
    light::{LightClient, LightLog, NOTHING_TO_PAY, random_bytes},
    process::{ServerProcess, ServerSetup},
    seed,
};
use alcyon_wire::{
    EntryId, HeaderFacts, LogId, RunningHash, ServerUrl, Verdict, payload_hash,
    proto::{self, client_frame, server_frame},
};
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use rand::RngExt;
use tokio::time::{sleep, timeout};

const LOGS: usize = 4;
const WRITERS: usize = 8;

/// Entries that the server has acknowledged, and where.
type Acknowledged = Rc<RefCell<HashMap<(LogId, EntryId), u64>>>;

#[tokio::test(flavor = "current_thread")]
async fn acknowledged_entries_survive_kills() {
    let local = tokio::task::LocalSet::new();
    local.run_until(run()).await.unwrap();
}

async fn run() -> anyhow::Result<()> {
    let mut random = seed::generator(seed::given().unwrap_or(1));
    let folder = tempfile::tempdir()?;
    let setup = ServerSetup::new(&folder.path().join("data")).arguments(["--drain-time", "5s"]).arguments(NOTHING_TO_PAY);
    let mut server = setup.start()?;
    let setup = setup.again(&server);
    let url = server.url().clone();

    let seats: Vec<Vec<LightLog>> = (0..LOGS)
        .map(|_| {
            let first = LightLog::random();
            std::iter::repeat_with(|| first.sibling()).take(WRITERS + 1).collect()
        })
        .collect();
    let mut client = LightClient::connect(&url, None).await?;
    for log in &seats {
        let answer = client.call(LightLog::create(&log.iter().collect::<Vec<_>>())).await?;
        ensure!(matches!(answer, server_frame::Body::Receipt(_)), "{answer:?}");
    }
    client.close().await?;

    let acknowledged = Acknowledged::default();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let logs: Vec<LightLog> = seats.iter().map(|log| log[writer].clone()).collect();
            tokio::task::spawn_local(write_for_ever(url.clone(), logs, acknowledged.clone()))
        })
        .collect();
    let reader = Rc::new(RefCell::new(Reader::new(seats.iter().map(|log| log[WRITERS].clone()).collect())));
    let reading = tokio::task::spawn_local(read_for_ever(url.clone(), reader.clone()));

    for _ in 0..seed::rounds("ALCYON_KILL_ROUNDS", 20) {
        sleep(Duration::from_millis(random.random_range(20..400))).await;
        if random.random_ratio(1, 8) {
            terminate(server).await?;
        } else {
            server.kill()?;
        }
        server = setup.start()?;
        ensure!(!reading.is_finished(), "the reader gave up: {:?}", reading.await);
    }
    sleep(Duration::from_millis(500)).await;
    for writer in writers {
        writer.abort();
    }
    reading.abort();

    let heads = timeout(Duration::from_secs(60), read_to_the_end(&url, &reader)).await.context("reading to the end")??;
    let reader = reader.borrow();
    let acknowledged = acknowledged.borrow();
    ensure!(!acknowledged.is_empty(), "the load was none");
    for ((log, entry), sequence) in acknowledged.iter() {
        ensure!(reader.story[log].entries.get(entry) == Some(sequence), "entry {sequence} was acknowledged and is lost");
    }
    ensure!(heads.iter().sum::<u64>() >= acknowledged.len() as u64, "fewer entries than acknowledgements");
    Ok(())
}

async fn terminate(server: ServerProcess) -> anyhow::Result<()> {
    let status = tokio::task::spawn_blocking(move || server.terminate(Duration::from_secs(20))).await??;
    ensure!(status.success(), "a drain that failed: {status}");
    Ok(())
}

/// One connection after the other; what was not acknowledged is sent again, byte for byte.
async fn write_for_ever(url: ServerUrl, logs: Vec<LightLog>, acknowledged: Acknowledged) {
    let mut pending: Vec<(usize, client_frame::Body)> = Vec::new();
    loop {
        let _lost_connection = write(&url, &logs, &acknowledged, &mut pending).await;
        sleep(Duration::from_millis(10)).await;
    }
}

async fn write(
    url: &ServerUrl,
    logs: &[LightLog],
    acknowledged: &Acknowledged,
    pending: &mut Vec<(usize, client_frame::Body)>,
) -> anyhow::Result<()> {
    let mut client = LightClient::connect(url, None).await?;
    loop {
        if pending.is_empty() {
            for (index, log) in logs.iter().enumerate() {
                pending.push((index, log.append(Bytes::from(random_bytes::<300>().to_vec()))));
            }
        }
        let mut asked = BTreeMap::new();
        for (place, (_, body)) in pending.iter().enumerate() {
            asked.insert(client.post(body.clone()).await?, place);
        }
        client.flush().await?;
        let mut done = Vec::new();
        let mut wait = 0;
        for _ in 0..asked.len() {
            let frame = client.next().await?;
            let place = *asked.get(&frame.request).context("an answer to nothing")?;
            let (index, body) = &pending[place];
            match (frame.body, body) {
                (Some(server_frame::Body::Receipt(receipt)), client_frame::Body::Append(append)) => {
                    let entry = EntryId::parse(&append.entry_id, "entry_id")?;
                    let earlier = acknowledged.borrow_mut().insert((logs[*index].seat.log, entry), receipt.sequence);
                    assert!(earlier.is_none_or(|earlier| earlier == receipt.sequence), "two places for one entry");
                    done.push(place);
                }
                (Some(server_frame::Body::Refusal(refusal)), _) if refusal.verdict() == Verdict::Later => {
                    wait = refusal.retry_after_ms.max(wait)
                }
                (Some(server_frame::Body::GoingAway(_)), _) => bail!("the server drains"),
                (other, _) => panic!("an unexpected answer: {other:?}"),
            }
        }
        done.sort_unstable();
        for place in done.into_iter().rev() {
            pending.swap_remove(place);
        }
        sleep(Duration::from_millis(wait.min(1_000))).await;
    }
}

/// What a device keeps of each log: its cursor and the running hash there.
struct Reader {
    seats: Vec<LightLog>,
    story: HashMap<LogId, Story>,
}

struct Story {
    sequence: u64,
    hash: RunningHash,
    entries: HashMap<EntryId, u64>,
}

impl Reader {
    fn new(seats: Vec<LightLog>) -> Self {
        let story = |log| Story { sequence: 0, hash: RunningHash::start(log), entries: HashMap::new() };
        let story = seats.iter().map(|seat| (seat.seat.log, story(seat.seat.log))).collect();
        Self { seats, story }
    }

    fn subscribe(&self) -> client_frame::Body {
        let logs = self.seats.iter().map(|seat| seat.subscription(self.story[&seat.seat.log].sequence)).collect();
        client_frame::Body::Subscribe(proto::Subscribe { logs })
    }

    /// What the server says must go on from where it was, without hole, repetition or change.
    fn take(&mut self, page: &proto::Entries) {
        let log = LogId::parse(&page.log, "log").unwrap();
        let story = self.story.get_mut(&log).unwrap();
        assert!(page.gap.is_none(), "nothing is old enough for a gap");
        for entry in &page.entries {
            let facts = HeaderFacts::parse(&entry.header).unwrap();
            assert_eq!(facts.sequence, story.sequence + 1, "a hole or a repetition");
            story.sequence = facts.sequence;
            story.hash = story.hash.next(&entry.header, &payload_hash(&entry.payload));
            assert_eq!(story.entries.insert(facts.entry_id, facts.sequence), None, "an entry is there twice");
        }
        assert_eq!(story.hash.as_bytes()[..], page.running_hash[..], "the chain is broken");
    }
}

/// Ends only when the server contradicts itself.
async fn read_for_ever(url: ServerUrl, reader: Rc<RefCell<Reader>>) {
    loop {
        let _lost_connection = read(&url, &reader, false).await;
        sleep(Duration::from_millis(10)).await;
    }
}

async fn read_to_the_end(url: &ServerUrl, reader: &Rc<RefCell<Reader>>) -> anyhow::Result<Vec<u64>> {
    read(url, reader, true).await?;
    Ok(reader.borrow().story.values().map(|story| story.sequence).collect())
}

#[allow(clippy::await_holding_refcell_ref)] // each borrow ends before the next wait
async fn read(url: &ServerUrl, reader: &Rc<RefCell<Reader>>, to_the_end: bool) -> anyhow::Result<()> {
    let mut client = LightClient::connect(url, None).await?;
    let subscribe = reader.borrow().subscribe();
    let server_frame::Body::Subscribed(proto::Subscribed { logs }) = client.call(subscribe).await? else { bail!("not subscribed") };
    let mut heads = HashMap::new();
    for news in logs {
        assert!(news.refusal.is_none(), "the server has forgotten what it had shown: {:?}", news.refusal);
        heads.insert(LogId::parse(&news.log, "log")?, news.head);
    }
    loop {
        if to_the_end && heads.iter().all(|(log, head)| reader.borrow().story[log].sequence >= *head) {
            return Ok(());
        }
        if let Some(server_frame::Body::Entries(page)) = client.next().await?.body {
            reader.borrow_mut().take(&page);
            let bytes = page.entries.iter().map(|entry| entry.payload.len() as u64).sum();
            client.post(client_frame::Body::Credit(proto::Credit { entries: u32::try_from(page.entries.len())?, bytes })).await?;
            client.flush().await?;
        }
    }
}
