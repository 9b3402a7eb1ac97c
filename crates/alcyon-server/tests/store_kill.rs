//! What was acknowledged is on the disk: a process that appends as fast as it can is killed (SIGKILL) again and again, and
//! one whose disk is full goes on when there is space again.
//!
//! The process is this test binary, started anew with an environment variable that says what to do.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Lines, Write},
    net::Ipv4Addr,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use alcyon_server::{
    logs::{AddressBand, LogSettings, Logs, Rate, SystemClock},
    store::{EmbeddedSettings, EmbeddedStore},
};
use alcyon_wire::{
    DropSecret, EntryId, HeaderFacts, LogId, RefusalCode, RunningHash, Seat, SeatKey, SeatSecret, Subscription, payload_hash,
};
use bytes::Bytes;

const FOLDER: &str = "ALCYON_TEST_STORE_FOLDER";
const FIRST: &str = "ALCYON_TEST_FIRST_ENTRY";
const SIZE: &str = "ALCYON_TEST_PAYLOAD_BYTES";
const RECENT: &str = "ALCYON_TEST_RECENT_BYTES";
const LOGS: u8 = 3;
const APPENDERS: u64 = 8;

fn key(n: u8) -> SeatKey {
    SeatKey { log: LogId::from([n; 16]), secret: SeatSecret::from([n; 32]) }
}

fn entry_id(n: u64) -> EntryId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    EntryId::from(id)
}

fn payload(n: u64, size: usize) -> Bytes {
    let mut bytes = n.to_be_bytes().to_vec();
    bytes.resize(size, 7);
    bytes.into()
}

/// `recent_bytes`: what is written is put into the tables when it has become so much.
fn open(folder: &Path, recent_bytes: usize) -> Logs<EmbeddedStore> {
    let rate = Rate { burst: 1e12, per_second: 1e12 };
    let settings = LogSettings {
        seat_entries: rate,
        seat_bytes: rate,
        seat_share: u64::MAX,
        log_bytes: u64::MAX,
        disk_reserve: 0,
        ..LogSettings::default()
    };
    let store = EmbeddedStore::open(folder, EmbeddedSettings { recent_bytes, ..EmbeddedSettings::default() }).unwrap();
    Logs::open(Arc::new(store), settings, Arc::new(SystemClock)).unwrap()
}

/// Not a test of its own: the process that gets killed. It appends without end and says on its standard output what was
/// acknowledged: log, number, sequence.
#[test]
fn appender() {
    let Ok(folder) = env::var(FOLDER) else {
        return;
    };
    let number = |name| -> u64 { env::var(name).unwrap().parse().unwrap() };
    let (first, size) = (number(FIRST), number(SIZE));
    let recent_bytes = usize::try_from(number(RECENT)).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let logs = open(folder.as_ref(), recent_bytes);
        for n in 0..LOGS {
            let log = key(n).log;
            let seat = Seat { id: key(n).seat_id(), drop_hash: DropSecret::from([n; 32]).hash(log), keep: true, invite: true };
            logs.create(log, vec![seat], AddressBand::of(Ipv4Addr::LOCALHOST.into())).await.unwrap();
        }
        let appenders = (0..APPENDERS).map(|appender| {
            let logs = logs.clone();
            tokio::spawn(async move {
                for n in (first + appender..).step_by(usize::try_from(APPENDERS).unwrap()) {
                    let log = u8::try_from(n % u64::from(LOGS)).unwrap();
                    append(&logs, log, n, payload(n, usize::try_from(size).unwrap())).await;
                }
            })
        });
        futures::future::join_all(appenders).await;
    });
}

async fn append(logs: &Logs<EmbeddedStore>, log: u8, n: u64, payload: Bytes) {
    loop {
        let line = match logs.append(&key(log), entry_id(n), payload.clone(), 0).await {
            Ok(receipt) => format!("\nappended {log} {n} {}\n", receipt.sequence),
            Err(refusal) => {
                assert!(matches!(refusal.code, RefusalCode::DiskFull | RefusalCode::Internal), "{refusal:?}");
                let head = logs.subscribe(&Subscription { seat: key(log), after: 0 }).expect("reads go on").head;
                assert!(head == 0 || !logs.read(key(log).log, key(log).seat_id(), 0, 1, 1).unwrap().entries.is_empty());
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                format!("\nrefused {log} {n} {}\n", refusal.retry_after_ms)
            }
        };
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        if line.starts_with("\nappended") {
            return;
        }
    }
}

