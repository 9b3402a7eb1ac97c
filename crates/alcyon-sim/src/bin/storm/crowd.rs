//! People who write to each other: so many connections, so many conversations of two between them, and messages that come
//! when they come.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use alcyon_sim::light::LightLog;
use alcyon_wire::proto::{self, Verdict, client_frame, server_frame};
use anyhow::{Context, bail};
use bytes::Bytes;
use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use super::{
    arrivals::{Arrivals, Phase},
    samples::{Class, Fate, Sample, Samples},
    wire::{BAND, Wire, source},
};

/// Bytes of a message.
pub const MESSAGE: usize = 256;
/// What is offered first when it is found out how much is taken, and at the most, messages a second.
const FIRST_STEP: f64 = 2_000.0;
const LAST_STEP: f64 = 200_000.0;
/// Whoever is to offer and is late by more than this at the end leaves out the rest.
const LATEST: Duration = Duration::from_secs(1);
/// Connections that are opened at once.
const OPENING: usize = 64;

/// What everybody writes their times into.
pub struct Log {
    pub origin: Instant,
    pub samples: RefCell<Samples>,
    /// How late the generator itself was each time, microseconds.
    pub lag: RefCell<Vec<u32>>,
    /// Messages that were written.
    written: Cell<usize>,
}

impl Log {
    pub fn new() -> Rc<Self> {
        Rc::new(Self { origin: Instant::now(), samples: RefCell::default(), lag: RefCell::default(), written: Cell::new(0) })
    }

    /// Microseconds since the beginning.
    pub fn now(&self) -> u32 {
        micros(self.origin.elapsed())
    }

    /// How late the generator was, 99 of 100 since the `first`, milliseconds.
    pub fn lateness(&self, first: usize) -> f64 {
        let lag = self.lag.borrow();
        let mut lag = lag.get(first..).unwrap_or_default().to_vec();
        lag.sort_unstable();
        lag.get((lag.len() * 99 / 100).min(lag.len().saturating_sub(1))).map_or(0.0, |late| f64::from(*late) / 1000.0)
    }

    fn is_all_read(&self) -> bool {
        let samples = self.samples.borrow();
        let messages = samples.due_between(Class::Message, 0.0, f64::INFINITY);
        let read = samples.due_between(Class::Delivery, 0.0, f64::INFINITY).accepted;
        messages.offered >= self.written.get() && read >= messages.accepted
    }

    /// Something that was due then is over now.
    pub fn done(&self, class: Class, fate: Fate, due: u32) {
        self.samples.borrow_mut().add(Sample { due, took: self.now().saturating_sub(due), class, fate });
    }
}

pub fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// The people.
pub struct Crowd {
    log: Rc<Log>,
    people: Vec<UnboundedSender<Order>>,
    tasks: Vec<JoinHandle<()>>,
    conversations: usize,
    listening: bool,
    random: StdRng,
}

/// A message in one of this person's conversations, due then.
struct Order {
    due: u32,
    any: usize,
}

/// How a crowd is made.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub connections: usize,
    pub conversations: usize,
    /// Whether anybody reads.
    pub listening: bool,
    /// First source address, so that crowds don't share limits.
    pub from: usize,
    pub seed: u64,
}

/// One connection and what it has.
struct Person {
    log: Rc<Log>,
    wire: Wire,
    /// Where this person writes.
    writes: Vec<LightLog>,
    /// Where this person reads.
    reads: Vec<LightLog>,
    /// When the requests that wait for an answer were due.
    pending: HashMap<u64, u32>,
}

