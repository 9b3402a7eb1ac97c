use std::{
    array,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use alcyon_wire::SeatSecret;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    AdmissionSettings, Waiting,
    class::Class,
    cohort::{COHORTS, Cohort, Cohorts},
    controller::{Controller, Verdicts, Window},
    share::Share,
};
use crate::{
    Refusal,
    edge::lifecycle::{Lifecycle, Phase},
    logs::ServerClock,
    observe::Metrics,
};

#[cfg(test)]
mod tests;

/// How often the executor is asked how late it is.
const TICK: Duration = Duration::from_millis(10);
/// Timers go by milliseconds: so late is not late.
const TIMER_GRAIN: Duration = Duration::from_millis(2);
/// What is measured in this time decides about the next.
pub(crate) const WINDOW: Duration = Duration::from_millis(50);
/// After so many windows in which nothing was asked the task sleeps.
const IDLE_WINDOWS: u32 = 20;
/// So many new connections are let in whatever happens, a window: where they are few they are not what the work waits for.
const CONNECTIONS_LEAST: u32 = 16;
/// As a float without end becomes it.
const UNBOUNDED: u64 = u64::MAX;
/// No sample in this window.
const NONE: u64 = u64::MAX;

/// What the newest group of the store weighs against those before it.
const NEWEST_GROUP: f64 = 0.3;

/// How fast the overload by which times are named follows that of the last window.
const SLOW: f64 = 0.1;
/// Retry times are drawn around this, times how many times too much is asked.
const AGAIN: Duration = Duration::from_secs(1);
/// But around no more than this.
const AGAIN_MOST: Duration = Duration::from_secs(120);

/// Coming back is spread over no more than this.
const SPREAD_MOST: Duration = Duration::from_secs(10 * 60);
/// And whoever is sent away over no less than this.
const SPREAD_LEAST: Duration = Duration::from_secs(9);

/// The one limiter of a server. [`Gate::admit`] is a few atomic operations; once in `WINDOW` a task looks at what was measured.
pub struct Gate {
    cohorts: Cohorts,
    clock: Arc<dyn ServerClock>,
    metrics: Arc<Metrics>,
    counters: Counters,
    /// Nanoseconds, the least of this window, by [`Waiting`].
    waits: [AtomicU64; Waiting::ALL.len()],
    /// Nanoseconds that a group of the store takes, of late.
    group: AtomicU64,
    /// What stands now.
    shown: Mutex<Pressure>,
    ratio: AtomicU64,
    /// Milliseconds, around which retry times are drawn.
    around_ms: AtomicU64,
    controller: Mutex<Controller>,
    parked: AtomicBool,
    wake: Notify,
    random: AtomicU64,
    arrived: AtomicU64,
}

/// Numbers connections as they arrive; what is asked on one shares its luck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionNumber(pub(crate) u64);

struct Counters {
    /// Cohorts below these may come in, by class.
    thresholds: [AtomicU16; Class::ALL.len()],
    /// How many more of the class may come in during this window. Not looked at for the classes that no count holds.
    left: [AtomicU32; Class::ALL.len()],
    offered: [[AtomicU32; COHORTS]; Class::ALL.len()],
    /// Cohorts below this one may connect.
    connections: AtomicU16,
    /// Others that may, in this window.
    connections_left: AtomicU32,
    admitted: AtomicU64,
    served: AtomicU64,
    /// The weight of the appends that were let in and are not done.
    waiting: AtomicU64,
    /// With so much of it, appends are refused. Without end in calm.
    waiting_most: AtomicU64,
    /// More is asked than can be done.
    pressed: AtomicBool,
    /// Somebody was refused for that in this window.
    held: AtomicBool,
    calm: AtomicBool,
}

