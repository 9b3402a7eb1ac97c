//! What is measured.

use std::path::Path;

use alcyon_sim::{
    lane::{Group, come_in, connect, lanes, open_idle, origin, receive},
    light::{LightLog, refused},
    machine::{Spent, Stopwatch, resident},
    process::{ServerProcess, ServerSetup},
    sign_up::Crowd,
    tls::TestAuthority,
};
use alcyon_wire::proto::{self, server_frame};
use anyhow::{bail, ensure};
use futures::future::try_join_all;

use super::report::Measured;

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
const NEWCOMERS_AT_ONCE: usize = 32;

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
                Kind::SignUp { keep_alive } => self.sign_up(&server, run, keep_alive).await?,
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
        let mut lanes = lanes(server.url(), run, CONNECTIONS, 4, 1).await?;
        let each = self.operations / CONNECTIONS;
        let watch = Stopwatch::start(server.id())?;
        try_join_all(lanes.iter_mut().map(|lane| lane.append_many(each, bytes, window))).await?;
        watch.stop()
    }

    async fn drain(&self, server: &ServerProcess, run: usize) -> anyhow::Result<Spent> {
        let logs = self.operations / CONNECTIONS / QUEUED;
        let mut lanes = lanes(server.url(), run, CONNECTIONS, logs, 2).await?;
        try_join_all(lanes.iter_mut().map(|lane| lane.append_many(logs * QUEUED, SMALL, 16))).await?;
        let mut readers = connect(server.url(), run, CONNECTIONS).await?;
        let watch = Stopwatch::start(server.id())?;
        try_join_all(readers.iter_mut().zip(&lanes).map(|(reader, lane)| lane.read_all(reader, logs * QUEUED))).await?;
        watch.stop()
    }

    async fn online(&self, server: &ServerProcess, run: usize, window: usize) -> anyhow::Result<Spent> {
        let mut lanes = lanes(server.url(), run, PAIRS, 1, 2).await?;
        let mut readers = connect(server.url(), run, PAIRS).await?;
        let each = self.operations / PAIRS;
        for (reader, lane) in readers.iter_mut().zip(&lanes) {
            reader.call(lane.subscribe(0)).await?;
        }
        let seats: Vec<Vec<LightLog>> = lanes.iter().map(|lane| lane.readers.clone()).collect();
        let watch = Stopwatch::start(server.id())?;
        let senders = try_join_all(lanes.iter_mut().map(|lane| lane.append_many(each, SMALL, window)));
        let receivers = try_join_all(readers.iter_mut().zip(&seats).map(|(reader, seats)| receive(reader, seats, each)));
        // Where one is refused, the others would wait for ever.
        tokio::try_join!(senders, receivers)?;
        watch.stop()
    }

    /// One writes and `seats` listen, each on a connection of its own. An operation is a delivery.
    async fn group(&self, server: &ServerProcess, run: usize, seats: usize, window: usize) -> anyhow::Result<Spent> {
        let mut group = Group::gather(server.url(), run, seats).await?;
        let messages = self.operations / seats;
        let watch = Stopwatch::start(server.id())?;
        group.talk(messages, SMALL, window).await?;
        watch.stop()
    }

    async fn sign_up(&self, server: &ServerProcess, run: usize, keep_alive: bool) -> anyhow::Result<Spent> {
        let crowd = Crowd::gather(server.url(), run, NEWCOMERS_AT_ONCE, self.operations / NEWCOMERS_AT_ONCE).await?;
        let watch = Stopwatch::start(server.id())?;
        if keep_alive {
            crowd.on_open_connections().await?
        } else {
            crowd.on_new_connections().await?
        }
        watch.stop()
    }

    async fn resume(&self, server: &ServerProcess, run: usize) -> anyhow::Result<Spent> {
        let mut lanes = lanes(server.url(), run, CONNECTIONS, CONVERSATIONS, 2).await?;
        try_join_all(lanes.iter_mut().map(|lane| lane.append_many(CONVERSATIONS * 2, SMALL, 16))).await?;
        let each = self.operations / CONNECTIONS;
        let watch = Stopwatch::start(server.id())?;
        // Every log has two entries and the session has read both: nothing is new, which is what most resumes find.
        try_join_all(lanes.iter().enumerate().map(async |(index, lane)| {
            for _ in 0..each {
                let mut client = come_in(server.url(), origin(run, index)).await?;
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
            let first = open_idle(server.url(), tls.as_ref(), CONNECTIONS, 0).await?;
            let before = resident(server.id())?;
            let rest = open_idle(server.url(), tls.as_ref(), self.operations, 1).await?;
            let after = resident(server.id())?;
            figures.push((count_bytes(after) - count_bytes(before)) / count(self.operations) / 1024.0);
            drop((first, rest));
        }
        Ok(Measured { figures, operations: self.operations, rate: 0.0 })
    }
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn count(number: usize) -> f64 {
    number as f64
}

#[allow(clippy::cast_precision_loss)] // far below 2^52
fn count_bytes(number: u64) -> f64 {
    number as f64
}