impl Crowd {
    /// Connects everybody and creates the conversations. Person i writes in conversation i, i + connections, ...; somebody
    /// else reads there.
    pub async fn gather(server: SocketAddr, shape: Shape, log: &Rc<Log>) -> anyhow::Result<Self> {
        let Shape { connections, conversations, listening, from, seed } = shape;
        let all: Vec<(LightLog, LightLog)> = (0..conversations)
            .map(|_| {
                let writer = LightLog::random();
                let reader = writer.sibling();
                (writer, reader)
            })
            .collect();
        let all = &all;
        let open = |index: usize| async move {
            let address = source((from + index) * BAND);
            let mut wire = Wire::open_in_time(server, address).await.with_context(|| format!("connection {index}"))?;
            let mut writes = Vec::new();
            for (writer, reader) in all.iter().skip(index).step_by(connections) {
                match wire.ask(LightLog::create(&[writer, reader])).await? {
                    server_frame::Body::Receipt(_) => writes.push(writer.clone()),
                    other => bail!("a conversation was not created: {other:?}"),
                }
            }
            Ok((wire, writes))
        };
        let opened: Vec<_> = stream::iter(0..connections).map(open).buffered(OPENING).collect().await;
        let mut crowd =
            Self { log: log.clone(), people: Vec::new(), tasks: Vec::new(), conversations, listening, random: StdRng::seed_from_u64(seed) };
        for (index, opened) in opened.into_iter().enumerate() {
            let (mut wire, writes) = opened?;
            let other = (index + connections / 2) % connections;
            let reads: Vec<LightLog> = if listening {
                all.iter().skip(other).step_by(connections).map(|(_, reader)| reader.clone()).collect()
            } else {
                Vec::new()
            };
            subscribe(&mut wire, &reads).await?;
            let (sender, orders) = unbounded_channel();
            let person = Person { log: log.clone(), wire, writes, reads, pending: HashMap::new() };
            crowd.people.push(sender);
            crowd.tasks.push(tokio::task::spawn_local(person.live(orders)));
        }
        Ok(crowd)
    }

    /// Offers messages as the phases say, whatever becomes of them. Returns the moment the first phase began, seconds.
    pub async fn offer(&mut self, phases: &[Phase]) -> f64 {
        let begin = self.log.origin.elapsed();
        let seed = self.random.random();
        let end = begin + Duration::from_secs_f64(phases.iter().map(|phase| phase.seconds).sum());
        for at in Arrivals::new(phases, seed) {
            let due = begin + at;
            let now = self.log.origin.elapsed();
            if now > end + LATEST {
                // More than one core can offer: whoever asks sees it in what was offered, and in how late the last ones were.
                break;
            }
            if due > now {
                tokio::time::sleep(due - now).await;
            }
            let late = self.log.origin.elapsed().saturating_sub(due);
            self.log.lag.borrow_mut().push(micros(late));
            let any: usize = self.random.random_range(0..self.conversations.max(1));
            let person = any % self.people.len();
            // Whoever has lost the connection is counted there.
            if self.people[person].send(Order { due: micros(due), any }).is_err() {
                self.log.done(Class::Message, Fate::Unanswered, micros(due));
            }
            if late > Duration::from_millis(1) {
                tokio::task::yield_now().await;
            }
        }
        tokio::time::sleep(end.saturating_sub(self.log.origin.elapsed())).await;
        begin.as_secs_f64()
    }

    /// What the server takes at the most of messages that come as they come: more and more are offered, a step of so many
    /// seconds each, until less than three quarters are taken twice in a row. The best step, messages a second.
    pub async fn capacity(&mut self, step: f64) -> f64 {
        let (mut per_second, mut best, mut poor): (f64, f64, u32) = (FIRST_STEP, 0.0, 0);
        while poor < 2 && per_second < LAST_STEP {
            let begin = self.offer(&[Phase { per_second, seconds: step }]).await;
            let samples = self.log.samples.borrow();
            #[allow(clippy::cast_precision_loss)] // counts
            let taken = samples.done_between(Class::Message, begin, begin + step).accepted as f64 / step;
            best = best.max(taken);
            poor = if taken < 0.75 * per_second { poor + 1 } else { 0 };
            per_second *= 1.2;
        }
        best
    }

    /// Waits until everything is answered, or so long, and sends everybody home. What is still open counts as unanswered.
    pub async fn go_home(self, within: Duration) {
        let Self { log, people, tasks, conversations: _, listening, random: _ } = self;
        let end = tokio::time::Instant::now() + within;
        // What was taken is read by somebody in a moment.
        while listening && !log.is_all_read() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(people);
        for mut task in tasks {
            if tokio::time::timeout_at(end, &mut task).await.is_err() {
                // What it still waits for is counted when it is dropped.
                task.abort();
                let _aborted = task.await;
            }
        }
    }
}

