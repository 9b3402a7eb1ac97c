//! A breaker before something outside: after a few failures in a row it is left alone for a while, then tried once.

/// Failures in a row after which it opens.
const FAILURES: u32 = 3;
/// The first pause, and the longest; in between it doubles.
const FIRST_MS: u64 = 15_000;
const LONGEST_MS: u64 = 10 * 60_000;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Open until then.
    until_ms: u64,
    pause_ms: u64,
    /// The one try after a pause is on its way.
    trying: bool,
}

impl Breaker {
    /// Whether it may be tried now; after a pause one at a time.
    pub fn lets_through(&mut self, now_ms: u64) -> bool {
        if self.failures < FAILURES {
            return true;
        }
        if now_ms < self.until_ms || self.trying {
            return false;
        }
        self.trying = true;
        true
    }

    /// How long until the next try, as far as is known now.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        if self.failures < FAILURES { 0 } else { self.until_ms.saturating_sub(now_ms) }
    }

    /// It worked.
    pub fn worked(&mut self) {
        *self = Self::default();
    }

    /// It did not.
    pub fn failed(&mut self, now_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        self.trying = false;
        if self.failures >= FAILURES {
            self.pause_ms = if self.pause_ms == 0 { FIRST_MS } else { (self.pause_ms * 2).min(LONGEST_MS) };
            self.until_ms = now_ms + self.pause_ms;
        }
    }

    /// The try was given up without an answer either way.
    pub fn given_up(&mut self) {
        self.trying = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_three_failures_and_tries_once_after_each_pause() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            assert!(breaker.lets_through(0));
            breaker.failed(0);
        }
        assert!(breaker.lets_through(0));
        breaker.failed(0);
        assert!(!breaker.lets_through(0) && !breaker.lets_through(FIRST_MS - 1));
        assert!(breaker.lets_through(FIRST_MS), "one try");
        assert!(!breaker.lets_through(FIRST_MS), "and no second beside it");
        breaker.failed(FIRST_MS);
        assert_eq!(breaker.wait_ms(FIRST_MS), 2 * FIRST_MS);
        assert!(breaker.lets_through(3 * FIRST_MS));
        breaker.given_up();
        assert!(breaker.lets_through(3 * FIRST_MS));
        breaker.worked();
        assert!((0..2).all(|_| breaker.lets_through(3 * FIRST_MS)));
    }

    #[test]
    fn the_pause_is_bounded() {
        let mut breaker = Breaker::default();
        for now_ms in 0..100 {
            breaker.failed(now_ms);
        }
        assert!(breaker.wait_ms(99) <= LONGEST_MS);
    }
}
