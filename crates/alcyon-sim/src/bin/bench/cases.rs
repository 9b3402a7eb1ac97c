//! What is measured.

use std::{path::Path, sync::Arc, time::Instant};

use alcyon_sim::{
    light::{LightClient, LightLog, Origin, refused},
    process::{ServerProcess, ServerSetup},
    tls::TestAuthority,
};
use alcyon_wire::proto::{self, client_frame, server_frame};
use anyhow::{bail, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    machine::{CpuMeter, resident},
    report::Measured,
    sign_up,
};

/// One line of the table.
pub struct Case {
    pub name: &'static str,
    pub unit: Unit,
    /// In that unit.
    pub goal: f64,
    /// What the best other server took, for the same or less.
    pub peer: &'static str,
    operations: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Microseconds,
    Kibibytes,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "µs",
            Self::Kibibytes => "KiB",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Append { bytes: usize, window: usize },
    Drain,
    Online { window: usize },
    Group { seats: usize, window: usize },
    SignUp { keep_alive: bool },
    Resume,
    Idle { tls: bool },
}

const CONNECTIONS: usize = 64;
const PAIRS: usize = 100;
const SMALL: usize = 256;
const QUEUED: usize = 50;
const CONVERSATIONS: usize = 50;

impl Case {
    pub fn all(scale: f64) -> Vec<Self> {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // small positive numbers
        let scaled = |count: usize| ((count as f64 * scale) as usize).max(CONNECTIONS);
        let us =
            |name, goal, peer, operations, kind| Self { name, unit: Unit::Microseconds, goal, peer, operations: scaled(operations), kind };
        let kib =
            |name, goal, peer, operations, kind| Self { name, unit: Unit::Kibibytes, goal, peer, operations: scaled(operations), kind };
        vec![
            us(
                "durable append, 256 B, 64 connections, 1 in flight each",
                14.0,
                "143 µs, not durable",
                32_000,
                Kind::Append { bytes: SMALL, window: 1 },
            ),
            us(
                "durable append, 256 B, 64 connections, 16 in flight each",
                14.0,
                "143 µs, not durable",
                64_000,
                Kind::Append { bytes: SMALL, window: 16 },
            ),
            us(
                "durable append, 1 KiB, 64 connections, 1 in flight each",
                14.0,
                "206 µs, not durable",
                32_000,
                Kind::Append { bytes: 1024, window: 1 },
            ),
            us(
                "durable append, 1 KiB, 64 connections, 16 in flight each",
                14.0,
                "206 µs, not durable",
                64_000,
                Kind::Append { bytes: 1024, window: 16 },
            ),
            us("drain of queued entries, 256 B, 50 a log", 6.0, "47 µs", 51_200, Kind::Drain),
            us(
                "online delivery, 256 B, durable and acknowledged, 4 in flight",
                12.0,
                "37 µs, not durable",
                40_000,
                Kind::Online { window: 4 },
            ),
            us(
                "delivery in a group of 100, 256 B, online, durable and acknowledged",
                3.0,
                "16 µs",
                50_000, // 500 messages: a seat may append 600 at once
                Kind::Group { seats: 100, window: 4 },
            ),
            us(
                "delivery in a group of 1,000, 256 B, online, durable and acknowledged",
                3.0,
                "16 µs",
                200_000,
                Kind::Group { seats: 1000, window: 4 },
            ),
            us("sign-up, on connections that stay", 150.0, "2,300 µs", 3_000, Kind::SignUp { keep_alive: true }),
            us("sign-up, a new connection each", 150.0, "2,300 µs", 3_000, Kind::SignUp { keep_alive: false }),
            us("resume of a session with 50 conversations, connection included", 60.0, "-", 6_400, Kind::Resume),
            kib("resident memory of an idle connection, plain", 5.0, "35 KiB", 4_000, Kind::Idle { tls: false }),
            kib("resident memory of an idle connection, TLS", 12.0, "47 KiB", 4_000, Kind::Idle { tls: true }),
        ]
    }