/// The process, and what it says.
struct Appender {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Appender {
    /// `shell` comes before the program, to limit it.
    fn start(folder: &Path, first: u64, size: u64, recent_bytes: usize, shell: &str) -> Self {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{shell} exec \"$0\" appender --exact --nocapture"))
            .arg(env::current_exe().unwrap())
            .env(FOLDER, folder)
            .env(FIRST, first.to_string())
            .env(SIZE, size.to_string())
            .env(RECENT, recent_bytes.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that begins so: log, number, and sequence or milliseconds.
    fn next(&mut self, word: &str) -> [u64; 3] {
        loop {
            let line = self.lines.next().expect("it goes on until it is killed").unwrap();
            let mut words = line.split(' ');
            if words.next() == Some(word) {
                return [(); 3].map(|()| words.next().unwrap().parse().unwrap());
            }
        }
    }

    fn kill(mut self) -> Vec<[u64; 3]> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // What it said before it died, the last line perhaps cut off.
        let rest = self.lines.map_while(Result::ok).collect::<Vec<_>>();
        let whole = rest.iter().filter_map(|line| {
            let words: Vec<_> = line.strip_prefix("appended ")?.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
            words.try_into().ok()
        });
        let mut whole: Vec<_> = whole.collect();
        whole.pop();
        whole
    }
}

/// Everything acknowledged is there, under its sequence, with its bytes; the chain holds; sent again, it gets its answer.
async fn check(folder: &Path, acknowledged: &BTreeMap<(u64, u64), u64>, size: u64) {
    let logs = open(folder, usize::MAX);
    for n in 0..LOGS {
        let (log, seat) = (key(n).log, key(n).seat_id());
        let (mut after, mut hash) = (0, RunningHash::start(log));
        let mut found = BTreeMap::new();
        loop {
            let page = logs.read(log, seat, after, 100, 1 << 20).unwrap();
            assert_eq!(page.gap, None);
            for entry in &page.entries {
                let facts = HeaderFacts::parse(&entry.header).unwrap();
                after += 1;
                assert_eq!(facts.sequence, after);
                hash = hash.next(&entry.header, &payload_hash(&entry.payload));
                assert_eq!(entry.payload.len() as u64, size);
                let number = u64::from_be_bytes(entry.payload[..8].try_into().unwrap());
                assert_eq!(facts.entry_id, entry_id(number));
                assert_eq!(found.insert(number, after), None, "an entry is there once");
            }
            assert_eq!(page.running_hash, hash);
            if after == page.head {
                break;
            }
        }
        for ((_, number), sequence) in acknowledged.range((u64::from(n), 0)..(u64::from(n) + 1, 0)) {
            assert_eq!(found.get(number), Some(sequence), "acknowledged and lost");
        }
        if let Some(((_, number), sequence)) = acknowledged.range((u64::from(n), 0)..(u64::from(n) + 1, 0)).next_back() {
            let payload = payload(*number, usize::try_from(size).unwrap());
            assert_eq!(logs.append(&key(n), entry_id(*number), payload, 0).await.unwrap().sequence, *sequence);
        }
    }
}

async fn kill_again_and_again(recent_bytes: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..8_u64 {
        let mut appender = Appender::start(folder.path(), round * 1_000_000, 700, recent_bytes, "");
        let until = 1 + round * 37 % 150;
        let mut said = Vec::new();
        for _ in 0..until {
            said.push(appender.next("appended"));
        }
        said.extend(appender.kill());
        acknowledged.extend(said.into_iter().map(|[log, number, sequence]| ((log, number), sequence)));
        check(folder.path(), &acknowledged, 700).await;
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_sigkill() {
    kill_again_and_again(usize::MAX).await;
}

/// The same, while what is written goes from the journal into the tables all the time.
#[tokio::test]
async fn what_was_acknowledged_survives_sigkill_while_it_is_put_into_tables() {
    kill_again_and_again(20_000).await;
}

/// The journal may not grow beyond a limit, which stands for a disk that is full; then it may again.
#[tokio::test]
async fn a_full_disk_refuses_reads_on_and_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    let size = 1 << 20;
    // Kibibytes or blocks of 512 bytes, as the shell has it: in both cases more than a fresh journal and less than many.
    let mut appender = Appender::start(folder.path(), 0, size, usize::MAX, "trap '' XFSZ; ulimit -S -f 140000;");
    appender.next("refused");
    let pid = appender.child.id().to_string();
    assert!(Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status().unwrap().success());
    let mut acknowledged = BTreeMap::new();
    for _ in 0..40 {
        let [log, number, sequence] = appender.next("appended");
        acknowledged.insert((log, number), sequence);
    }
    acknowledged.extend(appender.kill().into_iter().map(|[log, number, sequence]| ((log, number), sequence)));
    check(folder.path(), &acknowledged, size).await;
}