/// How much is asked of the server, for those who adapt to it or show it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pressure {
    /// How long work stands, by [`Waiting::ALL`].
    pub queueing: [Duration; Waiting::ALL.len()],
    /// Work stands for too long.
    pub overloaded: bool,
    /// What is asked against what can be done; above 1 somebody is refused.
    pub ratio: f64,
    /// What may come in, in appends a second.
    pub budget: f64,
    /// The share of each class ([`Class::ALL`]) that comes in, 0 to 1.
    pub levels: [f64; Class::ALL.len()],
    /// The share of new connections that comes in, 0 to 1.
    pub connections: f64,
}

impl Pressure {
    /// The longest of the queues.
    #[must_use]
    pub fn queueing(&self) -> Duration {
        self.queueing.into_iter().max().unwrap_or_default()
    }

    /// The share of a class that comes in, 0 to 1.
    #[must_use]
    pub fn level(&self, class: Class) -> f64 {
        self.levels[class.index()]
    }
}

/// A request was let in. Dropped when it was carried out: what is done is how the server learns what it can do.
#[must_use = "it says when the work is done"]
pub struct Permit {
    gate: Arc<Gate>,
    class: Class,
    wasted: bool,
}

impl Permit {
    /// It was not carried out after all.
    pub fn wasted(mut self) {
        self.wasted = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Counters { served, waiting, .. } = &self.gate.counters;
        let weight = u64::from(self.class.weight());
        if self.class == Class::Append {
            waiting.fetch_sub(weight, Ordering::Relaxed);
        }
        if !self.wasted {
            served.fetch_add(weight, Ordering::Relaxed);
        }
    }
}

impl Gate {
    pub(crate) fn new(settings: AdmissionSettings, clock: Arc<dyn ServerClock>, metrics: Arc<Metrics>) -> Arc<Self> {
        let controller = Controller::new(settings.start_per_second);
        let verdicts = controller.verdicts();
        let mut seed = [0; 8];
        // Without randomness the times are spread all the same, only predictably.
        let _predictable = getrandom::fill(&mut seed);
        let gate = Self {
            cohorts: Cohorts::new(clock.now_ms()),
            clock,
            metrics,
            counters: Counters {
                thresholds: array::from_fn(|_| AtomicU16::new(Share::ALL.threshold)),
                left: array::from_fn(|_| AtomicU32::new(u32::MAX)),
                offered: array::from_fn(|_| array::from_fn(|_| AtomicU32::new(0))),
                connections: AtomicU16::new(Share::ALL.threshold),
                connections_left: AtomicU32::new(CONNECTIONS_LEAST),
                admitted: AtomicU64::new(0),
                served: AtomicU64::new(0),
                waiting: AtomicU64::new(0),
                waiting_most: AtomicU64::new(UNBOUNDED),
                pressed: AtomicBool::new(false),
                held: AtomicBool::new(false),
                calm: AtomicBool::new(true),
            },
            waits: array::from_fn(|_| AtomicU64::new(NONE)),
            group: AtomicU64::new(0),
            shown: Mutex::new(Pressure {
                queueing: [Duration::ZERO; Waiting::ALL.len()],
                overloaded: false,
                ratio: 0.0,
                budget: verdicts.budget,
                levels: [1.0; Class::ALL.len()],
                connections: 1.0,
            }),
            ratio: AtomicU64::new(0_f64.to_bits()),
            around_ms: AtomicU64::new(around_ms(0.0)),
            controller: Mutex::new(controller),
            parked: AtomicBool::new(true),
            wake: Notify::new(),
            random: AtomicU64::new(u64::from_ne_bytes(seed)),
            arrived: AtomicU64::new(0),
        };
        gate.apply(&verdicts, [Duration::ZERO; Waiting::ALL.len()], WINDOW);
        Arc::new(gate)
    }