    /// Starts a server and runs the case once more often than is counted.
    pub async fn measure(&self, setup: ServerSetup, folder: &Path, runs: usize) -> anyhow::Result<Measured> {
        if let Kind::Idle { tls } = self.kind {
            return self.idle(&setup, folder, runs, tls).await;
        }
        let server = setup.start()?;
        let (mut figures, mut rates) = (Vec::new(), Vec::new());
        for run in 0..=runs {
            let spent = match self.kind {
                Kind::Append { bytes, window } => self.append(&server, run, bytes, window).await?,
                Kind::Drain => self.drain(&server, run).await?,
                Kind::Online { window } => self.online(&server, run, window).await?,
                Kind::Group { seats, window } => self.group(&server, run, seats, window).await?,
                Kind::SignUp { keep_alive } => sign_up::run(&server, run, self.operations, keep_alive).await?,
                Kind::Resume => self.resume(&server, run).await?,
                Kind::Idle { .. } => bail!("an idle connection has no run"),
            };
            if run > 0 {
                figures.push(spent.cpu_us / count(self.operations));
                rates.push(count(self.operations) / spent.wall_s);
            }
        }
        rates.sort_by(f64::total_cmp);
        Ok(Measured { figures, operations: self.operations, rate: rates.get(rates.len() / 2).copied().unwrap_or(0.0) })
    }

    async fn append(&self, server: &ServerProcess, run: usize, bytes: usize, window: usize) -> anyhow::Result<Spent> {
        let mut lanes = lanes(server, run, CONNECTIONS, 4, 1).await?;
        let each = self.operations / CONNECTIONS;
        let watch = Stopwatch::start(server)?;
        try_join_all(lanes.iter_mut().map(|lane| lane.append_many(each, bytes, window))).await?;
        watch.stop()
    }

    async fn drain(&self, server: &ServerProcess, run: usize) -> anyhow::Result<Spent> {
        let logs = self.operations / CONNECTIONS / QUEUED;
        let mut lanes = lanes(server, run, CONNECTIONS, logs, 2).await?;
        try_join_all(lanes.iter_mut().map(|lane| lane.append_many(logs * QUEUED, SMALL, 16))).await?;
        let mut readers = connect(server, run, CONNECTIONS).await?;
        let watch = Stopwatch::start(server)?;
        try_join_all(readers.iter_mut().zip(&lanes).map(|(reader, lane)| lane.read_all(reader, logs * QUEUED))).await?;
        watch.stop()
    }

    async fn online(&self, server: &ServerProcess, run: usize, window: usize) -> anyhow::Result<Spent> {
        let mut lanes = lanes(server, run, PAIRS, 1, 2).await?;
        let mut readers = connect(server, run, PAIRS).await?;
        let each = self.operations / PAIRS;
        for (reader, lane) in readers.iter_mut().zip(&lanes) {
            reader.call(lane.subscribe(0)).await?;
        }
        let seats: Vec<Vec<LightLog>> = lanes.iter().map(|lane| lane.readers.clone()).collect();
        let watch = Stopwatch::start(server)?;
        let senders = try_join_all(lanes.iter_mut().map(|lane| lane.append_many(each, SMALL, window)));
        let receivers = try_join_all(readers.iter_mut().zip(&seats).map(|(reader, seats)| receive(reader, seats, each)));
        let (sent, received) = tokio::join!(senders, receivers);
        sent?;
        received?;
        watch.stop()
    }

    /// One writes and `seats` listen, each on a connection of its own. An operation is a delivery.
    async fn group(&self, server: &ServerProcess, run: usize, seats: usize, window: usize) -> anyhow::Result<Spent> {
        let writer = LightLog::random();
        let listeners: Vec<LightLog> = (0..seats).map(|_| writer.sibling()).collect();
        let mut client = LightClient::connect_from(server.url(), None, origin(run, seats)).await?;
        let all: Vec<&LightLog> = std::iter::once(&writer).chain(&listeners).collect();
        match client.call(LightLog::create(&all)).await? {
            server_frame::Body::Receipt(_) => {}
            other => return Err(refused(&other)),
        }
        let mut readers = connect(server, run, seats).await?;
        for (reader, seat) in readers.iter_mut().zip(&listeners) {
            reader.call(client_frame::Body::Subscribe(proto::Subscribe { logs: vec![seat.subscription(0)] })).await?;
        }
        let random = StdRng::seed_from_u64(run as u64);
        let mut lane = Lane { client, logs: vec![writer], readers: Vec::new(), random };
        let messages = self.operations / seats;
        let watch = Stopwatch::start(server)?;
        let receivers = readers.iter_mut().zip(&listeners).map(|(reader, seat)| receive(reader, std::slice::from_ref(seat), messages));
        tokio::try_join!(lane.append_many(messages, SMALL, window), try_join_all(receivers))?;
        watch.stop()
    }

