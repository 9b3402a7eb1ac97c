//! The data plane: one WebSocket, its frames in and out.
//!
//! A session is one future with no task, channel or buffer beside it while it is idle: a quiet connection costs its
//! struct and its socket. Everything that happens is folded into one pass: read, act, deliver, write once.

mod answers;
mod delivery;
mod outbox;
mod requests;
mod signal;

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use alcyon_wire::{RefusalCode, ServerUrl, limits};
use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    Refusal,
    admission::{ConnectionNumber, Gate, memory::Lease},
    any_store::AnyStore,
    config::Limits,
    edge::{
        lifecycle::{Lifecycle, Listening, Phase, PhaseListener},
        retry_after_drain_ms,
        websocket::{CloseCode, Decoder, Incoming},
    },
    logs::{AddressBand, Logs, News, ServerClock},
    observe::Metrics,
    stamps::Stamps,
};
use outbox::Outbox;
use requests::Work;
use signal::Signal;

/// What all sessions of a server share.
pub(crate) struct Sessions {
    pub(crate) logs: Logs<AnyStore>,
    pub(crate) clock: Arc<dyn ServerClock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) limits: Limits,
    pub(crate) gate: Arc<Gate>,
    /// What new logs and knocks of strangers are paid with.
    pub(crate) stamps: Arc<Stamps>,
    /// Where the server is found as well.
    pub(crate) endpoints: Vec<String>,
    /// Where clients are sent while this process drains.
    pub(crate) elsewhere: Option<ServerUrl>,
}

impl Sessions {
    /// What is told to whoever asks for something new while this process drains.
    pub(crate) fn draining(&self) -> Refusal {
        match &self.elsewhere {
            Some(url) => Refusal::elsewhere(RefusalCode::Draining, "this process is stopping, another goes on", url.to_text()),
            None => Refusal::later(RefusalCode::Draining, "the server is stopping", retry_after_drain_ms()),
        }
    }
}

/// For the last frame to go out.
const CLOSE: Duration = Duration::from_secs(10);
/// After the last frame, so long for the client to close in its turn: closing first could take back what was sent.
const LINGER: Duration = Duration::from_secs(1);

/// What a session holds is counted in steps of so many bytes: little changes need no counting.
const GRAIN: usize = 4 * 1024;

/// While too much is asked, who has sent something is read again after this: more comes at once then, and the system calls of many small
/// reads and answers, which cost more than refusing, become few. The target for accepted messages is ten times this.
const REST: Duration = Duration::from_millis(5);

/// Bytes read at once; one buffer a thread, so that no connection holds one.
const READ: usize = 64 * 1024;

thread_local! {
    static READ_BUFFER: std::cell::RefCell<Box<[u8]>> = std::cell::RefCell::new(vec![0; READ].into_boxed_slice());
}

/// Serves one WebSocket until it ends. `read_ahead` came with the request that opened it.
pub(crate) async fn serve<IO>(sessions: Arc<Sessions>, io: IO, read_ahead: Bytes, peer: IpAddr, connection: ConnectionNumber)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let _counted = Counted::new(sessions.metrics.clone());
    let mut session = Session::new(sessions, io, read_ahead, AddressBand::of(peer), connection);
    let follower = session.work.follower();
    loop {
        let news = {
            let mut news = pin!(follower.news());
            poll_fn(|cx| session.poll(cx, news.as_mut())).await
        };
        match news {
            Step::News(news) => session.work.take_news(news, &mut session.outbox),
            Step::Closed => {
                let _gone = tokio::time::timeout(LINGER, session.linger()).await;
                break;
            }
            Step::Lost => break,
        }
    }
}

/// Counts a session while it lives.
struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: Arc<Metrics>) -> Self {
        metrics.sessions.increment(1.0);
        Self(metrics)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.sessions.decrement(1.0);
    }
}

/// Why [`Session::poll`] came back.
enum Step {
    News(Vec<News>),
    /// The last frame is out.
    Closed,
    /// The connection is no more.
    Lost,
}

