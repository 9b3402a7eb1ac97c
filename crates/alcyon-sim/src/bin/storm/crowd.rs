//! People who write to each other: so many connections, so many conversations of two between them, and messages that come
//! when they come.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    time::{Duration, Instant},
};

use alcyon_sim::light::LightLog;
use alcyon_wire::{
    EntryId,
    proto::{self, Verdict, client_frame, server_frame},
};
use anyhow::{Context, bail};
use bytes::Bytes;
use futures::{StreamExt, stream};
use prost::Message;
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
/// By so many comes all that is asked where too much is: what a connection brings and takes goes in few system calls then, or the
/// generator could not offer ten times.
pub const CONNECTIONS: usize = 64;
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
        Self::since(Instant::now())
    }

    /// Counts from a moment that others count from as well.
    pub fn since(origin: Instant) -> Rc<Self> {
        Rc::new(Self { origin, samples: RefCell::default(), lag: RefCell::default(), written: Cell::new(0) })
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
    writes: Vec<Pattern>,
    /// Where this person reads.
    reads: Vec<LightLog>,
    pending: Pending,
    random: StdRng,
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
            let person = Person {
                log: log.clone(),
                wire,
                writes: writes.iter().map(Pattern::new).collect(),
                reads,
                pending: Pending::default(),
                random: StdRng::seed_from_u64(crowd.random.random()),
            };
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
        let mut now = begin;
        for at in Arrivals::new(phases, seed) {
            let due = begin + at;
            if due > now {
                // All that was due is handed out: now it is written and answers are read.
                tokio::task::yield_now().await;
                now = self.log.origin.elapsed();
            }
            if now > end + LATEST {
                // More than one core can offer: whoever asks sees it in what was offered, and in how late the last ones were.
                break;
            }
            if due > now {
                tokio::time::sleep(due - now).await;
                now = self.log.origin.elapsed();
            }
            self.log.lag.borrow_mut().push(micros(now.saturating_sub(due)));
            let any: usize = self.random.random_range(0..self.conversations.max(1));
            let person = any % self.people.len();
            // Whoever has lost the connection is counted there.
            if self.people[person].send(Order { due: micros(due), any }).is_err() {
                self.log.done(Class::Message, Fate::Unanswered, micros(due));
            }
        }
        tokio::time::sleep(end.saturating_sub(self.log.origin.elapsed())).await;
        begin.as_secs_f64()
    }

    /// What the server takes at the most, messages a second: more and more are offered, a step of so many seconds each, until
    /// less than three quarters are taken twice in a row. The best step is offered again for five times as long, since a store
    /// sorts later what it has written: what is taken of that is what counts.
    pub async fn capacity(&mut self, step: f64) -> f64 {
        let (mut per_second, mut best, mut poor): (f64, f64, u32) = (FIRST_STEP, 0.0, 0);
        while poor < 2 && per_second < LAST_STEP {
            let taken = self.taken(per_second, step).await;
            best = best.max(taken);
            poor = if taken < 0.75 * per_second { poor + 1 } else { 0 };
            per_second *= 1.2;
        }
        self.taken(best, 5.0 * step).await
    }

    /// What is taken of so many messages a second.
    async fn taken(&mut self, per_second: f64, seconds: f64) -> f64 {
        let begin = self.offer(&[Phase { per_second, seconds }]).await;
        #[allow(clippy::cast_precision_loss)] // counts
        let taken = self.log.samples.borrow().done_between(Class::Message, begin, begin + seconds).accepted as f64;
        taken / seconds
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
        for due in self.pending.rest() {
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
        let request = self.writes[any % self.writes.len()].put(due, &mut self.random, &mut self.wire);
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
        if let Some(due) = self.pending.remove(request) {
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

/// An append of one conversation, encoded once: what differs from message to message is put in.
struct Pattern {
    request: Vec<u8>,
    /// Where the entry's id and the payload begin.
    entry_id: usize,
    payload: usize,
}

impl Pattern {
    fn new(log: &LightLog) -> Self {
        const MARK: [u8; MESSAGE] = [0xA5; MESSAGE];
        let body = log.append(Bytes::from_static(&MARK));
        let client_frame::Body::Append(proto::Append { entry_id, .. }) = &body else { unreachable!("an append is one") };
        let entry_id = entry_id.clone();
        let request = proto::ClientFrame { request: 0, body: Some(body) }.encode_to_vec();
        let place = |part: &[u8]| request.windows(part.len()).position(|window| window == part).expect("the frame has it");
        Self { entry_id: place(&entry_id), payload: place(&MARK), request }
    }

    /// Puts a new message that was due then into the buffer; its request's number.
    fn put(&self, due: u32, random: &mut StdRng, wire: &mut Wire) -> u64 {
        let (number, bytes) = wire.put_encoded(&self.request);
        random.fill(&mut bytes[self.entry_id..][..EntryId::LENGTH]);
        bytes[self.payload..][..4].copy_from_slice(&due.to_be_bytes());
        number
    }
}

/// When the requests that wait for an answer were due, by their numbers, which only grow.
#[derive(Default)]
struct Pending {
    /// The number of the first.
    first: u64,
    due: VecDeque<Option<u32>>,
}

impl Pending {
    fn insert(&mut self, request: u64, due: u32) {
        if self.due.is_empty() {
            self.first = request;
        }
        // Numbers in between have other requests.
        while self.first + (self.due.len() as u64) < request {
            self.due.push_back(None);
        }
        self.due.push_back(Some(due));
    }

    fn remove(&mut self, request: u64) -> Option<u32> {
        let place = usize::try_from(request.checked_sub(self.first)?).ok()?;
        let due = self.due.get_mut(place)?.take();
        while self.due.front().is_some_and(Option::is_none) {
            self.due.pop_front();
            self.first += 1;
        }
        due
    }

    fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// All that were not answered.
    fn rest(&mut self) -> impl Iterator<Item = u32> {
        self.due.drain(..).flatten()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_found_by_its_number_whatever_the_order() {
        let mut pending = Pending::default();
        for (request, due) in [(3, 30), (4, 40), (7, 70)] {
            pending.insert(request, due);
        }
        assert_eq!([4, 4, 5, 2, 8].map(|request| pending.remove(request)), [Some(40), None, None, None, None]);
        assert_eq!((pending.remove(3), pending.is_empty()), (Some(30), false));
        assert_eq!(pending.rest().collect::<Vec<_>>(), [70]);
        pending.insert(9, 90);
        assert_eq!((pending.remove(9), pending.is_empty()), (Some(90), true));
    }
}