    async fn resume(&self, server: &ServerProcess, run: usize) -> anyhow::Result<Spent> {
        let mut lanes = lanes(server, run, CONNECTIONS, CONVERSATIONS, 2).await?;
        try_join_all(lanes.iter_mut().map(|lane| lane.append_many(CONVERSATIONS * 2, SMALL, 16))).await?;
        let each = self.operations / CONNECTIONS;
        let watch = Stopwatch::start(server)?;
        // Every log has two entries and the session has read both: nothing is new, which is what most resumes find.
        try_join_all(lanes.iter().enumerate().map(async |(index, lane)| {
            for _ in 0..each {
                let mut client = LightClient::connect_from(server.url(), None, origin(run, index)).await?;
                match client.call(lane.subscribe(2)).await? {
                    server_frame::Body::Subscribed(proto::Subscribed { logs }) => ensure!(logs.is_empty(), "unexpected news"),
                    other => return Err(refused(&other)),
                }
                client.close().await?;
            }
            Ok(())
        }))
        .await?;
        watch.stop()
    }

    async fn idle(&self, setup: &ServerSetup, folder: &Path, runs: usize, tls: bool) -> anyhow::Result<Measured> {
        let mut figures = Vec::new();
        for run in 0..runs {
            // A server each time: memory that was given back to the allocator would count for nothing in a second run.
            let mut setup = setup.clone();
            setup.data = folder.join(format!("idle-{tls}-{run}"));
            let authority = if tls { Some(TestAuthority::new(folder)?) } else { None };
            if let Some(authority) = &authority {
                setup = setup.arguments(authority.server_arguments());
            }
            let tls = authority.as_ref().map(TestAuthority::client_config).transpose()?;
            let server = setup.start()?;
            // Code that runs for the first time, and pools that grow once, are no connection's.
            let first = open_idle(&server, tls.as_ref(), CONNECTIONS, 0).await?;
            let before = resident(server.id())?;
            let rest = open_idle(&server, tls.as_ref(), self.operations, 1).await?;
            let after = resident(server.id())?;
            figures.push((count_bytes(after) - count_bytes(before)) / count(self.operations) / 1024.0);
            drop((first, rest));
        }
        Ok(Measured { figures, operations: self.operations, rate: 0.0 })
    }
}

/// CPU and wall-clock time.
pub struct Stopwatch {
    cpu: CpuMeter,
    wall: Instant,
}

/// What a run took.
pub struct Spent {
    pub cpu_us: f64,
    pub wall_s: f64,
}

impl Stopwatch {
    pub fn start(server: &ServerProcess) -> anyhow::Result<Self> {
        Ok(Self { cpu: CpuMeter::start(server.id())?, wall: Instant::now() })
    }

    pub fn stop(self) -> anyhow::Result<Spent> {
        let wall_s = self.wall.elapsed().as_secs_f64();
        Ok(Spent { cpu_us: count_bytes(self.cpu.nanoseconds()?) / 1000.0, wall_s })
    }
}

/// A connection that writes, with its logs, and the second seats there that others read with.
struct Lane {
    client: LightClient,
    logs: Vec<LightLog>,
    readers: Vec<LightLog>,
    random: StdRng,
}

impl Lane {
    /// Appends to its logs in turn, with at most `window` requests unanswered.
    async fn append_many(&mut self, count: usize, bytes: usize, window: usize) -> anyhow::Result<()> {
        let Self { client, logs, random, .. } = self;
        let mut turns = logs.iter().cycle();
        let (mut sent, mut answered) = (0, 0);
        while answered < count {
            while sent < count && sent - answered < window {
                let Some(log) = turns.next() else { bail!("a lane without logs") };
                let mut payload = vec![0; bytes];
                random.fill(payload.as_mut_slice());
                client.post(log.append(Bytes::from(payload))).await?;
                sent += 1;
            }
            client.flush().await?;
            match client.next().await?.body {
                Some(server_frame::Body::Receipt(_)) => answered += 1,
                Some(other) => return Err(refused(&other)),
                None => bail!("a frame without body"),
            }
        }
        Ok(())
    }

