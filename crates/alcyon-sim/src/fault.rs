//! A network that fails on purpose: a wrapper around any [`Transport`], driven by a seed.
//!
//! Every point at which something can go wrong has a number; what goes wrong there is a pure function of the seed and
//! that number. So a failed run is replayed by its seed, and [`Faults::schedule`] says what had happened.
//!
//! What TCP rules out is ruled out here too: frames of one connection are not reordered and none is lost while later ones
//! arrive. They are lost with the connection, and frames of a connection that the client has given up may still arrive
//! after those of its next one ([`Fault::Linger`]).

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc, time::Duration};

use alcyon_client::{Connection, HttpRequest, HttpResponse, Transport, TransportError};
use alcyon_wire::ServerUrl;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::{Instant, sleep, sleep_until};

/// What goes wrong at one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A request, or a connection attempt, never arrives.
    DropRequest,
    /// It arrives and is carried out, and the answer is lost.
    DropAnswer,
    /// It takes this long.
    Delay(Duration),
    /// A request of the control plane arrives twice.
    Duplicate,
    /// The connection ends here: a frame that was to be sent is lost, one that was received is thrown away.
    Cut,
    /// The connection is dead and does not say so until the time is over.
    Blackhole(Duration),
    /// As a black hole for the client; but what it sends meanwhile is kept on the way and arrives this much later.
    Linger(Duration),
    /// For this long nothing reaches any server.
    Outage(Duration),
}

impl Fault {
    fn faster(self, divisor: u32) -> Self {
        match self {
            Self::Delay(time) => Self::Delay(time / divisor),
            Self::Blackhole(time) => Self::Blackhole(time / divisor),
            Self::Linger(time) => Self::Linger(time / divisor),
            Self::Outage(time) => Self::Outage(time / divisor),
            Self::DropRequest | Self::DropAnswer | Self::Duplicate | Self::Cut => self,
        }
    }
}

/// Where something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// A request of the control plane.
    Request,
    /// A new connection.
    Connect,
    /// A frame to the server.
    Send,
    /// A frame from the server.
    Receive,
}

/// How often, in thousandths, something goes wrong at a point of each kind.
#[derive(Debug, Clone, Copy)]
pub struct FaultRates {
    /// Requests of the control plane.
    pub request: u32,
    /// New connections.
    pub connect: u32,
    /// Frames to the server.
    pub send: u32,
    /// Frames from the server.
    pub receive: u32,
}

impl FaultRates {
    /// Nothing goes wrong.
    pub const NONE: Self = Self { request: 0, connect: 0, send: 0, receive: 0 };
    /// A bad day.
    pub const ROUGH: Self = Self { request: 150, connect: 100, send: 60, receive: 60 };

    fn of(self, point: Point) -> u32 {
        match point {
            Point::Request => self.request,
            Point::Connect => self.connect,
            Point::Send => self.send,
            Point::Receive => self.receive,
        }
    }
}

/// The faults of one network. Clones are handles to the same.
#[derive(Clone)]
pub struct Faults(Rc<RefCell<State>>);

struct State {
    seed: u64,
    rates: FaultRates,
    points: u64,
    chosen: BTreeMap<u64, Fault>,
    outage_until: Option<Instant>,
    /// Every time is divided by this.
    hurry: u32,
    happened: Vec<(u64, Point, Fault)>,
}

impl Faults {
    /// Draws them from a seed.
    #[must_use]
    pub fn seeded(seed: u64, rates: FaultRates) -> Self {
        Self(Rc::new(RefCell::new(State {
            seed,
            rates,
            points: 0,
            chosen: BTreeMap::new(),
            outage_until: None,
            hurry: 1,
            happened: Vec::new(),
        })))
    }

    /// From now on every time is divided by this: where time is real, nobody wants to wait for a minute.
    pub fn hurry(&self, divisor: u32) {
        self.0.borrow_mut().hurry = divisor.max(1);
    }

    /// How long a request without answer is waited for.
    fn patience(&self) -> Duration {
        PATIENCE / self.0.borrow().hurry
    }

    /// None at all, but those that are asked for with [`Self::at`].
    #[must_use]
    pub fn none() -> Self {
        Self::seeded(0, FaultRates::NONE)
    }

    /// From now on as often as this.
    pub fn set_rates(&self, rates: FaultRates) {
        let mut state = self.0.borrow_mut();
        state.rates = rates;
        if rates.request + rates.connect + rates.send + rates.receive == 0 {
            state.outage_until = None;
        }
    }

