#![allow(clippy::unwrap_used)]

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::Waker,
};

use alcyon_wire::{
    DropSecret, EntryId, LogId, Seat, SeatKey, SeatSecret,
    proto::{self, Append, ClientFrame, Hello, ServerFrame, Subscribe, client_frame::Body, server_frame},
};
use futures::FutureExt as _;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::{
    admission::{AdmissionSettings, memory::Memory},
    config::Config,
    edge::{connection::Connection, lifecycle::Places},
    logs::{LogSettings, SystemClock, WriterMode},
    stamps::StampSettings,
    store::{FaultyStore, MemoryStore, Table},
};

fn sessions() -> Arc<Sessions> {
    // The writer is inline: there is nothing to wait for.
    sessions_on(AnyStore::new(Arc::new(MemoryStore::default())).0, WriterMode::Inline).now_or_never().unwrap()
}

async fn sessions_on(store: AnyStore, writer: WriterMode) -> Arc<Sessions> {
    let metrics = Arc::new(Metrics::new());
    let clock: Arc<dyn ServerClock> = Arc::new(SystemClock);
    let store = Arc::new(store);
    let settings = LogSettings { writer, ..LogSettings::default() };
    let logs = Logs::open(store, settings, clock.clone()).unwrap();
    let stamps = Stamps::open(&logs, StampSettings::default(), "sea.example", clock.clone(), metrics.clone());
    Arc::new(Sessions {
        stamps: Arc::new(stamps.await.unwrap()),
        turns: turns(),
        logs,
        endpoints: Vec::new(),
        elsewhere: None,
        gate: Gate::new(AdmissionSettings::default(), clock.clone(), metrics.clone()),
        clock,
        metrics: metrics.clone(),
        lifecycle: Lifecycle::new(metrics, Places { all: 100, per_address: 100 }, Memory::new(u64::MAX)),
        limits: Config::default().limits,
    })
}

/// The client's end of a session, in memory, so that a paused clock moves only when both ends wait.
fn connect(sessions: &Arc<Sessions>) -> DuplexStream {
    let (here, there) = duplex(64 * 1024);
    tokio::spawn(serve(sessions.clone(), there, Bytes::new(), IpAddr::from([127, 0, 0, 1]), ConnectionNumber(0)));
    here
}

/// A frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = match u8::try_from(payload.len()) {
        Ok(short @ 0..126) => vec![first, 0x80 | short],
        _ => [vec![first, 0x80 | 127], (payload.len() as u64).to_be_bytes().to_vec()].concat(),
    };
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

async fn agree(client: &mut DuplexStream) {
    let hello = ClientFrame { request: 1, body: Some(Body::Hello(Hello { versions: vec![1] })) };
    client.write_all(&frame(0x82, &hello.encode_to_vec())).await.unwrap();
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await.unwrap();
    client.read_exact(&mut vec![0; usize::from(answer[1])]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_is_let_go() {
    let sessions = sessions();
    let mut client = connect(&sessions);
    let begin = Instant::now();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [0x88, 2, 0x0f, 0xa0], "a close with 4000");
    assert_eq!(begin.elapsed().as_secs(), sessions.limits.handshake_time.as_secs());
}

#[tokio::test(start_paused = true)]
async fn whoever_is_silent_is_asked_and_stays_while_it_answers() {
    let sessions = sessions();
    let mut client = connect(&sessions);
    agree(&mut client).await;
    let idle_time = sessions.limits.idle_time;
    for _ in 0..3 {
        let begin = Instant::now();
        let mut ping = [0; 2];
        client.read_exact(&mut ping).await.unwrap();
        assert_eq!(ping, [0x89, 0]);
        assert_eq!(begin.elapsed().as_secs(), idle_time.as_secs());
        client.write_all(&frame(0x8a, b"")).await.unwrap();
    }
    let begin = Instant::now();
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, [0x89, 0, 0x88, 2, 0x0f, 0xa1], "a ping, then a close with 4001");
    assert_eq!(begin.elapsed().as_secs(), 2 * idle_time.as_secs());
}

/// The next frame of the server's, one of less than 64 KiB.
async fn next(client: &mut (impl AsyncRead + Unpin)) -> ServerFrame {
    let mut head = [0; 2];
    client.read_exact(&mut head).await.unwrap();
    let length = match head[1] {
        126 => usize::from(client.read_u16().await.unwrap()),
        short => usize::from(short),
    };
    let mut frame = vec![0; length];
    client.read_exact(&mut frame).await.unwrap();
    ServerFrame::decode(&frame[..]).unwrap()
}

