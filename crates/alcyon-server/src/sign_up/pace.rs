//! How many newcomers come in a second: what the operator says, or as many as the rest of the server leaves room for.

use crate::admission::{Class, Gate};

/// How busy the server is with those who are in already.
pub(crate) trait Pressure: Send + Sync + 'static {
    /// Below 1: work hardly waits. From 1 on it waits too long.
    fn level(&self) -> f64;
}

/// Never busy.
#[cfg(test)]
pub(crate) struct Calm;

#[cfg(test)]
impl Pressure for Calm {
    fn level(&self) -> f64 {
        0.0
    }
}

impl Pressure for Gate {
    /// Too busy for newcomers as soon as the limiter would keep any of them out: they are to wait in line, not to be refused.
    fn level(&self) -> f64 {
        let pressure = self.pressure();
        let full = pressure.overloaded || pressure.level(Class::SignUp) < 1.0;
        if full { pressure.ratio.max(1.0) } else { pressure.ratio.min(0.99) }
    }
}

/// How often the rate is looked at again.
const STEP_MS: u64 = 250;
/// However busy the server is, so many come in a second.
const FLOOR: f64 = 2.0;
/// One step down, and one up.
const DOWN: f64 = 0.8;
const UP: f64 = 1.05;

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pace {
    fixed: Option<f64>,
    /// Set while the server is, or was just, too busy for everybody.
    found: Option<f64>,
    /// Who came in since the last step.
    came: f64,
    /// A second, smoothed.
    came_rate: f64,
    step_ms: u64,
}

impl Pace {
    pub fn new(fixed: Option<f64>, now_ms: u64) -> Self {
        Self { fixed, found: None, came: 0.0, came_rate: 0.0, step_ms: now_ms }
    }

    /// People a second; none: everybody.
    pub fn rate(&self) -> Option<f64> {
        match (self.fixed, self.found) {
            (Some(fixed), Some(found)) => Some(fixed.min(found)),
            (fixed, found) => fixed.or(found),
        }
    }

    /// Somebody came in.
    pub fn came(&mut self) {
        self.came += 1.0;
    }

    /// Lets time pass. `waiting`: there is a line.
    pub fn advance(&mut self, now_ms: u64, pressure: f64, waiting: bool) {
        let elapsed_ms = now_ms.saturating_sub(self.step_ms);
        if elapsed_ms < STEP_MS {
            return;
        }
        self.step_ms = now_ms;
        #[allow(clippy::cast_precision_loss)] // milliseconds of any real span are exact
        let (elapsed_s, steps) = (elapsed_ms as f64 / 1_000.0, (elapsed_ms / STEP_MS) as f64);
        let weight = (elapsed_s / 2.0).min(1.0);
        self.came_rate += weight * (self.came / elapsed_s - self.came_rate);
        self.came = 0.0;
        if pressure >= 1.0 {
            self.found = Some((self.found.unwrap_or(self.came_rate).min(self.came_rate.max(FLOOR)) * DOWN).max(FLOOR));
        } else if let Some(found) = self.found {
            let up = found * UP.powf(steps.min(40.0));
            // Nobody is held up by it any more: it is not needed.
            self.found = (waiting || up < 4.0 * self.came_rate + 10.0).then_some(up);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_pressure_everybody_comes_in() {
        let mut pace = Pace::new(None, 0);
        for n in 1..100 {
            pace.came();
            pace.advance(n * STEP_MS, 0.9, false);
        }
        assert_eq!(pace.rate(), None);
        assert_eq!(Pace::new(Some(20.0), 0).rate(), Some(20.0));
    }

    #[test]
    fn under_pressure_fewer_come_in_down_to_a_floor_and_afterwards_more_again() {
        let mut pace = Pace::new(None, 0);
        let mut now_ms = 0;
        let mut step = |pace: &mut Pace, pressure, come: u32, waiting| {
            (0..come).for_each(|_| pace.came());
            now_ms += STEP_MS;
            pace.advance(now_ms, pressure, waiting);
        };
        (0..40).for_each(|_| step(&mut pace, 0.0, 50, false));
        step(&mut pace, 1.5, 50, false);
        let first = pace.rate().unwrap();
        assert!((120.0..=165.0).contains(&first), "200 a second came: {first}");
        (0..100).for_each(|_| step(&mut pace, 1.5, 1, true));
        assert!((FLOOR..=FLOOR + 2.0).contains(&pace.rate().unwrap()), "{pace:?}");
        (0..60).for_each(|_| step(&mut pace, 0.2, 1, true));
        let up = pace.rate().unwrap();
        assert!(up > 20.0, "{up}");
        // The line is empty: it is let go of once it holds nobody up.
        (0..100).for_each(|_| step(&mut pace, 0.2, 1, false));
        assert_eq!(pace.rate(), None);
    }

    #[test]
    fn the_operators_word_is_never_passed() {
        let mut pace = Pace::new(Some(20.0), 0);
        let mut now_ms = 0;
        for n in 0..200 {
            (0..5).for_each(|_| pace.came());
            now_ms += STEP_MS;
            pace.advance(now_ms, if n < 20 { 2.0 } else { 0.0 }, true);
            assert!(pace.rate().unwrap() <= 20.0);
        }
        assert_eq!(pace.rate(), Some(20.0));
    }
}
