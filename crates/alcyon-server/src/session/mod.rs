//! The data plane: one WebSocket, its frames in and out.
//!
//! A session is one future with no task, channel or buffer beside it while it is idle: a quiet connection costs its
//! struct and its socket. Everything that happens is folded into one pass: read, act, deliver, write once.

mod answers;
mod bulk;
mod delivery;
mod outbox;
mod requests;
mod signal;
#[cfg(test)]
mod tests;

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
    sync::Semaphore,
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
pub(crate) use bulk::turns;
use outbox::Outbox;
use requests::{Taken, Work};
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
    /// Those to whom much is sent.
    pub(crate) turns: Arc<Semaphore>,
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

/// Who has sent what is of no use to anybody (no frame of the protocol, or one over the limit) is read again after this, and the rest of
/// what came waits with it: others' messages stand in line behind all that is read. Nobody who keeps to the protocol meets it.
const NUISANCE_REST: Duration = Duration::from_millis(20);

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
    /// What was read last was of no use.
    nuisance: bool,
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
            nuisance: false,
            closing: false,
            lease,
        }
    }

    /// Everything that can be done now.
    fn poll(&mut self, cx: &mut Context<'_>, news: Pin<&mut impl Future<Output = Vec<News>>>) -> Poll<Step> {
        self.work.pass_begins();
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
        let (mut read, mut sent) = (0, 0);
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
                moved |= self.work.poll(cx, &mut self.outbox, &mut sent);
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
                // Whoever sends without end takes turns with everybody else, or the others' wait would be as long as theirs; whoever is
                // sent much, too.
                let more = self.work.pass_is_over(sent);
                if more || read >= READ && !self.resting {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
    }

    /// After something was read: not at once again, while too much is asked or if it was of no use.
    fn rest(&mut self, cx: &mut Context<'_>) {
        let nuisance = std::mem::take(&mut self.nuisance);
        if self.closing || !self.work.is_agreed() {
            // Until a version is agreed on the timer is that of the handshake.
            return;
        }
        let rest = if nuisance {
            NUISANCE_REST
        } else if self.work.is_pressed() {
            REST
        } else {
            return;
        };
        self.resting = true;
        self.timer.as_mut().reset(Instant::now() + rest);
        // Not due yet: polled so that it wakes this session.
        let _later = self.timer.as_mut().poll(cx);
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

    fn take_bytes(&mut self, bytes: &[u8]) {
        self.take_messages(bytes);
        self.work.count_turned_away();
    }

    fn take_messages(&mut self, mut bytes: &[u8]) {
        loop {
            if !self.has_room() || self.nuisance && self.work.is_agreed() {
                self.unread.extend_from_slice(bytes);
                return;
            }
            // Looked at where it lies, if it may be turned away: nine of ten may be.
            let ahead = if self.work.is_pressed() { self.decoder.peek(bytes) } else { None };
            if let Some(ahead) = &ahead
                && self.work.turns_away(ahead.beginning(), &mut self.outbox)
            {
                bytes = &bytes[ahead.bytes..];
                continue;
            }
            match self.decoder.decode(&mut bytes) {
                Ok(None) => {
                    self.nuisance |= self.decoder.is_skipping();
                    return;
                }
                Ok(Some(Incoming::Binary)) => {
                    if ahead.is_none() && self.work.turns_away(self.decoder.message(), &mut self.outbox) {
                        self.decoder.drop_message();
                        continue;
                    }
                    let agreed_before = self.work.is_agreed();
                    match self.work.take_frame(self.decoder.take_message(), &mut self.outbox) {
                        Ok(Taken::Frame) => {}
                        Ok(Taken::Nuisance) => self.nuisance = true,
                        Err(code) => return self.close(code),
                    }
                    if self.work.is_agreed() && !agreed_before {
                        self.timer.as_mut().reset(self.heard + self.idle_time);
                    }
                }
                Ok(Some(Incoming::TooLarge)) => {
                    self.work.refuse_too_large(&mut self.outbox);
                    self.nuisance = true;
                }
                Ok(Some(Incoming::Text)) => {
                    self.work.refuse_text(&mut self.outbox);
                    self.nuisance = true;
                }
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
        self.work.end();
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