/// The number of the next request that is answered, and its refusal.
async fn refused(client: &mut (impl AsyncRead + Unpin)) -> (u64, RefusalCode) {
    let ServerFrame { request, body } = next(client).await;
    let Some(server_frame::Body::Refusal(refusal)) = body else { panic!("{body:?}") };
    (request, refusal.code())
}

#[tokio::test]
async fn who_comes_back_costs_no_look_into_the_directory() {
    let disk = Arc::new(MemoryStore::default());
    let key = SeatKey { log: LogId::from([7; 16]), secret: SeatSecret::from([7; 32]) };
    let seat = Seat { id: key.seat_id(), drop_hash: DropSecret::from([7; 32]).hash(key.log), keep: true, invite: true };
    let before = sessions_on(AnyStore::new(disk.clone()).0, WriterMode::Inline).await;
    before.logs.create(key.log, vec![seat], AddressBand::of(IpAddr::from([127, 0, 0, 1]))).await.unwrap();
    before.logs.append(&key, EntryId::from([1; 16]), "sealed".into(), 0).await.unwrap();
    // Another process on the same disk: nothing is in memory.
    let store = Arc::new(FaultyStore::harmless(disk));
    let sessions = sessions_on(AnyStore::new(store.clone()).0, WriterMode::Inline).await;
    let at_start = store.reads();
    let mut client = connect(&sessions);
    agree(&mut client).await;
    let logs = vec![proto::Subscription { seat: Some(key.to_field()), after: 0 }];
    let subscribe = ClientFrame { request: 2, body: Some(Body::Subscribe(Subscribe { logs })) };
    client.write_all(&frame(0x82, &subscribe.encode_to_vec())).await.unwrap();
    let entries = loop {
        if let Some(server_frame::Body::Entries(entries)) = next(&mut client).await.body {
            break entries;
        }
    };
    assert_eq!(entries.entries[0].payload, "sealed");
    let asked: Vec<_> = store.reads().into_iter().filter(|(table, times)| at_start.get(table) != Some(times)).collect();
    assert!(asked.iter().any(|(table, _)| *table == Table::Heads), "{asked:?}");
    for (table, times) in asked {
        let of_the_log = matches!(
            table,
            Table::Heads | Table::Seats | Table::Doors | Table::Trees | Table::Acks | Table::Passes | Table::Kept | Table::Entries(_)
        );
        assert!(of_the_log, "{table:?} was asked {times} times");
    }
}

#[tokio::test]
async fn while_too_much_is_asked_what_has_no_place_is_refused_and_not_left_unread() {
    let store = Arc::new(FaultyStore::harmless(Arc::new(MemoryStore::default())));
    let any = AnyStore::new(store.clone()).0;
    let pulse = any.pulse();
    let sessions = sessions_on(any, WriterMode::Thread).await;
    let places = u64::from(sessions.limits.requests_in_flight);
    let mut client = connect(&sessions);
    agree(&mut client).await;
    // The writer is busy with something else.
    store.hold_writes(true);
    let other = SeatKey { log: LogId::from([9; 16]), secret: SeatSecret::from([9; 32]) };
    let seat = Seat { id: other.seat_id(), drop_hash: DropSecret::from([9; 32]).hash(other.log), keep: true, invite: true };
    let held = sessions.logs.create(other.log, vec![seat], AddressBand::of(IpAddr::from([127, 0, 0, 1])));
    while pulse.writing_for().is_none() {
        tokio::task::yield_now().await;
    }
    let append = |request| {
        let seat = SeatKey { log: LogId::from([7; 16]), secret: SeatSecret::from([7; 32]) }.to_field();
        let append = Append { seat: Some(seat), entry_id: vec![7; 16].into(), payload: Bytes::new(), commit_count: 0 };
        frame(0x82, &ClientFrame { request, body: Some(Body::Append(append)) }.encode_to_vec())
    };
    sessions.gate.press();
    for request in 2..places + 3 {
        client.write_all(&append(request)).await.unwrap();
    }
    assert_eq!(refused(&mut client).await, (places + 2, RefusalCode::Overloaded), "all others wait for the writer");
    let asked = sessions.gate.offered(crate::admission::Class::Append);
    assert_eq!(u64::from(asked), places, "what has no place is nothing that the server could do more of");
    store.hold_writes(false);
    held.await.unwrap();
    for _ in 0..places {
        assert_eq!(refused(&mut client).await.1, RefusalCode::UnknownLog);
    }
}

