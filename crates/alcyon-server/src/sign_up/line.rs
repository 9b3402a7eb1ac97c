//! The line of newcomers, as a pure state: one watermark ("arrivals before it may come in"), how many tickets were given out
//! after it, and what became of those it has passed. It knows nobody: a ticket is a number in a second's count.

use std::collections::VecDeque;

/// Counted spans of arrival at the most; beyond it neighbours are put together.
const SPANS: usize = 1_024;
/// Of these, the newest, which stay as they are.
const FINE_SPANS: usize = 64;
/// Who has to wait a moment more comes again within this time after it.
pub(crate) const CROWDED_MS: u64 = 500;
/// One whose turn has come is expected within this time.
const SHOW_MS: u64 = 10_000;
/// So many seconds' worth of people may be expected at once.
const EXPECTED_S: f64 = 3.0;
/// Never reckoned below this, so that a line of none but no-shows does not let everybody in at once.
const LEAST_SHOW_RATE: f64 = 0.02;
/// How long a turn holds, in time of arrival that has passed since.
pub(crate) const TURN_HOLDS_US: u64 = 24 * 60 * 60 * 1_000_000;

const SECOND_US: u64 = 1_000_000;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Arrivals before this may come in, microseconds since the Unix epoch.
    watermark_us: u64,
    /// Tickets after the watermark, in order, without overlap.
    spans: VecDeque<Span>,
    waiting: u64,
    /// Whom the watermark has passed within [`SHOW_MS`], in order.
    called: VecDeque<Called>,
    /// The share of those called that come.
    show_rate: f64,
    /// People who may come in now; refilled by the rate.
    tokens: f64,
    /// People who may be called now; refilled by the rate.
    calls: f64,
    /// Those called come faster than they can be let in: until then nobody else is called.
    crowded_until_ms: u64,
    now_ms: u64,
}

/// Tickets given out in one span of time, taken to be spread evenly over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub from_us: u64,
    /// Excluded.
    pub until_us: u64,
    pub tickets: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Called {
    at_ms: u64,
    from_us: u64,
    until_us: u64,
    people: u64,
    came: u64,
    /// Some of them had to wait a moment more: who came in time says nothing of who comes.
    crowded: bool,
}

/// What is kept of a line, coarsely.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub watermark_us: u64,
    pub spans: Vec<Span>,
    pub show_rate: f64,
}

/// Why somebody does not come in now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Held {
    /// There is a line, and this one has no ticket, or one that has run out.
    NoTicket,
    /// Not this one's turn yet.
    Early(Standing),
    /// It is, but so many came at once that this one waits a moment more.
    Crowded {
        /// Milliseconds until there is room for one more.
        wait_ms: u64,
    },
}

/// Where somebody stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// People before this one, and itself.
    pub place: u64,
    /// Until its turn, as far as can be known.
    pub wait_ms: u64,
}

impl Line {
    /// Nobody waits.
    pub fn empty(now_ms: u64) -> Self {
        Self {
            watermark_us: micros(now_ms),
            spans: VecDeque::new(),
            waiting: 0,
            called: VecDeque::new(),
            show_rate: 1.0,
            // As many as the first look at the rate says.
            tokens: f64::INFINITY,
            calls: f64::INFINITY,
            crowded_until_ms: 0,
            now_ms,
        }
    }

    /// As it was kept. Whoever was called then may still come.
    pub fn restore(kept: Kept, now_ms: u64) -> Self {
        let Kept { watermark_us, spans, show_rate } = kept;
        let waiting = spans.iter().map(|span| span.tickets).sum();
        let show_rate = if show_rate.is_finite() { show_rate.clamp(LEAST_SHOW_RATE, 1.0) } else { 1.0 };
        let line = Self { watermark_us, spans: spans.into(), waiting, show_rate, ..Self::empty(now_ms) };
        // In the middle of a line nobody may come in faster because of a new start.
        if waiting > 0 { Self { tokens: 0.0, calls: 0.0, ..line } } else { line }
    }

    /// What to keep.
    pub fn keep(&self) -> Kept {
        Kept { watermark_us: self.watermark_us, spans: self.spans.iter().copied().collect(), show_rate: self.show_rate }
    }

    /// Tickets that wait for their turn.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Arrivals before this may come in, microseconds since the Unix epoch.
    pub fn watermark_us(&self) -> u64 {
        self.watermark_us
    }

