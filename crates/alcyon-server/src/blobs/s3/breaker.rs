//! When to leave a service alone that does not answer: pure rules over a clock of the caller's.

/// So many calls in a row that came to nothing, and none is made for a while.
const FAILURES: u32 = 3;
/// The first pause, milliseconds; each that follows is twice as long as the one before.
const FIRST_PAUSE: u64 = 1_000;
/// The longest pause, milliseconds.
const LONGEST_PAUSE: u64 = 30_000;
/// A call earns this much of a second try: a tenth of the calls may be made twice, in the long run.
const EARNED: f64 = 0.1;
/// Second tries that can be saved up.
const SAVED: f64 = 10.0;

/// A breaker and a budget of second tries.
#[derive(Debug)]
pub(super) struct Breaker {
    failures: u32,
    /// Pauses since the last success.
    pauses: u32,
    /// Until then no call is made, milliseconds of the caller's clock.
    paused_until: u64,
    /// A pause is over, and one call is out to look.
    looking: bool,
    tries: f64,
}

/// What a result has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing that is worth a word.
    Same,
    /// From now on no calls are made.
    Away,
    /// And now they are again.
    Back,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 0, pauses: 0, paused_until: 0, looking: false, tries: SAVED }
    }
}

impl Breaker {
    /// Whether a call may be made; if not, in how many milliseconds to ask again.
    pub(super) fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        if self.failures < FAILURES {
            self.tries = (self.tries + EARNED).min(SAVED);
            return Ok(());
        }
        let wait = self.paused_until.saturating_sub(now_ms);
        if wait > 0 {
            return Err(wait);
        }
        if self.looking {
            return Err(FIRST_PAUSE);
        }
        self.looking = true;
        Ok(())
    }

    /// Whether calls are made at all just now; if not, in how many milliseconds to ask again.
    pub(super) fn open_for(&self, now_ms: u64) -> Result<(), u64> {
        let wait = self.paused_until.saturating_sub(now_ms);
        if self.failures >= FAILURES && wait > 0 { Err(wait) } else { Ok(()) }
    }

    /// Whether a call that failed may be made once more.
    pub(super) fn again(&mut self) -> bool {
        let may = self.failures < FAILURES && self.tries >= 1.0;
        if may {
            self.tries -= 1.0;
        }
        may
    }

    /// How an admitted call ended, all its tries together.
    pub(super) fn ended(&mut self, answered: bool, now_ms: u64) -> Turn {
        self.looking = false;
        let was_away = self.failures >= FAILURES;
        if answered {
            (self.failures, self.pauses) = (0, 0);
            return if was_away { Turn::Back } else { Turn::Same };
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES || was_away && now_ms < self.paused_until {
            return Turn::Same;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(10)).min(LONGEST_PAUSE);
        self.pauses += 1;
        self.paused_until = now_ms.saturating_add(pause);
        if was_away { Turn::Same } else { Turn::Away }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_opens_looks_again_and_closes() {
        let mut breaker = Breaker::default();
        for turn in [Turn::Same, Turn::Same, Turn::Away] {
            assert_eq!(breaker.admit(0), Ok(()));
            assert_eq!(breaker.ended(false, 0), turn);
        }
        assert_eq!((breaker.admit(0), breaker.open_for(999)), (Err(1_000), Err(1)));
        assert!(!breaker.again(), "no second try while it is away");
        assert_eq!((breaker.open_for(1_000), breaker.admit(1_000)), (Ok(()), Ok(())));
        assert_eq!(breaker.admit(1_000), Err(FIRST_PAUSE), "one call looks, no more");
        assert_eq!(breaker.ended(false, 1_000), Turn::Same);
        assert_eq!(breaker.admit(1_001), Err(1_999), "the next pause is longer");
        assert_eq!(breaker.admit(3_000), Ok(()));
        assert_eq!(breaker.ended(true, 3_000), Turn::Back);
        assert_eq!((breaker.admit(3_000), breaker.admit(3_000)), (Ok(()), Ok(())));
    }

    #[test]
    fn second_tries_are_a_tenth() {
        let mut breaker = Breaker::default();
        let tries = (0..1_000).filter(|_| {
            breaker.admit(0).unwrap();
            let again = breaker.again();
            breaker.ended(true, 0);
            again
        });
        assert!((100..=110).contains(&tries.count()));
    }

    proptest! {
        /// Whatever happens, it is never shut for longer than the longest pause, and a success always opens it.
        #[test]
        fn it_never_shuts_for_good(acts in proptest::collection::vec((any::<bool>(), 0..5_000_u64), 1..200)) {
            let (mut breaker, mut now) = (Breaker::default(), 0);
            for (answered, passed) in acts {
                now += passed;
                match breaker.admit(now) {
                    Ok(()) => { breaker.ended(answered, now); }
                    Err(wait) => prop_assert!(wait <= LONGEST_PAUSE),
                }
                if answered && breaker.failures == 0 {
                    prop_assert_eq!(breaker.open_for(now), Ok(()));
                }
            }
            prop_assert_eq!(breaker.admit(now + LONGEST_PAUSE), Ok(()));
        }
    }
}