struct Session<IO> {
    decoder: Decoder,
    /// Read, but to be looked at when there is room for more requests.
    unread: Vec<u8>,
    outbox: Outbox,
    work: Work,
    signal: Arc<Signal>,
    _listening: Listening,
    timer: Pin<Box<Sleep>>,
    heard: Instant,
    asked: bool,
    /// Nothing is read until the timer says so.
    resting: bool,
    idle_time: Duration,
    /// The last frame is in the outbox.
    closing: bool,
    /// For what is half there, waits, or is not read.
    lease: Lease,
    /// Dropped last: with it the server counts the connection as gone.
    io: IO,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    fn new(sessions: Arc<Sessions>, io: IO, read_ahead: Bytes, band: AddressBand, connection: ConnectionNumber) -> Self {
        let lease = sessions.lifecycle.memory().lease(0).expect("nothing always fits");
        let signal = Arc::new(Signal::default());
        let listener: std::sync::Weak<dyn PhaseListener> = Arc::downgrade(&(signal.clone() as Arc<dyn PhaseListener>));
        let listening = sessions.lifecycle.listen(listener);
        let now = Instant::now();
        Self {
            io,
            decoder: Decoder::new(limits::FRAME),
            unread: read_ahead.to_vec(),
            outbox: Outbox::default(),
            timer: Box::pin(sleep_until(now + sessions.limits.handshake_time)),
            idle_time: sessions.limits.idle_time,
            work: Work::new(sessions, band, connection),
            signal,
            _listening: listening,
            heard: now,
            asked: false,
            resting: false,
            closing: false,
            lease,
        }
    }