    /// Lets a request in, or says when to come back. Before anything costly: bodies, signatures, hashes, the store.
    ///
    /// # Errors
    ///
    /// [`Refusal::overloaded`]: there is too much for this class and cohort now. The time to wait is drawn anew for
    /// each, and grows with the overload.
    pub fn admit(self: &Arc<Self>, class: Class, cohort: Cohort) -> Result<Permit, Refusal> {
        if self.parked.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
        let Counters { left, offered, admitted, waiting, .. } = &self.counters;
        let index = class.index();
        offered[index][cohort.index()].fetch_add(1, Ordering::Relaxed);
        // A sudden wave of appends is the store's queue to sort out: newest first. All else is held to a count as well.
        let counted = class > Class::Append;
        let within = self.is_within(class, cohort) && (counted || self.has_room());
        if class == Class::Live
            || within && (!counted || left[index].fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok())
        {
            let weight = u64::from(class.weight());
            admitted.fetch_add(weight, Ordering::Relaxed);
            // Not what waits for those who sent it: an upload holds its permit for as long as its sender likes.
            if class == Class::Append {
                waiting.fetch_add(weight, Ordering::Relaxed);
            }
            self.metrics.admitted(class);
            return Ok(Permit { gate: self.clone(), class, wasted: false });
        }
        self.metrics.not_admitted(class);
        Err(self.refusal())
    }