#[tokio::test]
async fn an_append_for_which_there_is_no_room_is_refused_and_what_else_comes_is_not() {
    let sessions = sessions();
    let mut client = connect(&sessions);
    agree(&mut client).await;
    let ask = |request, body| frame(0x82, &ClientFrame { request, body: Some(body) }.encode_to_vec());
    let append = |request, secret| {
        let seat = proto::SeatKey { log: vec![7; 16].into(), secret };
        ask(request, Body::Append(Append { seat: Some(seat), entry_id: vec![7; 16].into(), payload: Bytes::new(), commit_count: 0 }))
    };
    sessions.gate.fill();
    let all =
        [append(2, vec![7; 32].into()), ask(3, Body::Ping(proto::Ping {})), append(4, vec![7; 31].into()), append(5, vec![8; 32].into())];
    client.write_all(&all.concat()).await.unwrap();
    let first = next(&mut client).await;
    let Some(server_frame::Body::Refusal(refusal)) = first.body else { panic!("no refusal") };
    let told = proto::Refusal::from(Refusal::overloaded(refusal.retry_after_ms));
    assert_eq!((first.request, refusal), (2, told));
    assert_eq!(next(&mut client).await.body, Some(server_frame::Body::Done(proto::Done {})));
    assert_eq!(refused(&mut client).await, (4, RefusalCode::Malformed), "that is as wrong as ever");
    assert_eq!(refused(&mut client).await, (5, RefusalCode::Overloaded));
}

#[tokio::test(start_paused = true)]
async fn while_too_much_is_asked_nobody_is_read_all_the_time() {
    let sessions = sessions();
    let mut client = connect(&sessions);
    agree(&mut client).await;
    let mut ten_pings = async || {
        let begin = Instant::now();
        for _ in 0..10 {
            client.write_all(&frame(0x89, b"")).await.unwrap();
            client.read_exact(&mut [0; 2]).await.unwrap();
        }
        begin.elapsed()
    };
    assert_eq!(ten_pings().await, Duration::ZERO);
    sessions.gate.press();
    let pressed = ten_pings().await;
    assert!((9 * REST..11 * REST).contains(&pressed), "{pressed:?}");
    // It is as patient with whoever is silent then as ever.
    let begin = Instant::now();
    client.read_exact(&mut [0; 2]).await.unwrap();
    assert_eq!(begin.elapsed().as_secs(), sessions.limits.idle_time.as_secs());
}

#[tokio::test(start_paused = true)]
async fn what_is_of_no_use_costs_who_sends_it_time_and_nobody_else() {
    let sessions = sessions();
    let (mut nuisance, mut other) = (connect(&sessions), connect(&sessions));
    agree(&mut nuisance).await;
    agree(&mut other).await;
    let begin = Instant::now();
    // No frames, a text, one over the limit, and in the end something of use: all in one piece.
    let mut bytes: Vec<u8> = (0..10).flat_map(|_| frame(0x82, &[0xff; 40])).collect();
    bytes.extend(frame(0x81, b"text"));
    bytes.extend(frame(0x82, &vec![0; limits::FRAME + 1]));
    bytes.extend(frame(0x89, b""));
    let (mut reads, mut writes) = tokio::io::split(nuisance);
    let sending = tokio::spawn(async move { writes.write_all(&bytes).await.unwrap() });
    // Somebody else meets none of it.
    other.write_all(&frame(0x89, b"")).await.unwrap();
    other.read_exact(&mut [0; 2]).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    for _ in 0..11 {
        assert_eq!(refused(&mut reads).await.1, RefusalCode::Malformed);
    }
    assert_eq!(refused(&mut reads).await.1, RefusalCode::TooLarge);
    reads.read_exact(&mut [0; 2]).await.unwrap();
    sending.await.unwrap();
    // Each refusal, and each piece of what is skipped.
    let pieces = u32::try_from(limits::FRAME / READ).unwrap();
    let took = begin.elapsed();
    assert!((11 + pieces..14 + 2 * pieces).contains(&u32::try_from(took.as_millis() / NUISANCE_REST.as_millis()).unwrap()), "{took:?}");
    // It is as patient with it then as with everybody.
    reads.read_exact(&mut [0; 2]).await.unwrap();
    assert_eq!((begin.elapsed() - took).as_secs(), sessions.limits.idle_time.as_secs());
}

/// The server's end of a connection whose client has sent pings, more than anybody reads at once.
#[derive(Default)]
struct Flood {
    read: Arc<AtomicUsize>,
}