    /// Lets time pass and calls as many as may come at `rate` people a second (none: everybody).
    pub fn advance(&mut self, now_ms: u64, rate: Option<f64>) {
        // Should the clock go back, nobody is called until it has caught up.
        let elapsed_ms = now_ms.saturating_sub(self.now_ms);
        self.now_ms = self.now_ms.max(now_ms);
        let Some(rate) = rate else {
            self.spans.clear();
            self.called.clear();
            (self.waiting, self.tokens, self.calls) = (0, 0.0, 0.0);
            self.watermark_us = self.watermark_us.max(micros(self.now_ms));
            return;
        };
        let come = seconds(elapsed_ms) * rate;
        self.tokens = (self.tokens + come).min(burst(rate));
        self.calls = (self.calls + come).min(burst(rate));
        self.learn();
        if self.now_ms >= self.crowded_until_ms && self.tokens >= 1.0 {
            let expected = self.expected();
            // Nobody has come for a second, and nobody is expected: more were let in than were reckoned to be there.
            let idle = self.tokens >= burst(rate) && expected < 1.0;
            let calls = if idle { burst(rate) } else { self.calls };
            // No more are expected than can be let in soon.
            let room = calls.min(rate * EXPECTED_S + burst(rate) - expected);
            self.call(whole(room / self.show_rate));
        }
        if self.waiting == 0 {
            self.watermark_us = self.watermark_us.max(micros(self.now_ms));
        }
    }

    /// A ticket is given out now: the time of arrival that it carries, in milliseconds. Counted once a person.
    pub fn join(&mut self, is_new: bool) -> u64 {
        // Rounded up: whoever gets a ticket now is behind the watermark.
        let arrival_ms = self.now_ms.max(self.watermark_us.div_ceil(1_000));
        if is_new {
            let (arrival_us, until_us) = (micros(arrival_ms), micros(arrival_ms + 1));
            self.waiting += 1;
            match self.spans.back_mut() {
                // Of the same second.
                Some(last) if last.until_us > arrival_us || last.from_us / SECOND_US == arrival_us / SECOND_US => {
                    (last.until_us, last.tickets) = (last.until_us.max(until_us), last.tickets + 1);
                }
                _ => self.spans.push_back(Span { from_us: arrival_us, until_us, tickets: 1 }),
            }
            if self.spans.len() > SPANS {
                self.coarsen();
            }
        }
        arrival_ms
    }

    /// Whether one comes in now; then counts that one in. `arrival_ms` is that of its ticket.
    pub fn enter(&mut self, arrival_ms: Option<u64>, rate: Option<f64>) -> Result<(), Held> {
        let Some(rate) = rate else { return Ok(()) };
        match arrival_ms.map(micros) {
            Some(arrival_us) if arrival_us.saturating_add(TURN_HOLDS_US) >= self.watermark_us => {
                if arrival_us >= self.watermark_us {
                    return Err(Held::Early(self.standing_us(arrival_us, rate)));
                }
                if self.tokens < 1.0 {
                    let wait_ms = milliseconds((1.0 - self.tokens) / rate);
                    self.crowded_until_ms = self.now_ms + wait_ms + CROWDED_MS;
                    if let Some(called) = self.called_of(arrival_us) {
                        called.crowded = true;
                    }
                    return Err(Held::Crowded { wait_ms });
                }
                if let Some(called) = self.called_of(arrival_us) {
                    called.came += 1;
                }
            }
            // Who has no ticket, or one that has run out, comes in when nobody else waits.
            _ if self.is_open() => {}
            _ => return Err(Held::NoTicket),
        }
        self.tokens -= 1.0;
        Ok(())
    }

    /// One that was let in has not signed up after all.
    pub fn leave(&mut self, arrival_ms: Option<u64>) {
        self.tokens += 1.0;
        if let Some(called) = arrival_ms.and_then(|arrival_ms| self.called_of(micros(arrival_ms))) {
            called.came = called.came.saturating_sub(1);
        }
    }

    /// Whether one without a ticket would come in now.
    pub fn is_open(&self) -> bool {
        self.waiting == 0 && self.tokens - self.expected() >= 1.0
    }

    /// Where a ticket stands; none once its turn has come.
    pub fn standing(&self, arrival_ms: u64, rate: Option<f64>) -> Option<Standing> {
        let arrival_us = micros(arrival_ms);
        if arrival_us < self.watermark_us { None } else { rate.map(|rate| self.standing_us(arrival_us, rate)) }
    }

