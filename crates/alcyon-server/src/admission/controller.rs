//! How much may come in: found from how long work queues and how much is done.

use std::time::Duration;

use super::{
    TARGET,
    class::Class,
    cohort::COHORTS,
    share::{Offered, Share, shares},
};

/// The standing queue that the budget aims at while more is offered than can be done: enough that the server never idles, a quarter of
/// what counts as overload.
const AIM: Duration = Duration::from_millis(5);
/// In this time a queue that is too long is to be worked off.
const HORIZON: Duration = Duration::from_millis(200);
/// While less than this part of what can be done is asked, a queue is what a moment has left behind in which the disk or the processor
/// was somebody else's: it goes by itself, and whoever is sent away for it would only come again.
const CALM: f64 = 0.85;
/// And it is so only after no work has stood for so long: near its limit a server whose store sorts now and then has a queue every other
/// half second, whatever the estimate says in between.
const QUIET: Duration = Duration::from_secs(1);
/// A queue this much too long halves the connections that are let in.
const SHEDDING: Duration = Duration::from_millis(50);
/// A queue below this is none: the server has time to spare.
const NO_QUEUE: Duration = Duration::from_millis(3);
/// While there is time to spare the estimate grows by this much a window, if it is needed: fast, until it comes near what the server
/// could do when it was last busy, then slowly.
const GROWTH: f64 = 1.1;
const GROWTH_NEAR: f64 = 1.01;
/// How fast what the server could do then is forgotten, a window.
const FADING: f64 = 1.05;
/// What is near.
const NEAR: f64 = 0.95;
/// What was seen in one window weighs this much against what was known.
const NEWEST: f64 = 0.3;
/// The same for what is asked, which may change at once.
const NEWEST_ASKED: f64 = 0.5;
/// One bad window, say a flush of the disk that hangs, takes no more than this from the estimate.
const WORST: f64 = 0.7;
/// A window in which work stood takes this much from what the server could do when it was last busy, if it did less in it.
const FORGOTTEN: f64 = 0.97;
/// While no more than can be done is asked, the estimate grows to no more than this many times of it: enough for calm ([`CALM`]).
const ROOM: f64 = 1.3;
/// While too much is asked, what was let in and is not done is held to what the server does in this time and in one of the store's
/// groups, the one that is carried out: when the store hangs, windows are too slow to see it.
const WAITING: Duration = Duration::from_millis(5);
/// The same while nearly as much is asked as can be done, because what can be done may be less at any moment: a store that sorts does a
/// third less. With 25 milliseconds 95 of 100 took 52 to 58 near the limit, of the 50 that they may take; with this under 50.
const WAITING_NEAR: Duration = Duration::from_millis(15);
/// And to no less than this weight, or nothing would gather.
const WAITING_LEAST: f64 = 384.0;
/// Weight a second that is always let in: a server that takes nothing would not learn that it could, and one whose machine is busy with
/// something else gains nothing by refusing the little that is asked of it.
const LEAST: f64 = 1_000.0;

/// What was measured in one window of time.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// How long it was.
    pub(crate) length: Duration,
    /// How long work stood in the worst of the queues, all the time.
    pub(crate) queueing: Duration,
    /// How long those stood who arrive: connections, and tasks of the executor.
    pub(crate) arriving: Duration,
    /// Requests that came, by class and cohort, admitted or not.
    pub(crate) offered: Box<[[u32; COHORTS]; Class::ALL.len()]>,
    /// The weight of those that were admitted.
    pub(crate) admitted: u64,
    /// The weight of those that were carried out.
    pub(crate) served: u64,
    /// How long the store's groups take.
    pub(crate) group: Duration,
    /// Somebody was refused because as much as may was waiting for the store ([`Verdicts::waiting`]): whether more could have been done
    /// this window does not tell.
    pub(crate) held: bool,
}

/// Watches the windows and says what may come in during the next.
#[derive(Debug, Clone)]
pub(crate) struct Controller {
    /// Weight a second that the server can do, as far as it has shown.
    capacity: f64,
    /// What is always let in.
    least: f64,
    /// What it was when the server was last busy all the time.
    proven: f64,
    /// Smoothed, requests a second.
    offered: Box<Offered>,
    overloaded: bool,
    /// Clearly less is asked than can be done.
    calm: bool,
    /// For how long no work has stood.
    quiet: Duration,
    /// The part of new connections that is let in.
    connections: f64,
}

/// What may come in, and how bad it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdicts {
    /// By class.
    pub(crate) shares: [Share; Class::ALL.len()],
    /// Weight a second that may come in.
    pub(crate) budget: f64,
    /// Appends are refused while more weight of them than this was let in and is not done.
    pub(crate) waiting: f64,
    /// The part of new connections that may come in.
    pub(crate) connections: f64,
    /// Work stands for longer than [`TARGET`].
    pub(crate) overloaded: bool,
    /// Weight asked for against what may come in; above 1 somebody is refused.
    pub(crate) ratio: f64,
    /// Clearly less is asked than can be done.
    pub(crate) calm: bool,
}