    /// At the point with this number, whatever the seed says. The next point has the number [`Self::points`].
    pub fn at(&self, number: u64, fault: Fault) {
        self.0.borrow_mut().chosen.insert(number, fault);
    }

    /// Points passed so far.
    #[must_use]
    pub fn points(&self) -> u64 {
        self.0.borrow().points
    }

    /// What went wrong so far, a line each.
    #[must_use]
    pub fn schedule(&self) -> String {
        use fmt::Write;
        let state = self.0.borrow();
        let mut text = format!("network faults of seed {} ({} points):\n", state.seed, state.points);
        for (number, point, fault) in &state.happened {
            let _infallible = writeln!(text, "  {number:>5} {point:?}: {fault:?}");
        }
        text
    }

    fn pass(&self, point: Point) -> Option<Fault> {
        let mut state = self.0.borrow_mut();
        let number = state.points;
        state.points += 1;
        let fault = match state.chosen.get(&number) {
            Some(fault) => Some(*fault),
            None => draw(state.seed, number, point, state.rates),
        };
        let fault = fault.map(|fault| fault.faster(state.hurry));
        if let Some(fault) = fault {
            state.happened.push((number, point, fault));
            if let Fault::Outage(duration) = fault {
                state.outage_until = Some(Instant::now() + duration);
            }
        }
        fault
    }

    fn is_out(&self) -> bool {
        self.0.borrow().outage_until.is_some_and(|until| Instant::now() < until)
    }
}

fn draw(seed: u64, number: u64, point: Point, rates: FaultRates) -> Option<Fault> {
    // A generator for each point: one more point somewhere does not change what happens at the others.
    let mut random = StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    if random.random_range(0..1000) >= rates.of(point) {
        return None;
    }
    let short = Duration::from_millis(random.random_range(1..2_000));
    let long = Duration::from_millis(random.random_range(1_000..20_000));
    Some(match (point, random.random_range(0..100)) {
        (_, 0..4) => Fault::Outage(long),
        (Point::Request, 4..35) => Fault::DropRequest,
        (Point::Request, 35..65) => Fault::DropAnswer,
        (Point::Request, 65..80) => Fault::Duplicate,
        (Point::Connect, 4..50) => Fault::DropRequest,
        (Point::Connect, 50..70) => Fault::DropAnswer,
        (Point::Send, 4..40) => Fault::Cut,
        (Point::Send, 40..60) => Fault::Blackhole(long),
        (Point::Send, 60..80) => Fault::Linger(long),
        (Point::Receive, 4..55) => Fault::Cut,
        (Point::Receive, 55..75) => Fault::Blackhole(long),
        _ => Fault::Delay(short),
    })
}

/// A transport over a network that fails.
pub struct FaultyTransport<T> {
    inner: T,
    faults: Faults,
}

impl<T: Transport> FaultyTransport<T> {
    /// Over `inner`, failing as `faults` says.
    pub fn new(inner: T, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

/// How long a request without answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

impl<T: Transport> Transport for FaultyTransport<T>
where
    T::Connection: 'static,
{
    type Connection = FaultyConnection<T::Connection>;

    async fn request(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let fault = self.faults.pass(Point::Request);
        if self.faults.is_out() {
            return Err(TransportError::Unreachable("an outage".to_owned()));
        }
        match fault {
            None => self.inner.request(request).await,
            Some(Fault::Delay(time)) => {
                sleep(time).await;
                self.inner.request(request).await
            }
            Some(Fault::DropRequest | Fault::Cut | Fault::Outage(_)) => {
                sleep(self.faults.patience()).await;
                Err(TransportError::TimedOut)
            }
            Some(Fault::Duplicate) => {
                let _first = self.inner.request(request.clone()).await;
                self.inner.request(request).await
            }
            Some(Fault::DropAnswer | Fault::Blackhole(_) | Fault::Linger(_)) => {
                let _lost = self.inner.request(request).await;
                sleep(self.faults.patience()).await;
                Err(TransportError::TimedOut)
            }
        }
    }

    async fn connect(&self, server: &ServerUrl) -> Result<Self::Connection, TransportError> {
        let fault = self.faults.pass(Point::Connect);
        if self.faults.is_out() {
            return Err(TransportError::Unreachable("an outage".to_owned()));
        }
        match fault {
            Some(Fault::DropRequest | Fault::Cut | Fault::Outage(_)) => {
                return Err(TransportError::Unreachable("a lost packet".to_owned()));
            }
            Some(Fault::DropAnswer | Fault::Blackhole(_) | Fault::Linger(_)) => {
                let _lost = self.inner.connect(server).await;
                sleep(self.faults.patience()).await;
                return Err(TransportError::TimedOut);
            }
            Some(Fault::Delay(time)) => sleep(time).await,
            Some(Fault::Duplicate) | None => {}
        }
        let inner = self.inner.connect(server).await?;
        Ok(FaultyConnection { way: Way::Open(inner), held: None, faults: self.faults.clone() })
    }
}

/// A connection over a network that fails.
pub struct FaultyConnection<C: Connection + 'static> {
    way: Way<C>,
    /// A frame that is under way: kept here, so that a future that is dropped has taken nothing.
    held: Option<(Instant, Vec<u8>)>,
    faults: Faults,
}

enum Way<C> {
    Open(C),
    /// Dead; the client finds out at this time.
    Dead(Instant),
    /// Dead for the client as above, but these frames arrive after `late`.
    Lingering {
        until: Instant,
        late: Duration,
        connection: C,
        frames: Vec<Vec<u8>>,
    },
    Closed,
}

impl<C: Connection + 'static> FaultyConnection<C> {
    /// The client is told of the end; what lingers goes on without it.
    fn close(&mut self) -> TransportError {
        if let Way::Lingering { until: _, late, mut connection, frames } = std::mem::replace(&mut self.way, Way::Closed) {
            let patience = self.faults.patience();
            tokio::task::spawn_local(async move {
                sleep(late).await;
                for frame in frames {
                    if connection.send(frame).await.is_err() {
                        return;
                    }
                }
                // The server answers into the void for a while.
                let _end = tokio::time::timeout(patience, async { while connection.receive().await.is_ok() {} }).await;
            });
        }
        TransportError::Closed
    }
}

