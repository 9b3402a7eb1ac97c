//! When to leave S3 alone, and how often it may be asked a second time.

use crate::breaker::{Breaker, Turn};

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
pub(super) struct Guard {
    breaker: Breaker,
    tries: f64,
}

impl Default for Guard {
    fn default() -> Self {
        Self { breaker: Breaker::new(FIRST_PAUSE, LONGEST_PAUSE), tries: SAVED }
    }
}

impl Guard {
    /// Whether a call may be made; if not, in how many milliseconds to ask again.
    pub(super) fn admit(&mut self, now_ms: u64) -> Result<(), u64> {
        if !self.breaker.is_away() {
            self.tries = (self.tries + EARNED).min(SAVED);
        }
        // Whoever comes while one call looks waits for its end.
        self.breaker.admit(now_ms).map_err(|wait| if wait == 0 { FIRST_PAUSE } else { wait })
    }

    /// Whether calls are made at all just now; if not, in how many milliseconds to ask again.
    pub(super) fn open_for(&self, now_ms: u64) -> Result<(), u64> {
        self.breaker.open_for(now_ms)
    }

    /// Whether a call that failed may be made once more.
    pub(super) fn again(&mut self) -> bool {
        let may = !self.breaker.is_away() && self.tries >= 1.0;
        if may {
            self.tries -= 1.0;
        }
        may
    }

    /// How an admitted call ended, all its tries together.
    pub(super) fn ended(&mut self, answered: bool, now_ms: u64) -> Turn {
        self.breaker.ended(answered, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_opens_looks_again_and_closes() {
        let mut guard = Guard::default();
        for turn in [Turn::Same, Turn::Same, Turn::Away] {
            assert_eq!(guard.admit(0), Ok(()));
            assert_eq!(guard.ended(false, 0), turn);
        }
        assert_eq!((guard.admit(0), guard.open_for(999)), (Err(1_000), Err(1)));
        assert!(!guard.again(), "no second try while it is away");
        assert_eq!((guard.open_for(1_000), guard.admit(1_000)), (Ok(()), Ok(())));
        assert_eq!(guard.admit(1_000), Err(FIRST_PAUSE), "one call looks, no more");
        assert_eq!(guard.ended(false, 1_000), Turn::Same);
        assert_eq!(guard.admit(1_001), Err(1_999), "the next pause is longer");
        assert_eq!(guard.admit(3_000), Ok(()));
        assert_eq!(guard.ended(true, 3_000), Turn::Back);
        assert_eq!((guard.admit(3_000), guard.admit(3_000)), (Ok(()), Ok(())));
    }

    #[test]
    fn second_tries_are_a_tenth() {
        let mut guard = Guard::default();
        let tries = (0..1_000).filter(|_| {
            guard.admit(0).unwrap();
            let again = guard.again();
            guard.ended(true, 0);
            again
        });
        assert!((100..=110).contains(&tries.count()));
    }

    proptest! {
        /// Whatever happens, it is never shut for longer than the longest pause, and a success always opens it.
        #[test]
        fn it_never_shuts_for_good(acts in proptest::collection::vec((any::<bool>(), 0..5_000_u64), 1..200)) {
            let (mut guard, mut now) = (Guard::default(), 0);
            for (answered, passed) in acts {
                now += passed;
                match guard.admit(now) {
                    Ok(()) => { guard.ended(answered, now); }
                    Err(wait) => prop_assert!(wait <= LONGEST_PAUSE),
                }
                if answered && !guard.breaker.is_away() {
                    prop_assert_eq!(guard.open_for(now), Ok(()));
                }
            }
            prop_assert_eq!(guard.admit(now + LONGEST_PAUSE), Ok(()));
        }
    }
}
