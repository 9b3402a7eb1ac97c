//! A breaker before something outside: after a few failures in a row it is left alone for a while, then tried by one alone, and
//! after each failure for twice as long. Pure rules over a clock of the caller's.

/// Failures in a row after which it opens.
const FAILURES: u32 = 3;

/// What is known of something outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Breaker {
    first_ms: u64,
    longest_ms: u64,
    failures: u32,
    /// The pause that was last begun; 0: none since it worked.
    pause_ms: u64,
    /// Open until then, milliseconds of the caller's clock.
    until_ms: u64,
    /// The one try after a pause is on its way.
    trying: bool,
}

/// What an outcome has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing that is worth a word.
    Same,
    /// From now on it is left alone.
    Away,
    /// And now it is not any more.
    Back,
}

impl Breaker {
    /// Closed. The first pause and the longest, milliseconds; in between it doubles.
    pub const fn new(first_ms: u64, longest_ms: u64) -> Self {
        Self { first_ms, longest_ms, failures: 0, pause_ms: 0, until_ms: 0, trying: false }
    }

    /// Whether it may be tried now, after a pause by one at a time. If not, in how many milliseconds to ask again; 0: somebody is
    /// trying it just now.
    pub fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        if !self.is_away() {
            return Ok(());
        }
        self.open_for(now_ms)?;
        if self.trying {
            return Err(0);
        }
        self.trying = true;
        Ok(())
    }

    /// Whether a pause is over, or there is none; if not, in how many milliseconds.
    pub fn open_for(&self, now_ms: u64) -> Result<(), u64> {
        let wait = self.until_ms.saturating_sub(now_ms);
        if self.is_away() && wait > 0 { Err(wait) } else { Ok(()) }
    }

    /// It failed so often that it is left alone.
    pub fn is_away(&self) -> bool {
        self.failures >= FAILURES
    }

    /// How something that was admitted ended. What was begun before a pause and fails within it does not make it longer.
    pub fn ended(&mut self, worked: bool, now_ms: u64) -> Turn {
        let was_away = self.is_away();
        if worked {
            *self = Self::new(self.first_ms, self.longest_ms);
            return if was_away { Turn::Back } else { Turn::Same };
        }
        self.trying = false;
        self.failures = self.failures.saturating_add(1);
        if !self.is_away() || was_away && now_ms < self.until_ms {
            return Turn::Same;
        }
        self.pause_ms = if self.pause_ms == 0 { self.first_ms } else { self.pause_ms.saturating_mul(2).min(self.longest_ms) };
        self.until_ms = now_ms.saturating_add(self.pause_ms);
        if was_away { Turn::Same } else { Turn::Away }
    }

    /// It was given up without an outcome either way.
    pub fn given_up(&mut self) {
        self.trying = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_MS: u64 = 15_000;
    const LONGEST_MS: u64 = 10 * 60_000;

    #[test]
    fn it_opens_after_three_failures_and_tries_once_after_each_pause() {
        let mut breaker = Breaker::new(FIRST_MS, LONGEST_MS);
        for turn in [Turn::Same, Turn::Same, Turn::Away] {
            assert_eq!(breaker.admit(0), Ok(()));
            assert_eq!(breaker.ended(false, 0), turn);
        }
        assert_eq!((breaker.admit(0), breaker.admit(FIRST_MS - 1)), (Err(FIRST_MS), Err(1)));
        assert_eq!(breaker.admit(FIRST_MS), Ok(()), "one try");
        assert_eq!(breaker.admit(FIRST_MS), Err(0), "and no second beside it");
        assert_eq!(breaker.ended(false, FIRST_MS), Turn::Same);
        assert_eq!(breaker.open_for(FIRST_MS), Err(2 * FIRST_MS));
        assert_eq!(breaker.admit(3 * FIRST_MS), Ok(()));
        breaker.given_up();
        assert_eq!(breaker.admit(3 * FIRST_MS), Ok(()));
        assert_eq!(breaker.ended(true, 3 * FIRST_MS), Turn::Back);
        assert!((0..2).all(|_| breaker.admit(3 * FIRST_MS).is_ok()));
    }

    #[test]
    fn the_pause_is_bounded() {
        let mut breaker = Breaker::new(FIRST_MS, LONGEST_MS);
        let mut now_ms = 0;
        for _ in 0..100 {
            breaker.ended(false, now_ms);
            let wait_ms = breaker.open_for(now_ms).err().unwrap_or_default();
            assert!(wait_ms <= LONGEST_MS);
            now_ms += wait_ms;
        }
    }
}