impl AsyncRead for Flood {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.load(Ordering::Relaxed) > 100 * READ {
            return Poll::Pending;
        }
        let ping = frame(0x89, b"");
        while buffer.remaining() >= ping.len() {
            buffer.put_slice(&ping);
        }
        self.read.fetch_add(buffer.filled().len(), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The server's end of a connection whose client wants all of a log.
struct Hungry {
    asks: Vec<u8>,
    /// What it was sent, bytes.
    sent: Arc<AtomicUsize>,
    /// It reads.
    reads: Arc<AtomicBool>,
}

impl AsyncRead for Hungry {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.asks.is_empty() {
            return Poll::Pending;
        }
        buffer.put_slice(&std::mem::take(&mut self.asks));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Hungry {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.reads.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        self.sent.fetch_add(bytes.len(), Ordering::Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn of_those_to_whom_much_is_sent_one_has_a_turn_in_each_pass() {
    const PEOPLE: usize = 6;
    const ENTRY: usize = 90 * 1024;
    let mut sessions = sessions();
    Arc::get_mut(&mut sessions).unwrap().turns = Arc::new(Semaphore::new(1));
    let key = SeatKey { log: LogId::from([7; 16]), secret: SeatSecret::from([7; 32]) };
    let seat = Seat { id: key.seat_id(), drop_hash: DropSecret::from([7; 32]).hash(key.log), keep: true, invite: true };
    sessions.logs.create(key.log, vec![seat], AddressBand::of(IpAddr::from([127, 0, 0, 1]))).await.unwrap();
    for number in 1..=8 {
        sessions.logs.append(&key, EntryId::from([number; 16]), vec![number; ENTRY].into(), 0).await.unwrap();
    }
    let logs = vec![proto::Subscription { seat: Some(key.to_field()), after: 0 }];
    let asks = [Body::Hello(Hello { versions: vec![1] }), Body::Subscribe(Subscribe { logs })];
    let asks: Vec<u8> =
        asks.into_iter().flat_map(|body| frame(0x82, &ClientFrame { request: 1, body: Some(body) }.encode_to_vec())).collect();
    let people: Vec<_> = (0..PEOPLE).map(|_| (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(true)))).collect();
    let mut all: Vec<_> = people
        .iter()
        .map(|(sent, reads)| {
            let io = Hungry { asks: asks.clone(), sent: sent.clone(), reads: reads.clone() };
            Box::pin(serve(sessions.clone(), io, Bytes::new(), IpAddr::from([127, 0, 0, 1]), ConnectionNumber(0)))
        })
        .collect();
    let has_all = |person: usize| people[person].0.load(Ordering::Relaxed) > 8 * ENTRY;
    let mut pass = || -> Vec<usize> {
        let before: Vec<usize> = people.iter().map(|(sent, _)| sent.load(Ordering::Relaxed)).collect();
        for session in &mut all {
            assert!(session.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        (0..PEOPLE).filter(|person| people[*person].0.load(Ordering::Relaxed) > before[*person]).collect()
    };
    assert_eq!(pass().len(), PEOPLE, "nobody waits for the first of it");
    // One of them reads no more: what it does not take is somebody else's turn.
    people[0].1.store(false, Ordering::Relaxed);
    let mut turns = [0; PEOPLE];
    for _ in 0..8 * PEOPLE {
        let sent = pass();
        assert!(sent.len() <= 1, "{sent:?} in one pass");
        for person in sent {
            turns[person] += 1;
        }
    }
    assert!((1..PEOPLE).all(has_all), "{people:?}");
    assert!(turns[1..].iter().all(|count| *count == 7), "{turns:?}");
    people[0].1.store(true, Ordering::Relaxed);
    for _ in 0..8 {
        pass();
    }
    assert!(has_all(0));
}

#[tokio::test]
async fn whoever_sends_without_end_takes_turns() {
    let io = Flood::default();
    let read = io.read.clone();
    let mut session = pin!(serve(sessions(), io, Bytes::new(), IpAddr::from([127, 0, 0, 1]), ConnectionNumber(0)));
    for turn in 1..=10 {
        assert!(session.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let read = read.load(Ordering::Relaxed);
        assert!((turn..=2 * turn * READ).contains(&read), "{read} bytes after {turn} turns");
    }
}

/// Ten thousand idle connections are ten thousand of these: a buffer or a large future inside would be seen here.
#[tokio::test]
async fn an_idle_session_is_small() {
    let sessions = sessions();
    fn size<F: Future>(_: impl FnOnce(Connection) -> F) -> usize {
        size_of::<F>()
    }
    let peer = IpAddr::from([127, 0, 0, 1]);
    let size = size(|io| serve(sessions, io, Bytes::new(), peer, ConnectionNumber(0)));
    assert!(size <= 1072, "{size} bytes");
}