impl Controller {
    /// Nothing is known yet but what to begin with.
    pub(crate) fn new(start_per_second: f64) -> Self {
        let nothing: Box<Offered> = vec![[0.0; COHORTS]; Class::ALL.len()].try_into().expect("that many classes");
        Self {
            capacity: start_per_second,
            least: start_per_second.min(LEAST),
            proven: f64::INFINITY,
            offered: nothing,
            overloaded: false,
            calm: true,
            quiet: Duration::ZERO,
            connections: 1.0,
        }
    }

    /// Before anything was measured: the higher classes come in freely, the others up to the beginning's budget.
    pub(crate) fn verdicts(&self) -> Verdicts {
        self.share_out(self.asked(), self.capacity, Duration::ZERO)
    }

    /// One more window has passed.
    pub(crate) fn window(&mut self, window: &Window) -> Verdicts {
        let seconds = window.length.as_secs_f64().max(1e-3);
        for (smooth, counts) in self.offered.iter_mut().zip(window.offered.iter()) {
            for (smooth, count) in smooth.iter_mut().zip(counts) {
                *smooth += NEWEST_ASKED * (f64::from(*count) / seconds - *smooth);
            }
        }
        let asked = self.asked();
        #[allow(clippy::cast_precision_loss)] // requests of a fraction of a second
        let (served, admitted) = (window.served as f64 / seconds, window.admitted as f64 / seconds);
        self.overloaded = window.queueing > TARGET;
        let stood = window.queueing > NO_QUEUE;
        self.quiet = if stood { Duration::ZERO } else { self.quiet.saturating_add(window.length) };
        let used = admitted * 2.0 > self.capacity;
        // Where few ask for much, the next cohort may be more than the whole budget, and what is let in less than half of it for ever.
        let needed = asked > self.capacity && (used || !window.held);
        if stood {
            // It was busy all the time: what it did is what it can do.
            let seen = self.capacity + NEWEST * (served - self.capacity);
            self.capacity = seen.max(self.capacity * WORST);
            // What it could do before a disk hung it can do after it.
            self.proven = if self.proven.is_finite() { self.capacity.max(self.proven * FORGOTTEN) } else { self.capacity };
        } else if needed || used {
            // It had time to spare with all of this, or with all that could be let in of more. What nobody asks for nobody has shown.
            let near = self.capacity >= self.proven * NEAR;
            let growth = if needed && !near { GROWTH } else { GROWTH_NEAR };
            let most = if needed { f64::INFINITY } else { asked * ROOM };
            self.capacity = self.capacity.max((self.capacity * growth).min(most)).max(served);
            if near {
                // What was near is less and less so: it was another time.
                self.proven *= FADING;
            }
        }
        self.capacity = self.capacity.max(self.least);
        // Above the aim less comes in than goes out, below it more.
        let off = AIM.as_secs_f64() - window.queueing.as_secs_f64();
        let budget = self.capacity * (1.0 + (off / HORIZON.as_secs_f64()).max(-0.5));
        // A connection costs, even one that is only told no: a handshake, a head. Who is connected already goes first, so new
        // ones are shed as soon as those who arrive have to stand.
        let off = AIM.as_secs_f64() - window.arriving.as_secs_f64();
        let change = 1.0 + (off / SHEDDING.as_secs_f64()).clamp(-0.5, 0.1);
        self.connections = (self.connections * change).clamp(Class::Resume.floor(), 1.0);
        // A queue that comes up in calm does not end it: see above.
        self.calm = asked < self.capacity * CALM && (self.calm || self.quiet >= QUIET);
        let budget = if self.calm { budget.max(asked) } else { budget };
        self.share_out(asked, budget.max(self.least), window.group)
    }

    /// Weight a second.
    fn asked(&self) -> f64 {
        Class::ALL.iter().map(|class| self.offered[class.index()].iter().sum::<f64>() * f64::from(class.weight())).sum()
    }

    fn share_out(&self, asked: f64, budget: f64, group: Duration) -> Verdicts {
        let ratio = asked / budget;
        Verdicts {
            shares: shares(budget, &self.offered),
            budget,
            waiting: self.may_wait(ratio, group),
            connections: self.connections,
            overloaded: self.overloaded,
            ratio,
            calm: self.calm,
        }
    }

    /// The weight that may wait for the store.
    fn may_wait(&self, ratio: f64, group: Duration) -> f64 {
        let time = if ratio > 1.0 {
            WAITING
        } else if self.calm {
            // What comes at once and is no more than can be done gets through in a moment.
            return f64::INFINITY;
        } else {
            WAITING_NEAR
        };
        (self.capacity * (time + group).as_secs_f64()).max(WAITING_LEAST)
    }
}