    /// There is no room for an append of this cohort: it was offered, and is to be refused. Nothing is counted otherwise:
    /// [`Gate::admit`] follows.
    pub(crate) fn turns_away(&self, cohort: Cohort) -> bool {
        if self.is_within(Class::Append, cohort) && self.has_room() {
            return false;
        }
        self.counters.offered[Class::Append.index()][cohort.index()].fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Too much of this connection's waits for its answer. That is between it and the server, whatever the server can do, and counts as
    /// nothing that is offered: where few ask for far more than may wait of theirs, their cohorts would fill the budget with what can't
    /// come in, others would be refused for it, and the store would have nothing to do.
    pub(crate) fn no_place(&self, class: Class) -> Refusal {
        self.metrics.not_admitted(class);
        self.refusal()
    }

    /// The cohort is one of those of its class that come in.
    fn is_within(&self, class: Class, cohort: Cohort) -> bool {
        cohort.index() < usize::from(self.counters.thresholds[class.index()].load(Ordering::Relaxed))
    }

    /// Another append, of a cohort that comes in, may wait for the store.
    fn has_room(&self) -> bool {
        let Counters { waiting, waiting_most, held, .. } = &self.counters;
        let has_room = waiting.load(Ordering::Relaxed) < waiting_most.load(Ordering::Relaxed);
        if !has_room {
            held.store(true, Ordering::Relaxed);
        }
        has_room
    }

    /// As if more were asked.
    #[cfg(test)]
    pub(crate) fn press(&self) {
        self.counters.pressed.store(true, Ordering::Relaxed);
    }

    /// The same, and nothing more may wait for the store.
    #[cfg(test)]
    pub(crate) fn fill(&self) {
        self.press();
        self.counters.waiting_most.store(0, Ordering::Relaxed);
    }

    /// Requests of the class in this window.
    #[cfg(test)]
    pub(crate) fn offered(&self, class: Class) -> u32 {
        self.counters.offered[class.index()].iter().map(|cohort| cohort.load(Ordering::Relaxed)).sum()
    }

    /// More is asked than can be done: somebody is refused.
    pub(crate) fn is_pressed(&self) -> bool {
        self.counters.pressed.load(Ordering::Relaxed)
    }

    /// Clearly less is asked than can be done.
    pub(crate) fn is_calm(&self) -> bool {
        self.counters.calm.load(Ordering::Relaxed)
    }

    /// A connection has arrived.
    pub(crate) fn arrived(&self) -> ConnectionNumber {
        if self.parked.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
        ConnectionNumber(self.arrived.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether a new connection may go on.
    pub(crate) fn takes_connection(&self, number: ConnectionNumber) -> bool {
        let threshold = self.counters.connections.load(Ordering::Relaxed);
        let one_less = |left: u32| left.checked_sub(1);
        threshold == Share::ALL.threshold
            || self.cohort(number).index() < usize::from(threshold)
            || self.counters.connections_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// The cohort of a connection, where a request is of no seat.
    pub(crate) fn cohort(&self, ConnectionNumber(number): ConnectionNumber) -> Cohort {
        self.cohorts.of(number)
    }

    /// The cohort of a seat: the same on whatever connection it comes.
    pub(crate) fn cohort_of_seat(&self, secret: &SeatSecret) -> Cohort {
        // All of it would take twice the time, and secrets are random: whoever makes two that begin alike shares the luck of one.
        let [a, b, c, d, e, f, g, h, ..] = *secret.as_bytes();
        self.cohorts.of(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// Too much is asked: later, at a time drawn for this client.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal::overloaded(self.again_ms())
    }

    /// Within which time as many clients as this come back if they are cut off without a word: as long as the server takes to
    /// resume them at half of what it has shown it can do. 0 while that is no time at all.
    #[must_use]
    pub fn reconnect_within_ms(&self, connections: u32) -> u64 {
        // A connection and a resume.
        let weight = f64::from(connections) * f64::from(2 * Class::Resume.weight());
        let seconds = (2.0 * weight / self.pressure().budget).min(SPREAD_MOST.as_secs_f64());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // minutes at most
        let ms = (seconds * 1_000.0) as u64;
        if ms < 1_000 { 0 } else { ms }
    }

    /// When one of so many may come back that the server sends away: drawn for this one, over a time that all of them take.
    #[must_use]
    pub fn goodbye_ms(&self, connections: u32) -> u64 {
        let window = self.reconnect_within_ms(connections).max(u64::try_from(SPREAD_LEAST.as_millis()).unwrap_or(u64::MAX));
        1_000 + self.draw() % window
    }

    /// How things stand.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many times what can be done is asked, over the last half second or so; above 1 somebody is refused. 0 while nothing is
    /// asked.
    pub fn asked(&self) -> f64 {
        if self.parked.load(Ordering::Relaxed) { 0.0 } else { f64::from_bits(self.ratio.load(Ordering::Relaxed)) }
    }

    /// So long has work stood at this place.
    pub(crate) fn waited(&self, place: Waiting, wait: Duration) {
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(NONE - 1);
        self.waits[place as usize].fetch_min(nanos, Ordering::Relaxed);
    }

    /// So long has a group of the store taken. Told by its one writer alone.
    pub(crate) fn group_took(&self, took: Duration) {
        let before = Duration::from_nanos(self.group.load(Ordering::Relaxed));
        let smooth = before.mul_f64(1.0 - NEWEST_GROUP) + took.mul_f64(NEWEST_GROUP);
        self.group.store(u64::try_from(smooth.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Looks at the windows until the server has ended. Sleeps while nothing is asked.
    pub(crate) async fn watch(self: Arc<Self>, lifecycle: Arc<Lifecycle>) {
        tokio::select! {
            () = lifecycle.reached(Phase::Ended) => {}
            () = self.windows() => {}
        }
    }

    async fn windows(&self) {
        loop {
            self.parked.store(true, Ordering::Relaxed);
            self.wake.notified().await;
            self.parked.store(false, Ordering::Relaxed);
            let mut idle = 0;
            let mut began = Instant::now();
            while idle < IDLE_WINDOWS {
                let ticked = self.ticks(began).await;
                let now = Instant::now();
                let asked = self.close_window(now - began, ticked);
                began = now;
                idle = if asked { 0 } else { idle + 1 };
            }
        }
    }

    /// One window's ticks, two at least. How late the executor was all the time.
    async fn ticks(&self, began: Instant) -> Duration {
        let (mut least, mut ticks) = (Duration::MAX, 0);
        while ticks < 2 || began.elapsed() < WINDOW {
            let before = Instant::now();
            sleep(TICK).await;
            least = least.min(before.elapsed().saturating_sub(TICK + TIMER_GRAIN));
            ticks += 1;
        }
        least
    }

    /// Whether anything was asked in it.
    fn close_window(&self, length: Duration, executor: Duration) -> bool {
        self.cohorts.tell(self.clock.now_ms());
        self.waited(Waiting::Executor, executor);
        let waits: [Duration; Waiting::ALL.len()] = array::from_fn(|place| match self.waits[place].swap(NONE, Ordering::Relaxed) {
            NONE => Duration::ZERO,
            nanos => Duration::from_nanos(nanos),
        });
        let mut asked = false;
        let offered: Vec<[u32; COHORTS]> = self
            .counters
            .offered
            .iter()
            .map(|cohorts| array::from_fn(|cohort| cohorts[cohort].swap(0, Ordering::Relaxed)))
            .inspect(|counts: &[u32; COHORTS]| asked |= counts.iter().any(|count| *count > 0))
            .collect();
        let window = Window {
            length,
            queueing: waits.into_iter().max().unwrap_or_default(),
            arriving: waits[Waiting::Accept as usize].max(waits[Waiting::Executor as usize]),
            offered: offered.try_into().expect("one a class"),
            admitted: self.counters.admitted.swap(0, Ordering::Relaxed),
            served: self.counters.served.swap(0, Ordering::Relaxed),
            group: Duration::from_nanos(self.group.load(Ordering::Relaxed)),
            held: self.counters.held.swap(false, Ordering::Relaxed),
        };
        let verdicts = self.controller.lock().unwrap_or_else(PoisonError::into_inner).window(&window);
        self.apply(&verdicts, waits, length);
        asked
    }

    fn apply(&self, verdicts: &Verdicts, queueing: [Duration; Waiting::ALL.len()], length: Duration) {
        let Verdicts { shares, budget, waiting, connections, overloaded, ratio, calm } = verdicts;
        let mut levels = [1.0; Class::ALL.len()];
        for class in Class::ALL {
            let (index, share) = (class.index(), shares[class.index()]);
            self.counters.thresholds[index].store(share.threshold, Ordering::Relaxed);
            // What less than a whole request leaves over in one window is lost; each may have one at least.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive; as many as fit
            let left = (share.most * length.as_secs_f64()).clamp(1.0, f64::from(u32::MAX)) as u32;
            self.counters.left[index].store(left, Ordering::Relaxed);
            levels[index] = f64::from(share.threshold) / f64::from(Share::ALL.threshold);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive; without end where there is none
        self.counters.waiting_most.store(*waiting as u64, Ordering::Relaxed);
        self.counters.calm.store(*calm, Ordering::Relaxed);
        self.counters.pressed.store(*ratio > 1.0, Ordering::Relaxed);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most the threshold of all
        let threshold = (connections * f64::from(Share::ALL.threshold)).round() as u16;
        self.counters.connections.store(threshold, Ordering::Relaxed);
        self.counters.connections_left.store(CONNECTIONS_LEAST, Ordering::Relaxed);
        // A burst is not yet a reason to send everybody far away.
        let slow = f64::from_bits(self.ratio.load(Ordering::Relaxed));
        let slow = slow + SLOW * (ratio - slow);
        self.ratio.store(slow.to_bits(), Ordering::Relaxed);
        self.around_ms.store(around_ms(slow), Ordering::Relaxed);
        let pressure = Pressure { queueing, overloaded: *overloaded, ratio: *ratio, budget: *budget, levels, connections: *connections };
        self.metrics.pressure(&pressure);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = pressure;
    }

    pub(crate) fn again_ms(&self) -> u64 {
        let around_ms = self.around_ms.load(Ordering::Relaxed);
        // Between half and one and a half of it.
        around_ms / 2 + self.draw() % around_ms
    }

    /// Spread evenly, no secret (SplitMix64).
    fn draw(&self) -> u64 {
        let mut z = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Milliseconds around which whoever is refused is to come back, while `ratio` times what can be done is asked.
fn around_ms(ratio: f64) -> u64 {
    let ratio = ratio.max(1.0);
    let around = AGAIN.mul_f64(ratio.min(AGAIN_MOST.as_secs_f64())).min(AGAIN_MOST);
    u64::try_from(around.as_millis()).unwrap_or(u64::MAX).max(1)
}