async fn subscribe(wire: &mut Wire, reads: &[LightLog]) -> anyhow::Result<()> {
    if reads.is_empty() {
        return Ok(());
    }
    let logs = reads.iter().map(|log| log.subscription(0)).collect();
    match wire.ask(client_frame::Body::Subscribe(proto::Subscribe { logs })).await? {
        server_frame::Body::Subscribed(proto::Subscribed { logs }) if logs.iter().all(|log| log.refusal.is_none()) => Ok(()),
        other => bail!("not subscribed: {other:?}"),
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        for (_, due) in self.pending.drain() {
            self.log.done(Class::Message, Fate::Unanswered, due);
        }
    }
}

impl Person {
    /// Until there are no more orders and everything is answered, or the connection breaks.
    async fn live(mut self, mut orders: UnboundedReceiver<Order>) {
        let log = self.log.clone();
        let mut more = true;
        while more || !self.pending.is_empty() {
            tokio::select! {
                biased;
                ready = self.wire.ready() => {
                    if ready.is_err() || !self.wire.try_fill().unwrap_or(false) || self.take_frames(&log).is_err() {
                        break;
                    }
                }
                order = orders.recv(), if more => match order {
                    Some(order) => {
                        self.write(order);
                        while let Ok(order) = orders.try_recv() {
                            self.write(order);
                        }
                    }
                    None => more = false,
                },
            }
            if self.wire.try_flush().is_err() {
                break;
            }
        }
    }

    fn write(&mut self, order: Order) {
        let Order { due, any } = order;
        if self.writes.is_empty() {
            return;
        }
        let log = &self.writes[any % self.writes.len()];
        let mut payload = vec![0; MESSAGE];
        payload[..4].copy_from_slice(&due.to_be_bytes());
        let request = self.wire.put(log.append(Bytes::from(payload)));
        self.log.written.set(self.log.written.get() + 1);
        self.pending.insert(request, due);
    }

    fn take_frames(&mut self, log: &Log) -> anyhow::Result<()> {
        while let Some(proto::ServerFrame { request, body }) = self.wire.take()? {
            match body {
                Some(server_frame::Body::Receipt(_)) => self.answered(request, Fate::Accepted, log),
                Some(server_frame::Body::Refusal(refusal)) => {
                    let fate = if refusal.verdict() == Verdict::Later { Fate::Later } else { Fate::Never };
                    self.answered(request, fate, log);
                }
                Some(server_frame::Body::Entries(entries)) => self.read(&entries, log),
                _ => {}
            }
        }
        Ok(())
    }

    fn answered(&mut self, request: u64, fate: Fate, log: &Log) {
        if let Some(due) = self.pending.remove(&request) {
            log.done(Class::Message, fate, due);
        }
    }

    fn read(&mut self, entries: &proto::Entries, log: &Log) {
        let (mut number, mut bytes) = (0, 0);
        for entry in &entries.entries {
            number += 1;
            bytes += entry.payload.len() as u64;
            if let Some(due) = entry.payload.get(..4).and_then(|due| Some(u32::from_be_bytes(due.try_into().ok()?))) {
                log.done(Class::Delivery, Fate::Accepted, due);
            }
        }
        self.wire.put(client_frame::Body::Credit(proto::Credit { entries: number, bytes }));
        if let Some(seat) = self.reads.iter().find(|seat| seat.seat.log.as_bytes()[..] == entries.log[..]) {
            let seat = Some(seat.seat.to_field());
            self.wire.put(client_frame::Body::Ack(proto::Ack { seat, sequence: entries.head }));
        }
    }
}

/// The whole log by its reader's seat: sequences that are there.
pub async fn read_whole(server: SocketAddr, from: Ipv4Addr, seat: &LightLog, count: u64) -> anyhow::Result<u64> {
    let mut wire = Wire::open_in_time(server, from).await?;
    subscribe(&mut wire, std::slice::from_ref(seat)).await?;
    let mut last = 0;
    while last < count {
        if let Some(server_frame::Body::Entries(entries)) = wire.next().await?.body {
            let bytes = entries.entries.iter().map(|entry| entry.payload.len() as u64).sum();
            let number = u32::try_from(entries.entries.len())?;
            last += u64::from(number);
            wire.put(client_frame::Body::Credit(proto::Credit { entries: number, bytes }));
            wire.flush().await?;
        }
    }
    Ok(last)
}