    /// Where the last one stands.
    pub fn end(&self, rate: f64) -> Standing {
        let place = self.waiting.max(1);
        Standing { place, wait_ms: milliseconds(float(place) * self.show_rate / rate) }
    }

    /// How many of those who wait will probably come.
    pub fn coming(&self) -> u64 {
        whole(float(self.waiting) * self.show_rate)
    }

    fn standing_us(&self, arrival_us: u64, rate: f64) -> Standing {
        let mut before = 0;
        for span in &self.spans {
            if span.until_us <= arrival_us {
                before += span.tickets;
                continue;
            }
            if arrival_us > span.from_us {
                before += portion(span.tickets, arrival_us - span.from_us, span.until_us - span.from_us);
            }
            break;
        }
        let place = before.min(self.waiting.saturating_sub(1)) + 1;
        Standing { place, wait_ms: milliseconds(float(place) * self.show_rate / rate) }
    }

    /// People who were called and will probably still come.
    fn expected(&self) -> f64 {
        self.called.iter().map(|called| (float(called.people) * self.show_rate - float(called.came)).max(0.0)).sum()
    }

    /// Moves the watermark past so many tickets.
    fn call(&mut self, mut most: u64) {
        let from_us = self.watermark_us;
        let mut people = 0;
        while most > 0 {
            let Some(first) = self.spans.front_mut() else { break };
            let taken = first.tickets.min(most);
            if taken == first.tickets {
                self.watermark_us = first.until_us;
                self.spans.pop_front();
            } else {
                first.from_us += portion(first.until_us - first.from_us, taken, first.tickets);
                first.tickets -= taken;
                self.watermark_us = first.from_us;
            }
            (most, people) = (most - taken, people + taken);
        }
        if people == 0 {
            return;
        }
        self.waiting -= people;
        self.calls -= float(people) * self.show_rate;
        match self.called.back_mut() {
            Some(last) if last.at_ms / 1_000 == self.now_ms / 1_000 => {
                (last.until_us, last.people) = (self.watermark_us, last.people + people)
            }
            _ => {
                self.called.push_back(Called { at_ms: self.now_ms, from_us, until_us: self.watermark_us, people, came: 0, crowded: false })
            }
        }
    }

    /// Learns from those whose time to come is over which share comes.
    fn learn(&mut self) {
        while let Some(called) = self.called.pop_front_if(|called| called.at_ms + SHOW_MS <= self.now_ms) {
            let Called { at_ms: _, from_us: _, until_us: _, people, came, crowded } = called;
            if crowded {
                continue;
            }
            let share = (float(came) / float(people)).clamp(LEAST_SHOW_RATE, 1.0);
            let weight = 0.3 * float(people) / (float(people) + 4.0);
            self.show_rate += weight * (share - self.show_rate);
        }
    }

    fn called_of(&mut self, arrival_us: u64) -> Option<&mut Called> {
        self.called.iter_mut().find(|called| (called.from_us..called.until_us).contains(&arrival_us))
    }

    /// Puts neighbours together, but for the newest.
    fn coarsen(&mut self) {
        let fine = self.spans.split_off(self.spans.len() - FINE_SPANS);
        let coarse: Vec<Span> = self.spans.drain(..).collect();
        let merge = |pair: &[Span]| Span {
            from_us: pair[0].from_us,
            until_us: pair[pair.len() - 1].until_us,
            tickets: pair.iter().map(|span| span.tickets).sum(),
        };
        self.spans.extend(coarse.chunks(2).map(merge));
        self.spans.extend(fine);
    }
}

/// People who may come in at once, above the rate: a second's worth.
pub(crate) fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

fn micros(ms: u64) -> u64 {
    ms.saturating_mul(1_000)
}

/// `whole * part / of`, without overflow.
fn portion(whole: u64, part: u64, of: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(part) / u128::from(of.max(1))).unwrap_or(u64::MAX)
}

#[allow(clippy::cast_precision_loss)] // people of any real line are exact
fn float(number: u64) -> f64 {
    number as f64
}

fn seconds(ms: u64) -> f64 {
    float(ms) / 1_000.0
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bounded
fn whole(number: f64) -> u64 {
    number.clamp(0.0, 1e12) as u64
}

fn milliseconds(seconds: f64) -> u64 {
    whole((seconds * 1_000.0).ceil()).max(1)
}