impl<C: Connection + 'static> Connection for FaultyConnection<C> {
    async fn send(&mut self, frame: Vec<u8>) -> Result<(), TransportError> {
        match &mut self.way {
            Way::Closed => return Err(TransportError::Closed),
            Way::Dead(_) => return Ok(()),
            Way::Lingering { frames, .. } => {
                frames.push(frame);
                return Ok(());
            }
            Way::Open(_) => {}
        }
        let fault = self.faults.pass(Point::Send);
        if self.faults.is_out() {
            self.way = Way::Closed;
            return Err(TransportError::Closed);
        }
        match fault {
            Some(Fault::Delay(time)) => sleep(time).await,
            Some(Fault::Blackhole(time)) => {
                self.way = Way::Dead(Instant::now() + time);
                return Ok(());
            }
            Some(Fault::Linger(time)) => {
                if let Way::Open(connection) = std::mem::replace(&mut self.way, Way::Closed) {
                    self.way = Way::Lingering { until: Instant::now() + time, late: time, connection, frames: vec![frame] };
                }
                return Ok(());
            }
            Some(Fault::Cut | Fault::DropRequest | Fault::Outage(_)) => {
                self.way = Way::Closed;
                return Err(TransportError::Closed);
            }
            Some(Fault::DropAnswer) => {
                if let Way::Open(connection) = &mut self.way {
                    connection.send(frame).await?;
                }
                self.way = Way::Closed;
                return Err(TransportError::Closed);
            }
            Some(Fault::Duplicate) | None => {}
        }
        match &mut self.way {
            Way::Open(connection) => connection.send(frame).await,
            _ => Err(TransportError::Closed),
        }
    }

    async fn receive(&mut self) -> Result<Vec<u8>, TransportError> {
        loop {
            if let Some((time, _)) = &self.held {
                sleep_until(*time).await;
                if let Some((_, frame)) = self.held.take() {
                    return Ok(frame);
                }
            }
            let frame = match &mut self.way {
                Way::Closed => return Err(TransportError::Closed),
                Way::Dead(until) | Way::Lingering { until, .. } => {
                    sleep_until(*until).await;
                    return Err(self.close());
                }
                Way::Open(connection) => connection.receive().await?,
            };
            let fault = self.faults.pass(Point::Receive);
            if self.faults.is_out() {
                return Err(self.close());
            }
            match fault {
                None | Some(Fault::Duplicate) => return Ok(frame),
                Some(Fault::Delay(time)) => self.held = Some((Instant::now() + time, frame)),
                Some(Fault::Blackhole(time) | Fault::Linger(time)) => self.way = Way::Dead(Instant::now() + time),
                Some(Fault::Cut | Fault::DropRequest | Fault::DropAnswer | Fault::Outage(_)) => {
                    self.way = Way::Closed;
                    return Err(TransportError::Closed);
                }
            }
        }
    }
}