    fn subscribe(&self, after: u64) -> client_frame::Body {
        client_frame::Body::Subscribe(proto::Subscribe { logs: self.readers.iter().map(|log| log.subscription(after)).collect() })
    }

    async fn read_all(&self, reader: &mut LightClient, count: usize) -> anyhow::Result<()> {
        match reader.call(self.subscribe(0)).await? {
            server_frame::Body::Subscribed(proto::Subscribed { logs }) => ensure!(logs.iter().all(|log| log.refusal.is_none()), "refused"),
            other => return Err(refused(&other)),
        }
        receive(reader, &self.readers, count).await
    }
}

/// Takes entries, gives the credit back and acknowledges what a log has brought.
async fn receive(reader: &mut LightClient, seats: &[LightLog], count: usize) -> anyhow::Result<()> {
    let mut received = 0;
    while received < count {
        match reader.next().await?.body {
            Some(server_frame::Body::Entries(entries)) => {
                let bytes = entries.entries.iter().map(|entry| entry.payload.len()).sum::<usize>();
                let number = entries.entries.len();
                received += number;
                reader.post(client_frame::Body::Credit(proto::Credit { entries: u32::try_from(number)?, bytes: bytes as u64 })).await?;
                if let Some(seat) = seats.iter().find(|seat| seat.seat.log.as_bytes()[..] == entries.log[..]) {
                    reader.post(client_frame::Body::Ack(proto::Ack { seat: Some(seat.seat.to_field()), sequence: entries.head })).await?;
                }
                reader.flush().await?;
            }
            Some(server_frame::Body::Done(_)) => {}
            Some(other) => return Err(refused(&other)),
            None => bail!("a frame without body"),
        }
    }
    ensure!(received == count, "{received} entries instead of {count}");
    Ok(())
}

async fn lanes(server: &ServerProcess, run: usize, connections: usize, logs: usize, seats: usize) -> anyhow::Result<Vec<Lane>> {
    let clients = connect(server, run, connections).await?;
    try_join_all(clients.into_iter().enumerate().map(async |(index, mut client)| {
        let (mut writers, mut readers) = (Vec::new(), Vec::new());
        for _ in 0..logs {
            let writer = LightLog::random();
            let reader = writer.sibling();
            let both = [&writer, &reader];
            match client.call(LightLog::create(&both[..seats.min(2)])).await? {
                server_frame::Body::Receipt(_) => {}
                other => return Err(refused(&other)),
            }
            writers.push(writer);
            readers.push(reader);
        }
        let random = StdRng::seed_from_u64((run * connections + index) as u64);
        Ok(Lane { client, logs: writers, readers, random })
    }))
    .await
}

async fn connect(server: &ServerProcess, run: usize, connections: usize) -> anyhow::Result<Vec<LightClient>> {
    try_join_all((0..connections).map(|index| LightClient::connect_from(server.url(), None, origin(run, index)))).await
}

async fn open_idle(
    server: &ServerProcess,
    tls: Option<&Arc<rustls::ClientConfig>>,
    number: usize,
    run: usize,
) -> anyhow::Result<Vec<LightClient>> {
    let mut clients = Vec::with_capacity(number);
    for index in 0..number {
        let mut client = LightClient::connect_from(server.url(), tls, origin(run, index)).await?;
        let log = LightLog::random();
        client.call(LightLog::create(&[&log])).await?;
        client.call(client_frame::Body::Subscribe(proto::Subscribe { logs: vec![log.subscription(0)] })).await?;
        clients.push(client);
    }
    Ok(clients)
}

/// Loopback has 65,536 neighbourhoods, and the server's limits count by neighbourhood.
pub fn origin(run: usize, index: usize) -> Origin {
    let band = run * 1_024 + index % 1_024;
    Origin::loopback(u8::try_from(band / 256 % 256).unwrap_or(0), u8::try_from(band % 256).unwrap_or(0))
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn count(number: usize) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn count_bytes(number: u64) -> f64 {
    number as f64
}