    /// Everything that can be done now.
    fn poll(&mut self, cx: &mut Context<'_>, news: Pin<&mut impl Future<Output = Vec<News>>>) -> Poll<Step> {
        match self.signal.phase(cx) {
            Phase::Running => {}
            Phase::Draining => self.work.go_away(&mut self.outbox),
            Phase::Ended => return Poll::Ready(Step::Lost),
        }
        if !self.closing
            && let Poll::Ready(news) = news.poll(cx)
        {
            return Poll::Ready(Step::News(news));
        }
        if self.poll_timer(cx).is_err() {
            return Poll::Ready(Step::Lost);
        }
        let mut read = 0;
        loop {
            let mut moved = false;
            if !self.closing && !self.resting && read < READ {
                match self.poll_read(cx) {
                    Poll::Ready(Ok(count)) => {
                        (moved, read) = (true, read + count);
                        self.rest(cx);
                    }
                    Poll::Ready(Err(Lost)) => return Poll::Ready(Step::Lost),
                    Poll::Pending => {}
                }
            }
            if !self.closing {
                moved |= self.work.poll(cx, &mut self.outbox);
                if self.work.is_finished() {
                    self.close(CloseCode::GoingAway);
                }
            }
            match self.outbox.poll_write(Pin::new(&mut self.io), cx) {
                Poll::Ready(Ok(wrote)) => {
                    if self.closing {
                        return Poll::Ready(Step::Closed);
                    }
                    moved |= wrote;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Step::Lost),
                Poll::Pending => {}
            }
            if !self.is_within_memory() {
                return Poll::Ready(Step::Lost);
            }
            if !moved {
                // Whoever sends without end takes turns with everybody else, or the others' wait would be as long as theirs.
                if read >= READ && !self.resting {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
    }

    /// After something was read: not at once again, while too much is asked.
    fn rest(&mut self, cx: &mut Context<'_>) {
        if self.work.is_pressed() && !self.closing {
            self.resting = true;
            self.timer.as_mut().reset(Instant::now() + REST);
            // Not due yet: polled so that it wakes this session.
            let _later = self.timer.as_mut().poll(cx);
        }
    }

    /// Takes what has come, while there is room for its answers. Ready if anything was taken, with how many bytes it was.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Lost>> {
        if !self.has_room() {
            return Poll::Pending;
        }
        if !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            self.take_bytes(&unread);
            return Poll::Ready(Ok(unread.len()));
        }
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => Poll::Ready(Err(Lost)),
                Poll::Ready(Ok(())) => {
                    (self.heard, self.asked) = (Instant::now(), false);
                    self.take_bytes(read.filled());
                    Poll::Ready(Ok(read.filled().len()))
                }
                Poll::Ready(Err(_)) => Poll::Ready(Err(Lost)),
                Poll::Pending => Poll::Pending,
            }
        })
    }

    /// Counts what this connection makes the server hold. False: there is no more room, and this one holds much.
    fn is_within_memory(&mut self) -> bool {
        let held = self.decoder.held() + self.unread.capacity() + self.outbox.held() + self.work.held();
        let within = self.lease.set(held.next_multiple_of(GRAIN) as u64);
        if !within {
            self.work.count_shed();
        }
        within
    }

    fn has_room(&self) -> bool {
        self.work.has_room() && !self.outbox.is_full()
    }

    fn take_bytes(&mut self, mut bytes: &[u8]) {
        loop {
            if !self.has_room() {
                self.unread.extend_from_slice(bytes);
                return;
            }
            match self.decoder.decode(&mut bytes) {
                Ok(None) => return,
                Ok(Some(Incoming::Binary(frame))) => {
                    let agreed_before = self.work.is_agreed();
                    if let Err(code) = self.work.take_frame(frame, &mut self.outbox) {
                        return self.close(code);
                    }
                    if self.work.is_agreed() && !agreed_before {
                        self.timer.as_mut().reset(self.heard + self.idle_time);
                    }
                }
                Ok(Some(Incoming::TooLarge)) => self.work.refuse_too_large(&mut self.outbox),
                Ok(Some(Incoming::Text)) => self.work.refuse_text(&mut self.outbox),
                Ok(Some(Incoming::Ping(payload))) => self.outbox.pong(&payload),
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Close)) => return self.close(CloseCode::Normal),
                Err(error) => return self.close(error.0),
            }
        }
    }

    /// Whoever is silent for long is asked, and let go if there is no answer. Before the protocol is agreed on, time is short.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Result<(), Lost> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.closing {
                return Err(Lost);
            } else if std::mem::take(&mut self.resting) {
                self.timer.as_mut().reset(self.heard + self.idle_time);
            } else if !self.work.is_agreed() {
                self.close(CloseCode::NoVersion);
            } else if now < self.heard + self.idle_time {
                self.timer.as_mut().reset(self.heard + self.idle_time);
            } else if self.asked {
                self.close(CloseCode::Idle);
            } else {
                self.outbox.ping();
                self.asked = true;
                self.timer.as_mut().reset(now + self.idle_time);
            }
        }
        Ok(())
    }

    fn close(&mut self, code: CloseCode) {
        self.outbox.close(code);
        self.closing = true;
        self.unread = Vec::new();
        self.timer.as_mut().reset(Instant::now() + CLOSE);
    }

    /// Says that nothing more comes, and reads away what the client still sends until it closes too.
    async fn linger(&mut self) {
        if poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await.is_err() {
            return;
        }
        poll_fn(|cx| {
            READ_BUFFER.with_borrow_mut(|buffer| {
                loop {
                    let mut read = ReadBuf::new(buffer);
                    match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                        Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                        Poll::Ready(_) => return Poll::Ready(()),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            })
        })
        .await;
    }
}

/// The connection is no more.
struct Lost;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{
        io,
        sync::atomic::{AtomicUsize, Ordering},
        task::Waker,
    };

    use alcyon_wire::{
        DropSecret, LogId, Seat, SeatKey, SeatSecret,
        proto::{Append, ClientFrame, Hello, ServerFrame, client_frame::Body, server_frame},
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
        store::{FaultyStore, MemoryStore},
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

    /// A short frame with a mask of zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        [&[first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0], payload].concat()
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

    /// The number of the next request that is answered, and its refusal.
    async fn refused(client: &mut DuplexStream) -> (u64, RefusalCode) {
        let mut head = [0; 2];
        client.read_exact(&mut head).await.unwrap();
        assert!(head[1] < 126, "a short frame");
        let mut frame = vec![0; usize::from(head[1])];
        client.read_exact(&mut frame).await.unwrap();
        let ServerFrame { request, body } = ServerFrame::decode(&frame[..]).unwrap();
        let Some(server_frame::Body::Refusal(refusal)) = body else { panic!("{body:?}") };
        (request, refusal.code())
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
        store.hold_writes(false);
        held.await.unwrap();
        for _ in 0..places {
            assert_eq!(refused(&mut client).await.1, RefusalCode::UnknownLog);
        }
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
        assert!(size <= 1056, "{size} bytes");
    }
}
