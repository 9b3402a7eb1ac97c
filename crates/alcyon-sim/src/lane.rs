//! What a load generator does with the data plane by the thousand: connections that append to logs of their own, others that
//! read them, and groups.

use std::{sync::Arc, time::Duration};

use alcyon_wire::{
    ServerUrl,
    proto::{self, client_frame, server_frame},
};
use anyhow::{bail, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio_tungstenite::tungstenite::{self, http::StatusCode};

use crate::light::{LightClient, LightLog, Origin, refused};

/// A connection that writes, with its logs, and the second seats there that others read with.
#[derive(Debug)]
pub struct Lane {
    client: LightClient,
    logs: Vec<LightLog>,
    /// One seat a log, for another connection.
    pub readers: Vec<LightLog>,
    random: StdRng,
}

impl Lane {
    /// Appends to its logs in turn, with at most `window` requests unanswered.
    pub async fn append_many(&mut self, count: usize, bytes: usize, window: usize) -> anyhow::Result<()> {
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

    /// The request to follow all its logs with the second seats.
    #[must_use]
    pub fn subscribe(&self, after: u64) -> client_frame::Body {
        client_frame::Body::Subscribe(proto::Subscribe { logs: self.readers.iter().map(|log| log.subscription(after)).collect() })
    }

    /// Reads with the second seats, from the beginning, until so many entries have come.
    pub async fn read_all(&self, reader: &mut LightClient, count: usize) -> anyhow::Result<()> {
        match reader.call(self.subscribe(0)).await? {
            server_frame::Body::Subscribed(proto::Subscribed { logs }) => ensure!(logs.iter().all(|log| log.refusal.is_none()), "refused"),
            other => return Err(refused(&other)),
        }
        receive(reader, &self.readers, count).await
    }
}

/// Takes entries, gives the credit back and acknowledges what a log has brought.
pub async fn receive(reader: &mut LightClient, seats: &[LightLog], count: usize) -> anyhow::Result<()> {
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

/// Connections, each with logs of its own on the server; with one seat a log, or two.
pub async fn lanes(server: &ServerUrl, run: usize, connections: usize, logs: usize, seats: usize) -> anyhow::Result<Vec<Lane>> {
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

/// A connection. Whoever is told to come later, because others ask for much at that moment, comes later, at most fifty times.
pub async fn come_in(server: &ServerUrl, origin: Origin) -> anyhow::Result<LightClient> {
    let mut left = 50;
    loop {
        match LightClient::connect_from(server, None, origin).await {
            Err(error) if left > 0 && is_later(&error) => left -= 1,
            other => return other,
        }
        tokio::time::sleep(LATER).await;
    }
}

const LATER: Duration = Duration::from_millis(100);

fn is_later(error: &anyhow::Error) -> bool {
    use tungstenite::{Error, error::ProtocolError};
    match error.downcast_ref() {
        Some(Error::Http(response)) => response.status() == StatusCode::SERVICE_UNAVAILABLE,
        // Where new connections alone are too many, a part of them is closed before anything is read.
        Some(Error::Protocol(ProtocolError::HandshakeIncomplete) | Error::Io(_)) => true,
        _ => false,
    }
}

/// Connections from neighbourhoods of their own.
pub async fn connect(server: &ServerUrl, run: usize, connections: usize) -> anyhow::Result<Vec<LightClient>> {
    try_join_all((0..connections).map(|index| come_in(server, origin(run, index)))).await
}

/// One who writes and others who listen, each on a connection of their own, in one log.
#[derive(Debug)]
pub struct Group {
    writer: Lane,
    listeners: Vec<(LightClient, LightLog)>,
}

impl Group {
    /// With so many listeners, who have caught up.
    pub async fn gather(server: &ServerUrl, run: usize, listeners: usize) -> anyhow::Result<Self> {
        let log = LightLog::random();
        let seats: Vec<LightLog> = (0..listeners).map(|_| log.sibling()).collect();
        let mut client = come_in(server, origin(run, listeners)).await?;
        let all: Vec<&LightLog> = std::iter::once(&log).chain(&seats).collect();
        match client.call(LightLog::create(&all)).await? {
            server_frame::Body::Receipt(_) => {}
            other => return Err(refused(&other)),
        }
        let mut readers = connect(server, run, listeners).await?;
        for (reader, seat) in readers.iter_mut().zip(&seats) {
            reader.call(client_frame::Body::Subscribe(proto::Subscribe { logs: vec![seat.subscription(0)] })).await?;
        }
        let random = StdRng::seed_from_u64(run as u64);
        let writer = Lane { client, logs: vec![log], readers: Vec::new(), random };
        Ok(Self { writer, listeners: readers.into_iter().zip(seats).collect() })
    }

    /// Writes so many messages, with at most `window` unanswered, until everybody has them all.
    pub async fn talk(&mut self, messages: usize, bytes: usize, window: usize) -> anyhow::Result<()> {
        let Self { writer, listeners } = self;
        let receivers = listeners.iter_mut().map(|(reader, seat)| receive(reader, std::slice::from_ref(seat), messages));
        tokio::try_join!(writer.append_many(messages, bytes, window), try_join_all(receivers))?;
        Ok(())
    }
}

/// Connections that follow a log each, on which nothing happens.
pub async fn open_idle(
    server: &ServerUrl,
    tls: Option<&Arc<rustls::ClientConfig>>,
    number: usize,
    run: usize,
) -> anyhow::Result<Vec<LightClient>> {
    let mut clients = Vec::with_capacity(number);
    for index in 0..number {
        let mut client = LightClient::connect_from(server, tls, origin(run, index)).await?;
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
